//! Draws the snapshots of a training in tables, tensors and figures.

use grokrun_api::prelude::*;
use grokrun_basis::{Basis, Space};
use grokrun_measures::{Frames, rounded};

use crate::spectrum::{Shares, effective_terms};

/// The most basis functions whose names fit on an axis.
const NAMED: usize = 20;

/// Holds the maps of one snapshot.
#[derive(Default)]
pub(crate) struct Maps {
    /// heads, then neurons
    named: Vec<Map>,
    /// mean squared neuron spectrum, `(p, p)`
    pub(crate) mean: Vec<f32>,
}

struct Map {
    /// "head 0", "neuron 7"
    name: String,
    /// by a and b, `(p, p)`
    values: Vec<f32>,
    /// by row of the basis of a and of b, `(p, p)`
    spectrum: Vec<f32>,
}

impl Maps {
    pub(crate) fn push(&mut self, name: String, values: Vec<f32>, spectrum: Vec<f32>) {
        self.named.push(Map {
            name,
            values,
            spectrum,
        });
    }
}

/// Holds the numbers of all snapshots.
pub(crate) struct Trajectory {
    epochs: Vec<f64>,
    shares: Vec<Shares>,
    terms: Vec<f64>,
    /// fraction of each head and neuron
    fractions: Vec<Vec<f64>>,
    frames: Frames<Maps>,
    /// mean squared spectrum of noise, `(p, p)`
    noise: Option<Vec<f64>>,
}

impl Trajectory {
    pub(crate) fn new(frames: usize, noise: Option<Vec<f64>>) -> Trajectory {
        Trajectory {
            epochs: Vec::new(),
            shares: Vec::new(),
            terms: Vec::new(),
            fractions: Vec::new(),
            frames: Frames::new(frames),
            noise,
        }
    }

    pub(crate) fn push(
        &mut self,
        epoch: u64,
        maps: Maps,
        shares: Shares,
        terms: f64,
        fractions: Vec<f64>,
    ) {
        self.epochs.push(epoch as f64);
        self.shares.push(shares);
        self.terms.push(terms);
        self.fractions.push(fractions);
        self.frames.push(epoch, maps);
    }

    /// Emits the maps and spectra of the last snapshot, `(p, p)` each.
    pub(crate) fn tensors(&self, basis: &Basis, out: &mut dyn Sink) {
        let Some((_, last)) = self.frames.last() else {
            return;
        };
        let shape = [basis.modulus(); 2];
        for map in &last.named {
            let stem = stem(&map.name);
            out.tensor(&stem, &shape, map.values.iter().copied());
            let spectrum = map.spectrum.iter().copied();
            out.tensor(&format!("{stem}-spectrum"), &shape, spectrum);
        }
        out.tensor("mean-spectrum", &shape, last.mean.iter().copied());
    }

    /// Emits the largest terms of the mean squared spectrum of the last snapshot, and those of the
    /// control.
    pub(crate) fn tables(&self, space: &Space, out: &mut dyn Sink) {
        let (Some((_, last)), Some(shares)) = (self.frames.last(), self.shares.last()) else {
            return;
        };
        let basis = space.basis();
        let p = basis.modulus();
        let total: f64 = last.mean.iter().map(|x| f64::from(*x)).sum();
        let mut order: Vec<usize> = (0..last.mean.len()).collect();
        order.sort_by(|i, j| last.mean[*j].total_cmp(&last.mean[*i]).then(i.cmp(j)));
        let row = |at: &usize| {
            let square = f64::from(last.mean[*at]);
            vec![
                json!(basis.name(at / p)),
                json!(basis.name(at % p)),
                json!(square),
                json!(square / total),
            ]
        };
        let rows = order.iter().take(40).map(row).collect();
        let columns = ["a", "b", "mean square", "share"];
        out.table("largest-terms", &columns, rows);

        let spread = |name: &str, shares: &Shares, terms: f64| {
            vec![
                json!(name),
                json!(shares.linear),
                json!(shares.same),
                json!(shares.different),
                json!(shares.outside),
                json!(terms),
            ]
        };
        let terms = self.terms.last().copied().unwrap_or(f64::NAN);
        let mut rows = vec![spread("neurons", shares, terms)];
        if let Some(noise) = &self.noise {
            let terms = effective_terms(basis, noise);
            rows.push(spread("noise", &Shares::of(basis, noise), terms));
        }
        let columns = [
            "spectrum of",
            "linear",
            "same frequency",
            "two frequencies",
            "outside",
            "effective terms",
        ];
        out.table("shares", &columns, rows);
    }

    pub(crate) fn draw(&self, basis: &Basis, out: &mut dyn Sink) {
        let Some((_, last)) = self.frames.last() else {
            return;
        };
        self.draw_over_epochs(last, out);
        let p = basis.modulus();
        let order: Vec<usize> = [basis.outside(), basis.order()].concat();
        let tokens: Vec<String> = order.iter().map(usize::to_string).collect();
        let names: Vec<String> = (0..p).map(|row| basis.name(row)).collect();
        let (a, b) = match basis.root() {
            Some(root) => (
                format!("a by its log to {root}"),
                format!("b by its log to {root}"),
            ),
            None => ("a".to_owned(), "b".to_owned()),
        };
        let in_order = |map: &[f32]| -> Vec<f32> {
            let row = |a: &usize| order.iter().map(|b| map[a * p + b]).collect::<Vec<f32>>();
            order.iter().flat_map(row).collect()
        };
        let place = |title: &str| {
            Figure::new(title)
                .x(&b, Axis::Category)
                .y(&a, Axis::Category)
        };
        let terms = |title: &str| {
            Figure::new(title)
                .x("basis function of b", Axis::Category)
                .y("basis function of a", Axis::Category)
        };
        for (at, map) in last.named.iter().enumerate() {
            let stem = stem(&map.name);
            let what = if at < self.heads(last) {
                format!("Attention of {} to a", map.name)
            } else {
                format!("Output of {}", map.name)
            };
            let values = |maps: &Maps| {
                let rows = in_order(&maps.named[at].values);
                heatmap(&rows, p, Colors::Sequential, &tokens)
            };
            out.figure(&stem, self.moving(place(&what), last, values));
            let spectrum =
                |maps: &Maps| heatmap(&maps.named[at].spectrum, p, Colors::Diverging, &names);
            let figure = terms(&format!("{what}: spectrum"));
            out.figure(
                &format!("{stem}-spectrum"),
                self.moving(figure, last, spectrum),
            );
        }
        let figure = terms("Mean squared spectrum of all neurons");
        let mean = |maps: &Maps| heatmap(&maps.mean, p, Colors::Sequential, &names);
        out.figure("mean-spectrum", self.moving(figure, last, mean));
        self.draw_largest(last, &names, terms, out);
        if let Some(noise) = &self.noise {
            let narrow: Vec<f32> = noise.iter().map(|x| *x as f32).collect();
            let figure = terms("Mean squared spectrum of Gaussian noise").trace(heatmap(
                &narrow,
                p,
                Colors::Sequential,
                &names,
            ));
            out.figure("noise-spectrum", figure);
        }
    }

    /// Draws the mean squared spectrum at the basis functions that have most of it at the last
    /// snapshot, few enough for their names to be read.
    fn draw_largest(
        &self,
        last: &Maps,
        names: &[String],
        terms: impl Fn(&str) -> Figure,
        out: &mut dyn Sink,
    ) {
        let p = names.len();
        let at = |i: usize, j: usize| f64::from(last.mean[i * p + j]);
        let both = |i: usize| (0..p).map(|j| at(i, j) + at(j, i)).sum::<f64>();
        let weights: Vec<f64> = (0..p).map(both).collect();
        let mut rows: Vec<usize> = (0..p).collect();
        rows.sort_by(|i, j| weights[*j].total_cmp(&weights[*i]).then(i.cmp(j)));
        rows.truncate(NAMED);
        rows.sort_unstable();
        let labels: Vec<String> = rows.iter().map(|row| names[*row].clone()).collect();
        let part = |maps: &Maps| {
            let row = |i: &usize| {
                rows.iter()
                    .map(|j| maps.mean[i * p + j])
                    .collect::<Vec<f32>>()
            };
            let values: Vec<f32> = rows.iter().flat_map(row).collect();
            heatmap(&values, rows.len(), Colors::Sequential, &labels)
        };
        let figure = terms("Mean squared spectrum of all neurons: its largest basis functions");
        out.figure("mean-spectrum-largest", self.moving(figure, last, part));
    }

    /// Returns how many of the maps are heads', which come first.
    fn heads(&self, maps: &Maps) -> usize {
        let is_head = |map: &&Map| map.name.starts_with("head");
        maps.named.iter().filter(is_head).count()
    }

    fn moving(&self, figure: Figure, last: &Maps, draw: impl Fn(&Maps) -> Trace) -> Figure {
        let mut figure = figure.trace(draw(last));
        for (epoch, maps) in self.frames.iter() {
            figure = figure.frame(epoch, vec![draw(maps)]);
        }
        figure
    }

    fn draw_over_epochs(&self, last: &Maps, out: &mut dyn Sink) {
        let share =
            |pick: fn(&Shares) -> f64| -> Vec<f64> { self.shares.iter().map(pick).collect() };
        let mut figure = Figure::new("Mean squared neuron spectrum: shares of its terms")
            .x("epoch", Axis::Linear)
            .y("share", Axis::Linear);
        for (name, values) in [
            ("functions of one operand", share(|s| s.linear)),
            ("products of a frequency", share(|s| s.same)),
            ("products of two frequencies", share(|s| s.different)),
        ] {
            figure = figure.trace(Trace::line(name, &self.epochs, &values));
        }
        out.figure("spectrum-shares", figure);
        let figure = Figure::new("Mean squared neuron spectrum: effective number of terms")
            .x("epoch", Axis::Linear)
            .y("terms", Axis::Log)
            .trace(Trace::line("", &self.epochs, &self.terms));
        out.figure("effective-terms", figure);
        let mut figure = Figure::new("Fraction explained by one frequency")
            .x("epoch", Axis::Linear)
            .y("fraction", Axis::Linear);
        for (at, map) in last.named.iter().enumerate() {
            let values: Vec<f64> = self.fractions.iter().map(|row| row[at]).collect();
            figure = figure.trace(Trace::line(&map.name, &self.epochs, &values));
        }
        out.figure("fractions", figure);
    }
}

/// Returns the stem of file names: "head 0" → "attention-head-0", "neuron 7" → "neuron-7".
fn stem(name: &str) -> String {
    let stem = name.replace(' ', "-");
    if stem.starts_with("head") {
        format!("attention-{stem}")
    } else {
        stem
    }
}

/// Draws a map `(p, p)`, both sides with the same labels.
fn heatmap(values: &[f32], p: usize, colors: Colors, labels: &[String]) -> Trace {
    let wide: Vec<f64> = values.iter().map(|x| f64::from(*x)).collect();
    let rows: Vec<Vec<f64>> = rounded(&wide)
        .chunks_exact(p.max(1))
        .map(<[f64]>::to_vec)
        .collect();
    Trace::heatmap(&rows, colors).labelled(labels, labels)
}
