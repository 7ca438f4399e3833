//! exp and the activation functions as plain f32 arithmetic that compilers vectorise, accurate to
//! a few units in the last place.

#![expect(
    clippy::excessive_precision,
    clippy::approx_constant,
    reason = "coefficients stand as published"
)]

use crate::shape::Activation;

const LOG2_E: f32 = std::f32::consts::LOG2_E;
/// ln 2 in two parts, the first exact in 15 bits (Cody and Waite).
const LN_2_HIGH: f32 = 0.693_359_375;
const LN_2_LOW: f32 = -2.121_944_4e-4;
/// 1.5 · 2²³: adding it leaves the nearest integer in the low mantissa bits.
const ROUND: f32 = 12_582_912.0;
/// Below this e^x (8.8e-27) is taken for 0. Nothing so small shows beside Adam's ε or in a float64
/// loss, which ends at 1e-16; and products of such gradients would be denormal numbers, on which
/// processors are a hundred times slower.
const SMALLEST: f32 = -60.0;

/// e^x for x ≤ 0; 0 below −60; not a number for what is none. Error below 2 ulp (range reduction by ln 2 and Cephes' degree-6
/// polynomial).
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    let clamped = if x <= SMALLEST { SMALLEST } else { x };
    let shifted = clamped * LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = (clamped - n * LN_2_HIGH) - n * LN_2_LOW;
    let mut y = 1.987_569_1e-4;
    y = y * r + 1.398_199_9e-3;
    y = y * r + 8.333_452e-3;
    y = y * r + 4.166_579_6e-2;
    y = y * r + 1.666_666_5e-1;
    y = y * r + 5.000_000_1e-1;
    let y = y * r * r + r + 1.0;
    let power = f32::from_bits((shifted.to_bits() << 23).wrapping_add(0x3f80_0000));
    if x <= SMALLEST { 0.0 } else { y * power }
}

/// erf(x), absolute error below 3e-7: the rational approximation used by Eigen and XLA, with x
/// clamped to where f32 erf is ±1.
#[inline(always)]
fn erf(x: f32) -> f32 {
    let x = x.clamp(-3.832_506_9, 3.832_506_9);
    let s = x * x;
    let mut top = 2.290_506_6e-4;
    top = top * s + 3.408_291e-3;
    top = top * s + 5.095_569_5e-2;
    top = top * s + 1.852_083_2e-1;
    top = top * s + 1.128_379_1;
    let mut bottom = -1.179_160_3e-7;
    bottom = bottom * s + 2.354_796_7e-5;
    bottom = bottom * s + 1.017_962_5e-3;
    bottom = bottom * s + 1.407_047e-2;
    bottom = bottom * s + 1.109_850_5e-1;
    bottom = bottom * s + 4.974_692_5e-1;
    bottom = bottom * s + 1.0;
    x * top / bottom
}

/// Φ(x), the normal distribution function.
#[inline(always)]
fn normal(x: f32) -> f32 {
    0.5 + 0.5 * erf(x * std::f32::consts::FRAC_1_SQRT_2)
}

/// max(x, 0); not a number for what is none is 0, as comparisons have it.
#[inline(always)]
fn relu(x: f32) -> f32 {
    if x > 0.0 { x } else { 0.0 }
}

/// The activations of neurons, `out[i] = act(inputs[i])`. The kind is asked once a row: inside the
/// loop compilers work out both and pick one.
#[inline(always)]
pub(crate) fn activate(kind: Activation, inputs: &[f32], out: &mut [f32]) {
    let neurons = out.iter_mut().zip(inputs);
    match kind {
        Activation::Relu => neurons.for_each(|(out, x)| *out = relu(*x)),
        Activation::Gelu => neurons.for_each(|(out, x)| *out = x * normal(*x)),
    }
}

/// Multiplies `gradients` by the derivatives at the `inputs`; ReLU's at 0 is 0, as torch's.
#[inline(always)]
pub(crate) fn through_activation(kind: Activation, inputs: &[f32], gradients: &mut [f32]) {
    let neurons = gradients.iter_mut().zip(inputs);
    match kind {
        Activation::Relu => neurons.for_each(|(g, x)| *g = if *x > 0.0 { *g } else { 0.0 }),
        Activation::Gelu => neurons.for_each(|(g, x)| {
            let density = 0.398_942_3 * exp(-0.5 * x * x);
            *g *= normal(*x) + x * density;
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_within_two_ulp_of_f64() {
        let mut worst = 0.0f64;
        for i in 0..600_000 {
            let x = -(i as f32) * 1e-4;
            let want = f64::from(x).exp();
            let ulp = f64::from(f32::EPSILON) * 2f64.powi(want.log2().floor() as i32);
            worst = worst.max((f64::from(exp(x)) - want).abs() / ulp);
        }
        assert!(worst < 2.0, "{worst} ulp");
        assert_eq!(exp(0.0), 1.0);
        assert_eq!((exp(-60.1), exp(f32::NEG_INFINITY)), (0.0, 0.0));
        assert!(exp(f32::NAN).is_nan());
    }

    fn both(kind: Activation, x: f32) -> (f32, f32) {
        let (mut out, mut slope) = ([9.0], [1.0]);
        activate(kind, &[x], &mut out);
        through_activation(kind, &[x], &mut slope);
        (out[0], slope[0])
    }

    #[test]
    fn gelu_and_its_slope_follow_the_exact_forms() {
        for i in -600..=600 {
            let x = f64::from(i) * 0.01;
            let phi = 0.5 * libm::erfc(-x / std::f64::consts::SQRT_2);
            let slope = phi + x * (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt();
            let got = both(Activation::Gelu, x as f32);
            assert!((f64::from(got.0) - x * phi).abs() < 1e-6, "{x}");
            assert!((f64::from(got.1) - slope).abs() < 1e-6, "{x}");
        }
    }

    #[test]
    fn relu_is_flat_at_zero() {
        assert_eq!(both(Activation::Relu, -1.0), (0.0, 0.0));
        assert_eq!(both(Activation::Relu, 0.0), (0.0, 0.0));
        assert_eq!(both(Activation::Relu, 2.0), (2.0, 1.0));
    }
}
