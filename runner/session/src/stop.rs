//! What ends a cell before its last epoch: how far each of the spec's rules is from being met.

use grokrun_spec::{Budget, Confused, Stop, Success};
use grokrun_store::{ACCURACY, Row};

/// How far the rules of one cell are from being met.
#[derive(Clone, Debug)]
pub(crate) struct Stopping {
    rules: Stop,
    /// epochs in a row, up to the last one seen, whose test accuracy was high enough
    held: u64,
    /// whether the train accuracy of one epoch was high enough
    fitted: bool,
    /// after how many epochs the cell had memorised and grokked
    memorised: Option<u64>,
    grokked: Option<u64>,
    /// epochs seen
    seen: u64,
    /// after how many epochs a rule was met first
    met: Option<u64>,
}

impl Stopping {
    /// Replays the history so far, so that a continued run stops where an unbroken one does.
    pub(crate) fn replay(rules: &Stop, history: impl Iterator<Item = Row>) -> Stopping {
        let mut stopping = Stopping {
            rules: rules.clone(),
            held: 0,
            fitted: false,
            memorised: None,
            grokked: None,
            seen: 0,
            met: None,
        };
        history.for_each(|row| stopping.see(row));
        stopping
    }

    /// Takes the next epoch's metrics.
    pub(crate) fn see(&mut self, row: Row) {
        self.seen += 1;
        if let Some(rule) = &self.rules.success {
            let next = self.held + 1;
            self.held = match row.test_accuracy {
                // Of an epoch that was not tested nothing is known: the rule is not met there.
                unknown if unknown.is_nan() && self.held > 0 => next.min(rule.patience - 1),
                known if known >= rule.test_accuracy => next,
                _ => 0,
            };
        }
        if let Some(rule) = &self.rules.confused {
            self.fitted |= row.train_accuracy >= rule.train_accuracy;
        }
        if row.train_accuracy >= ACCURACY {
            self.memorised.get_or_insert(self.seen);
        }
        if row.test_accuracy >= ACCURACY {
            self.grokked.get_or_insert(self.seen);
        }
        if self.epochs_left() == Some(0) {
            self.met.get_or_insert(self.seen);
        }
    }

    /// After how many epochs a rule was met first, if one was.
    pub(crate) fn met(&self) -> Option<u64> {
        self.met
    }

    /// The fewest epochs after which training may have to stop; 0 means now. A window of epochs
    /// no longer than this never trains past the stop.
    pub(crate) fn epochs_left(&self) -> Option<u64> {
        let Stop {
            success,
            confused,
            budget,
        } = &self.rules;
        let success = success.as_ref().map(|rule| self.of_success(rule));
        let confused = confused.as_ref().and_then(|rule| self.of_confused(rule));
        let budget = budget.as_ref().map(|rule| self.of_budget(rule));
        [success, confused, budget].into_iter().flatten().min()
    }

    fn of_success(&self, rule: &Success) -> u64 {
        rule.patience.saturating_sub(self.held)
    }

    fn of_confused(&self, rule: &Confused) -> Option<u64> {
        (!self.fitted).then(|| rule.by.saturating_sub(self.seen))
    }

    fn of_budget(&self, rule: &Budget) -> u64 {
        let within = |epoch: &u64| *epoch <= rule.epochs;
        let grokked = self.grokked.filter(within);
        let end = match self.memorised.filter(within) {
            Some(memorised) if grokked.is_none() && self.seen >= rule.epochs => {
                // More epochs than there can be saturate.
                let longer = (memorised as f64 * rule.times) as u64;
                rule.epochs.max(longer)
            }
            _ => rule.epochs,
        };
        end.saturating_sub(self.seen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(train_accuracy: f64, test_accuracy: f64) -> Row {
        Row {
            epoch: 0,
            train_loss: 1.0,
            test_loss: 1.0,
            train_accuracy,
            test_accuracy,
        }
    }

    fn success() -> Stop {
        Stop {
            success: Some(Success {
                test_accuracy: 0.99,
                patience: 3,
            }),
            ..Stop::default()
        }
    }

    /// After how many epochs, of which each is like the accuracies at its place, the rules stop a
    /// cell; each epoch's bound on what is left must hold for those after it.
    fn end(rules: &Stop, epochs: &[(f64, f64)]) -> Option<u64> {
        let mut stopping = Stopping::replay(rules, std::iter::empty());
        let mut earliest = 0;
        for (train, test) in epochs {
            let left = stopping.epochs_left().unwrap_or(u64::MAX);
            assert!(left > 0 && stopping.met().is_none());
            earliest = earliest.max(stopping.seen.saturating_add(left));
            stopping.see(row(*train, *test));
            if stopping.epochs_left() == Some(0) {
                assert!(stopping.seen <= earliest, "told of in time");
                return stopping.met();
            }
        }
        None
    }

    #[test]
    fn stops_after_patience_epochs_in_a_row() {
        let history = [1.0, 1.0, 0.5, 0.99].map(|accuracy| row(1.0, accuracy));
        let mut stopping = Stopping::replay(&success(), history.into_iter());
        assert_eq!(stopping.epochs_left(), Some(2));
        stopping.see(row(1.0, 1.0));
        assert_eq!(stopping.epochs_left(), Some(1));
        assert_eq!(stopping.met(), None);
        stopping.see(row(1.0, 1.0));
        assert_eq!(stopping.epochs_left(), Some(0));
        assert_eq!(stopping.met(), Some(6));
        stopping.see(row(1.0, 0.0));
        assert_eq!(stopping.met(), Some(6), "the first time counts");
    }

    #[test]
    fn epochs_that_were_not_tested_count_once_one_after_them_was() {
        let every_third = |accuracy: f64| [f64::NAN, f64::NAN, accuracy].map(|a| row(1.0, a));
        let mut stopping = Stopping::replay(&success(), every_third(1.0).into_iter());
        assert_eq!(stopping.epochs_left(), Some(2));
        for untested in &every_third(1.0)[..2] {
            stopping.see(*untested);
            assert_eq!((stopping.epochs_left(), stopping.met()), (Some(1), None));
        }
        stopping.see(row(1.0, 1.0));
        assert_eq!(stopping.met(), Some(6));
        let dip = [every_third(1.0), every_third(0.5)].concat();
        let stopping = Stopping::replay(&success(), dip.into_iter());
        assert_eq!(stopping.epochs_left(), Some(3));
    }

    #[test]
    fn a_dip_starts_the_count_again_and_no_rule_never_stops() {
        let two = [row(1.0, 1.0), row(1.0, 1.0)];
        let mut stopping = Stopping::replay(&success(), two.into_iter());
        stopping.see(row(1.0, 0.98));
        assert_eq!(stopping.epochs_left(), Some(3));
        let none = Stopping::replay(&Stop::default(), [row(1.0, 1.0); 10].into_iter());
        assert_eq!(none.epochs_left(), None);
    }

    #[test]
    fn what_does_not_fit_in_time_is_confused() {
        let rules = Stop {
            confused: Some(Confused {
                train_accuracy: 0.5,
                by: 4,
            }),
            ..Stop::default()
        };
        assert_eq!(end(&rules, &[(0.4, 0.0); 9]), Some(4));
        let mut once = [(0.4, 0.0); 9];
        once[3] = (0.5, 0.0);
        assert_eq!(end(&rules, &once), None, "in the last epoch");
        once.swap(3, 4);
        assert_eq!(end(&rules, &once), Some(4), "too late");
    }

    #[test]
    fn a_budget_is_longer_for_what_has_memorised_and_not_grokked() {
        let rules = Stop {
            budget: Some(Budget {
                epochs: 5,
                times: 4.0,
            }),
            ..Stop::default()
        };
        let memorises_in = |epoch: usize| {
            let mut rows = [(0.0, 0.0); 30];
            rows[epoch - 1..].fill((1.0, 0.0));
            rows
        };
        assert_eq!(end(&rules, &[(0.0, 0.0); 30]), Some(5), "never memorised");
        assert_eq!(end(&rules, &memorises_in(2)), Some(8));
        assert_eq!(end(&rules, &memorises_in(5)), Some(20));
        assert_eq!(end(&rules, &memorises_in(1)), Some(5), "never less");
        assert_eq!(end(&rules, &memorises_in(6)), Some(5), "too late");
        let mut grokked = memorises_in(2);
        grokked[4].1 = 1.0;
        assert_eq!(end(&rules, &grokked), Some(5), "it has grokked");
        let mut later = memorises_in(2);
        later[5].1 = 1.0;
        assert_eq!(end(&rules, &later), Some(8), "in the epochs beyond");
    }
}
