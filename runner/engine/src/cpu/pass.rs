//! The forward pass of a tile of pairs, small enough that its activations stay in the L2 cache.

use pulp::Simd;

use super::TILE;
use super::buffer::Buffer;
use super::dims::Dims;
use super::math::{activate, exp};
use super::product::{Mode, View, left_len, pack_left};
use super::tables::Tables;
use super::vector::{add, add_scaled};
use crate::data::Sample;

/// Room for one tile, kept from epoch to epoch.
pub(crate) struct Tile {
    /// attention to a, b and '=', each `(TILE, heads)`
    pub(crate) attention: [Buffer; 3],
    /// inputs of the neurons, `(TILE, fp)`
    pub(crate) pre: Buffer,
    /// logits, then their gradients, `(TILE, cp)`
    pub(crate) logits: Buffer,
    /// a packed left operand
    pub(crate) left: Buffer,
}

impl Tile {
    pub(crate) fn new(dims: &Dims) -> Tile {
        Tile {
            attention: std::array::from_fn(|_| Buffer::zeros(TILE * dims.heads)),
            pre: Buffer::zeros(TILE * dims.fp),
            logits: Buffer::zeros(TILE * dims.cp),
            left: Buffer::default(),
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
        self.gather(dims, t, samples);
        let m = samples.len();
        let left = self.left.grow(left_len::<S>(m, dims.f));
        let pre = View::rows(&self.pre, dims.fp);
        pack_left::<S>(
            pre,
            m,
            dims.f,
            left,
            #[inline(always)]
            |x| activate(dims.activation, x),
        );
        t.m_right
            .multiply(simd, left, m, &mut self.logits, dims.cp, Mode::Add);
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

    /// `pre = c + Σ_h A0 U′[a] + A1 U′[b]`, and the same for the logits with d and D′.
    #[inline(always)]
    fn gather(&mut self, dims: &Dims, t: &Tables, samples: &[Sample]) {
        let Dims {
            p, heads, fp, cp, ..
        } = *dims;
        let [to_a, to_b, _] = &self.attention;
        for (i, s) in samples.iter().enumerate() {
            let pre = &mut self.pre[i * fp..][..fp];
            let logits = &mut self.logits[i * cp..][..cp];
            pre.copy_from_slice(&t.neuron_base_low);
            logits.fill(0.0);
            for (row, weights) in [(s.a as usize, to_a), (p + s.b as usize, to_b)] {
                for (h, weight) in weights[i * heads..][..heads].iter().enumerate() {
                    let at = row * heads + h;
                    add_scaled(pre, *weight, &t.neuron_rows[at * fp..][..fp]);
                    add_scaled(logits, *weight, &t.logit_rows[at * cp..][..cp]);
                }
            }
            // The base last: near zero, where a ReLU decides, it then cancels without rounding.
            add(pre, &t.neuron_base);
            add(logits, &t.logit_base);
        }
    }
}
