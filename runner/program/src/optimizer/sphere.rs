//! Keeps weights at the norm of the initial ones (Liu et al. 2022, Omnigrok).

use serde::{Deserialize, Serialize};

/// `w ← w · multiple · ‖w₀‖ / ‖w‖` after each step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sphere {
    /// The multiple of the initial norm that is kept.
    pub multiple: f64,
    /// Whether each tensor keeps its own norm, or the vector of all parameters keeps its norm.
    pub each: bool,
}

impl Sphere {
    /// Returns the factor for weights of the norm `norm`. Weights that are all zero keep their
    /// values.
    pub fn factor(&self, first: f64, norm: f64) -> f64 {
        if norm > 0.0 {
            self.multiple * first / norm
        } else {
            1.0
        }
    }
}
