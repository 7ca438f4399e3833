//! Computes the coefficients of AdamW that change from step to step (learning rate with warm-up,
//! bias corrections) in f64. They are rounded once, so that both executors use the same bits.

use std::ops::Range;

use grokrun_program::Rule;

/// The settings that one cell is trained with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recipe {
    /// η
    pub learning_rate: f64,
    /// λ, decoupled: θ ← θ (1 − η λ)
    pub weight_decay: f64,
    /// β₁, β₂
    pub betas: [f64; 2],
    /// ε, added to the square root of the corrected second moment
    pub epsilon: f64,
    /// the number of epochs over which the learning rate rises linearly from 0: step t (from 0)
    /// uses η · min(t / warmup, 1), as the `LambdaLR` of the published code does; 0 means no
    /// warm-up
    pub warmup: u64,
}

/// The coefficients of one step, in the order of torch's AdamW:
/// θ ← decay θ; m ← m + (1 − β₁)(g − m); v ← β₂ v + (1 − β₂) g²;
/// θ ← θ − rate · m / (√v · root + ε).
#[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub struct StepCoefficients {
    /// 1 − η_t λ
    pub decay: f32,
    /// η_t / (1 − β₁^t)
    pub rate: f32,
    /// 1 / √(1 − β₂^t)
    pub root: f32,
    /// ε
    pub epsilon: f32,
    /// 1 − β₁
    pub one_minus_beta1: f32,
    /// β₂
    pub beta2: f32,
    /// 1 − β₂
    pub one_minus_beta2: f32,
    /// unused; makes the struct two vec4
    pub padding: f32,
}

impl Recipe {
    /// The recipe of the published experiment (doc/published.md#the-demo), which is the default of
    /// a spec.
    pub const PUBLISHED: Recipe = Recipe {
        learning_rate: 1e-3,
        weight_decay: 1.0,
        betas: [0.9, 0.98],
        epsilon: 1e-8,
        warmup: 0,
    };

    /// Returns the fused passes' form of a program's recipe: AdamW with the same settings for all
    /// parameters, without filters or projections. Returns `None` for any other recipe.
    pub fn of(recipe: &grokrun_program::Recipe) -> Option<Recipe> {
        let Rule::AdamW(rule) = recipe.rule else {
            return None;
        };
        let plain =
            recipe.filters.is_empty() && recipe.sphere.is_none() && recipe.groups.is_empty();
        plain.then_some(Recipe {
            learning_rate: recipe.learning_rate,
            weight_decay: recipe.weight_decay,
            betas: rule.betas,
            epsilon: rule.epsilon,
            warmup: recipe.warmup,
        })
    }

    /// Returns the coefficients of the steps numbered `steps` (from 0; step s updates the
    /// parameters in epoch s).
    pub fn coefficients(&self, steps: Range<u64>) -> Vec<StepCoefficients> {
        steps.map(|s| self.step(s)).collect()
    }

    fn step(&self, step: u64) -> StepCoefficients {
        let warm = if step < self.warmup {
            step as f64 / self.warmup as f64
        } else {
            1.0
        };
        let rate = self.learning_rate * warm;
        let [beta1, beta2] = self.betas;
        let power = |beta: f64| 1.0 - beta.powf((step + 1) as f64);
        StepCoefficients {
            decay: (1.0 - rate * self.weight_decay) as f32,
            rate: (rate / power(beta1)) as f32,
            root: (1.0 / power(beta2).sqrt()) as f32,
            epsilon: self.epsilon as f32,
            one_minus_beta1: (1.0 - beta1) as f32,
            beta2: beta2 as f32,
            one_minus_beta2: (1.0 - beta2) as f32,
            padding: 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PUBLISHED: Recipe = Recipe::PUBLISHED;

    #[test]
    fn the_first_step_undoes_the_bias_of_both_moments() {
        let first = PUBLISHED.coefficients(0..1)[0];
        assert_eq!(first.decay, 0.999);
        assert!((first.rate - 1e-2).abs() < 1e-9);
        assert!((first.root - 1.0 / 0.02f32.sqrt()).abs() < 1e-5);
    }

    #[test]
    fn corrections_vanish_and_chunks_join() {
        let late = PUBLISHED.coefficients(39_999..40_000)[0];
        assert_eq!((late.rate, late.root), (1e-3, 1.0));
        let whole = PUBLISHED.coefficients(0..20);
        let parts = [PUBLISHED.coefficients(0..7), PUBLISHED.coefficients(7..20)].concat();
        assert_eq!(whole, parts);
    }

    #[test]
    fn warm_up_starts_at_zero_and_reaches_the_rate() {
        let warm = Recipe {
            warmup: 10,
            ..PUBLISHED
        };
        let steps = warm.coefficients(0..11);
        assert_eq!((steps[0].rate, steps[0].decay), (0.0, 1.0));
        assert_eq!(steps[10], PUBLISHED.coefficients(10..11)[0]);
    }
}
