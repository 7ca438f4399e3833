//! Minibatches in the order of torch's `DataLoader(shuffle=True, generator=g)`.
//!
//! Owns how an epoch is divided into batches. The order of the samples comes from `grokrun_task`.

use grokrun_task::torch::Generator;

/// Yields the batches of one epoch after another.
#[derive(Clone, Debug)]
pub struct Batches {
    generator: Generator,
    count: u32,
    size: usize,
}

/// Why samples cannot be divided into batches.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("batches of {size} from {count} samples; expected a size of 1 to {count}")]
pub struct BatchError {
    size: usize,
    count: u32,
}

impl Batches {
    /// Starts before the first epoch, after `g.manual_seed(seed)`.
    ///
    /// # Errors
    /// Fails if a batch would be empty, or larger than the epoch.
    pub fn new(seed: i64, count: u32, size: usize) -> Result<Batches, BatchError> {
        if size == 0 || size > count as usize {
            return Err(BatchError { size, count });
        }
        Ok(Batches {
            generator: Generator::new(seed),
            count,
            size,
        })
    }

    /// Returns the indices of the samples of each batch of the next epoch. The last batch may be
    /// smaller.
    pub fn epoch(&mut self) -> Vec<Vec<u32>> {
        let order = self.generator.loader_order(self.count);
        order.chunks(self.size).map(<[u32]>::to_vec).collect()
    }

    /// Skips epochs that were trained before.
    pub fn skip(&mut self, epochs: u64) {
        for _ in 0..epochs {
            self.generator.loader_order(self.count);
        }
    }

    /// Returns the number of samples of a batch; the last batch of an epoch may have fewer.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Returns the number of steps of an epoch.
    pub fn steps(&self) -> usize {
        (self.count as usize).div_ceil(self.size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_has_every_sample_once_and_goes_on_where_it_was_left() {
        let mut whole = Batches::new(5, 23, 6).unwrap();
        let first = whole.epoch();
        assert_eq!(first.iter().map(Vec::len).collect::<Vec<_>>(), [6, 6, 6, 5]);
        assert_eq!(first.len(), whole.steps());
        let mut all = first.concat();
        all.sort();
        assert_eq!(all, (0..23).collect::<Vec<u32>>());
        let mut later = Batches::new(5, 23, 6).unwrap();
        later.skip(1);
        assert_eq!(whole.epoch(), later.epoch());
    }

    #[test]
    fn batches_that_cannot_be_are_refused() {
        assert!(Batches::new(0, 10, 0).is_err());
        let error = Batches::new(0, 10, 11).unwrap_err();
        assert!(
            error.to_string().contains("expected a size of 1 to 10"),
            "{error}"
        );
    }
}
