//! Describes what a cell learns, and from which of its pairs.

use serde::{Deserialize, Serialize};

/// The task and the model of a cell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// the cell's name
    pub cell: String,
    /// the operation as in the spec: a name or an expression in a and b
    pub operation: String,
    /// the modulus p
    pub modulus: usize,
    /// the label of each pair, `(p²)`, a-major; `None` where the operation is undefined
    pub labels: Vec<Option<u32>>,
    /// what is known of the operation beside its labels
    pub structure: Structure,
    /// the training pairs, as indices a·p + b
    pub train: Vec<u32>,
    /// the test pairs, as indices a·p + b
    pub test: Vec<u32>,
    /// share of pairs that is trained on
    pub fraction: f64,
    /// the seed of the split
    pub data_seed: i64,
    /// the seed of the initial weights
    pub model_seed: i64,
    /// the number of epochs that the spec asks for
    pub epochs: u64,
    /// the model
    pub model: Model,
}

/// What an operation is made of, by which an analysis finds the components of its operands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Structure {
    /// f(a, b) = ± place(a) ± place(b) + c in a cyclic group: sums and differences, and, by the
    /// discrete logarithm, products and quotients modulo a prime
    Cyclic {
        /// the number of elements of the group
        order: usize,
        /// the place of each token, `(p)`: `None` outside of the group, as 0 is in a product
        places: Vec<Option<usize>>,
    },
    /// the product of a finite group that is not known to be cyclic, whose table the labels are
    Group {
        /// the group's name in the spec, as `S5`; `None` if the operation names no group
        name: Option<String>,
    },
    /// any other function
    #[default]
    Function,
}

/// The dimensions of the model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Model {
    /// width of the residual stream, or of an embedding; for an MLP without an embedding, the width
    /// of its first layer
    pub d_model: usize,
    /// number of attention heads; 0 without attention
    pub heads: usize,
    /// width of a head; 0 without attention
    pub d_head: usize,
    /// number of neurons of the last layer
    pub d_mlp: usize,
    /// activation function of the neurons: `relu`, `gelu`, …
    pub activation: String,
    /// the layers of neurons, first to last, by the name in their hooks: `blocks.0.mlp` for a
    /// transformer, `layers.0` for an MLP
    pub layers: Vec<String>,
    /// whether there is a normalisation between neurons and logits
    pub normalised: bool,
}

impl Model {
    /// Returns whether the outputs of the only layer of neurons reach the logits through one
    /// matrix. This is true of the published model and of an MLP with one hidden layer.
    pub fn is_shallow(&self) -> bool {
        self.layers.len() == 1 && !self.normalised
    }
}

impl Task {
    /// Returns p², the number of pairs of the full grid.
    pub fn pairs(&self) -> usize {
        self.modulus * self.modulus
    }
}
