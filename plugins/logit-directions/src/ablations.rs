//! What is left of the logits when only some of their directions, or of the neurons', stay.

use grokrun_basis::gaussian;
use grokrun_measures::{product, product_at, product_bt};

use crate::pairs::{Loss, Pairs};

/// What is done, in the order of [`Ablations::losses`]: the names of series.
pub(crate) const NAMES: [&str; 9] = [
    "loss",
    "keep directions",
    "keep terms",
    "drop directions",
    "drop terms",
    "keep W_L directions",
    "null space",
    "keep random directions",
    "null space of random",
];

/// Tables over the pairs that count.
pub(crate) struct Model<'a> {
    /// the neurons' outputs, `(N, d_mlp)`
    pub(crate) post: &'a [f32],
    /// W_L = W_out W_U, `(d_mlp, p)`
    pub(crate) w_l: &'a [f32],
    /// W_L in the basis of the class, `(d_mlp, p)`: column j belongs to row j
    pub(crate) in_basis: &'a [f32],
    /// post W_L, `(N, p)`
    pub(crate) of_neurons: &'a [f32],
    /// `(N, p)`
    pub(crate) logits: &'a [f32],
}

/// The losses, and how much of the logits the directions explain.
pub(crate) struct Ablations {
    /// by [`NAMES`]; the last two only with a control
    pub(crate) losses: Vec<Loss>,
    /// share of the logits' centred variance along the directions of the label
    pub(crate) explained: f64,
}

impl Ablations {
    pub(crate) fn new(
        pairs: &Pairs,
        model: &Model<'_>,
        keys: &[usize],
        control: bool,
    ) -> Ablations {
        let (p, logits) = (pairs.p, model.logits);
        let d = model.w_l.len() / p.max(1);
        let mean = mean(logits, p);
        let narrow: Vec<f32> = mean.iter().map(|m| *m as f32).collect();
        let constant = |mut logits: Vec<f32>| -> Vec<f32> {
            for row in logits.chunks_exact_mut(p) {
                row.iter_mut().zip(&narrow).for_each(|(x, m)| *x += m);
            }
            logits
        };
        let minus =
            |x: &[f32], y: &[f32]| -> Vec<f32> { x.iter().zip(y).map(|(x, y)| x - y).collect() };

        let mut losses = vec![pairs.loss(logits)];
        let along = project(&pairs.directions(keys), logits, pairs.count());
        losses.push(pairs.loss(&constant(along.clone())));
        let in_terms = project(&pairs.terms(keys), logits, pairs.count());
        losses.push(pairs.loss(&in_terms));
        losses.push(pairs.loss(&minus(logits, &along)));
        losses.push(pairs.loss(&constant(minus(logits, &in_terms))));

        let mut through = |directions: &[f32]| {
            let q = orthonormal(directions, d);
            let rank = q.len() / d.max(1);
            let part = match rank {
                0 => vec![0.0; logits.len()],
                _ => product(
                    &product_bt(model.post, &q, d),
                    &product(&q, model.w_l, d),
                    rank,
                ),
            };
            let without = minus(logits, &part);
            let lost = minus(model.of_neurons, &part);
            losses.push(pairs.loss(&minus(logits, &lost)));
            losses.push(pairs.loss(&without));
            rank
        };
        let basis = pairs.space.basis();
        let rows = keys.iter().flat_map(|k| basis.rows_of(*k));
        let columns: Vec<f32> = rows
            .flat_map(|row| model.in_basis.iter().skip(row).step_by(p).copied())
            .collect();
        let rank = through(&columns);
        if control {
            through(&gaussian(1, d * rank));
        }
        Ablations {
            losses,
            explained: explained(&along, logits, &mean),
        }
    }
}

/// Mean by class, `(p)`.
fn mean(logits: &[f32], p: usize) -> Vec<f64> {
    let mut sums = vec![0.0; p];
    for row in logits.chunks_exact(p) {
        let pairs = sums.iter_mut().zip(row);
        pairs.for_each(|(sum, x)| *sum += f64::from(*x));
    }
    let count = (logits.len() / p.max(1)).max(1) as f64;
    sums.iter().map(|sum| sum / count).collect()
}

/// The part of a table `(N, width)` in the span of orthonormal functions `(t, N)`.
fn project(functions: &[f32], table: &[f32], count: usize) -> Vec<f32> {
    let t = functions.len() / count.max(1);
    match t {
        0 => vec![0.0; table.len()],
        _ => product_at(functions, &product(functions, table, count), t),
    }
}

/// Σ part² / Σ (logits − mean)²; 0 where nothing varies.
fn explained(part: &[f32], logits: &[f32], mean: &[f64]) -> f64 {
    let square = |x: &f32| f64::from(*x).powi(2);
    let energy: f64 = part.iter().map(square).sum();
    let rows = logits.chunks_exact(mean.len().max(1));
    let total: f64 = rows
        .flat_map(|row| row.iter().zip(mean))
        .map(|(x, m)| (f64::from(*x) - m).powi(2))
        .sum();
    if total > 0.0 {
        energy / total
    } else {
        0.0 * total
    }
}

/// Orthonormal vectors with the span of `vectors`, `(r, d)`: Gram–Schmidt, twice, in f64. One that
/// depends on those before it is left out.
fn orthonormal(vectors: &[f32], d: usize) -> Vec<f32> {
    let mut done: Vec<Vec<f64>> = Vec::new();
    let dot = |x: &[f64], y: &[f64]| -> f64 { x.iter().zip(y).map(|(x, y)| x * y).sum() };
    for vector in vectors.chunks_exact(d.max(1)) {
        let mut rest: Vec<f64> = vector.iter().map(|x| f64::from(*x)).collect();
        let length = dot(&rest, &rest).sqrt();
        for _ in 0..2 {
            for other in &done {
                let overlap = dot(&rest, other);
                let pairs = rest.iter_mut().zip(other);
                pairs.for_each(|(r, o)| *r -= overlap * o);
            }
        }
        let left = dot(&rest, &rest).sqrt();
        // What is left of a dependent f32 vector is rounding.
        if left > 1e-5 * length {
            done.push(rest.iter().map(|x| x / left).collect());
        }
    }
    done.concat().iter().map(|x| *x as f32).collect()
}
