//! Holds samples for the interpreter: tokens and labels.

use crate::check::ProgramError;
use crate::program::Program;

/// The samples of one part, or of one step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Data {
    operands: usize,
    /// the number of tokens and the number of classes that the samples were checked against
    bounds: [usize; 2],
    tokens: Vec<u32>,
    labels: Vec<u32>,
}

/// Why samples do not fit a program.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DataError {
    /// The number of tokens does not fit the number of labels.
    #[error("{tokens} tokens for {labels} labels; expected {operands} for each label")]
    Count {
        /// The number of tokens given.
        tokens: usize,
        /// The number of labels given.
        labels: usize,
        /// The number of operands of a sample.
        operands: usize,
    },
    /// A token is not one of the program's.
    #[error("sample {sample} has the token {token}; expected one below {tokens}")]
    Token {
        /// The index of the sample.
        sample: usize,
        /// The token.
        token: u32,
        /// The number of tokens.
        tokens: usize,
    },
    /// A label is not one of the program's.
    #[error("sample {sample} has the label {label}; expected one below {classes}")]
    Label {
        /// The index of the sample.
        sample: usize,
        /// The label.
        label: u32,
        /// The number of classes.
        classes: usize,
    },
}

impl Data {
    /// Checks samples against a program; `tokens` holds those of the first sample, then those of
    /// the second, and so on.
    ///
    /// # Errors
    /// Names the first sample that does not fit.
    pub fn new(program: &Program, tokens: Vec<u32>, labels: Vec<u32>) -> Result<Data, DataError> {
        let operands = program.operands;
        if tokens.len() != labels.len() * operands {
            return Err(DataError::Count {
                tokens: tokens.len(),
                labels: labels.len(),
                operands,
            });
        }
        if let Some(place) = tokens.iter().position(|t| *t as usize >= program.tokens) {
            return Err(DataError::Token {
                sample: place / operands,
                token: tokens[place],
                tokens: program.tokens,
            });
        }
        if let Some(sample) = labels.iter().position(|l| *l as usize >= program.classes) {
            return Err(DataError::Label {
                sample,
                label: labels[sample],
                classes: program.classes,
            });
        }
        Ok(Data {
            operands,
            bounds: [program.tokens, program.classes],
            tokens,
            labels,
        })
    }

    /// Checks that these samples were made for a program. An empty set of samples fits any program.
    ///
    /// # Errors
    /// Fails if the samples were checked against another number of tokens or classes.
    pub fn fits(&self, program: &Program) -> Result<(), ProgramError> {
        let own = (self.operands, self.bounds);
        if self.is_empty() || own == (program.operands, [program.tokens, program.classes]) {
            return Ok(());
        }
        Err(ProgramError {
            place: "the samples".into(),
            problem: "they were checked against a program of other tokens or classes".into(),
        })
    }

    /// Returns the number of samples.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Tells whether there is no sample.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Returns the samples at these indices, in the order given, as a minibatch.
    ///
    /// # Panics
    /// Panics if an index is not below [`Data::len`].
    pub fn pick(&self, places: &[u32]) -> Data {
        let tokens = places.iter().flat_map(|place| {
            let start = *place as usize * self.operands;
            &self.tokens[start..start + self.operands]
        });
        Data {
            operands: self.operands,
            bounds: self.bounds,
            tokens: tokens.copied().collect(),
            labels: places.iter().map(|p| self.labels[*p as usize]).collect(),
        }
    }

    /// Returns the token of a sample at a position.
    pub fn token(&self, sample: usize, position: usize) -> usize {
        self.tokens[sample * self.operands + position] as usize
    }

    /// Returns a sample's label.
    pub fn label(&self, sample: usize) -> usize {
        self.labels[sample] as usize
    }
}
