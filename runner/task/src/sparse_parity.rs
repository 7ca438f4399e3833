//! Samples sparse parity: the parity of a few of many random bits. Owns how the samples are drawn.
//! Knows nothing of operations: the samples are not all tuples of anything.

use std::num::NonZeroU64;

use crate::torch::Generator;

/// The largest number of bits of all samples.
const MOST_BITS: u64 = 1 << 28;

/// The largest number of bits of a sample.
pub const MAX_BITS: usize = 64;

/// Samples of random bits with the parity of some of them, as in Barak et al. 2022 and Merrill et
/// al. 2023.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SparseParity {
    bits: usize,
    relevant: usize,
    samples: usize,
    seed: i64,
}

/// The samples of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bits {
    /// The bits of all samples, `(samples, bits)`.
    pub inputs: Vec<u8>,
    /// The parity of each sample, `(samples)`.
    pub labels: Vec<u8>,
}

/// Why a task cannot be sampled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SparseParityError {
    /// There are more relevant bits than bits, or none.
    #[error(
        "{relevant} of {bits} bits are to be relevant; expected from 1 to as many as there are"
    )]
    Relevant {
        /// The number of bits of a sample.
        bits: usize,
        /// The number of bits that the label depends on.
        relevant: usize,
    },
    /// There are too few samples to train and to test on.
    #[error("there is {samples} sample; expected at least 2: one to train on, one to test on")]
    TooFewSamples {
        /// The number of samples.
        samples: usize,
    },
    /// The samples do not fit into memory.
    #[error(
        "{samples} samples of {bits} bits are too many; expected at most {MAX_BITS} bits a sample, and 2^28 in all"
    )]
    TooLarge {
        /// The number of samples.
        samples: usize,
        /// The number of bits of a sample.
        bits: usize,
    },
}

impl SparseParity {
    /// Describes samples of so many bits, of which the first `relevant` decide on the label: their
    /// sum modulo 2. All bits have the same distribution, so it does not matter which are relevant.
    ///
    /// # Errors
    /// When there are no relevant bits or more than there are bits, fewer than two samples, or too
    /// many bits.
    pub fn new(
        bits: usize,
        relevant: usize,
        samples: usize,
        seed: i64,
    ) -> Result<SparseParity, SparseParityError> {
        if relevant == 0 || relevant > bits {
            return Err(SparseParityError::Relevant { bits, relevant });
        }
        if samples < 2 {
            return Err(SparseParityError::TooFewSamples { samples });
        }
        let all = (bits as u64).checked_mul(samples as u64);
        if bits > MAX_BITS || all.is_none_or(|all| all > MOST_BITS) {
            return Err(SparseParityError::TooLarge { samples, bits });
        }
        Ok(SparseParity {
            bits,
            relevant,
            samples,
            seed,
        })
    }

    /// Draws the samples: `torch.manual_seed(seed)`, then `torch.randint(0, 2, (samples, bits))`.
    ///
    /// The published codes draw in their own ways, and these draws reproduce none of them.
    pub fn draw(&self) -> Bits {
        let mut generator = Generator::new(self.seed);
        let two = NonZeroU64::MIN.saturating_add(1);
        let inputs: Vec<u8> = (0..self.bits * self.samples)
            .map(|_| generator.random_below(two) as u8)
            .collect();
        let parity = |sample: &[u8]| {
            let relevant = &sample[..self.relevant];
            relevant.iter().fold(0, |parity, bit| parity ^ bit)
        };
        let labels = inputs.chunks(self.bits).map(parity).collect();
        Bits { inputs, labels }
    }

    /// Returns the number of bits of a sample.
    pub fn bits(&self) -> usize {
        self.bits
    }

    /// Returns the number of bits that the label depends on, which are the first ones.
    pub fn relevant(&self) -> usize {
        self.relevant
    }

    /// Returns the number of samples.
    pub fn samples(&self) -> usize {
        self.samples
    }

    /// Returns the seed of the samples.
    pub fn seed(&self) -> i64 {
        self.seed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{json, numbers};

    #[test]
    fn bits_are_torchs_draws_and_labels_their_parity() {
        let vectors = json(include_str!("../fixtures/rng2.json"));
        let of_two = |vector: &&serde_json::Value| vector["high"] == 2;
        let vectors = vectors["randint"].as_array().unwrap();
        for vector in vectors.iter().filter(of_two) {
            let seed = vector["seed"].as_i64().unwrap();
            let values = numbers(&vector["values"]);
            let task = SparseParity::new(5, 3, 2, seed).unwrap();
            let Bits { inputs, labels } = task.draw();
            let drawn: Vec<u32> = inputs.iter().map(|bit| u32::from(*bit)).collect();
            assert_eq!(drawn, values[..10]);
            for (sample, label) in inputs.chunks(5).zip(labels) {
                assert_eq!(sample[0] ^ sample[1] ^ sample[2], label);
            }
        }
        assert!(vectors.iter().filter(of_two).count() > 0);
    }

    #[test]
    fn both_parities_are_about_as_frequent() {
        for relevant in [1, 3, 43] {
            let task = SparseParity::new(43, relevant, 2000, 1).unwrap().draw();
            let odd = task.labels.iter().filter(|label| **label == 1).count();
            assert!((880..1120).contains(&odd), "{odd}");
            assert_eq!(task.inputs.len(), 43 * 2000);
        }
    }

    #[test]
    fn tasks_that_cannot_be_are_refused() {
        let refused =
            |bits, relevant, samples| SparseParity::new(bits, relevant, samples, 0).unwrap_err();
        for (bits, relevant) in [(3, 0), (3, 4), (0, 0)] {
            assert_eq!(
                refused(bits, relevant, 10),
                SparseParityError::Relevant { bits, relevant }
            );
        }
        assert_eq!(
            refused(3, 1, 1),
            SparseParityError::TooFewSamples { samples: 1 }
        );
        let wide = SparseParityError::TooLarge {
            samples: 10,
            bits: 65,
        };
        assert_eq!(refused(65, 1, 10), wide);
        for samples in [usize::MAX, 1 << 27] {
            let too_large = SparseParityError::TooLarge { samples, bits: 3 };
            assert_eq!(refused(3, 1, samples), too_large);
        }
    }
}
