//! Splits the pairs of a data set into a train and a test part, as the published code does.

use crate::{Dataset, Stream, python, torch};

/// The two parts of a data set, as pair indices `a·modulus + b` in the order in which the generator
/// yields them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// The pairs that are trained on, `(n_train)`.
    pub train: Vec<u32>,
    /// The pairs that are tested on, `(n_test)`.
    pub test: Vec<u32>,
}

/// Why a data set cannot be split.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SplitError {
    /// The fraction is not a share between 0 and 1.
    #[error("the fraction is {fraction}; expected a number greater than 0 and less than 1")]
    Fraction {
        /// The fraction that was given.
        fraction: f64,
    },
    /// With any fraction one of the parts would be empty.
    #[error("the data set has {pairs} pair; expected at least 2: one to train on, one to test on")]
    TooFewPairs {
        /// The number of pairs of the data set.
        pairs: usize,
    },
    /// The training part would be empty.
    #[error(
        "no pair is left to train on: {fraction} of {pairs} pairs rounds down to 0; expected a \
         fraction greater than 1/{pairs}"
    )]
    EmptyTrain {
        /// The fraction that was given.
        fraction: f64,
        /// The number of pairs of the data set.
        pairs: usize,
    },
}

impl Dataset {
    /// Splits the data set. The pairs of the domain, in their order, are permuted by the stream
    /// with this seed; the first `int(count * fraction)` of them train, and the others test.
    ///
    /// As in the published code, the list of the existing pairs is permuted: all p² for an addition
    /// (TransformerLens's demo, the paper's repository), p(p − 1) for a division.
    ///
    /// # Errors
    /// When the fraction is not between 0 and 1, or the training part would be empty; with a
    /// fraction below 1 the test part never is.
    pub fn split(&self, fraction: f64, seed: i64, stream: Stream) -> Result<Split, SplitError> {
        if !(fraction > 0.0 && fraction < 1.0) {
            return Err(SplitError::Fraction { fraction });
        }
        let pairs = self.pairs();
        if pairs.len() < 2 {
            return Err(SplitError::TooFewPairs { pairs: pairs.len() });
        }
        // Python's int(count * fraction): the product in double precision, then cut off. The
        // largest fraction below 1 still rounds to less than the count, so the test part is not
        // empty.
        let cutoff = (pairs.len() as f64 * fraction) as usize;
        if cutoff == 0 {
            return Err(SplitError::EmptyTrain {
                fraction,
                pairs: pairs.len(),
            });
        }
        // There are at most MAX_MODULUS² pairs, which fit 32 bits.
        let count = pairs.len() as u32;
        let mut train = match stream {
            Stream::Torch | Stream::TorchLegacy => torch::Generator::new(seed).randperm(count),
            Stream::Python => python::Random::new(seed).shuffled(count),
        };
        for place in &mut train {
            *place = pairs[*place as usize];
        }
        let test = train.split_off(cutoff);
        Ok(Split { train, test })
    }
}
