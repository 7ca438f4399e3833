//! Computes the forward pass from the weights, folded so that a changed model is cheap.
//!
//! Attention weights sum to 1, so a head adds to the inputs of the neurons what it adds when all
//! attention is on '=', plus A_a times a row of the token a, plus A_b times a row of the token b;
//! likewise to the logits past the MLP. These rows, `(p, d_mlp)` and `(p, p)` a head and position,
//! are made once; a pair then costs 2 rows a head and its share of one product with W_out W_U.

use grokrun_basis::{product, vectorized};
use rayon::prelude::*;

use crate::model::Model;

/// Holds two rows that go together: one for the inputs of the neurons `(d_mlp)`, one for the logits
/// past the MLP `(p)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Flow {
    /// `(d_mlp)`
    pub hidden: Vec<f32>,
    /// `(p)`
    pub direct: Vec<f32>,
}

impl Flow {
    /// Adds another flow.
    pub fn add(&mut self, other: &Flow) {
        add(&mut self.hidden, 1.0, &other.hidden);
        add(&mut self.direct, 1.0, &other.direct);
    }

    /// Adds two rows, scaled.
    pub fn add_scaled(&mut self, by: f32, hidden: &[f32], direct: &[f32]) {
        add(&mut self.hidden, by, hidden);
        add(&mut self.direct, by, direct);
    }
}

/// A folded head.
#[derive(Clone, Debug)]
pub struct FoldedHead {
    /// attention from '=' to a and to b at each pair, `(p², 2)`
    pub attention: Vec<[f32; 2]>,
    /// the head's contribution when all attention is on '='
    pub rest: Flow,
    /// beyond `rest`, the contribution to the inputs of the neurons, by position a and b: `(p,
    /// d_mlp)`
    pub hidden: [Vec<f32>; 2],
    /// beyond `rest`, the contribution to the logits, by position: `(p, p)`
    pub direct: [Vec<f32>; 2],
}

/// Includes a head, with its own attention at each pair, or with one fixed for all pairs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HeadMode {
    /// the head's index
    pub head: usize,
    /// attention to a and b; none for the head's own at each pair
    pub fixed: Option<[f32; 2]>,
}

/// A folded model.
pub struct Forward<'a> {
    model: Model<'a>,
    /// the heads, by index
    pub heads: Vec<FoldedHead>,
    /// contribution of the residual stream at '=' before attention, which is the same for all pairs
    pub residual: Flow,
    /// contribution of the biases
    pub biases: Flow,
    /// W_out W_U, `(d_mlp, p)`
    pub map: Vec<f32>,
}

impl<'a> Forward<'a> {
    /// Folds a model.
    pub fn new(model: Model<'a>) -> Forward<'a> {
        let d = model.d_model;
        let flow = |row: &[f32]| Flow {
            hidden: product(row, model.w_in, d),
            direct: product(row, model.w_u, d),
        };
        let heads = (0..model.heads).map(|head| fold(&model, head)).collect();
        let zeros = vec![0.0; d];
        let b_o = model.b_o.unwrap_or(&zeros);
        let mut biases = flow(b_o);
        if let Some(b_in) = model.b_in {
            add(&mut biases.hidden, 1.0, b_in);
        }
        if let Some(b_out) = model.b_out {
            add(&mut biases.direct, 1.0, &flow(b_out).direct);
        }
        if let Some(b_u) = model.b_u {
            add(&mut biases.direct, 1.0, b_u);
        }
        Forward {
            heads,
            residual: flow(&model.input(model.p, 2)),
            biases,
            map: product(model.w_out, model.w_u, d),
            model,
        }
    }

    /// Returns the model.
    pub fn model(&self) -> &Model<'a> {
        &self.model
    }

    /// Returns what is the same for all pairs: the biases, the residual stream, and the heads'
    /// `rest`.
    pub fn base(&self) -> Flow {
        let mut base = self.biases.clone();
        base.add(&self.residual);
        self.heads.iter().for_each(|head| base.add(&head.rest));
        base
    }

    /// Includes all heads, each with its own attention.
    pub fn head_modes(&self) -> Vec<HeadMode> {
        let mode = |head| HeadMode { head, fixed: None };
        (0..self.heads.len()).map(mode).collect()
    }

    /// Returns the model's logits at each pair, `(p², p)`.
    pub fn logits(&self) -> Vec<f32> {
        let (base, modes) = (self.base(), self.head_modes());
        let mut logits = self.neurons(&base, &modes);
        add(&mut logits, 1.0, &self.direct(&base, &modes));
        logits
    }

    /// Returns the logits past the MLP, `(p², p)`: `base`, and what these heads add beyond their
    /// `rest`.
    pub fn direct(&self, base: &Flow, modes: &[HeadMode]) -> Vec<f32> {
        let p = self.model.p;
        let mut out = base.direct.repeat(p * p);
        let blocks = out.par_chunks_mut((p * p).max(1)).enumerate();
        blocks.for_each(|(a, block)| {
            for (b, row) in block.chunks_exact_mut(p).enumerate() {
                self.each(a * p + b, modes, |head, place, weight, token| {
                    let table = &head.direct[place];
                    vectorized(|| add(row, weight, &table[token * p..(token + 1) * p]));
                });
            }
        });
        out
    }

    /// Returns the contribution of the neurons to the logits, `(p², p)`, with these inputs.
    pub fn neurons(&self, base: &Flow, modes: &[HeadMode]) -> Vec<f32> {
        let (p, f) = (self.model.p, self.model.d_mlp);
        let activate = |row: &mut [f32]| {
            if self.model.gelu {
                row.iter_mut().for_each(|x| *x = self.model.activate(*x))
            } else {
                vectorized(|| row.iter_mut().for_each(|x| *x = x.max(0.0)))
            }
        };
        if modes.is_empty() {
            // Without heads every pair is the same.
            let mut row = base.hidden.clone();
            activate(&mut row);
            return product(&row, &self.map, f).repeat(p * p);
        }
        let mut out = vec![0.0; p * p * p];
        let scratch = || vec![0.0f32; p * f];
        let blocks = out.par_chunks_mut((p * p).max(1)).enumerate();
        blocks.for_each_init(scratch, |block, (a, out)| {
            for (b, row) in block.chunks_exact_mut(f.max(1)).enumerate() {
                row.copy_from_slice(&base.hidden);
                self.each(a * p + b, modes, |head, place, weight, token| {
                    let table = &head.hidden[place];
                    vectorized(|| add(row, weight, &table[token * f..(token + 1) * f]));
                });
                activate(row);
            }
            out.copy_from_slice(&product(block, &self.map, f));
        });
        out
    }

    /// Calls a function with each row that a pair gets from these heads: head, position (0 for a),
    /// weight, token.
    #[inline(always)]
    fn each(
        &self,
        pair: usize,
        modes: &[HeadMode],
        mut take: impl FnMut(&FoldedHead, usize, f32, usize),
    ) {
        let tokens = [pair / self.model.p, pair % self.model.p];
        for mode in modes {
            let head = &self.heads[mode.head];
            let weights = mode.fixed.unwrap_or(head.attention[pair]);
            for place in [0, 1] {
                take(head, place, weights[place], tokens[place]);
            }
        }
    }
}

fn fold(model: &Model<'_>, head: usize) -> FoldedHead {
    let (p, d, e) = (model.p, model.d_model, model.d_head);
    let w_v = model.of_head(model.w_v, head);
    let w_o = model.of_head(model.w_o, head);
    let moved = |inputs: &[f32]| {
        let mut values = product(inputs, w_v, d);
        if let Some(b_v) = model.b_v {
            for row in values.chunks_exact_mut(e.max(1)) {
                add(row, 1.0, &b_v[head * e..(head + 1) * e]);
            }
        }
        product(&values, w_o, e)
    };
    let rest = moved(&model.input(p, 2));
    let beyond = [0, 1].map(|position| {
        let inputs: Vec<f32> = (0..p).flat_map(|t| model.input(t, position)).collect();
        let mut rows = moved(&inputs);
        for row in rows.chunks_exact_mut(d.max(1)) {
            add(row, -1.0, &rest);
        }
        rows
    });
    let [a, b] = &beyond;
    FoldedHead {
        attention: model
            .attention(head)
            .iter()
            .map(|[a, b, _]| [*a as f32, *b as f32])
            .collect(),
        rest: Flow {
            hidden: product(&rest, model.w_in, d),
            direct: product(&rest, model.w_u, d),
        },
        hidden: [product(a, model.w_in, d), product(b, model.w_in, d)],
        direct: [product(a, model.w_u, d), product(b, model.w_u, d)],
    }
}

/// Computes to += by · from.
#[inline(always)]
fn add(to: &mut [f32], by: f32, from: &[f32]) {
    to.iter_mut().zip(from).for_each(|(t, x)| *t += by * x);
}

#[cfg(test)]
mod tests;
