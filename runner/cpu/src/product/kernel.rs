//! Implements the micro-kernel and the loops around it.

use std::cell::Cell;

use pulp::Simd;

use super::{Mode, Size, View, in_panels, panels};
use crate::buffer::Buffer;
use crate::vector::{add_scaled, dot};

/// The part of k that is multiplied at a time: that part of a panel, 32 KiB of AVX-512 vectors,
/// then stays in the L1 cache while all rows pass by.
const DEPTH: usize = 256;

thread_local! {
    /// Memory for a narrow left operand or a column of sums.
    static SCRATCH: Cell<Buffer> = Cell::default();
}

/// Computes the columns in panels of `out (m, n; stride) = or += a · right`.
#[inline(always)]
pub(super) fn multiply_panels<S: Simd>(
    simd: S,
    a: View<'_>,
    right: &[f32],
    size: Size,
    out: &mut [f32],
    stride: usize,
    mode: Mode,
) {
    // There are 12 × 2 accumulators with 32 vector registers, and 6 × 2 with 16.
    if S::REGISTER_COUNT >= 32 {
        rows_or_columns::<S, 12>(simd, a, right, size, out, stride, mode);
    } else {
        rows_or_columns::<S, 6>(simd, a, right, size, out, stride, mode);
    }
}

#[inline(always)]
fn rows_or_columns<S: Simd, const ROWS: usize>(
    simd: S,
    a: View<'_>,
    right: &[f32],
    size: Size,
    out: &mut [f32],
    stride: usize,
    mode: Mode,
) {
    let Size { m, k, .. } = size;
    let to = (out, stride, mode);
    if a.col == 1 {
        let rows = Rows {
            data: a.data,
            stride: a.row,
            m,
        };
        all::<S, ROWS>(simd, rows, right, size, to);
    } else if m >= ROWS {
        let columns = Columns {
            data: a.data,
            stride: a.col,
            m,
        };
        all::<S, ROWS>(simd, columns, right, size, to);
    } else {
        let mut scratch = SCRATCH.take();
        let padded = scratch.grow(k * ROWS);
        for (kk, row) in padded.chunks_exact_mut(ROWS).enumerate() {
            row[..m].copy_from_slice(&a.data[kk * a.col..][..m]);
            row[m..].fill(0.0);
        }
        let columns = Columns {
            data: padded,
            stride: ROWS,
            m: ROWS,
        };
        all::<S, ROWS>(simd, columns, right, size, to);
        SCRATCH.set(scratch);
    }
}

/// A left operand of which [`ROWS`](Left::micro) rows are multiplied at a time.
trait Left: Copy {
    /// Returns the first of the rows that are multiplied for those from `first` on.
    fn start<const ROWS: usize>(self, first: usize) -> usize;

    /// Computes `acc[i] = Σ_k a[start + i][from + k] · b[k]`.
    fn micro<S: Simd, const ROWS: usize, const COLS: usize>(
        self,
        simd: S,
        start: usize,
        from: usize,
        b: &[[S::f32s; COLS]],
    ) -> [[S::f32s; COLS]; ROWS];
}

/// A left operand whose rows are contiguous.
#[derive(Clone, Copy)]
struct Rows<'a> {
    data: &'a [f32],
    stride: usize,
    m: usize,
}

impl Left for Rows<'_> {
    #[inline(always)]
    fn start<const ROWS: usize>(self, first: usize) -> usize {
        first
    }

    #[inline(always)]
    fn micro<S: Simd, const ROWS: usize, const COLS: usize>(
        self,
        simd: S,
        start: usize,
        from: usize,
        b: &[[S::f32s; COLS]],
    ) -> [[S::f32s; COLS]; ROWS] {
        // Beyond the last row, the last row is multiplied again, and the result is not stored. This
        // is a loop, since compilers do not inline the closures of `from_fn`.
        let mut rows: [&[f32]; ROWS] = [&[]; ROWS];
        for (i, at) in rows.iter_mut().enumerate() {
            let row = (start + i).min(self.m - 1);
            *at = &self.data[row * self.stride + from..][..b.len()];
        }
        let mut acc = [[simd.splat_f32s(0.0); COLS]; ROWS];
        for (k, b) in b.iter().enumerate() {
            for (row, acc) in rows.iter().zip(&mut acc) {
                let a = simd.splat_f32s(row[k]);
                for (b, acc) in b.iter().zip(acc) {
                    *acc = simd.mul_add_e_f32s(a, *b, *acc);
                }
            }
        }
        acc
    }
}

/// A left operand whose columns are contiguous, with at least as many rows as are multiplied at a
/// time.
#[derive(Clone, Copy)]
struct Columns<'a> {
    data: &'a [f32],
    stride: usize,
    m: usize,
}

impl Left for Columns<'_> {
    #[inline(always)]
    fn start<const ROWS: usize>(self, first: usize) -> usize {
        first.min(self.m - ROWS)
    }

    #[inline(always)]
    fn micro<S: Simd, const ROWS: usize, const COLS: usize>(
        self,
        simd: S,
        start: usize,
        from: usize,
        b: &[[S::f32s; COLS]],
    ) -> [[S::f32s; COLS]; ROWS] {
        let mut acc = [[simd.splat_f32s(0.0); COLS]; ROWS];
        let columns = self.data[from * self.stride + start..].chunks(self.stride);
        for (a, b) in columns.zip(b) {
            for (a, acc) in a[..ROWS].iter().zip(&mut acc) {
                let a = simd.splat_f32s(*a);
                for (b, acc) in b.iter().zip(acc) {
                    *acc = simd.mul_add_e_f32s(a, *b, *acc);
                }
            }
        }
        acc
    }
}

/// Multiplies panel by panel, [`DEPTH`] by `DEPTH`, rows by rows.
#[inline(always)]
fn all<S: Simd, const ROWS: usize>(
    simd: S,
    left: impl Left,
    right: &[f32],
    size: Size,
    (out, stride, mode): (&mut [f32], usize, Mode),
) {
    let Size { m, k, n } = size;
    let mut rest = right;
    for (j, width) in panels::<S>(in_panels(n)) {
        let (panel, after) = rest.split_at(k * width);
        rest = after;
        let cols = width.min(n.saturating_sub(j));
        if cols == 0 {
            break;
        }
        for (deep, b) in panel.chunks(DEPTH * width).enumerate() {
            let (from, mode) = (deep * DEPTH, if deep == 0 { mode } else { Mode::Add });
            for first in (0..m).step_by(ROWS) {
                let start = left.start::<ROWS>(first);
                let rows = (first - start, ROWS.min(m - start));
                let out = &mut out[first * stride + j..];
                if width == 2 * S::F32_LANES {
                    let b = bytemuck::cast_slice(b);
                    let acc = left.micro::<S, ROWS, 2>(simd, start, from, b);
                    store(simd, &acc, rows, out, stride, cols, mode);
                } else {
                    let b = bytemuck::cast_slice(b);
                    let acc = left.micro::<S, ROWS, 1>(simd, start, from, b);
                    store(simd, &acc, rows, out, stride, cols, mode);
                }
            }
        }
    }
}

/// Writes rows `from..to` and the first `cols` columns of `acc`.
#[inline(always)]
fn store<S: Simd, const ROWS: usize, const COLS: usize>(
    simd: S,
    acc: &[[S::f32s; COLS]; ROWS],
    rows: (usize, usize),
    out: &mut [f32],
    stride: usize,
    cols: usize,
    mode: Mode,
) {
    if rows == (0, ROWS) && cols == COLS * S::F32_LANES {
        for (i, acc) in acc.iter().enumerate() {
            let (out, _) = S::as_mut_simd_f32s(&mut out[i * stride..][..cols]);
            for (o, a) in out.iter_mut().zip(acc) {
                *o = if mode == Mode::Add {
                    simd.add_f32s(*o, *a)
                } else {
                    *a
                };
            }
        }
    } else {
        let lanes = S::F32_LANES;
        for (i, acc) in acc[rows.0..rows.1].iter().enumerate() {
            let out = &mut out[i * stride..][..cols];
            for (out, acc) in out.chunks_mut(lanes).zip(acc) {
                let sum = match mode {
                    Mode::Add => simd.add_f32s(simd.partial_load_f32s(out), *acc),
                    Mode::Set => *acc,
                };
                simd.partial_store_f32s(out, sum);
            }
        }
    }
}

/// Computes one column: `out[i · stride] = or += Σ_k a[i][k] · b[k]`.
#[inline(always)]
pub(super) fn multiply_column<S: Simd>(
    simd: S,
    a: View<'_>,
    b: &[f32],
    m: usize,
    out: &mut [f32],
    stride: usize,
    mode: Mode,
) {
    let put = |o: &mut f32, x: f32| *o = if mode == Mode::Add { *o + x } else { x };
    if a.col == 1 {
        for (i, o) in out.iter_mut().step_by(stride).take(m).enumerate() {
            put(o, dot(simd, &a.data[i * a.row..][..b.len()], b));
        }
        return;
    }
    let mut scratch = SCRATCH.take();
    let sums = scratch.grow(m);
    sums.fill(0.0);
    for (column, b) in a.data.chunks(a.col).zip(b) {
        add_scaled(simd, sums, *b, &column[..m]);
    }
    for (sum, o) in sums.iter().zip(out.iter_mut().step_by(stride)) {
        put(o, *sum);
    }
    SCRATCH.set(scratch);
}
