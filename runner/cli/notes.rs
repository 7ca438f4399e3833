//! Runs `grokrun tag RUN` and `grokrun note RUN`: what a person says of a run.

use std::process::ExitCode;

use grokrun_store::RunView;

use crate::args::{NoteArgs, TagArgs};
use crate::output::{Failure, print};

/// The most characters of a tag.
const LONGEST: usize = 64;

/// Runs `grokrun tag`.
///
/// # Errors
/// If the folder holds no run, a tag is no word or not there to be taken away, or the file cannot
/// be read or written.
pub(crate) fn tag(args: &TagArgs) -> Result<ExitCode, Failure> {
    let run = RunView::open(&args.run)?;
    let mut notes = run.notes()?;
    for tag in &args.tags {
        let odd = |c: char| c.is_whitespace() || c.is_control();
        if tag.is_empty() || tag.chars().count() > LONGEST || tag.contains(odd) {
            return Err(Failure::request(format!(
                "the tag {tag:?} is no word; expected 1 to {LONGEST} characters without spaces"
            )));
        }
    }
    if let Some(tag) = args.remove.iter().find(|tag| !notes.tags.contains(*tag)) {
        let tags: Vec<&str> = notes.tags.iter().map(String::as_str).collect();
        return Err(Failure::request(format!(
            "{} has no tag {tag:?}; it has {}",
            args.run.display(),
            if tags.is_empty() {
                "none".to_owned()
            } else {
                tags.join(", ")
            }
        )));
    }
    if !args.tags.is_empty() || !args.remove.is_empty() {
        notes = run.change_notes(|notes| {
            notes.tags.extend(args.tags.iter().cloned());
            for tag in &args.remove {
                notes.tags.remove(tag);
            }
        })?;
    }
    let tags: String = notes.tags.iter().map(|tag| format!("{tag}\n")).collect();
    print(&tags)?;
    Ok(ExitCode::SUCCESS)
}

/// Runs `grokrun note`.
///
/// # Errors
/// If the folder holds no run, or the file cannot be read or written.
pub(crate) fn note(args: &NoteArgs) -> Result<ExitCode, Failure> {
    let run = RunView::open(&args.run)?;
    match &args.text {
        Some(text) => {
            run.change_notes(|notes| notes.note = text.trim_end().to_owned())?;
        }
        None => {
            let note = run.notes()?.note;
            if !note.is_empty() {
                print(&format!("{note}\n"))?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
