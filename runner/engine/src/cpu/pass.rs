//! The forward pass of a tile of pairs, small enough that its activations stay in the L2 cache.

use pulp::Simd;

use super::TILE;
use super::buffer::Buffer;
use super::dims::Dims;
use super::math::{activate, exp};
use super::product::{Mode, View};
use super::rows::{Term, weighted_sum};
use super::tables::Tables;
use crate::data::Sample;

/// Room for one tile, kept from epoch to epoch.
pub(crate) struct Tile {
    /// attention to a, b and '=', each `(TILE, heads)`
    pub(crate) attention: [Buffer; 3],
    /// inputs of the neurons, `(TILE, fp)`
    pub(crate) pre: Buffer,
    /// outputs of the neurons, `(TILE, fp)`
    pub(crate) post: Buffer,
    /// logits, then their gradients, `(TILE, cp)`
    pub(crate) logits: Buffer,
    /// the rows of U′ and D′ of one pair: a's heads, then b's
    pub(crate) terms: Vec<Term>,
}

impl Tile {
    pub(crate) fn new(dims: &Dims) -> Tile {
        Tile {
            attention: std::array::from_fn(|_| Buffer::zeros(TILE * dims.heads)),
            pre: Buffer::zeros(TILE * dims.fp),
            post: Buffer::zeros(TILE * dims.fp),
            logits: Buffer::zeros(TILE * dims.cp),
            terms: Vec::with_capacity(2 * dims.heads),
        }
    }

    /// Attention, pre-activations and logits of at most [`TILE`] samples.
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
        let post = View::rows(&self.post, dims.fp);
        let (m, logits) = (samples.len(), &mut self.logits);
        t.m_right
            .multiply(simd, post, m, logits, dims.cp, Mode::Add);
    }

    /// A = softmax over the scores of a, b and '=', head by head. The largest score of the pair
    /// is taken off first, so that scores of any spread are safe.
    #[inline(always)]
    fn attend(&mut self, dims: &Dims, scores: &[f32], samples: &[Sample]) {
        let Dims { p, heads, rows, .. } = *dims;
        let [to_a, to_b, to_eq] = &mut self.attention;
        let score = |row: usize| &scores[row * heads..][..heads];
        for (i, s) in samples.iter().enumerate() {
            let at = i * heads..(i + 1) * heads;
            to_a[at.clone()].copy_from_slice(score(s.a as usize));
            to_b[at.clone()].copy_from_slice(score(p + s.b as usize));
            to_eq[at].copy_from_slice(score(rows));
        }
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

    /// `pre = c + Σ_h A0 U′[a] + A1 U′[b]`, the same for the logits with d and D′; post.
    #[inline(always)]
    fn gather<S: Simd>(&mut self, simd: S, dims: &Dims, t: &Tables, samples: &[Sample]) {
        let Dims { fp, cp, .. } = *dims;
        let (neuron_base, _) = S::as_simd_f32s(&t.neuron_base);
        let (logit_base, _) = S::as_simd_f32s(&t.logit_base);
        for (i, s) in samples.iter().enumerate() {
            self.set_terms(dims, i, s);
            let pre = &mut self.pre[i * fp..][..fp];
            let logits = &mut self.logits[i * cp..][..cp];
            // The base last: near zero, where a ReLU decides, it then cancels without rounding.
            weighted_sum(
                simd,
                &t.neuron_rows,
                &self.terms,
                &t.neuron_base_low,
                pre,
                #[inline(always)]
                |v, sum| simd.add_f32s(sum, neuron_base[v]),
            );
            weighted_sum(
                simd,
                &t.logit_rows,
                &self.terms,
                &t.logit_base_low,
                logits,
                #[inline(always)]
                |v, sum| simd.add_f32s(sum, logit_base[v]),
            );
            activate(dims.activation, pre, &mut self.post[i * fp..][..fp]);
        }
    }

    /// The rows of U′ and D′ that a sample of the tile uses, with its attention to them.
    #[inline(always)]
    pub(crate) fn set_terms(&mut self, dims: &Dims, i: usize, s: &Sample) {
        let Dims { p, heads, .. } = *dims;
        let [to_a, to_b, _] = &self.attention;
        self.terms.clear();
        for (row, weights) in [(s.a as usize, to_a), (p + s.b as usize, to_b)] {
            let weights = weights[i * heads..][..heads].iter();
            let rows = row * heads..;
            self.terms.extend(weights.copied().zip(rows));
        }
    }
}
