//! Runs the pass of a chunk of samples, tile by tile: forward, and for training samples backward.
//!
//! Owns how an operation runs on a tile. Knows nothing of threads, or of how the sums are used.

use std::ops::Range;

use grokrun_program::{
    Data, Extent, Loss, LossKind, Op, Part, Precision, TableId, View as Block, Write,
};
use pulp::Simd;

use super::lookup::{Lookup, columns};
use super::plan::{Multiplied, Reduction, TileOp};
use super::rows;
use super::workspace::{Layout, Workspace};
use crate::buffer::Buffer;
use crate::loss::{score, score_and_gradients};
use crate::product::{Mode, Right, View};
use crate::vector::add;
use crate::{Score, TILE};

/// The data that all tiles of a pass share.
#[derive(Clone, Copy)]
pub(super) struct Shared<'a> {
    pub(super) ops: &'a [TileOp],
    pub(super) part: Part,
    pub(super) data: &'a Data,
    pub(super) whole: &'a [Buffer],
    pub(super) right_operands: &'a [Right],
    pub(super) reductions: &'a [Reduction],
    pub(super) layout: &'a Layout,
}

/// The sums over one chunk's samples, in the order of the plan's sums.
pub(super) type Sums = Vec<Buffer>;

/// Runs the tiles of the samples in `range`; `sums` belong to these samples alone, and `losses`, if
/// there are any, receive the loss of each.
#[inline(always)]
pub(super) fn chunk<S: Simd>(
    simd: S,
    shared: Shared<'_>,
    range: Range<usize>,
    sums: &mut Sums,
    mut losses: Option<&mut [f64]>,
    space: &mut Workspace,
) -> Score {
    let mut total = Score::default();
    for first in range.clone().step_by(shared.layout.tile) {
        let rows = shared.layout.tile.min(range.end - first);
        let losses = losses.as_deref_mut();
        let mut tile = Tile {
            shared,
            first,
            rows,
            fresh: first == range.start,
            losses: losses.map(|all| &mut all[first - range.start..][..rows]),
            space: &mut *space,
        };
        for op in shared.ops {
            total += tile.op(simd, op, sums);
        }
    }
    total
}

struct Tile<'a> {
    shared: Shared<'a>,
    /// the index of the first sample
    first: usize,
    rows: usize,
    /// whether nothing has been added to the chunk's sums yet
    fresh: bool,
    /// receives the loss of each sample, if it is wanted
    losses: Option<&'a mut [f64]>,
    space: &'a mut Workspace,
}

impl Tile<'_> {
    #[inline(always)]
    fn op<S: Simd>(&mut self, simd: S, op: &TileOp, sums: &mut Sums) -> Score {
        match op {
            TileOp::Multiply { out, write, terms } => self.multiply(simd, out, *write, terms),
            TileOp::Outer { sum, left, right } => {
                self.outer(simd, *sum, [left, right], &mut sums[*sum]);
            }
            TileOp::Spread { sum, op } => self.spread(simd, *sum, op, &mut sums[*sum]),
            TileOp::Loss {
                logits,
                loss,
                gradient,
            } => return self.loss(logits, loss, *gradient),
            TileOp::Rows(op) => self.by_rows(simd, op),
        }
        Score::default()
    }

    fn lookup(&self) -> Lookup<'_> {
        Lookup {
            whole: self.shared.whole,
            tile: &self.space.tables,
            strides: &self.shared.layout.strides,
            over: Extent::Sample(self.shared.part),
            samples: Some((self.shared.data, self.first)),
        }
    }

    /// Returns the rows of a block of a tile's table.
    fn view<'t>(&'t self, block: &Block) -> View<'t> {
        let table = block.table.0;
        let stride = self.shared.layout.strides[table];
        View::rows(&self.space.tables[table][block.cols.first..], stride)
    }

    fn take(&mut self, table: TableId) -> Buffer {
        std::mem::take(&mut self.space.tables[table.0])
    }

    #[inline(always)]
    fn multiply<S: Simd>(&mut self, simd: S, out: &Block, write: Write, terms: &[Multiplied]) {
        let stride = self.shared.layout.strides[out.table.0];
        let mut to = self.take(out.table);
        for (number, term) in terms.iter().enumerate() {
            let mode = match write {
                Write::Set if number == 0 => Mode::Set,
                _ => Mode::Add,
            };
            let left = self.view(&term.left);
            let right = &self.shared.right_operands[term.right];
            let to = &mut to[out.cols.first..];
            right.multiply(simd, left, self.rows, to, stride, mode);
        }
        self.space.tables[out.table.0] = to;
    }

    #[inline(always)]
    fn outer<S: Simd>(&mut self, simd: S, sum: usize, [left, right]: [&Block; 2], to: &mut Buffer) {
        let [m, n] = self.shared.reductions[sum].size;
        let mode = if self.fresh { Mode::Set } else { Mode::Add };
        let mut packed = std::mem::take(&mut self.space.right_operands[sum]);
        packed.pack::<S>(self.view(right), self.rows);
        packed.multiply(simd, self.view(left).t(), m, to, n, mode);
        self.space.right_operands[sum] = packed;
    }

    #[inline(always)]
    fn spread<S: Simd>(&mut self, simd: S, sum: usize, op: &Op, to: &mut Buffer) {
        let Op::Sum {
            out, heads, term, ..
        } = op
        else {
            return;
        };
        if self.fresh {
            to.fill(0.0);
        }
        let width = self.shared.reductions[sum].size[1];
        if matches!(out.rows.extent, Extent::Token(_)) {
            let lookup = self.lookup();
            for r in 0..self.rows {
                let row = lookup.row_of(out.rows.extent, r);
                let row = &mut to[row * width..][..width];
                rows::weighted(simd, lookup, term, *heads, r, row);
            }
        } else {
            // The tile's rows are summed first: hundreds of small terms would lose digits against a
            // large total.
            let mut sum = std::mem::take(&mut self.space.sum);
            sum[..width].fill(0.0);
            let lookup = self.lookup();
            for r in 0..self.rows {
                rows::weighted(simd, lookup, term, *heads, r, &mut sum[..width]);
            }
            add(&mut to[..width], &sum[..width]);
            self.space.sum = sum;
        }
    }

    #[inline(always)]
    fn by_rows<S: Simd>(&mut self, simd: S, op: &Op) {
        let places = outputs(op);
        let mut taken = places.map(|place| place.map(|place| self.take(place)));
        {
            let mut outs: [&mut [f32]; 2] = [&mut [], &mut []];
            for (out, taken) in outs.iter_mut().zip(&mut taken) {
                if let Some(taken) = taken {
                    *out = taken;
                }
            }
            rows::run(simd, op, self.lookup(), self.rows, &mut outs);
        }
        for (place, taken) in places.into_iter().zip(taken) {
            if let (Some(place), Some(taken)) = (place, taken) {
                self.space.tables[place.0] = taken;
            }
        }
    }

    #[inline(always)]
    fn loss(&mut self, logits: &Block, loss: &Loss, gradient: Option<Block>) -> Score {
        let table = logits.table.0;
        let stride = self.shared.layout.strides[table];
        let mut gradients = gradient.map(|view| (view.table, self.take(view.table)));
        let total = if *loss == Loss::PUBLISHED {
            self.published(
                &self.space.tables[table],
                stride,
                gradients.as_mut().map(|(_, g)| g),
            )
        } else {
            let mut row = std::mem::take(&mut self.space.row);
            let total = self.by_sample(
                &self.space.tables[table],
                [stride, columns(logits)],
                loss,
                gradients.as_mut().map(|(_, g)| g),
                &mut row,
            );
            self.space.row = row;
            total
        };
        self.each_loss(table, columns(logits), loss);
        if let Some((place, gradients)) = gradients {
            self.space.tables[place.0] = gradients;
        }
        total
    }

    /// Computes the loss of each sample, if it is wanted.
    fn each_loss(&mut self, table: usize, classes: usize, loss: &Loss) {
        let Some(losses) = &mut self.losses else {
            return;
        };
        let stride = self.shared.layout.strides[table];
        let rows = self.space.tables[table].chunks(stride);
        for (r, (out, row)) in losses.iter_mut().zip(rows).enumerate() {
            let mut row: Vec<f64> = row[..classes].iter().map(|x| f64::from(*x)).collect();
            let label = self.shared.data.label(self.first + r);
            *out = loss.sample(&mut row, label, 1.0);
        }
    }

    /// Computes the loss of the published experiment, in vectors.
    #[inline(always)]
    fn published(&self, logits: &[f32], stride: usize, mut to: Option<&mut Buffer>) -> Score {
        let scale = 1.0 / self.shared.data.len() as f32;
        let mut total = Score::default();
        for piece in (0..self.rows).step_by(TILE) {
            let rows = piece..(piece + TILE).min(self.rows);
            let labels = rows.clone().map(|r| self.shared.data.label(self.first + r));
            let part = rows.start * stride..rows.end * stride;
            let row = &logits[part.clone()];
            total += match &mut to {
                Some(to) => score_and_gradients(row, stride, labels, scale, &mut to[part]),
                None => score(row, stride, labels),
            };
        }
        total
    }

    /// Computes any loss, one sample after another.
    #[inline(always)]
    fn by_sample(
        &self,
        logits: &[f32],
        [stride, classes]: [usize; 2],
        loss: &Loss,
        mut to: Option<&mut Buffer>,
        row: &mut Vec<f64>,
    ) -> Score {
        let scale = 1.0 / self.shared.data.len() as f64;
        let simple = loss.kind == LossKind::Mse
            && loss.precision == Precision::F32
            && loss.temperature == 1.0;
        let mut total = Score::default();
        for r in 0..self.rows {
            let label = self.shared.data.label(self.first + r);
            let logits = &logits[r * stride..][..classes];
            let mut all = logits.iter().enumerate();
            let own = logits[label];
            let right = all.all(|(class, x)| if class < label { *x < own } else { *x <= own });
            total.correct += usize::from(right);
            let gradients = to.as_mut().map(|to| &mut to[r * stride..][..classes]);
            total.loss += if simple {
                squares(logits, label, scale as f32, gradients)
            } else {
                row.clear();
                row.extend(logits.iter().map(|x| f64::from(*x)));
                let value = loss.sample(row, label, scale);
                if let Some(gradients) = gradients {
                    for (out, x) in gradients.iter_mut().zip(&*row) {
                        *out = *x as f32;
                    }
                }
                value
            };
        }
        total
    }
}

/// Returns Σ (l − e_y)² / classes, and its gradient times `scale`.
#[inline(always)]
fn squares(logits: &[f32], label: usize, scale: f32, gradients: Option<&mut [f32]>) -> f64 {
    const LANES: usize = 16;
    let classes = logits.len() as f32;
    let mut sums = [0.0f32; LANES];
    for (line, x) in logits.chunks(LANES).enumerate() {
        // The lane of the label; far beyond the line if the label is not in this line.
        let at = (label as u32).wrapping_sub((line * LANES) as u32);
        for (i, (sum, x)) in sums.iter_mut().zip(x).enumerate() {
            let apart = if i as u32 == at { x - 1.0 } else { *x };
            *sum += apart * apart;
        }
    }
    if let Some(gradients) = gradients {
        let factor = 2.0 / classes * scale;
        for (out, x) in gradients.iter_mut().zip(logits) {
            *out = *x * factor;
        }
        gradients[label] = (logits[label] - 1.0) * factor;
    }
    let total: f64 = sums.iter().map(|x| f64::from(*x)).sum();
    total / f64::from(classes)
}

/// Returns the tables that an operation writes, two at most.
pub(super) fn outputs(op: &Op) -> [Option<TableId>; 2] {
    match op {
        Op::Clear { table } => [Some(*table), None],
        _ => {
            let mut views = op.writes().into_iter().map(|view| view.table);
            [views.next(), views.next()]
        }
    }
}
