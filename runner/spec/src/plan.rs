//! Defines what a spec means: the cells of the experiment and everything that the cells share.
//!
//! A [`Plan`] is complete. Later code looks nothing up by name, and every value is in the range
//! that the spec's reference gives.

use std::sync::Arc;

use grokrun_program::{Architecture, Init, Recipe};
use grokrun_task::{Operation, Stream};
use serde_json::{Map, Value as Json};

use crate::claim::Claim;
pub use crate::model::{Biases, Model};
pub(crate) use crate::model::{Embeddings, Input, Kind};
pub use crate::noise::Noise;
pub use crate::sample::Sample;
pub use crate::settings::Settings;
pub(crate) use crate::spacing::Spacing;
pub use crate::start::Start;
use crate::stop::Stop;
pub use crate::train::Train;

/// An experiment, resolved: every default filled in, every axis multiplied out.
///
/// Only [`load`](crate::load) makes a plan. The cells are the full cross product of the values that
/// occur in them, or a sample of it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Plan {
    /// The run's name, which can name a folder on every system.
    pub name: String,
    /// The models to train: at least one, each with its own id. The operation varies slowest, then
    /// modulus, fraction, learning rate, weight decay, the other keys of model and training, data
    /// seed and model seed.
    pub cells: Vec<Cell>,
    /// The paths of the keys of `[data]`, `[model]` and `[train]` for which the spec gives a list,
    /// in the order of the keys: the axes that are neither learning rate nor weight decay.
    pub varied: Vec<&'static str>,
    /// How the cells were drawn, if they are not a cross product.
    pub sample: Option<Sample>,
    /// The number of epochs that every cell is trained for, at least 1.
    pub epochs: u64,
    /// After every so many epochs the test metrics are taken, at least 1.
    pub evaluate: u64,
    /// The rules that end a cell before the last epoch.
    pub stop: Stop,
    /// When and how weights are kept.
    pub checkpoints: Checkpoints,
    /// The analyses to run, in the order of the spec.
    pub analyses: Vec<AnalysisRequest>,
    /// The claims to evaluate, in the order of the spec.
    pub claims: Vec<Claim>,
}

/// One model trained on one task with one pair of seeds.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    /// A readable name that is also a folder's, as in `mul-p113-f0.3-d598-m999`: operation,
    /// modulus, fraction, data seed, model seed; then the learning rate (`lr`), the weight decay
    /// (`wd`) and the other keys if the spec varies them, and the stream if it is not `torch`.
    pub id: String,
    /// The function that is learned.
    pub operation: Operation,
    /// The modulus p, 2 to 65,535, or the number of elements of a group or a table. The operation
    /// is defined for this modulus.
    pub modulus: u32,
    /// The share of all pairs that is trained on, strictly between 0 and 1. With more than two
    /// operands a pair is a tuple, here and wherever pairs are counted.
    pub fraction: f64,
    /// The seed of the split.
    pub data_seed: i64,
    /// The seed of the initial weights.
    pub model_seed: i64,
    /// The random stream that splits the data and draws the weights.
    pub stream: Stream,
    /// The learning rate, above 0.
    pub learning_rate: f64,
    /// The weight decay, at least 0.
    pub weight_decay: f64,
    /// The other settings of the model and the training; cells with the same settings share them.
    pub settings: Arc<Settings>,
}

impl Cell {
    /// Returns the model.
    pub fn architecture(&self) -> Architecture {
        let mut architecture = self.settings.model.architecture(self.modulus as usize);
        architecture.operands = self.operation.operands();
        architecture
    }

    /// Returns how the model is trained.
    pub fn recipe(&self) -> Recipe {
        let train = &self.settings.train;
        Recipe {
            rule: train.rule,
            learning_rate: self.learning_rate,
            weight_decay: self.weight_decay,
            warmup: train.warmup,
            filters: train.filters.clone(),
            sphere: train.sphere,
            groups: train.groups.clone(),
        }
    }

    /// Returns how the weights are drawn. TransformerLens drew in another order before version
    /// 1.13, which is a stream of its own.
    pub fn init(&self) -> Init {
        match (self.settings.model.init, self.stream) {
            (Init::TransformerLens, Stream::TorchLegacy) => Init::TransformerLensLegacy,
            (init, _) => init,
        }
    }
}

/// How the training samples reach the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Batch {
    /// `full`: an epoch is one step on all training samples.
    Full,
    /// An epoch is a step on each minibatch, in the order of torch's `DataLoader`.
    Size {
        /// The number of samples of a minibatch, at least 1; the last minibatch of an epoch may be
        /// smaller.
        size: usize,
        /// The seed of the order of the samples.
        seed: i64,
    },
}

/// When and how weights are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoints {
    /// The epochs of the checkpoints, besides the first and the last.
    pub spacing: Spacing,
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
    /// `none`: files are not compressed.
    None,
    /// `lossless`: each checkpoint is packed relative to those before it.
    Lossless,
}

/// An analysis that the spec asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct AnalysisRequest {
    /// The analysis's name in the [`Catalog`](crate::Catalog).
    pub name: String,
    /// The number of epochs from one call to the next; 0 for the first and the last epoch only. The
    /// default is the analysis's own cadence, or that of the checkpoints.
    pub every: u64,
    /// The file of Python that it is in, as the spec writes the path; none for a plugin.
    pub python: Option<String>,
    /// The parameters, complete and checked.
    pub parameters: Map<String, Json>,
}
