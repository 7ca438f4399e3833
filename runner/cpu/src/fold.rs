//! Runs the fold stage: parameters → scores, U′, D′, c, d, M (doc/model.md#the-fold).

use pulp::Simd;
use rayon::prelude::*;

use crate::parallel::Bodies as _;

use super::BLOCK;
use super::dims::{Dims, Tensors};
use super::product::{Mode, View};
use super::tables::Tables;
use super::vector::{add_vector_matrix_wide, dot_wide};

/// Fills every table. `grain` is the smallest piece of work that rayon splits off: 1, or
/// `usize::MAX` for one thread.
pub(crate) fn fold<S: Simd>(
    simd: S,
    dims: &Dims,
    w: &Tensors<&[f32]>,
    t: &mut Tables,
    grain: usize,
) {
    vectorized!(simd, rows(dims, w, t));
    pack(simd, dims, w, t, grain);
    heads(simd, dims, w, t, grain);
    neuron_logit(simd, dims, w, t, grain);
    token_rows(simd, dims, t, grain);
}

/// Computes every table that holds a vector for each row: x and its differences, q, scores, and the
/// bases.
#[inline(always)]
fn rows(dims: &Dims, w: &Tensors<&[f32]>, t: &mut Tables) {
    let Dims { p, d, rows, .. } = *dims;
    for (row, x) in t.x.chunks_exact_mut(d).enumerate() {
        let (token, position) = if row == rows {
            (p, 2)
        } else {
            (row % p, row / p)
        };
        let (embed, pos) = (&w.embed[token * d..][..d], &w.pos[position * d..][..d]);
        for ((x, a), b) in x.iter_mut().zip(embed).zip(pos) {
            *x = a + b;
        }
    }
    let (x, x_eq) = t.x.split_at(rows * d);
    for (xd, x) in t.xd.chunks_exact_mut(d).zip(x.chunks_exact(d)) {
        for ((xd, x), eq) in xd.iter_mut().zip(x).zip(x_eq) {
            *xd = x - eq;
        }
    }
    queries(dims, w, t);
    bases(dims, w, t);
}

/// Computes q, W_K q and the scores. Like the bases they are in f64, since one vector serves all
/// pairs.
#[inline(always)]
fn queries(dims: &Dims, w: &Tensors<&[f32]>, t: &mut Tables) {
    let Dims {
        d, heads, e, rows, ..
    } = *dims;
    let [x, q, kq, ..] = &mut t.wide;
    widen(x, &t.x[rows * d..]);
    q.fill(0.0);
    let root = (e as f64).sqrt();
    for h in 0..heads {
        let of_head = h * d * e..(h + 1) * d * e;
        let q = &mut q[h * e..][..e];
        add_vector_matrix_wide(q, x, &w.query[of_head.clone()]);
        narrow(&mut t.q[h * e..][..e], q);
        for (kq, key) in kq.iter_mut().zip(w.key[of_head].chunks_exact(e)) {
            *kq = dot_wide(q, key);
        }
        narrow(&mut t.kq[h * d..][..d], kq);
        for (row, x) in t.x.chunks_exact(d).enumerate() {
            t.scores[row * heads + h] = (dot_wide(kq, x) / root) as f32;
        }
    }
}

/// Computes v_eq, r, c and d, which all pairs share. They are in f64, because an error here moves
/// the inputs of a neuron for all pairs at once, and with an input near zero its ReLU
/// (doc/model.md#a-relu-that-changes-sides: one change moved a gradient by 7e-3).
#[inline(always)]
fn bases(dims: &Dims, w: &Tensors<&[f32]>, t: &mut Tables) {
    let Dims {
        p,
        d,
        heads,
        e,
        f,
        rows,
        ..
    } = *dims;
    let [x, v, r, c, base] = &mut t.wide;
    widen(x, &t.x[rows * d..]);
    v.fill(0.0);
    for h in 0..heads {
        add_vector_matrix_wide(&mut v[h * e..][..e], x, &w.value[h * d * e..][..d * e]);
    }
    r.copy_from_slice(x);
    add_vector_matrix_wide(r, v, w.output);
    widen(c, w.bias_in);
    add_vector_matrix_wide(c, r, w.input);
    narrow(&mut t.v_eq, v);
    narrow(&mut t.r, r);
    narrow(&mut t.neuron_base[..f], c);
    for ((low, c), high) in t
        .neuron_base_low
        .iter_mut()
        .zip(&*c)
        .zip(t.neuron_base.iter())
    {
        *low = (*c - f64::from(*high)) as f32;
    }
    base.fill(0.0);
    for (r, bias) in r.iter_mut().zip(w.bias_out) {
        *r += f64::from(*bias);
    }
    add_vector_matrix_wide(base, r, w.unembed);
    narrow(&mut t.logit_base[..p], base);
}

fn widen(out: &mut [f64], from: &[f32]) {
    for (out, x) in out.iter_mut().zip(from) {
        *out = f64::from(*x);
    }
}

fn narrow(out: &mut [f32], from: &[f64]) {
    for (out, x) in out.iter_mut().zip(from) {
        *out = *x as f32;
    }
}

/// Packs the weights that several products share.
fn pack<S: Simd>(simd: S, dims: &Dims, w: &Tensors<&[f32]>, t: &mut Tables, grain: usize) {
    let Dims { p, d, e, f, .. } = *dims;
    let he = dims.he();
    for (h, of_head) in w.value.chunks_exact(d * e).enumerate() {
        for (to, from) in t.value.chunks_exact_mut(he).zip(of_head.chunks_exact(e)) {
            to[h * e..][..e].copy_from_slice(from);
        }
    }
    let mut jobs = [
        (&mut t.input_right, View::rows(w.input, f)),
        (&mut t.unembed_right, View::rows(w.unembed, p)),
        (&mut t.value_right, View::rows(&t.value, he)),
    ];
    jobs.par_iter_mut()
        .with_min_len(grain)
        .each(&|(right, view)| {
            vectorized!(simd, right.pack::<S>(*view, d));
        });
}

/// Computes W_O W_in and W_O W_U of each head, plain and packed.
fn heads<S: Simd>(simd: S, dims: &Dims, w: &Tensors<&[f32]>, t: &mut Tables, grain: usize) {
    let Dims { d, e, fp, cp, .. } = *dims;
    let (input, unembed) = (&t.input_right, &t.unembed_right);
    t.ow.par_chunks_mut(e * fp)
        .with_min_len(grain)
        .zip(t.ou.par_chunks_mut(e * cp))
        .zip(&mut t.head_operands)
        .zip(w.output.par_chunks(e * d))
        .each(&|(((ow, ou), [ow_right, ou_right]), output)| {
            vectorized!(simd, {
                let output = View::rows(output, d);
                input.multiply(simd, output, e, ow, fp, Mode::Set);
                unembed.multiply(simd, output, e, ou, cp, Mode::Set);
                ow_right.pack::<S>(View::rows(ow, fp), e);
                ou_right.pack::<S>(View::rows(ou, cp), e);
            });
        });
}

/// Computes M = W_out W_U, plain and packed both ways.
fn neuron_logit<S: Simd>(simd: S, dims: &Dims, w: &Tensors<&[f32]>, t: &mut Tables, grain: usize) {
    let Dims { p, d, f, cp, .. } = *dims;
    let unembed = &t.unembed_right;
    t.m.par_chunks_mut(2 * BLOCK * cp)
        .with_min_len(grain)
        .zip(w.out.par_chunks(2 * BLOCK * d))
        .each(&|(m, out)| {
            vectorized!(simd, {
                let count = out.len() / d;
                unembed.multiply(simd, View::rows(out, d), count, m, cp, Mode::Set);
            });
        });
    let m = View::rows(&t.m, cp);
    let mut jobs = [(&mut t.m_right, m, f), (&mut t.m_transposed, m.t(), p)];
    jobs.par_iter_mut()
        .with_min_len(grain)
        .each(&|(right, view, k)| {
            vectorized!(simd, right.pack::<S>(*view, *k));
        });
}

/// Computes V′, U′ and D′ of each token row.
fn token_rows<S: Simd>(simd: S, dims: &Dims, t: &mut Tables, grain: usize) {
    let Dims {
        d,
        heads,
        e,
        fr,
        cr,
        ..
    } = *dims;
    let he = dims.he();
    let (value, right_operands) = (&t.value_right, &t.head_operands);
    t.v.par_chunks_mut(BLOCK * he)
        .with_min_len(grain)
        .zip(t.neuron_rows.par_chunks_mut(BLOCK * heads * fr))
        .zip(t.logit_rows.par_chunks_mut(BLOCK * heads * cr))
        .zip(t.xd.par_chunks(BLOCK * d))
        .each(&|(((v, neuron), logit), xd)| {
            vectorized!(simd, {
                let m = xd.len() / d;
                value.multiply(simd, View::rows(xd, d), m, v, he, Mode::Set);
                for (h, [ow, ou]) in right_operands.iter().enumerate() {
                    let v = View::rows(&v[h * e..], he);
                    ow.multiply(simd, v, m, &mut neuron[h * fr..], heads * fr, Mode::Set);
                    ou.multiply(simd, v, m, &mut logit[h * cr..], heads * cr, Mode::Set);
                }
            });
        });
}
