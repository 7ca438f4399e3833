//! From when an accuracy was high, and stayed so: what memorising and grokking are.

use crate::Observation;

/// The accuracy from which a part counts as solved.
pub const ACCURACY: f64 = 0.99;

/// The number of further epochs for which the accuracy has to stay there: a spike is no solution.
pub const HOLD: u64 = 500;

/// How far a sequence of accuracies got with a threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crossing {
    /// At `epoch` the threshold was reached, and so it was for at least as many epochs after it as
    /// asked for.
    Held {
        /// The first such epoch.
        epoch: u64,
    },
    /// At `epoch` the threshold was reached, and so it was to the end, but the end came early.
    Open {
        /// The first epoch of the last stretch.
        epoch: u64,
        /// The epochs after it: fewer than asked for.
        held: u64,
    },
    /// The last accuracy is below the threshold, and no stretch before it was long enough.
    Not,
}

impl Crossing {
    /// Finds the first epoch from which all accuracies are `threshold` or more for `hold` further
    /// epochs; `accuracies` are those of epochs 0, 1, … NaN stands for an epoch of which
    /// nothing is known: it neither begins nor ends a stretch.
    pub fn find(accuracies: &[f64], threshold: f64, hold: u64) -> Crossing {
        let mut seeker = Seeker::new(threshold, hold);
        for &accuracy in accuracies {
            seeker.see(accuracy);
            if seeker.held.is_some() {
                break;
            }
        }
        seeker.crossing()
    }

    /// What is known of the epoch, of a sequence of so many accuracies: where the threshold was not
    /// held to the end it is that of the last stretch, or one after the last, at the earliest.
    pub fn observation(self, epochs: u64) -> Observation {
        match self {
            Crossing::Held { epoch } => Observation::event(epoch as f64),
            Crossing::Open { epoch, .. } => Observation::censored(epoch as f64),
            Crossing::Not => Observation::censored(epochs as f64),
        }
    }

    /// The epoch, if it was held.
    pub fn held(self) -> Option<u64> {
        match self {
            Crossing::Held { epoch } => Some(epoch),
            Crossing::Open { .. } | Crossing::Not => None,
        }
    }

    /// The epoch, if the accuracy stays there to the end, which came too early to call it held.
    pub fn open(self) -> Option<u64> {
        match self {
            Crossing::Open { epoch, .. } => Some(epoch),
            Crossing::Held { .. } | Crossing::Not => None,
        }
    }
}

/// Finds a crossing in accuracies that come one after the other, in memory that does not grow.
#[derive(Clone, Debug, PartialEq)]
pub struct Seeker {
    threshold: f64,
    hold: u64,
    /// accuracies seen
    seen: u64,
    /// the last epoch of which something is known
    known: u64,
    /// the first epoch of the stretch that has not ended
    since: Option<u64>,
    /// the first epoch of the first stretch that was long enough
    held: Option<u64>,
}

impl Seeker {
    /// Begins at epoch 0, with the threshold and the epochs of [`Crossing::find`].
    pub fn new(threshold: f64, hold: u64) -> Seeker {
        Seeker {
            threshold,
            hold,
            seen: 0,
            known: 0,
            since: None,
            held: None,
        }
    }

    /// Takes the next epoch's accuracy.
    pub fn see(&mut self, accuracy: f64) {
        let epoch = self.seen;
        self.seen += 1;
        if self.held.is_some() || accuracy.is_nan() {
            return;
        }
        self.known = epoch;
        if accuracy >= self.threshold {
            let start = *self.since.get_or_insert(epoch);
            if epoch - start >= self.hold {
                self.held = Some(start);
            }
        } else {
            self.since = None;
        }
    }

    /// How far the accuracies that were seen got.
    pub fn crossing(&self) -> Crossing {
        match (self.held, self.since) {
            (Some(epoch), _) => Crossing::Held { epoch },
            (None, Some(epoch)) => Crossing::Open {
                epoch,
                held: self.known - epoch,
            },
            (None, None) => Crossing::Not,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: f64 = 0.99;

    #[test]
    fn the_first_stretch_that_is_long_enough_counts() {
        use Crossing::{Held, Not, Open};
        let table: &[(&[f64], u64, Crossing)] = &[
            (&[], 2, Not),
            (&[0.5, 0.9], 2, Not),
            (&[1.0], 0, Held { epoch: 0 }),
            (&[0.0, T], 0, Held { epoch: 1 }),
            (&[0.0, T], 1, Open { epoch: 1, held: 0 }),
            (&[0.0, T, T, T], 2, Held { epoch: 1 }),
            (&[0.0, T, T], 2, Open { epoch: 1, held: 1 }),
            (&[T, T, 0.98, T, T, T], 2, Held { epoch: 3 }),
            (&[T, T, T, 0.0], 2, Held { epoch: 0 }),
            (&[T, T, 0.98], 2, Not),
            (&[T, f64::NAN, T], 2, Held { epoch: 0 }),
            (&[f64::NAN, T, f64::NAN], 2, Open { epoch: 1, held: 0 }),
            (&[T, f64::NAN, 0.0], 1, Not),
            (&[f64::NAN, f64::NAN, f64::NAN], 2, Not),
        ];
        for &(accuracies, hold, want) in table {
            assert_eq!(
                Crossing::find(accuracies, T, hold),
                want,
                "{accuracies:?} held for {hold}"
            );
        }
    }

    #[test]
    fn what_was_not_held_is_known_from_below() {
        let known = |crossing: Crossing| crossing.observation(900);
        assert_eq!(known(Crossing::Held { epoch: 7 }), Observation::event(7.0));
        assert_eq!(
            known(Crossing::Open {
                epoch: 700,
                held: 199
            }),
            Observation::censored(700.0)
        );
        assert_eq!(known(Crossing::Not), Observation::censored(900.0));
    }
}
