//! Runs the learn stage: forward, loss and backward on the training pairs, in chunks of tiles whose
//! number and borders depend on the pairs alone, never on the threads.

use std::ops::Range;

use grokrun_executor::{Pairs, Sample};
use pulp::Simd;
use rayon::prelude::*;

use crate::parallel::Bodies as _;

use super::buffer::Buffer;
use super::dims::Dims;
use super::loss::{labels, score_and_gradients};
use super::math::through_activation;
use super::pass::Tile;
use super::product::{Mode, View};
use super::rows::{Rows, Weights, dots, sum_by_head};

use super::tables::{TableGradients, Tables};
use super::vector::add;
use super::workspace::{Threads, Workspace};
use super::{BLOCK, Score, TILE, chunk_len};

/// Holds the workspace of the training pairs.
pub(crate) struct Learner {
    chunks: Vec<Chunk>,
    /// number of samples of a chunk; the last chunk may have fewer
    chunk_len: usize,
    /// attention to a and b, `(n, 2, heads)`
    attention: Buffer,
    /// gradients of the scores of a and b, `(n, 2, heads)`
    scores: Buffer,
    /// gradients of the pre-activations, `(n, fp)`
    neurons: Buffer,
    /// gradients of the logits, `(n, cp)`
    logits: Buffer,
}

/// Holds the gradients that all samples share, summed over a run of training samples.
struct Chunk {
    m: Buffer,
    neuron_base: Buffer,
    logit_base: Buffer,
    score_eq: Buffer,
    score: Score,
}

/// The input that every chunk reads.
#[derive(Clone, Copy)]
struct ChunkInput<'a> {
    dims: &'a Dims,
    t: &'a Tables,
    /// factor of the gradients: 1 / samples
    scale: f32,
}

/// A sample of a tile whose forward pass has run.
#[derive(Clone, Copy)]
struct TileSample<'a> {
    tile: &'a Tile,
    /// index of the sample in the tile
    in_tile: usize,
    /// index of the sample in the chunk
    in_chunk: usize,
}

/// The learner's buffers, cut to the samples of a chunk.
struct ChunkBuffers<'a> {
    attention: &'a mut [f32],
    scores: &'a mut [f32],
    neurons: &'a mut [f32],
    logits: &'a mut [f32],
}

impl Learner {
    pub(crate) fn new(dims: &Dims, n: usize) -> Learner {
        let chunk_len = chunk_len(n);
        let Dims { heads, fp, cp, .. } = *dims;
        Learner {
            chunks: (0..n)
                .step_by(chunk_len)
                .map(|_| Chunk::new(dims))
                .collect(),
            chunk_len,
            attention: Buffer::zeros(n * 2 * heads),
            scores: Buffer::zeros(n * 2 * heads),
            neurons: Buffer::zeros(n * fp),
            logits: Buffer::zeros(n * cp),
        }
    }

    /// Fills `out` with the gradients of the tables; returns the mean loss and the accuracy.
    pub(crate) fn learn<S: Simd>(
        &mut self,
        simd: S,
        dims: &Dims,
        t: &Tables,
        pairs: &Pairs,
        out: &mut TableGradients,
        Threads { workspaces, share }: Threads<'_>,
    ) -> Score {
        let n = pairs.train().len();
        let grain = share.pair_grain();
        let scale = 1.0 / n as f32;
        let input = ChunkInput { dims, t, scale };
        let (len, pair) = (self.chunk_len, 2 * dims.heads);
        self.chunks
            .par_iter_mut()
            .with_min_len(grain)
            .with_max_len(grain)
            .zip(pairs.train().par_chunks(len))
            .zip(self.attention.par_chunks_mut(len * pair))
            .zip(self.scores.par_chunks_mut(len * pair))
            .zip(self.neurons.par_chunks_mut(len * dims.fp))
            .zip(self.logits.par_chunks_mut(len * dims.cp))
            .each(
                &|(((((chunk, samples), attention), scores), neurons), logits)| {
                    let mut buffers = ChunkBuffers {
                        attention,
                        scores,
                        neurons,
                        logits,
                    };
                    let workspace = &mut *workspaces.mine();
                    vectorized!(
                        simd,
                        chunk.learn(simd, input, samples, &mut buffers, workspace)
                    );
                },
            );
        self.sum_shared(simd, dims, out, share.table_grain());
        self.sum_token_rows(simd, dims, pairs, out, share.table_grain());
        Score::mean(self.chunks.iter().map(|c| c.score), n)
    }

    /// Adds the chunks' parts of dM, dc, dd and the '=' row of d(score), in the order of the
    /// chunks.
    fn sum_shared<S: Simd>(&self, simd: S, dims: &Dims, out: &mut TableGradients, grain: usize) {
        let block = BLOCK * dims.cp;
        out.m
            .par_chunks_mut(block)
            .with_min_len(grain)
            .enumerate()
            .each(&|(i, m)| {
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

    /// Computes dU′, dD′ and d(score) of each token: sums over the fixed, sorted list of its
    /// samples.
    fn sum_token_rows<S: Simd>(
        &self,
        simd: S,
        dims: &Dims,
        pairs: &Pairs,
        out: &mut TableGradients,
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
            .each(&|(row, ((neuron, logit), scores))| {
                vectorized!(simd, {
                    let list = pairs.lists().row(row);
                    let offset = row / p * heads;
                    scores.fill(0.0);
                    for sample in list {
                        let at = *sample as usize * 2 * heads + offset;
                        add(scores, &self.scores[at..][..heads]);
                    }
                    let weights = Weights {
                        data: &self.attention,
                        offset,
                        stride: 2 * heads,
                    };
                    sum_by_head(simd, &self.neurons, list, weights, fp, neuron);
                    sum_by_head(simd, &self.logits, list, weights, cp, logit);
                });
            });
    }
}

/// Adds the sum over `rows` of `matrix`, which is as wide as `out`, to `out`. The rows are summed
/// first, in `sum`: with hundreds of small terms added to one large total, the gradients of c and d
/// were noisy enough to move a ReLU against torch within four epochs.
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

/// Sets `out` to the sum of the parts, added in their order.
#[inline(always)]
fn sum<'a>(out: &mut [f32], parts: impl Iterator<Item = &'a [f32]>) {
    out.fill(0.0);
    for part in parts {
        add(out, part);
    }
}

impl Chunk {
    fn new(dims: &Dims) -> Chunk {
        let Dims {
            heads, f, fp, cp, ..
        } = *dims;
        Chunk {
            m: Buffer::zeros(f * cp),
            neuron_base: Buffer::zeros(fp),
            logit_base: Buffer::zeros(cp),
            score_eq: Buffer::zeros(heads),
            score: Score::default(),
        }
    }

    #[inline(always)]
    fn learn<S: Simd>(
        &mut self,
        simd: S,
        input: ChunkInput<'_>,
        samples: &[Sample],
        buffers: &mut ChunkBuffers<'_>,
        workspace: &mut Workspace,
    ) {
        for part in [
            &mut self.neuron_base,
            &mut self.logit_base,
            &mut self.score_eq,
        ] {
            part.fill(0.0);
        }
        self.score = Score::default();
        let group = workspace.tiles.len() * TILE;
        for (i, samples) in samples.chunks(group).enumerate() {
            self.learn_group(simd, input, i * group, samples, buffers, workspace);
        }
    }

    /// Learns from the samples of some tiles, kernel by kernel, so that the part of the tables that
    /// one kernel uses stays in the L2 cache from tile to tile. `first` is the index of the first
    /// sample in the chunk.
    #[inline(always)]
    fn learn_group<S: Simd>(
        &mut self,
        simd: S,
        input: ChunkInput<'_>,
        first: usize,
        samples: &[Sample],
        buffers: &mut ChunkBuffers<'_>,
        workspace: &mut Workspace,
    ) {
        let ChunkInput { dims, t, scale } = input;
        let Dims { f, fp, cp, .. } = *dims;
        let Workspace {
            tiles,
            right,
            along,
            sum,
            ..
        } = workspace;
        let parts = || (first..).step_by(TILE).zip(samples.chunks(TILE));
        for (tile, (first, samples)) in tiles.iter_mut().zip(parts()) {
            tile.forward(simd, dims, t, samples);
            let gradients = &mut buffers.logits[first * cp..];
            self.score += score_and_gradients(&tile.logits, cp, labels(samples), scale, gradients);
        }
        // dM += postᵀ g, where g is the tile's dlogits.
        for (tile, (first, samples)) in tiles.iter().zip(parts()) {
            let g = View::rows(&buffers.logits[first * cp..], cp);
            let post = View::rows(&tile.post, dims.fr).t();
            let mode = if first == 0 { Mode::Set } else { Mode::Add };
            right.pack::<S>(g, samples.len());
            right.multiply(simd, post, f, &mut self.m, cp, mode);
        }
        // g Mᵀ
        for (first, samples) in parts() {
            let g = View::rows(&buffers.logits[first * cp..], cp);
            let neurons = &mut buffers.neurons[first * fp..][..samples.len() * fp];
            let m = &t.m_transposed;
            m.multiply(simd, g, samples.len(), neurons, fp, Mode::Set);
        }
        for (tile, (first, samples)) in tiles.iter().zip(parts()) {
            for j in 0..samples.len() {
                let sample = TileSample {
                    tile,
                    in_tile: j,
                    in_chunk: first + j,
                };
                self.backward_sample(simd, input, sample, buffers, along);
            }
            let rows = first..first + samples.len();
            add_columns(&mut self.neuron_base, buffers.neurons, rows.clone(), sum);
            add_columns(&mut self.logit_base, buffers.logits, rows, sum);
        }
    }

    /// Computes dpre = (g Mᵀ) ∘ act′(pre) and the gradients of the attention scores of one sample.
    ///
    /// `dA0 = U′[a]·dpre + D′[a]·g`, dA1 the same with b; with S = A0 dA0 + A1 dA1: ds_a = A0 (dA0
    /// − S), ds_b = A1 (dA1 − S), ds_eq = −A2 S. Derivation:
    /// doc/model.md#the-gradient-of-the-scores-dscore.
    #[inline(always)]
    fn backward_sample<S: Simd>(
        &mut self,
        simd: S,
        input: ChunkInput<'_>,
        sample: TileSample<'_>,
        buffers: &mut ChunkBuffers<'_>,
        along: &mut [f32],
    ) {
        let ChunkInput { dims, t, .. } = input;
        let TileSample {
            tile,
            in_tile,
            in_chunk: i,
        } = sample;
        let Dims {
            heads,
            fp,
            cp,
            activation,
            ..
        } = *dims;
        let dpre = &mut buffers.neurons[i * fp..][..fp];
        let inputs = tile.pre.as_ref().unwrap_or(&tile.post);
        through_activation(activation, &inputs[in_tile * dims.fr..][..fp], dpre);
        let g = &buffers.logits[i * cp..][..cp];
        let terms = &tile.terms[in_tile * 2 * heads..][..2 * heads];
        let neurons = Rows {
            data: &t.neuron_rows,
            stride: dims.fr,
        };
        let logits = Rows {
            data: &t.logit_rows,
            stride: dims.cr,
        };
        dots(simd, [(neurons, &*dpre), (logits, g)], terms, along);
        let [to_a, to_b, to_eq] = &tile.attention;
        let at = in_tile * heads..(in_tile + 1) * heads;
        let (to_a, to_b, to_eq) = (&to_a[at.clone()], &to_b[at.clone()], &to_eq[at]);
        let to = i * 2 * heads;
        for h in 0..heads {
            let (a, b, eq) = (to_a[h], to_b[h], to_eq[h]);
            let (da, db) = (along[h], along[heads + h]);
            let mean = a * da + b * db;
            buffers.attention[to + h] = a;
            buffers.attention[to + heads + h] = b;
            buffers.scores[to + h] = a * (da - mean);
            buffers.scores[to + heads + h] = b * (db - mean);
            self.score_eq[h] -= eq * mean;
        }
    }
}
