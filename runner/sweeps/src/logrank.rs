//! Whether groups of cells differ in when an event happens to them: the log-rank test (Mantel
//! 1966, Peto and Peto 1972) with the hypergeometric variance.

use std::fmt;

use crate::Observation;
use crate::distributions::chi_square_tail;

/// What the log-rank test says.
#[derive(Clone, Debug, PartialEq)]
pub struct LogRank {
    /// of each group that has cells, in order: events that happened, and those expected if the
    /// groups did not differ
    pub groups: Vec<[f64; 2]>,
    /// the statistic, of the χ² distribution if they do not differ
    pub chi_square: f64,
    /// its degrees of freedom: one less than the groups
    pub freedom: usize,
    /// the probability of a statistic as large if they do not differ
    pub p: f64,
}

impl fmt::Display for LogRank {
    /// As `log-rank test of equal epochs: χ² = 16.79 of 1 degree of freedom, p = 4.2e-5`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let degrees = if self.freedom == 1 {
            "degree"
        } else {
            "degrees"
        };
        write!(
            f,
            "log-rank test of equal epochs: χ² = {:.2} of {} {degrees} of freedom, p = ",
            self.chi_square, self.freedom
        )?;
        if self.p < 1e-4 {
            write!(f, "{:.1e}", self.p)
        } else {
            write!(f, "{:.4}", self.p)
        }
    }
}

/// Tests groups of observations; groups without any are left out. `None` for fewer than two
/// groups, and where nothing can be told: no event, or none while two groups were watched.
pub fn log_rank(groups: &[Vec<Observation>]) -> Option<LogRank> {
    let groups: Vec<&Vec<Observation>> = groups.iter().filter(|group| !group.is_empty()).collect();
    let count = groups.len();
    if count < 2 {
        return None;
    }
    let mut all: Vec<(f64, bool, usize)> = groups
        .iter()
        .enumerate()
        .flat_map(|(g, group)| group.iter().map(move |one| (one.time, one.happened, g)))
        .filter(|(time, ..)| !time.is_nan())
        .collect();
    all.sort_by(|one, other| one.0.total_cmp(&other.0));
    let mut left = vec![0.0; count];
    all.iter().for_each(|(.., g)| left[*g] += 1.0);
    let mut table = vec![[0.0; 2]; count];
    let mut variance = vec![vec![0.0; count]; count];
    for same in all.chunk_by(|one, other| one.0 == other.0) {
        let n: f64 = left.iter().sum();
        let d = same.iter().filter(|one| one.1).count() as f64;
        for one in same.iter().filter(|one| one.1) {
            table[one.2][0] += 1.0;
        }
        for (row, at_risk) in table.iter_mut().zip(&left) {
            row[1] += d * at_risk / n;
        }
        if n > 1.0 {
            let scale = d * (n - d) / (n - 1.0);
            for (g, row) in variance.iter_mut().enumerate() {
                for (h, value) in row.iter_mut().enumerate() {
                    let own = if g == h { 1.0 } else { 0.0 };
                    *value += scale * left[g] / n * (own - left[h] / n);
                }
            }
        }
        same.iter().for_each(|(.., g)| left[*g] -= 1.0);
    }
    let difference: Vec<f64> = table
        .iter()
        .map(|[seen, expected]| seen - expected)
        .collect();
    // The rows sum to 0: the last group follows from the others.
    variance.pop();
    variance.iter_mut().for_each(|row| row.truncate(count - 1));
    let solved = solve(variance, difference[..count - 1].to_vec())?;
    let chi_square: f64 = solved.iter().zip(&difference).map(|(x, d)| x * d).sum();
    Some(LogRank {
        groups: table,
        chi_square,
        freedom: count - 1,
        p: chi_square_tail(chi_square, count - 1),
    })
}

/// Solves a symmetric system by elimination with pivots; `None` where it is singular.
fn solve(mut matrix: Vec<Vec<f64>>, mut right: Vec<f64>) -> Option<Vec<f64>> {
    let n = right.len();
    let largest = matrix.iter().flatten().fold(0.0f64, |m, x| m.max(x.abs()));
    for k in 0..n {
        let pivot = (k..n).max_by(|i, j| matrix[*i][k].abs().total_cmp(&matrix[*j][k].abs()))?;
        if matrix[pivot][k].abs() <= 1e-12 * largest {
            return None;
        }
        matrix.swap(k, pivot);
        right.swap(k, pivot);
        let (above, below) = matrix.split_at_mut(k + 1);
        for (row, i) in below.iter_mut().zip(k + 1..) {
            let factor = row[k] / above[k][k];
            for (value, of) in row.iter_mut().zip(&above[k]).skip(k) {
                *value -= factor * of;
            }
            right[i] -= factor * right[k];
        }
    }
    for k in (0..n).rev() {
        let rest: f64 = (k + 1..n).map(|j| matrix[k][j] * right[j]).sum();
        right[k] = (right[k] - rest) / matrix[k][k];
    }
    Some(right)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::survival::tests::{placebo, treated};

    #[test]
    fn the_textbooks_test_comes_back() {
        let found = log_rank(&[treated(), placebo()]).unwrap();
        // R: survdiff of the same 42 children.
        assert_eq!((found.groups[0][0], found.groups[1][0]), (9.0, 21.0));
        assert!((found.groups[0][1] - 19.25).abs() < 5e-3, "{found:?}");
        assert!((found.groups[1][1] - 10.75).abs() < 5e-3, "{found:?}");
        assert!((found.chi_square - 16.79).abs() < 5e-3, "{found:?}");
        assert!((found.p - 4.17e-5).abs() < 1e-6, "{found:?}");
        let words = "log-rank test of equal epochs: χ² = 16.79 of 1 degree of freedom, p = 4.2e-5";
        assert_eq!(found.to_string(), words);
        let swapped = log_rank(&[placebo(), Vec::new(), treated()]).unwrap();
        assert!((swapped.chi_square - found.chi_square).abs() < 1e-9);
    }

    #[test]
    fn equal_groups_do_not_differ_and_three_have_two_degrees() {
        let found = log_rank(&[treated(), treated(), treated()]).unwrap();
        assert!(found.chi_square.abs() < 1e-9 && found.p > 0.999_999);
        assert_eq!(found.freedom, 2);
        // A split of one group in two that differ from nothing leaves the other's difference.
        let found = log_rank(&[treated(), placebo(), placebo()]).unwrap();
        assert!(found.p < 1e-3, "{found:?}");
    }

    #[test]
    fn where_nothing_happened_nothing_is_concluded() {
        let never = vec![Observation::censored(900.0); 3];
        assert_eq!(log_rank(&[never.clone(), never.clone()]), None);
        assert_eq!(log_rank(&[treated(), Vec::new()]), None);
        // The event came when the other group was gone.
        let early = vec![Observation::censored(1.0)];
        assert_eq!(log_rank(&[early, vec![Observation::event(2.0)]]), None);
    }
}
