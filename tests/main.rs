//! The integration tests, as one binary: the program from outside, executors against each other,
//! and everything against torch's own numbers.

mod bad_input;
mod cli;
mod resume;
mod support;
