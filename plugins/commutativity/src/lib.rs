//! The analysis `commutativity`: whether the model treats a and b alike.
//!
//! Measured at each snapshot, over the pairs whose label is defined in both orders (the diagonal
//! among them; a pair that is undefined in one order is left out in both):
//!
//! - **attention difference** of a head: mean attention to a minus mean attention to b
//!   (doc/definitions.md#commutativity); the **absolute** one is the mean of its size at each pair,
//!   which need not vanish in a model that commutes, where attention may follow tokens;
//! - **neuron asymmetry** ‖N − Nᵀ‖² / ‖N‖² over (a, b, neuron), where the transpose swaps a and b,
//!   and the same for logits. 0 is symmetric, 4 antisymmetric. Its **control** is the mean
//!   for the same numbers with entries paired at random within their column, in closed form: 2 for
//!   noise of mean zero, as E (x − x')² = 2σ² (times 1 − 1/p, since the diagonal is in the norm
//!   only), and 2 − 2/π = 1.36 for that noise after a ReLU, which has a mean;
//! - d and the cosine of the first two rows of W_pos, which say how alike the positions are, and
//!   are **not** a test of commutativity: a model can undo a difference later.
//!
//! It **emerges** at the first snapshot from which, until the last, every head's attention
//! difference and the neuron asymmetry stay below their thresholds, if that is `hold` snapshots or
//! more. If that is the very first snapshot nothing was learnt: an untrained model is symmetric
//! (2e-6 on mul mod 59), since its attention is uniform, where the positions drop out, and its
//! neurons are far from noise.
//!
//! For an operation that does not commute the same numbers are given with what should be expected
//! instead; for one with f(b, a) = −f(a, b), the logits are also compared with L[b, a, −c].
//!
//! Sums are in f64 and in a fixed order: the same snapshot gives the same numbers, byte for byte.

mod figures;
mod measure;
mod symmetry;
mod trajectory;

use grokrun_api::prelude::*;
use measure::{Mirror, positions};
use symmetry::{Kind, Symmetry};
use trajectory::{Emergence, Measured};

/// The parameters of the analysis.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(crate = "grokrun_api::serde", default, deny_unknown_fields)]
#[schemars(crate = "grokrun_api::schemars")]
pub struct Config {
    /// a head treats a and b alike if its mean attention differs by less; above 0 and at most 1
    pub attention: f64,
    /// neurons are symmetric if ‖N − Nᵀ‖² / ‖N‖² is less; above 0 and at most 4
    pub neurons: f64,
    /// snapshots, the last among them, in which both must hold to call it emerged; 1 to 1,000,000
    pub hold: u64,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            attention: 0.01,
            neurons: 1e-3,
            hold: 1,
        }
    }
}

/// The running analysis.
pub struct Commutativity {
    config: Config,
    /// none if no pair can be compared with its mirror image, which a note then says
    compared: Option<(Mirror, Symmetry)>,
    /// the operation and its modulus, in words
    operation: String,
    trajectory: Vec<Measured>,
    /// asymmetry of each neuron in the last snapshot
    by_neuron: Vec<f64>,
}

impl Analysis for Commutativity {
    type Config = Config;
    const MANIFEST: Manifest = Manifest::new(
        "commutativity",
        "0.1.0",
        "whether the model treats a and b alike: attention, neurons, logits, positions",
    )
    .definition(
        "Attention difference: mean over pairs of a head's attention to a minus that to b. Asymmetry: ‖N − Nᵀ‖² / ‖N‖², where the transpose swaps a and b; 0 is symmetric, 4 antisymmetric, noise of mean zero 2. After Nanda et al. (2023) and their TransformerLens demo.",
    )
    .needs(&[
        "weight.*",
        "*.hook_pattern",
        "*.hook_post",
        "logits",
    ]);

    fn check(config: &Config) -> Result<(), Failure> {
        let thresholds = [
            ("attention", config.attention, 1.0),
            ("neurons", config.neurons, 4.0),
        ];
        for (name, value, most) in thresholds {
            if !(value > 0.0 && value <= most) {
                let message = format!("must be above 0 and at most {most}, not {value}");
                return Err(Failure::parameter(name, message));
            }
        }
        if !(1..=1_000_000).contains(&config.hold) {
            let message = format!("must be 1 to 1000000 snapshots, not {}", config.hold);
            return Err(Failure::parameter("hold", message));
        }
        Ok(())
    }

    fn new(config: Config, task: &Task) -> Result<Self, Failure> {
        let compared = Mirror::new(task).map(|mirror| {
            let symmetry = Symmetry::of(task, &mirror);
            (mirror, symmetry)
        });
        Ok(Commutativity {
            compared,
            operation: format!("{} modulo {}", task.operation, task.modulus),
            config,
            trajectory: Vec::new(),
            by_neuron: Vec::new(),
        })
    }

    fn observe(&mut self, snapshot: &Snapshot<'_>, out: &mut dyn Sink) -> Result<(), Failure> {
        let Some((mirror, symmetry)) = &self.compared else {
            return Ok(());
        };
        let neurons = mirror.contrast("post", snapshot.post()?)?;
        let logits = mirror.contrast("logits", snapshot.logits()?)?;
        let opposite = match symmetry.kind {
            Kind::Antisymmetric => Some(mirror.opposite(snapshot.logits()?)?.asymmetry()),
            Kind::Commutative | Kind::Other => None,
        };
        let w_pos = positions(snapshot.weight("pos_embed.W_pos")?)?;
        let measured = Measured {
            epoch: snapshot.epoch(),
            heads: mirror.heads(snapshot.attention()?)?,
            neurons: [neurons.asymmetry(), neurons.control()],
            logits: [logits.asymmetry(), logits.control()],
            opposite,
        };
        self.by_neuron = neurons.by_column();
        report(&measured, &self.by_neuron, w_pos, out);
        self.trajectory.push(measured);
        Ok(())
    }

    fn finish(&mut self, out: &mut dyn Sink) -> Result<(), Failure> {
        let Some((_, symmetry)) = &self.compared else {
            out.note(format!(
                "{} is defined for no pair (a, b), a ≠ b, in both orders: there is nothing to compare, and whether the model commutes has no meaning",
                self.operation
            ));
            return Ok(());
        };
        let emergence = Emergence::of(&self.trajectory, &self.config);
        out.table(
            "emergence",
            &["epoch", "attention", "neurons", "hold", "held"],
            vec![vec![
                json!(emergence.epoch()),
                json!(self.config.attention),
                json!(self.config.neurons),
                json!(self.config.hold),
                json!(emergence.held()),
            ]],
        );
        out.table(
            "operation",
            &["symmetry", "pairs", "equal", "opposite"],
            vec![vec![
                json!(symmetry.name()),
                json!(symmetry.pairs),
                json!(symmetry.equal),
                json!(symmetry.opposite),
            ]],
        );
        // The host shows at least the first and the last checkpoint; without any there is no end.
        let Some(last) = self.trajectory.last() else {
            out.note("no snapshot was shown: nothing is known of attention, neurons or logits");
            return Ok(());
        };
        out.headline(emergence.headline());
        out.note(emergence.sentence(&self.config));
        out.note(symmetry.expectation(last.logits[0], last.opposite));
        out.figure(
            "attention-difference",
            figures::attention_difference(&self.trajectory),
        );
        out.figure("asymmetry", figures::asymmetry(&self.trajectory));
        out.figure("mean-attention", figures::mean_attention(&self.trajectory));
        out.figure("asymmetry-by-neuron", figures::by_neuron(&self.by_neuron));
        Ok(())
    }
}

/// Emits the series and tensors of a snapshot.
fn report(measured: &Measured, by_neuron: &[f64], [apart, cosine]: [f64; 2], out: &mut dyn Sink) {
    for (h, head) in measured.heads.iter().enumerate() {
        out.scalar(&format!("attention difference head {h}"), head.difference());
        let absolute = format!("absolute attention difference head {h}");
        out.scalar(&absolute, head.absolute);
    }
    out.scalar("attention difference", measured.largest_difference());
    out.scalar("absolute attention difference", measured.largest_absolute());
    out.scalar("neuron asymmetry", measured.neurons[0]);
    out.scalar("neuron asymmetry control", measured.neurons[1]);
    out.scalar("logit asymmetry", measured.logits[0]);
    out.scalar("logit asymmetry control", measured.logits[1]);
    if let Some(opposite) = measured.opposite {
        out.scalar("logit asymmetry with -c", opposite);
    }
    out.scalar("W_pos difference", apart);
    out.scalar("W_pos cosine", cosine);
    let mean = measured.heads.iter().flat_map(|head| head.mean);
    out.tensor(
        "mean-attention",
        &[measured.heads.len(), 3],
        mean.map(|x| x as f32),
    );
    let narrow = by_neuron.iter().map(|x| *x as f32);
    out.tensor("asymmetry-by-neuron", &[by_neuron.len()], narrow);
}

grokrun_api::export_plugin!(Commutativity);

#[cfg(test)]
mod tests;
