//! Lowers the operations that work row by row, and sums over rows.

use grokrun_program::{Activation, Extent, Op, Term, View, Write};
use grokrun_shaders::program::{
    Block, activate, add, dot, fill, norm, norm_gradient, softmax, softmax_gradient, sum, total,
};

use super::{Lowering, NUMBERS, Numbers, OWN};
use crate::gpu::programs::schedule::Region;

/// The smallest number of rows of one part of a sum over all rows.
const PART: usize = 64;
/// The largest number of parts of such a sum.
const PARTS: usize = 256;
/// The number of vec4s that a workgroup of softmaxes and activations computes.
const FOURS: usize = 64;

/// Returns whether the output is added to, as a word; if so, adds its region to `reads`.
fn adds(write: Write, out: Region, reads: &mut Vec<Region>) -> u32 {
    match write {
        Write::Set => 0,
        Write::Add => {
            reads.push(out);
            1
        }
    }
}

impl Lowering<'_> {
    /// Lowers an operation of a forward or of the backward stage.
    pub(super) fn op(&mut self, op: &Op) {
        match op {
            Op::Clear { table } => {
                let table = self.program.whole(*table);
                let (rows, cols) = (self.rows(table.height()), self.rows(table.width()));
                let job = fill::Job {
                    first: self.layout.first(table.table) as u32,
                    count: rows.saturating_mul(cols) as u32,
                    ..fill::Job::default()
                };
                let tiles = rows.saturating_mul(cols).div_ceil(NUMBERS);
                let out = self.region(table);
                self.push(&fill::KERNEL, &job, tiles, vec![], vec![out]);
            }
            Op::Product {
                out,
                write,
                scale,
                terms,
            } => self.product_op(*out, *write, *scale, terms),
            Op::Add {
                out,
                write,
                heads,
                terms,
                constant,
            } => self.add(*out, *write, *heads, terms, *constant),
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
            } => {
                let over = out.height();
                let rows = self.rows(over);
                let mut reads = vec![self.region(*left), self.region(*right)];
                let region = self.region(*out);
                let job = dot::Job {
                    tile: 0,
                    rows: rows as u32,
                    heads: *heads as u32,
                    width: (self.rows(left.width()) / heads) as u32,
                    left: self.block_view(*left, over),
                    right: self.block_view(*right, over),
                    scale: *scale as f32,
                    out: self.layout.block(*out),
                    add: adds(*write, region, &mut reads),
                };
                let tiles = rows.saturating_mul(*heads).div_ceil(NUMBERS);
                self.push(&dot::KERNEL, &job, tiles, reads, vec![region]);
            }
            Op::Softmax { out, scores, heads } => {
                let (rows, cols) = (self.rows(out.height()), self.rows(out.width()));
                let job = softmax::Job {
                    tile: 0,
                    rows: rows as u32,
                    heads: *heads as u32,
                    keys: (cols / heads) as u32,
                    scores: self.layout.block(*scores),
                    out: self.layout.block(*out),
                };
                let tiles = rows.saturating_mul(heads.div_ceil(4)).div_ceil(FOURS);
                let (reads, writes) = (vec![self.region(*scores)], vec![self.region(*out)]);
                self.push(&softmax::KERNEL, &job, tiles, reads, writes);
            }
            Op::SoftmaxGradient {
                out,
                write,
                weights,
                gradient,
                heads,
            } => {
                let (rows, cols) = (self.rows(out.height()), self.rows(out.width()));
                let mut reads = vec![self.region(*weights), self.region(*gradient)];
                let region = self.region(*out);
                let job = softmax_gradient::Job {
                    tile: 0,
                    rows: rows as u32,
                    heads: *heads as u32,
                    keys: (cols / heads) as u32,
                    weights: self.layout.block(*weights),
                    gradient: self.layout.block(*gradient),
                    out: self.layout.block(*out),
                    add: adds(*write, region, &mut reads),
                };
                let tiles = rows.saturating_mul(*heads).div_ceil(FOURS);
                self.push(&softmax_gradient::KERNEL, &job, tiles, reads, vec![region]);
            }
            Op::Activate {
                out,
                input,
                activation,
            } => self.activate(*out, Write::Set, *input, None, *activation),
            Op::ActivateGradient {
                out,
                write,
                input,
                gradient,
                activation,
            } => self.activate(*out, *write, *input, Some(*gradient), *activation),
            Op::Norm {
                out,
                inverse,
                input,
                epsilon,
            } => {
                let job = norm::Job {
                    tile: 0,
                    cols: self.rows(out.width()) as u32,
                    epsilon: *epsilon as f32,
                    input: self.layout.block(*input),
                    inverse: self.layout.block(*inverse),
                    out: self.layout.block(*out),
                };
                let writes = vec![self.region(*out), self.region(*inverse)];
                let reads = vec![self.region(*input)];
                self.push(&norm::KERNEL, &job, self.rows(out.height()), reads, writes);
            }
            Op::NormGradient {
                out,
                write,
                normed,
                inverse,
                gradient,
            } => {
                let views = [normed, inverse, gradient];
                let mut reads: Vec<Region> = views.map(|view| self.region(*view)).to_vec();
                let region = self.region(*out);
                let job = norm_gradient::Job {
                    tile: 0,
                    cols: self.rows(out.width()) as u32,
                    normed: self.layout.block(*normed),
                    inverse: self.layout.block(*inverse),
                    gradient: self.layout.block(*gradient),
                    out: self.layout.block(*out),
                    add: adds(*write, region, &mut reads),
                };
                let rows = self.rows(out.height());
                self.push(&norm_gradient::KERNEL, &job, rows, reads, vec![region]);
            }
            Op::Loss {
                logits,
                part,
                loss,
                gradient,
            } => self.loss(*logits, *part, loss, *gradient),
            // `update.rs` lowers these operations.
            Op::Filter { .. } | Op::Update { .. } | Op::Project { .. } => {}
        }
    }

    fn add(&mut self, out: View, write: Write, heads: usize, terms: &[Term], constant: f64) {
        let over = out.height();
        let (rows, cols) = (self.rows(over), self.rows(out.width()));
        let mut reads = Vec::new();
        let mut first = None;
        for term in terms {
            reads.push(self.region(term.values));
            reads.extend(term.weights.map(|view| self.region(view)));
            let term = add::Term {
                values: self.block_view(term.values, over),
                weights: term
                    .weights
                    .map_or_else(Default::default, |view| self.block_view(view, over)),
                scale: term.scale as f32,
                weighted: u32::from(term.weights.is_some()),
            };
            let number = self.term(&add::KERNEL, &term);
            first.get_or_insert(number);
        }
        let region = self.region(out);
        let job = add::Job {
            tile: 0,
            rows: rows as u32,
            cols: cols as u32,
            width: (cols / heads) as u32,
            first_term: first.unwrap_or(0),
            terms: terms.len() as u32,
            constant: constant as f32,
            out: self.layout.block(out),
            add: adds(write, region, &mut reads),
        };
        let tiles = rows.saturating_mul(cols).div_ceil(NUMBERS);
        self.push(&add::KERNEL, &job, tiles, reads, vec![region]);
    }

    fn sum(&mut self, out: View, write: Write, heads: usize, term: &Term, over: Extent) {
        let (rows, cols) = (self.rows(out.height()), self.rows(out.width()));
        let mut reads = vec![self.region(term.values)];
        reads.extend(term.weights.map(|view| self.region(view)));
        let region = self.region(out);
        let count = self.rows(over);
        let mut job = sum::Job {
            tile: 0,
            rows: rows as u32,
            cols: cols as u32,
            width: (cols / heads) as u32,
            values: self.block_view(term.values, over),
            weights: term
                .weights
                .map_or_else(Default::default, |view| self.block_view(view, over)),
            weighted: u32::from(term.weights.is_some()),
            scale: term.scale as f32,
            starts: OWN,
            list: OWN,
            chunk: 1,
            count: count as u32,
            out: self.layout.block(out),
            add: 0,
        };
        match (out.height(), over) {
            (own, over) if own == over => {}
            (Extent::Token(position), Extent::Sample(part)) => {
                let words = self.words(part);
                job.starts = words.starts(position) as u32;
                job.list = words.list(position) as u32;
            }
            // All rows are summed into one.
            _ => {
                let chunk = count.div_ceil(PARTS).max(PART);
                let parts = count.div_ceil(chunk).max(1);
                job.chunk = chunk as u32;
                if parts > 1 {
                    let left = self.scratch(parts.saturating_mul(cols));
                    job.rows = parts as u32;
                    job.out = left.block(cols);
                    let tiles = left.count.div_ceil(NUMBERS);
                    self.push(&sum::KERNEL, &job, tiles, reads, vec![left.region()]);
                    let size = [1, cols];
                    self.total(left, parts, size, self.layout.block(out), region, write);
                    return;
                }
            }
        }
        job.add = adds(write, region, &mut reads);
        let tiles = rows.saturating_mul(cols).div_ceil(NUMBERS);
        self.push(&sum::KERNEL, &job, tiles, reads, vec![region]);
    }

    /// Adds the job that sums parts of these numbers of rows and columns.
    pub(super) fn total(
        &mut self,
        left: Numbers,
        parts: usize,
        [rows, cols]: [usize; 2],
        out: Block,
        region: Region,
        write: Write,
    ) {
        let mut reads = vec![left.region()];
        let job = total::Job {
            tile: 0,
            rows: rows as u32,
            cols: cols as u32,
            parts: parts as u32,
            first: left.first as u32,
            out,
            add: adds(write, region, &mut reads),
        };
        let tiles = rows.saturating_mul(cols).div_ceil(NUMBERS);
        self.push(&total::KERNEL, &job, tiles, reads, vec![region]);
    }

    fn activate(
        &mut self,
        out: View,
        write: Write,
        input: View,
        gradient: Option<View>,
        activation: Activation,
    ) {
        let (kind, power) = match activation {
            Activation::Relu => (1, 0),
            Activation::Gelu => (2, 0),
            Activation::GeluTanh => (3, 0),
            Activation::Identity => (4, 1),
            Activation::Quadratic => (4, 2),
            Activation::Power(power) => (4, power),
            Activation::Silu => (5, 0),
            Activation::Tanh => (6, 0),
        };
        let (rows, cols) = (self.rows(out.height()), self.rows(out.width()));
        let mut reads = vec![self.region(input)];
        reads.extend(gradient.map(|view| self.region(view)));
        let region = self.region(out);
        let job = activate::Job {
            tile: 0,
            rows: rows as u32,
            cols: cols as u32,
            kind,
            power,
            gradient: u32::from(gradient.is_some()),
            input: self.layout.block(input),
            along: gradient.map_or_else(Default::default, |view| self.layout.block(view)),
            out: self.layout.block(out),
            add: adds(write, region, &mut reads),
        };
        let tiles = rows.saturating_mul(cols.div_ceil(4)).div_ceil(FOURS);
        self.push(&activate::KERNEL, &job, tiles, reads, vec![region]);
    }
}
