//! Measures how few numbers carry a signal, and makes the noise to compare with
//! (doc/definitions.md#sparsity).

use grokrun_task::torch::Generator;

/// Returns the Gini coefficient of numbers that are not negative (Hurley and Rickard 2009): 0 if
/// all are equal, 1 − 1/N if one has everything; 0 if there are none or all are zero, NaN if one
/// is. Squaring the numbers first gives another, larger value: say whether they are norms or
/// squared norms.
pub fn gini(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (n, sum) = (sorted.len() as f64, sorted.iter().sum::<f64>());
    if sum == 0.0 || sorted.is_empty() {
        return 0.0;
    }
    let weighted: f64 = (1..)
        .zip(&sorted)
        .map(|(k, x)| x / sum * (n - f64::from(k) + 0.5))
        .sum();
    1.0 - 2.0 * weighted / n
}

/// Returns the inverse participation ratio Σ (x_i / ‖x‖)⁴: 1 if one number has everything, 1/N if
/// all are equal.
pub fn participation(values: &[f64]) -> f64 {
    let power = |n: i32| values.iter().map(|x| x.powi(n)).sum::<f64>();
    let squares = power(2);
    if squares == 0.0 {
        0.0
    } else {
        power(4) / (squares * squares)
    }
}

/// Returns (Σ x²)² / Σ x⁴, the effective number of values that are not zero; 0 if there are none.
pub fn effective_number(values: &[f64]) -> f64 {
    let ratio = participation(values);
    if ratio == 0.0 { 0.0 } else { 1.0 / ratio }
}

/// Returns `count` independent standard normal numbers, the same for a seed on every machine.
pub fn gaussian(seed: i64, count: usize) -> Vec<f32> {
    let mut out = vec![0.0; count];
    Generator::new(seed).normal(&mut out, 0.0, 1.0);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Basis;

    #[test]
    fn extremes_have_their_values() {
        assert_eq!(gini(&[2.0; 8]), 0.0);
        assert!((gini(&[0.0, 0.0, 0.0, 5.0]) - 0.75).abs() < 1e-12);
        assert_eq!((gini(&[]), gini(&[0.0; 3])), (0.0, 0.0));
        assert_eq!(effective_number(&[0.0, 3.0, 0.0]), 1.0);
        assert_eq!(effective_number(&[1.0; 6]), 6.0);
        assert_eq!((participation(&[]), effective_number(&[])), (0.0, 0.0));
        // The numbers of a model that has diverged are not flat.
        let broken = [1.0, f64::NAN];
        assert!(
            [
                gini(&broken),
                participation(&broken),
                effective_number(&broken)
            ]
            .iter()
            .all(|x| x.is_nan())
        );
    }

    /// Four planted frequencies and noise: the published controls give 0.62–0.63 in the right
    /// basis, 0.03 in the wrong one, and 0.024 for noise alone.
    #[test]
    fn planted_frequencies_are_sparse_in_their_basis_only() {
        let (p, d) = (113, 128);
        let bases = [Basis::additive(p), Basis::multiplicative(p).unwrap()];
        for (right, wrong) in [(0, 1), (1, 0)] {
            let mut w_e: Vec<f32> = gaussian(3, p * d).iter().map(|x| 0.05 * x).collect();
            for (i, k) in [2, 8, 47, 50].into_iter().enumerate() {
                for token in 0..p {
                    if let Some(angle) = bases[right].angle(k, token) {
                        for column in 0..16 {
                            let phase = f64::from(column) * 0.4;
                            let at = token * d + 16 * i + column as usize;
                            w_e[at] += (angle + phase).cos() as f32;
                        }
                    }
                }
            }
            let sparsity = |basis: &Basis| gini(&basis.norms(&basis.forward(&w_e)));
            assert!(sparsity(&bases[right]) > 0.6, "{}", sparsity(&bases[right]));
            assert!(sparsity(&bases[wrong]) < 0.1, "{}", sparsity(&bases[wrong]));
        }
        let noise = gaussian(4, p * d);
        let flat = gini(&bases[1].norms(&bases[1].forward(&noise)));
        assert!((flat - 0.024).abs() < 0.02, "{flat}");
    }
}
