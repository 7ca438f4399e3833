//! Says what is wrong with an operation, and where.

use std::ops::Range;

/// Why a text is not an operation, or an operation is undefined for a modulus.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}; expected {expected}")]
pub struct OperationError {
    /// What was found: a lower-case sentence fragment.
    pub message: String,
    /// The bytes of the text that was parsed, on character boundaries.
    pub span: Range<usize>,
    /// What would have been right: a noun phrase.
    pub expected: String,
    /// What to do, if the intention can be guessed.
    pub help: Option<String>,
}

impl OperationError {
    pub(crate) fn new(
        span: Range<usize>,
        message: impl Into<String>,
        expected: impl Into<String>,
    ) -> OperationError {
        OperationError {
            message: message.into(),
            span,
            expected: expected.into(),
            help: None,
        }
    }

    pub(crate) fn help(self, help: impl Into<Option<String>>) -> OperationError {
        OperationError {
            help: help.into(),
            ..self
        }
    }
}
