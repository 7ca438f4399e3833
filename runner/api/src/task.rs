//! What a cell learns, and on which of its pairs.

use serde::{Deserialize, Serialize};

/// The task and the model of a cell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// the cell's name
    pub cell: String,
    /// as the spec has it: a name or an expression in a and b
    pub operation: String,
    /// p
    pub modulus: usize,
    /// what the operation gives for each pair, `(p²)`, a-major; none where it is undefined
    pub labels: Vec<Option<u32>>,
    /// the pairs that are trained on, indices a·p + b
    pub train: Vec<u32>,
    /// the pairs that are tested on
    pub test: Vec<u32>,
    /// share of pairs that is trained on
    pub fraction: f64,
    /// draws the split
    pub data_seed: i64,
    /// draws the first weights
    pub model_seed: i64,
    /// epochs that the spec asks for
    pub epochs: u64,
    /// the model
    pub model: Model,
}

/// The dimensions of the model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Model {
    /// of the residual stream
    pub d_model: usize,
    /// attention heads
    pub heads: usize,
    /// of a head
    pub d_head: usize,
    /// neurons
    pub d_mlp: usize,
    /// `relu` or `gelu`
    pub activation: String,
}

impl Task {
    /// p², the number of pairs of the full grid.
    pub fn pairs(&self) -> usize {
        self.modulus * self.modulus
    }
}
