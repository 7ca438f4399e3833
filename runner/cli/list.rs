//! Runs `grokrun list`: the runs in a folder, one a line.

use std::cmp::Reverse;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use grokrun_session::{CellProgress, progress_of_cells};
use grokrun_spec::load_training;
use grokrun_store::{ErrorKind, Milestone, Notes, RunView, Spread, Summary};
use serde_json::{Value, json};

use crate::args::{ListArgs, Order};
use crate::output::{Failure, print, table, whole};

/// A run as it is listed.
struct Line {
    name: String,
    path: PathBuf,
    state: String,
    verdict: String,
    cells: usize,
    grokked: u64,
    /// the earliest epoch at which a cell grokked
    first: Option<u64>,
    notes: Notes,
    touched: SystemTime,
}

/// Runs the command.
///
/// # Errors
/// If the folder cannot be read.
pub(crate) fn list(args: &ListArgs) -> Result<ExitCode, Failure> {
    let mut flaws = Vec::new();
    let mut lines = lines(&args.folder, &mut flaws)?;
    lines.retain(|line| {
        let tagged = args.tag.iter().all(|tag| line.notes.tags.contains(tag));
        tagged && (!args.grokked || line.grokked > 0)
    });
    // The order of equals is that of their names.
    lines.sort_by(|one, other| one.name.cmp(&other.name));
    match args.sort {
        Order::Age => lines.sort_by_key(|line| Reverse(line.touched)),
        Order::Name => {}
        Order::Grokked => lines.sort_by_key(|line| line.first.unwrap_or(u64::MAX)),
    }
    if args.json {
        let list: Vec<Value> = lines.iter().map(Line::json).collect();
        print(&format!("{:#}\n", Value::from(list)))?;
        return whole(&flaws);
    }
    let such = if args.grokked || !args.tag.is_empty() {
        "such "
    } else {
        ""
    };
    if lines.is_empty() {
        let folder = args.folder.display();
        print(&format!("there are no {such}runs in {folder}\n"))?;
        return whole(&flaws);
    }
    print(&table(&rows(&lines)))?;
    whole(&flaws)
}

/// Formats a heading and a row a run, with a column for tags if there are any.
fn rows(lines: &[Line]) -> Vec<Vec<String>> {
    let tagged = lines.iter().any(|line| !line.notes.tags.is_empty());
    let mut heading = ["run", "state", "verdict", "age"]
        .map(str::to_owned)
        .to_vec();
    heading.extend(tagged.then(|| "tags".to_owned()));
    let row = |line: &Line| {
        let age = age_in_words(line.touched.elapsed().map_or(0, |age| age.as_secs()));
        let mut row = vec![
            line.name.clone(),
            line.state.clone(),
            line.verdict.clone(),
            age,
        ];
        let tags: Vec<&str> = line.notes.tags.iter().map(String::as_str).collect();
        row.extend(tagged.then(|| tags.join(" ")));
        row
    };
    std::iter::once(heading)
        .chain(lines.iter().map(row))
        .collect()
}

/// Reads the runs of a folder; what of them is damaged is added to the flaws.
///
/// # Errors
/// If the folder cannot be read.
fn lines(folder: &Path, flaws: &mut Vec<String>) -> Result<Vec<Line>, Failure> {
    let entries = fs::read_dir(folder).map_err(|error| {
        Failure::request(format!(
            "the folder {} cannot be read: {error}; expected a folder of runs",
            folder.display()
        ))
    })?;
    let line = |entry: std::io::Result<fs::DirEntry>| {
        let path = entry.ok()?.path();
        match RunView::open(&path) {
            Ok(view) => Line::of(&view, flaws),
            // Other folders may be there too.
            Err(error) if error.kind() == ErrorKind::NotARun => None,
            Err(error) => {
                flaws.push(error.to_string());
                None
            }
        }
    };
    Ok(entries.filter_map(line).collect())
}

impl Line {
    fn of(view: &RunView, flaws: &mut Vec<String>) -> Option<Line> {
        let mut damaged = |flaw: String| {
            flaws.push(flaw);
            "damaged".to_owned()
        };
        let (state, summary) = match view.summary() {
            Ok(summary) => (state(view).unwrap_or_else(&mut damaged), Some(summary)),
            Err(error) => (damaged(error.to_string()), None),
        };
        let notes = view.notes().unwrap_or_else(|error| {
            damaged(error.to_string());
            Notes::default()
        });
        let cells = summary.as_ref().map_or(&[][..], |s| &s.cells);
        let spread = Spread::of(cells, Milestone::Grokked);
        Some(Line {
            name: view.path().file_name()?.to_string_lossy().into_owned(),
            path: view.path().to_owned(),
            state,
            verdict: summary.as_ref().map_or("-".to_owned(), verdict),
            cells: cells.len(),
            grokked: spread.reached,
            first: spread.first,
            notes,
            touched: touched(view.path()),
        })
    }

    fn json(&self) -> Value {
        let seconds = self.touched.duration_since(UNIX_EPOCH);
        json!({
            "run": self.name,
            "path": self.path.display().to_string(),
            "state": self.state,
            "verdict": self.verdict,
            "cells": self.cells,
            "grokked": self.grokked,
            "first_grokked_epoch": self.first,
            "tags": self.notes.tags,
            "note": self.notes.note,
            "touched": seconds.map_or(0, |time| time.as_secs()),
        })
    }
}

/// Returns the state of a run, from its directory, as `grokrun status` counts it.
///
/// # Errors
/// A file that tells it is damaged, or another run's.
fn state(view: &RunView) -> Result<String, String> {
    if view.is_busy() {
        return Ok("running".to_owned());
    }
    let resolved = match view.resolved() {
        Ok(resolved) => resolved,
        // A process may have been killed before it had written it.
        Err(error) if error.kind() == ErrorKind::Io => {
            return Ok("its resolved.toml cannot be read".to_owned());
        }
        Err(error) => return Err(error.to_string()),
    };
    // What is trained is all that counts here: its analyses may not be at hand.
    let path = view.path().join("resolved.toml");
    let plan = load_training(&resolved, &path)
        .map_err(|error| format!("{} is no spec: {error}", path.display()))?;
    let progress_of_cells = progress_of_cells(&plan, view).map_err(|error| error.to_string())?;
    let count = |is: fn(&CellProgress) -> bool| progress_of_cells.iter().filter(|s| is(s)).count();
    let failed = count(|s| matches!(s, CellProgress::Failed(_)));
    let done = count(|s| matches!(s, CellProgress::Done(_)));
    Ok(match progress_of_cells.len() {
        _ if failed > 0 => format!("{failed} failed"),
        all if done == all => "done".to_owned(),
        1 => "interrupted".to_owned(),
        all => format!("{done} of {all} done"),
    })
}

/// Formats what became of the cells, in words.
pub(crate) fn verdict(summary: &Summary) -> String {
    match summary.cells.as_slice() {
        [] => "-".to_owned(),
        [one] => one.verdict.clone(),
        many => {
            let spread = Spread::of(many, Milestone::Grokked);
            let mut words = format!("{} of {} grokked", spread.reached, spread.cells);
            for (count, what) in [(spread.not_yet, "not yet held"), (spread.failed, "failed")] {
                if count > 0 {
                    words.push_str(&format!(", {count} {what}"));
                }
            }
            words
        }
    }
}

/// Returns when the run was last written to.
fn touched(run: &Path) -> SystemTime {
    ["log.jsonl", "run.json"]
        .iter()
        .filter_map(|name| fs::metadata(run.join(name)).ok()?.modified().ok())
        .max()
        .unwrap_or(SystemTime::UNIX_EPOCH)
}

/// Formats an age: 42 s, 5 min, 3 h, 2 days.
pub(crate) fn age_in_words(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..86_400 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}
