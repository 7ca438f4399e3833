//! Writes the samples of a part as words: tokens, labels, and for each token the samples that
//! contain it.
//!
//! Owns the order of the words. Knows nothing of devices.

use grokrun_program::{Data, Program};

/// The places of the words for a number of samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SampleWords {
    samples: usize,
    operands: usize,
    tokens: usize,
}

impl SampleWords {
    pub(crate) fn new(program: &Program, samples: usize) -> SampleWords {
        SampleWords {
            samples,
            operands: program.operands,
            tokens: program.tokens,
        }
    }

    /// Returns the places for another number of samples.
    pub(crate) fn with(self, samples: usize) -> SampleWords {
        SampleWords { samples, ..self }
    }

    /// Returns the index of the first of the samples' tokens at a position.
    pub(crate) fn tokens(&self, position: usize) -> usize {
        position.saturating_mul(self.samples)
    }

    /// Returns the index of the first of the samples' labels.
    pub(crate) fn labels(&self) -> usize {
        self.tokens(self.operands)
    }

    /// Returns the index of the first of the starts of the lists of a position; there is one more
    /// start than there are tokens.
    pub(crate) fn starts(&self, position: usize) -> usize {
        let each = self.samples.saturating_add(self.tokens).saturating_add(1);
        self.tokens(self.operands + 1)
            .saturating_add(position.saturating_mul(each))
    }

    /// Returns the first word of the lists of a position: ascending samples, token by token.
    pub(crate) fn list(&self, position: usize) -> usize {
        self.starts(position).saturating_add(self.tokens + 1)
    }

    /// Returns the number of all words.
    pub(crate) fn len(&self) -> usize {
        self.starts(self.operands)
    }

    /// Writes the words of these samples, as many as there are places for.
    pub(crate) fn pack(&self, data: &Data, words: &mut Vec<u32>) {
        for position in 0..self.operands {
            words.extend((0..self.samples).map(|sample| data.token(sample, position) as u32));
        }
        words.extend((0..self.samples).map(|sample| data.label(sample) as u32));
        for position in 0..self.operands {
            let mut starts = vec![0u32; self.tokens + 1];
            for sample in 0..self.samples {
                starts[data.token(sample, position) + 1] += 1;
            }
            for token in 0..self.tokens {
                starts[token + 1] += starts[token];
            }
            let mut list = vec![0u32; self.samples];
            let mut free = starts.clone();
            for sample in 0..self.samples {
                let place = &mut free[data.token(sample, position)];
                list[*place as usize] = sample as u32;
                *place += 1;
            }
            words.extend(starts);
            words.extend(list);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use grokrun_program::{Architecture, Loss, plain};

    #[test]
    fn every_sample_is_in_the_list_of_each_of_its_tokens() {
        let program = plain(&Architecture::published(3), &Loss::PUBLISHED).unwrap();
        let data = Data::new(&program, vec![2, 0, 1, 0, 2, 2, 0, 1], vec![2, 1, 1, 0]).unwrap();
        let places = SampleWords::new(&program, 4);
        let mut words = Vec::new();
        places.pack(&data, &mut words);
        assert_eq!(words.len(), places.len());
        assert_eq!(words[places.tokens(1)..][..4], [0, 0, 2, 1]);
        assert_eq!(words[places.labels()..][..4], [2, 1, 1, 0]);
        assert_eq!(words[places.starts(0)..][..4], [0, 1, 2, 4]);
        assert_eq!(words[places.list(0)..][..4], [3, 1, 0, 2]);
        assert_eq!(words[places.list(1)..][..4], [0, 1, 3, 2]);
    }
}
