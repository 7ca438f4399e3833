//! A cell's task in the words of an analysis.

use grokrun_api::Task;
use grokrun_spec::{Cell, Plan};

use super::{Seen, Subject};
use crate::SessionError;
use crate::survey::dataset;

/// The task of a cell.
pub(crate) fn of(
    plan: &Plan,
    cell: &Cell,
    seen: &Seen,
    subject: &Subject,
) -> Result<Task, SessionError> {
    let data = dataset(cell)?;
    let p = seen.modulus() as u32;
    Ok(Task {
        cell: cell.id.clone(),
        operation: cell.operation.text().to_owned(),
        modulus: seen.modulus(),
        labels: (0..p * p).map(|pair| data.label(pair)).collect(),
        train: subject.train.clone(),
        test: subject.test.clone(),
        fraction: cell.fraction,
        data_seed: cell.data_seed,
        model_seed: cell.model_seed,
        epochs: plan.epochs,
        model: seen.model(),
    })
}
