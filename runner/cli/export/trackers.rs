//! Exports the curves of all cells of a run, for a table or an experiment tracker.

use std::collections::BTreeSet;

use grokrun_exchange::{Curve, Trial, settings, write_csv, write_mlflow, write_tensorboard};
use grokrun_session::stored_cell;
use grokrun_store::{CellDir, CellSummary, FAILED, INTERRUPTED, Row, RunView};
use serde_json::{Value, json};

use super::some;
use crate::args::{ExportArgs, Format};
use crate::output::{Failure, say};
use crate::sweep;

/// The names of a history's columns, in their order.
pub(super) const METRICS: [&str; 4] =
    ["train_loss", "test_loss", "train_accuracy", "test_accuracy"];

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

/// The cells that were begun, or the one that was named; there is one at least.
fn cells(view: &RunView, wanted: Option<&str>) -> Result<Vec<(String, CellDir)>, Failure> {
    let begun = begun(view, wanted)?;
    let planned = sweep::plan(view)?.cells.len();
    if begun.is_empty() {
        return Err(Failure::request(format!(
            "{} has no cell yet; expected a run that was trained or imported",
            view.path().display()
        )));
    }
    if wanted.is_none() && begun.len() < planned {
        say(format_args!(
            "{} of {planned} cells were begun, and are exported",
            begun.len()
        ));
    }
    Ok(begun)
}

/// The cells that were begun, in the order of the plan, or the one that was named.
///
/// # Errors
/// If the run is to have no such cell, or its resolved spec cannot be read.
pub(super) fn begun(
    view: &RunView,
    wanted: Option<&str>,
) -> Result<Vec<(String, CellDir)>, Failure> {
    let plan = sweep::plan(view)?;
    let named = |id: &str| wanted.is_none_or(|wanted| wanted == id);
    if let Some(wanted) = wanted
        && !plan.cells.iter().any(|cell| named(&cell.id))
    {
        let names: Vec<&str> = plan.cells.iter().map(|cell| cell.id.as_str()).collect();
        return Err(Failure::request(format!(
            "{} has no cell {wanted}; expected one of {}",
            view.path().display(),
            some(&names)
        )));
    }
    let planned = plan.cells.iter().filter(|cell| named(&cell.id));
    Ok(planned
        .filter_map(|cell| Some((cell.id.clone(), stored_cell(view, &plan, &cell.id)?)))
        .collect())
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
///
/// # Errors
/// If a file of the cell is damaged.
pub(super) fn trial(
    name: &str,
    dir: &CellDir,
    summary: Option<&CellSummary>,
) -> Result<Trial, Failure> {
    let described = described(name, dir)?.unwrap_or_else(|| Trial {
        name: name.to_owned(),
        ..Trial::default()
    });
    let saved = dir.read_state()?;
    let rows = saved.map(|state| state.metrics.rows().collect::<Vec<Row>>());
    let mut curves = history(&rows.unwrap_or_default());
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
        outcome: summary.map(outcome).unwrap_or_default(),
        finished: summary
            .is_some_and(|cell| ![FAILED, INTERRUPTED].contains(&cell.status.as_str())),
        seconds: summary.and_then(|cell| cell.seconds),
        curves,
        ..described
    })
}

/// A cell with its settings alone; none where it has none yet.
///
/// # Errors
/// If its `config.json` is damaged.
pub(super) fn described(name: &str, dir: &CellDir) -> Result<Option<Trial>, Failure> {
    let Some(config) = dir.read_config_json()? else {
        return Ok(None);
    };
    let fingerprint = config["fingerprint"].as_str().unwrap_or_default();
    Ok(Some(Trial {
        name: name.to_owned(),
        digits: fingerprint
            .rsplit(' ')
            .next()
            .unwrap_or_default()
            .to_owned(),
        settings: settings(&config),
        ..Trial::default()
    }))
}

/// The curves of a history. Test metrics have no values where the test pairs were not evaluated.
pub(super) fn history(rows: &[Row]) -> Vec<Curve> {
    let columns: [fn(&Row) -> f64; 4] = [
        |row| row.train_loss,
        |row| row.test_loss,
        |row| row.train_accuracy,
        |row| row.test_accuracy,
    ];
    let curve = |(name, column): (&str, fn(&Row) -> f64)| {
        let known = |row: &&Row| !name.starts_with("test_") || row.is_tested();
        let known = rows.iter().filter(known);
        let (epochs, values) = known.map(|row| (row.epoch, column(row))).unzip();
        Curve {
            name: name.to_owned(),
            epochs,
            values,
        }
    };
    METRICS.into_iter().zip(columns).map(curve).collect()
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
