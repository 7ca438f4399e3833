//! Measures u_k and v_k: the neurons' outputs along the cosine and the sine of a class.

use crate::pairs::Pairs;

/// Holds the shares of u_k and v_k, functions of a pair, that the label's cosine and sine explain.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Explained {
    /// share of u_k by its own direction, of v_k by its own; by component from 1 on, NaN if there
    /// is none; of a representation the mean over its entries of the share by all its directions
    pub(crate) own: Vec<[f64; 2]>,
    /// by both directions of the frequency
    pub(crate) both: Vec<[f64; 2]>,
}

impl Explained {
    /// Measures the neurons' logits in the basis of the class, `(N, p)`.
    pub(crate) fn new(pairs: &Pairs, in_basis: &[f32]) -> Explained {
        let (p, space) = (pairs.p, &pairs.space);
        let (sums, totals) = sums(pairs, in_basis, p);
        let mut explained = Explained::default();
        for k in 1..=space.count() {
            let coefficients = space.labels().coefficients(k, &sums);
            let (mut own, mut both) = ([f64::NAN; 2], [f64::NAN; 2]);
            if !space.basis().is_cyclic() {
                let rows = space.basis().rows_of(k);
                let share = |row: usize| -> f64 {
                    let of = |c: &Vec<f64>| part(c[row] * c[row], totals[row]);
                    coefficients.iter().map(of).sum()
                };
                let mean = rows.clone().map(share).sum::<f64>() / rows.len() as f64;
                explained.own.push([mean, f64::NAN]);
                explained.both.push([mean, f64::NAN]);
                continue;
            }
            for (i, row) in space.basis().rows_of(k).enumerate() {
                let share = |c: &Vec<f64>| part(c[row] * c[row], totals[row]);
                if let Some(c) = coefficients.get(i) {
                    own[i] = share(c);
                    both[i] = coefficients.iter().map(share).sum();
                }
            }
            explained.own.push(own);
            explained.both.push(both);
        }
        explained
    }

    /// Returns the means over these frequencies of the shares of u and of v by their own
    /// directions; NaN without frequencies.
    pub(crate) fn means(&self, keys: &[usize]) -> [f64; 2] {
        [0, 1].map(|i| {
            let of = |k: &usize| self.own.get(k.wrapping_sub(1)).map(|pair| pair[i]);
            let values: Vec<f64> = keys.iter().filter_map(of).filter(|x| !x.is_nan()).collect();
            values.iter().sum::<f64>() / values.len() as f64
        })
    }
}

/// Returns, for columns of a table `(N, width)`, the mean over columns of the share that the
/// directions of the best frequency explain.
pub(crate) fn best_explained(pairs: &Pairs, table: &[f32], width: usize) -> f64 {
    let (sums, totals) = sums(pairs, table, width);
    let mut best = vec![0.0f64; width];
    for k in 1..=pairs.space.count() {
        let coefficients = pairs.space.labels().coefficients(k, &sums);
        for (column, best) in best.iter_mut().enumerate() {
            let energy = coefficients.iter().map(|c| c[column] * c[column]).sum();
            *best = best.max(part(energy, totals[column]));
        }
    }
    best.iter().sum::<f64>() / width as f64
}

/// Returns sums by label, `(p, width)`, and Σ (x − mean)² by column, of a table `(N, width)`.
fn sums(pairs: &Pairs, table: &[f32], width: usize) -> (Vec<f64>, Vec<f64>) {
    let labels = pairs.space.labels().labels();
    let mut sums = vec![0.0; pairs.p * width];
    let mut squares = vec![0.0; width];
    for (pair, row) in pairs.space.pairs.iter().zip(table.chunks_exact(width)) {
        let Some(label) = labels[*pair] else { continue };
        let of_label = &mut sums[label as usize * width..][..width];
        for ((sum, square), x) in of_label.iter_mut().zip(&mut squares).zip(row) {
            let x = f64::from(*x);
            *sum += x;
            *square += x * x;
        }
    }
    let count = pairs.count().max(1) as f64;
    let totals = squares.iter().enumerate().map(|(column, square)| {
        let sum: f64 = sums.iter().skip(column).step_by(width).sum();
        // Only a rounding error is left of a column that is constant.
        let energy = square - sum * sum / count;
        if energy <= 1e-12 * square {
            0.0
        } else {
            energy
        }
    });
    let totals = totals.collect();
    (sums, totals)
}

/// Returns a share of a total; 0 if the total is 0.
fn part(energy: f64, total: f64) -> f64 {
    if total == 0.0 { 0.0 } else { energy / total }
}
