//! Grokfast: slow parts of the gradient are amplified (Lee et al. 2024).

use serde::{Deserialize, Serialize};

use crate::interpret::Real;

/// `μ ← g in the first step, then α μ + (1 − α) g; g ← g + λ μ`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct GrokfastEma {
    /// α.
    pub alpha: f64,
    /// λ.
    pub lambda: f64,
}

/// `g ← g + λ · mean of the last window gradients`, this one included, once there are so many.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct GrokfastMa {
    /// How many gradients are averaged.
    pub window: usize,
    /// λ.
    pub lambda: f64,
}

impl GrokfastEma {
    /// Changes gradients in the step numbered `step`, from 0.
    pub fn apply<T: Real>(&self, step: u64, gradient: &mut [T], average: &mut [T]) {
        let [old, fresh] = if step == 0 {
            [0.0, 1.0]
        } else {
            [self.alpha, 1.0 - self.alpha]
        };
        let [old, fresh, lambda] = [old, fresh, self.lambda].map(T::from_f64);
        for (g, mean) in gradient.iter_mut().zip(average) {
            *mean = old * *mean + fresh * *g;
            *g += lambda * *mean;
        }
    }
}

impl GrokfastMa {
    /// Changes gradients in the step numbered `step`, from 0; `kept` holds the last ones in a ring.
    pub fn apply<T: Real>(&self, step: u64, gradient: &mut [T], kept: &mut [T]) {
        let len = gradient.len();
        let place = (step % self.window as u64) as usize * len;
        kept[place..place + len].copy_from_slice(gradient);
        if step + 1 < self.window as u64 {
            return;
        }
        let factor = T::from_f64(self.lambda / self.window as f64);
        for (i, g) in gradient.iter_mut().enumerate() {
            let sum = kept.iter().skip(i).step_by(len);
            *g += factor * sum.fold(T::ZERO, |sum, x| sum + *x);
        }
    }
}
