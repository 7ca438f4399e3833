//! Computes matrix products by one register-blocked micro-kernel, generic over the SIMD width.
//!
//! The right operand is packed into panels of two vectors (`[k][2 lanes]`), so that the inner loop
//! has no strides; the left one stays where it is, in rows or in columns. Every output is a sum
//! over k in an order that depends on k alone, never on the blocking of rows, so that a result does
//! not depend on how rows are divided among threads.
//!
//! Some moduli are one above a multiple of sixteen (17, 97, 113). Up to [`TAIL`] columns beyond
//! whole vectors are computed as dot products, since a vector for one column would cost a seventh
//! of all arithmetic at p = 113.

mod kernel;

use std::cell::Cell;

use pulp::{Simd, WithSimd};

use super::buffer::{Buffer, LINE, padded};
use kernel::multiply_panels;

/// The largest number of columns beyond whole lines that are computed as dot products; each costs
/// about a fifth of a vector.
const TAIL: usize = 4;

/// A matrix in place: element (i, j) is `data[i * row + j * col]`; `row` or `col` is 1.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) data: &'a [f32],
    pub(crate) row: usize,
    pub(crate) col: usize,
}

impl<'a> View<'a> {
    /// Returns the view of row-major data with `width` entries a row.
    pub(crate) fn rows(data: &'a [f32], width: usize) -> View<'a> {
        View {
            data,
            row: width,
            col: 1,
        }
    }

    /// Returns the transpose.
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

/// Returns the number of columns that panels cover; the others, at most [`TAIL`], are dot products.
fn in_panels(n: usize) -> usize {
    if n % LINE <= TAIL {
        n - n % LINE
    } else {
        padded(n)
    }
}

/// Returns the first column of each right panel and the panel's width, covering `columns`, which
/// are whole lines.
#[inline(always)]
fn panels<S: Simd>(columns: usize) -> impl Iterator<Item = (usize, usize)> {
    let width = 2 * S::F32_LANES;
    (0..columns)
        .step_by(width)
        .map(move |j| (j, width.min(columns - j)))
}

/// A packed right operand, which is kept if several products share it.
#[derive(Clone, Default)]
pub(crate) struct Right {
    /// panel after panel, `(k, panel)` each
    panels: Buffer,
    /// the columns beyond the panels, `(columns, k)`
    tail: Buffer,
    k: usize,
    n: usize,
}

impl Right {
    /// Allocates a `(k, n)` operand of zeros.
    pub(crate) fn zeros(k: usize, n: usize) -> Right {
        let mut right = Right::default();
        right.resize(k, n);
        right
    }

    /// Returns n.
    pub(crate) fn columns(&self) -> usize {
        self.n
    }

    /// Multiplies the packed operand by a factor.
    #[inline(always)]
    pub(crate) fn scale(&mut self, factor: f32) {
        if factor != 1.0 {
            let all = self.panels.iter_mut().chain(self.tail.iter_mut());
            all.for_each(|x| *x *= factor);
        }
    }

    fn resize(&mut self, k: usize, n: usize) {
        self.panels.grow(k * in_panels(n));
        self.tail.grow(k * n.saturating_sub(in_panels(n)));
        (self.k, self.n) = (k, n);
    }

    /// Packs `b (k, n)`, with this operand's n and at most its first k.
    #[inline(always)]
    pub(crate) fn pack<S: Simd>(&mut self, b: View<'_>, k: usize) {
        let (n, columns) = (self.n, in_panels(self.n));
        self.resize(k, n);
        let mut rest = &mut self.panels[..k * columns];
        for (j, width) in panels::<S>(columns) {
            let (panel, after) = rest.split_at_mut(k * width);
            rest = after;
            let count = width.min(n.saturating_sub(j));
            if count == 0 {
                panel.fill(0.0);
                continue;
            }
            for (kk, out) in panel.chunks_exact_mut(width).enumerate() {
                let from = &b.data[kk * b.row + j * b.col..];
                if b.col == 1 && count == 2 * S::F32_LANES {
                    copy::<S>(out, from);
                } else if b.col == 1 {
                    out[..count].copy_from_slice(&from[..count]);
                } else {
                    for (jj, o) in out[..count].iter_mut().enumerate() {
                        *o = from[jj * b.col];
                    }
                }
                out[count..].fill(0.0);
            }
        }
        for (j, out) in (columns..n).zip(self.tail.chunks_exact_mut(k.max(1))) {
            for (kk, o) in out.iter_mut().enumerate() {
                *o = b.data[kk * b.row + j * b.col];
            }
        }
    }

    /// Computes `out (m, n; stride) = or += a · self`.
    ///
    /// The loops are one function for each vector width, which all callers share: inlined into each
    /// caller, they took most of the engine's compile time.
    #[inline(always)]
    pub(crate) fn multiply<S: Simd>(
        &self,
        simd: S,
        a: View<'_>,
        m: usize,
        out: &mut [f32],
        stride: usize,
        mode: Mode,
    ) {
        simd.vectorize(Multiply {
            right: self,
            a,
            m,
            out,
            stride,
            mode,
        });
    }
}

/// The arguments of [`Right::multiply`].
struct Multiply<'a> {
    right: &'a Right,
    a: View<'a>,
    m: usize,
    out: &'a mut [f32],
    stride: usize,
    mode: Mode,
}

impl WithSimd for Multiply<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Multiply {
            right,
            a,
            m,
            out,
            stride,
            mode,
        } = self;
        let (k, n) = (right.k, right.n);
        if k == 0 || m == 0 {
            return;
        }
        let size = Size { m, k, n };
        multiply_panels(simd, a, &right.panels, size, out, stride, mode);
        for (j, tail) in (in_panels(n)..n).zip(right.tail.chunks_exact(k)) {
            kernel::multiply_column(simd, a, tail, m, &mut out[j..], stride, mode);
        }
    }
}

/// Copies two vectors, by moves rather than a call of `memcpy`.
#[inline(always)]
fn copy<S: Simd>(to: &mut [f32], from: &[f32]) {
    let to = S::as_mut_simd_f32s(to).0.as_chunks_mut::<2>().0;
    let from = S::as_simd_f32s(from).0.as_chunks::<2>().0;
    if let ([to, ..], [from, ..]) = (to, from) {
        *to = *from;
    }
}

thread_local! {
    /// Memory for a packed operand, kept by each thread so that no epoch allocates. The operand is
    /// taken out and put back, since a closure that borrows it would lose the vector instructions.
    static PACKED: Cell<Right> = Cell::default();
}

/// Computes `out (m, n; stride) = or += a · b`, packing b into this thread's scratch memory.
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
    packed.resize(size.k, size.n);
    packed.pack::<S>(b, size.k);
    packed.multiply(simd, a, size.m, out, stride, mode);
    PACKED.set(packed);
}

#[cfg(test)]
mod tests;
