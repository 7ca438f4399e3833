//! Computes cross-entropies: of the model, of logits that depend on the label alone, of logits
//! without their key frequencies.

use grokrun_measures::loss_of_row;
use rayon::prelude::*;

use crate::task_pairs::{Pairs, TaskPairs};

/// Returns −log softmax(row)_label, and whether the label's logit is the largest (the first of
/// equals, as in torch). The label is left out of the sum, so that small losses are accurate
/// (doc/model.md#loss).
fn cross_entropy(row: &[f64], label: usize) -> (f64, bool) {
    let own = row[label];
    let (mut largest, mut correct) = (f64::NEG_INFINITY, true);
    for (class, x) in row.iter().enumerate().filter(|(class, _)| *class != label) {
        let above = x - own;
        if !above.is_finite() {
            return (f64::NAN, false);
        }
        correct &= above < 0.0 || above == 0.0 && class > label;
        largest = largest.max(above);
    }
    // The only class there is.
    if largest == f64::NEG_INFINITY {
        return (0.0, correct);
    }
    let top = largest.max(0.0);
    let others = row.iter().enumerate().filter(|(class, _)| *class != label);
    let others: f64 = others.map(|(_, x)| (x - own - top).exp()).sum();
    if top > 0.0 {
        (top + (others + (-top).exp()).ln(), correct)
    } else {
        (others.ln_1p(), correct)
    }
}

/// Holds loss and correctness of each pair.
pub(crate) struct Own {
    by_pair: Vec<(f64, bool)>,
}

impl Own {
    /// Computes them from the logits `(p², p)`, for the pairs that have a label.
    pub(crate) fn of(task: &TaskPairs, logits: &[f32]) -> Own {
        let p = task.p;
        let mut by_pair = vec![(f64::NAN, false); p * p];
        let none = vec![0.0; p];
        for part in [&task.block, &task.outside] {
            let scratch = || vec![0.0; p];
            let found = part.par_iter().map_init(scratch, |scratch, (pair, label)| {
                loss_of_row(&logits[pair * p..(pair + 1) * p], *label, &none, scratch)
            });
            for ((pair, _), found) in part.iter().zip(found.collect::<Vec<_>>()) {
                by_pair[*pair] = found;
            }
        }
        Own { by_pair }
    }

    /// Returns the mean loss over these pairs; NaN without pairs.
    pub(crate) fn loss(&self, parts: &[&Pairs]) -> f64 {
        let sum: f64 = self.each(parts).map(|(loss, _)| loss).sum();
        sum / count(parts)
    }

    /// Returns the share of these pairs that are answered correctly.
    pub(crate) fn accuracy(&self, parts: &[&Pairs]) -> f64 {
        self.each(parts).filter(|(_, correct)| *correct).count() as f64 / count(parts)
    }

    fn each<'a>(&'a self, parts: &'a [&Pairs]) -> impl Iterator<Item = (f64, bool)> + 'a {
        let pairs = parts.iter().flat_map(|pairs| pairs.iter());
        pairs.map(|(pair, _)| self.by_pair[*pair])
    }
}

fn count(parts: &[&Pairs]) -> f64 {
    parts.iter().map(|pairs| pairs.len()).sum::<usize>() as f64
}

/// Returns the mean loss of logits that depend on the label alone, `(p, p)`, with `shift` `(p)`
/// added to each row; `counts` `(p)` pairs have each label. NaN without pairs.
pub(crate) fn of_labels(table: &[f64], shift: &[f64], counts: &[f64]) -> f64 {
    let p = counts.len();
    let mut row = vec![0.0; p];
    let (mut sum, mut all) = (0.0, 0.0);
    for (label, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0.0) {
        let values = table[label * p..(label + 1) * p].iter().zip(shift);
        row.iter_mut()
            .zip(values)
            .for_each(|(r, (x, s))| *r = x + s);
        sum += count * cross_entropy(&row, label).0;
        all += count;
    }
    sum / all
}

/// Returns the logits of the pairs of the block that are trained on, `(pairs, p)` in the order of
/// [`TaskPairs::train`].
pub(crate) fn train_rows(task: &TaskPairs, logits: &[f32]) -> Vec<f32> {
    let p = task.p;
    let rows = task
        .train
        .iter()
        .flat_map(|(pair, _)| &logits[pair * p..(pair + 1) * p]);
    rows.copied().collect()
}

/// Excluded losses: for each of `projections`, `(p, p)` by label and class, the mean loss of
/// logits − projection over the pairs of the block that are trained on. No bias correction.
///
/// exp(l_c − P_c) = exp(l_c) exp(−P_c), and P depends on the label alone: so all frequencies
/// together cost one exponential a logit and one product a logit and frequency.
pub(crate) fn excluded(task: &TaskPairs, rows: &[f32], projections: &[Vec<f64>]) -> Vec<f64> {
    let (p, n) = (task.p, projections.len());
    // The pairs of a label are neighbours, and so are their rows.
    let mut left = rows;
    let labels: Vec<(usize, &[f32])> = task
        .train
        .chunk_by(|(_, one), (_, next)| one == next)
        .map(|pairs| {
            let (rows, others) = left.split_at(pairs.len() * p);
            left = others;
            (pairs[0].1, rows)
        })
        .collect();
    let of = |(label, rows): &(usize, &[f32])| of_label(p, *label, rows, projections);
    let mut sums = vec![0.0; n];
    for label in labels.par_iter().map(of).collect::<Vec<_>>() {
        sums.iter_mut().zip(label).for_each(|(sum, x)| *sum += x);
    }
    let pairs = task.train.len() as f64;
    sums.into_iter().map(|sum| sum / pairs).collect()
}

/// Returns the excluded losses of rows `(…, p)` with one label, summed, for each of `projections`.
fn of_label(p: usize, label: usize, rows: &[f32], projections: &[Vec<f64>]) -> Vec<f64> {
    // exp(P_y − P_c), for each projection; 0 at the label itself.
    let mut factors = vec![0.0; projections.len() * p];
    for (projection, out) in projections.iter().zip(factors.chunks_exact_mut(p)) {
        let values = &projection[label * p..(label + 1) * p];
        let own = values[label];
        out.iter_mut()
            .zip(values)
            .for_each(|(o, x)| *o = (own - x).exp());
        out[label] = 0.0;
    }
    let (mut ratios, mut wide) = (vec![0.0; p], vec![0.0; p]);
    let mut sums = vec![0.0; projections.len()];
    for row in rows.chunks_exact(p) {
        let own = f64::from(row[label]);
        ratios
            .iter_mut()
            .zip(row)
            .for_each(|(r, x)| *r = (f64::from(*x) - own).exp());
        for ((sum, factors), projection) in sums
            .iter_mut()
            .zip(factors.chunks_exact(p))
            .zip(projections)
        {
            let others = dot(&ratios, factors);
            *sum += if others.is_finite() {
                others.ln_1p()
            } else {
                // Beyond the range of f64: in logarithms.
                let values = &projection[label * p..(label + 1) * p];
                let pairs = row.iter().zip(values);
                wide.iter_mut()
                    .zip(pairs)
                    .for_each(|(w, (x, v))| *w = f64::from(*x) - v);
                cross_entropy(&wide, label).0
            };
        }
    }
    sums
}

/// Returns Σ x y, in a fixed order that vector units can follow.
fn dot(x: &[f64], y: &[f64]) -> f64 {
    let (head_x, rest_x) = x.as_chunks::<8>();
    let (head_y, rest_y) = y.as_chunks::<8>();
    let mut lanes = [0.0; 8];
    for (x, y) in head_x.iter().zip(head_y) {
        for ((lane, x), y) in lanes.iter_mut().zip(x).zip(y) {
            *lane += x * y;
        }
    }
    let rest: f64 = rest_x.iter().zip(rest_y).map(|(x, y)| x * y).sum();
    lanes.iter().sum::<f64>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use grokrun_api::testing::task;

    #[test]
    fn losses_from_hopeless_to_certain() {
        for margin in [-800.0, -30.0, 0.5, 30.0] {
            let row = [0.1, margin, -0.3];
            let (loss, correct) = cross_entropy(&row, 1);
            let want = if margin < -100.0 {
                // ln(e^0.1 + e^−0.3) − margin
                0.1 + (1.0 + (-0.4f64).exp()).ln() - margin
            } else {
                ((0.1f64 - margin).exp() + (-0.3f64 - margin).exp()).ln_1p()
            };
            assert!((loss / want - 1.0).abs() < 1e-12, "{margin}: {loss} {want}");
            assert_eq!(correct, margin > 0.1);
        }
        assert!(cross_entropy(&[f64::NAN, 1.0], 1).0.is_nan());
        assert_eq!(cross_entropy(&[2.0], 0), (0.0, true));
    }

    #[test]
    fn excluded_losses_are_those_of_the_difference() {
        let task = task("add", 7, |a, b| Some((a + b) % 7));
        let task = TaskPairs::new("auto", &task).unwrap();
        let wave = |seed: f64| (0..49).map(move |i| 3.0 * (f64::from(i) * seed).sin());
        // The last is beyond f64's exponentials.
        let projections: Vec<Vec<f64>> = vec![
            wave(0.7).collect(),
            wave(1.3).collect(),
            wave(0.4).map(|x| 400.0 * x).collect(),
        ];
        let logits: Vec<f32> = (0..343).map(|i| (i as f32 * 0.37).cos() * 4.0).collect();
        let rows = train_rows(&task, &logits);
        let got = excluded(&task, &rows, &projections);
        for (got, projection) in got.iter().zip(&projections) {
            let mut want = 0.0;
            for (pair, label) in &task.train {
                let row: Vec<f64> = (0..7)
                    .map(|c| f64::from(logits[pair * 7 + c]) - projection[label * 7 + c])
                    .collect();
                want += cross_entropy(&row, *label).0 / task.train.len() as f64;
            }
            assert!((got / want - 1.0).abs() < 1e-12, "{got} {want}");
        }
    }
}
