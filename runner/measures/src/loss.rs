//! Computes loss and accuracy of logits, as accurate as float64's, and the bias correction of the
//! papers.

use grokrun_api::Task;
use grokrun_basis::{Simd, WithSimd, vectorized};
use rayon::prelude::*;

/// How many rows' losses are summed before they are added to those of others: a fixed number, so
/// that no sum depends on the number of threads.
const BLOCK: usize = 512;

/// Selects rows of a table over pairs `(p², …)`, with the label of each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    at: Vec<(usize, usize)>,
    classes: usize,
}

impl Rows {
    /// Selects these pairs, indices a·p + b; a pair without label does not count.
    pub fn new(task: &Task, pairs: impl IntoIterator<Item = usize>) -> Rows {
        let label = |pair: usize| {
            let label = *task.labels.get(pair)?;
            Some((pair, label? as usize)).filter(|(_, label)| *label < task.modulus)
        };
        Rows {
            at: pairs.into_iter().filter_map(label).collect(),
            classes: task.modulus,
        }
    }

    /// Selects the same rows in tables that hold only them, one below the other, as [`Rows::take`]
    /// makes them.
    #[must_use]
    pub fn renumbered(&self) -> Rows {
        let labels = self.at.iter().map(|(_, label)| *label);
        Rows {
            at: labels.enumerate().collect(),
            classes: self.classes,
        }
    }

    /// Selects the pairs that are trained on.
    pub fn train(task: &Task) -> Rows {
        Rows::new(task, task.train.iter().map(|pair| *pair as usize))
    }

    /// Selects the pairs that are tested on.
    pub fn test(task: &Task) -> Rows {
        Rows::new(task, task.test.iter().map(|pair| *pair as usize))
    }

    /// Selects all pairs that have a label.
    pub fn all(task: &Task) -> Rows {
        Rows::new(task, 0..task.pairs())
    }

    /// Returns how many rows there are.
    pub fn len(&self) -> usize {
        self.at.len()
    }

    /// Says whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.at.is_empty()
    }

    /// Returns the pairs, in order.
    pub fn pairs(&self) -> impl Iterator<Item = usize> + '_ {
        self.at.iter().map(|(pair, _)| *pair)
    }

    /// Returns the rows of a table with `width` numbers a pair, `(p², width)`, one below the other.
    pub fn take(&self, table: &[f32], width: usize) -> Vec<f32> {
        let mut rows = Vec::with_capacity(self.len() * width);
        for pair in self.pairs() {
            rows.extend_from_slice(&table[pair * width..(pair + 1) * width]);
        }
        rows
    }

    /// Returns loss and accuracy of the logits of all pairs `(p², p)`, each class shifted by
    /// `shift`.
    pub fn score(&self, logits: &[f32], shift: &Shift) -> Score {
        let p = self.classes;
        self.score_by(
            |pair, row| row.copy_from_slice(&logits[pair * p..(pair + 1) * p]),
            shift,
        )
    }

    /// Returns the same for logits that are made row by row: `fill(pair, row)` writes `row`, `(p)`.
    pub fn score_by(&self, fill: impl Fn(usize, &mut [f32]) + Sync, shift: &Shift) -> Score {
        let block = |rows: &[(usize, usize)]| {
            let mut row = vec![0.0f32; self.classes];
            let mut scratch = vec![0.0f64; self.classes];
            let (mut loss, mut correct) = (0.0, 0usize);
            for (pair, label) in rows {
                fill(*pair, &mut row);
                let (own_loss, own_correct) =
                    loss_of_row(&row, *label, &shift.by_class, &mut scratch);
                loss += own_loss;
                correct += usize::from(own_correct);
            }
            (loss, correct)
        };
        let blocks: Vec<(f64, usize)> = self.at.par_chunks(BLOCK).map(block).collect();
        let (mut loss, mut correct) = (0.0, 0usize);
        for (own_loss, own_correct) in blocks {
            loss += own_loss;
            correct += own_correct;
        }
        let count = self.len() as f64;
        Score {
            loss: loss / count,
            accuracy: correct as f64 / count,
        }
    }
}

/// Holds mean cross-entropy and the share of rows whose largest logit is the label's; NaN without
/// rows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Score {
    /// −log softmax(l)_y, mean over rows
    pub loss: f64,
    /// share of rows whose largest logit is the label's; ties go to the first class, as in torch
    pub accuracy: f64,
}

/// Holds what is added to each class before the loss: the bias correction L ← L + mean(L_orig − L)
/// of the papers (doc/definitions.md#losses-of-changed-logits).
#[derive(Clone, Debug, PartialEq)]
pub struct Shift {
    /// `(p)`
    by_class: Vec<f64>,
}

impl Shift {
    /// Adds nothing.
    pub fn none(classes: usize) -> Shift {
        Shift {
            by_class: vec![0.0; classes],
        }
    }

    /// Adds these numbers, one a class, `(p)`.
    pub fn of(by_class: Vec<f64>) -> Shift {
        Shift { by_class }
    }

    /// Adds the mean over these rows of `to − from`, both `(p², p)`.
    pub fn between(rows: &Rows, from: &[f32], to: &[f32]) -> Shift {
        let p = rows.classes;
        let mut sums = vec![0.0; p];
        vectorized(|| {
            for pair in rows.pairs() {
                let (from, to) = (&from[pair * p..][..p], &to[pair * p..][..p]);
                for (sum, (from, to)) in sums.iter_mut().zip(from.iter().zip(to)) {
                    *sum += f64::from(*to) - f64::from(*from);
                }
            }
        });
        sums.iter_mut()
            .for_each(|sum| *sum /= rows.len().max(1) as f64);
        Shift { by_class: sums }
    }

    /// Returns what is added to each class, `(p)`.
    pub fn by_class(&self) -> &[f64] {
        &self.by_class
    }
}

/// Returns −log softmax(l + shift)_y of one row of logits `(p)`, and whether the largest is the
/// label's. The label's class is left out of the sum, so that small losses are accurate
/// (doc/model.md#loss); an f32 holds e^x to 1e-7 of itself, which is all that the loss needs.
/// `above`, `(p)`, is scratch. The loops over it are plain, so that they compile to vectors:
/// analyses that try many variants of the logits spend most of their time here.
pub fn loss_of_row(row: &[f32], label: usize, shift: &[f64], above: &mut [f64]) -> (f64, bool) {
    vectorized(One {
        row,
        label,
        shift,
        above,
    })
}

struct One<'a> {
    row: &'a [f32],
    label: usize,
    shift: &'a [f64],
    above: &'a mut [f64],
}

impl WithSimd for One<'_> {
    type Output = (f64, bool);

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> (f64, bool) {
        let One {
            row,
            label,
            shift,
            above,
        } = self;
        let own = f64::from(row[label]) + shift[label];
        for (above, (x, s)) in above.iter_mut().zip(row.iter().zip(shift)) {
            *above = f64::from(*x) + s - own;
        }
        // Whatever is not finite is NaN after this, not even 0.
        let finite = lanes(above, 0.0, |sum, x| sum + x * 0.0);
        if finite.into_iter().sum::<f64>() != 0.0 || finite.iter().any(|x| x.is_nan()) {
            return (f64::NAN, false);
        }
        above[label] = f64::NEG_INFINITY;
        let larger = |x: f64, y: f64| if x > y { x } else { y };
        let best = lanes(above, f64::NEG_INFINITY, larger);
        let best = best.into_iter().fold(f64::NEG_INFINITY, larger);
        // Ties go to the first class.
        let correct = best < 0.0 || best == 0.0 && !above[..label].contains(&0.0);
        let largest = larger(best, 0.0);
        let others = lanes(above, 0.0, |sum, x| {
            sum + f64::from(exp((x - largest) as f32))
        });
        let others: f64 = others.into_iter().sum();
        let loss = if largest > 0.0 {
            largest + (others + (-largest).exp()).ln()
        } else {
            others.ln_1p()
        };
        (loss, correct)
    }
}

/// How many accumulators stand side by side, so that none has to wait for another; the order is the
/// same whatever they compile to.
const LANES: usize = 8;

/// Folds every eighth number, from each of the first eight.
#[inline(always)]
fn lanes(values: &[f64], start: f64, fold: impl Fn(f64, f64) -> f64) -> [f64; LANES] {
    let mut sums = [start; LANES];
    let (whole, rest) = values.as_chunks::<LANES>();
    for chunk in whole {
        for (sum, x) in sums.iter_mut().zip(chunk) {
            *sum = fold(*sum, *x);
        }
    }
    for (sum, x) in sums.iter_mut().zip(rest) {
        *sum = fold(*sum, *x);
    }
    sums
}

/// Returns e^x for x ≤ 0, to 2e-7 of itself; 0 below −87, where only denormal f32 are left. e^x =
/// 2^n e^r with |r| ≤ ln 2 / 2 and the Taylor polynomial of e^r; without branches, so that loops of
/// it compile to vectors.
#[inline(always)]
fn exp(x: f32) -> f32 {
    // Adding and subtracting 1.5·2²³ rounds to the nearest integer.
    const ROUND: f32 = 12_582_912.0;
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    let clamped = if x > -87.0 { x } else { -87.0 };
    let rounded = clamped * std::f32::consts::LOG2_E + ROUND;
    let n = rounded - ROUND;
    let r = (clamped - n * LN_2_HIGH) - n * LN_2_LOW;
    let tail = 1.0 / 6.0 + r * (1.0 / 24.0 + r * (1.0 / 120.0 + r * (1.0 / 720.0 + r / 5040.0)));
    let e_r = 1.0 + r * (1.0 + r * (0.5 + r * tail));
    // The last bits of the rounded number are n; no bit of 1.5·2²³ is among the last nine.
    let two_n = f32::from_bits(rounded.to_bits().wrapping_add(127) << 23);
    let e_x = e_r * two_n;
    if x > -87.0 { e_x } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use grokrun_api::testing;

    fn reference(row: &[f64], label: usize) -> f64 {
        let others: f64 = (0..row.len())
            .filter(|j| *j != label)
            .map(|j| (row[j] - row[label]).exp())
            .sum();
        others.ln_1p()
    }

    #[test]
    fn losses_from_hopeless_to_certain_agree_with_f64() {
        let task = testing::task("add", 5, |a, b| (a != 4).then_some((a + b) % 5));
        let rows = Rows::all(&task);
        assert_eq!(rows.len(), 20);
        for margin in [-30.0, -1.0, 1.0, 15.0, 30.0] {
            let mut logits: Vec<f32> = (0..125).map(|i| (i as f32 * 0.37).sin()).collect();
            let mut want = 0.0;
            for (pair, label) in &rows.at {
                logits[pair * 5 + label] += margin;
                let row: Vec<f64> = logits[pair * 5..][..5]
                    .iter()
                    .map(|x| f64::from(*x))
                    .collect();
                want += reference(&row, *label) / 20.0;
            }
            let got = rows.score(&logits, &Shift::none(5));
            assert!(
                (got.loss - want).abs() < 1e-6 * want,
                "{margin}: {} {want}",
                got.loss
            );
            if margin.abs() > 2.0 {
                assert_eq!(got.accuracy, if margin > 0.0 { 1.0 } else { 0.0 });
            }
        }
    }

    #[test]
    fn exponentials_are_those_of_f64() {
        for i in 0..=87_000 {
            let x = -(i as f32) / 1000.0;
            let want = f64::from(x).exp();
            let got = f64::from(exp(x));
            let near = (got - want).abs() < 2e-7 * want || x <= -87.0 && got == 0.0;
            assert!(near, "{x}: {got} {want}");
        }
        assert_eq!(
            [exp(f32::NEG_INFINITY), exp(-200.0), exp(0.0)],
            [0.0, 0.0, 1.0]
        );
    }

    #[test]
    fn ties_go_to_the_first_class() {
        let mut scratch = [0.0; 3];
        let mut right = |row: [f32; 3], label| loss_of_row(&row, label, &[0.0; 3], &mut scratch).1;
        assert!(right([1.0, 1.0, 0.0], 0) && !right([1.0, 1.0, 0.0], 1));
        assert!(right([0.0, 1.0, 1.0], 1) && !right([0.0, 1.0, 1.0], 2));
    }

    #[test]
    fn a_shift_undoes_what_every_row_shares() {
        let task = testing::task("add", 5, |a, b| Some((a + b) % 5));
        let rows = Rows::train(&task);
        let to: Vec<f32> = (0..125).map(|i| (i as f32 * 0.7).cos()).collect();
        let from: Vec<f32> = to
            .iter()
            .enumerate()
            .map(|(i, x)| x + (i % 5) as f32)
            .collect();
        let shift = Shift::between(&rows, &from, &to);
        for (class, got) in shift.by_class().iter().enumerate() {
            assert!((got + class as f64).abs() < 1e-6);
        }
        let (got, want) = (rows.score(&from, &shift), rows.score(&to, &Shift::none(5)));
        assert!((got.loss - want.loss).abs() < 1e-6);
        let few = rows.take(&to, 5);
        assert_eq!(few.len(), rows.len() * 5);
        assert_eq!(rows.renumbered().score(&few, &Shift::none(5)), want);
    }

    #[test]
    fn what_is_not_a_number_is_not_hidden() {
        let task = testing::task("add", 3, |a, b| Some((a + b) % 3));
        let score = Rows::all(&task).score(&[f32::NAN; 27], &Shift::none(3));
        assert!(score.loss.is_nan() && score.accuracy == 0.0);
        let mut one_is_infinite = [0.0; 27];
        one_is_infinite[20] = f32::INFINITY;
        let score = Rows::all(&task).score(&one_is_infinite, &Shift::none(3));
        assert!(score.loss.is_nan());
        let none = Rows::default().score(&[], &Shift::none(0));
        assert!(none.loss.is_nan());
    }
}
