//! How well a number tells cells of two kinds apart: the area under the ROC curve (the probability
//! that one of the first kind has the larger number; Hanley and McNeil 1982), with the interval of
//! DeLong et al. (1988).

use crate::distributions::{NORMAL_QUANTILE, chi_square_tail, student_quantile};

/// An area under the ROC curve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Auc {
    /// 0.5 where the number tells nothing, 1 where it is larger in every cell of the first kind
    pub value: f64,
    /// the ends of the 95 % interval, by the logit so that it stays between 0 and 1; none where
    /// the area is 0 or 1, or a kind has a single cell: there is no estimate of its error
    pub interval: Option<[f64; 2]>,
}

/// The area for numbers of cells of the first and of the second kind; equal numbers count half.
/// Numbers that are none are left out; `None` where a kind has no cell.
pub fn auc(first: &[f64], second: &[f64]) -> Option<Auc> {
    let known = |all: &[f64]| {
        all.iter()
            .copied()
            .filter(|x| !x.is_nan())
            .collect::<Vec<f64>>()
    };
    let (first, second) = (known(first), known(second));
    if first.is_empty() || second.is_empty() {
        return None;
    }
    let wins = |one: f64, other: f64| match () {
        () if one > other => 1.0,
        () if one == other => 0.5,
        () => 0.0,
    };
    let mean = |sum: f64, count: usize| sum / count as f64;
    // Of each cell the share of cells of the other kind that are on the right side of it.
    let of_first: Vec<f64> = first
        .iter()
        .map(|one| {
            mean(
                second.iter().map(|other| wins(*one, *other)).sum(),
                second.len(),
            )
        })
        .collect();
    let of_second: Vec<f64> = second
        .iter()
        .map(|other| {
            mean(
                first.iter().map(|one| wins(*one, *other)).sum(),
                first.len(),
            )
        })
        .collect();
    let value = mean(of_first.iter().sum(), first.len());
    let variance = |shares: &[f64]| {
        let squares: f64 = shares.iter().map(|share| (share - value).powi(2)).sum();
        squares / (shares.len() - 1) as f64 / shares.len() as f64
    };
    let interval = (first.len() > 1 && second.len() > 1 && value > 0.0 && value < 1.0).then(|| {
        let error = (variance(&of_first) + variance(&of_second)).sqrt();
        let width = NORMAL_QUANTILE * error / (value * (1.0 - value));
        let logit = (value / (1.0 - value)).ln();
        [logit - width, logit + width].map(|end| 1.0 / (1.0 + (-end).exp()))
    });
    Some(Auc { value, interval })
}

/// An area under the ROC curve over several groups, in each of which the pairs are made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stratified {
    /// of all pairs of all groups, the share in which the first kind has the larger number
    pub value: f64,
    /// the ends of the 95 % interval, from how the groups differ (Student's t); none of fewer than
    /// four groups
    pub interval: Option<[f64; 2]>,
    /// the probability of an area as far from 0.5 where the numbers tell nothing: the sum of Mann
    /// and Whitney's statistics (1947) against its normal limit, with the correction for ties
    pub p: f64,
    /// groups with numbers of both kinds
    pub groups: usize,
}

/// The area over groups, each with the numbers of its first and of its second kind. Numbers that
/// are none are left out, and groups without both kinds; `None` where no group is left, or all
/// numbers of each are equal.
pub fn stratified_auc(groups: &[(Vec<f64>, Vec<f64>)]) -> Option<Stratified> {
    let known = |all: &[f64]| -> Vec<f64> { all.iter().copied().filter(|x| !x.is_nan()).collect() };
    let (mut areas, mut weights, mut variance) = (Vec::new(), Vec::new(), 0.0);
    for (first, second) in groups {
        let (first, second) = (known(first), known(second));
        let Some(area) = auc(&first, &second) else {
            continue;
        };
        let pairs = (first.len() * second.len()) as f64;
        areas.push(area.value);
        weights.push(pairs);
        variance += pairs / 12.0 * spread_of_ranks(&[first, second].concat());
    }
    let total: f64 = weights.iter().sum();
    if variance <= 0.0 {
        return None;
    }
    let weighted = areas.iter().zip(&weights);
    let value = weighted
        .clone()
        .map(|(area, weight)| area * weight)
        .sum::<f64>()
        / total;
    let z = (value - 0.5) * total / variance.sqrt();
    let groups = areas.len();
    let interval = (groups > 3).then(|| {
        let squares: f64 = weighted
            .map(|(area, weight)| (weight / total * (area - value)).powi(2))
            .sum();
        let count = groups as f64;
        let error = (squares * count / (count - 1.0)).sqrt();
        let width = student_quantile(groups - 1) * error;
        [(value - width).max(0.0), (value + width).min(1.0)]
    });
    Some(Stratified {
        value,
        interval,
        p: chi_square_tail(z * z, 1),
        groups,
    })
}

/// N + 1, less what equal numbers take of it: twelve times the variance of the statistic, for each
/// pair. 0 where all numbers are equal.
fn spread_of_ranks(all: &[f64]) -> f64 {
    let mut sorted = all.to_vec();
    sorted.sort_by(f64::total_cmp);
    let count = sorted.len() as f64;
    let ties: f64 = sorted
        .chunk_by(|one, other| one == other)
        .map(|equal| (equal.len() as f64).powi(3) - equal.len() as f64)
        .sum();
    count + 1.0 - ties / (count * (count - 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas_are_counts_of_pairs() {
        let found = auc(&[3.0, 4.0, 5.0], &[1.0, 2.0, 3.5]).unwrap();
        assert!((found.value - 8.0 / 9.0).abs() < 1e-12);
        // DeLong by hand: shares 2/3, 1, 1 and 1, 1, 2/3, each with variance 1/27, over 3 cells.
        let error = (2.0f64 / 81.0).sqrt();
        let width = NORMAL_QUANTILE * error / (8.0 / 81.0);
        let low = 1.0 / (1.0 + (-(8.0f64.ln() - width)).exp());
        assert!((found.interval.unwrap()[0] - low).abs() < 1e-9, "{found:?}");
        assert_eq!(auc(&[1.0, 2.0], &[1.0, 2.0]).unwrap().value, 0.5);
        assert_eq!(
            auc(&[2.0], &[1.0, f64::NAN]),
            Some(Auc {
                value: 1.0,
                interval: None
            })
        );
        assert_eq!(auc(&[], &[1.0]), None);
    }

    #[test]
    fn areas_over_groups_are_sums_of_pairs() {
        // 2 of 2 and 1 of 3 pairs; variances 2·4/12 and 3·5/12.
        let groups = [
            (vec![5.0], vec![1.0, 2.0]),
            (vec![20.0], vec![10.0, 30.0, 40.0]),
            (vec![1.0], vec![f64::NAN]),
        ];
        let found = stratified_auc(&groups).unwrap();
        assert!((found.value - 0.6).abs() < 1e-12, "{found:?}");
        assert_eq!((found.groups, found.interval), (2, None));
        let z: f64 = 0.5 / (8.0f64 / 12.0 + 15.0 / 12.0).sqrt();
        assert!((found.p - chi_square_tail(z * z, 1)).abs() < 1e-12);
        // Larger numbers in the other group are no evidence; nor are equal ones.
        assert_eq!(stratified_auc(&[(vec![1.0], vec![1.0, 1.0])]), None);
        // Ties: 1, 1 and 2 of one group. N + 1 − 6/6 = 3.
        assert!((spread_of_ranks(&[1.0, 2.0, 1.0]) - 3.0).abs() < 1e-12);
    }

    #[test]
    fn intervals_over_groups_hold_what_is_planted() {
        // Of ten numbers in each group the first kind has number i mod 10, or the largest.
        let group = |key: usize| {
            let others = (0..10).filter(|i| *i != key).map(|i| i as f64).collect();
            (vec![key as f64], others)
        };
        let chance: Vec<_> = (0..30).map(|i| group(i % 10)).collect();
        let found = stratified_auc(&chance).unwrap();
        assert!(
            (found.value - 0.5).abs() < 1e-12 && found.p > 0.99,
            "{found:?}"
        );
        let [low, high] = found.interval.unwrap();
        assert!(low > 0.35 && high < 0.65 && low < 0.5 && high > 0.5);
        let ordered: Vec<_> = (0..30).map(|i| group(9 - i % 3)).collect();
        let found = stratified_auc(&ordered).unwrap();
        assert!((found.value - 8.0 / 9.0).abs() < 1e-12, "{found:?}");
        assert!(found.p < 1e-6 && found.interval.unwrap()[0] > 0.8);
    }

    /// Numbers of two kinds that lie a known distance apart.
    #[test]
    fn a_planted_shift_has_its_area() {
        // Quantiles of two uniform distributions, 0 to 1 and 0.3 to 1.3: 1 − 0.7² / 2.
        let of = |shift: f64| {
            (0..200)
                .map(|i| (f64::from(i) + 0.5) / 200.0 + shift)
                .collect()
        };
        let (first, second): (Vec<f64>, Vec<f64>) = (of(0.3), of(0.0));
        let found = auc(&first, &second).unwrap();
        assert!((found.value - 0.755).abs() < 2e-3, "{found:?}");
        let [low, high] = found.interval.unwrap();
        assert!(
            low < 0.755 && 0.755 < high && high - low < 0.12,
            "{found:?}"
        );
    }
}
