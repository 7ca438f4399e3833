//! Settings for calling the analyses of shared libraries in processes of their own.

use std::path::PathBuf;

/// The command of [`program`](Isolation::program) that serves a library.
pub const COMMAND: &str = "plugin-process";

/// Says how such processes are started and limited.
#[derive(Clone, Debug)]
pub struct Isolation {
    /// the program to start: this one
    pub program: PathBuf,
    /// the longest that one call may take, in seconds
    pub seconds: u64,
    /// the most memory that one process may use, in bytes; checked where the system says (Linux)
    pub bytes: u64,
}
