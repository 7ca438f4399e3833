//! Early stop: training ends once the test accuracy has held for `patience` epochs.

use grokrun_spec::Stop;

/// How long the test accuracy of one cell has held.
#[derive(Clone, Debug)]
pub(crate) struct Holding {
    rule: Option<Stop>,
    /// epochs in a row, up to the last one seen, at or above the threshold
    held: u64,
    /// epochs seen
    seen: u64,
    /// after how many epochs the rule was met first
    met: Option<u64>,
}

impl Holding {
    /// Replays the history so far, so that a continued run stops where an unbroken one does.
    pub(crate) fn replay(
        rule: Option<Stop>,
        test_accuracies: impl Iterator<Item = f64>,
    ) -> Holding {
        let mut holding = Holding {
            rule,
            held: 0,
            seen: 0,
            met: None,
        };
        test_accuracies.for_each(|accuracy| holding.see(accuracy));
        holding
    }

    /// Takes the next epoch's test accuracy.
    pub(crate) fn see(&mut self, test_accuracy: f64) {
        self.seen += 1;
        if let Some(rule) = &self.rule {
            self.held = if test_accuracy >= rule.test_accuracy {
                self.held + 1
            } else {
                0
            };
            if self.held >= rule.patience {
                self.met.get_or_insert(self.seen);
            }
        }
    }

    /// After how many epochs the rule was met first, if it was.
    pub(crate) fn met(&self) -> Option<u64> {
        self.met
    }

    /// The fewest epochs after which training may have to stop; 0 means now. A window of epochs
    /// no longer than this never trains past the stop.
    pub(crate) fn epochs_left(&self) -> Option<u64> {
        self.rule
            .as_ref()
            .map(|rule| rule.patience.saturating_sub(self.held))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: Option<Stop> = Some(Stop {
        test_accuracy: 0.99,
        patience: 3,
    });

    #[test]
    fn stops_after_patience_epochs_in_a_row() {
        let mut holding = Holding::replay(RULE, [1.0, 1.0, 0.5, 0.99].into_iter());
        assert_eq!(holding.epochs_left(), Some(2));
        holding.see(1.0);
        assert_eq!(holding.epochs_left(), Some(1));
        assert_eq!(holding.met(), None);
        holding.see(1.0);
        assert_eq!(holding.epochs_left(), Some(0));
        assert_eq!(holding.met(), Some(6));
        holding.see(0.0);
        assert_eq!(holding.met(), Some(6), "the first time counts");
    }

    #[test]
    fn a_dip_starts_the_count_again_and_no_rule_never_stops() {
        let mut holding = Holding::replay(RULE, [1.0, 1.0].into_iter());
        holding.see(0.98);
        assert_eq!(holding.epochs_left(), Some(3));
        assert_eq!(
            Holding::replay(None, [1.0; 10].into_iter()).epochs_left(),
            None
        );
    }
}
