//! The history of a cell: four numbers an epoch, kept by column.

use serde::{Deserialize, Serialize};

/// One epoch's metrics. The train loss and accuracy are taken before the epoch's step, the test
/// loss and accuracy after it.
///
/// In JSON a number that is not finite is `null`, and `null` is read as NaN.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Counted from 0.
    pub epoch: u64,
    /// Mean cross entropy in nats over the train pairs.
    #[serde(deserialize_with = "number_or_null")]
    pub train_loss: f64,
    /// Mean cross entropy in nats over the test pairs.
    #[serde(deserialize_with = "number_or_null")]
    pub test_loss: f64,
    /// Share of the train pairs whose largest logit is the right one, 0 to 1.
    #[serde(deserialize_with = "number_or_null")]
    pub train_accuracy: f64,
    /// Share of the test pairs whose largest logit is the right one, 0 to 1.
    #[serde(deserialize_with = "number_or_null")]
    pub test_accuracy: f64,
}

impl Row {
    /// Returns whether the test pairs were evaluated after this epoch; where they were not, both
    /// test metrics are NaN.
    pub fn is_tested(&self) -> bool {
        !(self.test_loss.is_nan() && self.test_accuracy.is_nan())
    }

    /// Returns the row, with the test metrics of an earlier one if it has none of its own.
    #[must_use]
    pub fn after(self, tested: Option<Row>) -> Row {
        match tested.filter(|_| !self.is_tested()) {
            Some(Row {
                test_loss,
                test_accuracy,
                ..
            }) => Row {
                test_loss,
                test_accuracy,
                ..self
            },
            None => self,
        }
    }
}

/// `serde_json` writes NaN and infinities as `null`; this reads it.
pub(crate) fn number_or_null<'de, D: serde::Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or(f64::NAN))
}

/// Every epoch's metrics from epoch 0 on, without gaps. Test metrics of epochs that were not tested
/// are NaN.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metrics {
    train_loss: Vec<f64>,
    test_loss: Vec<f64>,
    train_accuracy: Vec<f64>,
    test_accuracy: Vec<f64>,
}

impl Metrics {
    /// The columns' names beside `epoch`, in the order of [`Metrics::columns`].
    pub const COLUMNS: [&str; 4] = ["train_loss", "test_loss", "train_accuracy", "test_accuracy"];

    /// The history with these columns, each `(epochs)`; `None` unless they are of one length.
    pub(crate) fn from_columns(columns: [Vec<f64>; 4]) -> Option<Metrics> {
        let [train_loss, test_loss, train_accuracy, test_accuracy] = columns;
        let len = train_loss.len();
        let equal = [&test_loss, &train_accuracy, &test_accuracy]
            .iter()
            .all(|c| c.len() == len);
        equal.then_some(Metrics {
            train_loss,
            test_loss,
            train_accuracy,
            test_accuracy,
        })
    }

    /// Adds the next epoch.
    ///
    /// # Panics
    /// When `row.epoch` is not [`Metrics::len`]: a history with a gap is a mistake of the program.
    pub fn push(&mut self, row: Row) {
        assert_eq!(
            row.epoch,
            self.len() as u64,
            "epochs are recorded one after the other"
        );
        self.train_loss.push(row.train_loss);
        self.test_loss.push(row.test_loss);
        self.train_accuracy.push(row.train_accuracy);
        self.test_accuracy.push(row.test_accuracy);
    }

    /// The number of epochs.
    pub fn len(&self) -> usize {
        self.train_loss.len()
    }

    /// Whether no epoch was recorded yet.
    pub fn is_empty(&self) -> bool {
        self.train_loss.is_empty()
    }

    /// The metrics of one epoch.
    pub fn row(&self, epoch: usize) -> Option<Row> {
        Some(Row {
            epoch: epoch as u64,
            train_loss: *self.train_loss.get(epoch)?,
            test_loss: self.test_loss[epoch],
            train_accuracy: self.train_accuracy[epoch],
            test_accuracy: self.test_accuracy[epoch],
        })
    }

    /// The latest epoch's metrics.
    pub fn last(&self) -> Option<Row> {
        self.len().checked_sub(1).and_then(|epoch| self.row(epoch))
    }

    /// All epochs in order.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = Row> {
        (0..self.len()).map(|epoch| Row {
            epoch: epoch as u64,
            train_loss: self.train_loss[epoch],
            test_loss: self.test_loss[epoch],
            train_accuracy: self.train_accuracy[epoch],
            test_accuracy: self.test_accuracy[epoch],
        })
    }

    /// The history as it is drawn: of an epoch that was not tested, the test metrics are those of
    /// the last one that was.
    #[must_use]
    pub fn held(self) -> Metrics {
        if self.rows().all(|row| row.is_tested()) {
            return self;
        }
        let mut held = Metrics::default();
        for row in self.rows() {
            held.push(row.after(held.last()));
        }
        held
    }

    /// The first epoch at which two histories part, bit for bit; none where one is the beginning
    /// of the other.
    pub(crate) fn parts_from(&self, other: &Metrics) -> Option<usize> {
        let parted = |(one, other): (&f64, &f64)| one.to_bits() != other.to_bits();
        let columns = self.columns().into_iter().zip(other.columns());
        columns
            .filter_map(|(one, other)| one.iter().zip(other).position(parted))
            .min()
    }

    /// Whether both are the same history, bit for bit: NaN is NaN.
    pub(crate) fn is(&self, other: &Metrics) -> bool {
        self.len() == other.len() && self.parts_from(other).is_none()
    }

    /// Train losses, test losses, train accuracies and test accuracies, each `(epochs)`.
    pub fn columns(&self) -> [&[f64]; 4] {
        [
            &self.train_loss,
            &self.test_loss,
            &self.train_accuracy,
            &self.test_accuracy,
        ]
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A made-up history with repeating accuracies and losses of many magnitudes.
    pub(crate) fn history(epochs: u64) -> Metrics {
        let mut metrics = Metrics::default();
        for epoch in 0..epochs {
            let x = epoch as f64;
            metrics.push(Row {
                epoch,
                train_loss: (-0.01 * x).exp(),
                test_loss: 5.0 + x.sin(),
                train_accuracy: (x / 50.0).min(1.0),
                test_accuracy: (x / 500.0).floor().min(1.0),
            });
        }
        metrics
    }

    #[test]
    fn rows_come_back_in_order() {
        let metrics = history(30);
        assert_eq!(metrics.rows().len(), 30);
        assert!(
            metrics
                .rows()
                .enumerate()
                .all(|(i, row)| metrics.row(i) == Some(row))
        );
        assert_eq!(metrics.last().map(|row| row.epoch), Some(29));
        assert_eq!(metrics.row(30), None);
        assert_eq!(Metrics::default().last(), None);
    }

    #[test]
    fn what_is_drawn_holds_the_last_test_metrics() {
        let mut metrics = Metrics::default();
        for row in history(7).rows() {
            metrics.push(match row.epoch % 3 {
                2 => row,
                _ => Row {
                    test_loss: f64::NAN,
                    test_accuracy: f64::NAN,
                    ..row
                },
            });
        }
        let [train, test, _, accuracy] = metrics.columns().map(<[f64]>::to_vec);
        let held = metrics.held();
        let [drawn_train, drawn, _, drawn_accuracy] = held.columns();
        assert_eq!(drawn_train, train);
        assert!(drawn[..2].iter().all(|x| x.is_nan()));
        assert_eq!(drawn[2..], [test[2], test[2], test[2], test[5], test[5]]);
        assert_eq!(drawn_accuracy[6], accuracy[5]);
        assert_eq!(history(9).held(), history(9));
    }

    #[test]
    #[should_panic(expected = "one after the other")]
    fn a_gap_is_refused() {
        let mut metrics = history(3);
        metrics.push(Row {
            epoch: 4,
            ..metrics.last().unwrap()
        });
    }

    #[test]
    fn columns_of_unequal_length_are_no_history() {
        assert_eq!(
            Metrics::from_columns([vec![1.0], vec![], vec![1.0], vec![1.0]]),
            None
        );
    }

    #[test]
    fn numbers_that_are_not_finite_survive_json_as_nan() {
        let row = Row {
            test_loss: f64::INFINITY,
            ..history(1).last().unwrap()
        };
        let text = serde_json::to_string(&row).unwrap();
        assert!(text.contains("\"test_loss\":null"), "{text}");
        let back: Row = serde_json::from_str(&text).unwrap();
        assert!(back.test_loss.is_nan());
        assert_eq!(back.train_loss, row.train_loss);
    }

    /// A summary is read and written again with each cell: its numbers must not drift.
    #[test]
    fn numbers_survive_json_exactly() {
        for row in history(3000).rows() {
            let text = serde_json::to_string(&row).unwrap();
            assert_eq!(serde_json::from_str::<Row>(&text).unwrap(), row);
        }
    }
}
