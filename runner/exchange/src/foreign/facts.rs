//! Holds what is known of a foreign file, and a model of it.

use grokrun_store::Tensor;

use super::attention::{Mask, Scale};
use super::own::{Conventions, Task};
use crate::layout::{Body, Separator};

/// The kind of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One model.
    StateDict,
    /// The dictionary of the TransformerLens demo and its successors.
    Published,
    /// The paper's `full_run_data`.
    FullRun,
    /// One model in a `.safetensors` file.
    Safetensors,
    /// One model in an `.npz` file.
    Npz,
}

/// Losses and accuracies, one an epoch, of equal lengths; NaN where the file has none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// Train losses, test losses, train accuracies, test accuracies, each `(epochs)`.
    pub columns: [Vec<f64>; 4],
}

/// Which biases of a model are not zero, in the words of a spec.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Biases {
    /// The layout has none.
    None,
    /// All are zero.
    Frozen,
    /// Those of neurons, or of the layers of a multilayer perceptron.
    Trained,
    /// Those of attention or of the unembedding, too.
    All,
}

impl Biases {
    /// Returns the word of a spec.
    pub fn word(self) -> &'static str {
        match self {
            Biases::None => "none",
            Biases::Frozen => "frozen",
            Biases::Trained => "trained",
            Biases::All => "all",
        }
    }
}

/// What a file says of itself and of its models.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Its kind.
    pub kind: Kind,
    /// Its layout, in words.
    pub layout: &'static str,
    /// p
    pub modulus: usize,
    /// p or p + 1; of p + 1 the last column is not among the checkpoints' tensors.
    pub outputs: usize,
    /// What the model is made of.
    pub body: Body,
    /// Whether the shapes, the settings or the user say how many heads there are.
    pub heads_known: bool,
    /// Whether the settings rule out layer norm, which the tensors may not show.
    pub no_norm: bool,
    /// The divisor of attention scores, if the file gives one.
    pub scale: Option<Scale>,
    /// Whether the published models of its layout are all of addition.
    pub of_sums: bool,
    /// Which positions a position sees, if the file or the user tells.
    pub mask: Option<Mask>,
    /// The share of softmax in attention, if it is mixed with a constant.
    pub rate: Option<f64>,
    /// The activation as in a spec, if the file gives one.
    pub activation: Option<String>,
    /// The seed of the weights, if the file gives it.
    pub model_seed: Option<i64>,
    /// Which biases are not zero in some checkpoint.
    pub biases: Biases,
    /// Steps taken at each checkpoint, ascending; empty if the file has one model and no epoch.
    pub epochs: Vec<u64>,
    /// Losses and accuracies, if there are any.
    pub history: Option<History>,
    /// Places of train and test pairs in the a-major list, as the file has them.
    pub split: Option<[Vec<i64>; 2]>,
    /// How the losses of the history are defined.
    pub conventions: Conventions,
    /// Train and test loss that a file gives beside its one model, outside of a history.
    pub record: [Option<f64>; 2],
    /// Whether grokrun itself wrote the file.
    pub ours: bool,
    /// The task, if grokrun itself wrote the file.
    pub task: Task,
    /// What was assumed or left out, one sentence each.
    pub notes: Vec<String>,
}

impl Facts {
    /// Returns the rows of W_E: those of the operands, and of '=' if the model has it.
    pub fn tokens(&self) -> usize {
        let separator = matches!(&self.body, Body::Transformer(sizes) if sizes.separator);
        self.modulus + usize::from(separator)
    }
}

/// A model.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// All tensors under the names and in the layout of checkpoints, biases that are zero included.
    pub tensors: Vec<Tensor>,
    /// The output for '=', if the file has one: it is not a part of the model here.
    pub separator: Option<Separator>,
}

impl Model {
    /// Multiplies the queries, so that scores divided by √d_head are those of another scale.
    pub fn scale_queries(&mut self, factor: f64) {
        for tensor in &mut self.tensors {
            if [".attn.W_Q", ".attn.b_Q"]
                .iter()
                .any(|end| tensor.name.ends_with(end))
            {
                let scaled = |x: &f32| (f64::from(*x) * factor) as f32;
                tensor.data = tensor.data.iter().map(scaled).collect();
            }
        }
    }
}
