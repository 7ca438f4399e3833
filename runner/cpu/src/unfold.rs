//! Runs the unfold stage: gradients of the folded tables → gradients of the parameters, by the
//! chain rule (doc/model.md#from-the-tables-to-the-parameters; written out at each step).

use pulp::Simd;
use rayon::prelude::*;

use crate::parallel::Bodies as _;

use super::BLOCK;
use super::buffer::Buffer;
use super::dims::{Dims, Tensors};
use super::product::{Mode, Right, Size, View, product};
use super::tables::{TableGradients, Tables};
use super::vector::{add, add_outer, add_scaled, add_vector_matrix, matrix_vector};

/// The input of the stage.
#[derive(Clone, Copy)]
pub(crate) struct UnfoldInput<'a> {
    pub(crate) dims: &'a Dims,
    pub(crate) w: &'a Tensors<&'a [f32]>,
    pub(crate) t: &'a Tables,
    pub(crate) gradients: &'a TableGradients,
}

/// Holds the workspace of the stage.
pub(crate) struct Unfolder {
    /// dV′, `(2p, heads · e)`
    v: Buffer,
    /// gradient of xd, then of x without its last row, `(2p, d)`
    x: Buffer,
    /// gradient of W_O W_in by head, `(heads · e, fp)`
    ow: Buffer,
    /// gradient of W_O W_U by head, `(heads · e, cp)`
    ou: Buffer,
    /// W_inᵀ packed, `(f, d)`
    in_t: Right,
    /// W_Uᵀ packed, `(p, d)`
    unembed_t: Right,
    /// `ow` and `ou` packed
    ow_right: Right,
    ou_right: Right,
    /// dV′ packed, `(2p, heads · e)`
    v_right: Right,
    /// gradient of W_V without the part that comes through '=', the heads side by side, `(d, heads
    /// · e)`
    value: Buffer,
    /// dM packed, `(f, cp)`
    m_right: Right,
    /// by head: (W_O W_in)ᵀ, `(f, e)`, (W_O W_U)ᵀ, `(p, e)`, and W_Vᵀ, `(e, d)`, packed
    head_operands: Vec<[Right; 3]>,
    vectors: Vectors,
}

/// Holds the vector parts of the gradients.
struct Vectors {
    /// dd W_Uᵀ, `(d)`
    through_unembed: Vec<f32>,
    /// dr, then the gradient of x['='], `(d)`
    eq: Vec<f32>,
    /// r, then r + b_out, `(d)`
    residual: Vec<f32>,
    /// dv_eq, `(heads · e)`
    v_eq: Vec<f32>,
    /// d(W_K q) of a head, `(d)`
    kq: Vec<f32>,
    /// dq of a head, `(e)`
    q: Vec<f32>,
    /// the part of a head in the gradient of x['='], `(d)`
    back: Vec<f32>,
}

impl Unfolder {
    pub(crate) fn new(dims: &Dims) -> Unfolder {
        let Dims {
            p,
            d,
            heads,
            e,
            f,
            fp,
            cp,
            rows,
            ..
        } = *dims;
        let he = dims.he();
        Unfolder {
            v: Buffer::zeros(rows * he),
            x: Buffer::zeros(rows * d),
            ow: Buffer::zeros(he * fp),
            ou: Buffer::zeros(he * cp),
            in_t: Right::zeros(f, d),
            unembed_t: Right::zeros(p, d),
            ow_right: Right::zeros(he, f),
            ou_right: Right::zeros(he, p),
            v_right: Right::zeros(rows, he),
            value: Buffer::zeros(d * he),
            m_right: Right::zeros(f, p),
            head_operands: vec![
                [Right::zeros(f, e), Right::zeros(p, e), Right::zeros(e, d)];
                heads
            ],
            vectors: Vectors {
                through_unembed: vec![0.0; d],
                eq: vec![0.0; d],
                residual: vec![0.0; d],
                v_eq: vec![0.0; he],
                kq: vec![0.0; d],
                q: vec![0.0; e],
                back: vec![0.0; d],
            },
        }
    }

    /// Fills `g`, the gradient of every parameter; the gradients of biases only if they are
    /// trained.
    pub(crate) fn unfold<S: Simd>(
        &mut self,
        simd: S,
        from: UnfoldInput<'_>,
        g: &mut Tensors<&mut [f32]>,
        grain: usize,
    ) {
        self.pack(simd, from, grain);
        self.token_rows(simd, from, grain);
        self.heads(simd, from, grain);
        self.weights(simd, from, g, grain);
        vectorized!(simd, self.vectors(simd, from, g));
    }

    /// Packs the operands that several products share.
    fn pack<S: Simd>(&mut self, simd: S, from: UnfoldInput<'_>, grain: usize) {
        let UnfoldInput {
            dims,
            w,
            t,
            gradients,
        } = from;
        let Dims {
            p, d, e, f, fp, cp, ..
        } = *dims;
        let mut jobs = [
            (&mut self.in_t, View::rows(w.input, f).t(), f),
            (&mut self.unembed_t, View::rows(w.unembed, p).t(), p),
            (&mut self.m_right, View::rows(&gradients.m, cp), f),
        ];
        jobs.par_iter_mut()
            .with_min_len(grain)
            .each(&|(right, view, k)| {
                vectorized!(simd, right.pack::<S>(*view, *k));
            });
        self.head_operands
            .par_iter_mut()
            .with_min_len(grain)
            .enumerate()
            .each(&|(h, [ow, ou, value])| {
                vectorized!(simd, {
                    ow.pack::<S>(View::rows(&t.ow[h * e * fp..], fp).t(), f);
                    ou.pack::<S>(View::rows(&t.ou[h * e * cp..], cp).t(), p);
                    value.pack::<S>(View::rows(&w.value[h * d * e..], e).t(), e);
                });
            });
    }

    /// Computes dV′_h = dU′_h (W_O W_in)_hᵀ + dD′_h (W_O W_U)_hᵀ and dxd = Σ_h dV′_h W_V,hᵀ.
    fn token_rows<S: Simd>(&mut self, simd: S, from: UnfoldInput<'_>, grain: usize) {
        let UnfoldInput {
            dims, gradients, ..
        } = from;
        let Dims {
            d,
            heads,
            e,
            fp,
            cp,
            ..
        } = *dims;
        let he = dims.he();
        let right_operands = &self.head_operands;
        self.v
            .par_chunks_mut(BLOCK * he)
            .with_min_len(grain)
            .zip(self.x.par_chunks_mut(BLOCK * d))
            .zip(gradients.neuron_rows.par_chunks(BLOCK * heads * fp))
            .zip(gradients.logit_rows.par_chunks(BLOCK * heads * cp))
            .each(&|(((v, x), neuron), logit)| {
                vectorized!(simd, {
                    let m = x.len() / d;
                    for (h, [ow, ou, value]) in right_operands.iter().enumerate() {
                        let neuron = View::rows(&neuron[h * fp..], heads * fp);
                        let logit = View::rows(&logit[h * cp..], heads * cp);
                        ow.multiply(simd, neuron, m, &mut v[h * e..], he, Mode::Set);
                        ou.multiply(simd, logit, m, &mut v[h * e..], he, Mode::Add);
                        // The heads are added one by one, since a sum of short sums is more
                        // accurate than a long one.
                        let mode = if h == 0 { Mode::Set } else { Mode::Add };
                        value.multiply(simd, View::rows(&v[h * e..], he), m, x, d, mode);
                    }
                });
            });
        let v = View::rows(&self.v, he);
        vectorized!(simd, self.v_right.pack::<S>(v, dims.rows));
    }

    /// Computes d(W_O W_in)_h = V′_hᵀ dU′_h and d(W_O W_U)_h = V′_hᵀ dD′_h.
    fn heads<S: Simd>(&mut self, simd: S, from: UnfoldInput<'_>, grain: usize) {
        let UnfoldInput {
            dims, t, gradients, ..
        } = from;
        let Dims {
            p,
            heads,
            e,
            f,
            fp,
            cp,
            rows,
            ..
        } = *dims;
        let he = dims.he();
        self.ow
            .par_chunks_mut(e * fp)
            .with_min_len(grain)
            .zip(self.ou.par_chunks_mut(e * cp))
            .enumerate()
            .each(&|(h, (ow, ou))| {
                vectorized!(simd, {
                    let v = View::rows(&t.v[h * e..], he).t();
                    let size = |n| Size { m: e, k: rows, n };
                    let neuron = View::rows(&gradients.neuron_rows[h * fp..], heads * fp);
                    product(simd, v, neuron, size(f), ow, fp, Mode::Set);
                    let logit = View::rows(&gradients.logit_rows[h * cp..], heads * cp);
                    product(simd, v, logit, size(p), ou, cp, Mode::Set);
                });
            });
        let mut jobs = [
            (&mut self.ow_right, View::rows(&self.ow, fp), he),
            (&mut self.ou_right, View::rows(&self.ou, cp), he),
        ];
        jobs.par_iter_mut()
            .with_min_len(grain)
            .each(&|(right, view, k)| {
                vectorized!(simd, right.pack::<S>(*view, *k));
            });
    }

    /// Computes the matrix parts of the weights' gradients: dW_O = d(W_O W_in) W_inᵀ + d(W_O W_U)
    /// W_Uᵀ; dW_in = W_Oᵀ d(W_O W_in); dW_U = W_Oᵀ d(W_O W_U) + W_outᵀ dM; dW_out = dM W_Uᵀ; dW_V,h
    /// = xdᵀ dV′_h.
    fn weights<S: Simd>(
        &mut self,
        simd: S,
        from: UnfoldInput<'_>,
        g: &mut Tensors<&mut [f32]>,
        grain: usize,
    ) {
        let UnfoldInput {
            dims,
            w,
            t,
            gradients,
        } = from;
        let Dims {
            p, d, f, fp, cp, ..
        } = *dims;
        let he = dims.he();
        g.output
            .par_chunks_mut(BLOCK * d)
            .with_min_len(grain)
            .enumerate()
            .each(&|(i, out)| {
                vectorized!(simd, {
                    let m = out.len() / d;
                    let ow = View::rows(&self.ow[i * BLOCK * fp..], fp);
                    let ou = View::rows(&self.ou[i * BLOCK * cp..], cp);
                    self.in_t.multiply(simd, ow, m, out, d, Mode::Set);
                    self.unembed_t.multiply(simd, ou, m, out, d, Mode::Add);
                });
            });
        g.input
            .par_chunks_mut(BLOCK * f)
            .with_min_len(grain)
            .zip(g.unembed.par_chunks_mut(BLOCK * p))
            .enumerate()
            .each(&|(i, (input, unembed))| {
                vectorized!(simd, {
                    let m = input.len() / f;
                    let output = View {
                        data: &w.output[i * BLOCK..],
                        row: 1,
                        col: d,
                    };
                    let out = View {
                        data: &w.out[i * BLOCK..],
                        row: 1,
                        col: d,
                    };
                    self.ow_right.multiply(simd, output, m, input, f, Mode::Set);
                    self.ou_right
                        .multiply(simd, output, m, unembed, p, Mode::Set);
                    self.m_right.multiply(simd, out, m, unembed, p, Mode::Add);
                });
            });
        g.out
            .par_chunks_mut(2 * BLOCK * d)
            .with_min_len(grain)
            .enumerate()
            .each(&|(i, out)| {
                vectorized!(simd, {
                    let m = View::rows(&gradients.m[i * 2 * BLOCK * cp..], cp);
                    self.unembed_t
                        .multiply(simd, m, out.len() / d, out, d, Mode::Set);
                });
            });
        let xd = View::rows(&t.xd, d);
        self.value
            .par_chunks_mut(BLOCK * he)
            .with_min_len(grain)
            .enumerate()
            .each(&|(i, value)| {
                vectorized!(simd, {
                    let xd = View {
                        data: &xd.data[i * BLOCK..],
                        ..xd.t()
                    };
                    let m = value.len() / he;
                    self.v_right.multiply(simd, xd, m, value, he, Mode::Set);
                });
            });
    }

    /// Computes the vector parts, which come through c, d, the scores and '='.
    ///
    /// dr = dc W_inᵀ + dd W_Uᵀ; dv_eq = dr W_Oᵀ; `d(kq)_h = Σ_t ds[t] x_t / √e`; dq = W_Kᵀ d(kq);
    /// `dx_t += Σ_h ds[t] kq_h / √e`; `dx_eq = dr + Σ_h dv_eq W_V,hᵀ − Σ_t dxd[t] + … + W_Q dq`.
    #[inline(always)]
    fn vectors<S: Simd>(&mut self, simd: S, from: UnfoldInput<'_>, g: &mut Tensors<&mut [f32]>) {
        let UnfoldInput {
            dims,
            w,
            t,
            gradients,
        } = from;
        let Dims {
            p,
            d,
            heads,
            e,
            f,
            rows,
            ..
        } = *dims;
        let (dc, dd) = (&gradients.neuron_base[..f], &gradients.logit_base[..p]);
        let x_eq = &t.x[rows * d..];

        // Through the unembedding: d = (r + b_out) W_U, so dd W_Uᵀ is the gradient of b_out and a
        // part of the gradient of r.
        let Vectors {
            through_unembed,
            eq: dx_eq,
            residual,
            v_eq: dv_eq,
            kq: dkq,
            q: dq,
            back,
        } = &mut self.vectors;
        matrix_vector(simd, through_unembed, w.unembed, p, dd);
        matrix_vector(simd, dx_eq, w.input, f, dc);
        add(dx_eq, through_unembed);
        if dims.trained_biases {
            g.bias_in.copy_from_slice(dc);
            g.bias_out.copy_from_slice(through_unembed);
        }
        residual.copy_from_slice(&t.r);
        add_outer(simd, g.input, residual, dc);
        add(residual, w.bias_out);
        add_outer(simd, g.unembed, residual, dd);

        // At this point dx['='] holds dr.
        matrix_vector(simd, dv_eq, w.output, d, dx_eq);
        add_outer(simd, g.output, &t.v_eq, dx_eq);
        for dxd in self.x.chunks_exact(d) {
            add_scaled(simd, dx_eq, -1.0, dxd);
        }
        let scale = 1.0 / (e as f32).sqrt();
        for h in 0..heads {
            let of_head = h * d * e..(h + 1) * d * e;
            let (q, kq) = (&t.q[h * e..][..e], &t.kq[h * d..][..d]);
            dkq.fill(0.0);
            for (row, x) in t.x.chunks_exact(d).enumerate() {
                let ds = gradients.scores[row * heads + h] * scale;
                add_scaled(simd, dkq, ds, x);
                let dx = if row < rows {
                    &mut self.x[row * d..][..d]
                } else {
                    &mut dx_eq[..]
                };
                add_scaled(simd, dx, ds, kq);
            }
            let key = &mut g.key[of_head.clone()];
            key.fill(0.0);
            add_outer(simd, key, dkq, q);
            dq.fill(0.0);
            add_vector_matrix(simd, dq, dkq, &w.key[of_head.clone()]);
            let query = &mut g.query[of_head.clone()];
            query.fill(0.0);
            add_outer(simd, query, x_eq, dq);
            let value = g.value[of_head.clone()].chunks_exact_mut(e);
            for ((value, from), x) in value.zip(self.value.chunks_exact(heads * e)).zip(x_eq) {
                value.copy_from_slice(&from[h * e..][..e]);
                add_scaled(simd, value, *x, &dv_eq[h * e..][..e]);
            }
            for (tensor, vector) in [(w.query, &dq[..]), (w.value, &dv_eq[h * e..][..e])] {
                matrix_vector(simd, back, &tensor[of_head.clone()], e, vector);
                add(dx_eq, back);
            }
        }

        let (embed, embed_eq) = g.embed.split_at_mut(p * d);
        let (dx_a, dx_b) = self.x.split_at(p * d);
        for ((out, a), b) in embed.iter_mut().zip(dx_a).zip(dx_b) {
            *out = a + b;
        }
        embed_eq.copy_from_slice(dx_eq);
        g.pos.fill(0.0);
        let (pos, pos_eq) = g.pos.split_at_mut(2 * d);
        for (row, dx) in self.x.chunks_exact(d).enumerate() {
            add(&mut pos[row / p * d..][..d], dx);
        }
        pos_eq.copy_from_slice(dx_eq);
    }
}
