//! A file from elsewhere as an experiment: checkpoints in TransformerLens' layout, and whatever the
//! file tells of its history, split and settings.
//!
//! Recognised (doc/published.md): a plain `state_dict`; the published dictionary (`model`,
//! `checkpoints`, `checkpoint_epochs`, losses, accuracies, indices); the paper's `full_run_data`
//! (`state_dicts`, `epochs`, losses); a `.safetensors` of one model.

mod beside;
mod contents;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use grokrun_store::Tensor;
use serde_json::Value as Json;

use self::beside::Config;
use self::contents::{Contents, contents};
use crate::ExchangeError;
use crate::layout::{self, Dims, Layout, Shapes};
use crate::pickle::TensorRef;
use crate::safe;
use crate::torch::TorchFile;

/// What kind of file it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One model.
    StateDict,
    /// The dictionary of the TransformerLens demo and its successors.
    Published,
    /// The paper's `full_run_data`.
    FullRun,
    /// One model as `.safetensors`.
    Safetensors,
}

/// Losses and accuracies, one an epoch, of equal lengths; NaN where the file has none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// Train losses, test losses, train accuracies, test accuracies, each `(epochs)`.
    pub columns: [Vec<f64>; 4],
}

/// What a file tells.
#[derive(Clone, Debug)]
pub struct Facts {
    /// What it is.
    pub kind: Kind,
    /// Its layout, in words.
    pub layout: &'static str,
    /// p
    pub modulus: usize,
    /// p or p + 1; the last column is not among the checkpoints' tensors then.
    pub outputs: usize,
    /// Width of the residual stream.
    pub d_model: usize,
    /// Attention heads.
    pub heads: usize,
    /// Width of a head.
    pub d_head: usize,
    /// Neurons.
    pub d_mlp: usize,
    /// `relu` or `gelu`, if it is told.
    pub activation: Option<String>,
    /// The seed of the weights, if it is told.
    pub model_seed: Option<i64>,
    /// Whether b_in or b_out is not zero in a checkpoint.
    pub trained_biases: bool,
    /// Steps taken at each checkpoint, ascending; empty if the file has one model and no epoch.
    pub epochs: Vec<u64>,
    /// Losses and accuracies, if there are any.
    pub history: Option<History>,
    /// Places of train and test pairs in the a-major list, as they are in the file.
    pub split: Option<[Vec<i64>; 2]>,
    /// The task, if grokrun itself wrote the file.
    pub task: Task,
    /// What was assumed or left out, one sentence each.
    pub notes: Vec<String>,
}

/// What grokrun's own `.safetensors` tell of the task.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Task {
    /// as in a spec
    pub operation: Option<String>,
    /// of all pairs
    pub fraction: Option<f64>,
    /// of the split
    pub data_seed: Option<i64>,
    /// whose random numbers
    pub stream: Option<String>,
}

/// A model.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// The eleven tensors that can be trained, under TransformerLens' names and in its layout.
    pub tensors: Vec<Tensor>,
}

/// An open file.
#[derive(Debug)]
pub struct Foreign {
    path: PathBuf,
    facts: Facts,
    layout: Layout,
    dims: Dims,
    source: Source,
}

#[derive(Debug)]
enum Source {
    Torch {
        file: Box<TorchFile>,
        models: Vec<BTreeMap<String, TensorRef>>,
    },
    Safe(Vec<Tensor>),
}

impl Foreign {
    /// Reads and recognises a file; `heads` is for those that do not tell.
    ///
    /// # Errors
    /// It cannot be read, is damaged, or is not what was expected: what was found instead.
    pub fn open(path: &Path, heads: Option<usize>) -> Result<Foreign, ExchangeError> {
        let is_safe = path
            .extension()
            .is_some_and(|e| e.eq_ignore_ascii_case("safetensors"));
        if is_safe {
            let (tensors, metadata) = safe::read(path)?;
            return Foreign::of_safetensors(path, tensors, &metadata, heads)
                .map_err(|error| error.of(path));
        }
        let file = TorchFile::open(path)?;
        Foreign::of_torch(path, file, heads).map_err(|error| error.of(path))
    }

    /// What the file tells.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// A check sum of the whole file, which tells it from another.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn checksum(&self) -> Result<u32, ExchangeError> {
        let failed = |error| ExchangeError::io("cannot read", &self.path, &error);
        let mut file = File::open(&self.path).map_err(failed)?;
        let mut hasher = crc32fast::Hasher::new();
        let mut part = vec![0; 1 << 20];
        loop {
            match file.read(&mut part).map_err(failed)? {
                0 => return Ok(hasher.finalize()),
                len => hasher.update(&part[..len]),
            }
        }
    }

    /// The number of checkpoints.
    pub fn len(&self) -> usize {
        match &self.source {
            Source::Torch { models, .. } => models.len(),
            Source::Safe(_) => 1,
        }
    }

    /// Never: a file without a model is refused.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads a checkpoint.
    ///
    /// # Errors
    /// Its numbers are damaged or not finite, or it has biases that the model here does not have.
    pub fn model(&mut self, index: usize) -> Result<Model, ExchangeError> {
        let read = |foreign: &mut Foreign| {
            let shapes = foreign.source.shapes(index);
            let (layout, dims) = (foreign.layout, foreign.dims);
            let source = &mut foreign.source;
            let tensors =
                layout::canonical(&shapes, layout, &dims, |name| source.read(index, name))?;
            let tensors = tensors.into_iter().map(|t| Tensor {
                name: t.name.to_owned(),
                shape: t.shape,
                data: t.data,
            });
            Ok(Model {
                tensors: tensors.collect(),
            })
        };
        read(self).map_err(|error: ExchangeError| error.of(&self.path))
    }

    fn of_safetensors(
        path: &Path,
        tensors: Vec<Tensor>,
        metadata: &BTreeMap<String, String>,
        heads: Option<usize>,
    ) -> Result<Foreign, ExchangeError> {
        let mut config = Config::default();
        let json = |key: &str| match metadata.get(key) {
            Some(text) => serde_json::from_str::<Json>(text)
                .map(Some)
                .map_err(|error| ExchangeError::refused(format!("its {key} is no JSON: {error}"))),
            None => Ok(None),
        };
        let task = match json("grokrun_config")? {
            Some(own) => Task {
                operation: own["task"]["operation"].as_str().map(str::to_owned),
                fraction: own["task"]["fraction"].as_f64(),
                data_seed: own["seeds"]["data"].as_i64(),
                stream: own["seeds"]["stream"].as_str().map(str::to_owned),
            },
            None => Task::default(),
        };
        if let Some(json) = json("hooked_transformer_config")? {
            config.activation = json["act_fn"].as_str().map(str::to_owned);
            config.heads = json["n_heads"]
                .as_u64()
                .and_then(|h| usize::try_from(h).ok());
            config.seed = json["seed"].as_i64();
        }
        let epoch = metadata.get("epoch").and_then(|epoch| epoch.parse().ok());
        let source = Source::Safe(tensors);
        Foreign::assemble(
            path,
            Kind::Safetensors,
            source,
            &config,
            heads,
            |facts, _| {
                facts.epochs = epoch.into_iter().collect();
                facts.task = task;
                Ok(())
            },
        )
    }

    fn of_torch(
        path: &Path,
        mut file: TorchFile,
        heads: Option<usize>,
    ) -> Result<Foreign, ExchangeError> {
        let found = contents(&mut file)?;
        let Contents {
            kind,
            models,
            config,
            epochs,
            notes,
            history,
            split,
        } = found;
        let source = Source::Torch {
            file: Box::new(file),
            models,
        };
        Foreign::assemble(path, kind, source, &config, heads, |facts, _| {
            facts.epochs = epochs;
            facts.history = history;
            facts.split = split;
            facts.notes.extend(notes);
            Ok(())
        })
    }

    fn assemble(
        path: &Path,
        kind: Kind,
        source: Source,
        config: &Config,
        heads: Option<usize>,
        fill: impl FnOnce(&mut Facts, &Source) -> Result<(), ExchangeError>,
    ) -> Result<Foreign, ExchangeError> {
        let first = source.shapes(0);
        let (layout, dims) = layout::recognise(&first, config.heads.or(heads))?;
        for index in 1..source.len() {
            layout::check(&source.shapes(index), layout, &dims)
                .map_err(|error| ExchangeError::refused(format!("checkpoint {index}: {error}")))?;
        }
        let mut notes = Vec::new();
        if layout == Layout::Native && config.heads.or(heads).is_none() {
            notes.push("the file does not tell the number of heads: 4 are assumed".to_owned());
        }
        if dims.outputs > dims.modulus {
            notes.push(format!(
                "the model has {} outputs: the last one, for '=', is left out, as the published analyses do",
                dims.outputs
            ));
        }
        let mut facts = Facts {
            kind,
            layout: layout.words(),
            modulus: dims.modulus,
            outputs: dims.outputs,
            d_model: dims.d_model,
            heads: dims.heads,
            d_head: dims.d_head,
            d_mlp: dims.d_mlp,
            activation: config.activation.clone(),
            model_seed: config.seed,
            trained_biases: false,
            epochs: Vec::new(),
            history: None,
            split: None,
            task: Task::default(),
            notes,
        };
        fill(&mut facts, &source)?;
        let mut foreign = Foreign {
            path: path.to_owned(),
            facts,
            layout,
            dims,
            source,
        };
        foreign.facts.trained_biases = foreign.has_biases()?;
        Ok(foreign)
    }

    fn has_biases(&mut self) -> Result<bool, ExchangeError> {
        for index in 0..self.len() {
            let shapes = self.source.shapes(index);
            for name in layout::biases(self.layout) {
                if shapes.contains_key(name)
                    && self.source.read(index, name)?.iter().any(|x| *x != 0.0)
                {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }
}

impl Source {
    fn len(&self) -> usize {
        match self {
            Source::Torch { models, .. } => models.len(),
            Source::Safe(_) => 1,
        }
    }

    fn shapes(&self, index: usize) -> Shapes {
        match self {
            Source::Torch { models, .. } => models
                .get(index)
                .into_iter()
                .flatten()
                .map(|(name, tensor)| (name.clone(), tensor.shape.clone()))
                .collect(),
            Source::Safe(tensors) => tensors
                .iter()
                .map(|tensor| (tensor.name.clone(), tensor.shape.clone()))
                .collect(),
        }
    }

    /// The numbers of a tensor that is there; of one that is not, none.
    fn read(&mut self, index: usize, name: &str) -> Result<Vec<f32>, ExchangeError> {
        match self {
            Source::Torch { file, models } => {
                match models.get(index).and_then(|model| model.get(name)) {
                    Some(tensor) => {
                        let numbers = file.numbers(tensor)?;
                        Ok(numbers.into_iter().map(|x| x as f32).collect())
                    }
                    None => Ok(Vec::new()),
                }
            }
            Source::Safe(tensors) => {
                let tensor = tensors.iter().find(|tensor| tensor.name == name);
                Ok(tensor.map(|tensor| tensor.data.clone()).unwrap_or_default())
            }
        }
    }
}
