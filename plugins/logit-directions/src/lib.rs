//! The analysis `logit-directions`: the few directions through which neurons speak to the logits.
//!
//! W_L = W_out W_U in the basis of the class is W_L ≈ Σ_k u_k cos_k + v_k sin_k over the key
//! frequencies: u_k and v_k are directions of the neurons, `(d_mlp)`, columns of W_L Fᵀ
//! (doc/definitions.md#logit-directions). Sent through them, the neurons' outputs are functions of
//! the pair.
//!
//! - **Explained**: the share of the centred variance of u_k · MLP(a, b) that lies along the cosine
//!   of k times the label's angle, and of v_k · MLP(a, b) along the sine: for addition cos and sin
//!   of w_k(a + b), as in the paper. By both directions of the frequency too, which forgives a
//!   phase. The control: Gaussian directions of the neurons, each by the two directions that
//!   explain most of it.
//! - **2-D spectra** of u_k and v_k over the pairs, of the last snapshot.
//! - **Residual**: ‖W_L − its key rows‖ / ‖W_L‖, Frobenius norms over all classes: the mean and, of
//!   multiplication, class 0 count as rest. `effective-weights` leaves both out of "W_L in keys".
//! - **Projection ablations**, each with its loss over train and test pairs together (series) and
//!   apart (table of the last snapshot):
//!
//! | series | logits |
//! |---|---|
//! | loss | the model's own |
//! | keep directions | their mean and their part along cos and sin of the label for the key frequencies, 2 each: ARENA's trig loss, the "restricted loss" of the paper's code |
//! | keep terms | their mean and the products of {1, cos, sin} of a with those of b, 8 a key frequency |
//! | drop directions, drop terms | all but these; the mean stays |
//! | keep W_L directions | the neurons projected on the span of the u_k and v_k; what goes round the neurons stays |
//! | null space | the neurons without that span |
//! | keep random directions, null space of random | the same with as many Gaussian directions: the control |
//!
//! The mean by class stays in the first four, which is the papers' bias correction; the last four
//! change it, as in the paper, where nothing is corrected. Only pairs that count are used: for
//! multiplication those without 0, which has no angle (doc/definitions.md#the-pairs-that-count), so
//! that the losses differ from those of all pairs. For an operation whose operands have no angle
//! the directions are those of the label, there are no other terms, and the spectra, in the
//! additive basis, need not be sparse; a note says so.
//!
//! By default each 500 epochs, and at both ends: nine losses, over all key frequencies while there
//! are many, cost a tenth of the training between two checkpoints at p = 113.

mod ablations;
mod directions;
mod figures;
mod pairs;
mod spans;

use ablations::{Ablations, Model, NAMES};
use directions::{Explained, best_explained};
use figures::{Measured, Trajectory};
use grokrun_api::prelude::*;
use grokrun_measures::{KeyRule, check_basis, neuron_logit_map, numbering, product_bt};
use pairs::Pairs;
use spans::Outputs;

/// How many Gaussian directions the control has.
const RANDOM: usize = 8;

/// The parameters of the analysis.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(crate = "grokrun_api::serde", default, deny_unknown_fields)]
#[schemars(crate = "grokrun_api::schemars")]
pub struct Config {
    /// auto (the one that suits the operation), additive, multiplicative, group or labels
    pub basis: String,
    /// key frequencies of each snapshot: those above a quarter of the largest norm of W_L or of W_E
    pub keys: String,
    /// these key frequencies at every snapshot instead; none to find them
    pub frequencies: Vec<usize>,
    /// also measure Gaussian directions of the neurons
    pub control: bool,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            basis: "auto".to_owned(),
            keys: "W_L".to_owned(),
            frequencies: Vec::new(),
            control: true,
        }
    }
}

/// The running analysis.
pub struct LogitDirections {
    pairs: Pairs,
    /// whether neurons go to the logits through W_L alone
    shallow: bool,
    rule: KeyRule,
    config: Config,
    trajectory: Trajectory,
}

impl Analysis for LogitDirections {
    type Config = Config;
    const MANIFEST: Manifest = Manifest::new(
        "logit-directions",
        "0.1.0",
        "u_k and v_k of W_L, what cos and sin of the label explain of them, projection ablations",
    )
    .definition(
        "u_k, v_k: columns of W_L F^T for cos k and sin k of the class (Nanda et al. 2023). Explained: share of the centred variance of u_k . MLP(a, b) along cos k of the label, of v_k along sin k. Ablations of the logits keep their mean by class (ARENA's trig loss); those of the neurons project on the span of all u_k and v_k, or on its null space, without bias correction. Over pairs whose operands are in the group. Residual: norm of W_L without its key rows over that of W_L, all classes: the mean and class 0 of a multiplication count as rest, which the shares of effective-weights leave out.",
    )
    .needs(&["weight.*", "*.hook_post", "logits"])
    .cadence(Cadence::Every(500))
    .scope(Scope::Any);

    fn check(config: &Config) -> Result<(), Failure> {
        KeyRule::parse("keys", &config.keys)?;
        if config.frequencies.contains(&0) {
            return Err(Failure::parameter("frequencies", "must be 1 or more each"));
        }
        check_basis("basis", &config.basis)
    }

    fn new(mut config: Config, task: &Task) -> Result<Self, Failure> {
        let pairs = Pairs::new(&config.basis, task)?;
        let most = pairs.space.count();
        config.frequencies.sort_unstable();
        config.frequencies.dedup();
        if let Some(k) = config.frequencies.iter().find(|k| **k > most) {
            return Err(Failure::parameter(
                "frequencies",
                format!(
                    "has {k}; the largest frequency of {} is {most}",
                    task.operation
                ),
            ));
        }
        Ok(LogitDirections {
            rule: KeyRule::parse("keys", &config.keys)?,
            trajectory: Trajectory::default(),
            shallow: task.model.is_shallow(),
            pairs,
            config,
        })
    }

    fn observe(&mut self, snapshot: &Snapshot<'_>, out: &mut dyn Sink) -> Result<(), Failure> {
        let (pairs, p) = (&self.pairs, self.pairs.p);
        let w_l = neuron_logit_map(snapshot, p)?;
        let d = w_l.len() / p;
        let post = pairs.take("post", snapshot.post()?.data(), d)?;
        let logits = pairs.take("logits", snapshot.logits()?.data(), p)?;
        let keys = match self.config.frequencies.as_slice() {
            [] => self.rule.keys(pairs.space.basis(), snapshot)?,
            fixed => fixed.to_vec(),
        };

        // W_L along the rows of the basis, (d_mlp, p), and the neurons' outputs through it, (N, p).
        let in_basis = product_bt(&w_l, &pairs.classes, p);
        let random = if self.config.control { RANDOM } else { 0 };
        let outputs = Outputs::new(pairs, &post, [&w_l, &in_basis], &keys, random);
        // Half a snapshot, if not every pair counts.
        drop(post);
        let functions = product_bt(&outputs.of_neurons, &pairs.classes, p);
        let explained = Explained::new(pairs, &functions);
        let model = Model {
            w_l: &w_l,
            of_neurons: &outputs.of_neurons,
            spans: &outputs.spans,
            logits: &logits,
        };
        let ablations = Ablations::new(pairs, &model, &keys);

        let [u, v] = explained.means(&keys);
        out.scalar("keys", keys.len() as f64);
        out.scalar("u explained", u);
        out.scalar("v explained", v);
        if self.config.control {
            let noise = best_explained(pairs, &outputs.random, RANDOM);
            out.scalar("random explained", noise);
            self.trajectory.random.push(noise);
        }
        out.scalar("logits explained", ablations.explained);
        out.scalar("residual", residual(pairs, &in_basis, &keys));
        for (name, loss) in NAMES.iter().zip(&ablations.losses) {
            out.scalar(name, loss.all);
        }
        for (i, name) in ["u-explained", "v-explained"].into_iter().enumerate() {
            let values = explained.own.iter().map(|pair| pair[i] as f32);
            out.tensor(name, &[explained.own.len()], values);
        }
        self.trajectory.push(Measured {
            epoch: snapshot.epoch(),
            explained,
            losses: ablations.losses,
        });
        self.trajectory.keep(keys, functions);
        Ok(())
    }

    fn finish(&mut self, out: &mut dyn Sink) -> Result<(), Failure> {
        self.trajectory.tables(&self.pairs, out);
        self.trajectory.draw(&self.pairs, out);
        let mut note = format!(
            "basis: {}; {} of the {} pairs count",
            self.pairs.space,
            self.pairs.count(),
            self.pairs.p * self.pairs.p
        );
        if self.pairs.space.operands().is_none() {
            note.push_str(
                "; a token has no angle in this operation, so that there are no terms but the directions of the label, and the 2-D spectra, in the additive basis, need not be sparse",
            );
        }
        out.note(note);
        if !self.shallow {
            out.note("of several layers of neurons these are the directions of the last, through W_out W_U alone");
        }
        if let Some(note) = numbering(self.pairs.space.basis()) {
            out.note("u of a representation: the mean over its matrix entries of the share that all of its directions explain; there is no v");
            out.note(note);
        }
        Ok(())
    }
}

/// Returns ‖W_L − its key rows‖ / ‖W_L‖ of W_L in the basis, `(d_mlp, p)`; 0 if W_L is 0.
fn residual(pairs: &Pairs, in_basis: &[f32], keys: &[usize]) -> f64 {
    let mut energy = vec![0.0; pairs.p];
    for row in in_basis.chunks_exact(pairs.p) {
        for (energy, x) in energy.iter_mut().zip(row) {
            *energy += f64::from(*x).powi(2);
        }
    }
    let total: f64 = energy.iter().sum();
    for row in keys.iter().flat_map(|k| pairs.space.basis().rows_of(*k)) {
        energy[row] = 0.0;
    }
    let rest: f64 = energy.iter().sum();
    if total == 0.0 {
        0.0
    } else {
        (rest / total).sqrt()
    }
}

grokrun_api::export_plugin!(LogitDirections);

#[cfg(test)]
mod tests;
