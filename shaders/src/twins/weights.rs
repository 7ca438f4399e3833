//! Computes `rows`, `adamw`, and the activations of `activation.inc.wgsl`.

/// Computes rows: `embed (p + 1, d)`, `pos (3, d)` → x `(2p + 1, d)`, xd `(2p, d)`.
pub fn rows(embed: &[f64], pos: &[f64]) -> [Vec<f64>; 2] {
    let d = pos.len() / 3;
    let p = embed.len() / d - 1;
    let row = |token: usize, position: usize| {
        (0..d).map(move |k| embed[token * d + k] + pos[position * d + k])
    };
    let tokens = (0..2 * p).flat_map(|t| row(t % p, t / p));
    let x: Vec<f64> = tokens.chain(row(p, 2)).collect();
    let (first, eq) = x.split_at(2 * p * d);
    let xd = first
        .iter()
        .enumerate()
        .map(|(i, x)| x - eq[i % d])
        .collect();
    [x, xd]
}

/// The coefficients of one step.
#[derive(Clone, Copy, Debug)]
pub struct AdamW {
    /// 1 − η λ
    pub decay: f64,
    /// η / (1 − β₁^t)
    pub rate: f64,
    /// 1 / √(1 − β₂^t)
    pub root: f64,
    /// ε
    pub epsilon: f64,
    /// β₁, β₂
    pub betas: [f64; 2],
}

/// Returns the weight and the moments of one entry after a step.
pub fn adamw(c: AdamW, gradient: f64, [weight, first, second]: [f64; 3]) -> [f64; 3] {
    let [b1, b2] = c.betas;
    let first = first + (1.0 - b1) * (gradient - first);
    let second = b2 * second + (1.0 - b2) * gradient * gradient;
    let weight = c.decay * weight - c.rate * first / (second.sqrt() * c.root + c.epsilon);
    [weight, first, second]
}

/// Returns erf by the formula of `activation.inc.wgsl`, in f64, within 3e-7 of the exact value.
#[expect(
    clippy::approx_constant,
    reason = "the fit's own coefficient, near 2/sqrt(pi) but not it"
)]
pub fn erf(x: f64) -> f64 {
    let x = x.clamp(-3.832_506_9, 3.832_506_9);
    let series = |c: &[f64]| c.iter().fold(0.0, |sum, c| sum * x * x + c);
    let top = series(&[
        2.290_506_6e-4,
        3.408_291e-3,
        5.095_569_5e-2,
        1.852_083_2e-1,
        1.128_379_1,
    ]);
    let bottom = [
        -1.179_160_3e-7,
        2.354_796_7e-5,
        1.017_962_5e-3,
        1.407_047e-2,
        1.109_850_5e-1,
    ];
    x * top / series(&[&bottom[..], &[4.974_692_5e-1, 1.0]].concat())
}

/// Returns the activation; kind 1 is ReLU, 2 is GELU.
pub fn activate(kind: u32, pre: f64) -> f64 {
    if kind == 1 {
        return pre.max(0.0);
    }
    pre * (0.5 + 0.5 * erf(pre * std::f64::consts::FRAC_1_SQRT_2))
}

/// Returns the gradient before an activation from the gradient after it; kind 1 is ReLU, 2 is GELU.
pub fn slope(kind: u32, pre: f64, gradient: f64) -> f64 {
    if kind == 1 {
        return if pre > 0.0 { gradient } else { 0.0 };
    }
    let normal = 0.5 + 0.5 * erf(pre * std::f64::consts::FRAC_1_SQRT_2);
    let density = (-0.5 * pre * pre).exp() / (2.0 * std::f64::consts::PI).sqrt();
    gradient * (normal + pre * density)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_tokens_at_positions() {
        let [x, xd] = rows(&[1.0, 2.0, 4.0], &[8.0, 16.0, 32.0]);
        assert_eq!(x, [9.0, 10.0, 17.0, 18.0, 36.0]);
        assert_eq!(xd, [9.0 - 36.0, 10.0 - 36.0, 17.0 - 36.0, 18.0 - 36.0]);
    }

    #[test]
    fn the_first_step_of_adamw_is_one_learning_rate() {
        let c = AdamW {
            decay: 1.0,
            rate: 1e-3 / 0.1,
            root: 1.0 / 0.02f64.sqrt(),
            epsilon: 0.0,
            betas: [0.9, 0.98],
        };
        let [weight, ..] = adamw(c, -3.0, [0.5, 0.0, 0.0]);
        assert!((weight - 0.501).abs() < 1e-12, "{weight}");
    }

    #[test]
    fn slopes_follow_the_activation() {
        assert_eq!((slope(1, 0.0, 2.0), slope(1, 0.1, 2.0)), (0.0, 2.0));
        for x in [-3.0, -0.5, 0.0, 1.0, 2.5] {
            let numeric = (activate(2, x + 1e-4) - activate(2, x - 1e-4)) / 2e-4;
            assert!((slope(2, x, 1.0) - numeric).abs() < 1e-5, "{x}");
        }
    }
}
