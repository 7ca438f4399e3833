//! Did it grok? In words.

use std::fmt;

use grokrun_sweeps::{ACCURACY, Crossing, HOLD};

/// What became of a cell: its test accuracy at the threshold [`ACCURACY`], held for [`HOLD`]
/// epochs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    crossing: Crossing,
    epochs: u64,
}

impl Verdict {
    /// Of a test accuracy that got so far in so many epochs.
    pub fn of(crossing: Crossing, epochs: u64) -> Verdict {
        Verdict { crossing, epochs }
    }

    /// Of the test accuracies of epochs 0, 1, …
    pub fn new(test_accuracies: &[f64]) -> Verdict {
        let crossing = Crossing::find(test_accuracies, ACCURACY, HOLD);
        Verdict::of(crossing, test_accuracies.len() as u64)
    }

    /// How far the test accuracy got.
    pub fn crossing(self) -> Crossing {
        self.crossing
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.crossing {
            Crossing::Held { epoch } => write!(f, "grokked at epoch {epoch}"),
            Crossing::Open { epoch, held } => write!(
                f,
                "reached {ACCURACY} test accuracy at epoch {epoch}, not yet held: {held} of {HOLD} epochs"
            ),
            Crossing::Not if self.epochs == 1 => write!(f, "did not grok in 1 epoch"),
            Crossing::Not => write!(f, "did not grok in {} epochs", self.epochs),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_reads_as_a_sentence() {
        let run = |low: usize, high: usize| [vec![0.1; low], vec![1.0; high]].concat();
        let table = [
            (run(700, 501), "grokked at epoch 700"),
            (
                run(700, 500),
                "reached 0.99 test accuracy at epoch 700, not yet held: 499 of 500 epochs",
            ),
            (
                run(0, 2),
                "reached 0.99 test accuracy at epoch 0, not yet held: 1 of 500 epochs",
            ),
            (run(1500, 0), "did not grok in 1500 epochs"),
        ];
        for (accuracies, want) in table {
            assert_eq!(Verdict::new(&accuracies).to_string(), want);
        }
    }
}
