//! The operations of the forward and the backward stages, each a loop over rows.

use super::rows::{
    is_right, mean, multiply_row, norm_gradient, softmax, softmax_gradient, variance,
};
use super::{Block, Interpreter, Real, Score};
use crate::activation::{slope, value};
use crate::loss::Loss;
use crate::op::{Factors, Op, Term, Write};
use crate::table::{Extent, Part, View};

/// A view with the entries that it shows.
struct Read<'a, T> {
    numbers: &'a [T],
    block: Block,
    extent: Extent,
}

impl<T: Real> Read<'_, T> {
    /// Returns the first `cols` entries of a row if they lie side by side in memory.
    fn row(&self, row: usize, cols: usize) -> Option<&[T]> {
        let first = self.block.at(row, 0);
        (self.block.col == 1).then(|| &self.numbers[first..first + cols])
    }

    fn at(&self, row: usize, col: usize) -> T {
        self.numbers[self.block.at(row, col)]
    }
}

impl<T: Real> Interpreter<'_, T> {
    pub(super) fn forward_or_adjoint(&mut self, op: &Op) {
        match op {
            Op::Clear { table } => self.tables[table.0].fill(T::ZERO),
            Op::Product {
                out,
                write,
                scale,
                terms,
            } => self.product(*out, *write, T::from_f64(*scale), terms),
            Op::Add {
                out,
                write,
                heads,
                terms,
                constant,
            } => self.add(*out, *write, *heads, terms, T::from_f64(*constant)),
            Op::Sum {
                out,
                write,
                heads,
                term,
                over,
            } => self.sum(*out, *write, *heads, term, *over),
            Op::Dot {
                out,
                write,
                heads,
                left,
                right,
                scale,
            } => self.dot(*out, *write, *heads, [*left, *right], T::from_f64(*scale)),
            Op::Softmax { out, scores, heads } => {
                self.rowwise(*out, Write::Set, [*scores], |[s], out| {
                    softmax(s, *heads, out)
                });
            }
            Op::SoftmaxGradient {
                out,
                write,
                weights,
                gradient,
                heads,
            } => self.rowwise(*out, *write, [*weights, *gradient], |[p, dp], out| {
                softmax_gradient(p, dp, *heads, out);
            }),
            Op::Activate {
                out,
                input,
                activation,
            } => self.rowwise(*out, Write::Set, [*input], |[x], out| {
                for (out, x) in out.iter_mut().zip(x) {
                    *out = value(*activation, *x);
                }
            }),
            Op::ActivateGradient {
                out,
                write,
                input,
                gradient,
                activation,
            } => self.rowwise(*out, *write, [*input, *gradient], |[x, dy], out| {
                for ((out, x), dy) in out.iter_mut().zip(x).zip(dy) {
                    *out = slope(*activation, *x) * *dy;
                }
            }),
            Op::Norm {
                out,
                inverse,
                input,
                epsilon,
            } => self.normalise(*out, *inverse, *input, T::from_f64(*epsilon)),
            Op::NormGradient {
                out,
                write,
                normed,
                inverse,
                gradient,
            } => self.rowwise(
                *out,
                *write,
                [*normed, *inverse, *gradient],
                |[y, inverse, dy], out| norm_gradient(y, inverse[0], dy, out),
            ),
            Op::Loss {
                logits,
                part,
                loss,
                gradient,
            } => self.loss(*logits, *part, loss, *gradient),
            // `update.rs` runs these operations.
            Op::Filter { .. } | Op::Update { .. } | Op::Project { .. } => {}
        }
    }

    fn read(&self, view: View) -> Read<'_, T> {
        Read {
            numbers: &self.tables[view.table.0],
            block: self.block(view),
            extent: view.height(),
        }
    }

    /// Returns the matrix that a view shows, row-major and without gaps.
    fn packed(&self, view: View) -> Vec<T> {
        let [rows, cols] = [view.height(), view.width()].map(|extent| self.rows(extent));
        let read = self.read(view);
        let mut packed = Vec::with_capacity(rows * cols);
        for row in 0..rows {
            match read.row(row, cols) {
                Some(whole) => packed.extend_from_slice(whole),
                None => packed.extend((0..cols).map(|col| read.at(row, col))),
            }
        }
        packed
    }

    /// Takes the output's table out, lets `work` fill it, and puts it back.
    fn writing(&mut self, out: View, work: impl FnOnce(&Self, &mut [T], Block)) {
        let block = self.block(out);
        let mut numbers = std::mem::take(&mut self.tables[out.table.0]);
        work(self, &mut numbers, block);
        self.tables[out.table.0] = numbers;
    }

    fn product(&mut self, out: View, write: Write, scale: T, terms: &[Factors]) {
        let [m, n] = [out.height(), out.width()].map(|extent| self.rows(extent));
        let mut sums = vec![T::ZERO; m * n];
        for term in terms {
            let (left, right) = (self.packed(term.left), self.packed(term.right));
            let k = self.rows(term.left.width());
            if k == 0 || n == 0 {
                continue;
            }
            for (sums, left) in sums.chunks_exact_mut(n).zip(left.chunks_exact(k)) {
                multiply_row(sums, left, &right);
            }
        }
        sums.iter_mut().for_each(|x| *x *= scale);
        self.store(out, write, &sums);
    }

    /// Writes a packed matrix into a view.
    fn store(&mut self, out: View, write: Write, packed: &[T]) {
        let [rows, cols] = [out.height(), out.width()].map(|extent| self.rows(extent));
        self.writing(out, |_, numbers, block| {
            for row in 0..rows {
                for col in 0..cols {
                    put(
                        &mut numbers[block.at(row, col)],
                        write,
                        packed[row * cols + col],
                    );
                }
            }
        });
    }

    fn add(&mut self, out: View, write: Write, heads: usize, terms: &[Term], constant: T) {
        let over = out.height();
        let [rows, cols] = [over, out.width()].map(|extent| self.rows(extent));
        let width = cols / heads;
        self.writing(out, |this, numbers, block| {
            let mut sums = vec![T::ZERO; cols];
            for row in 0..rows {
                sums.fill(constant);
                for term in terms {
                    this.weighted(term, [heads, width], over, row, &mut sums);
                }
                for (col, sum) in sums.iter().enumerate() {
                    put(&mut numbers[block.at(row, col)], write, *sum);
                }
            }
        });
    }

    /// Adds scale · w[r, h] · v[r, h, j] of row r of `over` to `sums`.
    fn weighted(
        &self,
        term: &Term,
        [heads, width]: [usize; 2],
        over: Extent,
        row: usize,
        sums: &mut [T],
    ) {
        let values = self.read(term.values);
        let value_row = self.row_of(values.extent, over, row);
        let scale = T::from_f64(term.scale);
        let weights = term.weights.map(|view| {
            let read = self.read(view);
            (self.row_of(read.extent, over, row), read)
        });
        for head in 0..heads {
            let factor = match &weights {
                Some((row, w)) => scale * w.at(*row, head),
                None => scale,
            };
            let columns = head * width..(head + 1) * width;
            let sums = &mut sums[columns.clone()];
            match values.row(value_row, heads * width) {
                Some(whole) => {
                    for (sum, v) in sums.iter_mut().zip(&whole[columns]) {
                        *sum += factor * *v;
                    }
                }
                None => {
                    for (sum, col) in sums.iter_mut().zip(columns) {
                        *sum += factor * values.at(value_row, col);
                    }
                }
            }
        }
    }

    fn sum(&mut self, out: View, write: Write, heads: usize, term: &Term, over: Extent) {
        let [rows, cols] = [out.height(), out.width()].map(|extent| self.rows(extent));
        let mut sums = vec![T::ZERO; rows * cols];
        for sample in 0..self.rows(over) {
            let row = self.row_of(out.height(), over, sample);
            let sums = &mut sums[row * cols..(row + 1) * cols];
            self.weighted(term, [heads, cols / heads], over, sample, sums);
        }
        self.store(out, write, &sums);
    }

    fn dot(&mut self, out: View, write: Write, heads: usize, factors: [View; 2], scale: T) {
        let over = out.height();
        let rows = self.rows(over);
        let width = self.rows(factors[0].width()) / heads;
        self.writing(out, |this, numbers, block| {
            let [a, b] = factors.map(|view| this.read(view));
            for row in 0..rows {
                let [a_row, b_row] = [&a, &b].map(|x| this.row_of(x.extent, over, row));
                for head in 0..heads {
                    let mut sum = T::ZERO;
                    for col in head * width..(head + 1) * width {
                        sum += a.at(a_row, col) * b.at(b_row, col);
                    }
                    put(&mut numbers[block.at(row, head)], write, scale * sum);
                }
            }
        });
    }

    /// Runs `work` on each row of views of one extent; `work` fills the row of the output.
    fn rowwise<const N: usize>(
        &mut self,
        out: View,
        write: Write,
        inputs: [View; N],
        work: impl Fn([&[T]; N], &mut [T]),
    ) {
        let [rows, cols] = [out.height(), out.width()].map(|extent| self.rows(extent));
        let packed = inputs.map(|view| (self.packed(view), self.rows(view.width())));
        let mut filled = vec![T::ZERO; rows * cols];
        for row in 0..rows {
            let inputs = std::array::from_fn(|i| {
                let (numbers, cols) = &packed[i];
                &numbers[row * cols..(row + 1) * cols]
            });
            work(inputs, &mut filled[row * cols..(row + 1) * cols]);
        }
        self.store(out, write, &filled);
    }

    fn normalise(&mut self, out: View, inverse: View, input: View, epsilon: T) {
        // The operation makes two passes, because a row-wise pass writes one table at a time.
        self.rowwise(inverse, Write::Set, [input], |[x], out| {
            out[0] = T::ONE / (variance(x) + epsilon).sqrt();
        });
        self.rowwise(out, Write::Set, [input, inverse], |[x, inverse], out| {
            let mean = mean(x);
            for (out, x) in out.iter_mut().zip(x) {
                *out = (*x - mean) * inverse[0];
            }
        });
    }

    fn loss(&mut self, logits: View, part: Part, loss: &Loss, gradient: Option<View>) {
        let numbers = self.packed(logits);
        let (samples, classes) = (self.data(part).len(), self.rows(logits.width()));
        let scale = 1.0 / samples as f64;
        let (mut total, mut right) = (0.0, 0usize);
        let mut gradients = Vec::with_capacity(numbers.len());
        for (sample, row) in numbers.chunks_exact(classes).enumerate() {
            let label = self.data(part).label(sample);
            right += usize::from(is_right(row, label));
            let mut row: Vec<f64> = row.iter().map(|x| x.to_f64()).collect();
            total += loss.sample(&mut row, label, scale);
            gradients.extend(row.into_iter().map(T::from_f64));
        }
        self.scores[part as usize] = Score {
            loss: total / samples as f64,
            accuracy: right as f64 / samples as f64,
        };
        if let Some(out) = gradient {
            self.store(out, Write::Set, &gradients);
        }
    }
}

fn put<T: Real>(place: &mut T, write: Write, x: T) {
    match write {
        Write::Set => *place = x,
        Write::Add => *place += x,
    }
}
