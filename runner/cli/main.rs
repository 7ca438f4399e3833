//! `grokrun`: reads the command line, starts logging and progress, calls the rooms, prints results
//! and turns errors into exit statuses. Results go to standard output, everything else to standard
//! error.

mod args;
mod check;
mod devices;
mod log;
mod output;
mod progress;
mod run;
mod spec;

use std::process::ExitCode;

use args::{Cli, Command};

/// 128 + SIGINT, as shells report it.
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    let done = match Cli::read().command {
        Command::Run(args) => run::run(&args),
        Command::Check(args) => check::check(&args),
        Command::Devices => devices::devices(),
    };
    match done {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
}
