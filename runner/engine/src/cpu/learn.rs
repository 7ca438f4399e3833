//! The learn stage: forward, loss and backward on the training pairs, in chunks of tiles whose
//! number and borders depend on the pairs alone, never on the threads.

use std::ops::Range;

use pulp::Simd;
use rayon::prelude::*;

use super::buffer::Buffer;
use super::dims::Dims;
use super::loss::score;
use super::math::{activate, activation_slope};
use super::pass::Tile;
use super::product::{Mode, Size, View, left_len, multiply, pack_left, pack_right};
use super::tables::{Folded, Tables};
use super::vector::{add, add_scaled, dot};
use super::{BLOCK, Score, TILE, chunk_len};
use crate::data::{Pairs, Sample};

/// The training pairs' workspace.
pub(crate) struct Learner {
    chunks: Vec<Chunk>,
    /// samples a chunk, the last one perhaps fewer
    chunk_len: usize,
}

/// A run of training samples and what the backward pass leaves of them.
struct Chunk {
    tile: Tile,
    /// dlogits of a tile, packed, `(TILE, cp)`
    right: Buffer,
    /// attention to a and b, `(n, 2, heads)`
    attention: Buffer,
    /// gradients of the scores of a and b, `(n, 2, heads)`
    scores: Buffer,
    /// gradients of the pre-activations, `(n, fp)`
    neurons: Buffer,
    /// gradients of the logits, `(n, cp)`
    logits: Buffer,
    /// this chunk's part of the gradients that all samples share
    m: Buffer,
    neuron_base: Buffer,
    logit_base: Buffer,
    score_eq: Buffer,
    /// room for the sum over a tile, `(max(fp, cp))`
    tile_sum: Buffer,
    score: Score,
}

impl Learner {
    pub(crate) fn new(dims: &Dims, n: usize) -> Learner {
        let chunk_len = chunk_len(n);
        let chunks = (0..n)
            .step_by(chunk_len)
            .map(|first| Chunk::new(dims, chunk_len.min(n - first)))
            .collect();
        Learner { chunks, chunk_len }
    }

    /// Fills `out`; returns the mean loss and the accuracy.
    pub(crate) fn learn<S: Simd>(
        &mut self,
        simd: S,
        dims: &Dims,
        t: &Tables,
        pairs: &Pairs,
        out: &mut Folded,
        grain: usize,
    ) -> Score {
        let n = pairs.train().len();
        self.chunks
            .par_iter_mut()
            .with_min_len(grain)
            .zip(pairs.train().par_chunks(self.chunk_len))
            .for_each(|(chunk, samples)| {
                vectorized!(simd, chunk.learn(simd, dims, t, samples, 1.0 / n as f32));
            });
        self.sum_shared(simd, dims, out, grain);
        self.sum_token_rows(simd, dims, pairs, out, grain);
        Score::mean(self.chunks.iter().map(|c| c.score), n)
    }

    /// dM, dc, dd and the '=' row of d(score): the chunks' parts, added in their order.
    fn sum_shared<S: Simd>(&self, simd: S, dims: &Dims, out: &mut Folded, grain: usize) {
        let block = BLOCK * dims.cp;
        out.m
            .par_chunks_mut(block)
            .with_min_len(grain)
            .enumerate()
            .for_each(|(i, m)| {
                vectorized!(simd, sum(m, self.chunks.iter().map(|c| &c.m[i * block..])));
            });
        sum(
            &mut out.neuron_base,
            self.chunks.iter().map(|c| &c.neuron_base[..]),
        );
        sum(
            &mut out.logit_base,
            self.chunks.iter().map(|c| &c.logit_base[..]),
        );
        let eq = dims.rows * dims.heads;
        sum(
            &mut out.scores[eq..],
            self.chunks.iter().map(|c| &c.score_eq[..]),
        );
    }

    /// dU′, dD′ and d(score) of each token: sums over the fixed, sorted list of its samples.
    fn sum_token_rows<S: Simd>(
        &self,
        simd: S,
        dims: &Dims,
        pairs: &Pairs,
        out: &mut Folded,
        grain: usize,
    ) {
        let Dims {
            p,
            heads,
            fp,
            cp,
            rows,
            ..
        } = *dims;
        out.neuron_rows
            .par_chunks_mut(heads * fp)
            .with_min_len(grain)
            .zip(out.logit_rows.par_chunks_mut(heads * cp))
            .zip(out.scores[..rows * heads].par_chunks_mut(heads))
            .enumerate()
            .for_each(|(row, ((neuron, logit), scores))| {
                vectorized!(simd, {
                    neuron.fill(0.0);
                    logit.fill(0.0);
                    scores.fill(0.0);
                    let position = row / p;
                    for sample in pairs.lists().row(row) {
                        let chunk = &self.chunks[*sample as usize / self.chunk_len];
                        let i = *sample as usize % self.chunk_len;
                        let at = (2 * i + position) * heads;
                        add(scores, &chunk.scores[at..][..heads]);
                        let of_neurons = &chunk.neurons[i * fp..][..fp];
                        let of_logits = &chunk.logits[i * cp..][..cp];
                        for (h, weight) in chunk.attention[at..][..heads].iter().enumerate() {
                            add_scaled(&mut neuron[h * fp..][..fp], *weight, of_neurons);
                            add_scaled(&mut logit[h * cp..][..cp], *weight, of_logits);
                        }
                    }
                });
            });
    }
}

/// out += Σ over `rows` of `matrix`, which is as wide as `out`. The rows are summed up first, in
/// `sum`: with hundreds of small terms added to one large total, the gradients of c and d were
/// noisy enough to move a ReLU against torch within four epochs.
#[inline(always)]
fn add_columns(out: &mut [f32], matrix: &[f32], rows: Range<usize>, sum: &mut [f32]) {
    let width = out.len();
    let sum = &mut sum[..width];
    sum.fill(0.0);
    for row in matrix[rows.start * width..rows.end * width].chunks_exact(width) {
        add(sum, row);
    }
    add(out, sum);
}

/// U′·dpre + D′·g of a row and head: how the loss changes with the attention to that row.
#[inline(always)]
fn along(dims: &Dims, t: &Tables, at: usize, dpre: &[f32], g: &[f32]) -> f32 {
    let Dims { fp, cp, .. } = *dims;
    dot(&t.neuron_rows[at * fp..][..fp], dpre) + dot(&t.logit_rows[at * cp..][..cp], g)
}

/// out = Σ parts, in their order.
#[inline(always)]
fn sum<'a>(out: &mut [f32], parts: impl Iterator<Item = &'a [f32]>) {
    out.fill(0.0);
    for part in parts {
        add(out, part);
    }
}

impl Chunk {
    fn new(dims: &Dims, n: usize) -> Chunk {
        let Dims {
            heads, f, fp, cp, ..
        } = *dims;
        Chunk {
            tile: Tile::new(dims),
            right: Buffer::zeros(TILE * cp),
            attention: Buffer::zeros(n * 2 * heads),
            scores: Buffer::zeros(n * 2 * heads),
            neurons: Buffer::zeros(n * fp),
            logits: Buffer::zeros(n * cp),
            m: Buffer::zeros(f * cp),
            neuron_base: Buffer::zeros(fp),
            logit_base: Buffer::zeros(cp),
            score_eq: Buffer::zeros(heads),
            tile_sum: Buffer::zeros(fp.max(cp)),
            score: Score::default(),
        }
    }

    #[inline(always)]
    fn learn<S: Simd>(&mut self, simd: S, dims: &Dims, t: &Tables, samples: &[Sample], scale: f32) {
        for part in [
            &mut self.m,
            &mut self.neuron_base,
            &mut self.logit_base,
            &mut self.score_eq,
        ] {
            part.fill(0.0);
        }
        self.score = Score::default();
        for (i, samples) in samples.chunks(TILE).enumerate() {
            let first = i * TILE;
            self.tile.forward(simd, dims, t, samples);
            for (row, s) in self.tile.logits.chunks_exact_mut(dims.cp).zip(samples) {
                self.score.count(score(row, s.label as usize, scale));
            }
            self.backward_products(simd, dims, t, first, samples.len());
            for (j, sample) in samples.iter().enumerate() {
                self.backward_sample(dims, t, first + j, j, sample);
            }
            let rows = first..first + samples.len();
            let Chunk {
                neurons,
                logits,
                tile_sum,
                ..
            } = self;
            add_columns(&mut self.neuron_base, neurons, rows.clone(), tile_sum);
            add_columns(&mut self.logit_base, logits, rows, tile_sum);
        }
    }

    /// dM += postᵀ g and dpre = (g Mᵀ) ∘ act′(pre), g the tile's dlogits.
    #[inline(always)]
    fn backward_products<S: Simd>(
        &mut self,
        simd: S,
        dims: &Dims,
        t: &Tables,
        first: usize,
        count: usize,
    ) {
        let Dims {
            p,
            f,
            fp,
            cp,
            activation,
            ..
        } = *dims;
        let g = View::rows(&self.tile.logits, cp);
        let pre = View::rows(&self.tile.pre, fp);

        let left = self.tile.left.grow(left_len::<S>(f, count));
        pack_left::<S>(
            pre.t(),
            f,
            count,
            left,
            #[inline(always)]
            |x| activate(activation, x),
        );
        pack_right::<S>(g, count, cp, &mut self.right);
        let size = Size {
            m: f,
            k: count,
            n: cp,
        };
        multiply(simd, left, &self.right, size, &mut self.m, cp, Mode::Add);

        let left = self.tile.left.grow(left_len::<S>(count, p));
        pack_left::<S>(g, count, p, left, |x| x);
        let neurons = &mut self.neurons[first * fp..(first + count) * fp];
        t.m_transposed
            .multiply(simd, left, count, neurons, fp, Mode::Set);
        for (g, pre) in neurons.iter_mut().zip(self.tile.pre.iter()) {
            *g *= activation_slope(activation, *pre);
        }
    }

    /// Gradients of the attention scores.
    ///
    /// `dA0 = U′[a]·dpre + D′[a]·g`, dA1 the same with b; with S = A0 dA0 + A1 dA1:
    /// ds_a = A0 (dA0 − S), ds_b = A1 (dA1 − S), ds_eq = −A2 S.
    #[inline(always)]
    fn backward_sample(&mut self, dims: &Dims, t: &Tables, i: usize, in_tile: usize, s: &Sample) {
        let Dims {
            p, heads, fp, cp, ..
        } = *dims;
        let g = &self.tile.logits[in_tile * cp..][..cp];
        let dpre = &self.neurons[i * fp..][..fp];
        self.logits[i * cp..][..cp].copy_from_slice(g);
        let to = i * 2 * heads;
        for h in 0..heads {
            let [a, b, eq] = [0, 1, 2].map(|k: usize| self.tile.attention[k][in_tile * heads + h]);
            let da = along(dims, t, s.a as usize * heads + h, dpre, g);
            let db = along(dims, t, (p + s.b as usize) * heads + h, dpre, g);
            let mean = a * da + b * db;
            self.attention[to + h] = a;
            self.attention[to + heads + h] = b;
            self.scores[to + h] = a * (da - mean);
            self.scores[to + heads + h] = b * (db - mean);
            self.score_eq[h] -= eq * mean;
        }
    }
}
