//! Provides orthonormal bases of functions on residues, in which a grokked model is analysed.
//!
//! - [`Basis`]: additive for Z/p, multiplicative characters for a prime p; rows with names and
//!   frequencies, 1-D and 2-D transforms.
//! - [`LabelBasis`]: for any operation, functions of the label, orthonormal over the pairs.
//! - [`Space`]: the functions that belong to a frequency for an operation, over the pairs that
//!   count: basis, directions and terms in one.
//! - [`Energies`]: how much of each neuron or logit is explained by each frequency, in either.
//! - [`gini`], [`effective_number`], [`participation`]: how few frequencies carry a signal.
//! - [`vectorized`]: loops as wide as the processor allows, with the same result; [`product()`],
//!   [`product_at`], [`product_bt`]: matrix products of f32.
//! - [`gaussian`]: the control that every sparse-looking figure should be compared with.
//!
//! [`BasisKind::of`] chooses by what the operation does, not by its name. Knows nothing of
//! models and files. Definitions: doc/definitions.md#bases.

mod basis;
mod energies;
mod group;
mod kind;
mod labels;
mod product;
mod space;
mod sparsity;
mod transform;

pub use basis::{Basis, Row};
pub use energies::{Energies, vectorized};
pub use group::{is_prime, primitive_root};
pub use kind::{BasisError, BasisKind};
pub use labels::LabelBasis;
pub use product::{product, product_at, product_bt};
pub use pulp::{Simd, WithSimd};
pub use space::Space;
pub use sparsity::{effective_number, gaussian, gini, participation};
