//! How the analyses of shared libraries are called in processes of their own.

use std::path::PathBuf;

/// The command of [`program`](Isolation::program) that becomes such a process.
pub const COMMAND: &str = "plugin-process";

/// Settings of such processes.
#[derive(Clone, Debug)]
pub struct Isolation {
    /// what is started: this program
    pub program: PathBuf,
    /// the longest that one call may take, in seconds
    pub seconds: u64,
    /// the most memory that one process may take, in bytes; watched where the system tells it
    /// (Linux)
    pub bytes: u64,
}
