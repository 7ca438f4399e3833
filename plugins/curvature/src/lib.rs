//! The analysis `curvature`: the largest eigenvalue and the trace of the Hessian of the train loss.
//!
//! How sharp the minimum is that training has found: the largest eigenvalue by Lanczos, the trace
//! by Hutchinson's estimator (doc/definitions.md#curvature). Both take products with the Hessian
//! alone. Of any architecture, optimizer and loss.

use grokrun_api::prelude::*;
use grokrun_basis::gaussian;
use grokrun_measures::{DIFFERENCE, distance, extremes};

/// The parameters of the analysis.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(crate = "grokrun_api::serde", default, deny_unknown_fields)]
#[schemars(crate = "grokrun_api::schemars")]
pub struct Config {
    /// the most products with the Hessian that Lanczos takes
    pub products: usize,
    /// the residual by the largest eigenvalue at which Lanczos stops
    pub tolerance: f64,
    /// the random vectors of the trace
    pub probes: usize,
    /// the distance over which gradients are differentiated, by the norm of the weights
    pub step: f64,
    /// the seed of the random vectors
    pub seed: u32,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            products: 30,
            tolerance: 1e-3,
            probes: 20,
            step: DIFFERENCE,
            seed: 1,
        }
    }
}

/// Holds the numbers of one snapshot.
struct Measured {
    epoch: u64,
    largest: f64,
    smallest: f64,
    residual: f64,
    products: usize,
    /// the largest again, by a difference over twice the distance
    wider: f64,
    trace: f64,
    /// the standard error of the trace
    error: f64,
}

/// The running analysis.
pub struct Curvature {
    config: Config,
    measured: Vec<Measured>,
}

impl Analysis for Curvature {
    type Config = Config;
    const MANIFEST: Manifest = Manifest::new(
        "curvature",
        "0.1.0",
        "largest eigenvalue and trace of the Hessian of the train loss",
    )
    .definition(
        "Hessian of the mean train loss by the trained weights, without weight decay. Largest eigenvalue: Lanczos with full orthogonalisation; an eigenvalue lies within the residual of it. Smallest: the lowest that the same vectors have, an upper bound. Trace: mean of v.Hv over random signs v (Hutchinson 1990), with the standard error of that mean. Hv: central difference of two gradients over a stated distance; 'double distance' is the largest eigenvalue's Rayleigh quotient over twice that distance, which is the same where the loss is smooth at that scale.",
    )
    .needs(&["trained.*"])
    .cadence(Cadence::Ends)
    .scope(Scope::Any);

    fn check(config: &Config) -> Result<(), Failure> {
        if !(1..=1000).contains(&config.products) {
            return Err(Failure::parameter("products", "must be 1 to 1000"));
        }
        if !(2..=10_000).contains(&config.probes) {
            return Err(Failure::parameter("probes", "must be 2 to 10000"));
        }
        Failure::unless_share("step", config.step)?;
        Failure::unless_share("tolerance", config.tolerance)
    }

    fn new(config: Config, _: &Task) -> Result<Self, Failure> {
        Ok(Curvature {
            config,
            measured: Vec::new(),
        })
    }

    fn observe(&mut self, snapshot: &Snapshot<'_>, out: &mut dyn Sink) -> Result<(), Failure> {
        let weights = snapshot.trained_weights()?;
        let measured = self.measure(snapshot.epoch(), &weights, out)?;
        out.scalar("largest eigenvalue", measured.largest);
        out.scalar("largest eigenvalue, residual", measured.residual);
        out.scalar("largest eigenvalue, double distance", measured.wider);
        out.scalar("smallest eigenvalue", measured.smallest);
        out.scalar("trace", measured.trace);
        out.scalar("trace, standard error", measured.error);
        self.measured.push(measured);
        Ok(())
    }

    fn finish(&mut self, out: &mut dyn Sink) -> Result<(), Failure> {
        let row = |m: &Measured| {
            vec![
                json!(m.epoch),
                json!(m.largest),
                json!(m.residual),
                json!(m.wider),
                json!(m.smallest),
                json!(m.trace),
                json!(m.error),
                json!(m.products),
            ]
        };
        let columns = [
            "epoch",
            "largest eigenvalue",
            "residual",
            "double distance",
            "smallest eigenvalue",
            "trace",
            "standard error",
            "products",
        ];
        out.table(
            "curvature",
            &columns,
            self.measured.iter().map(row).collect(),
        );
        let epochs: Vec<f64> = self.measured.iter().map(|m| m.epoch as f64).collect();
        let over = |pick: &dyn Fn(&Measured) -> f64| -> Vec<f64> {
            self.measured.iter().map(pick).collect()
        };
        let figure = Figure::new("Largest eigenvalue of the Hessian")
            .x("epoch", Axis::Linear)
            .y("eigenvalue", Axis::Linear)
            .trace(Trace::line("largest", &epochs, &over(&|m| m.largest)))
            .trace(Trace::line(
                "over twice the distance",
                &epochs,
                &over(&|m| m.wider),
            ));
        out.figure("eigenvalue", figure);
        let figure = Figure::new("Trace of the Hessian")
            .x("epoch", Axis::Linear)
            .y("trace", Axis::Linear)
            .trace(Trace::line("trace", &epochs, &over(&|m| m.trace)))
            .trace(Trace::line(
                "- standard error",
                &epochs,
                &over(&|m| m.trace - m.error),
            ))
            .trace(Trace::line(
                "+ standard error",
                &epochs,
                &over(&|m| m.trace + m.error),
            ));
        out.figure("trace", figure);
        let off = |m: &Measured| (m.wider - m.largest).abs() > 0.1 * m.largest.abs();
        let rough: Vec<String> = self
            .measured
            .iter()
            .filter(|m| off(m))
            .map(|m| m.epoch.to_string())
            .collect();
        if !rough.is_empty() {
            out.note(format!(
                "at epoch {} the largest eigenvalue differs by more than a tenth over twice the distance: the loss is not quadratic at that scale (as at kinks of a ReLU, which count the more the shorter the distance); another `step` tells more",
                rough.join(", ")
            ));
        }
        let early = |m: &&Measured| m.residual > 10.0 * self.config.tolerance * m.largest.abs();
        let early: Vec<String> = self
            .measured
            .iter()
            .filter(early)
            .map(|m| m.epoch.to_string())
            .collect();
        if !early.is_empty() {
            out.note(format!(
                "at epoch {} the vector of {} products at most is none of the Hessian to ten times the tolerance: the residual says how far off an eigenvalue can be; more `products` help, unless the loss is not smooth at the distance of `step`",
                early.join(", "),
                self.config.products
            ));
        }
        Ok(())
    }
}

impl Curvature {
    fn measure(
        &self,
        epoch: u64,
        weights: &[f32],
        out: &mut dyn Sink,
    ) -> Result<Measured, Failure> {
        let Config {
            products,
            tolerance,
            probes,
            step,
            seed,
        } = self.config;
        let seed = i64::from(seed);
        let distance = distance(weights, step);
        let ends = extremes(weights.len(), products, tolerance, seed, |v| {
            out.hessian_product(weights, v, distance)
        })?;
        // The differences of a rough loss are not linear in their direction: what the vector has by
        // itself counts, and its residual says how far the vector is from one of the Hessian.
        let own = out.hessian_product(weights, &ends.vector, distance)?;
        let largest = dot(&own, &ends.vector);
        let off = own.iter().zip(&ends.vector);
        let off: Vec<f64> = off.map(|(x, v)| x - largest * v).collect();
        let again = out.hessian_product(weights, &ends.vector, 2.0 * distance)?;
        let mut found = Vec::with_capacity(probes);
        for probe in 0..probes {
            let noise = gaussian(seed + 1 + probe as i64, weights.len());
            let signs: Vec<f64> = noise
                .iter()
                .map(|x| if *x < 0.0 { -1.0 } else { 1.0 })
                .collect();
            let product = out.hessian_product(weights, &signs, distance)?;
            found.push(dot(&product, &signs));
        }
        let count = probes as f64;
        let trace = found.iter().sum::<f64>() / count;
        let variance = found.iter().map(|x| (x - trace).powi(2)).sum::<f64>() / (count - 1.0);
        Ok(Measured {
            epoch,
            largest,
            smallest: ends.smallest,
            residual: dot(&off, &off).sqrt(),
            products: ends.products,
            wider: dot(&again, &ends.vector),
            trace,
            error: (variance / count).sqrt(),
        })
    }
}

fn dot(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}

grokrun_api::export_plugin!(Curvature);

#[cfg(test)]
mod tests {
    use grokrun_api::testing::{Flat, Quadratic, Recorder, add, analyse_loss, at_weights};

    use super::*;

    fn of(turned: bool, config: Config) -> (Vec<f64>, Recorder) {
        let mut eigenvalues: Vec<f64> = (0..200).map(|i| f64::from(i) / 200.0).collect();
        eigenvalues[50] = 7.5;
        eigenvalues[60] = -0.5;
        let loss = Quadratic {
            eigenvalues: eigenvalues.clone(),
            floor: 0.1,
            turned,
        };
        let weights = gaussian(8, 200);
        let data = at_weights(40, &weights);
        (
            eigenvalues,
            analyse_loss::<Curvature>(config, &add(5), &[data], loss),
        )
    }

    #[test]
    fn a_planted_quadratic_has_its_eigenvalues_and_its_trace() {
        for turned in [false, true] {
            let (eigenvalues, found) = of(turned, Config::default());
            let last = |series: &str| found.last(series).unwrap();
            let largest = last("largest eigenvalue");
            assert!((largest / 7.5 - 1.0).abs() < 1e-3, "{turned}: {largest}");
            assert!((last("largest eigenvalue, double distance") / 7.5 - 1.0).abs() < 1e-3);
            assert!((last("smallest eigenvalue") + 0.5).abs() < 0.05);
            let (trace, error) = (last("trace"), last("trace, standard error"));
            let want: f64 = eigenvalues.iter().sum();
            if turned {
                assert!((trace - want).abs() < 4.0 * error, "{trace} {error} {want}");
                assert!(error < 0.05 * want);
            } else {
                // Of a diagonal Hessian each probe gives the trace itself.
                assert!((trace / want - 1.0).abs() < 1e-3, "{trace} {want}");
                assert!(error < 1e-3 * want, "{error}");
            }
            assert!(found.notes().is_empty(), "{:?}", found.notes());
            assert_eq!(found.table("curvature").unwrap()[0]["epoch"], 40);
        }
    }

    #[test]
    fn few_products_are_reported_and_a_flat_loss_has_no_curvature() {
        let few = Config {
            products: 2,
            ..Config::default()
        };
        let (_, found) = of(true, few);
        assert!(
            found.notes()[0].contains("2 products"),
            "{:?}",
            found.notes()
        );
        let data = at_weights(0, &gaussian(8, 30));
        let flat = analyse_loss::<Curvature>(Config::default(), &add(5), &[data], Flat(1.0));
        assert_eq!(flat.last("largest eigenvalue"), Some(0.0));
        assert_eq!(flat.last("trace"), Some(0.0));
    }

    #[test]
    fn wrong_parameters_are_named() {
        let zero = Config {
            step: 0.0,
            ..Config::default()
        };
        let one = Config {
            probes: 1,
            ..Config::default()
        };
        for (config, name) in [(zero, "step"), (one, "probes")] {
            let why = Curvature::check(&config).unwrap_err().to_string();
            assert!(why.contains(name), "{why}");
        }
    }
}
