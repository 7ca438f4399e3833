//! Analyses of a whole sweep, once its cells are trained and analysed.

use std::collections::BTreeMap;

use grokrun_api::{Numbers, SnapshotData, SweepCell, series_view};
use grokrun_host::{Found, Scratch, SweepReads, analyse_sweep};
use grokrun_spec::AnalysisRequest;
use grokrun_store::{
    CellDir, CellSummary, ErrorKind, FindingsIndex, Metrics, RunDir, RunView, StoreError,
};
use serde_json::Value;

use super::{Analyses, files};
use crate::SessionError;
use crate::cells::settings_of;
use crate::interrupt::Interrupt;
use crate::train::{Event, Watch};

/// How the sweep is named where a cell would be.
const PLACE: &str = "the sweep";

impl Analyses<'_> {
    /// Lets the analyses of the sweep look at all cells that the run's summary has, and writes what
    /// they find; those that saw the same cells before are left out unless `again`.
    ///
    /// # Errors
    /// The run cannot be read or written.
    pub(crate) fn conclude_sweep(
        &self,
        run: &RunDir,
        again: bool,
        interrupt: &Interrupt,
        watch: &mut dyn Watch,
    ) -> Result<(), SessionError> {
        if self.of_sweep.is_empty() {
            return Ok(());
        }
        let cells = run.read_summary()?.unwrap_or_default().cells;
        let view = RunView::open(run.path())?;
        let seen = seen(&cells);
        let mut settings = None;
        for (found, request) in &self.of_sweep {
            if interrupt.is_asked() {
                return Ok(());
            }
            if !again && concluded(run, found, request, &seen)? {
                continue;
            }
            if request.every != 0 {
                tracing::warn!(
                    analysis = found.name(),
                    "looks at the sweep once: its `every` has no effect"
                );
            }
            watch.event(Event::Analysing { cells: &[PLACE] });
            let settings = settings.get_or_insert_with(|| settings_of(&view, &cells));
            let subject = Subject {
                view: &view,
                cells: &cells,
                reads: found.sweep().cloned().unwrap_or(SweepReads::All),
            };
            let shown = subject.cells(settings);
            let scratch = Scratch::new(run.path());
            let numbers = |number: usize| subject.numbers(number);
            let outcome = analyse_sweep(found, &request.parameters, &shown, numbers, &scratch);
            let identity = FindingsIndex {
                cells: Some(seen.clone()),
                ..files::identity(found, request)
            };
            run.write_sweep_findings(found.name(), files::of(identity, outcome))?;
        }
        Ok(())
    }

    /// Which analyses of the sweep failed, and why.
    ///
    /// # Errors
    /// The findings cannot be read.
    pub(super) fn failed_in_sweep(&self, run: &RunDir) -> Result<Vec<[String; 3]>, SessionError> {
        let mut failed = Vec::new();
        for (found, _) in &self.of_sweep {
            let index = run.read_sweep_findings(found.name())?;
            if let Some(why) = index.and_then(|index| index.failure) {
                failed.push([PLACE.to_owned(), found.name().to_owned(), why]);
            }
        }
        Ok(failed)
    }
}

/// What makes a cell another one to an analysis of the sweep.
fn seen(cells: &[CellSummary]) -> Vec<(String, String, u64)> {
    let cell = |cell: &CellSummary| (cell.cell.clone(), cell.status.clone(), cell.epochs);
    cells.iter().map(cell).collect()
}

/// Whether an analysis has seen these cells with these parameters.
fn concluded(
    run: &RunDir,
    found: &Found,
    request: &AnalysisRequest,
    seen: &[(String, String, u64)],
) -> Result<bool, SessionError> {
    match run.read_sweep_findings(found.name()) {
        Ok(index) => Ok(index.is_some_and(|index| {
            files::is_of(&index, found, request) && index.cells.as_deref() == Some(seen)
        })),
        Err(error) if error.kind() == ErrorKind::Altered => {
            tracing::warn!(%error, "the findings are made again");
            Ok(false)
        }
        Err(error) => Err(error.into()),
    }
}

/// The cells of a run, as an analysis of the sweep is shown them.
struct Subject<'a> {
    view: &'a RunView,
    cells: &'a [CellSummary],
    reads: SweepReads,
}

impl Subject<'_> {
    fn cells(&self, settings: &[Value]) -> Vec<SweepCell> {
        let all = self.cells.iter().zip(settings);
        let cell = |(recorded, settings): (&CellSummary, &Value)| SweepCell {
            id: recorded.cell.clone(),
            status: recorded.status.clone(),
            epochs: recorded.epochs,
            settings: settings.clone(),
            tables: self.tables(recorded),
        };
        all.map(cell).collect()
    }

    /// The tables of the analyses that are read. One that is damaged is left out, which is logged.
    fn tables(&self, recorded: &CellSummary) -> BTreeMap<String, BTreeMap<String, Value>> {
        if self.reads == SweepReads::Named(Vec::new()) {
            return BTreeMap::new();
        }
        let Some(dir) = self.view.cell(&recorded.cell) else {
            return BTreeMap::new();
        };
        let (found, flaws) = dir.read_analyses();
        for flaw in flaws {
            tracing::warn!(cell = recorded.cell, %flaw, "the sweep is analysed without it");
        }
        let named = found.into_iter().filter_map(|found| {
            let name = found.index.analysis;
            let read = self.reads.has(&name);
            read.then(|| (name, found.tables.into_iter().collect()))
        });
        named.collect()
    }

    /// The history and the series of a cell.
    fn numbers(&self, number: usize) -> Result<SnapshotData, String> {
        let mut data = SnapshotData::new(number as u64);
        let Some(dir) = self.view.cell(&self.cells[number].cell) else {
            return Err(format!("the folder of {} is gone", self.cells[number].cell));
        };
        let in_words = |error: StoreError| error.to_string();
        let metrics = match dir.read_metrics() {
            Ok(Some(metrics)) => metrics,
            Ok(None) | Err(_) => dir
                .read_state()
                .map_err(in_words)?
                .map(|s| s.metrics)
                .unwrap_or_default(),
        };
        for (name, column) in Metrics::COLUMNS.iter().zip(metrics.columns()) {
            let values = Numbers::F64(column.to_vec());
            data.add(format!("history.{name}"), &[column.len()], values);
        }
        for analysis in self.analyses(&dir) {
            let index = dir.read_findings(&analysis).map_err(in_words)?;
            if index.is_some_and(|index| index.so_far.is_some()) {
                continue;
            }
            let Some(series) = dir.read_series(&analysis).map_err(in_words)? else {
                continue;
            };
            let epochs = series.epochs.iter().map(|epoch| *epoch as f64).collect();
            let mut add = |name: Option<&str>, values: Vec<f64>| {
                let shape = [values.len()];
                data.add(series_view(&analysis, name), &shape, Numbers::F64(values));
            };
            add(None, epochs);
            for (name, values) in series.series {
                add(Some(&name), values);
            }
        }
        Ok(data)
    }

    /// The analyses of a cell that are read.
    fn analyses(&self, dir: &CellDir) -> Vec<String> {
        match &self.reads {
            SweepReads::Named(names) => names.clone(),
            SweepReads::All => {
                let (found, _reported_with_the_tables) = dir.read_analyses();
                found
                    .into_iter()
                    .map(|found| found.index.analysis)
                    .collect()
            }
        }
    }
}
