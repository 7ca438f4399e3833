//! Lowers the stages of the folded program to dispatches. The formulas are those of the CPU's
//! `fold`, `learn` and `unfold`, and of DESIGN.md, "The model, exactly".

use grokrun_shaders::{
    ADAMW, ATTEND, ATTEND_GRAD, COLUMN_SUMS, EMBED_GRAD, GATHER, LOSS, METRICS, ROW_SUMS, ROWS,
    SLOPE,
};
use wgpu::Buffer;

use super::buffers::{Buffers, SPLIT, Sizes};
use super::context::Context;
use super::product::{Matrix, Product};
use super::recorder::Recorder;
use crate::EngineError;
use crate::program::Stage;
use crate::shape::{Activation, Parameter, Shape};

/// Records stages of one batch.
pub(crate) struct Lowering<'a> {
    pub(crate) context: &'a Context,
    pub(crate) sizes: &'a Sizes,
    pub(crate) buffers: &'a Buffers,
    pub(crate) out: &'a mut Recorder,
}

/// Workgroups of 64 for so many items, in x and y.
fn linear(items: usize) -> [u64; 2] {
    groups(items.div_ceil(64))
}

/// So many workgroups, in x and y.
fn groups(count: usize) -> [u64; 2] {
    let count = count.max(1) as u64;
    let y = count.div_ceil(65_535);
    [count.div_ceil(y), y]
}

/// A matrix whose long columns are to be summed.
#[derive(Clone, Copy)]
struct Tall<'a> {
    buffer: &'a Buffer,
    rows: usize,
    width: usize,
    /// numbers from row to row
    stride: usize,
    /// where it starts
    first: usize,
    /// numbers from replica to replica
    replica: usize,
}

impl<'a> Lowering<'a> {
    pub(crate) fn stage(&mut self, stage: Stage) -> Result<(), EngineError> {
        match stage {
            Stage::Fold => self.fold(),
            Stage::Learn => return self.learn(),
            Stage::Unfold => return self.unfold(),
            Stage::Step => self.step(),
            Stage::Evaluate => self.evaluate(),
        }
        Ok(())
    }

    fn dispatch(
        &mut self,
        kernel: &'static grokrun_shaders::Kernel,
        words: &[usize],
        buffers: &[&Buffer],
        [x, y]: [u64; 2],
    ) {
        let words: Vec<u32> = words.iter().map(|word| *word as u32).collect();
        self.out
            .dispatch(kernel, &words, buffers, [x, y, self.sizes.replicas as u64]);
    }

    fn product(&self, m: usize, k: usize, n: usize) -> Product {
        Product::new(m, k, n, self.sizes.replicas)
    }

    /// A parameter as a matrix of rows of `width`.
    fn weight(&self, parameter: Parameter, width: usize) -> Matrix<'a> {
        let shape = &self.sizes.shape;
        Matrix::rows(&self.buffers.parameters, width, shape.parameters())
            .at(parameter.offset(shape))
    }

    /// Its gradient.
    fn gradient(&self, parameter: Parameter, width: usize) -> Matrix<'a> {
        let shape = &self.sizes.shape;
        Matrix::rows(&self.buffers.gradient, width, shape.parameters()).at(parameter.offset(shape))
    }

    /// A `(heads, d_model, d_head)` parameter, a matrix a head.
    fn per_head(&self, parameter: Parameter) -> Matrix<'a> {
        let Shape {
            d_model: d,
            d_head: e,
            ..
        } = self.sizes.shape;
        self.weight(parameter, e).each(d * e)
    }

    fn record(&mut self, product: Product, a: Matrix<'_>, b: Matrix<'_>, c: Matrix<'_>) {
        product.record(self.out, a, b, c);
    }

    fn activation(&self) -> u32 {
        match self.sizes.shape.activation {
            Activation::Relu => 1,
            Activation::Gelu => 2,
        }
    }

    fn fold(&mut self) {
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

    /// Attention, neurons, logits and losses of `count` samples from `first` on; the logits turn
    /// into their gradients if `scale` is not 0.
    fn forward(
        &mut self,
        samples: &Buffer,
        results: &Buffer,
        total: usize,
        first: usize,
        count: usize,
        scale: f32,
    ) {
        let Shape {
            modulus: p,
            heads,
            d_mlp: f,
            ..
        } = self.sizes.shape;
        let b = self.buffers;
        self.dispatch(
            &ATTEND,
            &[p, heads, total, first, count],
            &[samples, &b.scores, &b.attention],
            linear(count * heads),
        );
        for (width, rows, base, out) in [
            (f, &b.neuron_rows, &b.neuron_base, &b.pre),
            (p, &b.logit_rows, &b.logit_base, &b.logits),
        ] {
            let words = [p, heads, total, first, count, width];
            let grid = groups(count * width.div_ceil(64));
            self.dispatch(
                &GATHER,
                &words,
                &[samples, &b.attention, rows, base, out],
                grid,
            );
        }
        let pre = Matrix::rows(&b.pre, f, count * f);
        let logits = Matrix::rows(&b.logits, p, count * p);
        let product = Product {
            activation: self.activation(),
            ..self.product(count, f, p).added()
        };
        self.record(product, pre, Matrix::rows(&b.m, p, f * p), logits);
        let words = [p, total, first, count, scale.to_bits() as usize];
        self.dispatch(&LOSS, &words, &[samples, &b.logits, results], groups(count));
    }

    fn metrics(&mut self, results: &Buffer, total: usize, part: usize) {
        let (replicas, b) = (self.sizes.replicas, self.buffers);
        let words = [total, replicas, part].map(|word| word as u32);
        self.out.dispatch(
            &METRICS,
            &words,
            &[results, &b.clock, &b.ring],
            [replicas as u64, 1, 1],
        );
    }

    fn learn(&mut self) -> Result<(), EngineError> {
        let Shape {
            modulus: p,
            heads,
            d_mlp: f,
            ..
        } = self.sizes.shape;
        let (n, parts, rows, b) = (
            self.sizes.train,
            self.sizes.parts(),
            2 * self.sizes.shape.modulus,
            self.buffers,
        );
        self.forward(&b.train, &b.train_results, n, 0, n, 1.0 / n as f32);
        self.metrics(&b.train_results, n, 0);
        // dM = act(pre)ᵀ g, in parts that are added up in their order
        let pre = Matrix::rows(&b.pre, f, n * f);
        let g = Matrix::rows(&b.logits, p, n * p);
        let m = Matrix::rows(&b.m, p, f * p);
        let product = Product {
            activation: self.activation(),
            split: SPLIT,
            ..self.product(f, n, p)
        };
        self.record(
            product.batches(parts),
            pre.t(),
            g,
            Matrix::rows(&b.m_parts, p, parts * f * p).each(f * p),
        );
        let all_parts = Tall {
            buffer: &b.m_parts,
            rows: parts,
            width: f * p,
            stride: f * p,
            first: 0,
            replica: parts * f * p,
        };
        self.sum(all_parts, &b.d_m, 0, f * p)?;
        // dpre = (g Mᵀ) ∘ act′(pre)
        self.record(
            self.product(n, p, f),
            g,
            m.t(),
            Matrix::rows(&b.d_pre, f, n * f),
        );
        let count = self.sizes.replicas * n * f;
        let words = [count as u32, self.activation()];
        let [x, y] = linear(count);
        self.out
            .dispatch(&SLOPE, &words, &[&b.pre, &b.d_pre], [x, y, 1]);
        // the scores, U′, D′, c and d
        let buffers = [
            &b.train,
            &b.attention,
            &b.neuron_rows,
            &b.logit_rows,
            &b.d_pre,
            &b.logits,
            &b.d_attention,
        ];
        self.dispatch(&ATTEND_GRAD, &[p, heads, f, n], &buffers, groups(n));
        for (width, values, out) in [
            (f, &b.d_pre, &b.d_neuron_rows),
            (p, &b.logits, &b.d_logit_rows),
        ] {
            let words = [p, heads, n, width, rows * heads * width, 0];
            let grid = [width.div_ceil(64) as u64, (rows * heads) as u64];
            self.dispatch(
                &ROW_SUMS,
                &words,
                &[&b.starts, &b.lists, &b.attention, values, out],
                grid,
            );
        }
        let words = [p, heads, n, 1, (rows + 1) * heads, 1];
        let buffers = [
            &b.starts,
            &b.lists,
            &b.d_attention,
            &b.d_attention,
            &b.d_scores,
        ];
        self.dispatch(&ROW_SUMS, &words, &buffers, [1, (rows * heads) as u64]);
        let to_eq = Tall {
            buffer: &b.d_attention,
            rows: n,
            width: heads,
            stride: 3 * heads,
            first: 2 * heads,
            replica: n * 3 * heads,
        };
        self.sum(to_eq, &b.d_scores, rows * heads, (rows + 1) * heads)?;
        let of_neurons = Tall {
            buffer: &b.d_pre,
            rows: n,
            width: f,
            stride: f,
            first: 0,
            replica: n * f,
        };
        self.sum(of_neurons, &b.d_neuron_base, 0, f)?;
        let of_logits = Tall {
            buffer: &b.logits,
            rows: n,
            width: p,
            stride: p,
            first: 0,
            replica: n * p,
        };
        self.sum(of_logits, &b.d_logit_base, 0, p)
    }

    /// The columns of a tall matrix, summed 64 rows at a time, into `to` of each replica of `out`.
    fn sum(
        &mut self,
        tall: Tall<'_>,
        out: &Buffer,
        to: usize,
        replica_out: usize,
    ) -> Result<(), EngineError> {
        let Tall {
            buffer,
            rows,
            width,
            stride,
            first,
            replica,
        } = tall;
        let blocks = rows.div_ceil(64);
        let grid = [width.div_ceil(64) as u64, blocks as u64];
        if blocks == 1 {
            let words = [rows, width, stride, first, replica, to, replica_out];
            self.dispatch(&COLUMN_SUMS, &words, &[buffer, out], grid);
            return Ok(());
        }
        let level = self
            .context
            .storage("sums", self.sizes.replicas * blocks * width)?;
        let words = [rows, width, stride, first, replica, 0, blocks * width];
        self.dispatch(&COLUMN_SUMS, &words, &[buffer, &level], grid);
        let next = Tall {
            buffer: &level,
            rows: blocks,
            width,
            stride: width,
            first: 0,
            replica: blocks * width,
        };
        self.sum(next, out, to, replica_out)
    }

    fn unfold(&mut self) -> Result<(), EngineError> {
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

    fn step(&mut self) {
        let (shape, b) = (self.sizes.shape, self.buffers);
        let words = [shape.trained(), shape.parameters(), self.sizes.replicas];
        let buffers = [
            &b.gradient,
            &b.coefficients,
            &b.clock,
            &b.parameters,
            &b.first,
            &b.second,
        ];
        self.dispatch(&ADAMW, &words, &buffers, linear(shape.trained()));
    }

    /// The test pairs in slices of as many as there are training pairs, through the same buffers.
    fn evaluate(&mut self) {
        let (slice, total, b) = (self.sizes.train, self.sizes.test, self.buffers);
        for first in (0..total).step_by(slice) {
            let count = slice.min(total - first);
            self.forward(&b.test, &b.test_results, total, first, count, 0.0);
        }
        self.metrics(&b.test_results, total, 1);
    }
}
