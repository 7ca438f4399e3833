//! What a spec means: the cells of the experiment and everything they have in common.
//!
//! A [`Plan`] is complete. Nothing after it looks anything up by name, and every value is in the
//! range that the spec's reference gives for it.

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
/// Made by [`load`](crate::load) alone. The cells are the full cross product of the values that
/// occur in them, or a sample of it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Plan {
    /// The run's name; can name a folder on every system.
    pub name: String,
    /// The models to train: at least one, each with an id of its own. The operation varies
    /// slowest, then modulus, fraction, learning rate, weight decay, the other keys of model and
    /// training, data seed and model seed.
    pub cells: Vec<Cell>,
    /// The paths of the keys of `[data]`, `[model]` and `[train]` that the spec gives a list, in
    /// the order of the keys: the axes that are neither learning rate nor weight decay.
    pub varied: Vec<&'static str>,
    /// How the cells were drawn, where they are no cross product.
    pub sample: Option<Sample>,
    /// How many epochs every cell is trained for, at least 1.
    pub epochs: u64,
    /// What ends a cell before the last epoch.
    pub stop: Stop,
    /// When weights are kept.
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
    /// is defined for it.
    pub modulus: u32,
    /// The share of all pairs that is trained on, strictly between 0 and 1. With more operands than
    /// two a pair is a tuple, here and wherever pairs are counted.
    pub fraction: f64,
    /// The seed of the split.
    pub data_seed: i64,
    /// The seed of the initial weights.
    pub model_seed: i64,
    /// Whose random numbers split the data and draw the weights.
    pub stream: Stream,
    /// The learning rate, above 0.
    pub learning_rate: f64,
    /// The weight decay, at least 0.
    pub weight_decay: f64,
    /// What else its model and its training are; cells that have the same share it.
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

    /// Returns how the weights are drawn: TransformerLens had another order before its version
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
    /// `full`: an epoch is one step on all of them.
    Full,
    /// An epoch is a step on each minibatch, in the order of torch's `DataLoader`.
    Size {
        /// The samples of a minibatch, at least 1; the last one of an epoch may be smaller.
        size: usize,
        /// The seed of the order.
        seed: i64,
    },
}

/// When weights are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoints {
    /// At which epochs, besides the first and the last.
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
