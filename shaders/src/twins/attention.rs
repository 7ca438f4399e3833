//! `attend`, `gather`, `attend_grad`.

use super::Sample;

/// The pairs of a slice and the dimensions the attention kernels share.
#[derive(Clone, Copy, Debug)]
pub struct Data<'a> {
    /// modulus
    pub p: usize,
    /// heads
    pub heads: usize,
    /// the slice's pairs
    pub samples: &'a [Sample],
}

impl Data<'_> {
    /// The token rows of a pair: a, b, '='.
    fn rows(&self, sample: &Sample) -> [usize; 3] {
        [sample[0] as usize, self.p + sample[1] as usize, 2 * self.p]
    }
}

/// `scores (2p + 1, heads)` → `attention (pairs, 3, heads)`.
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

/// `attention (pairs, 3, heads)`, `rows (2p, heads, width)`, `base (width)` → `(pairs, width)`.
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

/// Gradients of the scores, `(pairs, 3, heads)`. `tables` are pairs of rows and of what they are
/// multiplied with: U′ `(2p, heads, f)` with dpre `(pairs, f)`, D′ `(2p, heads, p)` with g
/// `(pairs, p)`.
pub fn attend_grad(data: Data<'_>, attention: &[f64], tables: [(&[f64], &[f64]); 2]) -> Vec<f64> {
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
}
