//! Defines analyses of a whole sweep: their input, and how they are started and called.
//!
//! They cross the plugin boundary like analyses of a cell: an instance is started with the settings
//! of all cells, receives the numbers of one cell after another, and concludes. Thus the numbers of
//! at most one cell are in memory.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Failure, History, Instance, Manifest, NumbersRef, Sink, Snapshot};

/// An analysis of all cells of a run, after they are trained and analysed. It never writes files,
/// prints, or touches a device; the same cells must give the same findings, byte for byte.
///
/// The needs and the cadence of its [`Manifest`] are ignored. Its findings have no epochs: tables,
/// tensors, figures and notes.
pub trait SweepAnalysis: Sized + Send + 'static {
    /// The parameters that a spec may give, each with its default.
    type Config: Default + Serialize + DeserializeOwned + JsonSchema;

    /// The analysis's name, version and definition.
    const MANIFEST: Manifest;

    /// The analyses of the cells whose series and tables this analysis reads.
    const READS: Reads = Reads::Nothing;

    /// Checks parameters before anything is trained: ranges and combinations. Types and unknown
    /// names have been checked already.
    ///
    /// # Errors
    /// [`Failure::parameter`], which names the parameter.
    fn check(_config: &Self::Config) -> Result<(), Failure> {
        Ok(())
    }

    /// Starts on a sweep of these cells, in the order of the plan.
    ///
    /// # Errors
    /// When the analysis cannot work on this sweep, with the reason.
    fn new(config: Self::Config, cells: &[SweepCell]) -> Result<Self, Failure>;

    /// Takes the numbers of a cell; called for each cell, in order.
    ///
    /// # Errors
    /// When the analysis cannot continue. The instance is not called again.
    fn observe(&mut self, cell: &SweepCell, numbers: &CellNumbers<'_>) -> Result<(), Failure>;

    /// Is called after the last cell, to emit findings on the sweep.
    ///
    /// # Errors
    /// As for [`SweepAnalysis::observe`].
    fn finish(&mut self, cells: &[SweepCell], out: &mut dyn Sink) -> Result<(), Failure>;
}

/// The analyses of the cells that an analysis of a sweep reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reads {
    /// none: settings and histories suffice
    #[default]
    Nothing,
    /// the analyses with these names, if a cell has them
    Named(&'static [&'static str]),
    /// all analyses
    All,
}

impl Reads {
    /// Returns the value in the description of an analysis: a list of names, or the word `all`.
    pub(crate) fn described(self) -> Value {
        match self {
            Reads::Nothing => Value::Array(Vec::new()),
            Reads::Named(names) => names.iter().map(|name| Value::from(*name)).collect(),
            Reads::All => Value::from("all"),
        }
    }
}

/// A cell of a sweep, without its numbers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SweepCell {
    /// the cell's id
    pub id: String,
    /// the cell's status, as in `summary.json`: `finished`, `failed`, …
    pub status: String,
    /// number of epochs in the cell's history
    pub epochs: u64,
    /// `config.json`: the settings of task, seeds, data, model and train
    pub settings: Value,
    /// the tables of each analysis that is read, by analysis and by table, each `{"columns": […],
    /// "rows": [[…], …]}`
    #[serde(default)]
    pub tables: BTreeMap<String, BTreeMap<String, Value>>,
}

impl SweepCell {
    /// Returns whether the cell's training failed; such cells are counted separately.
    pub fn has_failed(&self) -> bool {
        self.status == "failed"
    }
}

/// The numbers of a cell.
#[derive(Clone, Copy, Debug)]
pub struct CellNumbers<'a> {
    snapshot: &'a Snapshot<'a>,
}

/// A series of an analysis of a cell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CellSeries<'a> {
    /// the analysis's name
    pub analysis: &'a str,
    /// the series' name
    pub name: &'a str,
    /// the epochs of the values
    pub epochs: &'a [f64],
    /// a value for each epoch; NaN for a missing value
    pub values: &'a [f64],
}

/// The prefix of the name of a series among the numbers of a cell; the analysis and the series
/// follow, with a dot between.
const SERIES: &str = "series.";
/// The name, in place of a series, of the epochs of an analysis's series.
const EPOCHS: &str = "";

impl<'a> CellNumbers<'a> {
    /// Wraps the snapshot that the host makes of a cell: `history.…` and `series.…`.
    pub fn new(snapshot: &'a Snapshot<'a>) -> CellNumbers<'a> {
        CellNumbers { snapshot }
    }

    /// Returns the losses and accuracies of all epochs; empty if training left none.
    ///
    /// # Errors
    /// When the host did not show the history.
    pub fn history(&self) -> Result<History<'a>, Failure> {
        self.snapshot.history()
    }

    /// Returns all series of the analyses that are read, by analysis and name.
    pub fn series(&self) -> Vec<CellSeries<'a>> {
        let doubles = self.snapshot.views().iter().filter_map(|view| {
            let (analysis, name) = view.name.strip_prefix(SERIES)?.split_once('.')?;
            match view.data {
                NumbersRef::F64(data) => Some((analysis, name, data)),
                NumbersRef::F32(_) => None,
            }
        });
        let all: Vec<(&'a str, &'a str, &'a [f64])> = doubles.collect();
        let epochs = |analysis: &str| {
            let own = |(other, name, _): &&(&str, &str, _)| *other == analysis && *name == EPOCHS;
            all.iter().find(own).map(|(.., data)| *data)
        };
        let series = all.iter().filter(|(_, name, _)| *name != EPOCHS);
        let mut found: Vec<CellSeries> = series
            .filter_map(|(analysis, name, values)| {
                Some(CellSeries {
                    analysis,
                    name,
                    epochs: epochs(analysis)?,
                    values,
                })
            })
            .collect();
        found.sort_by_key(|series| (series.analysis, series.name));
        found
    }
}

/// Returns the name under which a series is shown; for `None`, the name of the epochs of the
/// analysis.
pub fn series_view(analysis: &str, series: Option<&str>) -> String {
    format!("{SERIES}{analysis}.{}", series.unwrap_or(EPOCHS))
}

/// A running analysis of a sweep, as the host calls it: a snapshot is a cell, and the epoch is the
/// index of the cell.
pub(crate) struct Running<S> {
    pub(crate) analysis: S,
    pub(crate) cells: Vec<SweepCell>,
}

impl<S: SweepAnalysis> Instance for Running<S> {
    fn observe(&mut self, snapshot: &Snapshot<'_>, _: &mut dyn Sink) -> Result<(), Failure> {
        let number = snapshot.epoch();
        let cell = usize::try_from(number).ok().and_then(|n| self.cells.get(n));
        let cell = cell.ok_or_else(|| Failure::new(format!("there is no cell {number}")))?;
        self.analysis.observe(cell, &CellNumbers::new(snapshot))
    }

    fn finish(&mut self, out: &mut dyn Sink) -> Result<(), Failure> {
        self.analysis.finish(&self.cells, out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Numbers, SnapshotData};

    #[test]
    fn series_come_with_the_epochs_of_their_analysis() {
        let mut data = SnapshotData::new(3);
        let mut add = |name: String, values: Vec<f64>| {
            data.add(name, &[values.len()], Numbers::F64(values));
        };
        add(series_view("norms", Some("W.E")), vec![1.0, 2.0]);
        add(series_view("norms", None), vec![0.0, 100.0]);
        add(series_view("other", Some("lost")), vec![1.0]);
        add("history.train_loss".to_owned(), vec![0.5]);
        data.show(&crate::Needs::all(), |snapshot| {
            let found = CellNumbers::new(snapshot).series();
            assert_eq!(found.len(), 1, "{found:?}");
            assert_eq!((found[0].analysis, found[0].name), ("norms", "W.E"));
            assert_eq!(found[0].epochs, [0.0, 100.0]);
        });
        assert_eq!(Reads::All.described(), "all");
        assert_eq!(Reads::Named(&["a"]).described()[0], "a");
    }
}
