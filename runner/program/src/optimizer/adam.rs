//! Adam with weight decay added to the gradient (Kingma and Ba 2015; torch's `Adam`).

use serde::{Deserialize, Serialize};

use super::{AdamW, Coefficients, MAX_SLOTS};
use crate::interpret::Real;

/// `g ← g + λ w`, then as [`AdamW`] without decay.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Adam {
    /// β₁ and β₂.
    pub betas: [f64; 2],
    /// ε.
    pub epsilon: f64,
}

impl Adam {
    /// m and v.
    pub const SLOTS: &'static [&'static str] = AdamW::SLOTS;

    /// Returns those of AdamW without decay, and λ at the end.
    pub(super) fn coefficients(&self, rate: f64, decay: f64, step: u64) -> Coefficients<f64> {
        let decoupled = AdamW {
            betas: self.betas,
            epsilon: self.epsilon,
        };
        let mut coefficients = decoupled.coefficients(rate, 0.0, step);
        coefficients[7] = decay;
        coefficients
    }

    pub(super) fn update<T: Real>(
        c: &Coefficients<T>,
        weight: T,
        gradient: T,
        slots: &mut [T; MAX_SLOTS],
    ) -> T {
        AdamW::update(c, weight, gradient + c[7] * weight, slots)
    }
}
