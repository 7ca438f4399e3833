//! Finds which models a file of `torch.save` has, and of which epochs.

use std::collections::BTreeMap;

use super::history::history;
use super::numbers::{number, numbers, split, whole, wholes};
use super::own::{self, Own};
use super::settings::Settings;
use super::{Details, Kind};
use crate::ExchangeError;
use crate::error::refuse;
use crate::pickle::{TensorRef, Value};
use crate::shown::shown;
use crate::torch::TorchFile;

/// How many times the file's length its checkpoints may take: tensors may share their numbers, but
/// within bounds.
const MOST_SHARING: u64 = 4;
/// How many times the file's length may be read: several tensors may be views of one storage.
const MOST_READING: u64 = 64;
/// The most entries of a `state_dict`; four layers with norms have seventy.
const MOST_TENSORS: usize = 96;

/// The contents of a file of torch.
pub(super) struct Contents {
    pub(super) kind: Kind,
    pub(super) models: Vec<BTreeMap<String, TensorRef>>,
    pub(super) details: Details,
}

pub(super) fn contents(file: &mut TorchFile) -> Result<Contents, ExchangeError> {
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
    let mut details = Details::default();
    let one = get(&["model", "state_dict", "model_state_dict"]);
    let list = get(&["state_dicts"]);
    if one.is_none() && list.is_none() {
        return Ok(Contents {
            kind: Kind::StateDict,
            models: vec![model(file, root)?],
            details,
        });
    }
    if let Some(config) = get(&["config"]) {
        details.settings = Settings::read(&file.pickle.json(config)?)?;
    }
    if let Some(config) = get(&[own::KEY]) {
        details.own = Own::read(&file.pickle.json(config)?)?;
    }
    details.split = split(file, &entries)?;
    details.history = history(
        |name| match entries.get(name) {
            None => Ok(None),
            Some(value) => match numbers(file, *value)? {
                Some(column) => Ok(Some(column)),
                None => refuse(format!("its {name} are no list of numbers")),
            },
        },
        &mut details.notes,
    )?;
    if let Some(list) = list {
        let models = models(file, list)?;
        let epochs = match get(&["epochs"]) {
            Some(value) => wholes(file, value)?,
            None => None,
        };
        let epochs = match epochs {
            Some(epochs) if epochs.len() == models.len() => epochs,
            _ => {
                details.notes.push("the file has no epoch for each model: 0, 100, 200, … are assumed, as in the paper".to_owned());
                (0..models.len() as u64).map(|i| 100 * i).collect()
            }
        };
        details.epochs = steps(epochs, details.own.is, &mut details.notes)?;
        return Ok(Contents {
            kind: Kind::FullRun,
            models,
            details,
        });
    }
    let last = match one {
        Some(one) => model(file, one)?,
        None => return refuse("it has no model"),
    };
    let mut scalar = |key: &str| match entries.get(key) {
        Some(value) => number(file, *value),
        None => Ok(None),
    };
    // A history says more than the losses of one epoch.
    if details.history.is_none() {
        details.record = [scalar("train_loss")?, scalar("test_loss")?];
    }
    let epoch = scalar("epoch")?.and_then(whole);
    let mut models = Vec::new();
    // The list may be empty: then there is the model alone.
    let empty = |list: &Value| file.pickle.items(*list).is_some_and(<[Value]>::is_empty);
    if let Some(list) = get(&["checkpoints"]).filter(|list| !empty(list)) {
        models = self::models(file, list)?;
        let Some(value) = get(&["checkpoint_epochs"]) else {
            return refuse("it has checkpoints without checkpoint_epochs");
        };
        details.epochs = match wholes(file, value)? {
            Some(epochs) if epochs.len() == models.len() => {
                steps(epochs, details.own.is, &mut details.notes)?
            }
            Some(epochs) => {
                return refuse(format!(
                    "it has {} checkpoints and {} checkpoint_epochs; expected as many",
                    models.len(),
                    epochs.len()
                ));
            }
            None => {
                return refuse(
                    "its checkpoint_epochs are no list of epochs; expected whole numbers from 0 on",
                );
            }
        };
    }
    let trained = details.history.as_ref().map(|h| h.columns[0].len() as u64);
    place_last(file, last, trained.or(epoch), &mut models, &mut details)?;
    Ok(Contents {
        kind: Kind::Published,
        models,
        details,
    })
}

/// Adds the final model after the checkpoints, unless it is the last of them.
fn place_last(
    file: &mut TorchFile,
    last: BTreeMap<String, TensorRef>,
    trained: Option<u64>,
    models: &mut Vec<BTreeMap<String, TensorRef>>,
    details: &mut Details,
) -> Result<(), ExchangeError> {
    let Details { epochs, notes, .. } = details;
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

/// Returns the tensors of a `state_dict`.
fn model(file: &TorchFile, value: Value) -> Result<BTreeMap<String, TensorRef>, ExchangeError> {
    if let Value::Dict(dict) = value
        && file.pickle.dicts[dict as usize].len() > MOST_TENSORS
    {
        return refuse(format!(
            "its model has more than {MOST_TENSORS} entries; expected the tensors of one to four layers"
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
                shown(name)
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
    // A list may name one dictionary many times, so its total size is computed before it is read.
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

/// Returns the steps taken at each checkpoint. The demo names a checkpoint after the epoch whose
/// step preceded it (99, 199, …): one less than the steps. A file that grokrun wrote has steps.
pub(super) fn steps(
    mut epochs: Vec<u64>,
    ours: bool,
    notes: &mut Vec<String>,
) -> Result<Vec<u64>, ExchangeError> {
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
    if !ours && epochs.len() > 1 && gcd(0) == 1 && gcd(1) > 1 {
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
