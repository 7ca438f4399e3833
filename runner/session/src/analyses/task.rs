//! A cell's task in the words of an analysis.

use grokrun_api::{Model, Task};
use grokrun_engine::{Activation, Shape};
use grokrun_spec::{Cell, Plan};

use super::Subject;
use crate::SessionError;
use crate::survey::dataset;

/// The task of a cell.
pub(crate) fn of(
    plan: &Plan,
    cell: &Cell,
    shape: &Shape,
    subject: &Subject,
) -> Result<Task, SessionError> {
    let data = dataset(cell)?;
    let p = shape.modulus as u32;
    Ok(Task {
        cell: cell.id.clone(),
        operation: cell.operation.text().to_owned(),
        modulus: shape.modulus,
        labels: (0..p * p).map(|pair| data.label(pair)).collect(),
        train: subject.train.clone(),
        test: subject.test.clone(),
        fraction: cell.fraction,
        data_seed: cell.data_seed,
        model_seed: cell.model_seed,
        epochs: plan.epochs,
        model: Model {
            d_model: shape.d_model,
            heads: shape.heads,
            d_head: shape.d_head,
            d_mlp: shape.d_mlp,
            activation: match shape.activation {
                Activation::Relu => "relu".to_owned(),
                Activation::Gelu => "gelu".to_owned(),
            },
        },
    })
}
