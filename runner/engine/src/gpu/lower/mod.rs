//! Lowers the stages of the folded program to dispatches. The formulas are those of the CPU's
//! `fold`, `learn` and `unfold`, and of DESIGN.md, "The model, exactly".

mod fold;
mod learn;
mod unfold;

use grokrun_shaders::{ADAMW, ATTEND, COLUMN_SUMS, GATHER, LOSS, METRICS};
use wgpu::Buffer;

use super::buffers::{Buffers, Sizes};
use super::context::Context;
use super::product::{Matrix, Product};
use super::recorder::Recorder;
use crate::EngineError;
use crate::program::Stage;
use crate::shape::{Activation, Parameter, Shape};

/// Records stages of one batch.
pub(crate) struct Lowering<'a> {
    pub(crate) context: &'a Context,
    pub(crate) sizes: &'a Sizes,
    pub(crate) buffers: &'a Buffers,
    pub(crate) out: &'a mut Recorder,
}

/// Workgroups of 64 for so many items, in x and y.
fn linear(items: usize) -> [u64; 2] {
    groups(items.div_ceil(64))
}

/// So many workgroups, in x and y.
fn groups(count: usize) -> [u64; 2] {
    let count = count.max(1) as u64;
    let y = count.div_ceil(65_535);
    [count.div_ceil(y), y]
}

/// A matrix whose long columns are to be summed.
#[derive(Clone, Copy)]
struct Tall<'a> {
    buffer: &'a Buffer,
    rows: usize,
    width: usize,
    /// numbers from row to row
    stride: usize,
    /// where it starts
    first: usize,
    /// numbers from replica to replica
    replica: usize,
}

impl<'a> Lowering<'a> {
    pub(crate) fn stage(&mut self, stage: Stage) -> Result<(), EngineError> {
        match stage {
            Stage::Fold => self.fold(),
            Stage::Learn => return self.learn(),
            Stage::Unfold => return self.unfold(),
            Stage::Step => self.step(),
            Stage::Evaluate => self.evaluate(),
        }
        Ok(())
    }

    fn dispatch(
        &mut self,
        kernel: &'static grokrun_shaders::Kernel,
        words: &[usize],
        buffers: &[&Buffer],
        [x, y]: [u64; 2],
    ) {
        let words: Vec<u32> = words.iter().map(|word| *word as u32).collect();
        self.out
            .dispatch(kernel, &words, buffers, [x, y, self.sizes.replicas as u64]);
    }

    fn product(&self, m: usize, k: usize, n: usize) -> Product {
        Product::new(m, k, n, self.sizes.replicas)
    }

    /// A parameter as a matrix of rows of `width`.
    fn weight(&self, parameter: Parameter, width: usize) -> Matrix<'a> {
        let shape = &self.sizes.shape;
        Matrix::rows(&self.buffers.parameters, width, shape.parameters())
            .at(parameter.offset(shape))
    }

    /// Its gradient.
    fn gradient(&self, parameter: Parameter, width: usize) -> Matrix<'a> {
        let shape = &self.sizes.shape;
        Matrix::rows(&self.buffers.gradient, width, shape.parameters()).at(parameter.offset(shape))
    }

    /// A `(heads, d_model, d_head)` parameter, a matrix a head.
    fn per_head(&self, parameter: Parameter) -> Matrix<'a> {
        let Shape {
            d_model: d,
            d_head: e,
            ..
        } = self.sizes.shape;
        self.weight(parameter, e).each(d * e)
    }

    fn record(&mut self, product: Product, a: Matrix<'_>, b: Matrix<'_>, c: Matrix<'_>) {
        product.record(self.out, a, b, c);
    }

    fn activation(&self) -> u32 {
        match self.sizes.shape.activation {
            Activation::Relu => 1,
            Activation::Gelu => 2,
        }
    }

    /// Attention, neurons, logits and losses of `count` samples from `first` on; the logits turn
    /// into their gradients if `scale` is not 0.
    fn forward(
        &mut self,
        samples: &Buffer,
        results: &Buffer,
        total: usize,
        first: usize,
        count: usize,
        scale: f32,
    ) {
        let Shape {
            modulus: p,
            heads,
            d_mlp: f,
            ..
        } = self.sizes.shape;
        let b = self.buffers;
        self.dispatch(
            &ATTEND,
            &[p, heads, total, first, count],
            &[samples, &b.scores, &b.attention],
            linear(count * heads),
        );
        for (width, rows, base, out) in [
            (f, &b.neuron_rows, &b.neuron_base, &b.pre),
            (p, &b.logit_rows, &b.logit_base, &b.logits),
        ] {
            let words = [p, heads, total, first, count, width];
            let grid = groups(count * width.div_ceil(64));
            self.dispatch(
                &GATHER,
                &words,
                &[samples, &b.attention, rows, base, out],
                grid,
            );
        }
        let pre = Matrix::rows(&b.pre, f, count * f);
        let logits = Matrix::rows(&b.logits, p, count * p);
        let product = Product {
            activation: self.activation(),
            ..self.product(count, f, p).added()
        };
        self.record(product, pre, Matrix::rows(&b.m, p, f * p), logits);
        let words = [p, total, first, count, scale.to_bits() as usize];
        self.dispatch(&LOSS, &words, &[samples, &b.logits, results], groups(count));
    }

    fn metrics(&mut self, results: &Buffer, total: usize, part: usize) {
        let (replicas, b) = (self.sizes.replicas, self.buffers);
        let words = [total, replicas, part].map(|word| word as u32);
        self.out.dispatch(
            &METRICS,
            &words,
            &[results, &b.clock, &b.ring],
            [replicas as u64, 1, 1],
        );
    }

    /// The columns of a tall matrix, summed 64 rows at a time, into `to` of each replica of `out`.
    fn sum(
        &mut self,
        tall: Tall<'_>,
        out: &Buffer,
        to: usize,
        replica_out: usize,
    ) -> Result<(), EngineError> {
        let Tall {
            buffer,
            rows,
            width,
            stride,
            first,
            replica,
        } = tall;
        let blocks = rows.div_ceil(64);
        let grid = [width.div_ceil(64) as u64, blocks as u64];
        if blocks == 1 {
            let words = [rows, width, stride, first, replica, to, replica_out];
            self.dispatch(&COLUMN_SUMS, &words, &[buffer, out], grid);
            return Ok(());
        }
        let level = self
            .context
            .storage("sums", self.sizes.replicas * blocks * width)?;
        let words = [rows, width, stride, first, replica, 0, blocks * width];
        self.dispatch(&COLUMN_SUMS, &words, &[buffer, &level], grid);
        let next = Tall {
            buffer: &level,
            rows: blocks,
            width,
            stride: width,
            first: 0,
            replica: blocks * width,
        };
        self.sum(next, out, to, replica_out)
    }

    fn step(&mut self) {
        let (shape, b) = (self.sizes.shape, self.buffers);
        let words = [shape.trained(), shape.parameters(), self.sizes.replicas];
        let buffers = [
            &b.gradient,
            &b.coefficients,
            &b.clock,
            &b.parameters,
            &b.first,
            &b.second,
        ];
        self.dispatch(&ADAMW, &words, &buffers, linear(shape.trained()));
    }

    /// The test pairs in slices of as many as there are training pairs, through the same buffers.
    fn evaluate(&mut self) {
        let (slice, total, b) = (self.sizes.train, self.sizes.test, self.buffers);
        for first in (0..total).step_by(slice) {
            let count = slice.min(total - first);
            self.forward(&b.test, &b.test_results, total, first, count, 0.0);
        }
        self.metrics(&b.test_results, total, 1);
    }
}
