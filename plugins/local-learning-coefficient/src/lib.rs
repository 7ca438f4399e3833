//! The analysis `local-learning-coefficient`: how degenerate the minimum is that training is in.
//!
//! The local learning coefficient λ says how fast the volume of weights with a loss below a bound
//! shrinks with the bound: d/2 for d directions that are all curved, less where the loss is flat
//! (Lau et al. 2023; doc/definitions.md#local-learning-coefficient). It is estimated by Langevin
//! dynamics on the full batch. Of any architecture, optimizer and loss.

mod sampler;

use grokrun_api::prelude::*;
use grokrun_measures::{DIFFERENCE, distance, extremes};
use sampler::{Chain, Dynamics};

/// Of n β λ_max + γ, by 2: the part of the distance to the minimum that a step goes in the sharpest
/// direction. Steps above 2 run away; the variance that is drawn is too large by 1 / (1 − share/2).
const SHARE: f64 = 0.05;
/// The products with the Hessian that find its largest eigenvalue, for the step.
const PRODUCTS: usize = 12;

/// The parameters of the analysis.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(crate = "grokrun_api::serde", default, deny_unknown_fields)]
#[schemars(crate = "grokrun_api::schemars")]
pub struct Config {
    /// the chains, each with noise of its own
    pub chains: usize,
    /// the draws of a chain
    pub draws: usize,
    /// the steps of a chain before its first draw
    pub burn_in: usize,
    /// the strength of the pull towards the weights of the checkpoint
    pub gamma: f64,
    /// ε, the variance of a step's noise; 0 takes a twentieth of the distance to the minimum in the
    /// sharpest direction
    pub step: f64,
    /// n β, what the mean loss is multiplied by; 0 takes n / log n of n training samples
    pub n_beta: f64,
    /// the seed of the noise
    pub seed: u32,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            chains: 4,
            draws: 200,
            burn_in: 200,
            gamma: 5.0,
            step: 0.0,
            n_beta: 0.0,
            seed: 1,
        }
    }
}

/// Holds the numbers of one snapshot.
struct Measured {
    epoch: u64,
    loss: f64,
    dynamics: Dynamics,
    chains: Vec<Chain>,
    /// λ̂ of each chain; NaN of one that diverged
    each: Vec<f64>,
    /// the mean over chains
    mean: f64,
    /// the standard error of that mean
    error: f64,
    /// how far the second half of the draws is from the first, by λ̂
    drift: f64,
    /// the share of draws with a loss below that of the checkpoint
    below: f64,
}

/// The running analysis.
pub struct LocalLearningCoefficient {
    config: Config,
    n: usize,
    measured: Vec<Measured>,
}

impl Analysis for LocalLearningCoefficient {
    type Config = Config;
    const MANIFEST: Manifest = Manifest::new(
        "local-learning-coefficient",
        "0.1.0",
        "the local learning coefficient by Langevin dynamics, with diagnostics of its chains",
    )
    .definition(
        "Lau et al. (2023): n beta (mean of L over draws - L at the checkpoint), L the mean train loss without weight decay. Draws of Langevin dynamics on all training samples: w <- w - eps/2 (n beta g + gamma (w - w0)) + N(0, eps); n beta = n / log n. Mean and standard error over chains. A model of d curved directions has d/2. Acceptance: the mean probability with which Metropolis' rule would accept the steps. Drift: second half of the draws less the first, by the estimate. Below: draws with a lower loss than the checkpoint's.",
    )
    .needs(&["trained.*"])
    .cadence(Cadence::Ends)
    .scope(Scope::Any);

    fn check(config: &Config) -> Result<(), Failure> {
        if !(2..=1000).contains(&config.chains) {
            return Err(Failure::parameter("chains", "must be 2 to 1000"));
        }
        if !(2..=1_000_000).contains(&config.draws) {
            return Err(Failure::parameter("draws", "must be 2 to 1000000"));
        }
        if config.burn_in > 1_000_000 {
            return Err(Failure::parameter("burn_in", "must be 0 to 1000000"));
        }
        for (name, value) in [
            ("gamma", config.gamma),
            ("step", config.step),
            ("n_beta", config.n_beta),
        ] {
            if !(value >= 0.0 && value.is_finite()) {
                return Err(Failure::parameter(
                    name,
                    "must be 0 or a finite number above 0",
                ));
            }
        }
        Ok(())
    }

    fn new(config: Config, task: &Task) -> Result<Self, Failure> {
        let n = task.train.len();
        if config.n_beta == 0.0 && n < 3 {
            return Err(Failure::new(format!(
                "n / log n is not defined for {n} training samples; expected 3 or more, or `n_beta`"
            )));
        }
        Ok(LocalLearningCoefficient {
            config,
            n,
            measured: Vec::new(),
        })
    }

    fn observe(&mut self, snapshot: &Snapshot<'_>, out: &mut dyn Sink) -> Result<(), Failure> {
        let weights = snapshot.trained_weights()?;
        let measured = self.measure(snapshot.epoch(), &weights, out)?;
        let over = |pick: fn(&Chain) -> f64| {
            measured.chains.iter().map(pick).sum::<f64>() / measured.chains.len() as f64
        };
        out.scalar("coefficient", measured.mean);
        out.scalar("coefficient, standard error", measured.error);
        out.scalar("loss", measured.loss);
        out.scalar("step", measured.dynamics.step);
        out.scalar("n beta", measured.dynamics.n_beta);
        out.scalar("acceptance", over(|chain| chain.acceptance));
        out.scalar("distance", over(|chain| chain.distance));
        out.scalar("drift", measured.drift);
        out.scalar("below", measured.below);
        let diverged = measured.chains.iter().filter(|chain| chain.diverged);
        out.scalar("diverged", diverged.count() as f64);
        self.measured.push(measured);
        Ok(())
    }

    fn finish(&mut self, out: &mut dyn Sink) -> Result<(), Failure> {
        let Some(last) = self.measured.last() else {
            return Ok(());
        };
        let mut rows = Vec::new();
        for m in &self.measured {
            for (number, (chain, estimate)) in m.chains.iter().zip(&m.each).enumerate() {
                rows.push(vec![
                    json!(m.epoch),
                    json!(number),
                    json!(estimate),
                    json!(chain.acceptance),
                    json!(chain.distance),
                    json!(chain.losses.len()),
                    json!(chain.diverged),
                ]);
            }
        }
        let columns = [
            "epoch",
            "chain",
            "coefficient",
            "acceptance",
            "distance",
            "draws",
            "diverged",
        ];
        out.table("chains", &columns, rows);
        let epochs: Vec<f64> = self.measured.iter().map(|m| m.epoch as f64).collect();
        let over = |pick: &dyn Fn(&Measured) -> f64| -> Vec<f64> {
            self.measured.iter().map(pick).collect()
        };
        let figure = Figure::new("Local learning coefficient")
            .x("epoch", Axis::Linear)
            .y("coefficient", Axis::Linear)
            .trace(Trace::line("coefficient", &epochs, &over(&|m| m.mean)))
            .trace(Trace::line(
                "- standard error",
                &epochs,
                &over(&|m| m.mean - m.error),
            ))
            .trace(Trace::line(
                "+ standard error",
                &epochs,
                &over(&|m| m.mean + m.error),
            ));
        out.figure("coefficient", figure);
        let title = format!("Loss along the chains, epoch {}", last.epoch);
        let mut figure = Figure::new(&title)
            .x("draw", Axis::Linear)
            .y("loss", Axis::Linear);
        for (number, chain) in last.chains.iter().enumerate() {
            let draws: Vec<f64> = (0..chain.losses.len()).map(|draw| draw as f64).collect();
            figure = figure.trace(Trace::line(
                &format!("chain {number}"),
                &draws,
                &chain.losses,
            ));
        }
        out.figure("chains", figure);
        self.warn(out);
        Ok(())
    }
}

impl LocalLearningCoefficient {
    fn measure(
        &self,
        epoch: u64,
        weights: &[f32],
        out: &mut dyn Sink,
    ) -> Result<Measured, Failure> {
        let Config {
            chains,
            draws,
            burn_in,
            gamma,
            step,
            n_beta,
            seed,
        } = self.config;
        let n = self.n as f64;
        let n_beta = if n_beta > 0.0 { n_beta } else { n / n.ln() };
        let loss = out.train_loss(Ask::loss(weights))?.loss;
        let step = if step > 0.0 {
            step
        } else {
            self.stable_step(weights, n_beta, out)?
        };
        let dynamics = Dynamics {
            n_beta,
            gamma,
            step,
            burn_in,
            draws,
        };
        let mut drawn = Vec::with_capacity(chains);
        for chain in 0..chains {
            // Each chain has as many seeds as it takes steps.
            let first = (chain * (burn_in + draws)) as i64;
            let seed = (i64::from(seed) << 31) + first;
            drawn.push(dynamics.chain(weights, seed, out)?);
        }
        let mean = |x: &[f64]| x.iter().sum::<f64>() / x.len() as f64;
        let estimate = |losses: &[f64]| n_beta * (mean(losses) - loss);
        let each: Vec<f64> = drawn
            .iter()
            .map(|chain| {
                if chain.diverged {
                    f64::NAN
                } else {
                    estimate(&chain.losses)
                }
            })
            .collect();
        let whole: Vec<f64> = each.iter().copied().filter(|x| x.is_finite()).collect();
        let centre = mean(&whole);
        let variance =
            whole.iter().map(|x| (x - centre).powi(2)).sum::<f64>() / (whole.len() as f64 - 1.0);
        let halves = drawn.iter().filter(|chain| !chain.diverged).map(|chain| {
            let (early, late) = chain.losses.split_at(draws / 2);
            estimate(late) - estimate(early)
        });
        let drift = mean(&halves.collect::<Vec<f64>>()) / centre;
        let all: Vec<f64> = drawn
            .iter()
            .flat_map(|chain| &chain.losses)
            .copied()
            .collect();
        Ok(Measured {
            epoch,
            loss,
            dynamics,
            each,
            mean: centre,
            error: (variance / whole.len() as f64).sqrt(),
            drift,
            below: all.iter().filter(|l| **l < loss).count() as f64 / all.len() as f64,
            chains: drawn,
        })
    }

    /// Returns the step that goes [`SHARE`] of the way in the sharpest direction.
    fn stable_step(
        &self,
        weights: &[f32],
        n_beta: f64,
        out: &mut dyn Sink,
    ) -> Result<f64, Failure> {
        let distance = distance(weights, DIFFERENCE);
        let seed = i64::from(self.config.seed);
        let ends = extremes(weights.len(), PRODUCTS, 1e-2, seed, |v| {
            out.hessian_product(weights, v, distance)
        })?;
        let sharpest = n_beta * (ends.largest + ends.residual).max(0.0) + self.config.gamma;
        if sharpest > 0.0 {
            Ok(2.0 * SHARE / sharpest)
        } else {
            Err(Failure::new(
                "the loss is flat and gamma is 0: nothing keeps a chain near; expected `gamma` above 0, or a `step`",
            ))
        }
    }

    /// Says where the diagnostics do not trust the estimate.
    fn warn(&self, out: &mut dyn Sink) {
        let at = |wrong: &dyn Fn(&Measured) -> bool| -> Option<String> {
            let epochs: Vec<String> = self
                .measured
                .iter()
                .filter(|m| wrong(m))
                .map(|m| m.epoch.to_string())
                .collect();
            (!epochs.is_empty()).then(|| epochs.join(", "))
        };
        let diverged = |m: &Measured| m.chains.iter().any(|chain| chain.diverged);
        if let Some(epochs) = at(&diverged) {
            out.note(format!(
                "at epoch {epochs} chains diverged, and are left out: a smaller `step` or a larger `gamma` keeps them"
            ));
        }
        if let Some(epochs) = at(&|m| m.drift.abs() > 0.1) {
            out.note(format!(
                "at epoch {epochs} the second half of the draws differs from the first by more than a tenth: the chains have not settled, and the coefficient depends on their length; more `burn_in` or a larger `gamma` helps"
            ));
        }
        let accepted = |m: &Measured| {
            m.chains.iter().map(|chain| chain.acceptance).sum::<f64>() / m.chains.len() as f64
        };
        if let Some(epochs) = at(&|m| accepted(m) < 0.5) {
            out.note(format!(
                "at epoch {epochs} Metropolis' rule would reject more than half of the steps: the draws are not those of the posterior; a smaller `step` is closer"
            ));
        }
        if let Some(epochs) = at(&|m| m.below > 0.05) {
            out.note(format!(
                "at epoch {epochs} more than a twentieth of the draws have a lower loss than the checkpoint, which is no minimum: the coefficient is that of another point"
            ));
        }
    }
}

grokrun_api::export_plugin!(LocalLearningCoefficient);

#[cfg(test)]
mod tests;
