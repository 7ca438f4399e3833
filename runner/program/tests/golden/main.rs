//! Torch's own numbers (README.md beside this) against the interpreter.

mod case;
mod losses;
mod models;
mod optimizers;
mod published;
mod tensors;
mod trainings;

use tensors::{Tensors, apart, nan_max, path, sha256};
