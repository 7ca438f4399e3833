//! The folder of one cell.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::error::START_OVER;
use crate::tensors::{self, Contents, Entry};
use crate::{ErrorKind, Metrics, State, StoreError, Tensor, atomic, table};

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
        tensors::write(&self.path.join("split.safetensors"), &entries)
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
        let file = table::history(metrics).map_err(|error| {
            let message = format!("cannot write {}: {error}", path.display());
            StoreError::new(ErrorKind::Unstorable, &path, message)
        })?;
        atomic::write(&path, &file)
    }

    /// Writes the weights after `epoch` steps to `checkpoints/<epoch>.safetensors`.
    ///
    /// # Errors
    /// The disk is full or cannot be written; two tensors have one name, or a tensor's shape does
    /// not fit its data.
    pub fn write_checkpoint(&self, epoch: u64, tensors: &[Tensor]) -> Result<(), StoreError> {
        tensors::write(&self.checkpoint(epoch), &tensors::entries(tensors))
    }

    /// Reads a checkpoint; its tensors come in order of their names.
    ///
    /// # Errors
    /// There is no such checkpoint, it is truncated or altered, or it cannot be read.
    pub fn read_checkpoint(&self, epoch: u64) -> Result<Vec<Tensor>, StoreError> {
        let path = self.checkpoint(epoch);
        let contents = tensors::read(&path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => self.no_checkpoint(epoch),
            _ => StoreError::io("cannot read", &path, &error),
        })?;
        contents
            .and_then(|contents| contents.parse()?.tensors(None))
            .map_err(|why| StoreError::altered(&path, why, START_OVER))
    }

    /// The epochs of all checkpoints, ascending.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn checkpoints(&self) -> Result<Vec<u64>, StoreError> {
        let folder = self.path.join("checkpoints");
        let failed = |error| StoreError::io("cannot read the folder", &folder, &error);
        let mut epochs = Vec::new();
        for entry in fs::read_dir(&folder).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            epochs.extend(name.to_str().and_then(epoch_of));
        }
        epochs.sort_unstable();
        Ok(epochs)
    }

    /// Makes sure that no checkpoint was cut off or has grown: all of a cell have one length, the
    /// `tensors`'. Nothing is read; a digest is verified when a checkpoint is.
    ///
    /// # Errors
    /// The first of another length, or the folder cannot be read.
    pub fn check_lengths(&self, tensors: &[Tensor]) -> Result<(), StoreError> {
        let want = tensors::length(&tensors::entries(tensors));
        for epoch in self.checkpoints()? {
            let path = self.checkpoint(epoch);
            let found = fs::metadata(&path)
                .map_err(|error| StoreError::io("cannot read", &path, &error))?
                .len();
            if want.is_some_and(|want| want != found) {
                let why = format!(
                    "it is {found} bytes long and should be {}",
                    want.unwrap_or(0)
                );
                return Err(StoreError::altered(&path, why, START_OVER));
            }
        }
        Ok(())
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
    pub fn write_state(&self, state: &State) -> Result<(), StoreError> {
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

    fn no_checkpoint(&self, epoch: u64) -> StoreError {
        let path = self.checkpoint(epoch);
        let there = match self.checkpoints().as_deref() {
            Ok([]) => "there is none yet".to_owned(),
            Ok([only]) => format!("there is only that of epoch {only}"),
            Ok([first, .., last]) => format!("there are some from epoch {first} to {last}"),
            Err(error) => error.to_string(),
        };
        let message = format!("no checkpoint {}; {there}", path.display());
        StoreError::new(ErrorKind::Missing, &path, message)
    }

    fn state(&self) -> PathBuf {
        self.path.join("state.safetensors")
    }

    fn checkpoint(&self, epoch: u64) -> PathBuf {
        self.path.join("checkpoints").join(checkpoint_name(epoch))
    }
}

fn checkpoint_name(epoch: u64) -> String {
    format!("{epoch:08}.safetensors")
}

/// The reverse of [`checkpoint_name`].
fn epoch_of(name: &str) -> Option<u64> {
    let epoch = name.strip_suffix(".safetensors")?.parse().ok()?;
    (checkpoint_name(epoch) == name).then_some(epoch)
}

#[cfg(test)]
mod tests;
