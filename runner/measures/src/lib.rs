//! Measures what several analyses measure, so that a word means one thing in all of them.
//!
//! - [`Rows`]: which rows of a table over pairs, with their labels; [`Score`]: loss and accuracy of
//!   logits there, with and without bias correction ([`Shift`]); [`loss_of_row`], of one row.
//! - [`Spectrum`]: norms by frequency of W_E or W_L, and the rules for key frequencies
//!   ([`KeyRule`]).
//! - [`Circles`]: the tokens in the plane of each frequency of W_E; [`turns`]: their angles.
//! - [`space()`]: the basis of a task, with [`check_basis`] for the parameter that most analyses
//!   have; [`shown`], [`listed`], [`numbering`]: components as findings name them.
//! - [`Frames`], [`rounded`]: snapshots for figures that move, in bounded memory and few digits.
//! - [`Model`], [`Forward`]: the parameters by name, and the forward pass from them, folded, for
//!   models that an analysis changes; [`activate`], [`slope`]: a neuron's output and its slope.
//! - [`extremes`]: the largest and the smallest eigenvalue of an operator, by its products.
//! - [`Marginals`]: what one operand alone gives; [`Signs`]: how a label's place follows from those
//!   of the operands.
//! - [`testing`]: a model of a group that is right by construction.
//! - [`tokens`], [`unembedding`], [`neuron_logit_map`]: W_E, W_U and W_L of any architecture;
//!   [`product()`], [`product_at`], [`product_bt`]: matrix products of f32.
//!
//! Knows nothing of files and figures. Definitions: doc/definitions.md.

mod circles;
mod forward;
mod frames;
mod keys;
mod lanczos;
mod loss;
mod marginals;
mod model;
mod parts;
mod signs;
mod space;
pub mod testing;

pub use circles::{Circles, turns};
pub use forward::{Flow, FoldedHead, Forward, HeadMode};
pub use frames::{Frames, rounded};
pub use grokrun_basis::{product, product_at, product_bt};
pub use keys::{KeyRule, Spectrum, by_class};
pub use lanczos::{DIFFERENCE, Extremes, distance, extremes};
pub use loss::{Rows, Score, Shift, loss_of_row};
pub use marginals::Marginals;
pub use model::{Model, activate, slope};
pub use parts::{Tokens, neuron_logit_map, tokens, unembedding};
pub use signs::Signs;
pub use space::{check_basis, listed, numbering, shown, space};
