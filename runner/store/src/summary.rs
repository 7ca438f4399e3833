//! `summary.json`: what became of each cell.
//!
//! A list with one object a cell, so that pandas, polars and DuckDB read it as a table. It is the
//! one result that depends on the machine: it holds wall times and the device's name.

use std::collections::BTreeMap;

use grokrun_sweeps::{ACCURACY, Crossing, HOLD, Observation, Seeker};
use serde::{Deserialize, Serialize};

use crate::metrics::number_or_null;
use crate::spread::Milestone;
use crate::verdict::Verdict;
use crate::{Metrics, Row, VERSION};

/// The status of a cell whose training failed.
pub const FAILED: &str = "failed";
/// The status of a cell that was trained for all epochs of its spec.
pub const FINISHED: &str = "finished";
/// The status of a cell of which epochs are left.
pub const INTERRUPTED: &str = "interrupted";

/// All cells that have been started.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Summary {
    /// In the plan's order.
    pub cells: Vec<CellSummary>,
}

impl Summary {
    /// What is known of a cell.
    pub fn cell(&self, id: &str) -> Option<&CellSummary> {
        self.cells.iter().find(|cell| cell.cell == id)
    }

    /// With these cells in the place of what was known of them.
    #[must_use]
    pub fn with(self, cells: &Summary) -> Summary {
        let known: BTreeMap<String, CellSummary> = self
            .cells
            .into_iter()
            .chain(cells.cells.iter().cloned())
            .map(|cell| (cell.cell.clone(), cell))
            .collect();
        Summary {
            cells: known.into_values().collect(),
        }
    }

    /// In the order of `ids`; cells that are not among them come after, by name.
    #[must_use]
    pub fn in_order(mut self, ids: &[&str]) -> Summary {
        let place: BTreeMap<&str, usize> = ids.iter().copied().zip(0..).collect();
        let key = |cell: &CellSummary| {
            let place = place.get(cell.cell.as_str()).copied();
            (place.unwrap_or(usize::MAX), cell.cell.clone())
        };
        self.cells.sort_by_cached_key(key);
        self
    }

    /// Puts a cell in the place of its earlier summary, or at the end.
    pub fn set(&mut self, cell: CellSummary) {
        match self.cells.iter_mut().find(|known| known.cell == cell.cell) {
            Some(known) => *known = cell,
            None => self.cells.push(cell),
        }
    }
}

/// What became of a cell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CellSummary {
    /// Its id.
    pub cell: String,
    /// In a word or two, by the caller: finished, interrupted, stopped early, …
    pub status: String,
    /// Did it grok, in words.
    pub verdict: String,
    /// Epochs in its history.
    pub epochs: u64,
    /// The first epoch at which the train accuracy was [`ACCURACY`] or more and stayed so for
    /// [`HOLD`] epochs.
    pub train_accuracy_epoch: Option<u64>,
    /// The same for the test accuracy: the epoch at which the cell grokked.
    pub test_accuracy_epoch: Option<u64>,
    /// The epoch since which the train accuracy has been [`ACCURACY`] or more, where the history
    /// ends before it was held.
    #[serde(default)]
    pub train_accuracy_since: Option<u64>,
    /// The same for the test accuracy: reached, and not yet held.
    #[serde(default)]
    pub test_accuracy_since: Option<u64>,
    /// The last epoch's metrics, with the test metrics of the last epoch that was tested.
    pub last: Option<Row>,
    /// The best of each metric over all epochs.
    pub best: Option<Best>,
    /// Wall time of the training in seconds, if it is known.
    pub seconds: Option<f64>,
    /// Epochs a second of the last session, if it is known.
    #[serde(default)]
    pub epochs_per_second: Option<f64>,
    /// What it was trained on, if it is known.
    pub device: Option<String>,
    /// The version of grokrun that wrote this.
    pub grokrun: String,
}

/// The best of each metric, each from an epoch of its own: smallest losses, largest accuracies.
/// NaN where there was no number.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// In nats.
    #[serde(deserialize_with = "number_or_null")]
    pub train_loss: f64,
    /// In nats.
    #[serde(deserialize_with = "number_or_null")]
    pub test_loss: f64,
    /// 0 to 1.
    #[serde(deserialize_with = "number_or_null")]
    pub train_accuracy: f64,
    /// 0 to 1.
    #[serde(deserialize_with = "number_or_null")]
    pub test_accuracy: f64,
}

impl CellSummary {
    /// Reads a summary off a cell's history; `seconds` and `device` are left to the caller.
    pub fn new(cell: &str, status: &str, metrics: &Metrics) -> CellSummary {
        let mut tally = Tally::default();
        metrics.rows().for_each(|row| tally.see(row));
        tally.summary(cell, status)
    }

    /// Whether its training failed.
    pub fn has_failed(&self) -> bool {
        self.status == FAILED
    }

    /// Whether nothing of it is left to train by a spec of so many epochs. A cell that was finished
    /// before its run was made longer is not over.
    pub fn is_over(&self, epochs: u64) -> bool {
        match self.status.as_str() {
            INTERRUPTED => false,
            FINISHED => self.epochs >= epochs,
            _ => true,
        }
    }

    /// What is known of the epoch of a milestone; none of a cell whose training failed, which is
    /// counted apart.
    pub fn observation(&self, milestone: Milestone) -> Option<Observation> {
        (!self.has_failed()).then(|| self.crossing(milestone).observation(self.epochs))
    }

    /// How far it got with a milestone.
    pub fn crossing(&self, milestone: Milestone) -> Crossing {
        let (held, since) = match milestone {
            Milestone::Memorised => (self.train_accuracy_epoch, self.train_accuracy_since),
            Milestone::Grokked => (self.test_accuracy_epoch, self.test_accuracy_since),
        };
        match (held, since) {
            (Some(epoch), _) => Crossing::Held { epoch },
            (None, Some(epoch)) => Crossing::Open {
                epoch,
                held: self.epochs.saturating_sub(1).saturating_sub(epoch),
            },
            (None, None) => Crossing::Not,
        }
    }
}

/// What a summary needs of a history whose rows come one after the other, in memory that does not
/// grow.
#[derive(Clone, Debug)]
pub struct Tally {
    epochs: u64,
    train: Seeker,
    test: Seeker,
    last: Option<Row>,
    best: Option<Best>,
}

impl Default for Tally {
    fn default() -> Tally {
        let seeker = || Seeker::new(ACCURACY, HOLD);
        Tally {
            epochs: 0,
            train: seeker(),
            test: seeker(),
            last: None,
            best: None,
        }
    }
}

impl Tally {
    /// Takes the next epoch's metrics.
    pub fn see(&mut self, row: Row) {
        self.epochs += 1;
        self.train.see(row.train_accuracy);
        self.test.see(row.test_accuracy);
        self.last = Some(row.after(self.last));
        self.best = Some(Best::of(self.best, &row));
    }

    /// Epochs seen.
    pub fn epochs(&self) -> u64 {
        self.epochs
    }

    /// The metrics of the latest epoch.
    pub fn last(&self) -> Option<Row> {
        self.last
    }

    /// The summary of a cell with this history; `seconds` and `device` are left to the caller.
    pub fn summary(&self, cell: &str, status: &str) -> CellSummary {
        let [train, test] = [&self.train, &self.test].map(Seeker::crossing);
        CellSummary {
            cell: cell.to_owned(),
            status: status.to_owned(),
            verdict: Verdict::of(test, self.epochs).to_string(),
            epochs: self.epochs,
            train_accuracy_epoch: train.held(),
            test_accuracy_epoch: test.held(),
            train_accuracy_since: train.open(),
            test_accuracy_since: test.open(),
            last: self.last,
            best: self.best,
            seconds: None,
            epochs_per_second: None,
            device: None,
            grokrun: VERSION.to_owned(),
        }
    }
}

impl Best {
    /// The best of what was before and this row.
    fn of(before: Option<Best>, row: &Row) -> Best {
        let Some(best) = before else {
            return Best {
                train_loss: row.train_loss,
                test_loss: row.test_loss,
                train_accuracy: row.train_accuracy,
                test_accuracy: row.test_accuracy,
            };
        };
        // `f64::min` and `max` pass over NaN.
        Best {
            train_loss: best.train_loss.min(row.train_loss),
            test_loss: best.test_loss.min(row.test_loss),
            train_accuracy: best.train_accuracy.max(row.train_accuracy),
            test_accuracy: best.test_accuracy.max(row.test_accuracy),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metrics(test: &[(f64, f64)]) -> Metrics {
        let mut metrics = Metrics::default();
        for (epoch, &(test_loss, test_accuracy)) in (0..).zip(test) {
            metrics.push(Row {
                epoch,
                train_loss: 0.5,
                test_loss,
                train_accuracy: 1.0,
                test_accuracy,
            });
        }
        metrics
    }

    #[test]
    fn a_cell_is_summed_up() {
        let mut test = vec![(9.0, 0.1), (0.25, 0.995), (f64::NAN, 0.1)];
        test.extend([(1.0, 0.99); 501]);
        let cell = CellSummary::new("add-p5", "finished", &metrics(&test));
        assert_eq!(cell.epochs, 504);
        assert_eq!(
            (cell.train_accuracy_epoch, cell.test_accuracy_epoch),
            (Some(0), Some(3))
        );
        assert_eq!(cell.verdict, "grokked at epoch 3");
        assert_eq!(cell.last.map(|row| row.test_loss), Some(1.0));
        assert_eq!(
            cell.crossing(Milestone::Grokked),
            Crossing::Held { epoch: 3 }
        );
        let best = cell.best.unwrap();
        assert_eq!(
            (best.train_loss, best.test_loss, best.test_accuracy),
            (0.5, 0.25, 0.995)
        );
    }

    #[test]
    fn a_history_that_ends_before_an_accuracy_is_held_says_since_when_it_was_there() {
        let mut test = vec![(9.0, 0.1); 20];
        test.extend([(0.1, 1.0); 500]);
        let cell = CellSummary::new("c", "stopped early", &metrics(&test));
        assert_eq!(
            (cell.test_accuracy_epoch, cell.test_accuracy_since),
            (None, Some(20))
        );
        assert_eq!(
            cell.crossing(Milestone::Grokked),
            Crossing::Open {
                epoch: 20,
                held: 499
            }
        );
        assert_eq!(
            cell.crossing(Milestone::Memorised),
            Crossing::Held { epoch: 0 }
        );
        // One of an earlier version tells less, and is read.
        let mut json = serde_json::to_value(&cell).unwrap();
        json.as_object_mut().unwrap().remove("test_accuracy_since");
        let earlier: CellSummary = serde_json::from_value(json).unwrap();
        assert_eq!(earlier.crossing(Milestone::Grokked), Crossing::Not);
    }

    #[test]
    fn a_summary_survives_json_whatever_the_losses_were() {
        let mut summary = Summary::default();
        summary.set(CellSummary::new(
            "b",
            "failed",
            &metrics(&[(f64::NAN, 0.0)]),
        ));
        summary.set(CellSummary::new("a", "interrupted", &metrics(&[])));
        let again = CellSummary {
            seconds: Some(1.5),
            ..summary.cells[0].clone()
        };
        summary.set(again);
        let text = serde_json::to_string(&summary).unwrap();
        assert!(
            text.starts_with(r#"[{"cell":"b","status":"failed""#),
            "{text}"
        );
        let back: Summary = serde_json::from_str(&text).unwrap();
        assert_eq!(back.cell("a"), summary.cell("a"));
        let b = back.cell("b").unwrap();
        assert!(b.last.unwrap().test_loss.is_nan() && b.best.unwrap().test_loss.is_nan());
        assert_eq!(b.seconds, Some(1.5));
        assert_eq!(back.cell("c"), None);
    }
}
