//! Reads the parameters of a snapshot's model by name, with checked shapes, and computes its
//! attention from '='.
//!
//! Owns names and shapes (doc/published.md#transformerlenss-files) and the softmax; knows nothing
//! of the rest of the forward pass, which is that of [`Forward`](crate::Forward).

use grokrun_api::{Failure, Snapshot, Task, Tensor};

/// Borrows the parameters of the one-layer model; a bias is none if the snapshot has none.
#[derive(Clone, Debug)]
pub struct Model<'a> {
    /// p: tokens 0 to p − 1, and '=' is token p
    pub p: usize,
    /// width of the residual stream
    pub d_model: usize,
    /// number of attention heads
    pub heads: usize,
    /// width of a head
    pub d_head: usize,
    /// number of neurons
    pub d_mlp: usize,
    /// the neurons' activation: GELU, x Φ(x), or else ReLU, max(x, 0)
    pub gelu: bool,
    /// `(p + 1, d_model)`
    pub w_e: &'a [f32],
    /// `(3, d_model)`
    pub w_pos: &'a [f32],
    /// `(heads, d_model, d_head)`
    pub w_q: &'a [f32],
    /// `(heads, d_model, d_head)`
    pub w_k: &'a [f32],
    /// `(heads, d_model, d_head)`
    pub w_v: &'a [f32],
    /// `(heads, d_head, d_model)`
    pub w_o: &'a [f32],
    /// `(d_model, d_mlp)`
    pub w_in: &'a [f32],
    /// `(d_mlp, d_model)`
    pub w_out: &'a [f32],
    /// `(d_model, p)`
    pub w_u: &'a [f32],
    /// `(heads, d_head)`
    pub b_q: Option<&'a [f32]>,
    /// `(heads, d_head)`
    pub b_v: Option<&'a [f32]>,
    /// `(d_model)`
    pub b_o: Option<&'a [f32]>,
    /// `(d_mlp)`
    pub b_in: Option<&'a [f32]>,
    /// `(d_model)`
    pub b_out: Option<&'a [f32]>,
    /// `(p)`
    pub b_u: Option<&'a [f32]>,
}

impl<'a> Model<'a> {
    /// Reads the parameters from a snapshot of this task.
    ///
    /// # Errors
    /// If a weight is missing, or its shape does not fit the others.
    pub fn of(snapshot: &Snapshot<'a>, task: &Task) -> Result<Model<'a>, Failure> {
        let p = task.modulus;
        let size = |name: &str, i| Ok::<_, Failure>(snapshot.weight(name)?.size(i));
        let d_model = size("embed.W_E", 1)?;
        let heads = size("blocks.0.attn.W_Q", 0)?;
        let d_head = size("blocks.0.attn.W_Q", 2)?;
        let d_mlp = size("blocks.0.mlp.W_in", 1)?;
        let of = |name: &str, shape: &[usize]| shaped(snapshot.weight(name)?, name, shape);
        let bias = |name: &str, shape: &[usize]| match snapshot.weight(name) {
            Ok(tensor) => shaped(tensor, name, shape).map(Some),
            Err(_) => Ok(None),
        };
        let project = [heads, d_model, d_head];
        Ok(Model {
            p,
            d_model,
            heads,
            d_head,
            d_mlp,
            gelu: task.model.activation == "gelu",
            w_e: of("embed.W_E", &[p + 1, d_model])?,
            w_pos: of("pos_embed.W_pos", &[3, d_model])?,
            w_q: of("blocks.0.attn.W_Q", &project)?,
            w_k: of("blocks.0.attn.W_K", &project)?,
            w_v: of("blocks.0.attn.W_V", &project)?,
            w_o: of("blocks.0.attn.W_O", &[heads, d_head, d_model])?,
            w_in: of("blocks.0.mlp.W_in", &[d_model, d_mlp])?,
            w_out: of("blocks.0.mlp.W_out", &[d_mlp, d_model])?,
            w_u: of("unembed.W_U", &[d_model, p])?,
            b_q: bias("blocks.0.attn.b_Q", &[heads, d_head])?,
            b_v: bias("blocks.0.attn.b_V", &[heads, d_head])?,
            b_o: bias("blocks.0.attn.b_O", &[d_model])?,
            b_in: bias("blocks.0.mlp.b_in", &[d_mlp])?,
            b_out: bias("blocks.0.mlp.b_out", &[d_model])?,
            b_u: bias("unembed.b_U", &[p])?,
        })
    }

    /// Returns W_E\[token\] + W_pos\[position\], `(d_model)`.
    pub fn input(&self, token: usize, position: usize) -> Vec<f32> {
        let d = self.d_model;
        let token = &self.w_e[token * d..(token + 1) * d];
        let position = &self.w_pos[position * d..(position + 1) * d];
        token.iter().zip(position).map(|(x, y)| x + y).collect()
    }

    /// Returns the slice of a `(heads, rows, columns)` weight that belongs to `head`.
    pub fn of_head<'w>(&self, weight: &'w [f32], head: usize) -> &'w [f32] {
        let size = self.d_model * self.d_head;
        &weight[head * size..(head + 1) * size]
    }

    /// Returns what each dimension of an input adds to a head's score from '=': W_K q / √d_head,
    /// `(d_model)`.
    pub fn score_direction(&self, head: usize) -> Vec<f64> {
        let e = self.d_head;
        let mut query = match self.b_q {
            Some(b) => widened(&b[head * e..(head + 1) * e]),
            None => vec![0.0; e],
        };
        let rows = self.of_head(self.w_q, head).chunks_exact(e.max(1));
        for (x, row) in self.input(self.p, 2).iter().zip(rows) {
            let terms = query.iter_mut().zip(row);
            terms.for_each(|(q, w)| *q += f64::from(*x) * f64::from(*w));
        }
        let scale = (e as f64).sqrt();
        let rows = self.of_head(self.w_k, head).chunks_exact(e.max(1));
        rows.map(|row| dot(row, &query) / scale).collect()
    }

    /// Returns the attention of a head from '=' to a, b and '=' at each pair, `(p², 3)`. b_K adds
    /// the same to all three scores, and drops out.
    pub fn attention(&self, head: usize) -> Vec<[f64; 3]> {
        let (p, direction) = (self.p, self.score_direction(head));
        let score = |token, position| dot(&self.input(token, position), &direction);
        let to_a: Vec<f64> = (0..p).map(|a| score(a, 0)).collect();
        let to_b: Vec<f64> = (0..p).map(|b| score(b, 1)).collect();
        let to_equals = score(p, 2);
        let softmax = |scores: [f64; 3]| {
            let largest = scores.into_iter().fold(f64::NEG_INFINITY, f64::max);
            let powers = scores.map(|x| (x - largest).exp());
            let sum: f64 = powers.iter().sum();
            powers.map(|x| x / sum)
        };
        (0..p * p)
            .map(|pair| softmax([to_a[pair / p], to_b[pair % p], to_equals]))
            .collect()
    }

    /// Returns a neuron's output.
    pub fn activate(&self, x: f32) -> f32 {
        activate(self.gelu, x)
    }

    /// Returns the slope of a neuron's output at its input.
    pub fn slope(&self, x: f64) -> f64 {
        slope(self.gelu, x)
    }
}

/// Returns GELU of x, x Φ(x), or else ReLU.
pub fn activate(gelu: bool, x: f32) -> f32 {
    if gelu {
        (f64::from(x) * normal(f64::from(x))) as f32
    } else {
        x.max(0.0)
    }
}

/// Returns the slope of [`activate`] at x; that of ReLU is 0 at 0.
pub fn slope(gelu: bool, x: f64) -> f64 {
    let density = || (-0.5 * x * x).exp() / std::f64::consts::TAU.sqrt();
    if gelu {
        normal(x) + x * density()
    } else {
        f64::from(u8::from(x > 0.0))
    }
}

/// Returns Φ(x).
fn normal(x: f64) -> f64 {
    0.5 * libm::erfc(-x / std::f64::consts::SQRT_2)
}

fn widened(row: &[f32]) -> Vec<f64> {
    row.iter().map(|x| f64::from(*x)).collect()
}

fn dot(row: &[f32], with: &[f64]) -> f64 {
    row.iter().zip(with).map(|(x, y)| f64::from(*x) * y).sum()
}

fn shaped<'a>(tensor: Tensor<'a>, name: &str, shape: &[usize]) -> Result<&'a [f32], Failure> {
    if tensor.shape() == shape && tensor.data().len() == shape.iter().product::<usize>() {
        Ok(tensor.data())
    } else {
        Err(Failure::new(format!(
            "{name} has the shape {:?}; expected {shape:?}, as the other weights have it",
            tensor.shape()
        )))
    }
}
