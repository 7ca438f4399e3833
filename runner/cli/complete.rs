//! Helps shells: what can stand on a command line, and the manual pages.
//!
//! The scripts of `grokrun completions` ask the program itself, so that runs, cells and keys are
//! those that there are. Both come from the definition of the command line; no name stands here.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Arg, Command, CommandFactory as _};
use clap_complete::env::{CompleteEnv, Shells};
use clap_complete::{ArgValueCompleter, CompletionCandidate, PathCompleter};
use grokrun_store::RunView;
use serde_json::Value;

use crate::args::{Cli, CompletionsArgs, ManArgs};
use crate::output::{Failure, print};
use crate::shipped;

/// The variable by which a script asks.
const VARIABLE: &str = "GROKRUN_COMPLETE";
/// The name of the program in scripts and manual pages.
const NAME: &str = "grokrun";
/// The folder of all runs where none is named.
const RUNS: &str = "runs";

/// Answers a shell that asks what can stand on its line, and ends; else does nothing.
pub(crate) fn answer() {
    let line = || {
        // `grokrun SPEC.toml` is `grokrun run SPEC.toml`.
        let spec = Arg::new("spec").add(specs());
        Cli::command().arg(spec)
    };
    CompleteEnv::with_factory(line)
        .var(VARIABLE)
        .bin(NAME)
        .complete();
}

/// Runs `grokrun completions`.
///
/// # Errors
/// If there is no such shell, or standard output cannot be written.
pub(crate) fn completions(args: &CompletionsArgs) -> Result<ExitCode, Failure> {
    let shells = Shells::builtins();
    let Some(shell) = shells.completer(&args.shell) else {
        let known: Vec<&str> = shells.names().collect();
        return Err(Failure::request(format!(
            "there is no shell {:?}; expected one of {}",
            args.shell,
            known.join(", ")
        )));
    };
    let mut script = Vec::new();
    shell
        .write_registration(VARIABLE, NAME, NAME, NAME, &mut script)
        .map_err(|error| Failure::running(format!("the script cannot be made: {error}")))?;
    print(&String::from_utf8_lossy(&script))?;
    Ok(ExitCode::SUCCESS)
}

/// Runs `grokrun man`.
///
/// # Errors
/// If the folder cannot be written.
pub(crate) fn man(args: &ManArgs) -> Result<ExitCode, Failure> {
    let failed = |error: io::Error| {
        Failure::running(format!(
            "{} cannot be written: {error}",
            args.folder.display()
        ))
    };
    fs::create_dir_all(&args.folder).map_err(failed)?;
    let mut all = Cli::command();
    // Names the subcommands with the program before them.
    all.build();
    let shown = all.get_subcommands().filter(|one| !one.is_hide_set());
    let commands: Vec<&Command> = std::iter::once(&all).chain(shown).collect();
    for command in &commands {
        let page = clap_mangen::Man::new((*command).clone());
        let mut text = Vec::new();
        page.render(&mut text).map_err(failed)?;
        fs::write(args.folder.join(page.get_filename()), text).map_err(failed)?;
    }
    print(&format!(
        "{} pages in {}\n",
        commands.len(),
        args.folder.display()
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// Completes the path of a run.
pub(crate) fn runs() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let typed = current.to_string_lossy();
        let typed = Path::new(typed.as_ref());
        let parent = typed.parent().unwrap_or(Path::new(""));
        let folders = [parent.to_owned(), typed.to_owned(), PathBuf::from(RUNS)];
        let mut found: Vec<PathBuf> = folders.iter().flat_map(|folder| runs_in(folder)).collect();
        found.sort();
        found.dedup();
        let names = found.iter().map(|path| path.to_string_lossy());
        candidates(names, current)
    })
}

/// The runs in a folder.
fn runs_in(folder: &Path) -> Vec<PathBuf> {
    let read = if folder.as_os_str().is_empty() {
        fs::read_dir(".")
    } else {
        fs::read_dir(folder)
    };
    let entries = read.into_iter().flatten().flatten();
    let paths = entries.map(|entry| folder.join(entry.file_name()));
    paths.filter(|path| RunView::open(path).is_ok()).collect()
}

/// Completes the id of a cell of the run that stands on the line.
pub(crate) fn cells() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let runs = std::env::args_os().skip(1).map(PathBuf::from);
        let run = runs
            .filter(|path| path.is_dir())
            .find_map(|path| RunView::open(&path).ok());
        let cells = run.and_then(|run| run.cells().ok()).unwrap_or_default();
        let names = cells.into_iter().map(|(name, _)| name);
        candidates(names, current)
    })
}

/// Completes the path of a spec, or the name of a shipped one.
pub(crate) fn specs() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let toml = |path: &Path| path.is_dir() || path.extension().is_some_and(|e| e == "toml");
        let files = PathCompleter::any().filter(toml);
        let mut found = clap_complete::engine::ValueCompleter::complete(&files, current);
        found.extend(candidates(shipped::all_names(), current));
        found
    })
}

/// Completes the name of a shipped spec.
pub(crate) fn shipped() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| candidates(shipped::all_names(), current))
}

/// Completes a key of a spec, for `--set`.
pub(crate) fn keys() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let mut keys = Vec::new();
        leaves("", &grokrun_spec::json_schema(), &mut keys);
        candidates(keys.into_iter().map(|key| format!("{key}=")), current)
    })
}

/// The paths of a schema's properties that have none of their own.
fn leaves(path: &str, schema: &Value, found: &mut Vec<String>) {
    for (key, property) in schema["properties"].as_object().into_iter().flatten() {
        let path = if path.is_empty() {
            key.clone()
        } else {
            format!("{path}.{key}")
        };
        if property["properties"].is_object() {
            leaves(&path, property, found)
        } else {
            found.push(path)
        }
    }
}

fn candidates(
    names: impl Iterator<Item = impl Into<String>>,
    current: &OsStr,
) -> Vec<CompletionCandidate> {
    let typed = current.to_string_lossy();
    let names = names.map(Into::into);
    let begins = |name: &String| name.starts_with(&*typed);
    names.filter(begins).map(CompletionCandidate::new).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_paths_of_values() {
        let mut keys = Vec::new();
        leaves("", &grokrun_spec::json_schema(), &mut keys);
        for key in ["operation", "modulus", "train.epochs", "model.d_model"] {
            assert!(keys.iter().any(|found| found == key), "{key}: {keys:?}");
        }
        assert!(!keys.iter().any(|key| key == "train"), "{keys:?}");
    }

    #[test]
    fn every_command_is_defined_without_conflict() {
        Cli::command().debug_assert();
    }
}
