//! Computes the losses of a tile of pairs and their gradients, as accurately as in float64
//! (doc/model.md#loss). The label's class is left out of the sum, so nothing cancels however small
//! the loss is.

use grokrun_executor::Sample;

use super::buffer::LINE;
use super::math::{exp, ln_1p};
use super::vector::fold_lanes;
use super::{Score, TILE};

/// Returns the labels of samples, in their order.
#[inline(always)]
pub(crate) fn labels(samples: &[Sample]) -> impl Iterator<Item = usize> {
    samples.iter().map(|s| s.label as usize)
}

/// Returns the losses, −log softmax(l)_y, and the correct answers of at most [`TILE`] samples,
/// given their rows of logits (`(padded p)`, −∞ beyond p). An answer is correct if y is the first
/// of the largest logits, as for torch's argmax.
#[inline(always)]
pub(crate) fn score(logits: &[f32], width: usize, labels: impl Iterator<Item = usize>) -> Score {
    let mut found = Found::default();
    for (row, label) in logits.chunks_exact(width).zip(labels) {
        found.push(row, label, |_| ());
    }
    found.score()
}

/// Computes the same as [`score`]. `gradients`, with rows like those of `logits`, become `scale` ·
/// ∂loss/∂logits.
#[inline(always)]
pub(crate) fn score_and_gradients(
    logits: &[f32],
    width: usize,
    labels: impl Iterator<Item = usize>,
    scale: f32,
    gradients: &mut [f32],
) -> Score {
    let mut found = Found::default();
    let rows = logits.chunks_exact(width).zip(labels);
    for ((row, label), gradients) in rows.zip(gradients.chunks_exact_mut(width)) {
        let mut lines = gradients.as_chunks_mut::<LINE>().0.iter_mut();
        let sums = found.push(row, label, |line| {
            if let Some(out) = lines.next() {
                *out = *line;
            }
        });
        let factor = scale / sums.total;
        for x in gradients.iter_mut() {
            *x *= factor;
        }
        gradients[label] = -sums.others * factor;
    }
    found.score()
}

/// Gathers the arguments of the logarithms of a tile's losses, so that they are computed in
/// vectors.
struct Found {
    /// m − l_y of each sample
    behind: [f64; TILE],
    /// Σ_j e^{l_j − m} − 1
    excess: [f64; TILE],
    count: usize,
    correct: usize,
}

/// The sums of one row: S without the label's class, and Z with the label's class.
struct Sums {
    others: f32,
    total: f32,
}

impl Default for Found {
    fn default() -> Found {
        Found {
            behind: [0.0; TILE],
            excess: [0.0; TILE],
            count: 0,
            correct: 0,
        }
    }
}

/// Returns the larger number; a number that is not one is never the larger.
#[inline(always)]
fn larger(a: f32, b: f32) -> f32 {
    if b > a { b } else { a }
}

impl Found {
    /// Adds a row. `see` is called with e^{l_j − m} of one line of classes after another, 0 at the
    /// label.
    ///
    /// m = max l; S = Σ_{j≠y} e^{l_j − m}; Z = S + e^{l_y − m}; the loss is
    /// (m − l_y) + log1p(Z − 1), where Z − 1 is S itself if l_y = m; the gradient is −S/Z at y and
    /// e^{l_j − m}/Z elsewhere.
    #[inline(always)]
    fn push(&mut self, row: &[f32], label: usize, mut see: impl FnMut(&[f32; LINE])) -> Sums {
        let lines = row.as_chunks::<LINE>().0;
        let mut top = [f32::NEG_INFINITY; LINE];
        for line in lines {
            for i in 0..LINE {
                top[i] = larger(top[i], line[i]);
            }
        }
        let (max, own) = (fold_lanes(top, larger), row[label]);
        // Ties are rare, but the first class wins.
        let correct = own == max && row[..label].iter().all(|x| *x != max);
        let mut sums = [0.0f32; LINE];
        for (k, line) in lines.iter().enumerate() {
            let at = (label as u32).wrapping_sub((k * LINE) as u32);
            let mut powers = [0.0f32; LINE];
            for i in 0..LINE {
                let power = exp(line[i] - max);
                powers[i] = if i as u32 == at { 0.0 } else { power };
                sums[i] += powers[i];
            }
            see(&powers);
        }
        let others = fold_lanes(sums, |a, b| a + b);
        let mine = exp(own - max);
        let n = self.count;
        self.behind[n] = f64::from(max) - f64::from(own);
        self.excess[n] = if own == max {
            f64::from(others)
        } else {
            f64::from(others) + f64::from(mine) - 1.0
        };
        self.count += 1;
        self.correct += usize::from(correct);
        Sums {
            others,
            total: others + mine,
        }
    }

    #[inline(always)]
    fn score(self) -> Score {
        let mut losses = [0.0f64; TILE];
        let found = self.behind.iter().zip(&self.excess);
        for (loss, (behind, excess)) in losses.iter_mut().zip(found) {
            *loss = behind + ln_1p(*excess);
        }
        Score {
            loss: losses[..self.count].iter().sum(),
            correct: self.correct,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn padded(logits: &[f32]) -> Vec<f32> {
        let mut row = logits.to_vec();
        row.resize(logits.len().next_multiple_of(LINE), f32::NEG_INFINITY);
        row
    }

    /// Returns the loss of one row, whether the answer is correct, and the gradient.
    fn one(logits: &[f32], label: usize) -> (Score, Vec<f32>) {
        let row = padded(logits);
        let mut gradient = vec![9.0; row.len()];
        let with = score_and_gradients(&row, row.len(), std::iter::once(label), 1.0, &mut gradient);
        let without = score(&row, row.len(), std::iter::once(label));
        assert_eq!(with.loss.to_bits(), without.loss.to_bits());
        assert_eq!(with.correct, without.correct);
        (with, gradient)
    }

    /// Returns −log softmax and its gradient in f64 from the same f32 logits, with class y left out
    /// as well.
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
                let (scored, row) = one(&logits, y);
                assert!(
                    (scored.loss - loss).abs() <= 1e-6 * loss,
                    "{classes} {margin}: {} {loss}",
                    scored.loss
                );
                assert_eq!(
                    scored.correct == 1,
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
        assert_eq!(one(&logits, 1).0.correct, 1);
        assert_eq!(one(&logits, 2).0.correct, 0);
    }

    #[test]
    fn a_logit_that_is_not_a_number_is_not_hidden() {
        for logits in [[f32::NAN; 3], [0.0, f32::NAN, 0.0], [f32::NAN, 0.0, 0.0]] {
            let losses = [&logits[..], &[f32::INFINITY, 0.0, 0.0]].map(|row| {
                let row = padded(row);
                score(&row, row.len(), std::iter::once(1)).loss
            });
            assert!(losses.iter().all(|loss| !loss.is_finite()), "{losses:?}");
        }
    }
}
