//! What a cell is trained with at each epoch: the changes that its spec makes on the way.
//!
//! All of it follows from the spec and the history, so that a cell that goes on changes as one that
//! never stopped. Knows nothing of executors and files.

use grokrun_spec::{Cell, ScheduledChange, When};
use grokrun_store::{ACCURACY, Row};

/// From which epoch on each change of a cell holds.
#[derive(Clone, Debug)]
pub(crate) struct Course {
    changes: Vec<ScheduledChange>,
    /// of each change; none while what it waits for has not happened
    from: Vec<Option<u64>>,
    /// epochs seen
    seen: u64,
}

impl Course {
    /// Replays the history so far.
    pub(crate) fn replay(cell: &Cell, history: impl Iterator<Item = Row>) -> Course {
        let changes = cell.settings.train.changes.clone();
        let from = changes.iter().map(|change| match change.when {
            When::Epoch(epoch) => Some(epoch),
            _ => None,
        });
        let mut course = Course {
            from: from.collect(),
            changes,
            seen: 0,
        };
        history.for_each(|row| course.see(row));
        course
    }

    /// Takes the next epoch's metrics.
    pub(crate) fn see(&mut self, row: Row) {
        self.seen += 1;
        for (change, from) in self.changes.iter().zip(&mut self.from) {
            let happened = match change.when {
                When::Epoch(_) => false,
                When::Memorised => row.train_accuracy >= ACCURACY,
                When::Grokked => row.test_accuracy >= ACCURACY,
                When::TrainLoss(loss) => row.train_loss <= loss,
            };
            if from.is_none() && happened {
                *from = Some(self.seen);
            }
        }
    }

    /// The most epochs that may be run before changes are looked at; none where there are none to
    /// come. While one waits for something, each epoch may be the one.
    pub(crate) fn epochs_left(&self) -> Option<u64> {
        let left = self.from.iter().filter_map(|from| match from {
            None => Some(1),
            Some(from) => from.checked_sub(self.seen).filter(|left| *left > 0),
        });
        left.min()
    }

    /// The cell as it is trained from the present epoch on.
    pub(crate) fn cell(&self, cell: &Cell) -> Cell {
        let mut now = cell.clone();
        for (change, from) in self.changes.iter().zip(&self.from) {
            if from.is_some_and(|from| from <= self.seen) {
                change.apply(&mut now);
            }
        }
        now
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use grokrun_spec::{Catalog, load};
    use std::path::Path;

    fn cell(at: &str) -> Cell {
        let text = format!(
            "operation = \"mul\"\nmodulus = 23\nfraction = 0.5\nseeds = {{ data = 0, model = 0 }}\n[train]\nat = {at}\n"
        );
        let plan = load(&text, Path::new("x.toml"), &[], &Catalog::empty()).unwrap();
        plan.cells[0].clone()
    }

    fn row(train_loss: f64, train_accuracy: f64, test_accuracy: f64) -> Row {
        Row {
            epoch: 0,
            train_loss,
            test_loss: 1.0,
            train_accuracy,
            test_accuracy,
        }
    }

    #[test]
    fn changes_hold_from_their_epoch_or_their_event_on() {
        let cell = cell(
            "[{ epoch = 3, set = { weight_decay = 0 } }, { when = \"memorised\", set = { learning_rate = 0.5 } }]",
        );
        let mut course = Course::replay(&cell, std::iter::empty());
        assert_eq!(course.epochs_left(), Some(1), "one waits");
        course.see(row(1.0, 0.98, 0.0));
        assert_eq!(course.cell(&cell), cell, "not memorised yet");
        course.see(row(1.0, 0.99, 0.0));
        assert_eq!(course.epochs_left(), Some(1), "to the third epoch");
        let now = course.cell(&cell);
        assert_eq!((now.learning_rate, now.weight_decay), (0.5, 1.0));
        course.see(row(1.0, 0.1, 0.0));
        let now = course.cell(&cell);
        assert_eq!((now.learning_rate, now.weight_decay), (0.5, 0.0));
        assert_eq!(course.epochs_left(), None);
        let again = [row(1.0, 0.98, 0.0), row(1.0, 0.99, 0.0), row(1.0, 0.1, 0.0)];
        let replayed = Course::replay(&cell, again.into_iter());
        assert_eq!(replayed.cell(&cell), now);
    }

    #[test]
    fn a_loss_is_reached_once_and_later_changes_count() {
        let cell = cell(
            "[{ when = { train_loss = 0.1 }, set = { weight_decay = 2 } }, { when = \"grokked\", set = { weight_decay = 3 } }]",
        );
        let mut course = Course::replay(&cell, std::iter::empty());
        course.see(row(0.1, 0.0, 0.0));
        assert_eq!(course.cell(&cell).weight_decay, 2.0);
        course.see(row(5.0, 0.0, 1.0));
        assert_eq!(course.cell(&cell).weight_decay, 3.0);
    }
}
