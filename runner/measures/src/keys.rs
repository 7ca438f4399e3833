//! Norms by frequency of the model's parts, and the rules for which frequencies are key.

use grokrun_api::{Failure, Snapshot, Tensor};
use grokrun_basis::{Basis, BasisKind, Energies, effective_number, gini, participation};

use crate::map::neuron_logit_map;

/// Norm by frequency, `(frequencies)`, and what it says.
#[derive(Clone, Debug, PartialEq)]
pub struct Spectrum {
    /// √ of the sum of squares over a frequency's rows and all columns; frequency 1 first
    pub norms: Vec<f64>,
}

impl Spectrum {
    /// Of a table with a row a residue, `(p, width)`.
    pub fn of(basis: &Basis, table: &[f32]) -> Spectrum {
        Spectrum {
            norms: basis.norms(&basis.forward(table)),
        }
    }

    /// The Gini coefficient of the norms.
    pub fn gini(&self) -> f64 {
        gini(&self.norms)
    }

    /// (Σx²)²/Σx⁴ of the norms.
    pub fn effective_number(&self) -> f64 {
        effective_number(&self.norms)
    }

    /// Σ(x/‖x‖)⁴ of the norms.
    pub fn participation(&self) -> f64 {
        participation(&self.norms)
    }

    /// Frequencies whose norm is above a quarter of the largest: the newer demo's rule
    /// (doc/definitions.md#key-frequencies).
    pub fn above_quarter(&self) -> Vec<usize> {
        let largest = self.norms.iter().copied().fold(0.0, f64::max);
        self.above(largest / 4.0)
    }

    /// Frequencies whose norm is above five times the median.
    pub fn above_medians(&self) -> Vec<usize> {
        let mut sorted = self.norms.clone();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        let median = match sorted.len() {
            0 => 0.0,
            n if n % 2 == 1 => sorted[middle],
            _ => (sorted[middle - 1] + sorted[middle]) / 2.0,
        };
        self.above(5.0 * median)
    }

    fn above(&self, bound: f64) -> Vec<usize> {
        (1..)
            .zip(&self.norms)
            .filter(|(_, norm)| **norm > bound)
            .map(|(k, _)| k)
            .collect()
    }
}

/// Judges what a spec asks for as a basis, before anything runs.
///
/// # Errors
/// When there is none of that name; names `parameter`.
pub fn check_basis(parameter: &str, word: &str) -> Result<(), Failure> {
    match BasisKind::CHOICES.contains(&word) {
        true => Ok(()),
        false => Err(Failure::parameter(
            parameter,
            format!("must be one of {}", BasisKind::CHOICES.join(", ")),
        )),
    }
}

/// Which frequencies are key: what a spec may write, and how it is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyRule {
    /// `W_L`: above a quarter of the largest norm of W_L = W_out W_U, the paper's text (rule C);
    /// the one that suits an operation whose operands have no angle too
    NeuronLogitMap,
    /// `W_E`: above a quarter of the largest norm of W_E, the TransformerLens demo's (rule A)
    Embedding,
}

impl KeyRule {
    /// What may be written.
    pub const CHOICES: [&'static str; 2] = ["W_L", "W_E"];

    /// The rule of that name.
    ///
    /// # Errors
    /// When there is none; names `parameter`.
    pub fn parse(parameter: &str, word: &str) -> Result<KeyRule, Failure> {
        match word {
            "W_L" => Ok(KeyRule::NeuronLogitMap),
            "W_E" => Ok(KeyRule::Embedding),
            _ => Err(Failure::parameter(
                parameter,
                format!("must be one of {}", KeyRule::CHOICES.join(", ")),
            )),
        }
    }

    /// The key frequencies of a snapshot, ascending.
    ///
    /// # Errors
    /// When it has no weights.
    pub fn keys(self, basis: &Basis, snapshot: &Snapshot<'_>) -> Result<Vec<usize>, Failure> {
        let p = basis.modulus();
        let spectrum = match self {
            KeyRule::NeuronLogitMap => {
                Spectrum::of(basis, &by_class(&neuron_logit_map(snapshot, p)?, p))
            }
            KeyRule::Embedding => Spectrum::of(basis, embedding(snapshot.weight("embed.W_E")?, p)),
        };
        Ok(spectrum.above_quarter())
    }

    /// The frequencies that are some neuron's best, before any threshold (rule B: the paper's code
    /// and ARENA), from the neurons' energies.
    pub fn of_neurons(energies: &Energies) -> Vec<usize> {
        let mut keys: Vec<usize> = energies.best().iter().map(|(k, _)| *k).collect();
        keys.retain(|k| *k > 0);
        keys.sort_unstable();
        keys.dedup();
        keys
    }
}

/// The tokens' rows of W_E, without '=': `(p, d_model)`.
pub fn embedding<'a>(w_e: Tensor<'a>, p: usize) -> &'a [f32] {
    let width = w_e.size(1);
    w_e.data().get(..p * width).unwrap_or_default()
}

/// `(rows, p)` with a column a class → `(p, rows)`.
pub fn by_class(table: &[f32], p: usize) -> Vec<f32> {
    let rows = table.len() / p.max(1);
    (0..p * rows)
        .map(|i| table[(i % rows) * p + i / rows])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use grokrun_api::testing::{Expert, random, task};

    #[test]
    fn planted_frequencies_are_key_and_noise_has_most() {
        let task = task("add", 23, |a, b| Some((a + b) % 23));
        let basis = Basis::additive(23);
        let planted = Expert::additive(23, &[2, 7]).snapshot(&task, 0);
        let noise = random(&task, 0, 3);
        for word in KeyRule::CHOICES {
            let rule = KeyRule::parse("keys", word).unwrap();
            let of = |data: &grokrun_api::SnapshotData| {
                data.show(|_| true, |snapshot| rule.keys(&basis, snapshot))
                    .unwrap()
            };
            assert_eq!(of(&planted), [2, 7], "{word}");
            assert_eq!(of(&noise).len(), 11, "{word}");
        }
        assert!(
            KeyRule::parse("keys", "W_X")
                .unwrap_err()
                .to_string()
                .contains("W_L")
        );
    }
}
