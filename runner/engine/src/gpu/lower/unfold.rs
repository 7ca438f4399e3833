//! Lowers the unfold stage: the gradients of the parameters from those of the tables
//! (doc/model.md#from-the-tables-to-the-parameters).

use grokrun_executor::{Parameter, Shape};

use super::super::plan::{Matrix, Product};
use super::Lowering;

impl Lowering<'_> {
    pub(super) fn unfold(&mut self) {
        self.products_of_tables();
        self.products_of_heads();
        self.products_of_eq();
    }

    /// Adds dV′_h = dU′_h (W_O W_in)_hᵀ + dD′_h (W_O W_U)_hᵀ; d(W_O W_in)_h = V′_hᵀ dU′_h and d(W_O
    /// W_U)_h = V′_hᵀ dD′_h; dr = dc W_inᵀ + dd W_Uᵀ; dW_out = dM W_Uᵀ; d(kq)_h = Σ_t ds\[t\] x_t /
    /// √e; ds summed over a position's tokens; the biases.
    fn products_of_tables(&mut self) {
        let Shape {
            modulus: p,
            d_model: d,
            heads,
            d_head: e,
            d_mlp: f,
            trained_biases,
            ..
        } = self.sizes.shape;
        let (t, rows) = (self.tables, 2 * p);
        let (w_in, w_u) = (self.weight(Parameter::In), self.weight(Parameter::Unembed));
        let (d_c, d_d) = (Matrix::of(t.d_neuron_base), Matrix::of(t.d_logit_base));
        let d_scores = Matrix::of(t.d_scores);
        let scale = 1.0 / (e as f32).sqrt();
        let mut level = vec![
            Product::new(1, d, Matrix::of(t.d_r))
                .plus(f, d_c, w_in.t())
                .plus(p, d_d, w_u.t()),
            Product::new(f, d, self.gradient(Parameter::Out)).plus(p, Matrix::of(t.d_m), w_u.t()),
            Product::new(heads, d, Matrix::of(t.d_kq))
                .plus(rows + 1, d_scores.t(), Matrix::of(t.x))
                .scaled(scale),
        ];
        for position in 0..2 {
            let out = Matrix::of(t.d_score_sums).at_row(position);
            let of_position = d_scores.at_row(position * p);
            level.push(Product::new(1, heads, out).plus(p, self.ones(), of_position));
        }
        if trained_biases {
            level.push(Product::new(1, f, self.gradient(Parameter::BiasIn)).plus(
                1,
                self.ones(),
                d_c,
            ));
            level.push(Product::new(1, d, self.gradient(Parameter::BiasOut)).plus(p, d_d, w_u.t()));
        }
        for h in 0..heads {
            let [v, d_v, neuron, logit] = [t.v, t.d_v, t.d_neuron_rows, t.d_logit_rows]
                .map(|place| Matrix::of_head(place, h, heads));
            let [ow, ou, d_ow, d_ou] =
                [t.ow, t.ou, t.d_ow, t.d_ou].map(|place| Matrix::of(place).at_row(h * e));
            level.push(
                Product::new(rows, e, d_v)
                    .plus(f, neuron, ow.t())
                    .plus(p, logit, ou.t()),
            );
            level.push(Product::new(e, f, d_ow).plus(rows, v.t(), neuron));
            level.push(Product::new(e, p, d_ou).plus(rows, v.t(), logit));
        }
        self.products(&level);
    }

    /// Adds dW_in = W_Oᵀ d(W_O W_in) + rᵀ dc; dW_U = W_outᵀ dM + W_Oᵀ d(W_O W_U) + (r + b_out)ᵀ dd;
    /// by head dW_O = d(W_O W_in) W_inᵀ + d(W_O W_U) W_Uᵀ + v_eqᵀ dr, dv_eq = dr W_Oᵀ, dW_K =
    /// d(kq)ᵀ q, dq = d(kq) W_K; the rows of dW_E but that of '='; sums of dV′ over tokens.
    fn products_of_heads(&mut self) {
        let Shape {
            modulus: p,
            d_model: d,
            heads,
            d_head: e,
            d_mlp: f,
            ..
        } = self.sizes.shape;
        let (t, he) = (self.tables, heads * e);
        let [w_in, w_out, w_u, w_o] = self.folded_weights();
        let (d_c, d_d) = (Matrix::of(t.d_neuron_base), Matrix::of(t.d_logit_base));
        let (r, d_r) = (Matrix::of(t.r), Matrix::of(t.d_r));
        let (d_ow, d_ou) = (Matrix::of(t.d_ow), Matrix::of(t.d_ou));
        let mut level = vec![
            Product::new(d, p, self.gradient(Parameter::Unembed))
                .plus(f, w_out.t(), Matrix::of(t.d_m))
                .plus(he, w_o.t(), d_ou)
                .plus(1, r.t(), d_d)
                .plus(1, self.weight(Parameter::BiasOut).t(), d_d),
            Product::new(d, f, self.gradient(Parameter::In))
                .plus(he, w_o.t(), d_ow)
                .plus(1, r.t(), d_c),
        ];
        let mut embed = Product::new(p, d, self.gradient(Parameter::Embed));
        for position in 0..2 {
            for h in 0..heads {
                let d_v = Matrix::of_head(t.d_v, h, heads).at_row(position * p);
                embed = embed.plus(e, d_v, self.weight_of_head(Parameter::Value, h).t());
            }
            let d_scores = Matrix::of(t.d_scores).at_row(position * p);
            embed = embed.plus(heads, d_scores, Matrix::of(t.kq));
        }
        level.push(embed);
        for h in 0..heads {
            let d_kq = Matrix::of(t.d_kq).at_row(h);
            let [q, v_eq, d_q, d_v_eq] =
                [t.q, t.v_eq, t.d_q, t.d_v_eq].map(|place| Matrix::of(place).at_row(h));
            let w_o = self.weight_of_head(Parameter::Output, h);
            let d_v = Matrix::of_head(t.d_v, h, heads);
            level.push(
                Product::new(e, d, self.gradient_of_head(Parameter::Output, h))
                    .plus(f, d_ow.at_row(h * e), w_in.t())
                    .plus(p, d_ou.at_row(h * e), w_u.t())
                    .plus(1, v_eq.t(), d_r),
            );
            level.push(Product::new(1, e, d_v_eq).plus(d, d_r, w_o.t()));
            let d_key = self.gradient_of_head(Parameter::Key, h);
            level.push(Product::new(d, e, d_key).plus(1, d_kq.t(), q));
            let key = self.weight_of_head(Parameter::Key, h);
            level.push(Product::new(1, e, d_q).plus(d, d_kq, key));
            // The sums are over the tokens at position 0, at position 1, and over all with the sign
            // changed.
            for (i, first, count, sign) in [
                (0, 0, p, self.ones()),
                (1, p, p, self.ones()),
                (2, 0, 2 * p, self.minus_ones()),
            ] {
                let out = Matrix::of(t.d_v_sums).at_row(i * heads + h);
                let values = d_v.at_row(first);
                level.push(Product::new(1, e, out).plus(count, sign, values));
            }
        }
        self.products(&level);
    }

    /// Adds dW_V,h = xdᵀ dV′_h + x_eqᵀ dv_eq,h; dW_Q,h = x_eqᵀ dq_h; dW_pos; and the row of '=' in
    /// dW_E, which also is in every difference `x[t] − x['=']` and in r. Like dW_pos['='], the row
    /// is `Σ_h (dv_eq,h − Σ_t dV′_h[t]) W_V,hᵀ + dq_h W_Q,hᵀ + ds['='] kq_h`, and dr.
    fn products_of_eq(&mut self) {
        let Shape {
            modulus: p,
            d_model: d,
            heads,
            d_head: e,
            ..
        } = self.sizes.shape;
        let (t, rows) = (self.tables, 2 * p);
        let kq = Matrix::of(t.kq);
        let mut level = Vec::new();
        let mut eq = Vec::new();
        for h in 0..heads {
            let [d_q, d_v_eq] = [t.d_q, t.d_v_eq].map(|place| Matrix::of(place).at_row(h));
            let d_v = Matrix::of_head(t.d_v, h, heads);
            let d_value = self.gradient_of_head(Parameter::Value, h);
            level.push(
                Product::new(d, e, d_value)
                    .plus(rows, Matrix::of(t.xd).t(), d_v)
                    .plus(1, self.x_eq().t(), d_v_eq),
            );
            let d_query = self.gradient_of_head(Parameter::Query, h);
            level.push(Product::new(d, e, d_query).plus(1, self.x_eq().t(), d_q));
            let value = self.weight_of_head(Parameter::Value, h).t();
            let query = self.weight_of_head(Parameter::Query, h).t();
            let turned = Matrix::of(t.d_v_sums).at_row(2 * heads + h);
            eq.extend([(d_v_eq, value), (turned, value), (d_q, query)]);
        }
        for position in 0..2 {
            let out = self.gradient(Parameter::PosEmbed).at_row(position);
            let mut sum = Product::new(1, d, out);
            for h in 0..heads {
                let d_v = Matrix::of(t.d_v_sums).at_row(position * heads + h);
                sum = sum.plus(e, d_v, self.weight_of_head(Parameter::Value, h).t());
            }
            let d_scores = Matrix::of(t.d_score_sums).at_row(position);
            level.push(sum.plus(heads, d_scores, kq));
        }
        let of_eq = [(Parameter::Embed, p), (Parameter::PosEmbed, 2)];
        for out in of_eq.map(|(parameter, row)| self.gradient(parameter).at_row(row)) {
            let mut sum = Product::new(1, d, out);
            for (gradient, weight) in &eq {
                sum = sum.plus(e, *gradient, *weight);
            }
            let d_scores = Matrix::of(t.d_scores).at_row(rows);
            level.push(
                sum.plus(heads, d_scores, kq)
                    .plus(1, self.ones(), Matrix::of(t.d_r)),
            );
        }
        self.products(&level);
    }
}
