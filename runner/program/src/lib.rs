//! Models, optimizers and their programs, as data.
//!
//! - [`Architecture`]: what a model consists of; [`Parameters`]: its tensors;
//!   [`initial_parameters`]: how published code draws them.
//! - [`Program`]: tables and operations over them. [`plain()`] records the forward part of any
//!   architecture, [`train`] adds gradients ([`Program::differentiate`]) and updates ([`Recipe`]).
//!   [`folded()`] records the one layer that folds.
//! - [`Program::cost`], [`Program::memory`]: the operations and bytes of a program; [`Document`]:
//!   its form in a file.
//! - [`Interpreter`]: runs any program in f32 or f64, the reference of every executor.
//!
//! This crate knows no device, no thread and no file. It builds for wasm32.

mod activation;
mod adjoint;
mod architecture;
mod batches;
mod builder;
mod check;
mod cost;
#[cfg(test)]
mod examples;
mod folded;
mod init;
mod interpret;
mod loss;
mod op;
mod optimizer;
mod parameters;
mod plain;
mod program;
mod table;
mod wire;

pub use activation::{slope, value};
pub use adjoint::AdjointError;
pub use architecture::{
    Activation, Architecture, ArchitectureError, Attention, Bias, Block, Input, MAX_BLOCKS,
    MAX_HIDDEN, MAX_INPUTS, MAX_OPERANDS, Mask, Mlp, Model, Neurons, Norm, Pattern, Transformer,
};
pub use batches::{BatchError, Batches};
pub use check::ProgramError;
pub use cost::{Cost, Memory};
pub use folded::folded;
pub use init::{Init, InitError, initial_parameters};
pub use interpret::{Data, DataError, Interpreter, Real, Score};
pub use loss::{Loss, LossError, LossKind, Precision};
pub use op::{Factors, Moved, Op, Term, Write};
pub use optimizer::*;
pub use parameters::{Matrix, Parameter, Parameters, Role};
pub use plain::{RecordError, plain};
pub use program::{ModelState, Program, Samples, Slot, SlotInitial, Stage, StateError};
pub use table::{Extent, Part, Span, Table, TableId, View};
pub use wire::{Document, FORMAT, WireError};
