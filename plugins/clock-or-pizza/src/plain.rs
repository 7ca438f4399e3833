//! Computes a transformer of one layer at the last position, for models that do not fold: without
//! '=', where the last position is b's, and with attention that is uniform or mixed by a rate.
//!
//! Owns the forward pass from the weights and the exact gradient of a logit for both embeddings.
//! Knows nothing of circles and findings.

use std::borrow::Cow;

use grokrun_api::{Snapshot, Task};
use grokrun_measures::{activate, product, slope};

/// Attention rates that differ by less are one.
const RATES_APART: f64 = 1e-4;

/// The largest difference of a logit from the program's, over the largest logit or 1.
const LOGITS_APART: f64 = 1e-3;

/// How the last position attends to the positions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Attention {
    /// 1 over the number of positions
    Uniform,
    /// rate · softmax + 1 − rate
    Mixed(f64),
}

impl Attention {
    /// Finds how a snapshot's model attends. A mixed pattern over n positions sums to rate + n (1 −
    /// rate), which says the rate; without W_Q there are no scores, and attention is uniform.
    ///
    /// # Errors
    /// A sentence, if the pattern is not shown or is neither.
    pub(crate) fn of(snapshot: &Snapshot<'_>) -> Result<Attention, String> {
        if snapshot.weight("blocks.0.attn.W_Q").is_err() {
            return Ok(Attention::Uniform);
        }
        let pattern = snapshot
            .tensor("blocks.0.attn.hook_pattern")
            .map_err(|why| why.to_string())?;
        let n = pattern.shape().last().copied().unwrap_or(0);
        let rates = pattern.data().chunks_exact(n.max(1)).map(|row| {
            let sum: f64 = row.iter().map(|x| f64::from(*x)).sum();
            (n as f64 - sum) / (n as f64 - 1.0)
        });
        let (mut sum, mut count, mut least, mut most) = (0.0, 0, f64::INFINITY, f64::NEG_INFINITY);
        for rate in rates {
            sum += rate;
            count += 1;
            least = rate.min(least);
            most = rate.max(most);
        }
        // A pattern that is not finite, or is empty, is refused as well.
        if most - least < RATES_APART {
            Ok(Attention::Mixed(sum / f64::from(count)))
        } else {
            Err(format!(
                "the attention of the last position is no softmax mixed with a constant by one rate: the rates are {least} to {most}"
            ))
        }
    }

    /// Returns whether this is the plain softmax.
    pub(crate) fn is_softmax(self) -> bool {
        matches!(self, Attention::Mixed(rate) if (rate - 1.0).abs() < RATES_APART)
    }
}

/// Holds a model. A bias that the snapshot lacks is zero.
#[derive(Clone)]
pub(crate) struct Plain<'a> {
    /// p
    p: usize,
    /// 2, or 3 with '='
    positions: usize,
    pub(crate) d: usize,
    heads: usize,
    e: usize,
    f: usize,
    gelu: bool,
    pub(crate) attention: Attention,
    /// `(p, d)`, or `(p + 1, d)` with '='
    pub(crate) w_e: &'a [f32],
    w_pos: &'a [f32],
    /// W_Q, W_K, `(heads, d, e)`; empty without scores
    scores: [&'a [f32]; 2],
    w_v: &'a [f32],
    w_o: &'a [f32],
    w_in: &'a [f32],
    w_u: &'a [f32],
    /// b_Q, b_K, b_V, `(heads, e)`
    b_qkv: [Cow<'a, [f32]>; 3],
    b_o: Cow<'a, [f32]>,
    b_in: Cow<'a, [f32]>,
    /// b_out W_U + b_U, `(p)`
    b_logits: Vec<f32>,
    /// W_out W_U, `(f, p)`
    map: Vec<f32>,
}

impl<'a> Plain<'a> {
    /// Reads the model of a snapshot.
    ///
    /// # Errors
    /// A sentence that says why this is no such model.
    pub(crate) fn of(snapshot: &Snapshot<'a>, task: &Task) -> Result<Plain<'a>, String> {
        let model = &task.model;
        if model.layers != ["blocks.0.mlp"] || model.heads == 0 {
            return Err(
                "the model is no transformer of one layer with attention and neurons".into(),
            );
        }
        if model.normalised {
            return Err("the model has norms".into());
        }
        let gelu = match model.activation.as_str() {
            "relu" => false,
            "gelu" => true,
            other => {
                return Err(format!(
                    "the neurons' activation is {other}, not relu or gelu"
                ));
            }
        };
        let (p, d, h, e, f) = (
            task.modulus,
            model.d_model,
            model.heads,
            model.d_head,
            model.d_mlp,
        );
        let of = |name: &str, shape: &[usize]| {
            let tensor = snapshot.weight(name).map_err(|why| why.to_string())?;
            if tensor.shape() != shape {
                let found = tensor.shape();
                return Err(format!(
                    "{name} has the shape {found:?}; expected {shape:?}"
                ));
            }
            Ok(tensor.data())
        };
        let bias = |name: &str, shape: &[usize]| match snapshot.weight(name) {
            Ok(_) => of(name, shape).map(Cow::Borrowed),
            Err(_) => Ok(Cow::Owned(vec![0.0; shape.iter().product()])),
        };
        let positions = snapshot
            .weight("pos_embed.W_pos")
            .map_err(|why| why.to_string())?
            .size(0);
        if !(2..=3).contains(&positions) {
            return Err(format!(
                "the model has {positions} positions; expected a, b and perhaps '='"
            ));
        }
        let attn = |name: &str| format!("blocks.0.attn.{name}");
        let attention = Attention::of(snapshot)?;
        let project = [h, d, e];
        let scores = match attention {
            Attention::Uniform => [&[][..], &[]],
            Attention::Mixed(_) => [of(&attn("W_Q"), &project)?, of(&attn("W_K"), &project)?],
        };
        let w_u = of("unembed.W_U", &[d, p])?;
        let mut b_logits = product(&bias("blocks.0.mlp.b_out", &[d])?, w_u, d);
        let b_u = bias("unembed.b_U", &[p])?;
        b_logits
            .iter_mut()
            .zip(b_u.iter())
            .for_each(|(x, y)| *x += y);
        Ok(Plain {
            p,
            positions,
            d,
            heads: h,
            e,
            f,
            gelu,
            attention,
            w_e: of("embed.W_E", &[p + positions - 2, d])?,
            w_pos: of("pos_embed.W_pos", &[positions, d])?,
            scores,
            w_v: of(&attn("W_V"), &project)?,
            w_o: of(&attn("W_O"), &[h, e, d])?,
            w_in: of("blocks.0.mlp.W_in", &[d, f])?,
            w_u,
            b_qkv: [
                bias(&attn("b_Q"), &[h, e])?,
                bias(&attn("b_K"), &[h, e])?,
                bias(&attn("b_V"), &[h, e])?,
            ],
            b_o: bias(&attn("b_O"), &[d])?,
            b_in: bias("blocks.0.mlp.b_in", &[f])?,
            b_logits,
            map: product(of("blocks.0.mlp.W_out", &[f, d])?, w_u, d),
        })
    }

    /// Returns the model with another W_E.
    pub(crate) fn with<'b>(&'b self, w_e: &'b [f32]) -> Plain<'b> {
        Plain {
            w_e,
            ..self.clone()
        }
    }

    /// Compares its logits with those that the program gave, `(p², p)` both.
    ///
    /// # Errors
    /// A sentence, if they differ.
    pub(crate) fn agrees(&self, logits: &[f32]) -> Result<(), String> {
        let own = self.logits();
        let largest = logits.iter().fold(1.0f32, |most, x| most.max(x.abs()));
        let apart = own
            .iter()
            .zip(logits)
            .map(|(x, y)| f64::from((x - y).abs() / largest));
        let worst = apart.fold(
            0.0,
            |most: f64, x| if x > most || x.is_nan() { x } else { most },
        );
        // NaN is refused as well.
        if own.len() == logits.len() && worst <= LOGITS_APART {
            Ok(())
        } else {
            Err(format!(
                "logits worked out from the weights differ from the model's by {worst} of the largest"
            ))
        }
    }

    /// Returns the logits at each pair, `(p², p)`.
    pub(crate) fn logits(&self) -> Vec<f32> {
        let p = self.p;
        let mut out = Vec::with_capacity(p * p * p);
        for a in 0..p {
            // A block of p pairs at a time, so that the neurons of few pairs are held.
            let middle: Vec<f32> = (0..p)
                .flat_map(|b| self.mixed([a, b]).middle)
                .map(|x| x as f32)
                .collect();
            let mut neurons = product(&middle, self.w_in, self.d);
            for row in neurons.chunks_exact_mut(self.f.max(1)) {
                for (x, b) in row.iter_mut().zip(self.b_in.iter()) {
                    *x = activate(self.gelu, *x + b);
                }
            }
            let direct = product(&middle, self.w_u, self.d);
            let through = product(&neurons, &self.map, self.f);
            let constant = self.b_logits.iter().cycle();
            let sum = direct.iter().zip(&through).zip(constant);
            out.extend(sum.map(|((x, y), z)| x + y + z));
        }
        out
    }

    /// Returns ∂Q/∂E_a and ∂Q/∂E_b, `(d)` each, through values, keys, and what the last position
    /// is itself: the query and the residual stream. E_a is the embedding at the first position.
    pub(crate) fn gradients(&self, pair: usize, class: usize) -> [Vec<f64>; 2] {
        let (p, d, e, f) = (self.p, self.d, self.e, self.f);
        let at = self.mixed([pair / p, pair % p]);
        let mut slopes: Vec<f64> = self.b_in.iter().map(|b| f64::from(*b)).collect();
        for (x, row) in at.middle.iter().zip(self.w_in.chunks_exact(f.max(1))) {
            add(&mut slopes, *x, row);
        }
        for (n, x) in slopes.iter_mut().enumerate() {
            *x = slope(self.gelu, *x) * f64::from(self.map[n * p + class]);
        }
        let to_middle: Vec<f64> = (0..d)
            .map(|i| f64::from(self.w_u[i * p + class]) + dot(&self.w_in[i * f..][..f], &slopes))
            .collect();

        let mut out = vec![vec![0.0; d]; self.positions];
        let last = self.positions - 1;
        out[last].clone_from(&to_middle);
        for (head, seen) in at.heads.iter().enumerate() {
            let to_z: Vec<f64> = self
                .of_head(self.w_o, head)
                .chunks_exact(d.max(1))
                .map(|row| dot(row, &to_middle))
                .collect();
            let to_value = back(self.of_head(self.w_v, head), &to_z);
            for (out, weight) in out.iter_mut().zip(&seen.weights) {
                out.iter_mut()
                    .zip(&to_value)
                    .for_each(|(x, y)| *x += weight * y);
            }
            let Attention::Mixed(rate) = self.attention else {
                continue;
            };
            let said: Vec<f64> = seen.values.iter().map(|v| inner(v, &to_z)).collect();
            let mean = inner(&seen.softmax, &said);
            let scale = rate / (e as f64).sqrt();
            let to_scores: Vec<f64> = seen
                .softmax
                .iter()
                .zip(&said)
                .map(|(s, x)| scale * s * (x - mean))
                .collect();
            let of_query = back(self.of_head(self.scores[1], head), &seen.query);
            let mut to_query = vec![0.0; e];
            for ((out, by), key) in out.iter_mut().zip(&to_scores).zip(&seen.keys) {
                out.iter_mut()
                    .zip(&of_query)
                    .for_each(|(x, y)| *x += by * y);
                to_query.iter_mut().zip(key).for_each(|(x, y)| *x += by * y);
            }
            let through = back(self.of_head(self.scores[0], head), &to_query);
            out[last]
                .iter_mut()
                .zip(&through)
                .for_each(|(x, y)| *x += y);
        }
        out.truncate(2);
        let b = out.pop().unwrap_or_default();
        [out.pop().unwrap_or_default(), b]
    }

    /// Computes the stream after attention at the last position of a pair.
    fn mixed(&self, [a, b]: [usize; 2]) -> Mixed {
        let (d, n) = (self.d, self.positions);
        let tokens = [a, b, self.p];
        let inputs: Vec<Vec<f64>> = tokens[..n]
            .iter()
            .enumerate()
            .map(|(position, token)| {
                let token = &self.w_e[token * d..][..d];
                let position = &self.w_pos[position * d..][..d];
                token
                    .iter()
                    .zip(position)
                    .map(|(x, y)| f64::from(*x) + f64::from(*y))
                    .collect()
            })
            .collect();
        let mut middle = inputs[n - 1].clone();
        middle
            .iter_mut()
            .zip(self.b_o.iter())
            .for_each(|(x, b)| *x += f64::from(*b));
        let heads = (0..self.heads).map(|head| {
            let seen = self.seen(head, &inputs);
            for (weight, value) in seen.weights.iter().zip(&seen.values) {
                let rows = self.of_head(self.w_o, head).chunks_exact(d.max(1));
                rows.zip(value)
                    .for_each(|(row, v)| add(&mut middle, weight * v, row));
            }
            seen
        });
        let heads = heads.collect();
        Mixed { middle, heads }
    }

    /// Computes what a head sees from the last position.
    fn seen(&self, head: usize, inputs: &[Vec<f64>]) -> Seen {
        let (n, e) = (inputs.len(), self.e);
        let project = |weight: &[f32], bias: &[f32], x: &[f64]| {
            let mut out: Vec<f64> = bias[head * e..][..e]
                .iter()
                .map(|b| f64::from(*b))
                .collect();
            let rows = self.of_head(weight, head).chunks_exact(e.max(1));
            rows.zip(x).for_each(|(row, x)| add(&mut out, *x, row));
            out
        };
        let [b_q, b_k, b_v] = &self.b_qkv;
        let values: Vec<Vec<f64>> = inputs.iter().map(|x| project(self.w_v, b_v, x)).collect();
        let Attention::Mixed(rate) = self.attention else {
            return Seen {
                weights: vec![1.0 / n as f64; n],
                values,
                ..Seen::default()
            };
        };
        let query = project(self.scores[0], b_q, &inputs[n - 1]);
        let keys: Vec<Vec<f64>> = inputs
            .iter()
            .map(|x| project(self.scores[1], b_k, x))
            .collect();
        let scores = keys
            .iter()
            .map(|key| inner(key, &query) / (e as f64).sqrt());
        let scores: Vec<f64> = scores.collect();
        let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let powers: Vec<f64> = scores.iter().map(|x| (x - largest).exp()).collect();
        let sum: f64 = powers.iter().sum();
        let softmax: Vec<f64> = powers.iter().map(|x| x / sum).collect();
        Seen {
            weights: softmax.iter().map(|x| rate * x + 1.0 - rate).collect(),
            values,
            softmax,
            keys,
            query,
        }
    }

    /// Returns the slice of a weight by head that belongs to `head`.
    fn of_head<'w>(&self, weight: &'w [f32], head: usize) -> &'w [f32] {
        &weight[head * self.d * self.e..][..self.d * self.e]
    }
}

/// What a pair's last position has after attention.
struct Mixed {
    /// `(d)`
    middle: Vec<f64>,
    heads: Vec<Seen>,
}

/// What a head sees from the last position, by position.
#[derive(Default)]
struct Seen {
    /// what values are multiplied by
    weights: Vec<f64>,
    /// `(e)` each
    values: Vec<Vec<f64>>,
    /// of the scores; empty without scores, as keys and query
    softmax: Vec<f64>,
    keys: Vec<Vec<f64>>,
    query: Vec<f64>,
}

/// Returns weight · x, with a weight of rows as long as x.
fn back(weight: &[f32], x: &[f64]) -> Vec<f64> {
    let rows = weight.chunks_exact(x.len().max(1));
    rows.map(|row| dot(row, x)).collect()
}

fn add(to: &mut [f64], by: f64, row: &[f32]) {
    to.iter_mut()
        .zip(row)
        .for_each(|(x, y)| *x += by * f64::from(*y));
}

fn dot(row: &[f32], with: &[f64]) -> f64 {
    row.iter().zip(with).map(|(x, y)| f64::from(*x) * y).sum()
}

fn inner(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}
