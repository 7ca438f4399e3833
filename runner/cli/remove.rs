//! Runs `grokrun rm RUN…`: deletes runs, when the user says so.

use std::io::{self, IsTerminal as _};
use std::process::ExitCode;

use console::Term;
use dialoguer::Confirm;
use grokrun_store::{RunDir, RunView};

use crate::args::RmArgs;
use crate::output::{Failure, print, say};

/// Runs the command.
///
/// # Errors
/// If a folder holds no run, a process writes it, nobody can be asked, or a file cannot be deleted.
pub(crate) fn remove(args: &RmArgs) -> Result<ExitCode, Failure> {
    // Nothing is deleted where one of the names is wrong.
    for path in &args.runs {
        RunView::open(path)?;
    }
    let can_ask = io::stdin().is_terminal() && io::stderr().is_terminal();
    if !(args.yes || can_ask) {
        return Err(Failure::request(
            "nobody can be asked whether to delete the runs, since this is no terminal; --yes deletes them unasked",
        ));
    }
    for path in &args.runs {
        let run = RunDir::existing(path)?;
        let shown = path.display();
        if !args.yes && !confirmed(&format!("delete {shown}?"))? {
            say(format!("{shown} stays"));
            continue;
        }
        if run.remove()? {
            print(&format!("{shown} is deleted\n"))?
        } else {
            print(&format!(
                "{shown} is no run any more; what grokrun has not written is still there\n"
            ))?
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Asks; without an answer nothing is confirmed.
fn confirmed(question: &str) -> Result<bool, Failure> {
    let asked = Confirm::new().with_prompt(question).default(false);
    asked
        .interact_on_opt(&Term::stderr())
        .map(|answer| answer == Some(true))
        .map_err(|error| Failure::running(format!("the answer cannot be read: {error}")))
}
