//! What can go wrong in a session, and whose fault it is.

use grokrun_engine::EngineError;
use grokrun_store::StoreError;

/// An error of a session.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// What was asked cannot be done: nothing was trained.
    #[error("{0}")]
    Request(String),
    /// Something failed on the way.
    #[error("{0}")]
    Failed(String),
    /// The run directory.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The device or the data.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl SessionError {
    /// Whether the request was wrong (exit status 2), rather than something failed on the way (1).
    pub fn is_request(&self) -> bool {
        match self {
            SessionError::Request(_) => true,
            SessionError::Failed(_) => false,
            SessionError::Store(error) => error.is_request(),
            SessionError::Engine(error) => {
                matches!(error, EngineError::NoAdapter(_) | EngineError::Memory(_))
            }
        }
    }
}
