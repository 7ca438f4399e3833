//! Runs the operations that work row by row: sums, dot products, softmaxes, activations, norms and
//! their adjoints.
//!
//! Owns their arithmetic in f32, for a tile and for a whole table alike. Knows nothing of threads,
//! of the order of samples, or of where a total over samples goes.

use grokrun_executor::Activation as Fast;
use grokrun_program::{Activation, Op, Term, View, Write, slope, value};
use pulp::Simd;

use super::lookup::{Lookup, columns};
use crate::math::{activate, exp, through_activation};
use crate::vector::{add, add_scaled, dot};

/// Runs an operation over `rows` rows. `outs` are the tables that the operation writes; they are
/// taken out of `lookup`.
#[inline(always)]
pub(super) fn run<S: Simd>(
    simd: S,
    op: &Op,
    lookup: Lookup<'_>,
    rows: usize,
    outs: &mut [&mut [f32]],
) {
    match op {
        Op::Clear { .. } => outs[0].fill(0.0),
        Op::Add {
            out,
            write,
            heads,
            terms,
            constant,
        } => each(
            lookup,
            out,
            rows,
            outs,
            #[inline(always)]
            |r, row| {
                if *write == Write::Set {
                    row.fill(*constant as f32);
                } else if *constant != 0.0 {
                    row.iter_mut().for_each(|x| *x += *constant as f32);
                }
                for term in terms {
                    weighted(simd, lookup, term, *heads, r, row);
                }
            },
        ),
        Op::Dot {
            out,
            write,
            heads,
            left,
            right,
            scale,
        } => {
            let width = columns(left) / heads;
            each(
                lookup,
                out,
                rows,
                outs,
                #[inline(always)]
                |r, row| {
                    let [a, b] = [left, right].map(|view| lookup.row(view, r, heads * width));
                    for (head, x) in row.iter_mut().enumerate() {
                        let part = head * width..(head + 1) * width;
                        put(
                            x,
                            *write,
                            *scale as f32 * dot(simd, &a[part.clone()], &b[part]),
                        );
                    }
                },
            );
        }
        Op::Softmax { out, scores, heads } => each(
            lookup,
            out,
            rows,
            outs,
            #[inline(always)]
            |r, row| {
                softmax(lookup.row(scores, r, row.len()), *heads, row);
            },
        ),
        Op::SoftmaxGradient {
            out,
            write,
            weights,
            gradient,
            heads,
        } => each(
            lookup,
            out,
            rows,
            outs,
            #[inline(always)]
            |r, row| {
                let [p, dp] = [weights, gradient].map(|view| lookup.row(view, r, row.len()));
                for head in 0..*heads {
                    let keys = || (head..p.len()).step_by(*heads);
                    let mean: f32 = keys().map(|key| p[key] * dp[key]).sum();
                    for key in keys() {
                        put(&mut row[key], *write, p[key] * (dp[key] - mean));
                    }
                }
            },
        ),
        Op::Activate {
            out,
            input,
            activation,
        } => each(
            lookup,
            out,
            rows,
            outs,
            #[inline(always)]
            |r, row| {
                row.copy_from_slice(lookup.row(input, r, row.len()));
                forward(*activation, row);
            },
        ),
        Op::ActivateGradient {
            out,
            write,
            input,
            gradient,
            activation,
        } => each(
            lookup,
            out,
            rows,
            outs,
            #[inline(always)]
            |r, row| {
                let [x, dy] = [input, gradient].map(|view| lookup.row(view, r, row.len()));
                backward(*activation, x, dy, *write, row);
            },
        ),
        Op::Norm {
            out,
            inverse,
            input,
            epsilon,
        } => {
            let [normed, inverses] = outs else { return };
            for r in 0..rows {
                let x = lookup.row(input, r, columns(out));
                let row = &mut normed[lookup.start(out, r)..][..x.len()];
                inverses[lookup.start(inverse, r)] = normalise(x, *epsilon as f32, row);
            }
        }
        Op::NormGradient {
            out,
            write,
            normed,
            inverse,
            gradient,
        } => each(
            lookup,
            out,
            rows,
            outs,
            #[inline(always)]
            |r, row| {
                let [y, dy] = [normed, gradient].map(|view| lookup.row(view, r, row.len()));
                let count = y.len() as f32;
                let (shift, along) = (sum(dy) / count, dot(simd, dy, y) / count);
                let inverse = lookup.row(inverse, r, 1)[0];
                for ((x, y), dy) in row.iter_mut().zip(y).zip(dy) {
                    put(x, *write, inverse * (dy - shift - y * along));
                }
            },
        ),
        // `whole` and `pass` run products, sums over rows and losses; `update` runs updates.
        Op::Product { .. }
        | Op::Sum { .. }
        | Op::Loss { .. }
        | Op::Filter { .. }
        | Op::Update { .. }
        | Op::Project { .. } => {}
    }
}

/// Calls `work` with each row of an output.
#[inline(always)]
fn each(
    lookup: Lookup<'_>,
    out: &View,
    rows: usize,
    outs: &mut [&mut [f32]],
    mut work: impl FnMut(usize, &mut [f32]),
) {
    let width = columns(out);
    for r in 0..rows {
        work(r, &mut outs[0][lookup.start(out, r)..][..width]);
    }
}

#[inline(always)]
fn put(place: &mut f32, write: Write, x: f32) {
    match write {
        Write::Set => *place = x,
        Write::Add => *place += x,
    }
}

/// Adds scale · w[r, h] · v[r, h, j] to `row`.
#[inline(always)]
pub(super) fn weighted<S: Simd>(
    simd: S,
    lookup: Lookup<'_>,
    term: &Term,
    heads: usize,
    r: usize,
    row: &mut [f32],
) {
    let values = lookup.row(&term.values, r, row.len());
    let scale = term.scale as f32;
    let Some(weights) = &term.weights else {
        if scale == 1.0 {
            add(row, values);
        } else {
            add_scaled(simd, row, scale, values);
        }
        return;
    };
    let weights = lookup.row(weights, r, heads);
    if heads == row.len() {
        for ((x, v), w) in row.iter_mut().zip(values).zip(weights) {
            *x += scale * w * v;
        }
    } else {
        let width = row.len() / heads;
        let parts = row.chunks_exact_mut(width).zip(values.chunks_exact(width));
        for ((row, values), w) in parts.zip(weights) {
            add_scaled(simd, row, scale * w, values);
        }
    }
}

#[inline(always)]
fn softmax(scores: &[f32], heads: usize, out: &mut [f32]) {
    for head in 0..heads {
        let keys = || (head..scores.len()).step_by(heads);
        // A number that is not one is never the larger, and its exponential is not a number either.
        let largest = keys()
            .map(|key| scores[key])
            .fold(f32::NEG_INFINITY, f32::max);
        let mut total = 0.0;
        for key in keys() {
            out[key] = exp(scores[key] - largest);
            total += out[key];
        }
        for key in keys() {
            out[key] /= total;
        }
    }
}

/// Returns the activation function if the fused pass has it in vectors.
fn fast(activation: Activation) -> Option<Fast> {
    match activation {
        Activation::Relu => Some(Fast::Relu),
        Activation::Gelu => Some(Fast::Gelu),
        _ => None,
    }
}

#[inline(always)]
fn forward(activation: Activation, row: &mut [f32]) {
    match activation {
        Activation::Quadratic => row.iter_mut().for_each(|x| *x *= *x),
        Activation::Identity => {}
        _ => match fast(activation) {
            Some(kind) => activate(kind, row),
            None => row.iter_mut().for_each(|x| *x = value(activation, *x)),
        },
    }
}

#[inline(always)]
fn backward(activation: Activation, x: &[f32], dy: &[f32], write: Write, row: &mut [f32]) {
    if write == Write::Set {
        row.copy_from_slice(dy);
        match (activation, fast(activation)) {
            (Activation::Quadratic, _) => {
                row.iter_mut().zip(x).for_each(|(g, x)| *g *= x + x);
            }
            (Activation::Identity, _) => {}
            (_, Some(kind)) => through_activation(kind, x, row),
            (_, None) => row
                .iter_mut()
                .zip(x)
                .for_each(|(g, x)| *g *= slope(activation, *x)),
        }
    } else {
        for ((out, x), dy) in row.iter_mut().zip(x).zip(dy) {
            *out += slope(activation, *x) * dy;
        }
    }
}

#[inline(always)]
fn sum(row: &[f32]) -> f32 {
    let mut lanes = [0.0f32; 8];
    let (blocks, rest) = row.as_chunks::<8>();
    for block in blocks {
        add(&mut lanes, block);
    }
    add(&mut lanes, rest);
    lanes.iter().sum()
}

/// Writes (x − mean) / deviation, and returns 1 / deviation.
#[inline(always)]
fn normalise(x: &[f32], epsilon: f32, out: &mut [f32]) -> f32 {
    let count = x.len() as f32;
    let mean = sum(x) / count;
    for (out, x) in out.iter_mut().zip(x) {
        *out = (x - mean) * (x - mean);
    }
    let inverse = 1.0 / (sum(out) / count + epsilon).sqrt();
    for (out, x) in out.iter_mut().zip(x) {
        *out = (x - mean) * inverse;
    }
    inverse
}
