//! The algebraic tasks: which operation, over which pairs of residues, split how.
//!
//! - [`Operation`]: a named operation or an expression in `a` and `b`, with its domain.
//! - [`Group`]: a finite group by name, its elements in a published order.
//! - [`TableOperation`]: an operation given by its results.
//! - [`Dataset`]: every pair of the domain with its label, in the published order (`a` slow, `b`
//!   fast); [`Dataset::split`] cuts it as the published code does.
//! - [`Stream`]: which published code that is.
//! - [`torch::Generator`] and [`python::Random`]: the random numbers of torch and of Python, bit
//!   for bit and on every machine.
//!
//! This crate knows numbers only: no files, no devices, no model. Which tensor is initialised in
//! which order is the engine's.

mod dataset;
#[cfg(test)]
mod fixtures;
mod group;
mod operation;
pub mod python;
mod residues;
mod split;
mod stream;
mod table;
pub mod torch;

pub use dataset::Dataset;
pub use group::{ElementOrder, Group, MAX_ELEMENTS};
pub use operation::{Count, Evaluator, MAX_MODULUS, Operation, OperationError};
pub use split::{Split, SplitError};
pub use stream::Stream;
pub use table::{Place, TableError, TableOperation};
