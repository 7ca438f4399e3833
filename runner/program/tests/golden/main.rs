//! Compares the interpreter with torch's own numbers (see README.md in this folder).

mod case;
mod losses;
mod models;
mod optimizers;
mod published;
mod tensors;
mod trainings;

use tensors::{Tensors, apart, nan_max, path, sha256};
