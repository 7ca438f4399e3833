//! What was seen over training, in tables, figures and a sentence.

use grokrun_api::prelude::*;

/// One snapshot's numbers.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) epoch: u64,
    pub(crate) symmetricity: f64,
    /// at each question
    pub(crate) cosines: Vec<f64>,
    pub(crate) irrelevance: f64,
    pub(crate) circularity: f64,
    /// circularity of noise
    pub(crate) noise: f64,
    /// frequency, and the shares that clock and pizza explain of its circle's logits
    pub(crate) circles: Vec<(usize, f64, f64)>,
}

impl Seen {
    /// Mean over circles; NaN of none.
    pub(crate) fn explained(&self) -> [f64; 2] {
        let count = self.circles.len() as f64;
        [
            self.circles.iter().map(|(_, clock, _)| clock).sum::<f64>() / count,
            self.circles.iter().map(|(_, _, pizza)| pizza).sum::<f64>() / count,
        ]
    }
}

/// All snapshots.
#[derive(Default)]
pub(crate) struct Past {
    seen: Vec<Seen>,
}

impl Past {
    /// Takes a snapshot's; of those before, the cosines are let go.
    pub(crate) fn push(&mut self, seen: Seen) {
        if let Some(last) = self.seen.last_mut() {
            last.cosines = Vec::new();
        }
        self.seen.push(seen);
    }

    pub(crate) fn report(&self, grouped: bool, out: &mut dyn Sink) {
        let Some(last) = self.seen.last() else { return };
        let [clock, pizza] = last.explained();
        // The paper's models, clock and pizza (doc/definitions.md#clock-or-pizza).
        let all = [
            (
                "gradient symmetricity",
                last.symmetricity,
                Some(0.3336),
                Some(0.9937),
            ),
            (
                "distance irrelevance",
                last.irrelevance,
                Some(0.85),
                Some(0.17),
            ),
            ("circularity", last.circularity, None, Some(0.998)),
            ("clock explained", clock, None, Some(0.754)),
            ("pizza explained", pizza, None, Some(0.983)),
        ];
        let rows = all.iter().take(if grouped { all.len() } else { 1 });
        let rows = rows.map(|(name, value, clock, pizza)| {
            vec![json!(name), json!(value), json!(clock), json!(pizza)]
        });
        let columns = [
            "measure",
            "this model",
            "the paper's clock",
            "the paper's pizza",
        ];
        out.table("measures", &columns, rows.collect());

        let epochs: Vec<f64> = self.seen.iter().map(|s| s.epoch as f64).collect();
        let over =
            |pick: &dyn Fn(&Seen) -> f64| -> Vec<f64> { self.seen.iter().map(pick).collect() };
        let mut figure = Figure::new("Clock or pizza")
            .x("epoch", Axis::Linear)
            .y("gradient symmetricity, distance irrelevance", Axis::Linear)
            .trace(Trace::line(
                "gradient symmetricity",
                &epochs,
                &over(&|s| s.symmetricity),
            ));
        if grouped {
            let q = over(&|s| s.irrelevance);
            figure = figure.trace(Trace::line("distance irrelevance", &epochs, &q));
        }
        out.figure("measures", figure);
        let cosines = Figure::new("Cosine of the two gradients of a logit")
            .x("cosine", Axis::Linear)
            .y("samples", Axis::Linear)
            .trace(Trace::histogram("", &last.cosines, 20));
        out.figure("gradient-cosines", cosines);
        if !grouped {
            return;
        }
        let mut figure = Figure::new("Circularity of the principal components of W_E")
            .x("epoch", Axis::Linear)
            .y("circularity", Axis::Linear)
            .trace(Trace::line("W_E", &epochs, &over(&|s| s.circularity)));
        if self.seen.iter().any(|s| s.noise > 0.0) {
            figure = figure.trace(Trace::line("Gaussian noise", &epochs, &over(&|s| s.noise)));
        }
        out.figure("circularity", figure);
        let figure = Figure::new("One circle of W_E: what explains the logits, mean over circles")
            .x("epoch", Axis::Linear)
            .y("share of variance", Axis::Linear)
            .trace(Trace::line("clock", &epochs, &over(&|s| s.explained()[0])))
            .trace(Trace::line("pizza", &epochs, &over(&|s| s.explained()[1])));
        out.figure("circles", figure);
        let rows = last.circles.iter();
        let rows = rows.map(|(k, clock, pizza)| vec![json!(k), json!(clock), json!(pizza)]);
        out.table(
            "circles",
            &["frequency", "clock explained", "pizza explained"],
            rows.collect(),
        );
        out.note(format!(
            "gradient symmetricity {:.3} (the paper's clock 0.33, pizza 0.99), distance irrelevance {:.3} (clock 0.85, pizza 0.17); one circle's logits: clock explains {clock:.3}, pizza {pizza:.3}",
            last.symmetricity, last.irrelevance
        ));
    }
}
