//! Settings for calling analyses in processes of their own.

use std::path::PathBuf;

/// The command of [`program`](Isolation::program) that serves a library.
pub const COMMAND: &str = "plugin-process";

/// Says what a process with an analysis may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// the longest that one call may take, in seconds
    pub seconds: u64,
    /// the most memory that one process may use, in bytes; checked where the system says (Linux)
    pub bytes: u64,
}

/// Says how the processes of shared libraries are started and limited.
#[derive(Clone, Debug)]
pub struct Isolation {
    /// the program to start: this one
    pub program: PathBuf,
    /// what a call may take
    pub limits: Limits,
}

/// Says how a file of Python is called.
#[derive(Clone, Debug)]
pub struct Python {
    /// the interpreter
    pub program: PathBuf,
    /// what a call may take
    pub limits: Limits,
}
