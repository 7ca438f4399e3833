//! How well a number tells cells of two kinds apart: the area under the ROC curve (the probability
//! that one of the first kind has the larger number; Hanley and McNeil 1982), with the interval of
//! DeLong et al. (1988).

use crate::distributions::NORMAL_QUANTILE;

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
