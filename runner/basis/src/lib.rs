//! Provides orthonormal bases of functions on the operands, in which a grokked model is analysed.
//!
//! - [`Basis`]: rows with names, in components; additive for Z/p, multiplicative characters for a
//!   prime p, matrix entries of irreducible representations for any other group; 1-D and 2-D
//!   transforms.
//! - [`GroupTable`]: a group by its table of products.
//! - [`LabelBasis`]: for any operation, functions of the label, orthonormal over the pairs.
//! - [`Space`]: the functions that belong to a component for an operation, over the pairs that
//!   count: basis, directions and terms in one; chooses by what the operation does, not by its
//!   name.
//! - [`Energies`]: how much of each neuron or logit is explained by each component, in either.
//! - [`gini`], [`effective_number`], [`participation`]: how few components carry a signal.
//! - [`vectorized`]: loops as wide as the processor allows, with the same result; [`product()`],
//!   [`product_at`], [`product_bt`]: matrix products of f32.
//! - [`gaussian`]: the control that every sparse-looking figure should be compared with.
//!
//! Knows nothing of models and files. Definitions: doc/definitions.md#bases.

mod basis;
mod cayley;
mod energies;
#[cfg(test)]
mod fixtures;
mod group;
mod irreducible;
mod kind;
mod labels;
mod names;
mod product;
mod space;
mod sparsity;
mod transform;

pub use basis::{Basis, Component, Row};
pub use cayley::{GroupTable, MOST_ELEMENTS};
pub use energies::{Energies, vectorized};
pub use group::{is_prime, primitive_root};
pub use kind::{BASES, BasisError, cyclic_places};
pub use labels::LabelBasis;
pub use product::{product, product_at, product_bt};
pub use pulp::{Simd, WithSimd};
pub use space::{Space, Wave};
pub use sparsity::{effective_number, gaussian, gini, participation};
