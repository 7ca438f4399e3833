//! Computes weighted sums of table rows and dot products with table rows: the memory-bound part of
//! a pair, with all sums in registers.
//!
//! A pair uses 2 · heads rows of U′ and of D′. Reading each row once, with nothing written but the
//! result, takes half the time of adding one row after another.

use pulp::Simd;

/// The weight of a row of a table, and the index of the row.
pub(crate) type Term = (f32, usize);

/// The rows of a table, `stride` entries apart.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a> {
    pub(crate) data: &'a [f32],
    pub(crate) stride: usize,
}

/// The terms of pairs, `per` of each.
#[derive(Clone, Copy)]
pub(crate) struct Terms<'a> {
    pub(crate) all: &'a [Term],
    pub(crate) per: usize,
}

/// What is added to a sum: `low` before its terms, `base` after them.
#[derive(Clone, Copy)]
pub(crate) struct Bases<'a> {
    pub(crate) base: &'a [f32],
    pub(crate) low: &'a [f32],
}

/// Rows that are written, `stride` entries apart.
pub(crate) struct Out<'a> {
    pub(crate) data: &'a mut [f32],
    pub(crate) stride: usize,
}

/// The weights of samples by head: those of sample s begin at `offset + s · stride`.
#[derive(Clone, Copy)]
pub(crate) struct Weights<'a> {
    pub(crate) data: &'a [f32],
    pub(crate) offset: usize,
    pub(crate) stride: usize,
}

/// Sets row i of `out` to `finish(base + (low + Σ weight · table[row]))` over the i-th run of `per`
/// of the `terms`. Widths are multiples of the lanes.
///
/// Columns are the outer loop and pairs the inner one, so that the few columns of the rows which
/// the pairs of a tile share stay in the L1 cache. The first half of a pair's rows belongs to a, so
/// that consecutive pairs with the same a, up to four, read these rows once. The terms of a pair
/// and their order are the same as if the pair were computed alone.
#[inline(always)]
pub(crate) fn weighted_sums<S: Simd>(
    simd: S,
    table: Rows<'_>,
    Terms { all, per }: Terms<'_>,
    Bases { base, low }: Bases<'_>,
    Out { data, stride }: Out<'_>,
    finish: impl Fn(S::f32s) -> S::f32s + Copy,
) {
    let width = base.len();
    let most = const { most_pairs::<S>() };
    let mut from = 0;
    while from < width {
        let left = (width - from) / S::F32_LANES;
        let bases = Bases {
            base: &base[from..],
            low: &low[from..],
        };
        let step = match left {
            4.. => 4,
            2.. => 2,
            _ => 1,
        };
        let (mut terms, mut rest) = (all, &mut *data);
        while let Some((_, row)) = terms.first() {
            let rows = terms.iter().step_by(per).take(most);
            let pairs = rows.take_while(|(_, other)| other == row).count();
            let of_pairs;
            (of_pairs, terms) = terms.split_at(pairs * per);
            let of = Terms { all: of_pairs, per };
            let out = Out {
                data: &mut *rest,
                stride,
            };
            match step {
                4 => some_pairs::<S, 4>(simd, table, of, bases, out, from, finish),
                2 => some_pairs::<S, 2>(simd, table, of, bases, out, from, finish),
                _ => some_pairs::<S, 1>(simd, table, of, bases, out, from, finish),
            }
            rest = &mut rest[pairs * stride..];
        }
        from += step * S::F32_LANES;
    }
}

/// Returns how many pairs [`sums_of`] takes at once: the sums and one row stay in registers. With
/// sixteen registers, two pairs leave some free.
const fn most_pairs<S: Simd>() -> usize {
    if S::REGISTER_COUNT >= 32 { 4 } else { 2 }
}

#[inline(always)]
fn some_pairs<S: Simd, const VECTORS: usize>(
    simd: S,
    table: Rows<'_>,
    Terms { all, per }: Terms<'_>,
    bases: Bases<'_>,
    out: Out<'_>,
    from: usize,
    finish: impl Fn(S::f32s) -> S::f32s,
) {
    let pairs = all.len() / per;
    // A constant, so that the two are not compiled where they are never used.
    if const { most_pairs::<S>() >= 4 } && pairs >= 3 {
        match pairs {
            3 => sums_of::<S, 3, VECTORS>(simd, table, all, bases, out, from, finish),
            _ => sums_of::<S, 4, VECTORS>(simd, table, all, bases, out, from, finish),
        }
        return;
    }
    match pairs {
        2 => sums_of::<S, 2, VECTORS>(simd, table, all, bases, out, from, finish),
        _ => sums_of::<S, 1, VECTORS>(simd, table, all, bases, out, from, finish),
    }
}

/// Computes the first `VECTORS` vectors of `PAIRS` rows of [`weighted_sums`], from column `from`
/// on; the first half of each pair's terms is of the same rows.
#[inline(always)]
fn sums_of<S: Simd, const PAIRS: usize, const VECTORS: usize>(
    simd: S,
    table: Rows<'_>,
    terms: &[Term],
    Bases { base, low }: Bases<'_>,
    Out { data, stride }: Out<'_>,
    from: usize,
    finish: impl Fn(S::f32s) -> S::f32s,
) {
    let len = VECTORS * S::F32_LANES;
    let per = terms.len() / PAIRS;
    let (low, _) = S::as_simd_f32s(&low[..len]);
    let (base, _) = S::as_simd_f32s(&base[..len]);
    let mut sums = [[simd.splat_f32s(0.0); VECTORS]; PAIRS];
    let mut of_pair: [&[Term]; PAIRS] = [&[]; PAIRS];
    for (i, (sums, of_pair)) in sums.iter_mut().zip(&mut of_pair).enumerate() {
        sums.copy_from_slice(low);
        *of_pair = &terms[i * per..][..per];
    }
    let shared = per / 2;
    for k in 0..shared {
        let (row, _) = S::as_simd_f32s(&table.data[of_pair[0][k].1 * table.stride + from..][..len]);
        for (terms, sums) in of_pair.iter().zip(&mut sums) {
            let weight = simd.splat_f32s(terms[k].0);
            for v in 0..VECTORS {
                sums[v] = simd.mul_add_e_f32s(weight, row[v], sums[v]);
            }
        }
    }
    for k in shared..per {
        for (terms, sums) in of_pair.iter().zip(&mut sums) {
            let (weight, row) = terms[k];
            let weight = simd.splat_f32s(weight);
            let (row, _) = S::as_simd_f32s(&table.data[row * table.stride + from..][..len]);
            for v in 0..VECTORS {
                sums[v] = simd.mul_add_e_f32s(weight, row[v], sums[v]);
            }
        }
    }
    for (i, sums) in sums.iter().enumerate() {
        let (out, _) = S::as_mut_simd_f32s(&mut data[i * stride + from..][..len]);
        for v in 0..VECTORS {
            out[v] = finish(simd.add_f32s(sums[v], base[v]));
        }
    }
}

/// Computes `out[j] = Σ row_j · x` over the tables, each with its x, for the rows of `terms`; x is
/// as long as the row, a multiple of the lanes.
#[inline(always)]
pub(crate) fn dots<S: Simd>(
    simd: S,
    tables: [(Rows<'_>, &[f32]); 2],
    terms: &[Term],
    out: &mut [f32],
) {
    let (terms, few) = terms.as_chunks::<4>();
    let (out, out_few) = out.as_chunks_mut::<4>();
    for ([a, b, c, d], out) in terms.iter().zip(out) {
        let mut sums = [simd.splat_f32s(0.0); 4];
        for (table, x) in tables {
            let (x, _) = S::as_simd_f32s(x);
            // The calls are written out, since compilers do not inline the closures of arrays'
            // `map` into the loop.
            let [a, b, c, d] = [
                row::<S>(table, a, x.len()),
                row::<S>(table, b, x.len()),
                row::<S>(table, c, x.len()),
                row::<S>(table, d, x.len()),
            ];
            for (v, x) in x.iter().enumerate() {
                sums[0] = simd.mul_add_e_f32s(*x, a[v], sums[0]);
                sums[1] = simd.mul_add_e_f32s(*x, b[v], sums[1]);
                sums[2] = simd.mul_add_e_f32s(*x, c[v], sums[2]);
                sums[3] = simd.mul_add_e_f32s(*x, d[v], sums[3]);
            }
        }
        for (out, sum) in out.iter_mut().zip(sums) {
            *out = simd.reduce_sum_f32s(sum);
        }
    }
    for (term, out) in few.iter().zip(out_few) {
        let mut sum = simd.splat_f32s(0.0);
        for (table, x) in tables {
            let (x, _) = S::as_simd_f32s(x);
            for (x, y) in x.iter().zip(row::<S>(table, term, x.len())) {
                sum = simd.mul_add_e_f32s(*x, *y, sum);
            }
        }
        *out = simd.reduce_sum_f32s(sum);
    }
}

/// Returns the first `vectors` vectors of a term's row.
#[inline(always)]
fn row<'a, S: Simd>(table: Rows<'a>, (_, row): &Term, vectors: usize) -> &'a [S::f32s] {
    let from = row * table.stride;
    let (row, _) = S::as_simd_f32s(&table.data[from..][..vectors * S::F32_LANES]);
    row
}

/// Computes `out[h] = Σ weights[s][h] · table[s]` over the samples s. `out` is `(heads, width)`;
/// `weights` has `heads` numbers for each sample; the width is a multiple of the lanes.
#[inline(always)]
pub(crate) fn sum_by_head<S: Simd>(
    simd: S,
    table: &[f32],
    samples: &[u32],
    weights: Weights<'_>,
    width: usize,
    out: &mut [f32],
) {
    let heads = out.len() / width;
    let mut head = 0;
    while head < heads {
        let out = &mut out[head * width..];
        let weights = Weights {
            offset: weights.offset + head,
            ..weights
        };
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
    weights: Weights<'_>,
    width: usize,
    out: &mut [f32],
) {
    let mut from = 0;
    while from < width {
        if width - from >= 4 * S::F32_LANES {
            columns::<S, HEADS, 4>(simd, table, samples, weights, width, from, out);
            from += 4 * S::F32_LANES;
        } else {
            columns::<S, HEADS, 1>(simd, table, samples, weights, width, from, out);
            from += S::F32_LANES;
        }
    }
}

#[inline(always)]
fn columns<S: Simd, const HEADS: usize, const VECTORS: usize>(
    simd: S,
    table: &[f32],
    samples: &[u32],
    weights: Weights<'_>,
    width: usize,
    from: usize,
    out: &mut [f32],
) {
    let mut sums = [[simd.splat_f32s(0.0); VECTORS]; HEADS];
    for sample in samples {
        let sample = *sample as usize;
        let row = &table[sample * width + from..][..VECTORS * S::F32_LANES];
        let (row, _) = S::as_simd_f32s(row);
        let weights = &weights.data[sample * weights.stride + weights.offset..][..HEADS];
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

    /// Returns small integers, so that every sum is exact.
    fn numbers(count: usize) -> Vec<f32> {
        (0..count).map(|i| (i * 7 % 11) as f32 - 5.0).collect()
    }

    struct Check;

    impl WithSimd for Check {
        type Output = ();
        fn with_simd<S: Simd>(self, simd: S) {
            for width in [16, 48, 64, 144] {
                let pitch = width + 16;
                let table = numbers(9 * pitch);
                let (x, low) = (numbers(width), numbers(width + 1).split_off(1));
                for count in [1, 2, 5, 8] {
                    // One pair, one pair with the rows in the other order, and runs of up to six
                    // pairs whose first halves are the same rows.
                    let first: Vec<Term> = (0..count).map(|i| (i as f32 - 1.0, 8 - i)).collect();
                    let second = first.iter().rev().map(|(w, r)| (w + 1.0, *r)).collect();
                    let alike = |n: usize| {
                        let other = |i: usize| {
                            if i < count.div_ceil(2) {
                                i
                            } else {
                                (i + n) % 9
                            }
                        };
                        (0..count)
                            .map(|i| ((i + n) as f32 - 3.0, other(i)))
                            .collect()
                    };
                    let run: Vec<Vec<Term>> = (0..6).map(alike).collect();
                    let pairs = [vec![first.clone(), second, first.clone()], run, vec![first]];
                    let terms = pairs.concat().concat();
                    let mut out = vec![9.0; 10 * pitch];
                    let rows = Rows {
                        data: &table,
                        stride: pitch,
                    };
                    let given = Terms {
                        all: &terms,
                        per: count,
                    };
                    let bases = Bases {
                        base: &x,
                        low: &low,
                    };
                    let to = Out {
                        data: &mut out,
                        stride: pitch,
                    };
                    weighted_sums(simd, rows, given, bases, to, |sum| simd.add_f32s(sum, sum));
                    for (out, terms) in out.chunks(pitch).zip(terms.chunks(count)) {
                        for v in 0..width {
                            let term = |(w, r): &Term| w * table[r * pitch + v];
                            let sum: f32 = terms.iter().map(term).sum();
                            assert_eq!(out[v], 2.0 * (sum + x[v] + low[v]));
                        }
                        assert!(out[width..].iter().all(|x| *x == 9.0));
                    }
                    let mut got = vec![9.0; count];
                    let tables = [(rows, &x[..]), (rows, &low)];
                    dots(simd, tables, &terms[..count], &mut got);
                    for ((_, row), dot) in terms.iter().zip(got) {
                        let term = |v| table[row * pitch + v] * (x[v] + low[v]);
                        assert_eq!(dot, (0..width).map(term).sum::<f32>());
                    }
                }
                let table = numbers(9 * width);
                for heads in [1, 3, 4, 7] {
                    let weights = numbers(9 * 2 * heads);
                    let mut out = vec![9.0; heads * width];
                    let samples = [0, 3, 4, 8];
                    let given = Weights {
                        data: &weights,
                        offset: heads,
                        stride: 2 * heads,
                    };
                    sum_by_head(simd, &table, &samples, given, width, &mut out);
                    for h in 0..heads {
                        for v in 0..width {
                            let term = |s: &u32| {
                                let s = *s as usize;
                                weights[(2 * s + 1) * heads + h] * table[s * width + v]
                            };
                            assert_eq!(out[h * width + v], samples.iter().map(term).sum::<f32>());
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
