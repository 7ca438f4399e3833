//! Reads files of one model whole: `.safetensors` and `.npz`.

use std::collections::BTreeMap;
use std::path::Path;

use grokrun_store::Tensor;
use serde_json::Value as Json;

use super::history::history;
use super::numbers::{both, whole};
use super::own::{self, Own};
use super::settings::Settings;
use super::{Details, Kind};
use crate::error::refuse;
use crate::numpy::Npy;
use crate::shown::shown;
use crate::{ExchangeError, npz, safe};

/// A model with what the file has beside it.
pub(super) struct Single {
    pub(super) kind: Kind,
    pub(super) tensors: Vec<Tensor>,
    pub(super) details: Details,
}

fn json(key: &str, text: &str) -> Result<Json, ExchangeError> {
    serde_json::from_str(text)
        .map_err(|error| ExchangeError::refused(format!("its {key} is no JSON: {error}")))
}

/// Reads a `.safetensors` file; everything but the tensors is in its metadata.
pub(super) fn safetensors(path: &Path) -> Result<Single, ExchangeError> {
    let (tensors, metadata) = safe::read(path)?;
    let read = |key: &str| match metadata.get(key) {
        Some(text) => json(key, text).map(Some),
        None => Ok(None),
    };
    let of_ours = || {
        let mut details = Details::default();
        if let Some(settings) = read("hooked_transformer_config")? {
            details.settings = Settings::read(&settings)?;
        }
        if let Some(config) = read(own::KEY)? {
            details.own = Own::read(&config)?;
        }
        let part = |key: &str| match read(key)? {
            None => Ok(None),
            Some(list) => match serde_json::from_value(list) {
                Ok(list) => Ok(Some(list)),
                Err(_) => refuse(format!("its {key} are no list of places")),
            },
        };
        details.split = both(part("train_indices")?, part("test_indices")?)?;
        let epoch = metadata.get("epoch").and_then(|epoch| epoch.parse().ok());
        details.epochs = epoch.into_iter().collect();
        Ok(details)
    };
    Ok(Single {
        kind: Kind::Safetensors,
        tensors,
        details: of_ours().map_err(|error: ExchangeError| error.of(path))?,
    })
}

/// Reads an `.npz` file: tensors, history, split, and settings as texts.
pub(super) fn npz(path: &Path) -> Result<Single, ExchangeError> {
    let arrays = npz::read(path)?;
    of_arrays(arrays).map_err(|error| error.of(path))
}

/// The entries of an `.npz` file that are not tensors of a model.
const BESIDE: [&str; 11] = [
    "config",
    own::KEY,
    "epoch",
    "train_losses",
    "test_losses",
    "train_accs",
    "test_accs",
    "train_accuracies",
    "test_accuracies",
    "train_indices",
    "test_indices",
];

fn of_arrays(mut arrays: BTreeMap<String, Npy>) -> Result<Single, ExchangeError> {
    let mut beside = BTreeMap::new();
    for name in BESIDE {
        beside.extend(arrays.remove_entry(name));
    }
    let mut details = Details::default();
    let text = |name: &str| match beside.get(name) {
        Some(Npy::Text(text)) => json(name, text).map(Some),
        Some(Npy::Numbers { .. }) => refuse(format!("its {name} is no text")),
        None => Ok(None),
    };
    if let Some(settings) = text("config")? {
        details.settings = Settings::read(&settings)?;
    }
    if let Some(config) = text(own::KEY)? {
        details.own = Own::read(&config)?;
    }
    let numbers = |name: &str| match beside.get(name) {
        Some(Npy::Numbers { numbers, .. }) => Ok(Some(numbers.clone())),
        Some(Npy::Text(_)) => refuse(format!("its {name} are no numbers")),
        None => Ok(None),
    };
    details.history = history(numbers, &mut details.notes)?;
    let part = |name: &str| match numbers(name)? {
        None => Ok(None),
        Some(part) => {
            let places = part.into_iter().map(|x| whole(x).map(u64::cast_signed));
            match places.collect::<Option<Vec<i64>>>() {
                Some(part) => Ok(Some(part)),
                None => refuse(format!(
                    "its {name} are no places; expected whole numbers from 0 on"
                )),
            }
        }
    };
    details.split = both(part("train_indices")?, part("test_indices")?)?;
    let epoch = numbers("epoch")?.and_then(|epoch| epoch.first().copied().and_then(whole));
    let trained = details.history.as_ref().map(|h| h.columns[0].len() as u64);
    details.epochs = epoch.or(trained).into_iter().collect();
    let mut tensors = Vec::new();
    for (name, array) in arrays {
        match array {
            Npy::Numbers { shape, numbers } => tensors.push(Tensor {
                name,
                shape,
                data: numbers.into_iter().map(|x| x as f32).collect(),
            }),
            Npy::Text(_) => {
                return refuse(format!(
                    "its {} is a text; expected tensors, history, split and config",
                    shown(&name)
                ));
            }
        }
    }
    Ok(Single {
        kind: Kind::Npz,
        tensors,
        details,
    })
}
