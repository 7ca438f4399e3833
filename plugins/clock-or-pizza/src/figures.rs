//! Draws the snapshots of a training in tables, figures and a sentence.

use grokrun_api::prelude::*;

/// Holds the numbers of one snapshot.
#[derive(Default)]
pub(crate) struct Measured {
    pub(crate) epoch: u64,
    pub(crate) symmetricity: f64,
    /// its standard error
    pub(crate) error: f64,
    /// the cosine at each question
    pub(crate) cosines: Vec<f64>,
    pub(crate) irrelevance: f64,
    pub(crate) circularity: f64,
    /// circularity of noise
    pub(crate) noise: f64,
    /// frequency of each circle, and the shares of its logits that clock and pizza explain
    pub(crate) circles: Vec<(usize, f64, f64)>,
}

impl Measured {
    /// Returns the means over circles; NaN without circles.
    pub(crate) fn explained(&self) -> [f64; 2] {
        let count = self.circles.len() as f64;
        [
            self.circles.iter().map(|(_, clock, _)| clock).sum::<f64>() / count,
            self.circles.iter().map(|(_, _, pizza)| pizza).sum::<f64>() / count,
        ]
    }
}

/// Holds the numbers of all snapshots.
#[derive(Default)]
pub(crate) struct Trajectory {
    measured: Vec<Measured>,
}

impl Trajectory {
    /// Returns whether nothing was measured.
    pub(crate) fn is_empty(&self) -> bool {
        self.measured.is_empty()
    }

    /// Adds a snapshot; the cosines of earlier ones are released.
    pub(crate) fn push(&mut self, measured: Measured) {
        if let Some(last) = self.measured.last_mut() {
            last.cosines = Vec::new();
        }
        self.measured.push(measured);
    }

    pub(crate) fn report(&self, grouped: bool, out: &mut dyn Sink) {
        let Some(last) = self.measured.last() else {
            return;
        };
        let [clock, pizza] = last.explained();
        // The values of the paper's models, clock and pizza.
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
            ("clock explained", clock, None, Some(on_our_scale(0.7541))),
            ("pizza explained", pizza, None, Some(PIZZA)),
        ];
        let rows = all.iter().take(if grouped { all.len() } else { 1 });
        let rows = rows.map(|(name, value, clock, pizza)| {
            let error = (*name == "gradient symmetricity").then_some(last.error);
            vec![
                json!(name),
                json!(value),
                json!(error),
                json!(clock),
                json!(pizza),
            ]
        });
        let columns = [
            "measure",
            "this model",
            "standard error",
            "the paper's clock",
            "the paper's pizza",
        ];
        out.table("measures", &columns, rows.collect());

        let epochs: Vec<f64> = self.measured.iter().map(|s| s.epoch as f64).collect();
        let over = |pick: &dyn Fn(&Measured) -> f64| -> Vec<f64> {
            self.measured.iter().map(pick).collect()
        };
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
        if self.measured.iter().any(|s| s.noise > 0.0) {
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
            "gradient symmetricity {:.3} ± {:.3} (standard error of {} triples; the paper's clock 0.33, pizza 0.99), distance irrelevance {:.3} (clock 0.85, pizza 0.17); one circle's logits: clock explains {clock:.3}, pizza {pizza:.3}",
            last.symmetricity,
            last.error,
            last.cosines.len(),
            last.irrelevance
        ));
    }
}

/// The share of a circle of the paper's pizza that |cos w(a−b)/2| cos w(a+b−c) explains, measured
/// on its published model: the paper's 98.3 % are of other waves, with |cos x| − |sin x| in the
/// place of cos 2x.
const PIZZA: f64 = 0.992;

/// Returns the share r² that a multiple of waves explains, from the paper's share of logits and
/// waves that were both brought to deviation 1: 1 − Var(x − y) = 2r − 1.
fn on_our_scale(of_paper: f64) -> f64 {
    ((1.0 + of_paper) / 2.0).powi(2)
}

#[cfg(test)]
mod tests {
    use super::on_our_scale;

    /// Computes both scales for the same waves with noise, each by its definition.
    #[test]
    fn the_papers_figures_stand_on_the_scale_of_the_measure() {
        let waves: Vec<f64> = (0..4000).map(|i| (0.7 * f64::from(i)).cos()).collect();
        let noise = |i: usize| (((i * i) % 1009) as f64 / 1009.0 - 0.5) * 1.7;
        let logits = waves.iter().enumerate();
        let logits: Vec<f64> = logits.map(|(i, x)| 3.0 * x + noise(i) + 5.0).collect();
        let standard = |x: &[f64]| -> Vec<f64> {
            let mean = x.iter().sum::<f64>() / x.len() as f64;
            let square = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / x.len() as f64;
            x.iter().map(|x| (x - mean) / square.sqrt()).collect()
        };
        let (x, y) = (standard(&logits), standard(&waves));
        let count = x.len() as f64;
        let papers = 1.0 - x.iter().zip(&y).map(|(x, y)| (x - y).powi(2)).sum::<f64>() / count;
        let along = x.iter().zip(&y).map(|(x, y)| x * y).sum::<f64>();
        let ours = along * along / (count * count);
        assert!(papers < 0.97 && (on_our_scale(papers) - ours).abs() < 1e-9);
        assert!((on_our_scale(0.7541) - 0.769).abs() < 5e-4);
    }
}
