//! `grokrun`: reads the command line, starts logging and progress, calls the rooms, prints results
//! and turns errors into exit statuses. Results go to standard output, everything else to standard
//! error.

mod analyze;
mod args;
mod check;
mod commit;
mod complete;
mod devices;
mod diff;
mod export;
mod extend;
mod import;
mod init;
mod linked;
mod list;
mod log;
mod machine;
mod new_plugin;
mod notes;
mod output;
mod page;
mod place;
mod plugins;
mod progress;
mod python;
mod remove;
mod report;
mod run;
mod shard;
mod shipped;
mod show;
mod signals;
mod spec;
mod spread;
mod submit;
mod survival;
mod sweep;
mod verify;
mod visible;
mod watch;
mod watch_text;

use std::process::ExitCode;

use args::{Cli, Command};

/// The exit status after an interruption: 128 + SIGINT, as shells report it.
const INTERRUPTED: u8 = 130;
/// The exit status if everything is done, but an analysis failed.
const ANALYSIS_FAILED: u8 = 3;

fn main() -> ExitCode {
    let _ending = grokrun_host::Ending::new();
    complete::answer();
    let done = match Cli::read().command {
        Command::Run(args) => run::run(&args),
        Command::Check(args) => check::check(&args),
        Command::Analyze(args) => analyze::analyze(&args),
        Command::Report(args) => report::report(&args),
        Command::Verify(args) => verify::verify(&args),
        Command::Compare(args) => report::compare(&args),
        Command::Page(args) => page::page(&args),
        Command::Extend(args) => extend::extend(&args),
        Command::Export(args) => export::export(&args),
        Command::Import(args) => import::import(&args),
        Command::Show(args) => show::show(&args),
        Command::List(args) => list::list(&args),
        Command::Diff(args) => diff::diff(&args),
        Command::Tag(args) => notes::tag(&args),
        Command::Note(args) => notes::note(&args),
        Command::Open(args) => report::open(&args),
        Command::Rm(args) => remove::remove(&args),
        Command::Status(args) => sweep::status(&args),
        Command::Watch(args) => watch::watch(&args),
        Command::Merge(args) => sweep::merge(&args),
        Command::Submit(args) => submit::submit(&args),
        Command::Init(args) => init::init(&args),
        Command::Specs(args) => shipped::specs(&args),
        Command::Plugins(args) => plugins::plugins(&args),
        Command::NewPlugin(args) => new_plugin::new_plugin(&args),
        Command::PluginProcess(args) => plugins::process(&args),
        Command::Devices(args) => devices::devices(&args),
        Command::Completions(args) => complete::completions(&args),
        Command::Man(args) => complete::man(&args),
    };
    match done {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
}
