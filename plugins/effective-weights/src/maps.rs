//! Computes the effective weight matrices of a snapshot, from its parameters alone.

use grokrun_api::{Failure, Snapshot, Tensor};
use grokrun_measures::{product, tokens};

/// Holds the products of a snapshot's weights, by head.
pub(crate) struct Maps {
    /// W_E W_V W_O of each head, `(p, d_model)`
    pub(crate) w_ov: Vec<Vec<f32>>,
    /// W_neur = W_E W_V W_O W_in of each head, `(p, d_mlp)`
    pub(crate) w_neur: Vec<Vec<f32>>,
    /// the parts of the scores, by head
    pub(crate) scores: Vec<Scores>,
}

/// Holds a head's attention scores from '=', all divided by √d_head.
pub(crate) struct Scores {
    /// W_attn: the token's part, `(p)`
    pub(crate) token: Vec<f64>,
    /// the part of each position, W_pos in the place of W_E
    pub(crate) position: [f64; 3],
    /// the part of the token '='
    pub(crate) equals: f64,
}

impl Scores {
    /// Returns the attention from '=' to a, b and '=' at a pair: the softmax over the three scores.
    pub(crate) fn attention(&self, a: usize, b: usize) -> [f64; 3] {
        let scores = [self.token[a], self.token[b], self.equals];
        let scores = [0, 1, 2].map(|i| scores[i] + self.position[i]);
        let largest = scores.into_iter().fold(f64::NEG_INFINITY, f64::max);
        let powers = scores.map(|x| (x - largest).exp());
        let sum: f64 = powers.iter().sum();
        powers.map(|x| x / sum)
    }
}

impl Maps {
    /// Computes the products of a snapshot with classes and tokens for the modulus p.
    ///
    /// b_K adds the same to all three scores of a query, and drops out of the softmax; b_Q is added
    /// to the query if there is one. Both are 0 in every recipe that grokrun trains.
    ///
    /// # Errors
    /// If a weight is missing, or its shape does not fit the others.
    pub(crate) fn new(snapshot: &Snapshot<'_>, p: usize) -> Result<Maps, Failure> {
        let w_e = snapshot.weight("embed.W_E")?;
        let w_q = snapshot.weight("blocks.0.attn.W_Q")?;
        let w_in = snapshot.weight("blocks.0.mlp.W_in")?;
        let (d, heads, e, m) = (w_e.size(1), w_q.size(0), w_q.size(2), w_in.size(1));
        let of = |name: &str, shape: &[usize]| shaped(snapshot, name, shape);
        of("embed.W_E", &[p + 1, d])?;
        of("blocks.0.mlp.W_in", &[d, m])?;
        of("blocks.0.attn.W_Q", &[heads, d, e])?;
        let w_pos = of("pos_embed.W_pos", &[3, d])?;
        let w_k = of("blocks.0.attn.W_K", &[heads, d, e])?;
        let w_v = of("blocks.0.attn.W_V", &[heads, d, e])?;
        let w_o = of("blocks.0.attn.W_O", &[heads, e, d])?;
        let b_q = of("blocks.0.attn.b_Q", &[heads, e]).ok();
        let tokens = &tokens(snapshot, p)?.data[..];
        let last: Vec<f64> = pairs(w_e.row(p), w_pos.row(2))
            .map(|(x, y)| x + y)
            .collect();

        let mut maps = Maps {
            w_ov: Vec::new(),
            w_neur: Vec::new(),
            scores: Vec::new(),
        };
        for head in 0..heads {
            let w_ov = product(&product(tokens, w_v.row(head), d), w_o.row(head), e);
            maps.w_neur.push(product(&w_ov, w_in.data(), d));
            maps.w_ov.push(w_ov);

            let mut query = match b_q {
                Some(b_q) => b_q.row(head).iter().map(|x| f64::from(*x)).collect(),
                None => vec![0.0; e],
            };
            for (x, row) in last.iter().zip(w_q.row(head).chunks_exact(e.max(1))) {
                let terms = query.iter_mut().zip(row);
                terms.for_each(|(q, w)| *q += x * f64::from(*w));
            }
            // What each dimension of the residual stream adds to a score, (d_model).
            let scale = (e as f64).sqrt();
            let by_dimension: Vec<f64> = w_k
                .row(head)
                .chunks_exact(e.max(1))
                .map(|row| dot(row, &query) / scale)
                .collect();
            let score = |row: &[f32]| dot(row, &by_dimension);
            maps.scores.push(Scores {
                token: (0..p).map(|token| score(w_e.row(token))).collect(),
                position: [0, 1, 2].map(|i| score(w_pos.row(i))),
                equals: score(w_e.row(p)),
            });
        }
        Ok(maps)
    }
}

fn dot(row: &[f32], with: &[f64]) -> f64 {
    row.iter().zip(with).map(|(x, y)| f64::from(*x) * y).sum()
}

fn pairs(x: &[f32], y: &[f32]) -> impl Iterator<Item = (f64, f64)> {
    x.iter().zip(y).map(|(x, y)| (f64::from(*x), f64::from(*y)))
}

/// Returns a weight.
///
/// # Errors
/// If it does not have this shape.
fn shaped<'a>(snapshot: &Snapshot<'a>, name: &str, shape: &[usize]) -> Result<Tensor<'a>, Failure> {
    let weight = snapshot.weight(name)?;
    if weight.shape() == shape {
        Ok(weight)
    } else {
        Err(Failure::new(format!(
            "{name} has the shape {:?}; expected {shape:?}, as the other weights have it",
            weight.shape()
        )))
    }
}
