//! Adam with weight decay added to the gradient (Kingma and Ba 2015; torch's `Adam`).

use serde::{Deserialize, Serialize};

use super::recipe::{RecipeError, adam};
use super::{AdamW, Coefficients, ElementRule, MAX_SLOTS};
use crate::interpret::Real;

/// `g ← g + λ w`, then the update of [`AdamW`] without decay.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Adam {
    /// β₁ and β₂.
    pub betas: [f64; 2],
    /// ε.
    pub epsilon: f64,
}

impl Adam {
    /// Returns AdamW with the same numbers, which is used without decay.
    fn decoupled(&self) -> AdamW {
        AdamW {
            betas: self.betas,
            epsilon: self.epsilon,
        }
    }
}

impl ElementRule for Adam {
    /// Returns the names of m and v.
    fn slots(&self) -> &'static [&'static str] {
        self.decoupled().slots()
    }

    fn formula(&self) -> u32 {
        2
    }

    fn check(&self) -> Result<(), RecipeError> {
        adam(self.betas, self.epsilon)
    }

    /// Returns the coefficients of AdamW without decay, with λ at the end.
    fn coefficients(&self, rate: f64, decay: f64, step: u64) -> Coefficients<f64> {
        let mut coefficients = self.decoupled().coefficients(rate, 0.0, step);
        coefficients[7] = decay;
        coefficients
    }

    fn update<T: Real>(
        &self,
        c: &Coefficients<T>,
        weight: T,
        gradient: T,
        slots: &mut [T; MAX_SLOTS],
    ) -> T {
        self.decoupled()
            .update(c, weight, gradient + c[7] * weight, slots)
    }
}
