//! Runs operations on tables that do not depend on samples, and adds up the totals over samples.
//!
//! Owns how these operations are divided among threads: by rows, with the same result for any
//! number of threads.

use grokrun_program::{Extent, Op, Term, View as Block, Write};
use pulp::Simd;
use rayon::prelude::*;

use super::lookup::{Lookup, columns};
use super::pass::{Sums, outputs};
use super::plan::Reduction;
use super::rows;
use crate::BLOCK;
use crate::buffer::Buffer;
use crate::parallel::Bodies as _;
use crate::product::{Mode, Right, View};

/// The number of multiplications from which a product is worth a second thread.
const WORTH_SHARING: usize = 1 << 18;

/// The tables without samples, and their layout in memory.
pub(super) struct Whole<'a> {
    pub(super) tables: &'a mut [Buffer],
    pub(super) strides: &'a [usize],
    pub(super) tokens: usize,
}

/// A block of a table as a matrix, with its number of rows and of columns.
struct Matrix<'a> {
    view: View<'a>,
    rows: usize,
    cols: usize,
}

impl Whole<'_> {
    fn count(&self, extent: Extent) -> usize {
        match extent {
            Extent::Once(count) => count,
            Extent::Token(_) => self.tokens,
            // The plan runs operations on samples tile by tile.
            Extent::Sample(_) => 0,
        }
    }

    fn first(&self, block: &Block) -> usize {
        block.rows.first * self.strides[block.table.0] + block.cols.first
    }

    fn matrix(&self, block: &Block) -> Matrix<'_> {
        let data = &self.tables[block.table.0][self.first(block)..];
        let view = View::rows(data, self.strides[block.table.0]);
        Matrix {
            view: if block.transposed { view.t() } else { view },
            rows: self.count(block.height()),
            cols: self.count(block.width()),
        }
    }

    /// Packs a right operand, multiplied by a factor.
    pub(super) fn pack<S: Simd>(&self, simd: S, block: &Block, scale: f32, into: &mut Right) {
        let matrix = self.matrix(block);
        if into.columns() != matrix.cols {
            *into = Right::zeros(matrix.rows, matrix.cols);
        }
        vectorized!(simd, {
            into.pack::<S>(matrix.view, matrix.rows);
            into.scale(scale);
        });
    }

    /// Runs an operation.
    pub(super) fn run<S: Simd>(&mut self, simd: S, op: &Op) {
        match op {
            Op::Product {
                out,
                write,
                scale,
                terms,
            } => {
                for (number, term) in terms.iter().enumerate() {
                    let mode = match write {
                        Write::Set if number == 0 => Mode::Set,
                        _ => Mode::Add,
                    };
                    let (left, right) = (term.left, term.right);
                    if out.transposed {
                        self.product(simd, &out.t(), [&right.t(), &left.t()], *scale, mode);
                    } else {
                        self.product(simd, out, [&left, &right], *scale, mode);
                    }
                }
            }
            Op::Sum {
                out,
                write,
                heads,
                term,
                over,
            } => self.sum(simd, out, *write, *heads, term, *over),
            _ => self.by_rows(simd, op),
        }
    }

    fn product<S: Simd>(
        &mut self,
        simd: S,
        out: &Block,
        [left, right]: [&Block; 2],
        scale: f64,
        mode: Mode,
    ) {
        let mut packed = Right::default();
        self.pack(simd, right, scale as f32, &mut packed);
        let stride = self.strides[out.table.0];
        let (first, m, n) = (
            self.first(out),
            self.count(out.height()),
            self.count(out.width()),
        );
        let mut to = std::mem::take(&mut self.tables[out.table.0]);
        let left = self.matrix(left);
        let k = left.cols;
        let end = (m - 1) * stride + n;
        let block = match m * n * k {
            work if work < WORTH_SHARING => m,
            _ => BLOCK,
        };
        to[first..][..end]
            .par_chunks_mut(block * stride)
            .enumerate()
            .each(&|(number, to)| {
                let View { data, row, col } = left.view;
                let rows = View {
                    data: &data[number * block * row..],
                    row,
                    col,
                };
                let count = block.min(m - number * block);
                packed.multiply(simd, rows, count, to, stride, mode);
            });
        self.tables[out.table.0] = to;
    }

    fn lookup(&self, over: Extent) -> Lookup<'_> {
        Lookup {
            whole: self.tables,
            tile: &[],
            strides: self.strides,
            over,
            samples: None,
        }
    }

    /// Sums rows of tokens into a single row.
    fn sum<S: Simd>(
        &mut self,
        simd: S,
        out: &Block,
        write: Write,
        heads: usize,
        term: &Term,
        over: Extent,
    ) {
        let (first, width) = (self.first(out), columns(out));
        let mut to = std::mem::take(&mut self.tables[out.table.0]);
        let row = &mut to[first..][..width];
        if write == Write::Set {
            row.fill(0.0);
        }
        let lookup = self.lookup(over);
        vectorized!(simd, {
            for r in 0..self.count(over) {
                rows::weighted(simd, lookup, term, heads, r, row);
            }
        });
        self.tables[out.table.0] = to;
    }

    fn by_rows<S: Simd>(&mut self, simd: S, op: &Op) {
        let places = outputs(op);
        let mut taken = places.map(|place| place.map(|id| std::mem::take(&mut self.tables[id.0])));
        let over = op.extent().unwrap_or(Extent::Once(0));
        let count = self.count(over);
        {
            let mut outs: [&mut [f32]; 2] = [&mut [], &mut []];
            for (out, taken) in outs.iter_mut().zip(&mut taken) {
                if let Some(taken) = taken {
                    *out = taken;
                }
            }
            let lookup = self.lookup(over);
            vectorized!(simd, rows::run(simd, op, lookup, count, &mut outs));
        }
        for (place, taken) in places.into_iter().zip(taken) {
            if let (Some(place), Some(taken)) = (place, taken) {
                self.tables[place.0] = taken;
            }
        }
    }

    /// Writes the total of a sum over samples: the chunks' parts, added in their order.
    pub(super) fn total(&mut self, sum: usize, of: &Reduction, chunks: &[Sums]) {
        let Reduction {
            out,
            write,
            size: [_, width],
            scale,
        } = of;
        let (first, stride) = (self.first(out), self.strides[out.table.0]);
        let to = &mut self.tables[out.table.0][first..];
        let rows = to.par_chunks_mut(stride).take(of.size[0]).enumerate();
        rows.with_min_len(BLOCK).each(&|(row, to)| {
            let part = row * width..(row + 1) * width;
            let to = &mut to[..*width];
            if *write == Write::Set {
                to.fill(0.0);
            }
            for chunk in chunks {
                for (to, x) in to.iter_mut().zip(&chunk[sum][part.clone()]) {
                    *to += scale * x;
                }
            }
        });
    }
}
