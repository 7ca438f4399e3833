//! A history in bounded memory: the first epochs, an even choice of the others, and the last. Of an
//! epoch that was not tested the test metrics are those of the last one that was.

use grokrun_store::Row;

/// The first epochs are all kept: much happens in them.
const FIRST: u64 = 50;

/// Keeps so many points of a history at most, however long it becomes.
#[derive(Clone, Debug)]
pub(crate) struct Curve {
    most: usize,
    epochs: Vec<usize>,
    /// train losses, test losses, train accuracies, test accuracies
    columns: [Vec<f64>; 4],
    /// of the epochs after the first, each so many-th is kept
    step: u64,
    /// changes whenever points that were there are not any more
    generation: u64,
    last: Option<Row>,
}

impl Curve {
    /// Makes an empty one of `most` points at most beside the first fifty and the last.
    pub(crate) fn new(most: usize) -> Curve {
        Curve {
            most: most.max(2),
            epochs: Vec::new(),
            columns: Default::default(),
            step: 1,
            generation: 0,
            last: None,
        }
    }

    /// Returns the most points that it keeps.
    pub(crate) fn most(&self) -> usize {
        self.most
    }

    /// Begins anew, with so many points at most.
    pub(crate) fn clear(&mut self, most: usize) {
        let generation = self.generation + 1;
        *self = Curve {
            generation,
            ..Curve::new(most)
        };
    }

    /// Takes the next epoch.
    pub(crate) fn push(&mut self, row: Row) {
        let row = row.after(self.last);
        self.last = Some(row);
        if !self.keeps(row.epoch) {
            return;
        }
        self.epochs.push(row.epoch as usize);
        let values = values(&row);
        for (column, value) in self.columns.iter_mut().zip(values) {
            column.push(value);
        }
        if self.epochs.len() > self.most + FIRST as usize {
            self.thin();
        }
    }

    fn keeps(&self, epoch: u64) -> bool {
        epoch < FIRST || epoch.is_multiple_of(self.step)
    }

    fn thin(&mut self) {
        self.step *= 2;
        self.generation += 1;
        let kept: Vec<bool> = self
            .epochs
            .iter()
            .map(|epoch| self.keeps(*epoch as u64))
            .collect();
        for column in &mut self.columns {
            let mut kept = kept.iter();
            column.retain(|_| kept.next() == Some(&true));
        }
        let mut kept = kept.iter();
        self.epochs.retain(|_| kept.next() == Some(&true));
    }

    /// Says which of two states of a curve are one after the other: the points of an equal
    /// generation only become more.
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// Returns how many points are kept for good, in this generation.
    pub(crate) fn len(&self) -> usize {
        self.epochs.len()
    }

    /// Returns the epochs from the `from`-th point on, and the columns at them; the last epoch is
    /// among them even where it is not kept for good.
    pub(crate) fn points(&self, from: usize) -> (Vec<usize>, [Vec<f64>; 4]) {
        let mut epochs = self.epochs[from.min(self.epochs.len())..].to_vec();
        let mut columns = self
            .columns
            .each_ref()
            .map(|column| column[from.min(column.len())..].to_vec());
        if let Some(last) = self.last
            && self.epochs.last() != Some(&(last.epoch as usize))
        {
            epochs.push(last.epoch as usize);
            for (column, value) in columns.iter_mut().zip(values(&last)) {
                column.push(value);
            }
        }
        (epochs, columns)
    }

    /// Returns `width` values of a column, evenly over the epochs, the last one among them: fewer
    /// where there are fewer points.
    pub(crate) fn evenly(&self, column: usize, width: usize) -> Vec<f64> {
        let (epochs, columns) = self.points(0);
        let Some(last) = epochs.last() else {
            return Vec::new();
        };
        let width = width.min(epochs.len());
        let at = |i: usize| {
            let epoch = i * last / (width - 1).max(1);
            let found = epochs.partition_point(|e| *e <= epoch);
            columns[column][found.saturating_sub(1)]
        };
        match width {
            1 => vec![columns[column][epochs.len() - 1]],
            _ => (0..width).map(at).collect(),
        }
    }
}

fn values(row: &Row) -> [f64; 4] {
    [
        row.train_loss,
        row.test_loss,
        row.train_accuracy,
        row.test_accuracy,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(epoch: u64) -> Row {
        Row {
            epoch,
            train_loss: epoch as f64,
            test_loss: 0.5,
            train_accuracy: 1.0,
            test_accuracy: f64::NAN,
        }
    }

    #[test]
    fn forty_thousand_epochs_take_no_more_memory_than_four_thousand() {
        let mut curve = Curve::new(1000);
        for epoch in 0..40_000 {
            curve.push(row(epoch));
            assert!(curve.len() <= 1050, "{}", curve.len());
        }
        assert!(curve.epochs.capacity() < 3000 && curve.columns[0].capacity() < 3000);
        let (epochs, columns) = curve.points(0);
        assert_eq!(epochs[..50], (0..50).collect::<Vec<_>>());
        assert_eq!(epochs.last(), Some(&39_999));
        let gaps: Vec<usize> = epochs[50..epochs.len() - 1]
            .windows(2)
            .map(|pair| pair[1] - pair[0])
            .collect();
        assert!(
            gaps.len() > 400 && gaps.iter().all(|gap| *gap == gaps[0]),
            "{gaps:?}"
        );
        for (epoch, loss) in epochs.iter().zip(&columns[0]) {
            assert_eq!(*epoch as f64, *loss);
        }
        assert!(columns.iter().all(|column| column.len() == epochs.len()));
    }

    #[test]
    fn points_of_one_generation_only_become_more() {
        let mut curve = Curve::new(100);
        let mut had: (u64, Vec<usize>) = (0, Vec::new());
        let mut generations = 0;
        for epoch in 0..2000 {
            curve.push(row(epoch));
            let kept = curve.epochs.clone();
            if had.0 == curve.generation() {
                assert!(kept.starts_with(&had.1));
                // What a reader that had the earlier points is sent.
                let rest = curve.points(had.1.len()).0;
                let all = [&had.1[..], &rest].concat();
                assert_eq!(all, curve.points(0).0);
            } else {
                generations += 1;
            }
            had = (curve.generation(), kept);
        }
        assert!((3..10).contains(&generations), "{generations}");
        curve.clear(100);
        assert_ne!(curve.generation(), had.0);
        assert_eq!(curve.points(0).0, Vec::<usize>::new());
    }

    #[test]
    fn an_even_choice_has_the_first_and_the_last() {
        let mut curve = Curve::new(500);
        assert!(curve.evenly(0, 10).is_empty());
        curve.push(row(0));
        assert_eq!(curve.evenly(0, 10), [0.0]);
        (1..=1000).for_each(|epoch| curve.push(row(epoch)));
        let even = curve.evenly(0, 11);
        assert_eq!((even[0], even[10], even.len()), (0.0, 1000.0, 11));
        assert!((even[5] - 500.0).abs() < 5.0, "{even:?}");
        assert_eq!(curve.evenly(0, 1), [1000.0]);
    }
}
