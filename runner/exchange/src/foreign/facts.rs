//! Holds what is known of a foreign file, and a model of it.

use grokrun_store::Tensor;

use super::own::{Conventions, Task};
use super::settings::Scale;

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
    /// Width of the residual stream.
    pub d_model: usize,
    /// Attention heads.
    pub heads: usize,
    /// Whether the shapes, the settings or the user say how many heads there are.
    pub heads_known: bool,
    /// Whether the settings rule out layer norm, which the tensors may not show.
    pub no_norm: bool,
    /// The divisor of attention scores, if the file gives one.
    pub scale: Option<Scale>,
    /// Width of a head.
    pub d_head: usize,
    /// Neurons.
    pub d_mlp: usize,
    /// `relu` or `gelu`, if the file gives one.
    pub activation: Option<String>,
    /// The seed of the weights, if the file gives it.
    pub model_seed: Option<i64>,
    /// Whether b_in or b_out is not zero in some checkpoint.
    pub trained_biases: bool,
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

/// A model.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// The eleven tensors that can be trained, under TransformerLens's names and in its layout.
    pub tensors: Vec<Tensor>,
    /// The column of W_U for '=', if the file has one: it is not a part of the model here.
    pub separator: Option<Vec<f32>>,
}

impl Model {
    /// Multiplies the queries, so that scores divided by √d_head are those of another scale.
    pub fn scale_queries(&mut self, factor: f64) {
        for tensor in &mut self.tensors {
            if tensor.name == "blocks.0.attn.W_Q" {
                let scaled = |x: &f32| (f64::from(*x) * factor) as f32;
                tensor.data = tensor.data.iter().map(scaled).collect();
            }
        }
    }
}
