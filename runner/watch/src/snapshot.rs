//! What is known of a run at one moment, and what it is meant to be.

use std::collections::BTreeMap;
use std::sync::Arc;

use grokrun_store::RunView;
use serde_json::Value;

use crate::cell::CellNow;
use crate::curve::Curve;
use crate::embedding::{EmbeddingNow, Table};
use crate::log::Line;

/// What a run is meant to train, by its spec.
pub struct Planned {
    /// the ids of its cells
    pub cells: Vec<String>,
    /// epochs of each
    pub epochs: u64,
    /// the table of the task of a cell, by its place; none where it is not one of pairs
    pub table: Box<dyn Fn(usize) -> Result<Option<Table>, String> + Send>,
}

/// Reads what a run is meant to train; an error says why it cannot.
pub type Load = Box<dyn Fn(&RunView) -> Result<Planned, String> + Send>;

/// What goes on in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    /// cells are trained
    Training,
    /// a process writes the run and trains no epochs at the moment
    Busy,
    /// cells are left, and no process trains them
    Stopped,
    /// nothing is left to train
    Done,
}

/// How many cells there are of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// that are trained, or held by a process
    pub training: usize,
    /// of which nothing is left to train, without those that failed
    pub done: usize,
    /// whose training failed
    pub failed: usize,
    /// that were begun, and are not trained now
    pub interrupted: usize,
    /// that were not begun
    pub waiting: usize,
}

/// What is known of the run as a whole.
#[derive(Clone, Debug, PartialEq)]
pub struct RunNow {
    /// its name
    pub name: String,
    /// its task in mathematical notation, or its name
    pub heading: String,
    /// what all cells have in common
    pub facts: Vec<(String, String)>,
    /// what goes on
    pub activity: Activity,
    /// its cells
    pub counts: Counts,
    /// whether it has a report
    pub report: bool,
    /// what cannot be read
    pub problem: Option<String>,
}

/// The history of a cell that somebody looks at.
#[derive(Clone, Debug)]
pub(crate) struct CurveNow {
    pub(crate) curve: Curve,
    pub(crate) config: Value,
}

/// All that is known at one moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// counts the moments at which something had changed
    pub revision: u64,
    /// the run as a whole
    pub run: RunNow,
    /// its cells, in the order of the plan
    pub cells: Vec<Arc<CellNow>>,
    /// the cell that is shown where none was chosen
    pub lead: usize,
    /// the ends of its logs
    pub log: Arc<Vec<Line>>,
    /// whether nobody looks at the run any more: the program ends
    pub closing: bool,
    pub(crate) curves: BTreeMap<usize, Arc<CurveNow>>,
    pub(crate) embeddings: BTreeMap<usize, Arc<EmbeddingNow>>,
}

impl Snapshot {
    /// Returns the first moment of a run with these cells, of which nobody has looked at any.
    pub fn of(run: RunNow, cells: Vec<Arc<CellNow>>) -> Snapshot {
        Snapshot {
            revision: 0,
            run,
            cells,
            lead: 0,
            log: Arc::default(),
            closing: false,
            curves: BTreeMap::new(),
            embeddings: BTreeMap::new(),
        }
    }
}
