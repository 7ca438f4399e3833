//! The fold: the tables of DESIGN.md, "The model, exactly", from the parameters.

use grokrun_shaders::ROWS;

use super::super::product::{Matrix, Product};
use super::Lowering;
use crate::shape::{Parameter, Shape};

impl Lowering<'_> {
    pub(super) fn fold(&mut self) {
        let Shape {
            modulus: p,
            d_model: d,
            heads,
            d_head: e,
            d_mlp: f,
            ..
        } = self.sizes.shape;
        let (he, rows, b) = (heads * e, 2 * p, self.buffers);
        let stored = self.sizes.shape.parameters();
        let [pos, bias] =
            [Parameter::PosEmbed, Parameter::BiasIn].map(|q| q.offset(&self.sizes.shape));
        let buffers = [&b.parameters, &b.x, &b.xd, &b.r, &b.neuron_base];
        self.dispatch(
            &ROWS,
            &[p, d, f, stored, pos, bias],
            &buffers,
            [((rows + 1) * d).max(f).div_ceil(64) as u64, 1],
        );

        let x = Matrix::rows(&b.x, d, (rows + 1) * d);
        let x_eq = x.at(rows * d);
        let q = Matrix::rows(&b.q, he, he).each(e);
        let kq = Matrix::rows(&b.kq, d, heads * d);
        let v_eq = Matrix::rows(&b.v_eq, he, he);
        let r = Matrix::rows(&b.r, d, d);
        // q_h = x_eq W_Q,h; kq_h = q_h W_K,hᵀ; scores = x kqᵀ / √e
        self.record(
            self.product(1, d, e).batches(heads),
            x_eq,
            self.per_head(Parameter::Query),
            q,
        );
        self.record(
            self.product(1, e, d).batches(heads),
            q,
            self.per_head(Parameter::Key).t(),
            kq.each(d),
        );
        let scores = Matrix::rows(&b.scores, heads, (rows + 1) * heads);
        let scaled = Product {
            alpha: 1.0 / (e as f32).sqrt(),
            ..self.product(rows + 1, d, heads)
        };
        self.record(scaled, x, kq.t(), scores);
        // r = x_eq + Σ v_eq W_O; c = b_in + r W_in; d = (r + b_out) W_U
        self.record(
            self.product(1, d, e).batches(heads),
            x_eq,
            self.per_head(Parameter::Value),
            v_eq.each(e),
        );
        self.record(
            self.product(1, he, d).added(),
            v_eq,
            self.weight(Parameter::Output, d),
            r,
        );
        self.record(
            self.product(1, d, f).added(),
            r,
            self.weight(Parameter::In, f),
            Matrix::rows(&b.neuron_base, f, f),
        );
        let base = Matrix::rows(&b.logit_base, p, p);
        let unembed = self.weight(Parameter::Unembed, p);
        self.record(self.product(1, d, p), r, unembed, base);
        self.record(
            self.product(1, d, p).added(),
            self.weight(Parameter::BiasOut, d),
            unembed,
            base,
        );
        // V′_h = xd W_V,h; U′_h = V′_h (W_O W_in)_h; D′_h = V′_h (W_O W_U)_h; M = W_out W_U
        let xd = Matrix::rows(&b.xd, d, rows * d);
        let v = Matrix::rows(&b.v, he, rows * he).each(e);
        let ow = Matrix::rows(&b.ow, f, he * f);
        let ou = Matrix::rows(&b.ou, p, he * p);
        self.record(
            self.product(rows, d, e).batches(heads),
            xd,
            self.per_head(Parameter::Value),
            v,
        );
        let output = self.weight(Parameter::Output, d);
        self.record(
            self.product(he, d, f),
            output,
            self.weight(Parameter::In, f),
            ow,
        );
        self.record(self.product(he, d, p), output, unembed, ou);
        let neuron = Matrix::rows(&b.neuron_rows, heads * f, rows * heads * f).each(f);
        let logit = Matrix::rows(&b.logit_rows, heads * p, rows * heads * p).each(p);
        self.record(
            self.product(rows, e, f).batches(heads),
            v,
            ow.each(e * f),
            neuron,
        );
        self.record(
            self.product(rows, e, p).batches(heads),
            v,
            ou.each(e * p),
            logit,
        );
        let m = Matrix::rows(&b.m, p, f * p);
        self.record(
            self.product(f, d, p),
            self.weight(Parameter::Out, d),
            unembed,
            m,
        );
    }
}
