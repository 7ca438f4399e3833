//! A file from elsewhere as an experiment: checkpoints in TransformerLens' layout, and whatever the
//! file tells of its history, split and settings.
//!
//! Recognised (science.md §1.1 to §1.4): a plain `state_dict`; the published dictionary (`model`,
//! `checkpoints`, `checkpoint_epochs`, losses, accuracies, indices); the paper's `full_run_data`
//! (`state_dicts`, `epochs`, losses); a `.safetensors` of one model.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use grokrun_store::Tensor;
use serde_json::Value as Json;

use crate::ExchangeError;
use crate::error::refuse;
use crate::layout::{self, Dims, Layout, Shapes};
use crate::pickle::{TensorRef, Value};
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

/// How many times the file's length its checkpoints may take: tensors may share their numbers, but
/// not without end.
const MOST_SHARING: u64 = 4;
/// How many times the file's length may be read: several tensors may be views of one storage.
const MOST_READING: u64 = 64;
/// The most entries of a `state_dict`; one layer has eighteen.
const MOST_TENSORS: usize = 64;

/// Settings of a file that matter here.
#[derive(Debug, Default)]
struct Config {
    activation: Option<String>,
    heads: Option<usize>,
    seed: Option<i64>,
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

/// What is found in a file of torch.
struct Contents {
    kind: Kind,
    models: Vec<BTreeMap<String, TensorRef>>,
    config: Config,
    epochs: Vec<u64>,
    notes: Vec<String>,
    history: Option<History>,
    split: Option<[Vec<i64>; 2]>,
}

fn contents(file: &mut TorchFile) -> Result<Contents, ExchangeError> {
    let root = file.pickle.root;
    let Some(entries) = file.pickle.entries(root)? else {
        return refuse(
            "it is no dictionary; expected a state_dict, or a dictionary with model or state_dicts",
        );
    };
    let entries: BTreeMap<String, Value> = entries
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect();
    let get = |keys: &[&str]| keys.iter().find_map(|key| entries.get(*key).copied());
    let mut notes = Vec::new();
    let config = match entries.get("config") {
        Some(config) => read_config(file, *config)?,
        None => Config::default(),
    };
    if let Some(list) = get(&["state_dicts"]) {
        let models = models(file, list)?;
        let epochs = match get(&["epochs"]).and_then(|value| whole(file, value)) {
            Some(epochs) if epochs.len() == models.len() => epochs,
            _ => {
                notes.push("the file has no epoch for each model: 0, 100, 200, … are assumed, as in the paper".to_owned());
                (0..models.len() as u64).map(|i| 100 * i).collect()
            }
        };
        let epochs = steps(epochs, &mut notes)?;
        return Ok(Contents {
            kind: Kind::FullRun,
            history: history(file, &entries, &mut notes)?,
            split: split(file, &entries)?,
            models,
            config,
            epochs,
            notes,
        });
    }
    let Some(one) = get(&["model", "state_dict", "model_state_dict"]) else {
        return Ok(Contents {
            kind: Kind::StateDict,
            models: vec![model(file, root)?],
            config,
            epochs: Vec::new(),
            notes,
            history: None,
            split: None,
        });
    };
    let last = model(file, one)?;
    let history = history(file, &entries, &mut notes)?;
    let split = split(file, &entries)?;
    let (mut models, mut epochs) = (Vec::new(), Vec::new());
    // The list may be empty: the model alone then.
    let empty = |list: &Value| file.pickle.items(*list).is_some_and(<[Value]>::is_empty);
    if let Some(list) = get(&["checkpoints"]).filter(|list| !empty(list)) {
        models = self::models(file, list)?;
        let told = get(&["checkpoint_epochs"]).and_then(|value| whole(file, value));
        epochs = match told {
            Some(epochs) if epochs.len() == models.len() => steps(epochs, &mut notes)?,
            Some(epochs) => {
                return refuse(format!(
                    "it has {} checkpoints and {} checkpoint_epochs; expected as many",
                    models.len(),
                    epochs.len()
                ));
            }
            None => return refuse("it has checkpoints without checkpoint_epochs"),
        };
    }
    let told = get(&["epoch"]).and_then(whole_number);
    let trained = history.as_ref().map(|h| h.columns[0].len() as u64).or(told);
    place_last(file, last, trained, &mut models, &mut epochs, &mut notes)?;
    Ok(Contents {
        kind: Kind::Published,
        models,
        config,
        epochs,
        notes,
        history,
        split,
    })
}

/// Puts the final model behind the checkpoints, unless it is the last of them.
fn place_last(
    file: &mut TorchFile,
    last: BTreeMap<String, TensorRef>,
    trained: Option<u64>,
    models: &mut Vec<BTreeMap<String, TensorRef>>,
    epochs: &mut Vec<u64>,
    notes: &mut Vec<String>,
) -> Result<(), ExchangeError> {
    let Some((before, epoch)) = models.last().zip(epochs.last().copied()) else {
        epochs.extend(trained);
        models.push(last);
        return Ok(());
    };
    let mut same = before.len() == last.len();
    for (name, tensor) in &last {
        let Some(other) = before.get(name) else {
            same = false;
            break;
        };
        same = same && other.shape == tensor.shape && {
            let [one, two] = [file.numbers(tensor)?, file.numbers(other)?];
            one.iter()
                .zip(&two)
                .all(|(a, b)| a.to_bits() == b.to_bits())
        };
    }
    if same {
        return Ok(());
    }
    let after = match trained {
        Some(trained) if trained > epoch => trained,
        _ => {
            notes.push(format!("the file does not tell the epoch of its model, which is not its last checkpoint: {} is assumed", epoch + 1));
            epoch + 1
        }
    };
    models.push(last);
    epochs.push(after);
    Ok(())
}

/// The tensors of a `state_dict`.
fn model(file: &TorchFile, value: Value) -> Result<BTreeMap<String, TensorRef>, ExchangeError> {
    if let Value::Dict(dict) = value
        && file.pickle.dicts[dict as usize].len() > MOST_TENSORS
    {
        return refuse(format!(
            "its model has more than {MOST_TENSORS} entries; expected the tensors of one layer"
        ));
    }
    let Some(entries) = file.pickle.entries(value)? else {
        return refuse(
            "its model is no state_dict; expected a dictionary of tensors: save model.state_dict()",
        );
    };
    let mut tensors = BTreeMap::new();
    for (name, value) in entries {
        let Value::Tensor(place) = value else {
            return refuse(format!(
                "its entry {} is no tensor; expected a state_dict, or a dictionary with model or state_dicts",
                layout::shortened(name)
            ));
        };
        tensors.insert(name.to_owned(), file.pickle.tensors[place as usize].clone());
    }
    Ok(tensors)
}

/// The most checkpoints of a file.
const MOST_MODELS: usize = 100_000;

fn models(
    file: &TorchFile,
    list: Value,
) -> Result<Vec<BTreeMap<String, TensorRef>>, ExchangeError> {
    let Some(items) = file.pickle.items(list) else {
        return refuse("its checkpoints are no list of state_dicts");
    };
    if items.is_empty() || items.len() > MOST_MODELS {
        return refuse(format!(
            "it has {} checkpoints; expected 1 to {MOST_MODELS}",
            items.len()
        ));
    }
    // A list may name one dictionary many times: what that would take is known before it is read.
    let (mut written, mut read) = (0u64, 0u64);
    let most = |times: u64| times.saturating_mul(file.len).saturating_add(1 << 20);
    let mut models = Vec::new();
    for item in items {
        let model = model(file, *item)?;
        for tensor in model.values() {
            let storage = tensor.storage;
            written = written.saturating_add(4 * tensor.len() as u64);
            read = read.saturating_add(storage.len.saturating_mul(storage.dtype.width() as u64));
        }
        if written > most(MOST_SHARING) || read > most(MOST_READING) {
            return refuse(format!(
                "its {} checkpoints share their numbers and would take far more than the {} bytes of the file; expected a storage of their own for each tensor",
                items.len(),
                file.len
            ));
        }
        models.push(model);
    }
    Ok(models)
}

fn whole_number(value: Value) -> Option<u64> {
    match value {
        Value::Int(x) => u64::try_from(x).ok(),
        _ => None,
    }
}

fn whole(file: &TorchFile, value: Value) -> Option<Vec<u64>> {
    file.pickle
        .items(value)?
        .iter()
        .map(|v| whole_number(*v))
        .collect()
}

/// Steps taken at each checkpoint. The demo names a checkpoint after the epoch whose step it was taken
/// after (99, 199, …): one less than the steps.
fn steps(mut epochs: Vec<u64>, notes: &mut Vec<String>) -> Result<Vec<u64>, ExchangeError> {
    if let Some(pair) = epochs.windows(2).find(|pair| pair[0] >= pair[1]) {
        return refuse(format!(
            "its checkpoints are of epoch {} and then {}; expected ascending epochs",
            pair[0], pair[1]
        ));
    }
    if epochs.last().is_some_and(|last| *last > 10_000_000_000) {
        return refuse("it has a checkpoint above epoch 10,000,000,000");
    }
    let gcd = |plus: u64| epochs.iter().fold(0, |g, e| gcd(g, e + plus));
    if epochs.len() > 1 && gcd(0) == 1 && gcd(1) > 1 {
        notes.push(format!(
            "checkpoints named {}, {}, … were taken after one step more, and are named after their steps: {}, {}, …",
            epochs[0],
            epochs[1],
            epochs[0] + 1,
            epochs[1] + 1
        ));
        epochs.iter_mut().for_each(|epoch| *epoch += 1);
    }
    Ok(epochs)
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

fn history(
    file: &mut TorchFile,
    entries: &BTreeMap<String, Value>,
    notes: &mut Vec<String>,
) -> Result<Option<History>, ExchangeError> {
    let names = [
        ("train_losses", "train_losses"),
        ("test_losses", "test_losses"),
        ("train_accs", "train_accuracies"),
        ("test_accs", "test_accuracies"),
    ];
    let mut columns: [Vec<f64>; 4] = Default::default();
    for ((name, other), column) in names.iter().zip(&mut columns) {
        let Some(value) = entries.get(*name).or_else(|| entries.get(*other)) else {
            continue;
        };
        *column = floats(file, name, *value)?;
        if let Some(odd) = column.iter().find(|x| !x.is_finite()) {
            return refuse(format!(
                "its {name} have {odd} in them; expected finite numbers"
            ));
        }
    }
    let epochs = columns[0].len();
    if epochs == 0 {
        return Ok(None);
    }
    for ((name, _), column) in names.iter().zip(&mut columns) {
        let found = column.len();
        if found == epochs {
            continue;
        }
        if found == 0 {
            notes.push(format!(
                "the file has no {name}: they are not a number (NaN)"
            ));
            *column = vec![f64::NAN; epochs];
            continue;
        }
        // The paper's test losses are those of every tenth epoch.
        let every = epochs.div_ceil(found);
        if found > epochs || (found - 1) * every >= epochs {
            return refuse(format!(
                "it has {found} {name} and {epochs} train_losses; expected as many, or one for every so many epochs"
            ));
        }
        notes.push(format!(
            "{name} are taken as those of every {every} epochs; between them they are not a number (NaN)"
        ));
        let mut filled = vec![f64::NAN; epochs];
        for (i, x) in column.iter().enumerate() {
            filled[i * every] = *x;
        }
        *column = filled;
    }
    Ok(Some(History { columns }))
}

fn floats(file: &mut TorchFile, name: &str, value: Value) -> Result<Vec<f64>, ExchangeError> {
    if let Value::Tensor(place) = value {
        let tensor = file.pickle.tensors[place as usize].clone();
        return file.numbers(&tensor);
    }
    let items = file.pickle.items(value).map(<[Value]>::to_vec);
    let one = |file: &mut TorchFile, value: &Value| match value {
        Value::Tensor(place) => {
            let tensor = file.pickle.tensors[*place as usize].clone();
            // A small storage: reading it once for each number must not take for ever.
            Ok(match (tensor.len(), tensor.storage.len) {
                (1, ..=16) => file.numbers(&tensor)?.first().copied(),
                _ => None,
            })
        }
        other => Ok(file.pickle.number(*other)),
    };
    let mut numbers = Vec::new();
    for item in items.iter().flatten() {
        numbers.extend(one(file, item)?);
    }
    match items {
        Some(items) if items.len() == numbers.len() => Ok(numbers),
        _ => refuse(format!("its {name} are no list of numbers")),
    }
}

fn split(
    file: &mut TorchFile,
    entries: &BTreeMap<String, Value>,
) -> Result<Option<[Vec<i64>; 2]>, ExchangeError> {
    let mut part = |name: &str| match entries.get(name) {
        None => Ok(None),
        Some(Value::Tensor(place)) => {
            let tensor = file.pickle.tensors[*place as usize].clone();
            file.integers(&tensor).map(Some)
        }
        Some(list) => match whole(file, *list) {
            Some(list) => Ok(Some(list.into_iter().map(u64::cast_signed).collect())),
            None => refuse(format!("its {name} are no tensor or list of integers")),
        },
    };
    let [train, test] = [part("train_indices")?, part("test_indices")?];
    match (train, test) {
        (Some(train), Some(test)) => Ok(Some([train, test])),
        (None, None) => Ok(None),
        _ => refuse(
            "it has train_indices or test_indices without the other; expected both or neither",
        ),
    }
}

fn read_config(file: &TorchFile, value: Value) -> Result<Config, ExchangeError> {
    let pickle = &file.pickle;
    let mut config = Config::default();
    for (key, value) in pickle.entries(value)?.unwrap_or_default() {
        let number = pickle.number(value);
        let expected = |wanted: &str, fits: bool| match fits {
            true => Ok(()),
            false => {
                let found = match pickle.text(value) {
                    Some(text) => layout::shortened(text),
                    None => format!("{value:?}"),
                };
                refuse(format!("its config has {key} = {found}; expected {wanted}"))
            }
        };
        match key {
            "n_layers" => expected("1", number == Some(1.0))?,
            "n_ctx" => expected("3: a, b and '='", number == Some(3.0))?,
            "normalization_type" => expected("None", value == Value::None)?,
            "positional_embedding_type" => {
                expected("standard", pickle.text(value) == Some("standard"))?;
            }
            "attn_only" => expected("False", value != Value::Bool(true))?,
            "use_attn_scale" => expected("True", value != Value::Bool(false))?,
            "act_fn" => {
                let known = ["relu", "gelu"];
                expected(
                    "relu or gelu",
                    pickle.text(value).is_some_and(|t| known.contains(&t)),
                )?;
                config.activation = pickle.text(value).map(str::to_owned);
            }
            "n_heads" => config.heads = whole_number(value).and_then(|h| usize::try_from(h).ok()),
            "seed" => {
                config.seed = match value {
                    Value::Int(seed) => Some(seed),
                    _ => None,
                }
            }
            _ => {}
        }
    }
    Ok(config)
}
