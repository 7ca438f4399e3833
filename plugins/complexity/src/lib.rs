//! The analysis `complexity`: in how few bits the weights can be written down without losing more
//! than a little of the train loss.
//!
//! A model that memorises needs its weights to many digits, one that generalises does not: the
//! description length rises and then falls when a model groks (DeMoss et al. 2024;
//! doc/definitions.md#complexity). Of any architecture, optimizer and loss.

mod code;
mod grain;

use grain::{Coarse, Parameter};
use grokrun_api::prelude::*;
use grokrun_basis::gaussian;

/// Singular values below so much of a matrix's largest are cut off: each is tried.
const THRESHOLDS: [f64; 8] = [0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5];
/// The finest and the coarsest grid, by the root mean square of what is rounded.
const STEPS: [f64; 2] = [1e-4, 4.0];

/// The parameters of the analysis.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(crate = "grokrun_api::serde", default, deny_unknown_fields)]
#[schemars(crate = "grokrun_api::schemars")]
pub struct Config {
    /// how much larger the train loss may be with the coarse weights
    pub tolerance: f64,
    /// how often the interval of the grid's step is halved, for each threshold
    pub halvings: usize,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            tolerance: 0.01,
            halvings: 10,
        }
    }
}

/// The shortest description that was found.
#[derive(Clone, Copy, Debug)]
struct Shortest {
    bits: f64,
    threshold: f64,
    step: f64,
    loss: f64,
    /// the share of components that are kept
    rank: f64,
}

/// The running analysis.
pub struct Complexity {
    config: Config,
    epochs: Vec<f64>,
    /// of each snapshot: bits, bits of noise, entropy
    found: Vec<[f64; 3]>,
    failed: Vec<u64>,
}

impl Analysis for Complexity {
    type Config = Config;
    const MANIFEST: Manifest = Manifest::new(
        "complexity",
        "0.1.0",
        "description length of the weights that keep the train loss",
    )
    .definition(
        "After DeMoss et al. (2024): the least bits over thresholds and grids of the trained weights, each matrix cut to its singular values above a threshold times the largest and rounded, whose train loss is above that of the checkpoint by the tolerance (0.01) at most. Bits: of an adaptive code (Krichevsky and Trofimov 1981) of the rounded numbers, where the paper runs bzip2. Noise: Gaussian weights of the same sizes, cut and rounded alike. Spectral entropy: - sum s ln s of each matrix's singular values by their sum, summed over matrices.",
    )
    .needs(&["trained.*"])
    .cadence(Cadence::Ends)
    .scope(Scope::Any);

    fn check(config: &Config) -> Result<(), Failure> {
        if !(config.tolerance > 0.0 && config.tolerance.is_finite()) {
            return Err(Failure::parameter("tolerance", "must be above 0"));
        }
        if !(1..=40).contains(&config.halvings) {
            return Err(Failure::parameter("halvings", "must be 1 to 40"));
        }
        Ok(())
    }

    fn new(config: Config, _: &Task) -> Result<Self, Failure> {
        Ok(Complexity {
            config,
            epochs: Vec::new(),
            found: Vec::new(),
            failed: Vec::new(),
        })
    }

    fn observe(&mut self, snapshot: &Snapshot<'_>, out: &mut dyn Sink) -> Result<(), Failure> {
        let weights = snapshot.trained_weights()?;
        let tensors = snapshot.trained()?;
        let parameters: Vec<Parameter> = tensors.iter().map(|(_, t)| Parameter::new(t)).collect();
        let loss = out.train_loss(Ask::loss(&weights))?.loss;
        let found = self.shortest(&parameters, loss, out)?;
        let count = weights.len() as f64;
        let entropy: f64 = parameters.iter().map(Parameter::entropy).sum();
        out.scalar("spectral entropy", entropy);
        let Some(found) = found else {
            self.failed.push(snapshot.epoch());
            return Ok(());
        };
        let noise = control(&tensors, &parameters, found);
        out.scalar("description length", found.bits);
        out.scalar("description length, noise", noise);
        out.scalar("bits a weight", found.bits / count);
        out.scalar("threshold", found.threshold);
        out.scalar("grid", found.step);
        out.scalar("rank", found.rank);
        out.scalar("loss", found.loss);
        self.epochs.push(snapshot.epoch() as f64);
        self.found.push([found.bits, noise, entropy]);
        Ok(())
    }

    fn finish(&mut self, out: &mut dyn Sink) -> Result<(), Failure> {
        let over = |i: usize| self.found.iter().map(|f| f[i]).collect::<Vec<f64>>();
        if !self.found.is_empty() {
            let figure = Figure::new("Description length of the weights")
                .x("epoch", Axis::Linear)
                .y("bits", Axis::Linear)
                .trace(Trace::line("weights", &self.epochs, &over(0)))
                .trace(Trace::line("noise", &self.epochs, &over(1)));
            out.figure("complexity", figure);
            let figure = Figure::new("Entropy of the singular values")
                .x("epoch", Axis::Linear)
                .y("spectral entropy", Axis::Linear)
                .trace(Trace::line("all matrices", &self.epochs, &over(2)));
            out.figure("entropy", figure);
        }
        if !self.failed.is_empty() {
            let epochs: Vec<String> = self.failed.iter().map(u64::to_string).collect();
            out.note(format!(
                "at epoch {} no grid keeps the train loss within {}: nothing was measured there; a larger `tolerance` does",
                epochs.join(", "),
                self.config.tolerance
            ));
        }
        Ok(())
    }
}

impl Complexity {
    /// Returns the shortest description that keeps the loss; none if the finest grid does not.
    fn shortest(
        &self,
        parameters: &[Parameter],
        loss: f64,
        out: &mut dyn Sink,
    ) -> Result<Option<Shortest>, Failure> {
        let mut best: Option<Shortest> = None;
        for threshold in THRESHOLDS {
            let mut tried = |step: f64| -> Result<Option<Shortest>, Failure> {
                let coarse = coarse(parameters, threshold, step);
                let weights: Vec<f32> = coarse.iter().flat_map(|c| &c.numbers).copied().collect();
                let now = out.train_loss(Ask::loss(&weights))?.loss;
                let keeps = now <= loss + self.config.tolerance;
                Ok(keeps.then(|| Shortest {
                    bits: coarse.iter().map(|c| c.bits).sum(),
                    threshold,
                    step,
                    loss: now,
                    rank: rank(&coarse),
                }))
            };
            let [mut fine, mut rough] = STEPS.map(f64::ln);
            // What is too much on the finest grid is too much on a coarser one. A higher threshold
            // may keep the loss all the same: singular values that are cut may have made it worse.
            let Some(mut here) = tried(fine.exp())? else {
                continue;
            };
            for _ in 0..self.config.halvings {
                let middle = 0.5 * (fine + rough);
                match tried(middle.exp())? {
                    Some(found) => (here, fine) = (found, middle),
                    None => rough = middle,
                }
            }
            if best.is_none_or(|best| here.bits < best.bits) {
                best = Some(here);
            }
        }
        Ok(best)
    }
}

fn coarse(parameters: &[Parameter], threshold: f64, step: f64) -> Vec<Coarse> {
    let each = parameters.iter();
    each.map(|parameter| parameter.coarse(threshold, step))
        .collect()
}

/// Returns the share of components that are kept, of all matrices together; NaN without a matrix.
fn rank(coarse: &[Coarse]) -> f64 {
    let ranks = coarse.iter().filter_map(|c| c.rank);
    let sums = ranks.fold([0, 0], |sum, rank| [sum[0] + rank[0], sum[1] + rank[1]]);
    sums[0] as f64 / sums[1] as f64
}

/// Returns the bits of Gaussian noise of the same shapes and sizes, cut and rounded alike.
fn control(tensors: &[(&str, Tensor<'_>)], parameters: &[Parameter], found: Shortest) -> f64 {
    let all = tensors.iter().zip(parameters).zip(1..);
    all.map(|(((_, tensor), parameter), seed)| {
        let scale = parameter.scale();
        let noise = gaussian(seed, parameter.len()).into_iter();
        let columns = tensor.shape().last().copied().unwrap_or(1).max(1);
        let noise = Parameter::of(noise.map(|x| scale * f64::from(x)).collect(), columns);
        noise.coarse(found.threshold, found.step).bits
    })
    .sum()
}

grokrun_api::export_plugin!(Complexity);

#[cfg(test)]
mod tests;
