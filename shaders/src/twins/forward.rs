//! Computes `forward`, step by step.

use super::loss::loss;
use super::weights::{activate, slope};
use super::{LossOutcome, Sample};

/// The pairs and the dimensions that every step shares.
#[derive(Clone, Copy, Debug)]
pub struct Data<'a> {
    /// the modulus
    pub p: usize,
    /// number of heads
    pub heads: usize,
    /// the pairs
    pub samples: &'a [Sample],
}

impl Data<'_> {
    /// Returns the token rows of a pair: a, b, '='.
    fn rows(&self, sample: &Sample) -> [usize; 3] {
        [sample[0] as usize, self.p + sample[1] as usize, 2 * self.p]
    }
}

/// Computes attention: `scores (2p + 1, heads)` → `attention (pairs, 3, heads)`.
pub fn attend(data: Data<'_>, scores: &[f64]) -> Vec<f64> {
    let heads = data.heads;
    let mut out = vec![0.0; data.samples.len() * 3 * heads];
    for (s, sample) in data.samples.iter().enumerate() {
        for h in 0..heads {
            let of_pair = data.rows(sample).map(|row| scores[row * heads + h]);
            let largest = of_pair.iter().copied().fold(f64::MIN, f64::max);
            let e = of_pair.map(|score| (score - largest).exp());
            for (position, weight) in e.iter().enumerate() {
                out[(s * 3 + position) * heads + h] = weight / (e[0] + e[1] + e[2]);
            }
        }
    }
    out
}

/// Gathers rows: `attention (pairs, 3, heads)`, `rows (2p, heads, width)`, `base (width)` →
/// `(pairs, width)`.
pub fn gather(data: Data<'_>, attention: &[f64], rows: &[f64], base: &[f64]) -> Vec<f64> {
    let (heads, width) = (data.heads, base.len());
    let mut out = Vec::with_capacity(data.samples.len() * width);
    for (s, sample) in data.samples.iter().enumerate() {
        for (j, base) in base.iter().enumerate() {
            let mut sum = 0.0;
            for h in 0..heads {
                for (position, row) in data.rows(sample)[..2].iter().enumerate() {
                    let weight = attention[(s * 3 + position) * heads + h];
                    sum += weight * rows[(row * heads + h) * width + j];
                }
            }
            out.push(sum + base);
        }
    }
    out
}

/// Computes the gradients of the scores, `(pairs, 3, heads)`. `tables` are rows with their
/// right-hand factors: U′ `(2p, heads, f)` with dpre `(pairs, f)`, and D′ `(2p, heads, p)` with g
/// `(pairs, p)`.
fn attend_grad(data: Data<'_>, attention: &[f64], tables: [(&[f64], &[f64]); 2]) -> Vec<f64> {
    let heads = data.heads;
    let mut out = vec![0.0; attention.len()];
    for (s, sample) in data.samples.iter().enumerate() {
        for h in 0..heads {
            let along = |row: usize| -> f64 {
                let of_table = |(rows, values): (&[f64], &[f64])| -> f64 {
                    let width = values.len() / data.samples.len();
                    let row = &rows[(row * heads + h) * width..][..width];
                    row.iter()
                        .zip(&values[s * width..])
                        .map(|(a, b)| a * b)
                        .sum()
                };
                tables.map(of_table).iter().sum()
            };
            let [a, b, eq] = [0, 1, 2].map(|position| (s * 3 + position) * heads + h);
            let [row_a, row_b, _] = data.rows(sample);
            let (da, db) = (along(row_a), along(row_b));
            let mean = attention[a] * da + attention[b] * db;
            out[a] = attention[a] * (da - mean);
            out[b] = attention[b] * (db - mean);
            out[eq] = -attention[eq] * mean;
        }
    }
    out
}

/// The input of `forward`.
#[derive(Clone, Copy, Debug)]
pub struct Forward<'a> {
    /// the pairs
    pub data: Data<'a>,
    /// attention scores, `(2p + 1, heads)`
    pub scores: &'a [f64],
    /// U′ `(2p, heads, f)`
    pub neuron_rows: &'a [f64],
    /// D′ `(2p, heads, p)`
    pub logit_rows: &'a [f64],
    /// c `(f)`
    pub neuron_base: &'a [f64],
    /// d `(p)`
    pub logit_base: &'a [f64],
    /// M `(f, p)`
    pub m: &'a [f64],
    /// the activation: 1 is ReLU, 2 is GELU
    pub kind: u32,
    /// factor of the gradients
    pub scale: f64,
}

/// The output of `forward`.
#[derive(Clone, Debug)]
pub struct Passed {
    /// attention, `(pairs, 3, heads)`
    pub attention: Vec<f64>,
    /// act(pre) `(pairs, f)`
    pub neurons: Vec<f64>,
    /// losses, correct answers, and g
    pub outcomes: Vec<LossOutcome>,
    /// dpre `(pairs, f)`
    pub d_neurons: Vec<f64>,
    /// gradients of the scores, `(pairs, 3, heads)`
    pub d_scores: Vec<f64>,
}

/// Runs the whole pass over the pairs, gradients included.
pub fn forward(of: &Forward<'_>) -> Passed {
    let (p, f) = (of.data.p, of.neuron_base.len());
    let attention = attend(of.data, of.scores);
    let pre = gather(of.data, &attention, of.neuron_rows, of.neuron_base);
    let neurons: Vec<f64> = pre.iter().map(|x| activate(of.kind, *x)).collect();
    let mut logits = gather(of.data, &attention, of.logit_rows, of.logit_base);
    for (neurons, logits) in neurons.chunks_exact(f).zip(logits.chunks_exact_mut(p)) {
        for (neuron, m) in neurons.iter().zip(of.m.chunks_exact(p)) {
            for (logit, m) in logits.iter_mut().zip(m) {
                *logit += neuron * m;
            }
        }
    }
    let outcomes = loss(of.data.samples, &logits, of.scale);
    let g: Vec<f64> = outcomes
        .iter()
        .flat_map(|outcome| outcome.gradient.iter().copied())
        .collect();
    let mut d_neurons = Vec::with_capacity(pre.len());
    for (pre, g) in pre.chunks_exact(f).zip(g.chunks_exact(p)) {
        for (pre, m) in pre.iter().zip(of.m.chunks_exact(p)) {
            let sum: f64 = g.iter().zip(m).map(|(g, m)| g * m).sum();
            d_neurons.push(slope(of.kind, *pre, sum));
        }
    }
    let tables = [(of.neuron_rows, &d_neurons[..]), (of.logit_rows, &g[..])];
    let d_scores = attend_grad(of.data, &attention, tables);
    Passed {
        attention,
        neurons,
        outcomes,
        d_neurons,
        d_scores,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_sum_to_one_and_their_gradients_to_nothing() {
        let data = Data {
            p: 3,
            heads: 2,
            samples: &[[0, 2, 1], [2, 2, 0]],
        };
        let scores: Vec<f64> = (0..14).map(|i| f64::from(i % 5) - 2.0).collect();
        let attention = attend(data, &scores);
        let rows: Vec<f64> = (0..2 * 3 * 2 * 4).map(|i| f64::from(i % 7)).collect();
        let values = [1.0, -2.0, 0.5, 3.0, 1.0, 1.0, -1.0, 2.0];
        let gradient = attend_grad(data, &attention, [(&rows, &values), (&rows, &values)]);
        for s in 0..2 {
            for h in 0..2 {
                let sum = |table: &[f64]| (0..3).map(|t| table[(s * 3 + t) * 2 + h]).sum::<f64>();
                assert!((sum(&attention) - 1.0).abs() < 1e-12);
                assert!(sum(&gradient).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn a_pair_that_attends_to_a_alone_gathers_its_row() {
        let data = Data {
            p: 2,
            heads: 1,
            samples: &[[1, 0, 0]],
        };
        let rows: Vec<f64> = (0..8).map(f64::from).collect();
        assert_eq!(
            gather(data, &[1.0, 0.0, 0.0], &rows, &[10.0, 20.0]),
            [12.0, 23.0]
        );
    }

    #[test]
    fn gradients_are_those_of_the_loss() {
        let (p, heads, f) = (3, 2, 2);
        let samples = [[0, 2, 1], [2, 2, 0], [1, 0, 2]];
        let numbers = |seed: usize, count: usize| -> Vec<f64> {
            (0..count)
                .map(|i| ((i * 37 + seed * 11) % 17) as f64 / 8.0 - 1.0)
                .collect()
        };
        let tables = [
            numbers(1, (2 * p + 1) * heads),
            numbers(2, 2 * p * heads * f),
            numbers(3, 2 * p * heads * p),
            numbers(4, f),
            numbers(5, p),
            numbers(6, f * p),
        ];
        let run = |t: &[Vec<f64>; 6]| {
            forward(&Forward {
                data: Data {
                    p,
                    heads,
                    samples: &samples,
                },
                scores: &t[0],
                neuron_rows: &t[1],
                logit_rows: &t[2],
                neuron_base: &t[3],
                logit_base: &t[4],
                m: &t[5],
                kind: 2,
                scale: 1.0,
            })
        };
        let loss = |t: &[Vec<f64>; 6]| -> f64 { run(t).outcomes.iter().map(|o| o.loss).sum() };
        let numeric = |table: usize, at: usize| {
            let moved = |by: f64| {
                let mut t = tables.clone();
                t[table][at] += by;
                loss(&t)
            };
            (moved(1e-5) - moved(-1e-5)) / 2e-5
        };
        let passed = run(&tables);
        for h in 0..heads {
            // Token 2 is at position 1 in the first two pairs; '=' is in all pairs.
            let of = |s: usize, position: usize| passed.d_scores[(s * 3 + position) * heads + h];
            let b = numeric(0, (p + 2) * heads + h);
            assert!((b - of(0, 1) - of(1, 1)).abs() < 1e-6, "{b}");
            let eq = numeric(0, 2 * p * heads + h);
            assert!((eq - of(0, 2) - of(1, 2) - of(2, 2)).abs() < 1e-6, "{eq}");
        }
        for j in 0..f {
            let sum: f64 = (0..3).map(|s| passed.d_neurons[s * f + j]).sum();
            assert!((numeric(3, j) - sum).abs() < 1e-6);
        }
    }
}
