//! Matrix products from one register-blocked micro-kernel, generic over the SIMD width.
//!
//! Both operands are packed first: the left into panels of [`tile_rows`] rows (`[k][rows]`), the
//! right into panels of two vectors (`[k][2 lanes]`), so that the inner loop has no strides and no
//! bounds checks. Every output is the sum over k in ascending order, whatever the blocking, so a
//! result never depends on how rows are split among threads.

use std::cell::Cell;

use pulp::Simd;

use super::buffer::{Buffer, padded};

/// A matrix in place: element (i, j) is `data[i * row + j * col]`.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) data: &'a [f32],
    pub(crate) row: usize,
    pub(crate) col: usize,
}

impl<'a> View<'a> {
    /// Row-major with `width` entries a row.
    pub(crate) fn rows(data: &'a [f32], width: usize) -> View<'a> {
        View {
            data,
            row: width,
            col: 1,
        }
    }

    /// The transpose.
    pub(crate) fn t(self) -> View<'a> {
        View {
            data: self.data,
            row: self.col,
            col: self.row,
        }
    }
}

/// Whether a product replaces the output or is added to it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Set,
    Add,
}

/// (m, k, n) of an `(m, k) · (k, n)` product.
#[derive(Clone, Copy)]
pub(crate) struct Size {
    pub(crate) m: usize,
    pub(crate) k: usize,
    pub(crate) n: usize,
}

/// Rows of the left operand that the micro-kernel keeps in registers: 12 × 2 accumulators where
/// there are 32 vector registers, 6 × 2 where there are 16.
#[inline(always)]
pub(crate) fn tile_rows<S: Simd>() -> usize {
    if S::REGISTER_COUNT >= 32 { 12 } else { 6 }
}

/// Floats needed for the packed left operand.
#[inline(always)]
pub(crate) fn left_len<S: Simd>(m: usize, k: usize) -> usize {
    m.next_multiple_of(tile_rows::<S>()) * k
}

/// Floats needed for the packed right operand.
#[inline(always)]
pub(crate) fn right_len(k: usize, n: usize) -> usize {
    k * padded(n)
}

/// The first columns of each right panel and its width, covering `padded(n)` columns.
#[inline(always)]
fn panels<S: Simd>(n: usize) -> impl Iterator<Item = (usize, usize)> {
    let width = 2 * S::F32_LANES;
    let end = padded(n);
    (0..end)
        .step_by(width)
        .map(move |j| (j, width.min(end - j)))
}

/// Packs the left operand, passing every entry through `map`; rows past m are zero.
#[inline(always)]
pub(crate) fn pack_left<S: Simd>(
    a: View<'_>,
    m: usize,
    k: usize,
    out: &mut [f32],
    map: impl Fn(f32) -> f32,
) {
    let tile = tile_rows::<S>();
    for (panel, out) in out[..left_len::<S>(m, k)]
        .chunks_exact_mut(tile * k)
        .enumerate()
    {
        let first = panel * tile;
        let count = tile.min(m - first);
        if a.row == 1 {
            for (kk, out) in out.chunks_exact_mut(tile).enumerate() {
                let from = &a.data[kk * a.col + first..][..count];
                for (o, x) in out.iter_mut().zip(from) {
                    *o = map(*x);
                }
                out[count..].fill(0.0);
            }
            continue;
        }
        if count < tile {
            out.fill(0.0);
        }
        for i in 0..count {
            let from = &a.data[(first + i) * a.row..];
            if a.col == 1 {
                for (o, x) in out[i..].iter_mut().step_by(tile).zip(&from[..k]) {
                    *o = map(*x);
                }
            } else {
                for (kk, o) in out[i..].iter_mut().step_by(tile).enumerate() {
                    *o = map(from[kk * a.col]);
                }
            }
        }
    }
}

/// Packs the right operand; columns past n are zero.
#[inline(always)]
pub(crate) fn pack_right<S: Simd>(b: View<'_>, k: usize, n: usize, out: &mut [f32]) {
    let mut rest = &mut out[..right_len(k, n)];
    for (j, width) in panels::<S>(n) {
        let (panel, tail) = rest.split_at_mut(k * width);
        rest = tail;
        let count = width.min(n.saturating_sub(j));
        if count == 0 {
            panel.fill(0.0);
            continue;
        }
        for (kk, out) in panel.chunks_exact_mut(width).enumerate() {
            let from = &b.data[kk * b.row + j * b.col..];
            if b.col == 1 {
                out[..count].copy_from_slice(&from[..count]);
            } else {
                for (jj, o) in out[..count].iter_mut().enumerate() {
                    *o = from[jj * b.col];
                }
            }
            out[count..].fill(0.0);
        }
    }
}

/// The micro-kernel: `acc[i] += Σ_k a[k][i] · b[k]`.
#[inline(always)]
fn micro<S: Simd, const ROWS: usize, const COLS: usize>(
    simd: S,
    a: &[[f32; ROWS]],
    b: &[[S::f32s; COLS]],
) -> [[S::f32s; COLS]; ROWS] {
    let mut acc = [[simd.splat_f32s(0.0); COLS]; ROWS];
    for (a, b) in a.iter().zip(b) {
        for (a, acc) in a.iter().zip(&mut acc) {
            let a = simd.splat_f32s(*a);
            for (b, acc) in b.iter().zip(acc) {
                *acc = simd.mul_add_e_f32s(a, *b, *acc);
            }
        }
    }
    acc
}

#[inline(always)]
fn store<S: Simd, const ROWS: usize, const COLS: usize>(
    simd: S,
    acc: &[[S::f32s; COLS]; ROWS],
    out: &mut [f32],
    stride: usize,
    (rows, cols): (usize, usize),
    mode: Mode,
) {
    for (acc, out) in acc.iter().zip(out.chunks_mut(stride)).take(rows) {
        let acc: &[f32] = bytemuck::cast_slice(acc);
        if cols == acc.len() {
            let (out, _) = S::as_mut_simd_f32s(&mut out[..cols]);
            let (acc, _) = S::as_simd_f32s(acc);
            for (o, a) in out.iter_mut().zip(acc) {
                *o = if mode == Mode::Add {
                    simd.add_f32s(*o, *a)
                } else {
                    *a
                };
            }
        } else {
            for (o, a) in out[..cols].iter_mut().zip(acc) {
                *o = if mode == Mode::Add { *o + *a } else { *a };
            }
        }
    }
}

#[inline(always)]
fn run<S: Simd, const ROWS: usize>(
    simd: S,
    left: &[f32],
    right: &[f32],
    size: Size,
    out: &mut [f32],
    stride: usize,
    mode: Mode,
) {
    let Size { m, k, n } = size;
    let mut rest = right;
    for (j, width) in panels::<S>(n) {
        let (b, tail) = rest.split_at(k * width);
        rest = tail;
        let cols = width.min(n.saturating_sub(j));
        if cols == 0 {
            break;
        }
        for (panel, a) in left[..left_len::<S>(m, k)]
            .chunks_exact(ROWS * k)
            .enumerate()
        {
            let first = panel * ROWS;
            let (a, _) = a.as_chunks::<ROWS>();
            let rows = ROWS.min(m - first);
            let out = &mut out[first * stride + j..];
            if width == 2 * S::F32_LANES {
                let acc = micro::<S, ROWS, 2>(simd, a, bytemuck::cast_slice(b));
                store(simd, &acc, out, stride, (rows, cols), mode);
            } else {
                let acc = micro::<S, ROWS, 1>(simd, a, bytemuck::cast_slice(b));
                store(simd, &acc, out, stride, (rows, cols), mode);
            }
        }
    }
}

/// `out (m, n; stride) = or += left · right`, both packed.
#[inline(always)]
pub(crate) fn multiply<S: Simd>(
    simd: S,
    left: &[f32],
    right: &[f32],
    size: Size,
    out: &mut [f32],
    stride: usize,
    mode: Mode,
) {
    if size.k == 0 || size.m == 0 {
        return;
    }
    if S::REGISTER_COUNT >= 32 {
        run::<S, 12>(simd, left, right, size, out, stride, mode);
    } else {
        run::<S, 6>(simd, left, right, size, out, stride, mode);
    }
}

/// A packed right operand, kept where several products share it.
#[derive(Clone)]
pub(crate) struct Right {
    data: Buffer,
    k: usize,
    n: usize,
}

impl Right {
    /// Room for a `(k, n)` operand, all zeros.
    pub(crate) fn zeros(k: usize, n: usize) -> Right {
        Right {
            data: Buffer::zeros(right_len(k, n)),
            k,
            n,
        }
    }

    /// Packs `b (k, n)`.
    #[inline(always)]
    pub(crate) fn pack<S: Simd>(&mut self, b: View<'_>) {
        pack_right::<S>(b, self.k, self.n, &mut self.data);
    }

    /// `out (m, n; stride) = or += left · self`, the left operand packed by [`pack_left`].
    #[inline(always)]
    pub(crate) fn multiply<S: Simd>(
        &self,
        simd: S,
        left: &[f32],
        m: usize,
        out: &mut [f32],
        stride: usize,
        mode: Mode,
    ) {
        let size = Size {
            m,
            k: self.k,
            n: self.n,
        };
        multiply(simd, left, &self.data, size, out, stride, mode);
    }

    /// `out (m, n; stride) = or += a · self`, packing `a (m, k)` into this thread's scratch.
    #[inline(always)]
    pub(crate) fn product<S: Simd>(
        &self,
        simd: S,
        a: View<'_>,
        m: usize,
        out: &mut [f32],
        stride: usize,
        mode: Mode,
    ) {
        let mut packed = PACKED.take();
        let left = packed.0.grow(left_len::<S>(m, self.k));
        pack_left::<S>(a, m, self.k, left, |x| x);
        self.multiply(simd, left, m, out, stride, mode);
        PACKED.set(packed);
    }
}

thread_local! {
    /// Room for packed operands, kept by each thread so that no epoch allocates. Taken out and put
    /// back rather than borrowed in a closure, which would lose the vector instructions.
    static PACKED: Cell<(Buffer, Buffer)> = Cell::default();
}

/// `out (m, n; stride) = or += a · b`, packing both operands into this thread's scratch.
#[inline(always)]
pub(crate) fn product<S: Simd>(
    simd: S,
    a: View<'_>,
    b: View<'_>,
    size: Size,
    out: &mut [f32],
    stride: usize,
    mode: Mode,
) {
    let mut packed = PACKED.take();
    let left = packed.0.grow(left_len::<S>(size.m, size.k));
    let right = packed.1.grow(right_len(size.k, size.n));
    pack_left::<S>(a, size.m, size.k, left, |x| x);
    pack_right::<S>(b, size.k, size.n, right);
    multiply(simd, left, right, size, out, stride, mode);
    PACKED.set(packed);
}

#[cfg(test)]
mod tests {
    use super::*;
    use pulp::{Arch, WithSimd};

    struct Case {
        size: Size,
        transposed: bool,
        mode: Mode,
    }

    /// Deterministic numbers in −1..1.
    fn numbers(count: usize, seed: u32) -> Vec<f32> {
        (0..count as u32)
            .map(|i| {
                (i.wrapping_mul(2_654_435_761).wrapping_add(seed) >> 8) as f32 / 8_388_608.0 - 1.0
            })
            .collect()
    }

    /// The largest error, as a share of the sum of the terms' magnitudes.
    impl WithSimd for Case {
        type Output = f64;
        fn with_simd<S: Simd>(self, simd: S) -> f64 {
            let Size { m, k, n } = self.size;
            let (a, b) = (numbers(m * k, 1), numbers(k * n, 2));
            let (av, bv) = if self.transposed {
                (View::rows(&a, m).t(), View::rows(&b, k).t())
            } else {
                (View::rows(&a, k), View::rows(&b, n))
            };
            let stride = n + 3;
            let mut out = numbers(m * stride, 3);
            let before = out.clone();
            product(simd, av, bv, self.size, &mut out, stride, self.mode);
            let mut worst = 0.0f64;
            for i in 0..m {
                for j in 0..stride {
                    let old = f64::from(before[i * stride + j]);
                    let (mut want, mut size) = (old, old.abs());
                    if j < n {
                        let term = |q: usize| {
                            f64::from(av.data[i * av.row + q * av.col])
                                * f64::from(bv.data[q * bv.row + j * bv.col])
                        };
                        let kept = if self.mode == Mode::Add { old } else { 0.0 };
                        want = (0..k).map(term).sum::<f64>() + kept;
                        size = (0..k).map(|q| term(q).abs()).sum::<f64>() + kept.abs();
                    }
                    worst = worst.max((f64::from(out[i * stride + j]) - want).abs() / size);
                }
            }
            worst
        }
    }

    #[test]
    fn agrees_with_f64_at_all_edges_of_the_tile() {
        for m in [1, 11, 12, 13, 25] {
            for n in [1, 15, 16, 17, 31, 32, 33, 113] {
                for k in [1, 2, 128] {
                    for (transposed, mode) in [(false, Mode::Set), (true, Mode::Add)] {
                        let size = Size { m, k, n };
                        let error = Arch::new().dispatch(Case {
                            size,
                            transposed,
                            mode,
                        });
                        assert!(error < 1e-6, "{m} {k} {n}: {error:e}");
                        let scalar = Case {
                            size,
                            transposed,
                            mode,
                        }
                        .with_simd(pulp::Scalar::new());
                        assert!(scalar < 1e-6, "scalar {m} {k} {n}: {scalar:e}");
                    }
                }
            }
        }
    }
}
