//! Measures norms by frequency of the model's parts, and applies the rules for key frequencies.

use grokrun_api::{Failure, Snapshot};
use grokrun_basis::{Basis, Energies, effective_number, gini, participation};

use crate::parts::{neuron_logit_map, tokens};

/// Holds norms by frequency, `(frequencies)`, with measures of their sparsity.
#[derive(Clone, Debug, PartialEq)]
pub struct Spectrum {
    /// √ of the sum of squares over a component's rows and all columns; number 1 first
    pub norms: Vec<f64>,
}

impl Spectrum {
    /// Measures a table with one row a residue, `(p, width)`.
    pub fn of(basis: &Basis, table: &[f32]) -> Spectrum {
        Spectrum {
            norms: basis.norms(&basis.forward(table)),
        }
    }

    /// Returns the Gini coefficient of the norms.
    pub fn gini(&self) -> f64 {
        gini(&self.norms)
    }

    /// Returns (Σx²)²/Σx⁴ of the norms.
    pub fn effective_number(&self) -> f64 {
        effective_number(&self.norms)
    }

    /// Returns Σ(x/‖x‖)⁴ of the norms.
    pub fn participation(&self) -> f64 {
        participation(&self.norms)
    }

    /// Returns the frequencies whose norm is above a quarter of the largest: the rule of the newer
    /// demo (doc/definitions.md#rules-of-key-frequencies).
    pub fn above_quarter(&self) -> Vec<usize> {
        let largest = self.norms.iter().copied().fold(0.0, f64::max);
        self.above(largest / 4.0)
    }

    /// Returns the frequencies whose norm is above five times the median.
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

/// A rule for key frequencies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyRule {
    /// `W_L`: above a quarter of the largest norm of W_L = W_out W_U, as in the paper's text (rule
    /// C); also suits an operation whose operands have no angle
    NeuronLogitMap,
    /// `W_E`: above a quarter of the largest norm of W_E, as in the TransformerLens demo (rule A)
    Embedding,
}

impl KeyRule {
    /// The names that a spec may use.
    pub const CHOICES: [&'static str; 2] = ["W_L", "W_E"];

    /// Returns the rule of that name.
    ///
    /// # Errors
    /// If there is none; the error names `parameter`.
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

    /// Returns the key frequencies of a snapshot, ascending.
    ///
    /// # Errors
    /// If the snapshot has no weights.
    pub fn keys(self, basis: &Basis, snapshot: &Snapshot<'_>) -> Result<Vec<usize>, Failure> {
        let p = basis.modulus();
        let spectrum = match self {
            KeyRule::NeuronLogitMap => {
                Spectrum::of(basis, &by_class(&neuron_logit_map(snapshot, p)?, p))
            }
            KeyRule::Embedding => Spectrum::of(basis, &tokens(snapshot, p)?.data),
        };
        Ok(spectrum.above_quarter())
    }

    /// Returns the frequencies that are some neuron's best, before any threshold (rule B: the
    /// paper's code and ARENA), from the neurons' energies.
    pub fn of_neurons(energies: &Energies) -> Vec<usize> {
        let mut keys: Vec<usize> = energies.best().iter().map(|(k, _)| *k).collect();
        keys.retain(|k| *k > 0);
        keys.sort_unstable();
        keys.dedup();
        keys
    }
}

/// Transposes `(rows, p)`, a column a class, to `(p, rows)`.
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
                data.show(&grokrun_api::Needs::all(), |snapshot| {
                    rule.keys(&basis, snapshot)
                })
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
