//! Computes the single-precision Box–Muller transform of sixteen uniforms, rounded as torch's AVX2
//! kernel rounds it.
//!
//! torch (`aten/src/ATen/native/cpu/avx_mathfun.h`, after Pommier's vector form of Moshier's
//! Cephes) approximates log, sin and cos by polynomials that gcc fuses into multiply-adds. The
//! constants are Cephes's; which steps are fused is part of the definition, so each `mul_add` below
//! stands where the kernel has one and nowhere else. Every operation here is one that IEEE 754
//! rounds exactly.

#![expect(
    clippy::excessive_precision,
    reason = "the constants as Cephes prints them, to be found and compared"
)]

/// The number of elements that are transformed at a time.
pub(super) const BLOCK: usize = 16;

/// Turns sixteen uniforms of [0, 1) into sixteen normals: elements j and j + 8 are one pair, the
/// radius from the first, the angle from the second.
pub(super) fn normal(block: &mut [f32; BLOCK], mean: f32, std: f32) {
    let (radii, angles) = block.split_at_mut(BLOCK / 2);
    for (radius, angle) in radii.iter_mut().zip(angles) {
        // 1 - u is in (0, 1], so the logarithm is finite.
        let r = (-2.0 * log(1.0 - *radius)).sqrt();
        let (sin, cos) = sin_cos(std::f32::consts::TAU * *angle);
        *radius = (r * cos).mul_add(std, mean);
        *angle = (r * sin).mul_add(std, mean);
    }
}

/// The polynomial of Cephes's `logf`, the highest power first.
const LOG: [f32; 9] = [
    7.0376836292e-2,
    -1.1514610310e-1,
    1.1676998740e-1,
    -1.2420140846e-1,
    1.4249322787e-1,
    -1.6668057665e-1,
    2.0000714765e-1,
    -2.4999993993e-1,
    3.3333331174e-1,
];

/// ln 2 in two parts, such that an integer times the first part is exact.
const LN_2: [f32; 2] = [0.693359375, -2.12194440e-4];

/// Returns the natural logarithm of a normal number in (0, 1].
fn log(x: f32) -> f32 {
    // x = 2^exponent · m, with m moved into [√½, √2) by the test below.
    let bits = x.to_bits();
    let mut exponent = ((bits >> 23) as i32 - 0x7f) as f32 + 1.0;
    let m = f32::from_bits(bits & !0x7f80_0000 | 0x3f00_0000);
    let mut x = m - 1.0;
    if m < std::f32::consts::FRAC_1_SQRT_2 {
        exponent -= 1.0;
        x += m;
    }
    let square = x * x;
    let [first, rest @ ..] = LOG;
    let y = rest.into_iter().fold(first, |y, c| y.mul_add(x, c)) * x;
    let y = y.mul_add(square, exponent * LN_2[1]);
    let y = square.mul_add(-0.5, y);
    exponent.mul_add(LN_2[0], x + y)
}

/// π/4 in three parts, negated, for a reduction without loss of digits.
const MINUS_QUARTER_PI: [f32; 3] = [
    -0.78515625,
    -2.4187564849853515625e-4,
    -3.77489497744594108e-8,
];

/// Returns sine and cosine of a number from 0 to 2π.
fn sin_cos(x: f32) -> (f32, f32) {
    // The octant is rounded up to an even one, so the remainder is in [-π/4, π/4].
    let octant = (x * (4.0 / std::f32::consts::PI)) as u32;
    let octant = (octant + 1) & !1;
    let turns = octant as f32;
    let x = MINUS_QUARTER_PI
        .into_iter()
        .fold(x, |x, part| turns.mul_add(part, x));
    let square = x * x;

    let cos = 2.443315711809948e-5_f32
        .mul_add(square, -1.388731625493765e-3)
        .mul_add(square, 4.166664568298827e-2)
        * square;
    let cos = cos.mul_add(square, -(square * 0.5)) + 1.0;

    let sin = (-1.9515295891e-4_f32)
        .mul_add(square, 8.3321608736e-3)
        .mul_add(square, -1.6666654611e-1);
    let sin = (sin * square).mul_add(x, x);

    // Octants 0, 2, 4, 6 (and 8, which is 0 again) are a quarter turn each.
    match octant & 6 {
        0 => (sin, cos),
        2 => (cos, -sin),
        4 => (-sin, -cos),
        _ => (-cos, sin),
    }
}
