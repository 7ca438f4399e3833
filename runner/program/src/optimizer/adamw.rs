//! AdamW: Adam with decoupled weight decay (Loshchilov and Hutter 2019), in torch's order.

use serde::{Deserialize, Serialize};

use super::recipe::{RecipeError, adam};
use super::{Coefficients, ElementRule, MAX_SLOTS, seen};
use crate::interpret::Real;

/// `w ← (1 − η λ) w; m ← m + (1 − β₁)(g − m); v ← β₂ v + (1 − β₂) g²;
/// w ← w − η / (1 − β₁ᵗ) · m / (√v / √(1 − β₂ᵗ) + ε)`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct AdamW {
    /// β₁ and β₂.
    pub betas: [f64; 2],
    /// ε.
    pub epsilon: f64,
}

impl AdamW {
    /// The settings of the published experiment.
    pub const PUBLISHED: AdamW = AdamW {
        betas: [0.9, 0.98],
        epsilon: 1e-8,
    };
}

impl ElementRule for AdamW {
    /// Returns the names of m and v.
    fn slots(&self) -> &'static [&'static str] {
        &["first_moment", "second_moment"]
    }

    fn formula(&self) -> u32 {
        1
    }

    fn check(&self) -> Result<(), RecipeError> {
        adam(self.betas, self.epsilon)
    }

    /// Returns 1 − η λ, η / (1 − β₁ᵗ), 1 / √(1 − β₂ᵗ), ε, 1 − β₁, β₂, 1 − β₂.
    fn coefficients(&self, rate: f64, decay: f64, step: u64) -> Coefficients<f64> {
        let [beta1, beta2] = self.betas;
        [
            1.0 - rate * decay,
            rate / seen(beta1, step),
            1.0 / seen(beta2, step).sqrt(),
            self.epsilon,
            1.0 - beta1,
            beta2,
            1.0 - beta2,
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
        let [keep, rate, root, epsilon, fresh, beta2, fresh2, _] = *c;
        let [first, second] = slots;
        *first += fresh * (gradient - *first);
        *second = beta2 * *second + fresh2 * gradient * gradient;
        keep * weight - rate * (*first / (second.sqrt() * root + epsilon))
    }
}
