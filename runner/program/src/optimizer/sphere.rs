//! The norm sphere: weights keep the norm of the first ones (Liu et al. 2022, Omnigrok).

use serde::{Deserialize, Serialize};

/// `w ← w · multiple · ‖w₀‖ / ‖w‖` after each step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sphere {
    /// The multiple of the first norm that is kept.
    pub multiple: f64,
    /// Whether each tensor keeps its own norm, or all together theirs.
    pub each: bool,
}

impl Sphere {
    /// Returns the factor for weights of a norm; weights that are all zero stay.
    pub fn factor(&self, first: f64, norm: f64) -> f64 {
        if norm > 0.0 {
            self.multiple * first / norm
        } else {
            1.0
        }
    }
}
