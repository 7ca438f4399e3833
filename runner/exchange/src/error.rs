//! Says what went wrong with a foreign file.

use std::io;
use std::path::Path;

use grokrun_store::StoreError;

/// An error of a foreign file: one sentence with what, where, what was expected and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct ExchangeError {
    message: String,
    request: bool,
}

impl ExchangeError {
    /// Refuses a file that is not what was asked for: the request was wrong, and nothing was
    /// written.
    pub fn refused(message: impl Into<String>) -> ExchangeError {
        ExchangeError {
            message: message.into(),
            request: true,
        }
    }

    /// Reports a failure of the system: `what` is a verb phrase that ends before the path ("cannot
    /// write").
    pub(crate) fn io(what: &str, path: &Path, error: &io::Error) -> ExchangeError {
        let request = matches!(
            error.kind(),
            io::ErrorKind::NotFound
                | io::ErrorKind::PermissionDenied
                | io::ErrorKind::NotADirectory
                | io::ErrorKind::IsADirectory
                | io::ErrorKind::ReadOnlyFilesystem
        );
        ExchangeError {
            message: format!("{what} {}: {error}", path.display()),
            request,
        }
    }

    /// Reports a failure of the store to write.
    pub(crate) fn of_store(error: &StoreError) -> ExchangeError {
        ExchangeError {
            message: error.to_string(),
            request: error.is_request(),
        }
    }

    /// Adds the path to the error.
    pub(crate) fn of(self, path: &Path) -> ExchangeError {
        ExchangeError {
            message: format!("{}: {}", path.display(), self.message),
            ..self
        }
    }

    /// Says whether the request was wrong (exit status 2), rather than something failed on the way
    /// (1).
    pub fn is_request(&self) -> bool {
        self.request
    }
}

/// Refuses something while a file is read: gives the reason alone; the caller adds the path.
pub(crate) fn refuse<T>(message: impl Into<String>) -> Result<T, ExchangeError> {
    Err(ExchangeError::refused(message))
}
