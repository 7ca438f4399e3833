//! Exports the curves of all cells of a run, for a table or an experiment tracker.

use std::collections::BTreeSet;

use grokrun_exchange::{Curve, Trial, settings, write_csv, write_mlflow, write_tensorboard};
use grokrun_session::stored_cell;
use grokrun_store::{CellDir, CellSummary, FAILED, INTERRUPTED, Metrics, RunView};
use serde_json::{Value, json};

use super::some;
use crate::args::{ExportArgs, Format};
use crate::output::{Failure, say};
use crate::sweep;

/// The names of a history's columns, in their order.
const METRICS: [&str; 4] = ["train_loss", "test_loss", "train_accuracy", "test_accuracy"];

/// Writes what `args` asks for, one of the three formats of many cells.
///
/// # Errors
/// If the run has no such cell or none yet, a file of it is damaged, or the output cannot be
/// written.
pub(super) fn export(args: &ExportArgs, view: &RunView) -> Result<(), Failure> {
    let cells = cells(view, args.cell.as_deref())?;
    let summary = view.summary()?;
    let each = cells.iter().map(|(name, dir)| {
        let of = summary.cells.iter().find(|cell| cell.cell == *name);
        trial(name, dir, of)
    });
    match args.format {
        Format::Tensorboard => write_tensorboard(&args.output, each),
        Format::Mlflow => write_mlflow(&args.output, view.name(), each),
        _ => {
            let [axes, curves] = columns(&cells)?;
            write_csv(&args.output, &axes, &curves, each)
        }
    }
}

/// The cells that were begun, in the order of the plan, or the one that was named.
fn cells(view: &RunView, wanted: Option<&str>) -> Result<Vec<(String, CellDir)>, Failure> {
    let plan = sweep::plan(view)?;
    let named = |id: &str| wanted.is_none_or(|wanted| wanted == id);
    let planned = plan.cells.iter().filter(|cell| named(&cell.id));
    let begun: Vec<(String, CellDir)> = planned
        .filter_map(|cell| Some((cell.id.clone(), stored_cell(view, &plan, &cell.id)?)))
        .collect();
    let shown = view.path().display();
    if let (Some(wanted), true) = (wanted, begun.is_empty()) {
        let names: Vec<&str> = plan.cells.iter().map(|cell| cell.id.as_str()).collect();
        return Err(Failure::request(format!(
            "{shown} has no cell {wanted}; expected one of {}",
            some(&names)
        )));
    }
    if begun.is_empty() {
        return Err(Failure::request(format!(
            "{shown} has no cell yet; expected a run that was trained or imported"
        )));
    }
    if wanted.is_none() && begun.len() < plan.cells.len() {
        say(format_args!(
            "{} of {} cells were begun, and are exported",
            begun.len(),
            plan.cells.len()
        ));
    }
    Ok(begun)
}

/// The settings in which cells differ, seeds last, and the curves that any of them has.
fn columns(cells: &[(String, CellDir)]) -> Result<[Vec<String>; 2], Failure> {
    let mut seen: Vec<(String, BTreeSet<String>, usize)> = Vec::new();
    let (mut curves, mut known) = (METRICS.map(str::to_owned).to_vec(), BTreeSet::new());
    for (_, dir) in cells {
        for (name, value) in settings(&dir.read_config_json()?.unwrap_or_default()) {
            let place = seen.iter().position(|(other, ..)| *other == name);
            let place = place.unwrap_or_else(|| {
                seen.push((name, BTreeSet::new(), 0));
                seen.len() - 1
            });
            seen[place].1.insert(value.to_string());
            seen[place].2 += 1;
        }
        for (analysis, series) in series_of(dir)? {
            known.extend(series.iter().map(|name| format!("{analysis}/{name}")));
        }
    }
    curves.extend(known);
    let differ = |(_, values, times): &&(String, BTreeSet<String>, usize)| {
        values.len() > 1 || *times < cells.len()
    };
    let axes = seen.iter().filter(differ).map(|(name, ..)| name.clone());
    let (seeds, others): (Vec<_>, Vec<_>) = axes.partition(|name| name.ends_with("_seed"));
    Ok([[others, seeds].concat(), curves])
}

/// The analyses that concluded in a cell, each with the names of its series.
fn series_of(dir: &CellDir) -> Result<Vec<(String, Vec<String>)>, Failure> {
    let (found, flaws) = dir.read_analyses();
    if let Some(flaw) = flaws.into_iter().next() {
        return Err(flaw.into());
    }
    let worked = found.iter().filter(|files| files.index.failure.is_none());
    let named = worked.map(|files| (files.index.analysis.clone(), files.index.series.clone()));
    Ok(named.collect())
}

/// A cell with its settings, its outcome and its curves.
fn trial(name: &str, dir: &CellDir, summary: Option<&CellSummary>) -> Result<Trial, Failure> {
    let config = dir.read_config_json()?.unwrap_or_default();
    let fingerprint = config["fingerprint"].as_str().unwrap_or_default();
    let digits = fingerprint.rsplit(' ').next().unwrap_or_default();
    let metrics = dir.read_state()?.map(|state| state.metrics);
    let mut curves = history(&metrics.unwrap_or_default());
    for (analysis, _) in series_of(dir)? {
        let Some(found) = dir.read_series(&analysis)? else {
            continue;
        };
        for (series, values) in found.series {
            // Not a number says that there is none.
            let known = found
                .epochs
                .iter()
                .zip(&values)
                .filter(|(_, v)| !v.is_nan());
            let (epochs, values) = known.map(|(epoch, value)| (*epoch, *value)).unzip();
            let name = format!("{analysis}/{series}");
            curves.push(Curve {
                name,
                epochs,
                values,
            });
        }
    }
    Ok(Trial {
        name: name.to_owned(),
        digits: digits.to_owned(),
        settings: settings(&config),
        outcome: summary.map(outcome).unwrap_or_default(),
        finished: summary
            .is_some_and(|cell| ![FAILED, INTERRUPTED].contains(&cell.status.as_str())),
        seconds: summary.and_then(|cell| cell.seconds),
        curves,
    })
}

fn history(metrics: &Metrics) -> Vec<Curve> {
    let columns = METRICS.iter().zip(metrics.columns());
    let curve = |(name, values): (&&str, &[f64])| Curve {
        name: (*name).to_owned(),
        epochs: (0..values.len() as u64).collect(),
        values: values.to_vec(),
    };
    columns.map(curve).collect()
}

fn outcome(cell: &CellSummary) -> Vec<(String, Value)> {
    let all = [
        ("status", json!(cell.status)),
        ("verdict", json!(cell.verdict)),
        ("memorised", json!(cell.train_accuracy_epoch)),
        ("grokked", json!(cell.test_accuracy_epoch)),
        ("device", json!(cell.device)),
        ("grokrun", json!(cell.grokrun)),
    ];
    all.map(|(name, value)| (name.to_owned(), value)).to_vec()
}
