//! Draws the snapshots of a training in tables and figures.

use std::collections::BTreeSet;

use grokrun_api::prelude::*;
use grokrun_basis::Basis;
use grokrun_measures::shown;

use crate::point::Point;

/// Holds the numbers of one snapshot.
pub(crate) struct Measured {
    /// losses of the block's train and test pairs
    pub(crate) losses: [f64; 2],
    /// Gini coefficients of W_E and W_L
    pub(crate) gini: [f64; 2],
    /// Σθ² of all parameters, under an empty name, and of each
    pub(crate) weights: Vec<(String, f64)>,
    /// cosine with the cube of each frequency
    pub(crate) cosines: Vec<f64>,
    /// excluded loss of each frequency
    pub(crate) without: Vec<f64>,
    /// the measures with the key frequencies of this snapshot, or the given ones
    pub(crate) point: Point,
}

/// Holds the numbers of all snapshots.
#[derive(Default)]
pub(crate) struct Trajectory {
    measured: Vec<Measured>,
}

impl Trajectory {
    pub(crate) fn push(&mut self, measured: Measured) {
        self.measured.push(measured);
    }

    /// Emits tables and figures; `frozen` are the measures with the last snapshot's `keys`, if they
    /// are wanted at all checkpoints.
    pub(crate) fn tell(
        &self,
        basis: &Basis,
        keys: &[usize],
        frozen: Option<&[Point]>,
        out: &mut dyn Sink,
    ) {
        let Some(last) = self.measured.last() else {
            return;
        };
        if let Some(points) = frozen {
            let names = last.point.named().map(|(name, _)| name);
            let columns: Vec<&str> = ["epoch"].into_iter().chain(names).collect();
            let rows = points.iter().map(|point| {
                let values = point.named().map(|(_, value)| json!(value));
                std::iter::once(json!(point.epoch)).chain(values).collect()
            });
            out.table("frozen", &columns, rows.collect());
        }
        let rows = keys.iter().filter_map(|k| {
            let (cosine, loss) = (last.cosines.get(k - 1)?, last.without.get(k - 1)?);
            Some(vec![shown(basis, *k), json!(cosine), json!(loss)])
        });
        let columns = ["frequency", "cosine with cube", "excluded loss"];
        out.table("key-frequencies", &columns, rows.collect());

        let own: Vec<Point> = self
            .measured
            .iter()
            .map(|measured| measured.point.clone())
            .collect();
        let points = frozen.unwrap_or(&own);
        if let Some(end) = points.last() {
            headline(end, out);
        }
        self.draw_losses(points, out);
        draw_ratios(points, out);
        self.draw_frequencies(basis, keys, points, out);
        self.draw_weights(out);
    }

    fn epochs(&self) -> Vec<f64> {
        self.measured.iter().map(|s| s.point.epoch as f64).collect()
    }

    fn over(&self, pick: impl Fn(&Measured) -> f64) -> Vec<f64> {
        self.measured.iter().map(pick).collect()
    }

    fn draw_losses(&self, points: &[Point], out: &mut dyn Sink) {
        let (epochs, at) = (self.epochs(), epochs_of(points));
        let of = |pick: fn(&Point) -> f64| points.iter().map(pick).collect::<Vec<_>>();
        let mut figure = figure(
            "Progress measures, key frequencies together",
            "loss",
            Axis::Log,
        )
        .trace(Trace::line("train", &epochs, &self.over(|s| s.losses[0])))
        .trace(Trace::line("test", &epochs, &self.over(|s| s.losses[1])))
        .trace(Trace::line("trig", &at, &of(|p| p.trig)))
        .trace(Trace::line(
            "restricted, neurons, test",
            &at,
            &of(|p| p.restricted),
        ));
        // If the logits were not kept the point is left out, rather than drawn as a gap.
        let with: Vec<&Point> = points.iter().filter(|p| p.excluded.is_some()).collect();
        let at: Vec<f64> = with.iter().map(|p| p.epoch as f64).collect();
        for (i, name) in ["excluded, train", "excluded, neurons, train"]
            .into_iter()
            .enumerate()
        {
            let values = with.iter().filter_map(|p| Some(p.excluded?[i]));
            figure = figure.trace(Trace::line(name, &at, &values.collect::<Vec<_>>()));
        }
        let figure = figure.role(Role::Losses).caption(
            "Restricted: through the key frequencies alone, which generalises before the test loss \
             falls. Excluded: without them, which rises as the circuit takes over.",
        );
        out.figure("losses", figure);
    }

    fn draw_frequencies(
        &self,
        basis: &Basis,
        keys: &[usize],
        points: &[Point],
        out: &mut dyn Sink,
    ) {
        let epochs = self.epochs();
        let mut without = figure(
            "Excluded loss of each key frequency, train",
            "loss",
            Axis::Log,
        )
        .trace(Trace::line("train", &epochs, &self.over(|s| s.losses[0])));
        let mut cubes = figure(
            "Cosine of the logits with the cubes",
            "cosine",
            Axis::Linear,
        );
        for k in keys {
            let at = |values: &[f64]| values.get(k - 1).copied().unwrap_or(f64::NAN);
            let name = format!("frequency {}", basis.name_of(*k));
            let line = |values: Vec<f64>| {
                Trace::line(&name, &epochs, &values).of_component(basis.name_of(*k))
            };
            without = without.trace(line(self.over(|s| at(&s.without))));
            cubes = cubes.trace(line(self.over(|s| at(&s.cosines))));
        }
        let residual: Vec<f64> = points.iter().map(|p| p.cube_residual).collect();
        cubes = cubes.trace(Trace::line(
            "residual, key frequencies",
            &epochs_of(points),
            &residual,
        ));
        out.figure("excluded-by-frequency", without);
        out.figure("cubes", cubes);
    }

    fn draw_weights(&self, out: &mut dyn Sink) {
        let epochs = self.epochs();
        let names: BTreeSet<&str> = self
            .measured
            .iter()
            .flat_map(|s| s.weights.iter().map(|(name, _)| name.as_str()))
            .collect();
        let mut weights = figure("Sum of squared weights", "sum of squares", Axis::Linear);
        for name in names {
            let of = |measured: &Measured| {
                let found = measured.weights.iter().find(|(own, _)| own == name);
                // A bias that is 0 is left out.
                found.map_or(0.0, |(_, sum)| *sum)
            };
            let shown = if name.is_empty() { "total" } else { name };
            weights = weights.trace(Trace::line(shown, &epochs, &self.over(of)));
        }
        out.figure("squared-weights", weights);
        let gini = figure("Gini of the norms by frequency", "Gini", Axis::Linear)
            .trace(Trace::line("W_E", &epochs, &self.over(|s| s.gini[0])))
            .trace(Trace::line("W_L", &epochs, &self.over(|s| s.gini[1])));
        out.figure("gini", gini);
    }
}

/// Says what the key frequencies do alone, and what is left without them.
fn headline(end: &Point, out: &mut dyn Sink) {
    let short = |loss: f64| match loss {
        0.01..1000.0 => format!("{loss:.2}"),
        _ => format!("{loss:.2e}"),
    };
    let alone = format!(
        "through the key frequencies alone the test loss is {}",
        short(end.restricted)
    );
    out.headline(match end.excluded {
        Some([without, _]) => format!("{alone}; without them the train loss is {}", short(without)),
        None => alone,
    });
}

fn draw_ratios(points: &[Point], out: &mut dyn Sink) {
    let at = epochs_of(points);
    let of = |pick: &dyn Fn(&Point) -> f64| points.iter().map(pick).collect::<Vec<_>>();
    let mut ratios = figure(
        "Test loss by trig and by restricted loss",
        "ratio",
        Axis::Log,
    );
    for (i, name) in ["test / trig", "test / restricted"].into_iter().enumerate() {
        ratios = ratios.trace(Trace::line(name, &at, &of(&|p| p.ratios[i])));
    }
    out.figure("ratios", ratios);
    let title = "Trig ratio: share of variance on the key directions";
    let mut shares = figure(title, "share", Axis::Linear);
    for (i, name) in ["neurons' inputs", "neurons' outputs", "logits"]
        .into_iter()
        .enumerate()
    {
        shares = shares.trace(Trace::line(name, &at, &of(&|p| p.trig_ratios[i])));
    }
    out.figure("trig-ratio", shares);
}

fn figure(title: &str, y: &str, axis: Axis) -> Figure {
    Figure::new(title).x("epoch", Axis::Linear).y(y, axis)
}

fn epochs_of(points: &[Point]) -> Vec<f64> {
    points.iter().map(|point| point.epoch as f64).collect()
}
