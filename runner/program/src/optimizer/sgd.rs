//! Gradient descent with momentum, as in torch's `SGD`.

use serde::{Deserialize, Serialize};

use super::recipe::{RecipeError, check, share};
use super::{Coefficients, ElementRule, MAX_SLOTS};
use crate::interpret::Real;

/// `d = g + λ w; m ← d in the first step, then μ m + (1 − damping) d; w ← w − η m`, with Nesterov
/// `w ← w − η (d + μ m)`; without momentum `w ← w − η d`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sgd {
    /// μ; 0 keeps no slot.
    pub momentum: f64,
    /// The share of a new gradient that does not enter the momentum.
    pub dampening: f64,
    /// Whether the step uses Nesterov's momentum.
    pub nesterov: bool,
}

impl ElementRule for Sgd {
    fn slots(&self) -> &'static [&'static str] {
        if self.momentum == 0.0 {
            &[]
        } else {
            &["momentum"]
        }
    }

    fn formula(&self) -> u32 {
        match (self.momentum == 0.0, self.nesterov) {
            (true, _) => 3,
            (false, false) => 4,
            (false, true) => 5,
        }
    }

    fn check(&self) -> Result<(), RecipeError> {
        share("the momentum", self.momentum)?;
        let dampening = (0.0..=1.0).contains(&self.dampening);
        check("the dampening", self.dampening, dampening, "0 to 1")?;
        // As in torch, Nesterov's momentum needs a momentum without dampening.
        let ahead = !self.nesterov || (self.momentum > 0.0 && self.dampening == 0.0);
        let expected = "more than 0, without dampening, for Nesterov's form";
        check("the momentum", self.momentum, ahead, expected)
    }

    /// Returns η, λ, the shares of m and of d in the new m, and μ.
    fn coefficients(&self, rate: f64, decay: f64, step: u64) -> Coefficients<f64> {
        let (old, fresh) = if step == 0 {
            (0.0, 1.0)
        } else {
            (self.momentum, 1.0 - self.dampening)
        };
        [rate, decay, old, fresh, self.momentum, 0.0, 0.0, 0.0]
    }

    fn update<T: Real>(
        &self,
        c: &Coefficients<T>,
        weight: T,
        gradient: T,
        slots: &mut [T; MAX_SLOTS],
    ) -> T {
        let [rate, decay, old, fresh, momentum, ..] = *c;
        let d = gradient + decay * weight;
        if self.momentum == 0.0 {
            return weight - rate * d;
        }
        slots[0] = old * slots[0] + fresh * d;
        if self.nesterov {
            weight - rate * (d + momentum * slots[0])
        } else {
            weight - rate * slots[0]
        }
    }
}
