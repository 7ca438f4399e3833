//! Defines the tasks: which operation, over which tuples of operands, how split, how labelled.
//!
//! - [`Operation`]: a named operation or an expression in `a` to `e`, a [`Group`] or a
//!   [`TableOperation`], with its domain.
//! - [`Dataset`]: every tuple of the domain with its label, in the published order (`a` slow, the
//!   last operand fast); [`Dataset::split`] splits the tuples as the published code does.
//! - [`noisy_labels`]: training labels of which a share is redrawn.
//! - [`SparseParity`]: the parity of a few of many random bits.
//! - [`Stream`]: the published code whose random numbers a run follows.
//! - [`torch::Generator`] and [`python::Random`]: the random numbers of torch and of Python, bit
//!   for bit and on every machine.
//!
//! Knows numbers only: no files, no devices, no model. The program crate owns which tensor is
//! initialised in which order.

mod dataset;
#[cfg(test)]
mod fixtures;
mod group;
mod noise;
mod operation;
pub mod python;
mod residues;
mod sparse_parity;
mod split;
mod stream;
mod table;
pub mod torch;
mod tuple;

pub use dataset::Dataset;
pub use group::{ElementOrder, Group, MAX_ELEMENTS};
pub use noise::{NoiseError, noisy_labels, noisy_labels_drawn};
pub use operation::{
    Count, Domain, Evaluator, MAX_MODULUS, MAX_OPERANDS, MAX_TUPLES, Operation, OperationError,
};
pub use sparse_parity::{Bits, MAX_BITS, SparseParity, SparseParityError};
pub use split::{Split, SplitError};
pub use stream::Stream;
pub use table::{Place, TableError, TableOperation};
