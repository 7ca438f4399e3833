//! Analyses of a whole sweep: what they are shown, and how they are started and called.
//!
//! They cross the plugin border as analyses of a cell do: an instance is started with all cells'
//! settings, shown the numbers of one cell after the other, and concludes. So the numbers of no
//! more than one cell are in memory.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Failure, History, Instance, Manifest, NumbersRef, Sink, Snapshot};

/// An analysis of all cells of a run together, once they are trained and analysed. It never writes
/// files, prints, or touches a device; the same cells must give the same findings, byte for byte.
///
/// Of its [`Manifest`] needs and cadence do not count. What it finds has no epochs: tables,
/// tensors, figures and notes.
pub trait SweepAnalysis: Sized + Send + 'static {
    /// The parameters that a spec may give, each with its default.
    type Config: Default + Serialize + DeserializeOwned + JsonSchema;

    /// Who it is.
    const MANIFEST: Manifest;

    /// Which analyses of the cells it reads: their series and tables.
    const READS: Reads = Reads::Nothing;

    /// Judges parameters before anything is trained: ranges, combinations. Types and unknown names
    /// are already refused.
    ///
    /// # Errors
    /// [`Failure::parameter`], which names the parameter.
    fn check(_config: &Self::Config) -> Result<(), Failure> {
        Ok(())
    }

    /// Starts on a sweep of these cells, in the order of the plan.
    ///
    /// # Errors
    /// When it cannot work on this sweep, with the reason.
    fn new(config: Self::Config, cells: &[SweepCell]) -> Result<Self, Failure>;

    /// Takes the numbers of a cell; called for each, in order.
    ///
    /// # Errors
    /// When it cannot go on. It is not called again.
    fn look(&mut self, cell: &SweepCell, numbers: &CellNumbers<'_>) -> Result<(), Failure>;

    /// Is called after the last cell: what can be said of the sweep.
    ///
    /// # Errors
    /// As [`SweepAnalysis::look`].
    fn finish(&mut self, cells: &[SweepCell], out: &mut dyn Sink) -> Result<(), Failure>;
}

/// Which analyses of the cells an analysis of a sweep reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reads {
    /// none: settings and histories are enough
    #[default]
    Nothing,
    /// those of these names, where a cell has them
    Named(&'static [&'static str]),
    /// all that there are
    All,
}

impl Reads {
    /// As the description of an analysis has it: a list of names, or the word `all`.
    pub(crate) fn described(self) -> Value {
        match self {
            Reads::Nothing => Value::Array(Vec::new()),
            Reads::Named(names) => names.iter().map(|name| Value::from(*name)).collect(),
            Reads::All => Value::from("all"),
        }
    }
}

/// A cell of a sweep, but for its numbers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SweepCell {
    /// its id
    pub id: String,
    /// what became of it, as `summary.json` says: `finished`, `failed`, …
    pub status: String,
    /// epochs in its history
    pub epochs: u64,
    /// `config.json`: the settings of task, seeds, data, model and train
    pub settings: Value,
    /// of each analysis that is read, by name: its tables by name, each
    /// `{"columns": […], "rows": [[…], …]}`
    #[serde(default)]
    pub tables: BTreeMap<String, BTreeMap<String, Value>>,
}

impl SweepCell {
    /// Whether its training failed: it is counted apart.
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
    /// the analysis
    pub analysis: &'a str,
    /// its name
    pub name: &'a str,
    /// the epochs of its values
    pub epochs: &'a [f64],
    /// a value an epoch; NaN where there is none
    pub values: &'a [f64],
}

/// What the name of a series begins with among the numbers of a cell; the analysis and the series
/// follow, with a dot between.
const SERIES: &str = "series.";
/// The name of the epochs of an analysis's series, in the place of a series.
const EPOCHS: &str = "";

impl<'a> CellNumbers<'a> {
    /// Those of a snapshot that the host makes of a cell: `history.…` and `series.…`.
    pub fn new(snapshot: &'a Snapshot<'a>) -> CellNumbers<'a> {
        CellNumbers { snapshot }
    }

    /// Losses and accuracies of all epochs; empty where training left none.
    ///
    /// # Errors
    /// When the host did not show them.
    pub fn history(&self) -> Result<History<'a>, Failure> {
        self.snapshot.history()
    }

    /// All series of the analyses that are read, by analysis and name.
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

/// The name under which a series is shown; that of its analysis's epochs where `series` is none.
pub fn series_view(analysis: &str, series: Option<&str>) -> String {
    format!("{SERIES}{analysis}.{}", series.unwrap_or(EPOCHS))
}

/// An analysis of a sweep at work, as the host calls it: a snapshot is a cell, and its epoch the
/// number of the cell.
pub(crate) struct Running<S> {
    pub(crate) analysis: S,
    pub(crate) cells: Vec<SweepCell>,
}

impl<S: SweepAnalysis> Instance for Running<S> {
    fn observe(&mut self, snapshot: &Snapshot<'_>, _: &mut dyn Sink) -> Result<(), Failure> {
        let number = snapshot.epoch();
        let cell = usize::try_from(number).ok().and_then(|n| self.cells.get(n));
        let cell = cell.ok_or_else(|| Failure::new(format!("there is no cell {number}")))?;
        self.analysis.look(cell, &CellNumbers::new(snapshot))
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
        data.show(
            |_| true,
            |snapshot| {
                let found = CellNumbers::new(snapshot).series();
                assert_eq!(found.len(), 1, "{found:?}");
                assert_eq!((found[0].analysis, found[0].name), ("norms", "W.E"));
                assert_eq!(found[0].epochs, [0.0, 100.0]);
            },
        );
        assert_eq!(Reads::All.described(), "all");
        assert_eq!(Reads::Named(&["a"]).described()[0], "a");
    }
}
