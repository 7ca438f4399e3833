//! Weighted sums of table rows and products with them: the memory-bound part of a pair, with all
//! sums in registers.
//!
//! A pair uses 2 · heads rows of U′ and of D′. Reading each of them once, with nothing written but
//! the result, takes half the time of adding one after the other.

use pulp::Simd;

/// A row of a table, by number, and its weight.
pub(crate) type Term = (f32, usize);

/// `finish(v, Σ weight · row[v] + start[v])` for each vector v of the rows, `out` and `start`; all
/// `width` long, a multiple of the lanes.
#[inline(always)]
pub(crate) fn weighted_sum<S: Simd>(
    simd: S,
    table: &[f32],
    terms: &[Term],
    start: &[f32],
    out: &mut [f32],
    mut finish: impl FnMut(usize, S::f32s) -> S::f32s,
) {
    const VECTORS: usize = 4;
    let width = out.len();
    let (start, _) = S::as_simd_f32s(&start[..width]);
    let (out, _) = S::as_mut_simd_f32s(out);
    let lanes = S::F32_LANES;
    let mut at = 0;
    while at + VECTORS <= out.len() {
        let mut sums: [S::f32s; VECTORS] = std::array::from_fn(|i| start[at + i]);
        for (weight, row) in terms {
            let weight = simd.splat_f32s(*weight);
            let row = &table[row * width + at * lanes..][..VECTORS * lanes];
            let (row, _) = S::as_simd_f32s(row);
            for i in 0..VECTORS {
                sums[i] = simd.mul_add_e_f32s(weight, row[i], sums[i]);
            }
        }
        for (i, sum) in sums.into_iter().enumerate() {
            out[at + i] = finish(at + i, sum);
        }
        at += VECTORS;
    }
    while at < out.len() {
        let mut sum = start[at];
        for (weight, row) in terms {
            let (row, _) = S::as_simd_f32s(&table[row * width + at * lanes..][..lanes]);
            sum = simd.mul_add_e_f32s(simd.splat_f32s(*weight), row[0], sum);
        }
        out[at] = finish(at, sum);
        at += 1;
    }
}

/// `out[j] += row_j · x` for the rows of `terms`, each as long as x, a multiple of the lanes.
#[inline(always)]
pub(crate) fn add_dots<S: Simd>(
    simd: S,
    table: &[f32],
    terms: &[Term],
    x: &[f32],
    out: &mut [f32],
) {
    let (terms, few) = terms.as_chunks::<4>();
    let (out, out_few) = out.as_chunks_mut::<4>();
    for (terms, out) in terms.iter().zip(out) {
        dots(simd, table, terms, x, out);
    }
    for (term, out) in few.iter().zip(out_few) {
        dots(simd, table, &[*term], x, std::array::from_mut(out));
    }
}

#[inline(always)]
fn dots<S: Simd, const COUNT: usize>(
    simd: S,
    table: &[f32],
    terms: &[Term; COUNT],
    x: &[f32],
    out: &mut [f32; COUNT],
) {
    let width = x.len();
    let (x, _) = S::as_simd_f32s(x);
    let rows = terms.map(|(_, row)| S::as_simd_f32s(&table[row * width..][..width]).0);
    let rows = rows.map(|row| &row[..x.len()]);
    let mut sums = [simd.splat_f32s(0.0); COUNT];
    for (v, x) in x.iter().enumerate() {
        for i in 0..COUNT {
            sums[i] = simd.mul_add_e_f32s(*x, rows[i][v], sums[i]);
        }
    }
    for (out, sum) in out.iter_mut().zip(sums) {
        *out += simd.reduce_sum_f32s(sum);
    }
}

/// `out[h] = Σ weights[s][h] · table[s]` over the samples s, `out (heads, width)`, `weights` with
/// `heads` numbers a sample from `offset` on, `stride` apart; width a multiple of the lanes.
#[inline(always)]
pub(crate) fn sum_by_head<S: Simd>(
    simd: S,
    table: &[f32],
    samples: &[u32],
    weights: (&[f32], usize, usize),
    width: usize,
    out: &mut [f32],
) {
    let heads = out.len() / width;
    let mut head = 0;
    while head < heads {
        let out = &mut out[head * width..];
        let (data, offset, stride) = weights;
        let weights = (data, offset + head, stride);
        let count = heads - head;
        if count >= 4 {
            some_heads::<S, 4>(simd, table, samples, weights, width, out);
            head += 4;
        } else if count >= 2 {
            some_heads::<S, 2>(simd, table, samples, weights, width, out);
            head += 2;
        } else {
            some_heads::<S, 1>(simd, table, samples, weights, width, out);
            head += 1;
        }
    }
}

#[inline(always)]
fn some_heads<S: Simd, const HEADS: usize>(
    simd: S,
    table: &[f32],
    samples: &[u32],
    weights: (&[f32], usize, usize),
    width: usize,
    out: &mut [f32],
) {
    let mut from = 0;
    while from < width {
        if width - from >= 4 * S::F32_LANES {
            columns::<S, HEADS, 4>(simd, table, samples, weights, (width, from), out);
            from += 4 * S::F32_LANES;
        } else {
            columns::<S, HEADS, 1>(simd, table, samples, weights, (width, from), out);
            from += S::F32_LANES;
        }
    }
}

#[inline(always)]
fn columns<S: Simd, const HEADS: usize, const VECTORS: usize>(
    simd: S,
    table: &[f32],
    samples: &[u32],
    (weights, offset, stride): (&[f32], usize, usize),
    (width, from): (usize, usize),
    out: &mut [f32],
) {
    let mut sums = [[simd.splat_f32s(0.0); VECTORS]; HEADS];
    for sample in samples {
        let sample = *sample as usize;
        let row = &table[sample * width + from..][..VECTORS * S::F32_LANES];
        let (row, _) = S::as_simd_f32s(row);
        let weights = &weights[sample * stride + offset..][..HEADS];
        for (weight, sums) in weights.iter().zip(&mut sums) {
            let weight = simd.splat_f32s(*weight);
            for i in 0..VECTORS {
                sums[i] = simd.mul_add_e_f32s(weight, row[i], sums[i]);
            }
        }
    }
    for (h, sums) in sums.iter().enumerate() {
        let out = &mut out[h * width + from..][..VECTORS * S::F32_LANES];
        let (out, _) = S::as_mut_simd_f32s(out);
        out.copy_from_slice(sums);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pulp::{Arch, Scalar, WithSimd};

    /// Small integers, so that every sum is exact.
    fn numbers(count: usize) -> Vec<f32> {
        (0..count).map(|i| (i * 7 % 11) as f32 - 5.0).collect()
    }

    struct Check;

    impl WithSimd for Check {
        type Output = ();
        fn with_simd<S: Simd>(self, simd: S) {
            for width in [16, 48, 64, 144] {
                let table = numbers(9 * width);
                let x = numbers(width);
                for count in [1, 2, 5, 8] {
                    let terms: Vec<Term> = (0..count).map(|i| (i as f32 - 1.0, 8 - i)).collect();
                    let mut out = vec![0.0; width];
                    weighted_sum(simd, &table, &terms, &x, &mut out, |_, sum| {
                        simd.add_f32s(sum, sum)
                    });
                    let mut dots = vec![1.0; count];
                    add_dots(simd, &table, &terms, &x, &mut dots);
                    for v in 0..width {
                        let sum: f32 = terms.iter().map(|(w, r)| w * table[r * width + v]).sum();
                        assert_eq!(out[v], 2.0 * (sum + x[v]));
                    }
                    for ((_, row), dot) in terms.iter().zip(dots) {
                        let want: f32 = (0..width).map(|v| table[row * width + v] * x[v]).sum();
                        assert_eq!(dot, 1.0 + want);
                    }
                }
                for heads in [1, 3, 4, 7] {
                    let weights = numbers(9 * 2 * heads);
                    let mut out = vec![9.0; heads * width];
                    let samples = [0, 3, 4, 8];
                    let given = (&weights[..], heads, 2 * heads);
                    sum_by_head(simd, &table, &samples, given, width, &mut out);
                    for h in 0..heads {
                        for v in 0..width {
                            let term = |s: &u32| {
                                let s = *s as usize;
                                weights[(2 * s + 1) * heads + h] * table[s * width + v]
                            };
                            assert_eq!(out[h * width + v], samples.iter().map(term).sum());
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn agree_with_plain_sums() {
        Arch::new().dispatch(Check);
        Check.with_simd(Scalar::new());
    }
}
