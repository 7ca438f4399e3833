//! What is read of runs: cells with their settings, histories and findings.

use grokrun_store::{
    CellDir, CellSummary, Crossing, FoundFiles, HOLD, Metrics, Milestone, Row, RunView,
};
use serde_json::Value;

use crate::ReportError;

/// The most cells whose histories are read; those of more would fill a screen with grey.
const MOST_CURVES: usize = 64;

/// A cell as it is gathered.
pub(crate) struct Gathered {
    /// the run's name, or its folder
    pub(crate) run: String,
    /// with the run's name in front, where there are several runs
    pub(crate) name: String,
    dir: CellDir,
    /// empty where it was not read, or cannot be
    pub(crate) metrics: Metrics,
    /// what became of it
    pub(crate) told: CellSummary,
    /// `config.json`
    pub(crate) config: Value,
    /// whether a process trains it now
    pub(crate) training: bool,
    /// the analyses in the order of the spec
    order: Vec<String>,
}

/// The cells of runs; `ended` if no process trains them, whatever their locks say.
///
/// # Errors
/// When a folder cannot be read.
pub(crate) fn gather(views: &[RunView], ended: bool) -> Result<Vec<Gathered>, ReportError> {
    let mut all = Vec::new();
    for (view, label) in views.iter().zip(labels(views)) {
        let (summary, order) = (view.summary(), view.analyses());
        for (cell, dir) in view.cells()? {
            // Of many cells the summary is enough: a history is some megabytes to read.
            let metrics = match all.len() < MOST_CURVES {
                true => history(&dir),
                false => Metrics::default(),
            };
            let told = match summary.cell(&cell) {
                // A cell that trains has moved on since the summary was written.
                Some(told) if metrics.is_empty() || told.epochs == metrics.len() as u64 => {
                    told.clone()
                }
                _ => CellSummary::new(&cell, "interrupted", &metrics),
            };
            all.push(Gathered {
                run: label.clone(),
                name: match views.len() {
                    1 => cell,
                    _ => format!("{label} / {cell}"),
                },
                config: dir.read_config(),
                order: order.clone(),
                training: !ended && dir.is_claimed(),
                dir,
                metrics,
                told,
            });
        }
    }
    Ok(all)
}

/// The names of runs; their folders where names are not enough to tell them apart.
pub(crate) fn labels(views: &[RunView]) -> Vec<String> {
    let named = |name: &str| views.iter().filter(|view| view.name() == name).count();
    let label = |view: &RunView| match named(view.name()) {
        1 => view.name().to_owned(),
        _ => view.path().display().to_string(),
    };
    views.iter().map(label).collect()
}

/// The history of the last saved state; empty if there is none that can be read.
fn history(dir: &CellDir) -> Metrics {
    let state = dir.read_state().ok().flatten();
    state.map(|state| state.metrics).unwrap_or_default()
}

impl Gathered {
    /// What each analysis found: those of the spec in its order, then others.
    pub(crate) fn analyses(&self) -> Vec<FoundFiles> {
        let mut all = self.dir.read_analyses();
        let place = |found: &FoundFiles| {
            let name = found.index["analysis"].as_str();
            self.order
                .iter()
                .position(|o| Some(o.as_str()) == name)
                .unwrap_or(usize::MAX)
        };
        all.sort_by_key(place);
        all
    }

    /// A row of the table of cells.
    pub(crate) fn row(&self) -> Vec<String> {
        let told = &self.told;
        let epoch = |milestone| match told.crossing(milestone) {
            Crossing::Held { epoch } => epoch.to_string(),
            Crossing::Open { epoch, held } => {
                format!("{epoch}, not yet held: {held} of {HOLD} epochs")
            }
            Crossing::Not => "never".to_owned(),
        };
        let last = |pick: fn(&Row) -> f64| told.last.as_ref().map_or(f64::NAN, pick);
        let state = match (told.status.as_str(), self.training) {
            ("interrupted", true) => "training",
            (status, _) => status,
        };
        vec![
            self.name.clone(),
            state.to_owned(),
            told.epochs.to_string(),
            format!("{:.2e}", last(|r| r.train_loss)),
            format!("{:.2e}", last(|r| r.test_loss)),
            format!("{:.1} %", 100.0 * last(|r| r.test_accuracy)),
            epoch(Milestone::Memorised),
            epoch(Milestone::Grokked),
        ]
    }
}
