//! Computes directions of the neurons, and the neurons' outputs along them.

use grokrun_basis::gaussian;
use grokrun_measures::{by_class, product_bt};

use crate::pairs::Pairs;

/// Holds orthonormal directions of the neurons, and the outputs along them.
pub(crate) struct Through {
    pub(crate) rank: usize,
    /// `(rank, d_mlp)`
    pub(crate) vectors: Vec<f32>,
    /// `(N, rank)`
    pub(crate) outputs: Vec<f32>,
}

/// Holds the neurons' outputs along all directions that are asked for.
pub(crate) struct Outputs {
    /// through W_L, `(N, p)`
    pub(crate) of_neurons: Vec<f32>,
    /// through the span of the key directions and, with a control, that of as many random ones
    pub(crate) spans: Vec<Through>,
    /// through single Gaussian directions, `(N, random)`
    pub(crate) random: Vec<f32>,
}

impl Outputs {
    /// Computes them from the neurons' outputs `(N, d_mlp)`, W_L `(d_mlp, p)`, the same in the
    /// basis of the class, and `random` directions for a control, where 0 is none. One product for
    /// all: the neurons' outputs are read once.
    pub(crate) fn new(
        pairs: &Pairs,
        post: &[f32],
        [w_l, in_basis]: [&[f32]; 2],
        keys: &[usize],
        random: usize,
    ) -> Outputs {
        let (p, d) = (pairs.p, w_l.len() / pairs.p);
        let basis = pairs.space.basis();
        let columns: Vec<f32> = keys
            .iter()
            .flat_map(|k| basis.rows_of(*k))
            .flat_map(|row| in_basis.iter().skip(row).step_by(p).copied())
            .collect();
        let key = orthonormal(&columns, d);
        let rank = key.len() / d;
        let mut spans = vec![key];
        if random > 0 {
            spans.push(orthonormal(&gaussian(1, d * rank), d));
        }
        let mut vectors = by_class(w_l, p);
        for span in &spans {
            vectors.extend(span);
        }
        vectors.extend(gaussian(2, d * random));

        let outputs = product_bt(post, &vectors, d);
        let width = vectors.len() / d;
        let mut from = 0;
        let mut next = |count: usize| -> Vec<f32> {
            let mut part = Vec::with_capacity(pairs.count() * count);
            for row in outputs.chunks_exact(width) {
                part.extend_from_slice(&row[from..from + count]);
            }
            from += count;
            part
        };
        Outputs {
            of_neurons: next(p),
            spans: spans
                .into_iter()
                .map(|vectors| {
                    let rank = vectors.len() / d;
                    let outputs = next(rank);
                    Through {
                        rank,
                        vectors,
                        outputs,
                    }
                })
                .collect(),
            random: next(random),
        }
    }
}

/// Returns orthonormal vectors with the span of `vectors`, `(r, d)`: Gram–Schmidt, twice, in f64. A
/// vector that depends on those before it is left out.
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
        // The remainder of a dependent f32 vector is rounding.
        if left > 1e-5 * length {
            done.push(rest.iter().map(|x| x / left).collect());
        }
    }
    done.concat().iter().map(|x| *x as f32).collect()
}
