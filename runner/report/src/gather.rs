//! Reads runs: their cells with settings, histories and findings.

use std::collections::BTreeMap;

use grokrun_store::{
    CellDir, CellSummary, Crossing, FoundFiles, FoundSeries, HOLD, Metrics, Milestone, Row,
    RunView, StoreError,
};
use serde_json::Value;

use crate::ReportError;
use crate::order::natural;

/// The most cells whose histories are read; the curves of more would fill a screen with grey.
const MOST_CURVES: usize = 64;

/// The status of a cell that the summary does not have.
const NOT_KNOWN: &str = "not known";

/// Collects what could not be read, or is damaged: each with its file and what to do.
#[derive(Debug, Default)]
pub(crate) struct Flaws(pub(crate) Vec<String>);

impl Flaws {
    /// Returns what was read; if it could not be read, notes why and returns nothing.
    fn unless<T: Default>(&mut self, read: Result<T, StoreError>) -> T {
        read.unwrap_or_else(|error| {
            self.add(error.to_string());
            T::default()
        })
    }

    /// Notes a flaw, once.
    pub(crate) fn add(&mut self, flaw: String) {
        if !self.0.contains(&flaw) {
            self.0.push(flaw);
        }
    }
}

/// A cell with what was read of it.
pub(crate) struct Gathered {
    /// the run's name, or its folder
    pub(crate) run: String,
    /// its name, after that of its run if there are several runs
    pub(crate) name: String,
    dir: CellDir,
    /// its history; empty if it was not read, or cannot be
    pub(crate) metrics: Metrics,
    /// its summary
    pub(crate) outcome: CellSummary,
    /// `config.json`
    pub(crate) config: Value,
    /// whether a process trains it now
    pub(crate) training: bool,
    /// the analyses in the order of the spec
    order: Vec<String>,
}

/// Reads the cells of runs. `ended` says that no process trains them, whatever their locks say. A
/// file that cannot be used is noted as a flaw, and the rest is read.
///
/// # Errors
/// If a folder cannot be read.
pub(crate) fn gather(
    views: &[RunView],
    ended: bool,
    flaws: &mut Flaws,
) -> Result<Vec<Gathered>, ReportError> {
    let mut all = Vec::new();
    for (view, label) in views.iter().zip(labels(views)) {
        let summary = view.summary();
        let unknown = summary.is_err();
        let summary = flaws.unless(summary);
        let order = flaws.unless(view.analyses());
        let mut cells = view.cells()?;
        // In the order of the plan, which the summary has; others by name.
        let place: BTreeMap<&str, usize> = summary
            .cells
            .iter()
            .map(|recorded| recorded.cell.as_str())
            .zip(0..)
            .collect();
        cells.sort_by(|(one, _), (other, _)| {
            let at = |name: &str| place.get(name).copied().unwrap_or(usize::MAX);
            at(one).cmp(&at(other)).then_with(|| natural(one, other))
        });
        for (cell, dir) in cells {
            // For many cells the summary is enough: a history is some megabytes to read.
            let metrics = if all.len() < MOST_CURVES {
                history(&dir, flaws)
            } else {
                Metrics::default()
            };
            let outcome = match summary.cell(&cell) {
                // A cell that trains has advanced since the summary was written.
                Some(outcome) if metrics.is_empty() || outcome.epochs == metrics.len() as u64 => {
                    outcome.clone()
                }
                _ if unknown => CellSummary::new(&cell, NOT_KNOWN, &metrics),
                _ => CellSummary::new(&cell, "interrupted", &metrics),
            };
            all.push(Gathered {
                run: label.clone(),
                name: match views.len() {
                    1 => cell,
                    _ => format!("{label} / {cell}"),
                },
                config: flaws.unless(dir.read_config_json()).unwrap_or_default(),
                order: order.clone(),
                training: !ended && dir.is_claimed(),
                dir,
                metrics,
                outcome,
            });
        }
    }
    Ok(all)
}

/// Returns what the analyses of the sweep of a single run left; those of several runs are not of
/// all their cells.
pub(crate) fn sweep(views: &[RunView], flaws: &mut Flaws) -> Vec<FoundFiles> {
    let [view] = views else {
        return Vec::new();
    };
    let (found, damaged) = view.sweep_analyses();
    damaged
        .iter()
        .for_each(|error| flaws.add(error.to_string()));
    found
}

/// Returns the names of runs, or their folders if the names do not tell them apart.
pub(crate) fn labels(views: &[RunView]) -> Vec<String> {
    let named = |name: &str| views.iter().filter(|view| view.name() == name).count();
    let label = |view: &RunView| match named(view.name()) {
        1 => view.name().to_owned(),
        _ => view.path().display().to_string(),
    };
    views.iter().map(label).collect()
}

/// Returns the history of the last saved state, or else that of `metrics.parquet`, as it is drawn;
/// empty if none can be read.
fn history(dir: &CellDir, flaws: &mut Flaws) -> Metrics {
    let (metrics, flaw) = dir.read_history();
    flaw.into_iter().for_each(|flaw| flaws.add(flaw));
    metrics.held()
}

impl Gathered {
    /// Returns the findings of each analysis: those of the spec in its order, then others.
    pub(crate) fn analyses(&self, flaws: &mut Flaws) -> Vec<FoundFiles> {
        let (mut all, damaged) = self.dir.read_analyses();
        damaged
            .iter()
            .for_each(|error| flaws.add(error.to_string()));
        let place = |found: &FoundFiles| {
            self.order
                .iter()
                .position(|name| *name == found.index.analysis)
                .unwrap_or(usize::MAX)
        };
        all.sort_by_key(place);
        for found in &mut all {
            found.tables.sort_by(|one, other| natural(&one.0, &other.0));
            found
                .figures
                .sort_by(|one, other| natural(&one.0, &other.0));
        }
        all
    }

    /// Returns the series that an analysis left in the cell.
    pub(crate) fn series(&self, analysis: &str, flaws: &mut Flaws) -> FoundSeries {
        flaws
            .unless(self.dir.read_series(analysis))
            .unwrap_or_default()
    }

    /// Returns the cell's row of the table.
    pub(crate) fn row(&self) -> Vec<String> {
        let outcome = &self.outcome;
        let epoch = |milestone| match outcome.crossing(milestone) {
            Crossing::Held { epoch } => epoch.to_string(),
            Crossing::Open { epoch, held } => {
                format!("{epoch}, not yet held: {held} of {HOLD} epochs")
            }
            Crossing::Not => "never".to_owned(),
        };
        let last = |pick: fn(&Row) -> f64| outcome.last.as_ref().map_or(f64::NAN, pick);
        let state = match (outcome.status.as_str(), self.training) {
            ("interrupted", true) => "training",
            (status, _) => status,
        };
        vec![
            self.name.clone(),
            state.to_owned(),
            outcome.epochs.to_string(),
            format!("{:.2e}", last(|r| r.train_loss)),
            format!("{:.2e}", last(|r| r.test_loss)),
            format!("{:.1} %", 100.0 * last(|r| r.test_accuracy)),
            epoch(Milestone::Memorised),
            epoch(Milestone::Grokked),
        ]
    }
}
