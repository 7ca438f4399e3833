//! The integration tests, as one binary: the program from outside, executors against each other,
//! and everything against torch's own numbers.

mod analyses;
mod bad_input;
mod browser;
mod cli;
#[cfg(unix)]
mod cluster;
mod compact;
mod exchange;
mod golden;
#[cfg(unix)]
mod kills;
mod numpy;
mod plugins;
mod published;
mod report;
mod resume;
#[cfg(unix)]
mod signals;
mod support;
mod sweeps;
