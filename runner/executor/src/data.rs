//! Holds one cell's pairs as executors read them: sorted, with their labels, and for each token the
//! list of the training pairs that contain the token. Knows nothing of operations or of random
//! streams.

use crate::EngineError;

/// An input pair and its label, each in 0..p.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub struct Sample {
    /// the token at position 0
    pub a: u32,
    /// the token at position 1
    pub b: u32,
    /// the class of (a, b)
    pub label: u32,
}

/// The training and test parts of one cell, each sorted by square blocks of `SIDE` tokens, and by
/// (a, b) within a block.
///
/// Training is full batch, so the order of the samples changes rounding alone. Sorting makes the
/// order independent of the random stream, and consecutive pairs share the rows of a few tokens,
/// which stay in the cache.
#[derive(Clone, Debug)]
pub struct Pairs {
    modulus: usize,
    train: Vec<Sample>,
    test: Vec<Sample>,
    lists: TokenLists,
}

/// The training samples that use each token row, as a compressed sparse row table.
#[derive(Clone, Debug)]
pub struct TokenLists {
    /// `(2p + 1)` offsets into `samples`. The samples of row t (token a for t < p, token b = t − p
    /// from p on) are `samples[starts[t]..starts[t + 1]]`.
    pub starts: Vec<u32>,
    /// `(2 n_train)` indices of samples, ascending within a row
    pub samples: Vec<u32>,
}

/// The number of tokens along a side of a block. Any number from 8 to 25 is equally fast: the 48
/// pairs of a tile of the CPU executor then share the rows of some 30 tokens. With 21, both
/// executors follow torch's golden curve of the published setting for twenty epochs. The order of
/// sums decides where an input of a ReLU lies 8e-9 from 0, and with most orders the CPU rounds to
/// the other side.
const SIDE: u32 = 21;

fn by_block(s: &Sample) -> [u32; 4] {
    [s.a / SIDE, s.b / SIDE, s.a, s.b]
}

impl Pairs {
    /// Sorts both parts and lists the training samples of each token.
    ///
    /// # Errors
    /// When a part is empty, or a token or a label is not in 0..p.
    pub fn new(
        modulus: usize,
        mut train: Vec<Sample>,
        mut test: Vec<Sample>,
    ) -> Result<Pairs, EngineError> {
        for (part, samples) in [("train", &train), ("test", &test)] {
            if samples.is_empty() {
                return Err(EngineError::Data(format!(
                    "the {part} part is empty; expected at least one pair"
                )));
            }
            if let Some(s) = samples
                .iter()
                .find(|s| s.a.max(s.b).max(s.label) as usize >= modulus)
            {
                return Err(EngineError::Data(format!(
                    "pair ({}, {}) has label {}; expected tokens and labels below {modulus}",
                    s.a, s.b, s.label
                )));
            }
        }
        train.sort_unstable_by_key(by_block);
        test.sort_unstable_by_key(by_block);
        let lists = TokenLists::new(modulus, &train);
        Ok(Pairs {
            modulus,
            train,
            test,
            lists,
        })
    }

    /// Returns p.
    pub fn modulus(&self) -> usize {
        self.modulus
    }

    /// Returns the training pairs, sorted by blocks.
    pub fn train(&self) -> &[Sample] {
        &self.train
    }

    /// Returns the test pairs, sorted by blocks.
    pub fn test(&self) -> &[Sample] {
        &self.test
    }

    /// Returns the training samples of each token row.
    pub fn lists(&self) -> &TokenLists {
        &self.lists
    }
}

impl TokenLists {
    fn new(modulus: usize, train: &[Sample]) -> TokenLists {
        let rows = |s: &Sample| [s.a as usize, modulus + s.b as usize];
        let mut starts = vec![0u32; 2 * modulus + 1];
        for row in train.iter().flat_map(rows) {
            starts[row + 1] += 1;
        }
        for t in 0..2 * modulus {
            starts[t + 1] += starts[t];
        }
        let mut next = starts.clone();
        let mut samples = vec![0u32; 2 * train.len()];
        for (number, sample) in train.iter().enumerate() {
            for row in rows(sample) {
                samples[next[row] as usize] = number as u32;
                next[row] += 1;
            }
        }
        TokenLists { starts, samples }
    }

    /// Returns the indices of the samples of token row `t`, `t` in 0..2p.
    pub fn row(&self, t: usize) -> &[u32] {
        &self.samples[self.starts[t] as usize..self.starts[t + 1] as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(a: u32, b: u32) -> Sample {
        Sample {
            a,
            b,
            label: (a * b) % 3,
        }
    }

    #[test]
    fn every_training_sample_is_listed_once_at_each_position() {
        let train = vec![sample(2, 1), sample(0, 1), sample(2, 0)];
        let pairs = Pairs::new(3, train, vec![sample(1, 1)]).unwrap();
        assert_eq!(pairs.train(), [sample(0, 1), sample(2, 0), sample(2, 1)]);
        let rows: Vec<&[u32]> = (0..6).map(|t| pairs.lists().row(t)).collect();
        assert_eq!(rows, [&[0][..], &[], &[1, 2], &[1], &[0, 2], &[]]);
    }

    #[test]
    fn an_empty_part_and_a_foreign_token_are_refused() {
        assert!(Pairs::new(3, vec![], vec![sample(0, 0)]).is_err());
        assert!(Pairs::new(3, vec![sample(3, 0)], vec![sample(0, 0)]).is_err());
    }
}
