//! What a spec means: the cells of the experiment and everything they have in common.
//!
//! A [`Plan`] is complete. Nothing after it looks anything up by name, and every value is in the
//! range that the spec's reference gives for it.

use grokrun_task::{Operation, Stream};
use serde_json::{Map, Value as Json};

/// An experiment, resolved: every default filled in, every axis multiplied out.
///
/// Made by [`load`](crate::load) alone. The cells are the full cross product of the values that
/// occur in them.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Plan {
    /// The run's name; can name a folder on every system.
    pub name: String,
    /// The models to train: at least one, each with an id of its own. The operation varies
    /// slowest, then modulus, fraction, learning rate, weight decay, data seed and model seed.
    pub cells: Vec<Cell>,
    /// The architecture of every cell.
    pub model: Model,
    /// The training of every cell.
    pub train: Train,
    /// When weights are kept.
    pub checkpoints: Checkpoints,
    /// The analyses to run, in the order of the spec.
    pub analyses: Vec<AnalysisRequest>,
}

/// One model trained on one task with one pair of seeds.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    /// A readable name that is also a folder's, as in `mul-p113-f0.3-d598-m999`: operation,
    /// modulus, fraction, data seed, model seed; then the learning rate (`lr`) and the weight
    /// decay (`wd`) if the spec varies them, and the stream if it is not `torch`.
    pub id: String,
    /// The function that is learned.
    pub operation: Operation,
    /// The modulus p, 2 to 65,535. The operation is defined for it.
    pub modulus: u32,
    /// The share of all pairs that is trained on, strictly between 0 and 1.
    pub fraction: f64,
    /// The seed of the split.
    pub data_seed: i64,
    /// The seed of the initial weights.
    pub model_seed: i64,
    /// Whose random numbers split the data and draw the weights.
    pub stream: Stream,
    /// AdamW's learning rate, above 0.
    pub learning_rate: f64,
    /// AdamW's decoupled weight decay, at least 0.
    pub weight_decay: f64,
}

/// A one-layer transformer without layer norm. All widths are at least 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    /// Attention heads.
    pub heads: usize,
    /// The width of the residual stream.
    pub d_model: usize,
    /// The width of each head.
    pub d_head: usize,
    /// The neurons of the MLP.
    pub d_mlp: usize,
    /// The MLP's activation function.
    pub activation: Activation,
    /// Whether there are biases.
    pub biases: Biases,
    /// How the initial weights are spread.
    pub init: Init,
}

/// The MLP's activation function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// `relu`: max(x, 0).
    Relu,
    /// `gelu`: x Φ(x), with Φ the normal distribution function.
    Gelu,
}

/// Which biases the model has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Biases {
    /// `frozen`: all are zero and stay so.
    Frozen,
    /// `trained`: the MLP's are trained, as in the code of the paper (Nanda et al. 2023).
    Trained,
}

/// The spread of the initial weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Init {
    /// `transformer-lens`: every weight with TransformerLens's one standard deviation.
    TransformerLens,
    /// `paper`: each tensor with its own, as in the code of the paper (Nanda et al. 2023).
    Paper,
}

/// AdamW on the full batch: one epoch is one step.
#[derive(Clone, Debug, PartialEq)]
pub struct Train {
    /// How many epochs, at least 1.
    pub epochs: u64,
    /// The decay rates of the first and the second moment, each in [0, 1), also as `f32`.
    pub betas: [f64; 2],
    /// What is added to the root of the second moment; above 0, also as `f32`.
    pub epsilon: f64,
    /// Over how many epochs the learning rate rises linearly; 0 for none.
    pub warmup: u64,
    /// When to stop before the last epoch.
    pub stop: Option<Stop>,
}

/// Stop once the test accuracy has been high enough for long enough.
#[derive(Clone, Debug, PartialEq)]
pub struct Stop {
    /// The accuracy that is high enough, above 0 and at most 1.
    pub test_accuracy: f64,
    /// For how many epochs in a row, at least 1.
    pub patience: u64,
}

/// When weights are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoints {
    /// Epochs from one checkpoint to the next; 0 for the first and the last only.
    pub every: u64,
    /// The number format of the files.
    pub precision: Precision,
    /// How the files are made smaller.
    pub compression: Compression,
}

/// The number format of checkpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// `f32`: the weights as they are.
    F32,
    /// `f16`: rounded to half the width, which is lossy.
    F16,
}

/// How checkpoints are made smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// `none`: plain files.
    None,
    /// `lossless`: each packed by those before it.
    Lossless,
}

/// An analysis that the spec asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct AnalysisRequest {
    /// The name under which the [`Catalog`](crate::Catalog) has it.
    pub name: String,
    /// Epochs from one call to the next; 0 for the first and the last only. Where the spec is
    /// silent, the analysis's own, or that of the checkpoints.
    pub every: u64,
    /// Its parameters, defaults included; checked.
    pub parameters: Map<String, Json>,
}
