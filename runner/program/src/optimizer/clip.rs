//! Clips gradients by the norm of all of them, as torch's `clip_grad_norm_` does.

use serde::{Deserialize, Serialize};

/// `g ← g · min(1, most / (‖g‖ + 1e-6))`, with the norm over all tensors.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Clip {
    /// The largest norm that is not shortened.
    pub most: f64,
}

impl Clip {
    /// Returns the factor for gradients of the norm `norm`.
    pub fn factor(&self, norm: f64) -> f64 {
        (self.most / (norm + 1e-6)).min(1.0)
    }
}
