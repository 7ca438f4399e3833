//! A cell's task in the words of an analysis.

use grokrun_api::Task;
use grokrun_spec::{Cell, Plan};

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
    Ok(Task {
        cell: cell.id.clone(),
        operation: cell.operation.text().to_owned(),
        modulus: seen.modulus(),
        labels: labels(cell, seen.modulus())?,
        train: subject.train.clone(),
        test: subject.test.clone(),
        fraction: cell.fraction,
        data_seed: cell.data_seed,
        model_seed: cell.model_seed,
        epochs: plan.epochs,
        model: seen.model(),
    })
}
