//! Amplifies the slow parts of the gradient: Grokfast (Lee et al. 2024).

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

/// `g ← g + λ · (mean of the last `window` gradients)`, this one included, once `window` gradients
/// have been seen.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct GrokfastMa {
    /// The number of gradients that are averaged.
    pub window: usize,
    /// λ.
    pub lambda: f64,
}

impl GrokfastEma {
    /// Returns the shares of the average and of the gradient in the new average, and λ, for the
    /// step numbered `step`, from 0.
    pub fn coefficients(&self, step: u64) -> [f64; 3] {
        if step == 0 {
            [0.0, 1.0, self.lambda]
        } else {
            [self.alpha, 1.0 - self.alpha, self.lambda]
        }
    }

    /// Changes gradients in the step numbered `step`, from 0.
    pub fn apply<T: Real>(&self, step: u64, gradient: &mut [T], average: &mut [T]) {
        let [old, fresh, lambda] = self.coefficients(step).map(T::from_f64);
        for (g, mean) in gradient.iter_mut().zip(average) {
            *mean = old * *mean + fresh * *g;
            *g += lambda * *mean;
        }
    }
}

impl GrokfastMa {
    /// Returns the row of the ring that takes the gradient of the step numbered `step`, from 0, and
    /// the factor of the sum of all rows; the factor is `None` while the ring is not full.
    pub fn place_and_factor(&self, step: u64) -> (usize, Option<f64>) {
        let window = self.window as u64;
        let factor = (step + 1 >= window).then(|| self.lambda / window as f64);
        ((step % window) as usize, factor)
    }

    /// Changes gradients in the step numbered `step`, from 0; `kept` is the ring of the last
    /// gradients.
    pub fn apply<T: Real>(&self, step: u64, gradient: &mut [T], kept: &mut [T]) {
        let len = gradient.len();
        let (row, factor) = self.place_and_factor(step);
        kept[row * len..(row + 1) * len].copy_from_slice(gradient);
        let Some(factor) = factor.map(T::from_f64) else {
            return;
        };
        for (i, g) in gradient.iter_mut().enumerate() {
            let sum = kept.iter().skip(i).step_by(len);
            *g += factor * sum.fold(T::ZERO, |sum, x| sum + *x);
        }
    }
}
