//! What every executor takes and gives: cells (data, recipe, weights), rows of metrics, states; and
//! the folded program with its shape, its tables and the oracle that they are compared with.
//!
//! Knows no device, no thread and no kernel: those are `runner/cpu`'s and `runner/engine`'s.

mod data;
mod error;
mod executor;
mod init;
mod operations;
mod program;
mod recorded;
pub mod reference;
mod schedule;
mod shape;

pub use data::{Pairs, Sample, TokenLists};
pub use error::EngineError;
pub use executor::{CellInput, EpochRow, Executor, Staged, initial_state, moments};
pub use init::{InitScheme, initial_parameters};
pub use operations::Operations;
pub use program::{Program, Stage, Table};
pub use recorded::{ProgramCell, RecordedCell};
pub use schedule::{Recipe, StepCoefficients};
pub use shape::{Activation, Parameter, Shape};
