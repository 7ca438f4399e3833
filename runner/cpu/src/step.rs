//! Runs the step stage: AdamW in torch's order (decay, moments, update).

use grokrun_executor::StepCoefficients;
use pulp::Simd;
use rayon::prelude::*;

use crate::parallel::Bodies as _;

/// The number of entries that a task updates.
const PIECE: usize = 1 << 14;

/// Updates parameters and moments, which are all of one length.
pub(crate) fn step<S: Simd>(
    simd: S,
    c: StepCoefficients,
    gradient: &[f32],
    [parameters, first, second]: [&mut [f32]; 3],
    grain: usize,
) {
    parameters
        .par_chunks_mut(PIECE)
        .with_min_len(grain)
        .zip(first.par_chunks_mut(PIECE))
        .zip(second.par_chunks_mut(PIECE))
        .zip(gradient.par_chunks(PIECE))
        .each(&|(((parameters, first), second), gradient)| {
            vectorized!(simd, {
                let moments = first.iter_mut().zip(second);
                for ((w, (m, v)), g) in parameters.iter_mut().zip(moments).zip(gradient) {
                    *m += c.one_minus_beta1 * (g - *m);
                    *v = c.beta2 * *v + c.one_minus_beta2 * (g * g);
                    *w = c.decay * *w - c.rate * *m / (v.sqrt() * c.root + c.epsilon);
                }
            });
        });
}

#[cfg(test)]
mod tests {
    use super::*;
    use grokrun_executor::Recipe;
    use pulp::{Arch, WithSimd};

    struct Steps<'a>(&'a Recipe, &'a mut [f32], u64);

    impl WithSimd for Steps<'_> {
        type Output = ();
        fn with_simd<S: Simd>(self, simd: S) {
            let (mut m, mut v) = (vec![0.0; self.1.len()], vec![0.0; self.1.len()]);
            for (t, c) in self.0.coefficients(0..self.2).into_iter().enumerate() {
                let g: Vec<f32> = self
                    .1
                    .iter()
                    .map(|w| w * w + 0.1 * t as f32 - 0.3)
                    .collect();
                step(simd, c, &g, [&mut *self.1, &mut m, &mut v], 1);
            }
        }
    }

    #[test]
    fn follows_adamw_in_f64() {
        let recipe = Recipe {
            learning_rate: 1e-2,
            weight_decay: 0.5,
            betas: [0.9, 0.98],
            epsilon: 1e-8,
            warmup: 3,
        };
        let start = [1.0f32, -0.7, 0.02, 3.0];
        let mut got = start;
        Arch::new().dispatch(Steps(&recipe, &mut got, 20));
        for (got, start) in got.iter().zip(start) {
            let (mut w, mut m, mut v) = (f64::from(start), 0.0, 0.0);
            for t in 0..20 {
                let g = w * w + 0.1 * f64::from(t) - 0.3;
                let rate = 1e-2 * (f64::from(t) / 3.0).min(1.0);
                m = 0.9 * m + 0.1 * g;
                v = 0.98 * v + 0.02 * g * g;
                w -= rate * 0.5 * w;
                let corrected = (v / (1.0 - 0.98f64.powi(t + 1))).sqrt() + 1e-8;
                w -= rate / (1.0 - 0.9f64.powi(t + 1)) * m / corrected;
            }
            assert!((f64::from(*got) - w).abs() < 2e-6, "{got} {w}");
        }
    }
}
