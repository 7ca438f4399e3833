//! The analysis `embedding-geometry`: how the tokens lie in the embedding W_E.
//!
//! - **Principal components** of the p tokens' rows, centred: each one's share of the variance, and
//!   the frequency that explains most of the tokens' coordinates along it, with its fraction. Drawn
//!   coloured by residue and, where p is prime, by discrete logarithm to the smallest primitive
//!   root: what is a tangle in one can be a circle in the other. Control: Gaussian noise of the
//!   same shape.
//! - **Circles**: for each frequency k the tokens in the plane that the rows cos k and sin k of F
//!   W_E span, with the share of W_E's variance over the group that the frequency has, the
//!   **roundness** (shorter by longer axis of the ellipse) and the **fit**, the share of the
//!   points' variance in that plane that the frequency explains. Drawn for the key frequencies of
//!   the last snapshot, coloured by the angle. Noise has a fit well above 0 too, since a plane is
//!   fitted to it: the control's is given.
//! - **Residue probe**: whether the Legendre symbol of a token, whether it is a square modulo p,
//!   can be read from its row by a linear function (doc/definitions.md#embedding-geometry). `held
//!   out` is the accuracy over ten folds, balanced in the symbol, of a ridge regression on the rows
//!   that are left; `in sample` that of one fitted to all rows, next to unregularised. The
//!   published number (0.99 at p = 97, d_model 128) is linear separability, **in sample**: but
//!   p − 1 points in general position in d_model dimensions are separable by *any* labels as long
//!   as p ≤ d_model + 2, as the shuffled labels show here beside it. Only what is held out says
//!   something of the embedding. It may be *below* one half: a model that multiplies lays tokens
//!   out smoothly in their logarithm, where neighbours have opposite symbols (0.28 on mul mod 59
//!   after grokking). Everything is deterministic.
//!
//! Where p is not prime there is no logarithm and no symbol; where the operation's operands have no
//! angle there are no circles; for other operations than multiplication and squares nothing ties
//! the symbol to the task. The notes say which of these holds.

mod figures;
mod principal;
mod probe;

use figures::{Measured, Trajectory};
use grokrun_api::prelude::*;
use grokrun_basis::{Basis, Space, gaussian};
use grokrun_measures::{Circles, KeyRule, check_basis, numbering, space, tokens};
use principal::Principal;
use probe::Probe;

/// The most components that can be shown.
const MOST_COMPONENTS: usize = 64;
/// The most shuffled probes.
const MOST_SHUFFLES: usize = 100;

/// The parameters of the analysis.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(crate = "grokrun_api::serde", default, deny_unknown_fields)]
#[schemars(crate = "grokrun_api::schemars")]
pub struct Config {
    /// principal components that are kept, 2 to 64
    pub components: usize,
    /// auto (the one that suits the operation), additive, multiplicative, group or labels
    pub basis: String,
    /// key frequencies of each snapshot: those above a quarter of the largest norm of W_L or of W_E
    pub keys: String,
    /// probe the Legendre symbol
    pub probe: bool,
    /// the probe's regularisation, as a multiple of the rows' mean square; above 0
    pub ridge: f64,
    /// probes of shuffled labels, 1 to 100
    pub shuffles: usize,
    /// also measure Gaussian noise of the shape of W_E
    pub control: bool,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            components: 8,
            basis: "auto".to_owned(),
            keys: "W_L".to_owned(),
            probe: true,
            ridge: 0.1,
            shuffles: 10,
            control: true,
        }
    }
}

/// The running analysis.
pub struct EmbeddingGeometry {
    config: Config,
    space: Space,
    rule: KeyRule,
    p: usize,
    probe: Option<Probe>,
    /// the control: components and circles of noise
    noise: Option<(Principal, Option<Circles>)>,
    trajectory: Trajectory,
}

impl Analysis for EmbeddingGeometry {
    type Config = Config;
    const MANIFEST: Manifest = Manifest::new(
        "embedding-geometry",
        "0.1.0",
        "principal components of W_E, circles by key frequency, and a quadratic-residue probe",
    )
    .definition(
        "Components of the tokens' rows of W_E, centred. Circle of k: the plane of the rows cos k and sin k of F W_E; roundness: shorter by longer axis; fit: share of the points' variance in the plane that k explains. Residue probe: accuracy of a ridge regression of the Legendre symbol, held out over ten balanced folds; in sample it is separability, which any labels have while p <= d_model + 2.",
    )
    .needs(&["weight.*"])
    .scope(Scope::Any);

    fn check(config: &Config) -> Result<(), Failure> {
        KeyRule::parse("keys", &config.keys)?;
        let within = |name: &str, value: usize, low: usize, high: usize| match value {
            value if (low..=high).contains(&value) => Ok(()),
            _ => Err(Failure::parameter(
                name,
                format!("must be from {low} to {high}"),
            )),
        };
        within("components", config.components, 2, MOST_COMPONENTS)?;
        within("shuffles", config.shuffles, 1, MOST_SHUFFLES)?;
        if !(config.ridge > 0.0 && config.ridge.is_finite()) {
            return Err(Failure::parameter("ridge", "must be above 0 and finite"));
        }
        check_basis("basis", &config.basis)
    }

    fn new(config: Config, task: &Task) -> Result<Self, Failure> {
        let p = task.modulus;
        let space = space(&config.basis, task)?;
        let d = task.model.d_model;
        let noise = || {
            let table = gaussian(1, p * d);
            let components = Principal::new(&table, d, config.components)?;
            let circles = planes(&space).map(|basis| Circles::new(basis, &table, d));
            Some((components, circles))
        };
        let probe = || Probe::new(p, config.ridge, config.shuffles);
        Ok(EmbeddingGeometry {
            rule: KeyRule::parse("keys", &config.keys)?,
            noise: config.control.then(noise).flatten(),
            probe: config.probe.then(probe).flatten(),
            trajectory: Trajectory::new(p, Basis::multiplicative(p).ok()),
            space,
            p,
            config,
        })
    }

    fn observe(&mut self, snapshot: &Snapshot<'_>, out: &mut dyn Sink) -> Result<(), Failure> {
        let (p, basis) = (self.p, self.space.basis());
        let w_e = tokens(snapshot, p)?;
        let (tokens, d) = (&w_e.data[..], w_e.width);
        if d == 0 {
            return Err(Failure::new("the embedding has no columns"));
        }
        let Some(components) = Principal::new(tokens, d, self.config.components) else {
            out.note("W_E is not finite at some snapshots: these have no geometry");
            return Ok(());
        };
        for (i, share) in (1..).zip(components.shares.iter().take(components.count)) {
            out.scalar(&format!("component {i} share"), *share);
        }
        out.scalar("effective components", components.effective_number());
        let narrow = components.scores.iter().map(|x| *x as f32);
        out.tensor("components", &[p, components.count], narrow);

        let keys = match self.space.operands() {
            // The components are the label's: a token has none of them.
            None => Vec::new(),
            Some(basis) => self.rule.keys(basis, snapshot)?,
        };
        let circles = planes(&self.space).map(|basis| Circles::new(basis, tokens, d));
        if let Some(circles) = &circles {
            let mean = |values: &[f64]| -> f64 {
                keys.iter().map(|k| values[k - 1]).sum::<f64>() / keys.len() as f64
            };
            out.scalar("key frequencies", keys.len() as f64);
            out.scalar("share in circles", mean(&circles.share) * keys.len() as f64);
            out.scalar("mean roundness", mean(&circles.roundness));
            out.scalar("mean fit", mean(&circles.fit));
            for (name, values) in [
                ("circle-share", &circles.share),
                ("circle-roundness", &circles.roundness),
                ("circle-fit", &circles.fit),
            ] {
                out.tensor(name, &[values.len()], values.iter().map(|x| *x as f32));
            }
        }

        let probed = self.probe.as_ref().map(|probe| {
            let (own, shuffled) = probe.measure(tokens, d);
            let count = shuffled.len() as f64;
            let mean =
                |pick: fn(&probe::Accuracy) -> f64| shuffled.iter().map(pick).sum::<f64>() / count;
            let values = [
                own.held_out,
                mean(|a| a.held_out),
                own.in_sample,
                mean(|a| a.in_sample),
            ];
            for (name, value) in figures::PROBES.iter().zip(values) {
                out.scalar(name, value);
            }
            values
        });
        let in_basis = basis.forward_wide(&components.scores);
        let measured = Measured {
            components,
            in_basis,
            circles,
        };
        self.trajectory
            .push(snapshot.epoch(), measured, keys, probed);
        Ok(())
    }

    fn finish(&mut self, out: &mut dyn Sink) -> Result<(), Failure> {
        let basis = self.space.basis();
        self.trajectory.tables(basis, self.noise.as_ref(), out);
        self.trajectory.draw(basis, out);
        for note in self.notes() {
            out.note(note);
        }
        Ok(())
    }
}

impl EmbeddingGeometry {
    /// Says which measures have a meaning for this task, and which have not.
    fn notes(&self) -> Vec<String> {
        let (p, logarithm) = (self.p, Basis::multiplicative(self.p).ok());
        let mut notes = vec![format!("basis: {}", self.space)];
        match logarithm.as_ref().and_then(Basis::root) {
            Some(root) => notes.push(format!(
                "discrete logarithms are to the smallest primitive root, {root}; 0 has none"
            )),
            None => notes.push(format!(
                "{p} is not prime: there is no discrete logarithm to colour by, and no Legendre symbol to probe"
            )),
        }
        if self.space.operands().is_none() {
            notes.push(
                "a token has no angle in this operation: no circles, and the components' frequencies, in the additive basis, need not say anything".to_owned(),
            );
        }
        if let Some(note) = numbering(self.space.basis()) {
            notes.push("a representation is no plane: there are no circles".to_owned());
            notes.push(note);
        }
        if self.config.probe && logarithm.is_some() && self.probe.is_none() {
            notes.push(format!("{p} has too few residues for a probe"));
        }
        let additive = self.space.operands().is_some() && self.space.basis().root().is_none();
        if self.probe.is_some() && additive {
            notes.push(
                "the Legendre symbol has no part in this operation: the probe is expected at one half".to_owned(),
            );
        }
        notes
    }
}

/// Returns the basis whose components are planes, in which tokens can be on a circle: none if
/// operands have no components, or these are representations of more dimensions.
fn planes(space: &Space) -> Option<&Basis> {
    space.operands().filter(|basis| basis.is_cyclic())
}

grokrun_api::export_plugin!(EmbeddingGeometry);

#[cfg(test)]
mod tests;
