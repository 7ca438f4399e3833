//! The loss of one pair and its gradient, as accurate as float64's (science §1.8): the label's
//! class is left out of the sum, so nothing cancels however small the loss.

use super::buffer::LINE;
use super::math::exp;
use super::vector::fold_lanes;

/// What one pair yields.
pub(crate) struct Scored {
    /// −log softmax(l)_y
    pub(crate) loss: f64,
    /// whether y is the first of the largest logits, as torch's argmax
    pub(crate) correct: bool,
}

/// Replaces a row of logits (`(padded p)`, −∞ beyond p) by `scale` · ∂loss/∂logits.
///
/// m = max l; S = Σ_{j≠y} e^{l_j − m}; Z = S + e^{l_y − m}; the loss is log1p(S) where l_y = m, else
/// (m − l_y) + log Z; the gradient is −S/Z at y and e^{l_j − m}/Z elsewhere.
#[inline(always)]
pub(crate) fn score(row: &mut [f32], label: usize, scale: f32) -> Scored {
    let mut top = [f32::NEG_INFINITY; LINE];
    for line in row.as_chunks::<LINE>().0 {
        for i in 0..LINE {
            top[i] = if line[i] > top[i] { line[i] } else { top[i] };
        }
    }
    let max = top
        .iter()
        .fold(f32::NEG_INFINITY, |m, x| if *x > m { *x } else { m });
    let own = row[label];
    // Ties are rare, and only they need the order of the classes.
    let largest = row.iter().filter(|x| **x == max).count();
    let correct = own == max && (largest == 1 || row[..label].iter().all(|x| *x < max));

    row[label] = f32::NEG_INFINITY;
    let mut sums = [0.0f32; LINE];
    for line in row.as_chunks_mut::<LINE>().0 {
        for i in 0..LINE {
            line[i] = exp(line[i] - max);
            sums[i] += line[i];
        }
    }
    let others = fold_lanes(sums);
    let mine = exp(own - max);
    let total = others + mine;
    let loss = if own == max {
        f64::from(others).ln_1p()
    } else {
        (f64::from(max) - f64::from(own)) + f64::from(total).ln()
    };

    let factor = scale / total;
    for x in row.iter_mut() {
        *x *= factor;
    }
    row[label] = -others * factor;
    Scored { loss, correct }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn padded(logits: &[f32]) -> Vec<f32> {
        let mut row = logits.to_vec();
        row.resize(logits.len().next_multiple_of(LINE), f32::NEG_INFINITY);
        row
    }

    /// −log softmax and its gradient in f64 on the same f32 logits, class y left out as well.
    fn reference(logits: &[f32], y: usize) -> (f64, Vec<f64>) {
        let own = f64::from(logits[y]);
        let ratios: Vec<f64> = logits.iter().map(|l| (f64::from(*l) - own).exp()).collect();
        let others: f64 = ratios
            .iter()
            .enumerate()
            .filter(|(j, _)| *j != y)
            .map(|(_, r)| r)
            .sum();
        let mut gradient: Vec<f64> = ratios.iter().map(|r| r / (1.0 + others)).collect();
        gradient[y] = -others / (1.0 + others);
        (others.ln_1p(), gradient)
    }

    #[test]
    fn agrees_with_f64_from_hopeless_to_certain() {
        for classes in [2, 15, 16, 17, 113] {
            for margin in [-40.0f32, -5.0, 0.5, 5.0, 15.0, 20.0, 28.0, 32.0] {
                let mut logits: Vec<f32> = (0..classes)
                    .map(|j| ((j * 37 % 101) as f32 / 50.5) - 1.0)
                    .collect();
                let y = classes / 2;
                logits[y] = margin;
                let (loss, gradient) = reference(&logits, y);
                let mut row = padded(&logits);
                let scored = score(&mut row, y, 1.0);
                assert!(
                    (scored.loss - loss).abs() <= 1e-6 * loss,
                    "{classes} {margin}: {} {loss}",
                    scored.loss
                );
                assert_eq!(
                    scored.correct,
                    margin > 1.0 || classes == 2 && margin > 0.0,
                    "{classes} {margin}"
                );
                for (got, want) in row.iter().zip(&gradient) {
                    assert!(
                        (f64::from(*got) - want).abs() <= 2e-6 * want.abs(),
                        "{got} {want}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_tie_goes_to_the_first_class_as_in_torch() {
        let logits = [0.0, 3.0, 3.0];
        assert!(score(&mut padded(&logits), 1, 1.0).correct);
        assert!(!score(&mut padded(&logits), 2, 1.0).correct);
    }

    #[test]
    fn a_logit_that_is_not_a_number_is_not_hidden() {
        assert!(!score(&mut padded(&[f32::NAN; 3]), 1, 1.0).loss.is_finite());
        assert!(
            !score(&mut padded(&[0.0, f32::NAN, 0.0]), 1, 1.0)
                .loss
                .is_finite()
        );
    }
}
