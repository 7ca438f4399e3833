//! Defines the inputs and outputs of every executor: cells (data, recipe, weights), rows of metrics
//! and states; and the folded program with its shape, its tables and the reference that executors
//! are compared with.
//!
//! Knows no device, no thread and no kernel: `runner/cpu` and `runner/engine` own those.

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
pub use executor::{CellInput, EpochRow, Evaluation, Executor, Staged, initial_state, moments};
pub use init::{InitScheme, initial_parameters};
pub use operations::Operations;
pub use program::{Program, Stage, Table};
pub use recorded::{ProgramCell, RecordedCell};
pub use schedule::{Recipe, StepCoefficients};
pub use shape::{Activation, Parameter, Shape};
