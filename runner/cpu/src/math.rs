//! Computes exp and the activation functions in plain f32 arithmetic that compilers vectorise,
//! accurate to a few units in the last place.

#![expect(
    clippy::excessive_precision,
    clippy::approx_constant,
    reason = "coefficients stand as published"
)]

use grokrun_executor::Activation;

const LOG2_E: f32 = std::f32::consts::LOG2_E;
/// ln 2 in two parts; the first is exact in 15 bits (Cody and Waite).
const LN_2_HIGH: f32 = 0.693_359_375;
const LN_2_LOW: f32 = -2.121_944_4e-4;
/// 1.5 · 2²³: adding it leaves the nearest integer in the low mantissa bits.
const ROUND: f32 = 12_582_912.0;
/// Below this number e^x (8.8e-27) is taken for 0. Nothing so small shows next to Adam's ε or in a
/// float64 loss, which ends at 1e-16. Products of such gradients would be denormal numbers, on
/// which processors are a hundred times slower.
const SMALLEST: f32 = -60.0;

/// Returns e^x for x ≤ 0, and 0 below −60; not a number if x is not. The error is below 2 ulp
/// (range reduction by ln 2 and Cephes' polynomial of degree 6).
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

/// Returns log(1 + x) for x ≥ 0, with an error below 1 ulp; not a number if x is infinite or not a
/// number. The method and the coefficients are fdlibm's `log1p`: 1 + x = 2^k (1 + f), log(1 + f)
/// from s = f / (2 + f).
#[inline(always)]
pub(crate) fn ln_1p(x: f64) -> f64 {
    const LN_2_HIGH: f64 = 6.931_471_803_691_238_164_90e-01;
    const LN_2_LOW: f64 = 1.908_214_929_270_587_700_02e-10;
    /// Mantissas from the bits of √2 / 2 on belong to the next power of two.
    const HALF_ROOT: u64 = 0x3fe6_a09e_667f_3bcd;
    let u = 1.0 + x;
    let shifted = u.to_bits().wrapping_sub(HALF_ROOT);
    // u is at least 1: the shifted bits are positive, and their exponent is k.
    let k = shifted >> 52;
    let m = f64::from_bits((shifted & 0x000f_ffff_ffff_ffff).wrapping_add(HALF_ROOT));
    // The part of x that 1 + x lost; where everything was lost, x itself.
    let lost = if k == 0 { 0.0 } else { (x - (u - 1.0)) / u };
    let f = if k == 0 { x } else { m - 1.0 };
    // k, which is below 2^12, as a float, by the mantissa of 2^52.
    let power = f64::from_bits(0x4330_0000_0000_0000 | (k & 0xfff)) - 4_503_599_627_370_496.0;
    let s = f / (2.0 + f);
    let z = s * s;
    let mut r = 1.479_819_860_511_658_591e-01;
    r = r * z + 1.531_383_769_920_937_332e-01;
    r = r * z + 1.818_357_216_161_805_012e-01;
    r = r * z + 2.222_219_843_214_978_396e-01;
    r = r * z + 2.857_142_874_366_239_149e-01;
    r = r * z + 3.999_999_999_940_941_908e-01;
    r = r * z + 6.666_666_666_666_735_130e-01;
    let half = 0.5 * f * f;
    let rest = half - (s * (half + r * z) + (power * LN_2_LOW + lost));
    // Only x itself tells infinity, since the bits above turn infinity into a number.
    power * LN_2_HIGH - (rest - f) + 0.0 * x
}

/// Returns erf(x), with an absolute error below 3e-7: the rational approximation used by Eigen and
/// XLA, with x clamped to where erf is ±1 in f32.
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

/// Returns Φ(x), the normal distribution function.
#[inline(always)]
fn normal(x: f32) -> f32 {
    0.5 + 0.5 * erf(x * std::f32::consts::FRAC_1_SQRT_2)
}

/// Returns max(x, 0). The result is 0 if x is not a number, as comparisons have it.
#[inline(always)]
fn relu(x: f32) -> f32 {
    if x > 0.0 { x } else { 0.0 }
}

/// Turns inputs of neurons into outputs. The kind is matched once for each row: inside the loop,
/// compilers would compute both kinds and pick one.
#[inline(always)]
pub(crate) fn activate(kind: Activation, neurons: &mut [f32]) {
    match kind {
        Activation::Relu => neurons.iter_mut().for_each(|x| *x = relu(*x)),
        Activation::Gelu => neurons.iter_mut().for_each(|x| *x *= normal(*x)),
    }
}

/// Multiplies `gradients` by the derivatives at the `inputs`. The derivative of ReLU at 0 is 0, as
/// in torch, so that the outputs serve as well as the inputs.
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

    #[test]
    fn ln_1p_is_within_an_ulp() {
        let mut worst = 0.0f64;
        for i in 0..200_000 {
            let x = 10f64.powf(-17.0 + f64::from(i) * 1e-4);
            let want = libm::log1p(x);
            let ulp = f64::EPSILON * 2f64.powi(want.log2().floor() as i32);
            worst = worst.max((ln_1p(x) - want).abs() / ulp);
        }
        assert!(worst <= 2.0, "{worst} ulp");
        assert_eq!(ln_1p(0.0), 0.0);
        assert!(!ln_1p(f64::INFINITY).is_finite() && ln_1p(f64::NAN).is_nan());
    }

    fn both(kind: Activation, x: f32) -> (f32, f32) {
        let (mut out, mut slope) = ([x], [1.0]);
        activate(kind, &mut out);
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
