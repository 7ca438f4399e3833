//! The analysis `commutativity`: whether the model treats a and b alike.
//!
//! Measured at each snapshot, over the pairs whose label is defined in both orders:
//!
//! - attention difference of a head: mean attention to a minus mean attention to b (science §3.2,
//!   "Commutativity over time");
//! - neuron asymmetry ‖N − Nᵀ‖² / ‖N‖² over (a, b, neuron), where the transpose swaps a and b, and
//!   the same for logits. 0 is symmetric, 4 antisymmetric, and noise of mean zero gives 2: no
//!   entry knows of its mirror image. Neurons after a ReLU have a mean, so that random ones give less;
//! - d and the cosine of the first two rows of W_pos, which say how alike the positions are, and are
//!   **not** a test of commutativity (science §5.5): a model can undo a difference later.
//!
//! It **emerges** at the first snapshot from which, until the last, every head's attention difference
//! and the neuron asymmetry stay below their thresholds.
//!
//! For an operation that does not commute the same numbers are given with what should be expected
//! instead; for one with f(b, a) = −f(a, b), the logits are also compared with L[b, a, −c].

mod figures;
mod measure;

use figures::Past;
use grokrun_api::prelude::*;
use measure::{Mirror, Symmetry, positions, ratio, share};

/// The parameters.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(crate = "grokrun_api::serde", default, deny_unknown_fields)]
#[schemars(crate = "grokrun_api::schemars")]
pub struct Config {
    /// a head treats a and b alike if its mean attention differs by less
    pub attention: f64,
    /// neurons are symmetric if ‖N − Nᵀ‖² / ‖N‖² is less
    pub neurons: f64,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            attention: 0.01,
            neurons: 1e-3,
        }
    }
}

/// The running analysis.
pub struct Commutativity {
    config: Config,
    mirror: Mirror,
    symmetry: Symmetry,
    past: Past,
}

impl Analysis for Commutativity {
    type Config = Config;
    const MANIFEST: Manifest = Manifest::new(
        "commutativity",
        "0.1.0",
        "whether the model treats a and b alike: attention, neurons, logits, positions",
    )
    .needs(&[
        Need::Weights,
        Need::Attention,
        Need::PostActivations,
        Need::Logits,
    ]);

    fn check(config: &Config) -> Result<(), Failure> {
        for (name, value) in [("attention", config.attention), ("neurons", config.neurons)] {
            if !(value > 0.0 && value <= 4.0) {
                return Err(Failure::parameter(name, "must be above 0 and at most 4"));
            }
        }
        Ok(())
    }

    fn new(config: Config, task: &Task) -> Result<Self, Failure> {
        let mirror = Mirror::new(task)?;
        Ok(Commutativity {
            symmetry: mirror.symmetry(task),
            past: Past::default(),
            mirror,
            config,
        })
    }

    fn observe(&mut self, snapshot: &Snapshot<'_>, out: &mut dyn Sink) -> Result<(), Failure> {
        let attention = snapshot.attention()?;
        let mean = self.mirror.mean_attention(attention);
        let (heads, _) = mean.as_chunks::<3>();
        let differences: Vec<f64> = heads.iter().map(|[a, b, _]| a - b).collect();
        for (head, difference) in differences.iter().enumerate() {
            out.scalar(&format!("attention difference head {head}"), *difference);
        }
        let largest = differences.iter().fold(0.0f64, |m, x| m.max(x.abs()));
        out.scalar("attention difference", largest);
        let shape = [heads.len(), 3];
        out.tensor("mean-attention", &shape, mean.iter().map(|x| *x as f32));

        let columns = self.mirror.difference(snapshot.post()?);
        let neurons = share(&columns);
        out.scalar("neuron asymmetry", neurons);
        let by_neuron: Vec<f64> = columns.iter().map(|column| ratio(*column)).collect();
        let narrow = by_neuron.iter().map(|x| *x as f32);
        out.tensor("asymmetry-by-neuron", &[by_neuron.len()], narrow);
        let logits = share(&self.mirror.difference(snapshot.logits()?));
        out.scalar("logit asymmetry", logits);
        if self.symmetry == Symmetry::Antisymmetric {
            let opposite = share(&self.mirror.opposite(snapshot.logits()?));
            out.scalar("logit asymmetry with -c", opposite);
        }
        let [apart, cosine] = positions(snapshot.weight("pos_embed.W_pos")?);
        out.scalar("W_pos difference", apart);
        out.scalar("W_pos cosine", cosine);

        let alike = largest < self.config.attention && neurons < self.config.neurons;
        self.past
            .push(snapshot.epoch(), alike, &differences, [neurons, logits]);
        self.past.keep(heads, by_neuron);
        Ok(())
    }

    fn finish(&mut self, out: &mut dyn Sink) -> Result<(), Failure> {
        let emerged = self.past.emerged();
        out.table(
            "emergence",
            &["epoch", "attention", "neurons"],
            vec![vec![
                json!(emerged),
                json!(self.config.attention),
                json!(self.config.neurons),
            ]],
        );
        let found = match emerged {
            Some(epoch) => format!("the model treats a and b alike from epoch {epoch} on"),
            None => "the model does not treat a and b alike at the end".to_owned(),
        };
        out.note(format!(
            "{found}: every head's attention difference below {}, neuron asymmetry below {}",
            self.config.attention, self.config.neurons
        ));
        match self.symmetry {
            Symmetry::Commutative => {}
            Symmetry::Antisymmetric => out.note(
                "the operation does not commute: f(b, a) = −f(a, b), so logits are expected to satisfy L[b, a, −c] = L[a, b, c], not L[b, a, c] = L[a, b, c]",
            ),
            Symmetry::Partial(equal) => out.note(format!(
                "the operation does not commute: f(b, a) = f(a, b) for {:.1} % of the pairs, so that no symmetry of neurons or logits is expected",
                100.0 * equal
            )),
        }
        self.past.draw(out);
        Ok(())
    }
}

grokrun_api::export_plugin!(Commutativity);

#[cfg(test)]
mod tests;
