//! Computes in plain Rust what each kernel computes: a function with the kernel's name for one
//! replica, in f32 or f64. Loops follow the formula in the kernel's header, not its grid; sums run
//! in ascending order.
//!
//! The engine's tests, which have a device, compare the kernels with their twins in f64.

mod forward;
mod loss;
mod sums;
mod weights;

pub use forward::{Data, Forward, Passed, attend, forward, gather};
pub use loss::{LossOutcome, exp_accurate, log1p_accurate, loss, metrics};
pub use sums::{Segment, product, product_tiled, sums_of_parts, sums_of_rows};
pub use weights::{AdamW, activate, adamw, erf, rows, slope};

/// A pair and its label: a, b, class.
pub type Sample = [u32; 3];
