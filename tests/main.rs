//! The integration tests, as one binary: the program from outside, executors against each other,
//! and everything against torch's own numbers.

mod analyses;
mod bad_input;
mod browser;
mod cli;
mod compact;
mod docs;
mod documented;
mod exchange;
mod golden;
mod numpy;
mod plugins;
mod published;
mod report;
mod resume;
mod support;
mod sweeps;
