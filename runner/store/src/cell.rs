//! The folder of one cell.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::config::CellConfig;
use crate::error::{TRAIN_AGAIN, WRITTEN_AGAIN};
use crate::owner::Owner;
use crate::tensors::{self, Contents, Entry};
use crate::{ErrorKind, Metrics, State, StoreError, atomic, regular, seal, table};

const CONFIG: &str = "config.json";
const SPLIT: &str = "split.safetensors";
pub(crate) const METRICS: &str = "metrics.parquet";
pub(crate) const STATE: &str = "state.safetensors";

/// The folder of one cell; made by [`crate::RunDir::cell`].
#[derive(Clone, Debug)]
pub struct CellDir {
    path: PathBuf,
    /// of what the cell means, where the caller knows it
    fingerprint: Option<String>,
}

impl CellDir {
    /// Makes the folder and the one for checkpoints, unless they are there. They are not synced: a
    /// sweep may have thousands, and a loss of power that takes an empty folder takes nothing.
    pub(crate) fn create(path: PathBuf) -> Result<CellDir, StoreError> {
        let checkpoints = path.join("checkpoints");
        fs::create_dir_all(&checkpoints)
            .map_err(|error| StoreError::io("cannot create the folder", &checkpoints, &error))?;
        Ok(CellDir::at(path))
    }

    /// A folder that is there already.
    pub(crate) fn at(path: PathBuf) -> CellDir {
        let fingerprint = None;
        CellDir { path, fingerprint }
    }

    /// The folder as that of a cell with this fingerprint: it stands in every file that is written,
    /// and files of a cell with another one are refused. Cells that train to the same weights, as
    /// far as each is trained, have the same.
    #[must_use]
    pub fn of(self, fingerprint: String) -> CellDir {
        CellDir {
            fingerprint: Some(fingerprint),
            ..self
        }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whose the files are that are written here.
    pub(crate) fn owner(&self) -> Owner {
        let name = self.path.file_name();
        Owner {
            cell: name.map(|name| name.to_string_lossy().into_owned()),
            fingerprint: self.fingerprint.clone(),
            epoch: None,
        }
    }

    /// Whose files are read here: where no caller knows the fingerprint, the one of `config.json`.
    /// If that cannot be used, whoever reads it tells.
    pub(crate) fn expected(&self) -> Owner {
        let owner = self.owner();
        if owner.fingerprint.is_some() {
            return owner;
        }
        let config = self.read_config_json().ok().flatten();
        Owner {
            fingerprint: config.and_then(|config| Owner::of_json(&config).fingerprint),
            ..owner
        }
    }

    /// Writes `config.json`: everything that is needed to rebuild the model and the data set.
    ///
    /// # Errors
    /// The disk is full or cannot be written.
    pub fn write_config(&self, config: &CellConfig) -> Result<(), StoreError> {
        let mut config = config.to_json();
        self.owner().put_into(&mut config);
        write_json(&self.path.join(CONFIG), &config)
    }

    /// Reads `config.json`; `None` if it is not there.
    ///
    /// # Errors
    /// The file is truncated, altered or another cell's, or cannot be read.
    pub fn read_config(&self) -> Result<Option<CellConfig>, StoreError> {
        let Some(value) = self.read_config_json()? else {
            return Ok(None);
        };
        let path = self.path.join(CONFIG);
        CellConfig::of_json(value)
            .map(Some)
            .map_err(|why| StoreError::altered(&path, why, WRITTEN_AGAIN))
    }

    /// Reads `config.json` as it is, with whose it is and its digest.
    ///
    /// # Errors
    /// Those of [`CellDir::read_config`], but for missing fields.
    pub fn read_config_json(&self) -> Result<Option<Value>, StoreError> {
        read_json(&self.path.join(CONFIG), &self.owner(), WRITTEN_AGAIN)
    }

    /// Writes `split.safetensors`: the pairs that are trained and tested on, as indices
    /// `a·modulus + b`, `train_indices` `(n_train)` and `test_indices` `(n_test)`, int64.
    ///
    /// # Errors
    /// The disk is full or cannot be written.
    pub fn write_split(&self, train: &[i64], test: &[i64]) -> Result<(), StoreError> {
        let part = |name: &'static str, indices| (name.into(), Entry::i64(indices));
        let entries = vec![part("train_indices", train), part("test_indices", test)];
        tensors::write(&self.path.join(SPLIT), entries, &self.owner().notes()).map(drop)
    }

    /// Reads `split.safetensors`: `[train_indices, test_indices]`; `None` if it is not there.
    ///
    /// # Errors
    /// The file is truncated, altered or another cell's, or cannot be read.
    pub fn read_split(&self) -> Result<Option<[Vec<i64>; 2]>, StoreError> {
        let parts = |contents: &Contents| {
            let parsed = contents.parse()?;
            Ok([parsed.i64("train_indices")?, parsed.i64("test_indices")?])
        };
        let path = self.path.join(SPLIT);
        let remedy =
            "restore the file; where the run was trained here, `grokrun SPEC` writes it again";
        read_tensors(&path, &self.expected(), remedy, parts)
    }

    /// Writes `metrics.parquet`.
    ///
    /// # Errors
    /// The disk is full or cannot be written.
    pub fn write_metrics(&self, metrics: &Metrics) -> Result<(), StoreError> {
        let notes = self.owner().notes();
        atomic::fill(&self.path.join(METRICS), |file| {
            table::history(file, metrics, notes)
        })
    }

    /// Reads `metrics.parquet`; `None` if it is not there.
    ///
    /// # Errors
    /// The file is truncated, altered or another cell's, has no digest, or cannot be read.
    pub fn read_metrics(&self) -> Result<Option<Metrics>, StoreError> {
        let path = self.path.join(METRICS);
        let failed = |error| StoreError::io("cannot read", &path, &error);
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(failed)?;
        let damaged = |why| StoreError::altered(&path, why, WRITTEN_AGAIN);
        if !seal::check_parquet(&bytes).map_err(damaged)? {
            let why = "it has no digest, as in a run of an older grokrun, or its end was changed";
            return Err(damaged(why.to_owned()));
        }
        let (metrics, notes) = table::read_history(file).map_err(damaged)?;
        Owner::of_notes(&notes.into_iter().collect())
            .is(&self.expected())
            .map_err(|why| StoreError::misplaced(&path, why, WRITTEN_AGAIN))?;
        Ok(Some(metrics))
    }

    /// Which of `config.json`, `split.safetensors` and `metrics.parquet` are missing, truncated,
    /// altered, another cell's or not of the state's history: they can be made again from the spec
    /// and the state. Files of an older grokrun are as good as they were then.
    ///
    /// # Errors
    /// One of them is there and cannot be read.
    pub fn undescribed(&self, history: &Metrics) -> Result<Vec<String>, StoreError> {
        let mut flaws = Vec::new();
        let mut look = |name: &str, read: Result<bool, StoreError>| match read {
            Ok(true) => Ok(()),
            Ok(false) => {
                flaws.push(format!("{} is missing", self.path.join(name).display()));
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::Altered => {
                flaws.push(error.to_string());
                Ok(())
            }
            Err(error) => Err(error),
        };
        look(CONFIG, self.read_config().map(|config| config.is_some()))?;
        look(SPLIT, self.read_split().map(|split| split.is_some()))?;
        let metrics = self.path.join(METRICS);
        if !self.knows_its_owner() {
            look(METRICS, Ok(metrics.exists()))?;
            return Ok(flaws);
        }
        let found = self.read_metrics();
        let behind = matches!(&found, Ok(Some(found)) if !found.is(history));
        look(METRICS, found.map(|metrics| metrics.is_some()))?;
        if behind {
            // A process was killed between the state and it.
            flaws.push(format!(
                "{} is not of the {} epochs of the state",
                metrics.display(),
                history.len()
            ));
        }
        Ok(flaws)
    }

    /// Writes `metrics.parquet` again where it is not of the state's history. One that is damaged,
    /// or an older grokrun's, stays as it is.
    pub(crate) fn renew_metrics(&self, history: &Metrics) -> Result<(), StoreError> {
        let found = match self.read_metrics() {
            Ok(found) if self.knows_its_owner() => found,
            _ => return Ok(()),
        };
        if found.is_some_and(|found| found.is(history)) {
            return Ok(());
        }
        match self.expected().fingerprint {
            Some(fingerprint) => self.clone().of(fingerprint).write_metrics(history),
            None => self.write_metrics(history),
        }
    }

    /// Whether the split says whose it is: it was then written with all that describes the cell, by
    /// a grokrun that puts digests into it.
    fn knows_its_owner(&self) -> bool {
        let split = tensors::read(&self.path.join(SPLIT));
        let notes = split.ok().and_then(Result::ok).map(|split| split.notes());
        notes.is_some_and(|notes| Owner::of_notes(&notes).cell.is_some())
    }

    /// Saves what the cell continues from, in the place of what was saved before.
    ///
    /// # Errors
    /// The disk is full or cannot be written (the earlier state is kept); a tensor's name begins
    /// with `grokrun.` or is used twice, or its shape does not fit its data.
    pub fn write_state(&self, state: &State<impl Borrow<Metrics>>) -> Result<(), StoreError> {
        state.write(&self.state(), &self.owner().at(state.epoch).notes())
    }

    /// Reads what the cell continues from; `None` if nothing was saved yet.
    ///
    /// # Errors
    /// The file is truncated, altered or another cell's, or cannot be read. It is left as it is:
    /// training again from the start is for the user to decide.
    pub fn read_state(&self) -> Result<Option<State>, StoreError> {
        read_tensors(&self.state(), &self.expected(), TRAIN_AGAIN, State::decode)
    }

    /// The history of the saved state; where that cannot be read, the one of `metrics.parquet`, and
    /// a word on it. Empty if there is neither.
    pub fn read_history(&self) -> (Metrics, Option<String>) {
        let error = match self.read_state() {
            Ok(state) => return (state.map(|state| state.metrics).unwrap_or_default(), None),
            Err(error) => error,
        };
        match self.read_metrics() {
            Ok(Some(metrics)) => {
                let word = format!(
                    "{error}; the {} epochs that are shown are those of {METRICS}",
                    metrics.len()
                );
                (metrics, Some(word))
            }
            Ok(None) => (
                Metrics::default(),
                Some(format!("{error}; there is no {METRICS}")),
            ),
            Err(other) => (Metrics::default(), Some(format!("{error}; {other}"))),
        }
    }

    /// The error for a state that is whole but not this cell's; `why` completes "it is damaged".
    pub fn foreign_state(&self, why: &str) -> StoreError {
        StoreError::altered(&self.state(), why, TRAIN_AGAIN)
    }

    fn state(&self) -> PathBuf {
        self.path.join(STATE)
    }

    /// Everything of the cell that is truncated, altered, missing or another cell's: all its files
    /// are read. What is not there because it was never written is not told of.
    pub fn verify(&self) -> Vec<StoreError> {
        let mut flaws: Vec<StoreError> = [
            self.read_config().map(drop),
            self.read_split().map(drop),
            self.read_state().map(drop),
        ]
        .into_iter()
        .filter_map(Result::err)
        .collect();
        if self.knows_its_owner() {
            flaws.extend(self.read_metrics().err());
        }
        match self.checkpoints() {
            Ok(epochs) => {
                let mut reader = self.checkpoint_reader();
                flaws.extend(epochs.into_iter().filter_map(|e| reader.read(e).err()));
            }
            Err(error) => flaws.push(error),
        }
        flaws.extend(self.verify_findings());
        flaws
    }
}

/// Writes a JSON file with its digest.
pub(crate) fn write_json(path: &Path, value: &impl serde::Serialize) -> Result<(), StoreError> {
    let text = seal::to_json(value).map_err(|error| tensors::unstorable(path, error))?;
    atomic::write(path, &text)
}

/// Reads a JSON file of `wanted`; `None` if it is not there. A file that says whose it is has a
/// digest too.
pub(crate) fn read_json(
    path: &Path,
    wanted: &Owner,
    remedy: &str,
) -> Result<Option<Value>, StoreError> {
    let text = match regular::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(StoreError::io("cannot read", path, &error)),
    };
    let value = seal::from_json(&text).and_then(|value| {
        let owned = Owner::of_json(&value).fingerprint.is_some();
        if owned && !seal::is_sealed_json(&text) {
            Err(seal::GONE.to_owned())
        } else {
            Ok(value)
        }
    });
    let value = value.map_err(|why| StoreError::altered(path, why, remedy))?;
    Owner::of_json(&value)
        .is(wanted)
        .map_err(|why| StoreError::misplaced(path, why, remedy))?;
    Ok(Some(value))
}

/// Reads a tensor file of `wanted` and decodes it; `None` if it is not there.
fn read_tensors<T>(
    path: &Path,
    wanted: &Owner,
    remedy: &str,
    decode: impl Fn(&Contents) -> Result<T, String>,
) -> Result<Option<T>, StoreError> {
    let contents = match tensors::read(path) {
        Ok(contents) => contents,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(StoreError::io("cannot read", path, &error)),
    };
    let damaged = |why: String| StoreError::altered(path, why, remedy);
    let contents = contents.map_err(damaged)?;
    check_owner(path, &contents.notes(), wanted, remedy)?;
    decode(&contents).map(Some).map_err(damaged)
}

/// Makes sure that a file with these notes is one of `wanted`.
pub(crate) fn check_owner(
    path: &Path,
    notes: &HashMap<String, String>,
    wanted: &Owner,
    remedy: &str,
) -> Result<(), StoreError> {
    Owner::of_notes(notes)
        .is(wanted)
        .map_err(|why| StoreError::misplaced(path, why, remedy))
}

#[cfg(test)]
mod tests;
