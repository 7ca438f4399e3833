//! The analysis `quadratic-fit`: how far a neuron is a polynomial of degree 2 in cosines and sines.
//!
//! A neuron that adds a wave of a and a wave of b and applies ReLU has, besides, their product, and
//! with it cos and sin of the sum of the angles: the step from two numbers to their sum. How much
//! of a neuron that polynomial is:
//!
//! - **The course's regression** (doc/definitions.md#quadratic-fit; table `course`):
//!   ReLU(offset/√n + cos_k(a) + cos_k(b)), rows of the basis at length 1 and offset 1/2, on 1, cos
//!   a, cos b and cos a cos b, terms of length 1. For p = 113 and k = 42 that is 9.190, 6.807,
//!   6.807 and 3.566 with r² 0.966, and 0.849 without the product, as published. For a prime
//!   modulus no frequency is different from another; for the multiplicative basis its order counts.
//! - **r2**: the share of the centred variance of a neuron's output that the products of {1, cos,
//!   sin} of a with those of b explain, at the frequency where this is most: the fraction of
//!   `neuron-clustering`, as the paper's code and ARENA have it. The paper's text says "polynomial
//!   of degree 2", to which cos 2k and sin 2k of a and of b would belong; its code leaves them out,
//!   and so does this. **r2 without quadratic**: by cos and sin of a and of b alone.
//! - **r2 of waves**: the same of ReLU of the neuron's own two waves: the mean, and the waves of a
//!   and of b at that frequency, of its input: its own amplitudes and phases in the place of the
//!   course's. **input in waves** says how much of the variance of its input they are.
//! - **loss of polynomials**: every neuron replaced by its polynomial, all else as it is (the skip
//!   path too); **loss of explained polynomials**: only the neurons that reach the `threshold`, as
//!   the paper (which reports 3 % more than the model's loss for these). A polynomial keeps the
//!   neuron's mean, so that there is nothing to correct for a bias. All losses over the pairs that
//!   have a label and whose operands are in the group: for multiplication those without 0.
//!
//! Means are over the neurons that are not constant. The control, once: columns of Gaussian noise.
//! For an operation whose operands have no angle nothing here has a meaning; a note says so.
//!
//! By default each 1,000 epochs, and at both ends: fitting the inputs and outputs of all neurons
//! over all pairs, and their losses, costs a tenth of the training between two checkpoints at
//! p = 113.

mod block;
mod figures;
mod fit;
mod textbook;

use block::Block;
use figures::{Measured, Trajectory};
use fit::{Fits, Model, Neuron};
use grokrun_api::prelude::*;
use grokrun_basis::{Energies, gaussian};
use grokrun_measures::{check_basis, neuron_logit_map, space};

/// How many columns of noise the control has.
const NOISE: usize = 64;

/// The parameters of the analysis.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(crate = "grokrun_api::serde", default, deny_unknown_fields)]
#[schemars(crate = "grokrun_api::schemars")]
pub struct Config {
    /// auto (the one that suits the operation), additive, multiplicative, group or labels
    pub basis: String,
    /// the least r2 of a neuron that counts as explained
    pub threshold: f64,
    /// what the course's neuron adds to its cosines, in units of 1/√n
    pub offset: f64,
    /// also fit Gaussian noise, once
    pub control: bool,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            basis: "auto".to_owned(),
            threshold: 0.85,
            offset: 0.5,
            control: true,
        }
    }
}

/// The running analysis.
pub struct QuadraticFit {
    config: Config,
    /// none if operands have no angle
    block: Option<Block>,
    /// the name of the basis
    basis: String,
    relu: bool,
    trajectory: Trajectory,
}

impl Analysis for QuadraticFit {
    type Config = Config;
    const MANIFEST: Manifest = Manifest::new(
        "quadratic-fit",
        "0.1.0",
        "how far a neuron is a degree-2 polynomial of cosines and sines, and the loss if it is",
    )
    .definition(
        "r2: share of a neuron's centred variance along the products of {1, cos, sin} of a and of b at its best frequency (code of Nanda et al. 2023, ARENA; without cos 2k, sin 2k). Of waves: the same of ReLU of the mean and the waves of its input. Loss of polynomials: neurons replaced, the skip path kept, over pairs whose operands are in the group. Course: ReLU of two cosines by 1, cos a, cos b, cos a cos b.",
    )
    .needs(&[
        "weight.*",
        "*.hook_pre",
        "*.hook_post",
        "logits",
    ])
    .cadence(Cadence::Every(1000));

    fn check(config: &Config) -> Result<(), Failure> {
        if !(config.threshold > 0.0 && config.threshold <= 1.0) {
            return Err(Failure::parameter(
                "threshold",
                "must be above 0 and at most 1",
            ));
        }
        if !config.offset.is_finite() {
            return Err(Failure::parameter("offset", "must be a finite number"));
        }
        check_basis("basis", &config.basis)
    }

    fn new(config: Config, task: &Task) -> Result<Self, Failure> {
        let space = space(&config.basis, task)?;
        let cyclic = space.operands().filter(|basis| basis.is_cyclic());
        Ok(QuadraticFit {
            config,
            block: cyclic.map(|basis| Block::new(basis.clone(), task)),
            basis: space.to_string(),
            relu: task.model.activation == "relu",
            trajectory: Trajectory::default(),
        })
    }

    fn observe(&mut self, snapshot: &Snapshot<'_>, out: &mut dyn Sink) -> Result<(), Failure> {
        let Some(block) = &self.block else {
            return Ok(());
        };
        let p = block.basis.modulus();
        let w_l = neuron_logit_map(snapshot, p)?;
        let d = w_l.len() / p;
        let post = snapshot.post()?;
        if post.shape() != [p * p, d] {
            return Err(Failure::new(format!(
                "post has the shape {:?}; expected ({}, {d})",
                post.shape(),
                p * p
            )));
        }
        if self.config.control && self.trajectory.noise.is_none() {
            let noise = Energies::in_basis(&block.basis, &gaussian(1, p * p * NOISE));
            let sum: f64 = noise.best().iter().map(|(_, share)| share).sum();
            self.trajectory.noise = Some(sum / NOISE as f64);
        }
        let best = Energies::in_basis(&block.basis, post.data()).best();
        let model = Model {
            pre: snapshot.pre()?.data(),
            post: post.data(),
            w_l: &w_l,
            logits: snapshot.logits()?.data(),
            d,
            p,
        };
        let threshold = self.config.threshold;
        let fits = Fits::new(block, &model, &best, threshold)?;
        let measured = Measured::new(fits, threshold);
        for (name, value) in measured.named() {
            out.scalar(name, value);
        }
        let of = |pick: fn(&Neuron) -> f64| -> Vec<f32> {
            measured.neurons.iter().map(|n| pick(n) as f32).collect()
        };
        out.tensor("frequency", &[d], of(|n| n.frequency as f64));
        out.tensor("r2", &[d], of(|n| n.r2));
        out.tensor("r2-of-waves", &[d], of(|n| n.own_r2));
        let amplitudes = measured.neurons.iter().flat_map(|n| n.amplitudes);
        out.tensor("amplitudes", &[d, 3], amplitudes.map(|x| x as f32));
        self.trajectory.push(snapshot.epoch(), measured);
        Ok(())
    }

    fn finish(&mut self, out: &mut dyn Sink) -> Result<(), Failure> {
        let Some(block) = &self.block else {
            out.note(format!("a token has no angle in this operation (basis: {}): a polynomial of cosines and sines of the operands has no meaning, and nothing was fitted", self.basis));
            return Ok(());
        };
        self.trajectory
            .tables(&block.basis, self.config.offset, out);
        self.trajectory.draw(self.config.threshold, out);
        out.note(format!(
            "basis: {}; {} of the {} pairs count",
            self.basis,
            block.pairs.len(),
            block.basis.modulus().pow(2)
        ));
        if !self.relu {
            out.note("the model's activation is not ReLU: r2 of waves and the course's regression are those of ReLU all the same");
        }
        Ok(())
    }
}

grokrun_api::export_plugin!(QuadraticFit);

#[cfg(test)]
mod tests;
