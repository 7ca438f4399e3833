//! Runs `grokrun diff A B`: in which keys two specs or runs differ, and what became of the cells of
//! both.
//!
//! Knows no key by its name: what decides about results is the spec room's to say.

use std::path::Path;
use std::process::ExitCode;

use grokrun_spec::{AnalysisRequest, Change, Plan};
use grokrun_store::{CellSummary, Crossing, Milestone, RunView};
use grokrun_sweeps::Group;
use serde_json::{Value, json};

use crate::args::DiffArgs;
use crate::output::{Failure, print, say, table};
use crate::spread::differ;
use crate::{spec, sweep};

/// The most cells that are listed.
const LISTED: usize = 12;
/// The words for a key that is not set, and for an epoch that did not come.
const NOTHING: &str = "-";
/// What stands between two values that differ.
const ARROW: &str = " → ";

/// One of the two.
struct Side {
    name: String,
    plan: Plan,
    /// Of a run, what became of its cells.
    cells: Option<Vec<CellSummary>>,
}

/// A difference in the analyses that are asked for.
struct OfAnalysis {
    name: String,
    /// what each side asks for; nothing where it does not
    sides: [Option<String>; 2],
}

/// Runs the command.
///
/// # Errors
/// If one of the two is neither a run nor a spec, or cannot be read.
pub(crate) fn diff(args: &DiffArgs) -> Result<ExitCode, Failure> {
    let sides = [Side::read(&args.one)?, Side::read(&args.other)?];
    let [one, other] = &sides;
    let changes = other.plan.changes_from(&one.plan);
    let analyses = of_analyses(&one.plan.analyses, &other.plan.analyses);
    let pairs = pairs(one, other);
    if args.json {
        print(&format!(
            "{:#}\n",
            json(&sides, &changes, &analyses, &pairs)
        ))?;
        return Ok(ExitCode::SUCCESS);
    }
    print(&text(&sides, &changes, &analyses, &pairs))?;
    Ok(ExitCode::SUCCESS)
}

impl Side {
    fn read(path: &Path) -> Result<Side, Failure> {
        let name = path.display().to_string();
        if path.is_dir() {
            let run = RunView::open(path)?;
            return Ok(Side {
                name,
                plan: sweep::plan(&run)?,
                cells: Some(run.summary()?.cells),
            });
        }
        let (text, shipped) = spec::text_of(path)?;
        shipped.iter().for_each(say);
        Ok(Side {
            name,
            plan: spec::parse_without_plugins(&text, path)?,
            cells: None,
        })
    }
}

fn of_analyses(one: &[AnalysisRequest], other: &[AnalysisRequest]) -> Vec<OfAnalysis> {
    let find = |of: &[AnalysisRequest], name: &str| {
        let found = of.iter().find(|request| request.name == name)?;
        let parameters = Value::from(found.parameters.clone());
        Some(format!("every {}, {parameters}", found.every))
    };
    let mut names: Vec<&String> = one.iter().chain(other).map(|r| &r.name).collect();
    names.sort();
    names.dedup();
    names
        .into_iter()
        .map(|name| OfAnalysis {
            name: name.clone(),
            sides: [find(one, name), find(other, name)],
        })
        .filter(|found| found.sides[0] != found.sides[1])
        .collect()
}

/// Pairs the cells of two runs: those of one id; where each run has a single cell, these.
fn pairs<'a>(one: &'a Side, other: &'a Side) -> Vec<[&'a CellSummary; 2]> {
    match (&one.cells, &other.cells) {
        (Some(one), Some(other)) => match (one.as_slice(), other.as_slice()) {
            ([one], [other]) => vec![[one, other]],
            _ => one
                .iter()
                .filter_map(|cell| {
                    let same = other.iter().find(|found| found.cell == cell.cell)?;
                    Some([cell, same])
                })
                .collect(),
        },
        _ => Vec::new(),
    }
}

fn text(
    sides: &[Side; 2],
    changes: &[Change],
    analyses: &[OfAnalysis],
    pairs: &[[&CellSummary; 2]],
) -> String {
    let [one, other] = sides;
    let heading = |first: &str| vec![first.to_owned(), one.name.clone(), other.name.clone()];
    let word = |value: &Option<String>| value.clone().unwrap_or(NOTHING.to_owned());
    let mut out = String::new();
    if changes.is_empty() {
        out.push_str("the specs mean the same: every cell, and how it is trained\n");
    } else {
        let rows = changes.iter().map(|change| {
            vec![
                change.key.to_owned(),
                word(&change.earlier),
                word(&change.now),
            ]
        });
        let rows: Vec<_> = std::iter::once(heading("key")).chain(rows).collect();
        out.push_str(&table(&rows));
    }
    if !analyses.is_empty() {
        let row = |found: &OfAnalysis| {
            let [one, other] = &found.sides;
            vec![found.name.clone(), word(one), word(other)]
        };
        let rows: Vec<_> = std::iter::once(heading("analysis"))
            .chain(analyses.iter().map(row))
            .collect();
        out.push_str(&format!("\n{}", table(&rows)));
    }
    out.push_str(&outcomes(sides, pairs));
    out
}

/// Formats what became of the cells of two runs; empty where one of the two is a spec.
fn outcomes(sides: &[Side; 2], pairs: &[[&CellSummary; 2]]) -> String {
    let [Some(one), Some(other)] = sides.each_ref().map(|side| side.cells.as_ref()) else {
        return String::new();
    };
    let mut out = String::new();
    if !pairs.is_empty() {
        let heading = ["cell", "memorised", "grokked", "test loss", "test acc"];
        let mut rows = vec![heading.map(str::to_owned).to_vec()];
        rows.extend(pairs.iter().take(LISTED).map(row));
        let apart = rows.iter().flatten().any(|word| word.contains(ARROW));
        out.push_str(&format!("\n{}", table(&rows)));
        if pairs.len() > LISTED {
            out.push_str(&format!("… and {} more cells\n", pairs.len() - LISTED));
        }
        if apart {
            out.push_str("A → B where they differ\n");
        }
    }
    let alone = [one.len() - pairs.len(), other.len() - pairs.len()];
    for (side, count) in sides.iter().zip(alone) {
        if count > 0 {
            out.push_str(&format!(
                "{count} of the {} cells of {} have no cell of the same id in the other run\n",
                side.cells.as_ref().map_or(0, Vec::len),
                side.name
            ));
        }
    }
    let cells: Vec<CellSummary> = one.iter().chain(other).cloned().collect();
    let group = |name: &str, cells: std::ops::Range<usize>| Group {
        name: name.to_owned(),
        cells: cells.collect(),
    };
    let groups = [
        group(&sides[0].name, 0..one.len()),
        group(&sides[1].name, one.len()..cells.len()),
    ];
    if one.len().min(other.len()) > 1
        && let Some(test) = differ(&cells, &groups)
    {
        out.push_str(&format!(
            "epochs of grokking, one run against the other: {test}\n"
        ));
    }
    out
}

/// Formats a cell of both runs.
fn row([one, other]: &[&CellSummary; 2]) -> Vec<String> {
    let both = |words: [String; 2]| match words {
        [one, other] if one == other => one,
        [one, other] => format!("{one}{ARROW}{other}"),
    };
    let epoch = |milestone| {
        both([one, other].map(|cell| match cell.crossing(milestone) {
            Crossing::Held { epoch } => epoch.to_string(),
            Crossing::Open { epoch, .. } => format!("{epoch} (not yet held)"),
            Crossing::Not => "no".to_owned(),
        }))
    };
    let last = |words: fn(&grokrun_store::Row) -> String| {
        both([one, other].map(|cell| cell.last.as_ref().map_or(NOTHING.to_owned(), words)))
    };
    vec![
        both([one.cell.clone(), other.cell.clone()]),
        epoch(Milestone::Memorised),
        epoch(Milestone::Grokked),
        last(|row| format!("{:.2e}", row.test_loss)),
        last(|row| format!("{:.1} %", 100.0 * row.test_accuracy)),
    ]
}

fn json(
    sides: &[Side; 2],
    changes: &[Change],
    analyses: &[OfAnalysis],
    pairs: &[[&CellSummary; 2]],
) -> Value {
    let change =
        |change: &Change| json!({ "key": change.key, "a": change.earlier, "b": change.now });
    let analysis = |found: &OfAnalysis| json!({ "name": found.name, "a": found.sides[0], "b": found.sides[1] });
    let pair = |[one, other]: &[&CellSummary; 2]| json!({ "a": one, "b": other });
    json!({
        "a": sides[0].name,
        "b": sides[1].name,
        "keys": changes.iter().map(change).collect::<Vec<_>>(),
        "analyses": analyses.iter().map(analysis).collect::<Vec<_>>(),
        "cells": pairs.iter().map(pair).collect::<Vec<_>>(),
    })
}
