//! `state.safetensors`: all that a cell continues from, in one file.
//!
//! Parameters, moments and the history lie in the same file, so they cannot disagree: what is
//! saved is one moment of the training. `metrics.parquet` is made from it.

use std::borrow::Borrow;
use std::path::Path;

use serde_json::Value;

use crate::tensors::{self, Contents, Entry};
use crate::{Metrics, StoreError, Tensor};

/// What this crate adds to a state begins so; the caller's tensors must not.
const RESERVED: &str = "grokrun.";
const EPOCH: &str = "grokrun.epoch";
const EXTRA: &str = "grokrun.extra";
const METRICS: &str = "grokrun.metrics.";

/// One moment of a cell's training. To be written, it may borrow its history.
#[derive(Clone, Debug, PartialEq)]
pub struct State<M = Metrics> {
    /// Steps taken.
    pub epoch: u64,
    /// Parameters and moments, under the caller's names; read back in order of the names.
    pub tensors: Vec<Tensor>,
    /// The history up to here.
    pub metrics: M,
    /// Whatever else the caller needs.
    pub extra: Value,
}

impl<M: Borrow<Metrics>> State<M> {
    /// Writes it with these notes in its header.
    pub(crate) fn write(&self, path: &Path, notes: &[(&str, String)]) -> Result<(), StoreError> {
        let unstorable = |why: String| tensors::unstorable(path, why);
        if let Some(tensor) = self.tensors.iter().find(|t| t.name.starts_with(RESERVED)) {
            return Err(unstorable(format!("the name {} is reserved", tensor.name)));
        }
        let epoch = i64::try_from(self.epoch)
            .map_err(|_| unstorable(format!("epoch {} is too large", self.epoch)))?;
        let mut entries = tensors::entries(&self.tensors);
        for (name, column) in Metrics::COLUMNS.iter().zip(self.metrics.borrow().columns()) {
            entries.push((format!("{METRICS}{name}").into(), Entry::f64(column)));
        }
        entries.push((EPOCH.into(), Entry::i64(&[epoch])));
        entries.push((EXTRA.into(), Entry::u8(self.extra.to_string().into_bytes())));
        tensors::write(path, entries, notes).map(drop)
    }
}

impl State {
    /// The state in a file; the error says in what it is not one.
    pub(crate) fn decode(contents: &Contents) -> Result<State, String> {
        let file = contents.parse()?;
        let epoch = match file.i64(EPOCH)?.as_slice() {
            &[epoch] => u64::try_from(epoch).map_err(|_| format!("its epoch is {epoch}"))?,
            other => return Err(format!("it has {} epochs; expected 1", other.len())),
        };
        let column = |name| file.f64(&format!("{METRICS}{name}"));
        let [train_loss, test_loss, train_accuracy, test_accuracy] = Metrics::COLUMNS;
        let metrics = Metrics::from_columns([
            column(train_loss)?,
            column(test_loss)?,
            column(train_accuracy)?,
            column(test_accuracy)?,
        ]);
        Ok(State {
            epoch,
            tensors: file.tensors(Some(RESERVED))?,
            metrics: metrics.ok_or("the columns of its history are of different lengths")?,
            extra: serde_json::from_slice(&file.u8(EXTRA)?)
                .map_err(|error| format!("its tensor {EXTRA} is not JSON: {error}"))?,
        })
    }
}
