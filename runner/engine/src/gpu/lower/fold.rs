//! Lowers the fold stage: the tables of doc/model.md#the-fold, from the parameters.

use grokrun_executor::{Parameter, Shape};
use grokrun_shaders::ROWS;
use grokrun_shaders::uniforms::rows;

use super::super::plan::{Matrix, Product};
use super::{Bound, Lowering, groups};

impl Lowering<'_> {
    pub(super) fn fold(&mut self) {
        self.rows();
        self.products_of_parameters();
        self.token_rows();
        self.bases();
    }

    /// Adds the dispatch of x and xd.
    fn rows(&mut self) {
        let Shape {
            modulus: p,
            d_model: d,
            ..
        } = self.sizes.shape;
        let t = self.tables;
        let d4 = d.div_ceil(4);
        let params = rows::Params {
            p: p as u32,
            d4: d4 as u32,
            stride: t.stride as u32,
            embed: t.weight(Parameter::Embed).first as u32,
            pos: t.weight(Parameter::PosEmbed).first as u32,
            x: t.x.first as u32,
            xd: t.xd.first as u32,
        };
        self.other(&ROWS, &params, Bound::Arena, groups((2 * p + 1) * d4, 64));
    }

    /// Returns x of '='.
    pub(super) fn x_eq(&self) -> Matrix {
        Matrix::of(self.tables.x).at_row(2 * self.sizes.shape.modulus)
    }

    /// Adds V′_h = xd W_V,h; q_h = x_eq W_Q,h; v_eq,h = x_eq W_V,h; W_O W_in; W_O W_U; M = W_out
    /// W_U and its transpose.
    fn products_of_parameters(&mut self) {
        let Shape {
            modulus: p,
            d_model: d,
            heads,
            d_head: e,
            d_mlp: f,
            ..
        } = self.sizes.shape;
        let (t, rows, he) = (self.tables, 2 * p, heads * e);
        let [w_in, w_out, w_u, w_o] = self.folded_weights();
        let mut level = vec![
            Product::new(f, p, Matrix::of(t.m)).plus(d, w_out, w_u),
            Product::new(p, f, Matrix::of(t.m_flipped)).plus(d, w_u.t(), w_out.t()),
            Product::new(he, f, Matrix::of(t.ow)).plus(d, w_o, w_in),
            Product::new(he, p, Matrix::of(t.ou)).plus(d, w_o, w_u),
        ];
        for h in 0..heads {
            let [w_v, w_q] = [Parameter::Value, Parameter::Query]
                .map(|parameter| self.weight_of_head(parameter, h));
            let v = Matrix::of_head(t.v, h, heads);
            level.push(Product::new(rows, e, v).plus(d, Matrix::of(t.xd), w_v));
            for (out, weight) in [(t.q, w_q), (t.v_eq, w_v)] {
                let out = Matrix::of(out).at_row(h);
                level.push(Product::new(1, e, out).plus(d, self.x_eq(), weight));
            }
        }
        self.products(&level);
    }

    /// Adds U′_h = V′_h (W_O W_in)_h; D′_h = V′_h (W_O W_U)_h; kq_h = q_h W_K,hᵀ / √e; r = Σ v_eq,h
    /// W_O,h + x_eq.
    fn token_rows(&mut self) {
        let Shape {
            modulus: p,
            d_model: d,
            heads,
            d_head: e,
            d_mlp: f,
            ..
        } = self.sizes.shape;
        let (t, rows) = (self.tables, 2 * p);
        let mut level = Vec::new();
        let mut r = Product::new(1, d, Matrix::of(t.r));
        for h in 0..heads {
            let v = Matrix::of_head(t.v, h, heads);
            for (width, folded, out) in [(f, t.ow, t.neuron_rows), (p, t.ou, t.logit_rows)] {
                let folded = Matrix::of(folded).at_row(h * e);
                let out = Matrix::of_head(out, h, heads);
                level.push(Product::new(rows, width, out).plus(e, v, folded));
            }
            let q = Matrix::of(t.q).at_row(h);
            let key = self.weight_of_head(Parameter::Key, h).t();
            let kq = Product::new(1, d, Matrix::of(t.kq).at_row(h)).plus(e, q, key);
            level.push(kq.scaled(1.0 / (e as f32).sqrt()));
            let v_eq = Matrix::of(t.v_eq).at_row(h);
            r = r.plus(e, v_eq, self.weight_of_head(Parameter::Output, h));
        }
        // x_eq comes last, so that the sum of small terms is added to a large one at once.
        level.push(r.plus(1, self.ones(), self.x_eq()));
        self.products(&level);
    }

    /// Adds scores = x kqᵀ; c = r W_in + b_in; d = r W_U + b_out W_U.
    fn bases(&mut self) {
        let Shape {
            modulus: p,
            d_model: d,
            heads,
            d_mlp: f,
            ..
        } = self.sizes.shape;
        let t = self.tables;
        let r = Matrix::of(t.r);
        let w_u = self.weight(Parameter::Unembed);
        let level = [
            Product::new(2 * p + 1, heads, Matrix::of(t.scores)).plus(
                d,
                Matrix::of(t.x),
                Matrix::of(t.kq).t(),
            ),
            Product::new(1, f, Matrix::of(t.neuron_base))
                .plus(d, r, self.weight(Parameter::In))
                .plus(1, self.ones(), self.weight(Parameter::BiasIn)),
            Product::new(1, p, Matrix::of(t.logit_base))
                .plus(d, r, w_u)
                .plus(d, self.weight(Parameter::BiasOut), w_u),
        ];
        self.products(&level);
    }
}
