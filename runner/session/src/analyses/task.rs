//! A cell's task in the words of an analysis.

use grokrun_api::{Structure, Task};
use grokrun_basis::{GroupTable, cyclic_places};
use grokrun_spec::{Cell, Plan};
use grokrun_task::Operation;

use super::{Seen, Subject};
use crate::SessionError;
use crate::survey::dataset;

/// An operation on pairs whose results are as many as their operands: what analyses look at.
#[derive(Clone, Debug, PartialEq)]
pub struct PairTable {
    /// as the spec has it
    pub operation: String,
    /// p: the number of tokens
    pub modulus: usize,
    /// what the operation gives for each pair, `(p²)`, a-major; none where it is undefined
    pub labels: Vec<Option<u32>>,
}

/// The table of a cell's task; none where analyses do not look at it.
///
/// # Errors
/// When the operation is not defined for the modulus.
pub fn pair_table(cell: &Cell) -> Result<Option<PairTable>, SessionError> {
    let Some(seen) = Seen::of(&cell.architecture()) else {
        return Ok(None);
    };
    Ok(Some(PairTable {
        operation: cell.operation.text().to_owned(),
        modulus: seen.modulus(),
        labels: labels(cell, seen.modulus())?,
    }))
}

/// What a cell's operation gives for each pair of p tokens.
fn labels(cell: &Cell, p: usize) -> Result<Vec<Option<u32>>, SessionError> {
    let data = dataset(cell)?;
    let p = p as u32;
    Ok((0..p * p).map(|pair| data.label(pair)).collect())
}

/// The task of a cell.
pub(crate) fn of(
    plan: &Plan,
    cell: &Cell,
    seen: &Seen,
    subject: &Subject,
) -> Result<Task, SessionError> {
    let modulus = seen.modulus();
    let labels = labels(cell, modulus)?;
    Ok(Task {
        cell: cell.id.clone(),
        operation: cell.operation.text().to_owned(),
        modulus,
        structure: structure(&cell.operation, &labels, modulus),
        labels,
        train: subject.train.clone(),
        test: subject.test.clone(),
        fraction: cell.fraction,
        data_seed: cell.data_seed,
        model_seed: cell.model_seed,
        epochs: plan.epochs,
        model: seen.model(),
    })
}

/// What an operation is made of, from its labels `(p²)`; of a group also the name that the
/// operation gives it.
pub(crate) fn structure(operation: &Operation, labels: &[Option<u32>], p: usize) -> Structure {
    if let Some((order, places)) = cyclic_places(labels, p) {
        return Structure::Cyclic { order, places };
    }
    match GroupTable::of(labels, p) {
        Some(_) => Structure::Group {
            name: operation.as_group().map(|group| group.name().to_owned()),
        },
        None => Structure::Function,
    }
}
