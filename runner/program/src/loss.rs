//! Computes the loss of one sample and its gradient, in the precision that is asked for.
//!
//! Owns the formulas, rounded as torch rounds them. Knows nothing of tables or of batches.

use half::{bf16, f16};
use serde::{Deserialize, Serialize};

/// The quantity that is minimised: a mean over samples.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Loss {
    /// The formula of the loss.
    pub kind: LossKind,
    /// The precision that logits are cast to before the formula is applied.
    pub precision: Precision,
    /// The number that logits are divided by before the formula is applied.
    pub temperature: f64,
}

/// The formula of the loss of one sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LossKind {
    /// `−log softmax(logits)[label]`.
    CrossEntropy,
    /// Σ (logit − one-hot)² / classes, the mean squared error.
    Mse,
    /// `−log(s(logit[label]) / Σ s(logit))`, s(x) = x + 1 for x ≥ 0, 1 / (1 − x + 1e-30) below
    /// (Prieto et al. 2025).
    Stablemax,
}

/// The precision of a loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    /// Double precision. The cross-entropy leaves the label's class out of its sum, so that the
    /// loss is exact to the last digits where a sum over all classes would round to 1.
    F64,
    /// Single precision, term by term in torch's order.
    F32,
    /// Half precision, as torch computes it on a CPU: f32 inside, with rounded results.
    F16,
    /// bfloat16, computed in the same way.
    Bf16,
}

/// Why a loss cannot be computed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum LossError {
    /// The temperature is not a finite number above 0.
    #[error("the temperature is {0}; expected a finite number greater than 0")]
    Temperature(f64),
    /// Half precision was asked for with another loss than the cross-entropy.
    #[error("half precision is defined for the cross-entropy alone; expected f32 or f64")]
    Half,
}

impl Loss {
    /// The loss of the published experiment.
    pub const PUBLISHED: Loss = Loss {
        kind: LossKind::CrossEntropy,
        precision: Precision::F64,
        temperature: 1.0,
    };

    /// Checks that the loss can be computed.
    ///
    /// # Errors
    /// Returns what is wrong and what was expected.
    pub fn check(&self) -> Result<(), LossError> {
        if !(self.temperature > 0.0 && self.temperature.is_finite()) {
            return Err(LossError::Temperature(self.temperature));
        }
        let half = matches!(self.precision, Precision::F16 | Precision::Bf16);
        if half && self.kind != LossKind::CrossEntropy {
            return Err(LossError::Half);
        }
        Ok(())
    }

    /// Returns the loss of one sample, and replaces its logits by their gradients times `scale`.
    ///
    /// A logit that is not a number makes the loss not a number.
    pub fn sample(&self, logits: &mut [f64], label: usize, scale: f64) -> f64 {
        match self.precision {
            Precision::F64 => {
                logits.iter_mut().for_each(|x| *x /= self.temperature);
                let value = match self.kind {
                    LossKind::CrossEntropy => cross_entropy(logits, label, scale),
                    LossKind::Mse => mse(logits, label, scale),
                    LossKind::Stablemax => stablemax(logits, label, scale),
                };
                logits.iter_mut().for_each(|x| *x /= self.temperature);
                value
            }
            Precision::F32 => self.rounded(logits, label, scale, |x| x),
            Precision::F16 => self.rounded(logits, label, scale, |x| f16::from_f32(x).to_f32()),
            Precision::Bf16 => self.rounded(logits, label, scale, |x| bf16::from_f32(x).to_f32()),
        }
    }

    /// Computes the loss as [`Loss::sample`] does, in single precision, with `round` applied
    /// wherever torch stores a result.
    fn rounded(&self, logits: &mut [f64], label: usize, scale: f64, round: fn(f32) -> f32) -> f64 {
        let temperature = self.temperature as f32;
        let scale = round(scale as f32);
        let mut row: Vec<f32> = logits
            .iter()
            .map(|x| round(round(*x as f32) / temperature))
            .collect();
        let value = match self.kind {
            LossKind::CrossEntropy => cross_entropy_of_torch(&mut row, label, scale, round),
            LossKind::Mse => mse_f32(&mut row, label, scale),
            LossKind::Stablemax => stablemax_f32(&mut row, label, scale),
        };
        for (out, x) in logits.iter_mut().zip(row) {
            *out = f64::from(round(x / temperature));
        }
        f64::from(value)
    }
}

/// Returns log(1 + Σ_{j≠y} e^{l_j − l_y}), in which the small terms are not lost against the
/// label's 1.
fn cross_entropy(logits: &mut [f64], label: usize, scale: f64) -> f64 {
    let own = logits[label];
    let largest = logits.iter().copied().fold(own, f64::max);
    // Ratios to the largest logit cannot overflow. Ratios to the label's logit would keep as many
    // digits, but e^710 is not a finite number.
    let mut others = 0.0;
    for (class, x) in logits.iter_mut().enumerate() {
        *x = libm::exp(*x - largest);
        if class != label {
            others += *x;
        }
    }
    let label_ratio = logits[label];
    let total = others + label_ratio;
    for x in logits.iter_mut() {
        *x = *x / total * scale;
    }
    logits[label] = -(others / total) * scale;
    // A comparison with a number that is not one is false, so such a loss takes the second form and
    // stays not a number.
    if own == largest {
        libm::log1p(others)
    } else {
        libm::log(total) + (largest - own)
    }
}

/// Computes torch's `cross_entropy` on a CPU. The terms are in f32; their sum, its logarithm and
/// the log-softmax are rounded to the precision.
fn cross_entropy_of_torch(
    logits: &mut [f32],
    label: usize,
    scale: f32,
    round: fn(f32) -> f32,
) -> f32 {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum = sum_in_lanes(logits.iter().map(|x| libm::expf(*x - largest)));
    let log_sum = round(libm::logf(round(sum)));
    let mut value = f32::NAN;
    for (class, x) in logits.iter_mut().enumerate() {
        let log_probability = round(*x - largest - log_sum);
        let gradient = if class == label {
            value = -log_probability;
            -scale
        } else {
            0.0
        };
        *x = round(gradient + libm::expf(log_probability) * scale);
    }
    value
}

/// Adds numbers as torch does with AVX-512: in sixteen lanes, then halves to halves. Where a sum is
/// close to 1, the rounding decides whether a loss is 0.
fn sum_in_lanes(terms: impl Iterator<Item = f32>) -> f32 {
    let mut lanes = [0.0_f32; 16];
    for (i, term) in terms.enumerate() {
        lanes[i % 16] += term;
    }
    for half in [8, 4, 2, 1] {
        for lane in 0..half {
            lanes[lane] += lanes[lane + half];
        }
    }
    lanes[0]
}

macro_rules! of_float {
    ($mse:ident, $stablemax:ident, $float:ident, $log:path) => {
        /// Returns Σ (l − e_y)² / classes.
        fn $mse(logits: &mut [$float], label: usize, scale: $float) -> $float {
            let classes = logits.len() as $float;
            let mut sum = 0.0;
            for (class, x) in logits.iter_mut().enumerate() {
                let apart = *x - if class == label { 1.0 } else { 0.0 };
                sum += apart * apart;
                *x = 2.0 * apart / classes * scale;
            }
            sum / classes
        }

        /// Returns −log(s_y / Σ s); the derivative of s is 1 above 0 and s² below.
        fn $stablemax(logits: &mut [$float], label: usize, scale: $float) -> $float {
            let s = |x: $float| {
                if x < 0.0 {
                    1.0 / (1.0 - x + 1e-30)
                } else {
                    x + 1.0
                }
            };
            let sum: $float = logits.iter().map(|x| s(*x)).sum();
            let own = s(logits[label]);
            for (class, x) in logits.iter_mut().enumerate() {
                let value = s(*x);
                let slope = if *x < 0.0 { value * value } else { 1.0 };
                let toward = if class == label {
                    1.0 / sum - 1.0 / own
                } else {
                    1.0 / sum
                };
                *x = slope * toward * scale;
            }
            -$log(own / sum)
        }
    };
}

of_float!(mse, stablemax, f64, libm::log);
of_float!(mse_f32, stablemax_f32, f32, libm::logf);

#[cfg(test)]
mod tests {
    use super::*;

    fn loss(kind: LossKind, temperature: f64) -> Loss {
        Loss {
            kind,
            temperature,
            ..Loss::PUBLISHED
        }
    }

    #[test]
    fn gradients_are_finite_differences() {
        let logits = [0.3, -1.2, 2.5, 0.0001, -0.7];
        for kind in [LossKind::CrossEntropy, LossKind::Mse, LossKind::Stablemax] {
            for temperature in [1.0, 0.25] {
                let loss = loss(kind, temperature);
                let value = |row: [f64; 5]| loss.sample(&mut row.clone(), 1, 1.0);
                let mut gradient = logits;
                loss.sample(&mut gradient, 1, 1.0);
                for class in 0..5 {
                    let [mut up, mut down] = [logits; 2];
                    up[class] += 1e-5;
                    down[class] -= 1e-5;
                    let slope = (value(up) - value(down)) / 2e-5;
                    assert!((slope - gradient[class]).abs() < 1e-8, "{kind:?} {class}");
                }
            }
        }
    }

    #[test]
    fn a_certain_sample_keeps_its_digits() {
        let mut row = [40.0, 0.0, 0.0];
        let value = Loss::PUBLISHED.sample(&mut row, 0, 1.0);
        let expected = 2.0 * libm::exp(-40.0);
        assert!((value / expected - 1.0).abs() < 1e-15);
        assert!((row[0] / -expected - 1.0).abs() < 1e-15);
        let mut hopeless = [-800.0, 0.0];
        assert_eq!(Loss::PUBLISHED.sample(&mut hopeless, 0, 1.0), 800.0);
    }

    #[test]
    fn no_number_stays_none() {
        for kind in [LossKind::CrossEntropy, LossKind::Mse, LossKind::Stablemax] {
            for place in 0..3 {
                let mut row = [0.0; 3];
                row[place] = f64::NAN;
                assert!(
                    loss(kind, 1.0).sample(&mut row, 1, 1.0).is_nan(),
                    "{kind:?} {place}"
                );
            }
        }
    }

    #[test]
    fn what_cannot_be_is_refused() {
        assert!(loss(LossKind::Mse, 0.0).check().is_err());
        let half = Loss {
            kind: LossKind::Stablemax,
            precision: Precision::F16,
            temperature: 1.0,
        };
        assert_eq!(half.check(), Err(LossError::Half));
    }
}
