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

use clap::Parser;

use args::{Cli, Command};
use output::Failure;

/// 128 + SIGINT, as shells report it.
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match (cli.command, cli.run) {
        (Some(Command::Run(args)), _) | (None, Some(args)) => run::run(&args),
        (Some(Command::Check(args)), _) => check::check(&args),
        (Some(Command::Devices), _) => devices::devices(),
        (None, None) => Err(Failure::request(
            "expected a spec or a command; see grokrun --help",
        )),
    };
    match done {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
}
