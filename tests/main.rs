//! The integration tests, as one binary: the program from outside, executors against each other,
//! and everything against torch's own numbers.

mod analyses;
mod bad_input;
mod browser;
mod changes;
mod claims;
mod cli;
#[cfg(unix)]
mod cluster;
mod compact;
mod damage;
mod docs;
mod documented;
mod evaluate;
mod exchange;
mod extend;
mod figures;
mod gallery;
mod golden;
mod import;
#[cfg(unix)]
mod isolation;
mod keeping;
#[cfg(unix)]
mod kills;
mod models;
mod models_gpu;
mod numpy;
mod outputs;
mod page;
mod plugins;
mod published;
mod readme;
mod report;
mod resume;
mod ring;
mod second_driver;
#[cfg(unix)]
mod signals;
#[cfg(unix)]
mod site;
mod specs;
mod support;
mod sweep_analyses;
mod sweeps;
mod tasks;
#[cfg(unix)]
mod trackers;
mod watch;
