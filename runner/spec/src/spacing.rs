//! Computes the epochs of checkpoints.

/// The epochs of a logarithmic beginning, since early changes are fast.
const LOG: [u64; 10] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512];

/// The epochs at which a checkpoint is due; the first and the last epoch always are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spacing {
    /// The number of epochs from one checkpoint to the next; 0 for no such checkpoints.
    pub every: u64,
    /// Whether checkpoints after 1, 2, 4 … 512 epochs are due too.
    pub log: bool,
    /// How many of the latest states are held besides, to be written once the test accuracy moves;
    /// 0 for none. Which of them become checkpoints depends on the training.
    pub ring: u64,
}

impl Spacing {
    /// Returns a spacing of `every` epochs.
    pub const fn every(every: u64) -> Spacing {
        Spacing {
            every,
            log: false,
            ring: 0,
        }
    }

    /// Returns the epochs besides the multiples of `every`.
    pub fn also(self) -> &'static [u64] {
        if self.log { &LOG } else { &[] }
    }

    /// Returns the number of epochs from one state of the ring to the next; none without a ring.
    /// The states of a full ring span `every` epochs or a little more.
    pub fn ring_step(self) -> Option<u64> {
        (self.ring != 0 && self.every != 0).then(|| self.every.div_ceil(self.ring))
    }

    /// Returns whether a checkpoint is due after `epoch` epochs, above 0.
    pub fn is_due(self, epoch: u64) -> bool {
        self.also().contains(&epoch) || (self.every != 0 && epoch.is_multiple_of(self.every))
    }

    /// Returns the number of epochs until the next checkpoint is due.
    pub fn to_next(self, epoch: u64) -> Option<u64> {
        let multiple = (epoch.checked_rem(self.every)).map(|past| self.every - past);
        let also = self.also().iter().find(|also| **also > epoch);
        multiple
            .into_iter()
            .chain(also.map(|also| also - epoch))
            .min()
    }

    /// Returns the number of checkpoints that are due in `epochs` epochs, without the first.
    pub fn count(self, epochs: u64) -> u64 {
        let also = self.also().iter().filter(|also| **also <= epochs);
        let also = also.filter(|also| self.every == 0 || !also.is_multiple_of(self.every));
        epochs.checked_div(self.every).unwrap_or(0) + also.count() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_is_what_is_next_and_what_is_counted() {
        for spacing in [
            Spacing::every(100),
            Spacing::every(0),
            Spacing {
                every: 1000,
                log: true,
                ring: 0,
            },
            Spacing {
                every: 0,
                log: true,
                ring: 0,
            },
            Spacing {
                every: 8,
                log: true,
                ring: 0,
            },
        ] {
            let due: Vec<u64> = (1..=3000).filter(|epoch| spacing.is_due(*epoch)).collect();
            assert_eq!(due.len() as u64, spacing.count(3000), "{spacing:?}");
            let (mut epoch, mut met) = (0, Vec::new());
            while let Some(more) = spacing.to_next(epoch).filter(|more| epoch + more <= 3000) {
                epoch += more;
                met.push(epoch);
            }
            assert_eq!(met, due, "{spacing:?}");
        }
        assert_eq!(
            Spacing {
                every: 1000,
                log: true,
                ring: 0,
            }
            .count(2000),
            12
        );
    }

    #[test]
    fn a_ring_spans_the_time_between_two_checkpoints() {
        let step = |every, ring| {
            let log = false;
            Spacing { every, log, ring }.ring_step()
        };
        assert_eq!(step(100, 20), Some(5));
        assert_eq!(step(100, 30), Some(4), "rounded up: no gap before the ring");
        assert_eq!(step(7, 20), Some(1));
        assert_eq!((step(100, 0), step(0, 20)), (None, None));
    }
}
