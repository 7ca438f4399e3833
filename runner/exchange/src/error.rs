//! What can go wrong with a file from or for elsewhere.

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
    /// The file is not what was asked for: the request was wrong, and nothing was written.
    pub fn refused(message: impl Into<String>) -> ExchangeError {
        ExchangeError {
            message: message.into(),
            request: true,
        }
    }

    /// The system failed: `what` is a verb phrase that ends before the path ("cannot write").
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

    /// The store could not write.
    pub(crate) fn of_store(error: &StoreError) -> ExchangeError {
        ExchangeError {
            message: error.to_string(),
            request: error.is_request(),
        }
    }

    /// The same error, of this file.
    pub(crate) fn of(self, path: &Path) -> ExchangeError {
        ExchangeError {
            message: format!("{}: {}", path.display(), self.message),
            ..self
        }
    }

    /// Whether the request was wrong (exit status 2), rather than something failed on the way (1).
    pub fn is_request(&self) -> bool {
        self.request
    }
}

/// While a file is read: the reason alone; the path is added where it is known.
pub(crate) fn refuse<T>(message: impl Into<String>) -> Result<T, ExchangeError> {
    Err(ExchangeError::refused(message))
}
