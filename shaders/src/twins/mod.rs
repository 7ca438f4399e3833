//! What each kernel computes, in plain Rust: a function of the kernel's name for one replica, in
//! f32 or f64. Loops follow the formula in the kernel's header, not its grid; sums run in
//! ascending order.
//!
//! The kernels are compared with their twins in f64 by the engine's tests, which have a device.

mod attention;
mod loss;
mod sums;
mod weights;

pub use attention::{Data, attend, attend_grad, gather};
pub use loss::{LossOutcome, exp_accurate, log1p_accurate, loss, metrics};
pub use sums::{column_sums, product, row_sums};
pub use weights::{AdamW, adamw, embed_grad, erf, rows, slope, tick};

/// A pair and its label: a, b, class.
pub type Sample = [u32; 3];
