//! Computes the loss in `forward`, `metrics`, and the two functions of `exp.inc.wgsl`, which are
//! followed step by step in f32.

use super::Sample;

/// The loss of one pair, with its gradient.
#[derive(Clone, Debug, PartialEq)]
pub struct LossOutcome {
    /// −log softmax at the label
    pub loss: f64,
    /// whether the label is the first of the largest logits
    pub right: bool,
    /// `scale` times the gradient of the logits, `(p)`
    pub gradient: Vec<f64>,
}

/// Returns the loss of each pair from its `logits (pairs, p)`.
pub fn loss(samples: &[Sample], logits: &[f64], scale: f64) -> Vec<LossOutcome> {
    let p = logits.len() / samples.len().max(1);
    samples
        .iter()
        .zip(logits.chunks_exact(p))
        .map(|(sample, row)| {
            let y = sample[2] as usize;
            let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let e: Vec<f64> = row.iter().map(|l| (l - largest).exp()).collect();
            let others: f64 = e
                .iter()
                .enumerate()
                .filter(|(j, _)| *j != y)
                .map(|(_, e)| e)
                .sum();
            let total = others + e[y];
            let gradient =
                |(j, e): (usize, &f64)| scale * if j == y { -others } else { *e } / total;
            LossOutcome {
                loss: if row[y] == largest {
                    others.ln_1p()
                } else {
                    largest - row[y] + total.ln()
                },
                right: row.iter().position(|l| *l == largest) == Some(y),
                gradient: e.iter().enumerate().map(gradient).collect(),
            }
        })
        .collect()
}

/// Returns the sum of the losses and the number of correct answers of a part's pairs.
pub fn metrics(losses: &[f64], correct: &[f64]) -> [f64; 2] {
    [losses, correct].map(|of_pairs| of_pairs.iter().sum())
}

/// Returns e^x for x ≤ 0 as the kernels compute it, 0 below −60.
pub fn exp_accurate(x: f32) -> f32 {
    if x <= -60.0 {
        return 0.0;
    }
    let n = (x * std::f32::consts::LOG2_E).round_ties_even();
    let high = (x - n * 0.693_359_4).clamp(-1.0, 1.0);
    let r = (high + n * 2.121_944_4e-4).clamp(-1.0, 1.0);
    let mut y = 1.987_569_1e-4;
    for c in [
        1.398_199_9e-3,
        8.333_452e-3,
        4.166_579_6e-2,
        1.666_666_5e-1,
        0.5,
    ] {
        y = y * r + c;
    }
    let e = y * r * r + r + 1.0;
    e * f32::from_bits(((n as i32 + 127) << 23) as u32)
}

/// Returns log(1 + s) for s ≥ 0 as the kernels compute it.
pub fn log1p_accurate(s: f32) -> f32 {
    if s > 1.0 {
        return (1.0 + s).ln();
    }
    let z = s / (2.0 + s);
    let q = z * z;
    let mut y = 1.0 / 15.0;
    for c in [13.0, 11.0, 9.0, 7.0, 5.0, 3.0] {
        y = y * q + 1.0 / c;
    }
    2.0 * z * (1.0 + y * q)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ulps(got: f32, want: f64) -> f64 {
        (f64::from(got) - want).abs() / (want.abs() * f64::from(f32::EPSILON))
    }

    #[test]
    fn exp_and_log1p_keep_their_promise() {
        for i in 0..60_000 {
            let x = -(i as f32) * 1e-3;
            assert!(ulps(exp_accurate(x), f64::from(x).exp()) < 2.0, "{x}");
        }
        for i in -400..80 {
            let s = 1.1f32.powi(i);
            assert!(ulps(log1p_accurate(s), f64::from(s).ln_1p()) < 3.0, "{s}");
        }
        assert_eq!(
            (exp_accurate(0.0), exp_accurate(-61.0), log1p_accurate(0.0)),
            (1.0, 0.0, 0.0)
        );
    }

    #[test]
    fn gradients_sum_to_nothing_and_ties_go_to_the_first() {
        let logits = [0.0, 3.0, 3.0, 1.0, -1.0, 2.0];
        let outcomes = loss(&[[0, 0, 1], [0, 0, 1]], &logits, 0.5);
        assert!(outcomes[0].right && !outcomes[1].right);
        for outcome in &outcomes {
            assert!(outcome.gradient.iter().sum::<f64>().abs() < 1e-12);
        }
        assert!(
            (outcomes[1].loss - (1f64.exp() + (-1f64).exp() + 2f64.exp()).ln() - 1.0).abs() < 1e-12
        );
        assert_eq!(metrics(&[0.5, 0.25], &[1.0, 0.0]), [0.75, 1.0]);
    }
}
