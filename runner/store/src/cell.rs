//! The folder of one cell.

use std::borrow::Borrow;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::tensors::{self, Contents, Entry};
use crate::{Metrics, State, StoreError, atomic, table};

/// The folder of one cell; made by [`crate::RunDir::cell`].
#[derive(Clone, Debug)]
pub struct CellDir {
    path: PathBuf,
}

impl CellDir {
    /// Makes the folder and the one for checkpoints, unless they are there. They are not synced: a
    /// sweep may have thousands, and a loss of power that takes an empty folder takes nothing.
    pub(crate) fn create(path: PathBuf) -> Result<CellDir, StoreError> {
        let checkpoints = path.join("checkpoints");
        fs::create_dir_all(&checkpoints)
            .map_err(|error| StoreError::io("cannot create the folder", &checkpoints, &error))?;
        Ok(CellDir { path })
    }

    /// A folder that is there already.
    pub(crate) fn at(path: PathBuf) -> CellDir {
        CellDir { path }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes `config.json`: everything that is needed to rebuild the model and the data set.
    ///
    /// # Errors
    /// The disk is full or cannot be written.
    pub fn write_config(&self, config: &Value) -> Result<(), StoreError> {
        atomic::write(
            &self.path.join("config.json"),
            format!("{config:#}\n").as_bytes(),
        )
    }

    /// Writes `split.safetensors`: the pairs that are trained and tested on, as indices
    /// `a·modulus + b`, `train_indices` `(n_train)` and `test_indices` `(n_test)`, int64.
    ///
    /// # Errors
    /// The disk is full or cannot be written.
    pub fn write_split(&self, train: &[i64], test: &[i64]) -> Result<(), StoreError> {
        let part = |name: &'static str, indices| (name.into(), Entry::i64(indices));
        let entries = vec![part("train_indices", train), part("test_indices", test)];
        tensors::write(&self.path.join("split.safetensors"), entries)
    }

    /// Reads `split.safetensors`: `[train_indices, test_indices]`; `None` if it is not there.
    ///
    /// # Errors
    /// The file is truncated or altered, or cannot be read.
    pub fn read_split(&self) -> Result<Option<[Vec<i64>; 2]>, StoreError> {
        let path = self.path.join("split.safetensors");
        let contents = match tensors::read(&path) {
            Ok(contents) => contents,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StoreError::io("cannot read", &path, &error)),
        };
        let parts = contents.and_then(|contents: Contents| {
            let parsed = contents.parse()?;
            Ok([parsed.i64("train_indices")?, parsed.i64("test_indices")?])
        });
        let remedy =
            "restore the file; where the run was trained here, `grokrun SPEC` writes it again";
        parts
            .map(Some)
            .map_err(|why| StoreError::altered(&path, why, remedy))
    }

    /// Writes `metrics.parquet`.
    ///
    /// # Errors
    /// The disk is full or cannot be written.
    pub fn write_metrics(&self, metrics: &Metrics) -> Result<(), StoreError> {
        let path = self.path.join("metrics.parquet");
        atomic::fill(&path, |file| table::history(file, metrics))
    }

    /// Whether `config.json`, `split.safetensors` and `metrics.parquet` are there.
    pub fn is_described(&self) -> bool {
        let files = ["config.json", "split.safetensors", "metrics.parquet"];
        let there = |name: &&str| fs::metadata(self.path.join(name)).is_ok_and(|m| m.len() > 0);
        files.iter().all(there)
    }

    /// Saves what the cell continues from, in the place of what was saved before.
    ///
    /// # Errors
    /// The disk is full or cannot be written (the earlier state is kept); a tensor's name begins
    /// with `grokrun.` or is used twice, or its shape does not fit its data.
    pub fn write_state(&self, state: &State<impl Borrow<Metrics>>) -> Result<(), StoreError> {
        state.write(&self.state())
    }

    /// Reads what the cell continues from; `None` if nothing was saved yet.
    ///
    /// # Errors
    /// The file is truncated or altered, or cannot be read. It is left as it is: training again
    /// from the start is for the user to decide.
    pub fn read_state(&self) -> Result<Option<State>, StoreError> {
        let path = self.state();
        let contents = match tensors::read(&path) {
            Ok(contents) => contents,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StoreError::io("cannot read", &path, &error)),
        };
        contents
            .and_then(|contents: Contents| State::decode(&contents))
            .map(Some)
            .map_err(|why| self.damaged_state(&why))
    }

    /// The error for a state that is whole but not this cell's; `why` completes "it is damaged".
    pub fn foreign_state(&self, why: &str) -> StoreError {
        self.damaged_state(why)
    }

    fn damaged_state(&self, why: &str) -> StoreError {
        let remedy = "delete the file to train this cell again from the start, or start the whole \
                      run over with --fresh";
        StoreError::altered(&self.state(), why, remedy)
    }

    fn state(&self) -> PathBuf {
        self.path.join("state.safetensors")
    }
}

#[cfg(test)]
mod tests;
