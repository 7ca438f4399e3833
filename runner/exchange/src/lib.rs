//! Reads and writes the file formats of PyTorch, TransformerLens, numpy and experiment trackers.
//!
//! Owns the bytes of `.pth` (a zip archive of stored entries around a pickle), `.npz` and
//! `.safetensors` files, and what published grokking files look like: which tensors, in which
//! layout. Knows nothing of engines, run directories and command lines: it takes and returns
//! arrays with TransformerLens's names and shapes.
//!
//! - [`write_pth`], [`write_npz`], [`write_safetensors`]: whole or not at all, one checkpoint in
//!   memory at a time.
//! - [`write_csv`], [`write_tensorboard`], [`write_mlflow`]: curves and settings of many trainings,
//!   for a table or a tracker.
//! - [`Foreign`]: a file from elsewhere, or a folder of them; [`read_indices`]: a split alone.
//!   Nothing in it is executed: its pickle is read by a machine that knows a fixed list of names
//!   (`pickle::global`), and everything that is made of it is bounded by the length of the file.

#![forbid(unsafe_code)]

mod archive;
mod array;
mod error;
mod foreign;
mod indices;
mod layout;
mod names;
mod npz;
mod numpy;
mod output;
mod pickle;
mod pth;
mod safe;
mod shown;
mod sniff;
mod torch;
mod tracker;

pub use array::{Array, Numbers, state_dict};
pub use error::ExchangeError;
pub use foreign::{
    Biases, Conventions, Facts, Foreign, History, Kind, Mask, Model, OWN_CONFIG, Pattern, Recipe,
    Scale, Stated, Stop, Task,
};
pub use indices::{Indices, read_indices};
pub use layout::{Body, Dims, Layout, MlpSizes, Norm, Separator, TransformerSizes, laid_out};
pub use npz::write_npz;
pub use pth::{Experiment, write_pth, write_state_dict};
pub use safe::write_safetensors;
pub use tracker::{
    Curve, EventLog, Trial, new_folder, settings, write_csv, write_mlflow, write_tensorboard,
};

#[cfg(test)]
mod tests;
