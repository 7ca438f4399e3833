//! Computes vector and vector-matrix arithmetic: fused multiply-adds where there are many, and
//! plain loops that compilers vectorise elsewhere.

use pulp::Simd;

use super::buffer::LINE;

/// Computes y += a x, fused; both are of one length.
#[inline(always)]
pub(crate) fn add_scaled<S: Simd>(simd: S, y: &mut [f32], a: f32, x: &[f32]) {
    let x = &x[..y.len()];
    let (x, x_rest) = S::as_simd_f32s(x);
    let (y, y_rest) = S::as_mut_simd_f32s(y);
    let wide = simd.splat_f32s(a);
    for (y, x) in y.iter_mut().zip(x) {
        *y = simd.mul_add_e_f32s(wide, *x, *y);
    }
    for (y, x) in y_rest.iter_mut().zip(x_rest) {
        *y = a.mul_add(*x, *y);
    }
}

/// Computes y += x.
#[inline(always)]
pub(crate) fn add(y: &mut [f32], x: &[f32]) {
    for (y, x) in y.iter_mut().zip(x) {
        *y += *x;
    }
}

/// Computes out (n) += x (k) · w (k, n; stride n).
#[inline(always)]
pub(crate) fn add_vector_matrix<S: Simd>(simd: S, out: &mut [f32], x: &[f32], w: &[f32]) {
    let n = out.len();
    for (x, w) in x.iter().zip(w.chunks_exact(n)) {
        add_scaled(simd, out, *x, w);
    }
}

/// Computes out (n) += x (k) · w (k, n; stride n), in f64.
#[inline(always)]
pub(crate) fn add_vector_matrix_wide(out: &mut [f64], x: &[f64], w: &[f32]) {
    let n = out.len();
    for (x, w) in x.iter().zip(w.chunks_exact(n)) {
        for (out, w) in out.iter_mut().zip(w) {
            *out += *x * f64::from(*w);
        }
    }
}

/// Computes out (m; m rows of w) = w (m, k; stride `width`) · x (k).
#[inline(always)]
pub(crate) fn matrix_vector<S: Simd>(simd: S, out: &mut [f32], w: &[f32], width: usize, x: &[f32]) {
    for (out, w) in out.iter_mut().zip(w.chunks(width)) {
        *out = dot(simd, &w[..x.len()], x);
    }
}

/// Computes out (m, n; stride n) += x (m) ⊗ y (n).
#[inline(always)]
pub(crate) fn add_outer<S: Simd>(simd: S, out: &mut [f32], x: &[f32], y: &[f32]) {
    for (out, x) in out.chunks_exact_mut(y.len()).zip(x) {
        add_scaled(simd, out, *x, y);
    }
}

/// Returns Σ a_i b_i, with four running vectors; both are of one length.
#[inline(always)]
pub(crate) fn dot<S: Simd>(simd: S, a: &[f32], b: &[f32]) -> f32 {
    const WIDE: usize = 4;
    let b = &b[..a.len()];
    let (a, a_rest) = S::as_simd_f32s(a);
    let (b, b_rest) = S::as_simd_f32s(b);
    let (a, a_few) = a.as_chunks::<WIDE>();
    let (b, b_few) = b.as_chunks::<WIDE>();
    let mut sums = [simd.splat_f32s(0.0); WIDE];
    for (a, b) in a.iter().zip(b) {
        for i in 0..WIDE {
            sums[i] = simd.mul_add_e_f32s(a[i], b[i], sums[i]);
        }
    }
    for (i, (a, b)) in a_few.iter().zip(b_few).enumerate() {
        sums[i] = simd.mul_add_e_f32s(*a, *b, sums[i]);
    }
    let sum = simd.add_f32s(
        simd.add_f32s(sums[0], sums[1]),
        simd.add_f32s(sums[2], sums[3]),
    );
    let rest = |total: f32, (a, b): (&f32, &f32)| a.mul_add(*b, total);
    a_rest
        .iter()
        .zip(b_rest)
        .fold(simd.reduce_sum_f32s(sum), rest)
}

/// Returns Σ a_i b_i in f64, with eight running sums.
#[inline(always)]
pub(crate) fn dot_wide(a: &[f64], b: &[f32]) -> f64 {
    const WIDE: usize = 8;
    let mut sums = [0.0f64; WIDE];
    let (a, a_rest) = a.as_chunks::<WIDE>();
    let (b, b_rest) = b.as_chunks::<WIDE>();
    for (a, b) in a.iter().zip(b) {
        for i in 0..WIDE {
            sums[i] += a[i] * f64::from(b[i]);
        }
    }
    for (i, (a, b)) in a_rest.iter().zip(b_rest).enumerate() {
        sums[i] += a * f64::from(*b);
    }
    sums.iter().sum()
}

/// Joins all lanes, by halves.
#[inline(always)]
pub(crate) fn fold_lanes(mut lanes: [f32; LINE], join: impl Fn(f32, f32) -> f32) -> f32 {
    let mut half = LINE / 2;
    while half > 0 {
        for i in 0..half {
            lanes[i] = join(lanes[i], lanes[i + half]);
        }
        half /= 2;
    }
    lanes[0]
}

#[cfg(test)]
mod tests {
    use super::*;
    use pulp::{Arch, Scalar, WithSimd};

    struct Check;

    impl WithSimd for Check {
        type Output = ();
        fn with_simd<S: Simd>(self, simd: S) {
            for len in [1, 15, 16, 31, 32, 33, 77, 130] {
                let ones = vec![1.0; len];
                assert_eq!(dot(simd, &ones, &ones), len as f32);
                assert_eq!(dot_wide(&vec![2.0; len], &ones), 2.0 * len as f64);
            }
            let w = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
            let mut out = [1.0; 3];
            add_vector_matrix(simd, &mut out, &[1.0, 10.0], &w);
            assert_eq!(out, [42.0, 53.0, 64.0]);
            let mut out = [1.0f64; 3];
            add_vector_matrix_wide(&mut out, &[1.0, 10.0], &w);
            assert_eq!(out, [42.0, 53.0, 64.0]);
            let mut out = [0.0; 2];
            matrix_vector(simd, &mut out, &w, 3, &[1.0, 0.0, 2.0]);
            assert_eq!(out, [7.0, 16.0]);
            let mut out = [0.0; 4];
            add_outer(simd, &mut out, &[1.0, 2.0], &[3.0, 4.0]);
            assert_eq!(out, [3.0, 4.0, 6.0, 8.0]);
        }
    }

    #[test]
    fn products_of_vectors_and_matrices() {
        Arch::new().dispatch(Check);
        Check.with_simd(Scalar::new());
    }
}
