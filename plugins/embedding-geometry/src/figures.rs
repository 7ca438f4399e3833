//! Draws the snapshots of a training in tables and figures.

use grokrun_api::prelude::*;
use grokrun_basis::Basis;
use grokrun_measures::{Circles, Frames, rounded, shown, turns};

use crate::principal::Principal;

/// The most frames of a figure that moves.
const MOST_FRAMES: usize = 40;
/// The most circles that are drawn.
const MOST_CIRCLES: usize = 8;

/// The probe's series: of the symbol and of shuffled labels.
pub(crate) const PROBES: [&str; 4] = [
    "residue probe, held out",
    "shuffled probe, held out",
    "residue probe, in sample",
    "shuffled probe, in sample",
];

/// Holds the numbers of one snapshot.
pub(crate) struct Measured {
    pub(crate) components: Principal,
    /// the components' scores in the basis, `(p, count)`
    pub(crate) in_basis: Vec<f64>,
    pub(crate) circles: Option<Circles>,
}

/// Holds the numbers of all snapshots.
pub(crate) struct Trajectory {
    p: usize,
    logarithm: Option<Basis>,
    epochs: Vec<f64>,
    /// shares of the first components
    shares: Vec<Vec<f64>>,
    probed: Vec<Option<[f64; 4]>>,
    frames: Frames<Measured>,
    /// key frequencies of the last snapshot
    keys: Vec<usize>,
}

impl Trajectory {
    pub(crate) fn new(p: usize, logarithm: Option<Basis>) -> Trajectory {
        Trajectory {
            p,
            logarithm,
            epochs: Vec::new(),
            shares: Vec::new(),
            probed: Vec::new(),
            frames: Frames::new(MOST_FRAMES),
            keys: Vec::new(),
        }
    }

    pub(crate) fn push(
        &mut self,
        epoch: u64,
        measured: Measured,
        keys: Vec<usize>,
        probed: Option<[f64; 4]>,
    ) {
        self.epochs.push(epoch as f64);
        let count = measured.components.count;
        self.shares
            .push(measured.components.shares[..count].to_vec());
        self.probed.push(probed);
        self.keys = keys;
        self.frames.push(epoch, measured);
    }

    pub(crate) fn tables(
        &self,
        basis: &Basis,
        noise: Option<&(Principal, Option<Circles>)>,
        out: &mut dyn Sink,
    ) {
        let Some((_, last)) = self.frames.last() else {
            return;
        };
        let row = |i: usize| {
            let (k, fraction) = best(basis, &last.in_basis, last.components.count, i);
            vec![
                json!(i + 1),
                json!(last.components.shares[i]),
                json!(noise.and_then(|(components, _)| components.shares.get(i))),
                shown(basis, k),
                json!(fraction),
            ]
        };
        let columns = [
            "component",
            "share",
            "share of noise",
            "frequency",
            "fraction",
        ];
        let rows = (0..last.components.count).map(row).collect();
        out.table("components", &columns, rows);

        if let Some(circles) = &last.circles {
            let row = |k: &usize| {
                let noise = noise.and_then(|(_, circles)| Some(circles.as_ref()?.fit[k - 1]));
                vec![
                    shown(basis, *k),
                    json!(basis.order_of(*k)),
                    json!(circles.share[k - 1]),
                    json!(circles.roundness[k - 1]),
                    json!(circles.fit[k - 1]),
                    json!(noise),
                ]
            };
            let columns = [
                "frequency",
                "order",
                "share",
                "roundness",
                "fit",
                "fit of noise",
            ];
            out.table("circles", &columns, self.keys.iter().map(row).collect());
        }
        if let Some(Some(probed)) = self.probed.last() {
            let row = |(name, value): (&&str, &f64)| vec![json!(name), json!(value)];
            let rows = PROBES.iter().zip(probed).map(row).collect();
            out.table("probes", &["probe", "accuracy"], rows);
        }
    }

    pub(crate) fn draw(&self, basis: &Basis, out: &mut dyn Sink) {
        let Some((_, last)) = self.frames.last() else {
            return;
        };
        self.draw_over_epochs(last.components.count, out);
        let residues: Vec<usize> = (0..self.p).collect();
        let mut colourings = vec![("residue", "residue", residues.as_slice())];
        if let Some(logarithm) = &self.logarithm {
            colourings.push(("logarithm", "discrete logarithm", logarithm.order()));
        }
        for first in (0..last.components.count.saturating_sub(1))
            .step_by(2)
            .take(2)
        {
            for (stem, name, order) in &colourings {
                // The place in the order is the residue, or the logarithm.
                let colour: Vec<f64> = (0..order.len()).map(|place| place as f64).collect();
                let points = |measured: &Measured| {
                    let count = measured.components.count;
                    let axis = |i: usize| -> Vec<f64> {
                        let of = |t: &usize| measured.components.scores[t * count + i];
                        order.iter().map(of).collect()
                    };
                    let (x, y) = (rounded(&axis(first)), rounded(&axis(first + 1)));
                    Trace::scatter("", &x, &y).colored_by(&colour)
                };
                let (one, two) = (first + 1, first + 2);
                let title = format!("Principal components {one} and {two} of W_E by {name}");
                let mut figure = Figure::new(&title)
                    .x(&format!("component {one}"), Axis::Linear)
                    .y(&format!("component {two}"), Axis::Linear)
                    .trace(points(last));
                for (epoch, measured) in self.frames.iter() {
                    figure = figure.frame(epoch, vec![points(measured)]);
                }
                out.figure(&format!("components-{one}-{two}-by-{stem}"), figure);
            }
        }
        self.draw_in_basis(basis, last, out);
        if last.circles.is_some() {
            self.draw_circles(basis, last, out);
        }
    }

    fn draw_over_epochs(&self, components: usize, out: &mut dyn Sink) {
        let mut figure = Figure::new("Share of W_E's variance by principal component")
            .x("epoch", Axis::Linear)
            .y("share", Axis::Linear);
        for i in 0..components {
            let values: Vec<f64> = self.shares.iter().map(|row| row[i]).collect();
            let name = format!("component {}", i + 1);
            figure = figure.trace(Trace::line(&name, &self.epochs, &values));
        }
        out.figure("component-shares", figure);
        if self.probed.iter().any(Option::is_some) {
            let mut figure = Figure::new("Legendre symbol of a token, read linearly from W_E")
                .x("epoch", Axis::Linear)
                .y("accuracy", Axis::Linear);
            for (i, name) in PROBES.into_iter().enumerate() {
                let of = |probed: &Option<[f64; 4]>| probed.map_or(f64::NAN, |p| p[i]);
                let values: Vec<f64> = self.probed.iter().map(of).collect();
                figure = figure.trace(Trace::line(name, &self.epochs, &values));
            }
            out.figure("residue-probe", figure);
        }
    }

    fn draw_in_basis(&self, basis: &Basis, last: &Measured, out: &mut dyn Sink) {
        let names: Vec<String> = (0..self.p).map(|row| basis.name(row)).collect();
        let map = |measured: &Measured| {
            let count = measured.components.count;
            let labels: Vec<String> = (1..=count).map(|i| format!("component {i}")).collect();
            let row = |i: usize| -> Vec<f64> {
                let of = |row: usize| measured.in_basis[row * count + i];
                rounded(&(0..self.p).map(of).collect::<Vec<f64>>())
            };
            let rows: Vec<Vec<f64>> = (0..count).map(row).collect();
            Trace::heatmap(&rows, Colors::Diverging).labelled(&names, &labels)
        };
        let mut figure = Figure::new("Principal components of W_E in the basis")
            .x("basis function of the token", Axis::Category)
            .y("component", Axis::Category)
            .trace(map(last));
        for (epoch, measured) in self.frames.iter() {
            figure = figure.frame(epoch, vec![map(measured)]);
        }
        out.figure("components-in-basis", figure);
    }

    /// Draws the tokens of the group in the plane of each key frequency of the last snapshot,
    /// coloured by their angle there, in turns; the frequencies with the largest shares, if there
    /// are too many.
    fn draw_circles(&self, basis: &Basis, last: &Measured, out: &mut dyn Sink) {
        let share = |k: usize| last.circles.as_ref().map_or(0.0, |c| c.share[k - 1]);
        let mut keys = self.keys.clone();
        keys.sort_by(|j, k| share(*k).total_cmp(&share(*j)).then(j.cmp(k)));
        keys.truncate(MOST_CIRCLES);
        for k in keys {
            let turns = turns(basis, k);
            let points = |measured: &Measured| {
                let circles = measured.circles.as_ref();
                let plane = circles.map_or_else(Default::default, |c| c.plane(basis, k));
                let [x, y] = plane.map(|axis| rounded(&axis));
                let points = Trace::scatter("", &x, &y).colored_by_turns(&turns);
                points.of_component(basis.name_of(k))
            };
            let title = format!("W_E in the plane of frequency {k}, by angle in turns");
            let mut figure = Figure::new(&title)
                .x(&format!("along cos {k}"), Axis::Linear)
                .y(&format!("along sin {k}"), Axis::Linear)
                .trace(points(last));
            for (epoch, measured) in self.frames.iter() {
                figure = figure.frame(epoch, vec![points(measured)]);
            }
            out.figure(&format!("circle-{k}"), figure.role(Role::Circle));
        }
    }
}

/// Returns the frequency with the largest share of a component's variance over the group, and the
/// share.
fn best(basis: &Basis, in_basis: &[f64], count: usize, component: usize) -> (usize, f64) {
    let power = |row: usize| in_basis[row * count + component].powi(2);
    let of = |k: usize| (k, basis.rows_of(k).map(power).sum::<f64>());
    let all: Vec<(usize, f64)> = (1..=basis.count()).map(of).collect();
    let total: f64 = all.iter().map(|(_, x)| x).sum();
    let most = |x: (usize, f64), y: &(usize, f64)| if y.1 > x.1 { *y } else { x };
    let (k, x) = all.iter().fold((0, 0.0), most);
    (k, if total > 0.0 { x / total } else { 0.0 })
}
