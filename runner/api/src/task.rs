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
    /// of the residual stream, or of an embedding; of an MLP without one its first layer's width
    pub d_model: usize,
    /// attention heads; 0 without attention
    pub heads: usize,
    /// of a head; 0 without attention
    pub d_head: usize,
    /// neurons of the last layer
    pub d_mlp: usize,
    /// of the neurons: `relu`, `gelu`, …
    pub activation: String,
    /// the layers of neurons, first to last, by the name that their hooks have: `blocks.0.mlp` of a
    /// transformer, `layers.0` of an MLP
    #[serde(default = "one_layer")]
    pub layers: Vec<String>,
    /// whether something is normalised between neurons and logits
    #[serde(default)]
    pub normalised: bool,
}

/// The layers of the published model, and of any that a host of an earlier version shows.
fn one_layer() -> Vec<String> {
    vec!["blocks.0.mlp".to_owned()]
}

impl Model {
    /// Whether the neurons of its only layer go to the logits through one matrix, beside what they
    /// do not compute: true of the published model and of an MLP with one hidden layer.
    pub fn is_shallow(&self) -> bool {
        self.layers.len() == 1 && !self.normalised
    }
}

impl Task {
    /// p², the number of pairs of the full grid.
    pub fn pairs(&self) -> usize {
        self.modulus * self.modulus
    }
}
