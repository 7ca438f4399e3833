//! The analysis `edge`: signs that training is at the edge of numerical stability.
//!
//! Once a model is certain, the gradient points along the weights: a step only scales the logits
//! ("naive loss minimization"), until the losses of samples are lost in the rounding and are
//! exactly 0 ("softmax collapse"; Prieto et al. 2025; doc/definitions.md#edge). Of any
//! architecture, optimizer and loss.

use grokrun_api::prelude::*;

/// The parameters of the analysis.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(crate = "grokrun_api::serde", default, deny_unknown_fields)]
#[schemars(crate = "grokrun_api::schemars")]
pub struct Config {}

/// Holds the numbers of one snapshot.
struct Measured {
    epoch: f64,
    /// of all weights together, under an empty name, and of each parameter
    cosines: Vec<(String, f64)>,
    gradient: f64,
    zero: f64,
    /// the smallest, the median and the largest loss of a sample
    losses: [f64; 3],
}

/// The running analysis.
#[derive(Default)]
pub struct Edge {
    measured: Vec<Measured>,
}

impl Analysis for Edge {
    type Config = Config;
    const MANIFEST: Manifest = Manifest::new(
        "edge",
        "0.1.0",
        "whether gradients point along the weights, and which samples have no loss left",
    )
    .definition(
        "Prieto et al. (2025). Cosine: of -gradient of the train loss and the weights, of all trained weights together and of each parameter; near 1 a step scales the logits. Zero loss: the share of training samples whose loss is exactly 0 in the precision of the cell's loss, all of the training samples. Weight decay is no part of the loss.",
    )
    .needs(&["trained.*"])
    .scope(Scope::Any);

    fn new(_: Config, _: &Task) -> Result<Self, Failure> {
        Ok(Edge::default())
    }

    fn observe(&mut self, snapshot: &Snapshot<'_>, out: &mut dyn Sink) -> Result<(), Failure> {
        let weights = snapshot.trained_weights()?;
        let found = out.train_loss(Ask::gradient(&weights).with_samples())?;
        let mut cosines = vec![(String::new(), cosine(&weights, &found.gradient))];
        let mut place = 0;
        for (name, tensor) in snapshot.trained()? {
            let own = place..place + tensor.data().len();
            place = own.end;
            cosines.push((name.to_owned(), cosine(tensor.data(), &found.gradient[own])));
        }
        let mut losses = found.samples;
        let zero = losses.iter().filter(|loss| **loss == 0.0).count() as f64 / losses.len() as f64;
        losses.sort_by(f64::total_cmp);
        let at = |place: usize| losses.get(place).copied().unwrap_or(f64::NAN);
        let measured = Measured {
            epoch: snapshot.epoch() as f64,
            gradient: norm(&found.gradient),
            zero,
            losses: [
                at(0),
                at(losses.len() / 2),
                at(losses.len().saturating_sub(1)),
            ],
            cosines,
        };
        for (name, cosine) in &measured.cosines {
            out.scalar(&series(name), *cosine);
        }
        out.scalar("gradient norm", measured.gradient);
        out.scalar("zero loss", measured.zero);
        let [smallest, median, largest] = measured.losses;
        out.scalar("loss of a sample, smallest", smallest);
        out.scalar("loss of a sample, median", median);
        out.scalar("loss of a sample, largest", largest);
        self.measured.push(measured);
        Ok(())
    }

    fn finish(&mut self, out: &mut dyn Sink) -> Result<(), Failure> {
        let Some(last) = self.measured.last() else {
            return Ok(());
        };
        let epochs: Vec<f64> = self.measured.iter().map(|m| m.epoch).collect();
        let over = |pick: &dyn Fn(&Measured) -> f64| -> Vec<f64> {
            self.measured.iter().map(pick).collect()
        };
        let mut figure = Figure::new("Cosine of -gradient and weights")
            .x("epoch", Axis::Linear)
            .y("cosine", Axis::Linear);
        for (place, (name, _)) in last.cosines.iter().enumerate() {
            let shown = if name.is_empty() { "all" } else { name };
            let values = over(&|m| m.cosines.get(place).map_or(f64::NAN, |c| c.1));
            figure = figure.trace(Trace::line(shown, &epochs, &values));
        }
        out.figure("cosines", figure);
        let figure = Figure::new("Training samples whose loss is exactly 0")
            .x("epoch", Axis::Linear)
            .y("share", Axis::Linear)
            .trace(Trace::line("zero loss", &epochs, &over(&|m| m.zero)));
        out.figure("zero-loss", figure);
        let mut figure = Figure::new("Losses of the training samples")
            .x("epoch", Axis::Linear)
            .y("loss", Axis::Log);
        for (place, name) in ["smallest", "median", "largest"].iter().enumerate() {
            // A logarithm has no place for 0: such a sample leaves a gap.
            let values = over(&|m| match m.losses[place] {
                loss if loss > 0.0 => loss,
                _ => f64::NAN,
            });
            figure = figure.trace(Trace::line(name, &epochs, &values));
        }
        out.figure("losses", figure);
        if self.measured.iter().all(|m| m.zero == 0.0) {
            out.note(
                "no sample has a loss of exactly 0; a loss in f64, which is the default, hardly ever has one: `loss = { kind = \"cross-entropy\", precision = \"f32\" }` of [train] is the published precision",
            );
        }
        Ok(())
    }
}

fn series(parameter: &str) -> String {
    match parameter {
        "" => "cosine".to_owned(),
        name => format!("cosine, {name}"),
    }
}

/// Returns the cosine of the weights and the negative gradient; NaN if one of them is 0.
fn cosine(weights: &[f32], gradient: &[f32]) -> f64 {
    let pairs = weights.iter().zip(gradient);
    let along: f64 = pairs.map(|(w, g)| -f64::from(*w) * f64::from(*g)).sum();
    let size = norm(weights) * norm(gradient);
    if size > 0.0 { along / size } else { f64::NAN }
}

fn norm(x: &[f32]) -> f64 {
    x.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt()
}

grokrun_api::export_plugin!(Edge);

#[cfg(test)]
mod tests {
    use grokrun_api::testing::{Flat, Quadratic, add, analyse_loss, at_weights};
    use grokrun_api::{LossAt, TrainLoss};
    use grokrun_basis::gaussian;

    use super::*;

    /// A loss that falls along the weights, with two of its four samples at 0.
    #[derive(Debug)]
    struct Scaled;

    impl TrainLoss for Scaled {
        fn at(&self, ask: Ask<'_>) -> Result<LossAt, Failure> {
            Ok(LossAt {
                loss: 1.0,
                accuracy: 1.0,
                gradient: ask.weights.iter().map(|w| -0.5 * w).collect(),
                samples: vec![0.0, 3.0, 1.0, 0.0],
            })
        }
    }

    #[test]
    fn a_loss_that_falls_along_the_weights_has_the_cosine_one() {
        let data = at_weights(7, &[3.0, 4.0]);
        let found = analyse_loss::<Edge>(Config {}, &add(5), &[data], Scaled);
        for series in ["cosine", "cosine, w"] {
            assert!((found.last(series).unwrap() - 1.0).abs() < 1e-9, "{series}");
        }
        assert_eq!(found.last("zero loss"), Some(0.5));
        assert_eq!(found.last("gradient norm"), Some(2.5));
        assert_eq!(found.last("loss of a sample, median"), Some(1.0));
        assert_eq!(found.last("loss of a sample, largest"), Some(3.0));
        assert!(found.notes().is_empty(), "{:?}", found.notes());
        for figure in ["cosines", "zero-loss", "losses"] {
            assert!(found.figure(figure).is_some(), "{figure}");
        }
    }

    /// The gradient of a quadratic points away from its minimum; a random direction is neither.
    #[test]
    fn controls_have_other_cosines() {
        let weights = gaussian(3, 2000);
        let curved = |eigenvalues: Vec<f64>, turned| Quadratic {
            eigenvalues,
            floor: 1.0,
            turned,
        };
        let cosine = |loss: Quadratic| {
            let data = at_weights(0, &weights);
            let found = analyse_loss::<Edge>(Config {}, &add(5), &[data], loss);
            assert!(found.notes()[0].contains("f32"));
            found.last("cosine").unwrap()
        };
        let towards_zero = cosine(curved(vec![2.0; 2000], false));
        assert!((towards_zero + 1.0).abs() < 1e-9, "{towards_zero}");
        let signs = (0..2000).map(|i| if i % 2 == 0 { 1.0 } else { -1.0 });
        let random = cosine(curved(signs.collect(), false));
        assert!(random.abs() < 0.1, "{random}");
        let data = at_weights(0, &weights);
        let flat = analyse_loss::<Edge>(Config {}, &add(5), &[data], Flat(0.0));
        assert!(flat.last("cosine").unwrap().is_nan());
        assert_eq!(flat.last("zero loss"), Some(1.0));
    }
}
