//! Defines the errors of the engine.

/// An error of the engine; messages are lower-case fragments that name the cause and the remedy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The data set cannot be trained on.
    #[error("{0}")]
    Data(String),
    /// No adapter fits the request of the user.
    #[error("{0}")]
    NoAdapter(String),
    /// The cells do not fit into the memory of the device or the host.
    #[error("{0}")]
    Memory(String),
    /// The device failed, was lost, or did not answer in time.
    #[error("{0}")]
    Device(String),
    /// A loss or a weight is no longer a finite number.
    #[error("{0}")]
    NotFinite(String),
}
