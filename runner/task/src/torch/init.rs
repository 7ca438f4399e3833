//! Reproduces torch's draws for whole tensors besides `normal_`: `uniform_`, `trunc_normal_`,
//! `bernoulli_`, and the widths that `torch.nn.init` gives them.
//!
//! Owns the rules that `rng2.json` pins. Knows nothing of a model.

use super::Generator;

/// Returns the bound of `nn.Linear`'s default weights, `kaiming_uniform_(a = √5)`: close to 1 /
/// √fan_in, and rounded as torch's Python code rounds it.
pub fn linear_bound(fan_in: usize) -> f64 {
    3f64.sqrt() * ((2.0_f64 / 6.0).sqrt() / (fan_in as f64).sqrt())
}

/// Returns the bound of `nn.Linear`'s default bias.
pub fn linear_bias_bound(fan_in: usize) -> f64 {
    1.0 / (fan_in as f64).sqrt()
}

/// Returns the standard deviation of `kaiming_normal_(nonlinearity = "relu")`.
pub fn kaiming_deviation(fan_in: usize) -> f64 {
    2f64.sqrt() / (fan_in as f64).sqrt()
}

/// Returns the bound of `xavier_uniform_`.
pub fn xavier_bound(fan_in: usize, fan_out: usize) -> f64 {
    3f64.sqrt() * xavier_deviation(fan_in, fan_out)
}

/// Returns the standard deviation of `xavier_normal_`.
pub fn xavier_deviation(fan_in: usize, fan_out: usize) -> f64 {
    (2.0 / (fan_in + fan_out) as f64).sqrt()
}

impl Generator {
    /// Does the same as `tensor.uniform_(low, high)` on a contiguous float32 tensor with the
    /// elements `out`: one word for each element, and one rounding.
    pub fn uniform(&mut self, out: &mut [f32], low: f64, high: f64) {
        let (low, high) = (low as f32, high as f32);
        out.fill_with(|| self.uniform_f32().mul_add(high - low, low));
    }

    /// Does the same as `trunc_normal_(tensor, 0, std, low, high)` in torch 2.15: draws whole
    /// tensors of normals until every element has been within the bounds once.
    ///
    /// For bounds that keep less than 0.3 of all draws torch uses another method, which is not
    /// reproduced.
    pub fn truncated_normal(&mut self, out: &mut [f32], std: f64, [low, high]: [f64; 2]) {
        let (low, high) = (low as f32, high as f32);
        let outside = |x: &f32| !(low..=high).contains(x);
        self.normal(out, 0.0, std);
        let mut again = vec![0.0; out.len()];
        while out.iter().any(outside) {
            self.normal(&mut again, 0.0, std);
            for (x, drawn) in out.iter_mut().zip(&again) {
                if outside(x) {
                    *x = *drawn;
                }
            }
        }
    }

    /// Draws one element of `tensor.bernoulli_(p)`, or of dropout, which keeps with p = 1 − rate.
    pub fn bernoulli(&mut self, p: f64) -> bool {
        self.uniform_f64() < p
    }

    /// Draws one element of `tensor.random_()` on int64.
    pub fn random(&mut self) -> i64 {
        // The remainder modulo 2^63 fits.
        (self.next_u64() & (i64::MAX as u64)) as i64
    }

    /// Returns the order of one epoch of `DataLoader(shuffle=True, generator=self)` over `count`
    /// samples. Draws a seed that is discarded, the order, and a permutation that is discarded.
    pub fn loader_order(&mut self, count: u32) -> Vec<u32> {
        self.random();
        let order = self.randperm(count);
        self.randperm(count);
        order
    }

    /// Returns the order of one epoch of `DataLoader(shuffle=True)` without a generator, where
    /// `self` is torch's own. Draws a seed that is discarded, and one that seeds the order.
    pub fn loader_order_by_seed(&mut self, count: u32) -> Vec<u32> {
        self.random();
        let seed = self.random();
        Generator::new(seed).randperm(count)
    }
}

#[cfg(test)]
mod tests;
