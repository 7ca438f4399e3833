//! The unfold: the gradients of the parameters from those of the tables.

use grokrun_shaders::EMBED_GRAD;

use super::super::product::{Matrix, Product};
use super::{Lowering, Tall};
use crate::EngineError;
use crate::shape::{Parameter, Shape};

impl Lowering<'_> {
    pub(super) fn unfold(&mut self) -> Result<(), EngineError> {
        let shape = self.sizes.shape;
        let Shape {
            modulus: p,
            d_model: d,
            heads,
            d_head: e,
            d_mlp: f,
            ..
        } = shape;
        let (he, rows, b) = (heads * e, 2 * p, self.buffers);
        let neuron = Matrix::rows(&b.d_neuron_rows, heads * f, rows * heads * f).each(f);
        let logit = Matrix::rows(&b.d_logit_rows, heads * p, rows * heads * p).each(p);
        let (ow, ou) = (
            Matrix::rows(&b.ow, f, he * f).each(e * f),
            Matrix::rows(&b.ou, p, he * p).each(e * p),
        );
        let (d_ow, d_ou) = (
            Matrix::rows(&b.d_ow, f, he * f),
            Matrix::rows(&b.d_ou, p, he * p),
        );
        let v = Matrix::rows(&b.v, he, rows * he).each(e);
        let d_v = Matrix::rows(&b.d_v, he, rows * he).each(e);
        let (d_c, d_d) = (
            Matrix::rows(&b.d_neuron_base, f, f),
            Matrix::rows(&b.d_logit_base, p, p),
        );
        let (r, d_r) = (Matrix::rows(&b.r, d, d), Matrix::rows(&b.d_r, d, d));
        let d_m = Matrix::rows(&b.d_m, p, f * p);
        let [w_in, w_out, w_u, w_o] = [
            self.weight(Parameter::In, f),
            self.weight(Parameter::Out, d),
            self.weight(Parameter::Unembed, p),
            self.weight(Parameter::Output, d),
        ];
        // dV′_h = dU′_h (W_O W_in)_hᵀ + dD′_h (W_O W_U)_hᵀ
        self.record(self.product(rows, f, e).batches(heads), neuron, ow.t(), d_v);
        self.record(
            self.product(rows, p, e).batches(heads).added(),
            logit,
            ou.t(),
            d_v,
        );
        // d(W_O W_in)_h = V′_hᵀ dU′_h, d(W_O W_U)_h = V′_hᵀ dD′_h
        self.record(
            self.product(e, rows, f).batches(heads),
            v.t(),
            neuron,
            d_ow.each(e * f),
        );
        self.record(
            self.product(e, rows, p).batches(heads),
            v.t(),
            logit,
            d_ou.each(e * p),
        );
        // dr = dc W_inᵀ + dd W_Uᵀ; dv_eq = dr W_Oᵀ
        self.record(self.product(1, f, d), d_c, w_in.t(), d_r);
        self.record(self.product(1, p, d).added(), d_d, w_u.t(), d_r);
        let d_v_eq = Matrix::rows(&b.d_v_eq, he, he);
        self.record(self.product(1, d, he), d_r, w_o.t(), d_v_eq);
        // dW_in = W_Oᵀ d(W_O W_in) + rᵀ dc
        let g_in = self.gradient(Parameter::In, f);
        self.record(self.product(d, he, f), w_o.t(), d_ow, g_in);
        self.record(self.product(d, 1, f).added(), r.t(), d_c, g_in);
        // dW_O = d(W_O W_in) W_inᵀ + d(W_O W_U) W_Uᵀ + v_eqᵀ dr
        let g_o = self.gradient(Parameter::Output, d);
        self.record(self.product(he, f, d), d_ow, w_in.t(), g_o);
        self.record(self.product(he, p, d).added(), d_ou, w_u.t(), g_o);
        let v_eq = Matrix::rows(&b.v_eq, he, he);
        self.record(self.product(he, 1, d).added(), v_eq.t(), d_r, g_o);
        // dW_U = W_Oᵀ d(W_O W_U) + W_outᵀ dM + (r + b_out)ᵀ dd
        let g_u = self.gradient(Parameter::Unembed, p);
        self.record(self.product(d, he, p), w_o.t(), d_ou, g_u);
        self.record(self.product(d, f, p).added(), w_out.t(), d_m, g_u);
        self.record(self.product(d, 1, p).added(), r.t(), d_d, g_u);
        self.record(
            self.product(d, 1, p).added(),
            self.weight(Parameter::BiasOut, d).t(),
            d_d,
            g_u,
        );
        // dW_out = dM W_Uᵀ
        self.record(
            self.product(f, p, d),
            d_m,
            w_u.t(),
            self.gradient(Parameter::Out, d),
        );
        if shape.trained_biases {
            let one = Matrix::rows(&b.one, 1, 0);
            self.record(
                self.product(1, 1, f),
                one,
                d_c,
                self.gradient(Parameter::BiasIn, f),
            );
            self.record(
                self.product(1, p, d),
                d_d,
                w_u.t(),
                self.gradient(Parameter::BiasOut, d),
            );
        }
        self.unfold_attention()?;
        self.unfold_embedding()
    }

    /// The gradients of W_Q, W_K and W_V.
    fn unfold_attention(&mut self) -> Result<(), EngineError> {
        let Shape {
            modulus: p,
            d_model: d,
            heads,
            d_head: e,
            ..
        } = self.sizes.shape;
        let (he, rows, b) = (heads * e, 2 * p, self.buffers);
        let x = Matrix::rows(&b.x, d, (rows + 1) * d);
        let x_eq = x.at(rows * d);
        let d_scores = Matrix::rows(&b.d_scores, heads, (rows + 1) * heads);
        let d_kq = Matrix::rows(&b.d_kq, d, heads * d);
        let q = Matrix::rows(&b.q, he, he).each(e);
        let d_q = Matrix::rows(&b.d_q, he, he).each(e);
        // d(kq)_h = Σ_t ds[t] x_t / √e; dW_K,h = d(kq)_hᵀ q_h; dq_h = d(kq)_h W_K,h; dW_Q,h = x_eqᵀ dq_h
        let scaled = Product {
            alpha: 1.0 / (e as f32).sqrt(),
            ..self.product(heads, rows + 1, d)
        };
        self.record(scaled, d_scores.t(), x, d_kq);
        let d_kq = d_kq.each(d);
        self.record(
            self.product(d, 1, e).batches(heads),
            d_kq.t(),
            q,
            self.gradient(Parameter::Key, e).each(d * e),
        );
        self.record(
            self.product(1, d, e).batches(heads),
            d_kq,
            self.weight(Parameter::Key, e).each(d * e),
            d_q,
        );
        self.record(
            self.product(d, 1, e).batches(heads),
            x_eq.t(),
            d_q,
            self.gradient(Parameter::Query, e).each(d * e),
        );
        // dW_V,h = xdᵀ dV′_h + x_eqᵀ dv_eq_h
        let xd = Matrix::rows(&b.xd, d, rows * d);
        let d_v = Matrix::rows(&b.d_v, he, rows * he).each(e);
        let d_v_eq = Matrix::rows(&b.d_v_eq, he, he).each(e);
        let g_v = self.gradient(Parameter::Value, e).each(d * e);
        self.record(self.product(d, rows, e).batches(heads), xd.t(), d_v, g_v);
        self.record(
            self.product(d, 1, e).batches(heads).added(),
            x_eq.t(),
            d_v_eq,
            g_v,
        );
        Ok(())
    }

    /// The gradients of W_E and W_pos.
    fn unfold_embedding(&mut self) -> Result<(), EngineError> {
        let shape = self.sizes.shape;
        let Shape {
            modulus: p,
            d_model: d,
            heads,
            d_head: e,
            ..
        } = shape;
        let (he, rows, b) = (heads * e, 2 * p, self.buffers);
        let replicas = self.sizes.replicas;
        let (stored, pos) = (shape.parameters(), Parameter::PosEmbed.offset(&shape));
        let d_x = Matrix::rows(&b.d_x, d, (rows + 1) * d);
        let d_eq = d_x.at(rows * d);
        // W_V as one matrix of heads · e columns: k steps in blocks of e
        let value = self.weight(Parameter::Value, e).t().blocks(d * e);
        let query = self.weight(Parameter::Query, e).t().blocks(d * e);
        let by_head = |m: usize| Product {
            block: e,
            ..Product::new(m, he, d, replicas)
        };
        // dxd = Σ_h dV′_h W_V,hᵀ; into '=' first goes Σ_h dv_eq_h W_V,hᵀ + dq_h W_Q,hᵀ
        let d_v = Matrix::rows(&b.d_v, he, rows * he).blocks(e);
        self.record(by_head(rows), d_v, value, d_x);
        self.record(
            by_head(1),
            Matrix::rows(&b.d_v_eq, he, he).blocks(e),
            value,
            d_eq,
        );
        self.record(
            by_head(1).added(),
            Matrix::rows(&b.d_q, he, he).blocks(e),
            query,
            d_eq,
        );
        let all = Tall {
            buffer: &b.d_x,
            rows,
            width: d,
            stride: d,
            first: 0,
            replica: (rows + 1) * d,
        };
        self.sum(all, &b.d_xd_sum, 0, d)?;
        // dx_t += Σ_h ds[t] kq_h / √e, '=' included
        let d_scores = Matrix::rows(&b.d_scores, heads, (rows + 1) * heads);
        let scaled = Product {
            alpha: 1.0 / (e as f32).sqrt(),
            ..self.product(rows + 1, heads, d)
        };
        self.record(
            scaled.added(),
            d_scores,
            Matrix::rows(&b.kq, d, heads * d),
            d_x,
        );
        let grid = [((p + 1) * d).div_ceil(64) as u64, 1];
        self.dispatch(
            &EMBED_GRAD,
            &[p, d, stored, pos],
            &[&b.d_x, &b.d_r, &b.d_xd_sum, &b.gradient],
            grid,
        );
        for position in [0, 1] {
            let of_position = Tall {
                rows: p,
                first: position * p * d,
                ..all
            };
            self.sum(of_position, &b.gradient, pos + position * d, stored)?;
        }
        Ok(())
    }
}
