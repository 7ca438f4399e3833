//! What experiment trackers read: the curves of many trainings with what each was trained with.
//!
//! Owns three forms: a table ([`write_csv`]), TensorBoard's event files ([`write_tensorboard`]),
//! and the folders that MLflow keeps runs in ([`write_mlflow`]). Knows nothing of run directories:
//! it takes trials, one at a time.

mod csv;
mod mlflow;
mod protobuf;
mod records;
mod tensorboard;
#[cfg(test)]
mod tests;

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::ExchangeError;

pub use csv::write_csv;
pub use mlflow::write_mlflow;
pub use tensorboard::{EventLog, write_tensorboard};

/// One training: a cell of a sweep.
#[derive(Clone, Debug, Default)]
pub struct Trial {
    /// its name, one part of a path
    pub name: String,
    /// hexadecimal digits that no other trial has, 32 at least
    pub digits: String,
    /// what it was trained with, by name: texts, numbers, truth values or null
    pub settings: Vec<(String, Value)>,
    /// what came of it, by name; null where it did not come to that
    pub outcome: Vec<(String, Value)>,
    /// whether it was trained to its end
    pub finished: bool,
    /// how long its training took, where that is known
    pub seconds: Option<f64>,
    /// its curves
    pub curves: Vec<Curve>,
}

/// A number over the epochs of a training.
#[derive(Clone, Debug, Default)]
pub struct Curve {
    /// its name: `test_loss`, `progress-measures/restricted loss`
    pub name: String,
    /// the epochs at which it is known, in order
    pub epochs: Vec<u64>,
    /// its value at each
    pub values: Vec<f64>,
}

/// The settings of a cell by name, from its `config.json`: a key of the tables `task`, `seeds`,
/// `data`, `model`, `train` and `start`, with its table where two have one of this name. Seeds are
/// `data_seed` and `model_seed`; lists and tables are JSON texts. What follows from other settings
/// is left out. The Python package names them in the same way.
pub fn settings(config: &Value) -> Vec<(String, Value)> {
    const TABLES: [&str; 6] = ["task", "seeds", "data", "model", "train", "start"];
    const DERIVED: [&str; 6] = [
        "task.elements",
        "task.notation",
        "task.operands",
        "task.train_pairs",
        "task.test_pairs",
        "model.trained_parameters",
    ];
    let keys = TABLES.iter().flat_map(|table| {
        let fields = config[*table].as_object().into_iter().flatten();
        fields.map(move |(key, value)| (*table, key.as_str(), value))
    });
    let keys: Vec<_> = keys
        .filter(|(table, key, _)| !DERIVED.contains(&format!("{table}.{key}").as_str()))
        .collect();
    let named = keys.iter().map(|(table, key, value)| {
        let times = keys.iter().filter(|(_, other, _)| other == key).count();
        let name = match (*table, *key) {
            ("seeds", "data" | "model") => format!("{key}_seed"),
            (_, key) if times == 1 => key.to_owned(),
            (table, key) => format!("{table}.{key}"),
        };
        let value = match value {
            Value::Array(_) | Value::Object(_) => Value::String(value.to_string()),
            plain => (*plain).clone(),
        };
        (name, value)
    });
    named.collect()
}

/// Makes a folder that appears whole or not at all: `fill` writes into one beside it.
///
/// # Errors
/// Those of `fill`; if there is something of this name already, or the folder it is to be in cannot
/// be written.
fn folder<E: From<ExchangeError>>(
    path: &Path,
    fill: impl FnOnce(&Path) -> Result<(), E>,
) -> Result<(), E> {
    if path.exists() {
        return Err(E::from(taken(path)));
    }
    let failed = |error: &_| E::from(ExchangeError::io("cannot write", path, error));
    let parent = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let mut staged = tempfile::Builder::new();
    staged.prefix(".grokrun-").suffix(".tmp");
    let staged = staged.tempdir_in(parent).map_err(|e| failed(&e))?;
    // A folder inside, since the one that is removed in the end belongs to its owner alone.
    let inside = staged.path().join("folder");
    fs::create_dir(&inside).map_err(|e| failed(&e))?;
    fill(&inside)?;
    fs::rename(&inside, path).map_err(|e| failed(&e))
}

/// Makes a folder for files that grow, as [`EventLog`]'s do.
///
/// # Errors
/// If there is something of this name already, or it cannot be made.
pub fn new_folder(path: &Path) -> Result<(), ExchangeError> {
    fs::create_dir(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => taken(path),
        _ => ExchangeError::io("cannot make", path, &error),
    })
}

/// The refusal of an output that is there.
fn taken(path: &Path) -> ExchangeError {
    ExchangeError::refused(format!(
        "{} is there already; expected the name of a new folder",
        path.display()
    ))
}

/// Writes a file of such a folder, with the folders that it is in.
fn file(path: &Path, bytes: &[u8]) -> Result<(), ExchangeError> {
    let failed = |error| ExchangeError::io("cannot write", path, &error);
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(failed)?;
    }
    fs::write(path, bytes).map_err(failed)
}
