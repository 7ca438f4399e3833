//! Lion: the sign of a moving average (Chen et al. 2023).

use serde::{Deserialize, Serialize};

use super::recipe::{RecipeError, share};
use super::{Coefficients, ElementRule, MAX_SLOTS};
use crate::interpret::Real;

/// `w ← (1 − η λ) w − η sign(β₁ m + (1 − β₁) g); m ← β₂ m + (1 − β₂) g`, and sign(0) = 0.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lion {
    /// β₁ and β₂.
    pub betas: [f64; 2],
}

impl ElementRule for Lion {
    /// Returns the name of m.
    fn slots(&self) -> &'static [&'static str] {
        &["momentum"]
    }

    fn formula(&self) -> u32 {
        6
    }

    fn check(&self) -> Result<(), RecipeError> {
        self.betas
            .into_iter()
            .try_for_each(|beta| share("a beta", beta))
    }

    /// Returns 1 − η λ, η, β₁, 1 − β₁, β₂, 1 − β₂.
    fn coefficients(&self, rate: f64, decay: f64, _step: u64) -> Coefficients<f64> {
        let [beta1, beta2] = self.betas;
        [
            1.0 - rate * decay,
            rate,
            beta1,
            1.0 - beta1,
            beta2,
            1.0 - beta2,
            0.0,
            0.0,
        ]
    }

    fn update<T: Real>(
        &self,
        c: &Coefficients<T>,
        weight: T,
        gradient: T,
        slots: &mut [T; MAX_SLOTS],
    ) -> T {
        let [keep, rate, beta1, fresh1, beta2, fresh2, ..] = *c;
        let direction = beta1 * slots[0] + fresh1 * gradient;
        slots[0] = beta2 * slots[0] + fresh2 * gradient;
        let sign = if direction > T::ZERO {
            T::ONE
        } else if direction < T::ZERO {
            -T::ONE
        } else {
            // The sign of zero is 0. A number that is not one stays, so that the failure stays
            // visible.
            direction
        };
        keep * weight - rate * sign
    }
}
