//! Runs the forward pass of a tile of pairs, which is small enough that its activations stay in the
//! L2 cache.

use std::convert::identity;

use grokrun_executor::{Activation, Sample};
use pulp::Simd;

use super::TILE;
use super::buffer::Buffer;
use super::dims::Dims;
use super::math::{activate, exp};
use super::product::{Mode, View};
use super::rows::{Bases, Out, Rows, Term, Terms, weighted_sums};
use super::tables::Tables;

/// Holds the activations of one tile; the memory is kept from epoch to epoch.
pub(crate) struct Tile {
    /// attention to a, b and '=', each `(TILE, heads)`
    pub(crate) attention: [Buffer; 3],
    /// inputs of the neurons, `(TILE, fr)`, if they are kept
    pub(crate) pre: Option<Buffer>,
    /// outputs of the neurons, `(TILE, fr)`
    pub(crate) post: Buffer,
    /// `(TILE, cp)`
    pub(crate) logits: Buffer,
    /// the rows of U′ and D′ of each pair: a's heads, then b's, `(TILE, 2, heads)`
    pub(crate) terms: Vec<Term>,
}

impl Tile {
    /// Allocates a tile. `inputs` says whether the inputs of the neurons are kept as well.
    pub(crate) fn new(dims: &Dims, inputs: bool) -> Tile {
        Tile {
            attention: std::array::from_fn(|_| Buffer::zeros(TILE * dims.heads)),
            pre: inputs.then(|| Buffer::zeros(TILE * dims.fr)),
            post: Buffer::zeros(TILE * dims.fr),
            logits: Buffer::zeros(TILE * dims.cp),
            terms: vec![(0.0, 0); TILE * 2 * dims.heads],
        }
    }

    /// Computes attention, pre-activations and logits of at most [`TILE`] samples.
    #[inline(always)]
    pub(crate) fn forward<S: Simd>(
        &mut self,
        simd: S,
        dims: &Dims,
        t: &Tables,
        samples: &[Sample],
    ) {
        self.attend(dims, &t.scores, samples);
        self.gather(simd, dims, t, samples);
        let post = View::rows(&self.post, dims.fr);
        let (m, logits) = (samples.len(), &mut self.logits);
        t.m_right
            .multiply(simd, post, m, logits, dims.cp, Mode::Add);
    }

    /// Computes A = softmax over the scores of a, b and '=', head by head. The largest score of the
    /// pair is subtracted first, so that scores of any spread are safe.
    #[inline(always)]
    pub(crate) fn attend(&mut self, dims: &Dims, scores: &[f32], samples: &[Sample]) {
        let Dims { p, heads, rows, .. } = *dims;
        let [to_a, to_b, to_eq] = &mut self.attention;
        for (to, position) in [(&mut *to_a, 0), (to_b, 1), (to_eq, 2)] {
            let row = |s: &Sample| match position {
                0 => s.a as usize,
                1 => p + s.b as usize,
                _ => rows,
            };
            match heads {
                4 => pick::<4>(scores, samples.iter().map(row), to),
                1 => pick::<1>(scores, samples.iter().map(row), to),
                _ => {
                    for (to, row) in to.chunks_exact_mut(heads).zip(samples.iter().map(row)) {
                        to.copy_from_slice(&scores[row * heads..][..heads]);
                    }
                }
            }
        }
        let [to_a, to_b, to_eq] = &mut self.attention;
        let len = samples.len() * heads;
        let (to_a, to_b, to_eq) = (&mut to_a[..len], &mut to_b[..len], &mut to_eq[..len]);
        for i in 0..len {
            let (a, b, eq) = (to_a[i], to_b[i], to_eq[i]);
            let larger = if a > b { a } else { b };
            let max = if larger > eq { larger } else { eq };
            let (a, b, eq) = (exp(a - max), exp(b - max), exp(eq - max));
            let scale = 1.0 / (a + b + eq);
            to_a[i] = a * scale;
            to_b[i] = b * scale;
            to_eq[i] = eq * scale;
        }
    }

    /// Computes `pre = c + Σ_h A0 U′[a] + A1 U′[b]`, the same for the logits with d and D′, and
    /// post.
    #[inline(always)]
    pub(crate) fn gather<S: Simd>(&mut self, simd: S, dims: &Dims, t: &Tables, samples: &[Sample]) {
        let Dims {
            heads, fp, cp, fr, ..
        } = *dims;
        self.set_terms(dims, samples);
        let Tile {
            terms,
            pre,
            post,
            logits,
            ..
        } = self;
        let terms = Terms {
            all: &terms[..samples.len() * 2 * heads],
            per: 2 * heads,
        };
        // The base is added last: near zero, where a ReLU decides, it then cancels without
        // rounding.
        let rows = Rows {
            data: &t.neuron_rows,
            stride: fr,
        };
        let bases = Bases {
            base: &t.neuron_base[..fp],
            low: &t.neuron_base_low,
        };
        let out = Out {
            data: post,
            stride: fr,
        };
        if let (None, Activation::Relu) = (&pre, dims.activation) {
            let zero = simd.splat_f32s(0.0);
            weighted_sums(
                simd,
                rows,
                terms,
                bases,
                out,
                #[inline(always)]
                |sum| simd.max_f32s(sum, zero),
            );
        } else {
            weighted_sums(simd, rows, terms, bases, out, identity);
            if let Some(pre) = pre {
                pre.copy_from_slice(post);
            }
            activate(dims.activation, &mut post[..samples.len() * fr]);
        }
        let rows = Rows {
            data: &t.logit_rows,
            stride: dims.cr,
        };
        let bases = Bases {
            base: &t.logit_base[..cp],
            low: &t.logit_base_low,
        };
        let out = Out {
            data: logits,
            stride: cp,
        };
        weighted_sums(simd, rows, terms, bases, out, identity);
    }

    /// Sets the rows of U′ and D′ that each sample of the tile uses, with its attention to them.
    #[inline(always)]
    fn set_terms(&mut self, dims: &Dims, samples: &[Sample]) {
        let Dims { p, heads, .. } = *dims;
        let [to_a, to_b, _] = &self.attention;
        let terms = self.terms.chunks_exact_mut(2 * heads);
        let weights = to_a.chunks_exact(heads).zip(to_b.chunks_exact(heads));
        for ((terms, (to_a, to_b)), s) in terms.zip(weights).zip(samples) {
            let (of_a, of_b) = terms.split_at_mut(heads);
            let (row_a, row_b) = (s.a as usize * heads, (p + s.b as usize) * heads);
            for h in 0..heads {
                of_a[h] = (to_a[h], row_a + h);
                of_b[h] = (to_b[h], row_b + h);
            }
        }
    }
}

/// Returns rows of `WIDTH` entries, one after another, by moves rather than calls of `memcpy`.
#[inline(always)]
fn pick<const WIDTH: usize>(from: &[f32], rows: impl Iterator<Item = usize>, to: &mut [f32]) {
    let (from, to) = (from.as_chunks::<WIDTH>().0, to.as_chunks_mut::<WIDTH>().0);
    for (to, row) in to.iter_mut().zip(rows) {
        *to = from[row];
    }
}
