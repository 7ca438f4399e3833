//! Computes the losses of logits of which only some directions, or only some directions of the
//! neurons, stay.

use grokrun_measures::{product, product_at};

use crate::pairs::{Loss, Pairs};
use crate::spans::Through;

/// The ablations, in the order of [`Ablations::losses`]: the names of series.
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

/// Holds tables over the pairs that count.
pub(crate) struct Model<'a> {
    /// W_L = W_out W_U, `(d_mlp, p)`
    pub(crate) w_l: &'a [f32],
    /// post W_L, `(N, p)`
    pub(crate) of_neurons: &'a [f32],
    /// spans of the neurons' directions, and the neurons' outputs there: the key ones, the random
    pub(crate) spans: &'a [Through],
    /// `(N, p)`
    pub(crate) logits: &'a [f32],
}

/// Holds the losses, and the share of the logits that the directions explain.
pub(crate) struct Ablations {
    /// by [`NAMES`]; the last two only with a control
    pub(crate) losses: Vec<Loss>,
    /// share of the logits' centred variance along the directions of the label
    pub(crate) explained: f64,
}

impl Ablations {
    pub(crate) fn new(pairs: &Pairs, model: &Model<'_>, keys: &[usize]) -> Ablations {
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

        for span in model.spans {
            let part = match span.rank {
                0 => vec![0.0; logits.len()],
                rank => product(&span.outputs, &product(&span.vectors, model.w_l, d), rank),
            };
            let without = minus(logits, &part);
            let lost = minus(model.of_neurons, &part);
            losses.push(pairs.loss(&minus(logits, &lost)));
            losses.push(pairs.loss(&without));
        }
        Ablations {
            losses,
            explained: explained(&along, logits, &mean),
        }
    }
}

/// Returns the mean by class, `(p)`.
fn mean(logits: &[f32], p: usize) -> Vec<f64> {
    let mut sums = vec![0.0; p];
    for row in logits.chunks_exact(p) {
        let pairs = sums.iter_mut().zip(row);
        pairs.for_each(|(sum, x)| *sum += f64::from(*x));
    }
    let count = (logits.len() / p.max(1)).max(1) as f64;
    sums.iter().map(|sum| sum / count).collect()
}

/// Returns the part of a table `(N, width)` in the span of orthonormal functions `(t, N)`.
fn project(functions: &[f32], table: &[f32], count: usize) -> Vec<f32> {
    let t = functions.len() / count.max(1);
    match t {
        0 => vec![0.0; table.len()],
        _ => product_at(functions, &product(functions, table, count), t),
    }
}

/// Returns Σ part² / Σ (logits − mean)²; 0 if nothing varies.
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
