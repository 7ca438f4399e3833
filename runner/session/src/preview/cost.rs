//! The time of an epoch from its operations: seconds for a unit of each kind, fitted to timings.
//!
//! Linear in the operations, with a constant for what an epoch costs however small it is (waking
//! threads, dispatches). The fit minimises relative errors, so that short epochs count as much as
//! long ones, and no coefficient is below 0. Where timings do not tell two kinds apart, a weak pull
//! holds their ratio near that of [`USUAL`]; planted coefficients come back all the same (tests).

use grokrun_engine::{Operations, Shape};
use serde::{Deserialize, Serialize};

/// The kinds of work: products forward, products backward, gathered rows, fold and unfold,
/// exponentials, AdamW, and an epoch itself.
pub(super) const KINDS: usize = 7;

/// Seconds of each kind against those of a multiply-add of the large product, where nothing else is
/// known: from the stages' times on the machines of BENCHMARKS.md. An epoch's constant differs by
/// orders of magnitude between devices, so there is no usual one.
const USUAL: [f64; KINDS] = [1.0, 1.0, 3.0, 1.5, 20.0, 8.0, 3e5];
/// The weight of the pull towards the usual ratios, against one timing.
const PULL: [f64; KINDS] = [0.03, 0.03, 0.03, 0.03, 0.03, 0.03, 0.0];
/// Passes of the descent. A pass is 49 multiply-adds; the ratios of the kinds are far from equal.
const PASSES: usize = 20_000;

/// How much of each kind an epoch has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Amounts([f64; KINDS]);

impl Amounts {
    /// Those of an epoch of so many replicas of a cell.
    pub(super) fn new(shape: &Shape, train: usize, test: usize, replicas: usize) -> Amounts {
        let o = Operations::new(shape, train, test);
        let mut amounts = [
            o.forward,
            o.backward,
            o.gather,
            o.fold,
            o.exponentials,
            o.parameters,
            0.0,
        ]
        .map(|amount| amount * replicas as f64);
        amounts[KINDS - 1] = 1.0;
        Amounts(amounts)
    }

    /// The same on a CPU, whose vectors hold sixteen classes: up to four beyond are done one by
    /// one, more take a whole vector.
    pub(super) fn in_vectors(shape: &Shape, train: usize, test: usize) -> Amounts {
        let modulus = match shape.modulus % 16 {
            0..=4 => shape.modulus,
            _ => shape.modulus.next_multiple_of(16),
        };
        Amounts::new(&Shape { modulus, ..*shape }, train, test, 1)
    }

    /// Their cost where nothing is known but the usual ratios, the constant left out.
    pub(super) fn usual(&self) -> f64 {
        let pairs = self.0.iter().zip(&USUAL).take(KINDS - 1);
        pairs.map(|(amount, usual)| amount * usual).sum()
    }
}

/// A measured epoch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timing {
    pub(super) amounts: Amounts,
    pub(super) seconds: f64,
}

/// Seconds for a unit of each kind.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Costs([f64; KINDS]);

impl Costs {
    /// The coefficients that fit the timings best; none without a timing above 0.
    pub(super) fn fit(timings: &[Timing]) -> Option<Costs> {
        let largest = timings
            .iter()
            .filter(|t| t.seconds > 0.0 && t.seconds.is_finite())
            .max_by(|a, b| a.amounts.usual().total_cmp(&b.amounts.usual()))?;
        let scale = largest.seconds / largest.amounts.usual();
        let units = USUAL.map(|usual| usual * scale);

        // In units of the usual costs: minimise Σ (Σ_j x_ij u_j / t_i − 1)² + Σ_j PULL_j
        // (u_j − 1)².
        let mut matrix = [[0.0; KINDS]; KINDS];
        let mut right = [0.0; KINDS];
        for timing in timings.iter().filter(|t| t.seconds > 0.0) {
            let mut row = timing.amounts.0;
            for (x, unit) in row.iter_mut().zip(&units) {
                *x *= unit / timing.seconds;
            }
            for j in 0..KINDS {
                right[j] += row[j];
                for k in 0..KINDS {
                    matrix[j][k] += row[j] * row[k];
                }
            }
        }
        for j in 0..KINDS {
            matrix[j][j] += PULL[j];
            right[j] += PULL[j];
        }
        let found = descend(&matrix, &right);
        let costs = Costs(std::array::from_fn(|j| found[j] * units[j]));
        costs.is_sound().then_some(costs)
    }

    /// Seconds of an epoch.
    pub(super) fn seconds(&self, amounts: &Amounts) -> f64 {
        let pairs = self.0.iter().zip(&amounts.0);
        pairs.map(|(cost, amount)| cost * amount).sum()
    }

    /// Whether these can be costs: what was kept may have been altered.
    pub(super) fn is_sound(&self) -> bool {
        let costs = self.0.iter();
        costs.clone().all(|c| c.is_finite() && *c >= 0.0) && costs.sum::<f64>() > 0.0
    }
}

/// The u ≥ 0 with the least uᵀ A u / 2 − bᵀ u, coordinate by coordinate.
fn descend(matrix: &[[f64; KINDS]; KINDS], right: &[f64; KINDS]) -> [f64; KINDS] {
    let mut found = [0.0; KINDS];
    for _ in 0..PASSES {
        for j in 0..KINDS {
            let others: f64 = (0..KINDS)
                .filter(|k| *k != j)
                .map(|k| matrix[j][k] * found[k])
                .sum();
            if matrix[j][j] > 0.0 {
                found[j] = ((right[j] - others) / matrix[j][j]).max(0.0);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preview::probe;

    const PLANTED: Costs = Costs([8e-12, 9e-12, 3e-11, 1.5e-11, 4e-10, 1e-10, 3e-5]);

    fn timings(seconds: impl Fn(&Amounts, usize) -> f64) -> Vec<Timing> {
        let probes = probe::ON_CORES.iter().enumerate();
        probes
            .map(|(i, probe)| {
                let amounts = Amounts::in_vectors(&probe.shape(), probe.train, probe.test);
                let seconds = seconds(&amounts, i);
                Timing { amounts, seconds }
            })
            .collect()
    }

    fn shape(modulus: usize, d_mlp: usize) -> Shape {
        Shape {
            modulus,
            d_mlp,
            ..probe::ON_CORES[0].shape()
        }
    }

    /// The largest factor between what was planted and what is predicted, over the grid of
    /// benches/scaling.py.
    fn worst(costs: &Costs) -> f64 {
        let mut worst: f64 = 1.0;
        for p in [23, 59, 97, 113] {
            for fraction in [0.1, 0.3, 0.8] {
                for d_mlp in [128, 512, 2048] {
                    let train = ((p * p) as f64 * fraction) as usize;
                    let amounts = Amounts::in_vectors(&shape(p, d_mlp), train, p * p - train);
                    let ratio = costs.seconds(&amounts) / PLANTED.seconds(&amounts);
                    worst = worst.max(ratio).max(1.0 / ratio);
                }
            }
        }
        worst
    }

    #[test]
    fn planted_costs_are_found_again() {
        let costs = Costs::fit(&timings(|amounts, _| PLANTED.seconds(amounts))).unwrap();
        assert!(worst(&costs) < 1.1, "{}", worst(&costs));
    }

    #[test]
    fn noise_of_ten_per_cent_moves_no_prediction_by_a_quarter() {
        let noisy = |amounts: &Amounts, i: usize| {
            PLANTED.seconds(amounts) * [1.1, 0.9, 1.0, 1.08, 0.93][i % 5]
        };
        let costs = Costs::fit(&timings(noisy)).unwrap();
        assert!(worst(&costs) < 1.25, "{}", worst(&costs));
    }

    #[test]
    fn times_that_have_nothing_to_do_with_the_work_give_other_costs() {
        // The same times, each at another probe.
        let planted = timings(|amounts, _| PLANTED.seconds(amounts));
        let swapped = |_: &Amounts, i: usize| planted[planted.len() - 1 - i].seconds;
        let costs = Costs::fit(&timings(swapped)).unwrap();
        assert!(worst(&costs) > 2.0, "{}", worst(&costs));
    }

    #[test]
    fn one_timing_is_enough_for_a_guess_and_none_is_not() {
        let all = timings(|amounts, _| PLANTED.seconds(amounts));
        let costs = Costs::fit(&all[..1]).unwrap();
        assert!(worst(&costs) < 5.0, "{}", worst(&costs));
        assert_eq!(Costs::fit(&[]), None);
    }

    #[test]
    fn more_of_anything_takes_longer() {
        let costs = Costs::fit(&timings(|amounts, _| PLANTED.seconds(amounts))).unwrap();
        let seconds = |p: usize, d_mlp: usize, train: usize| {
            costs.seconds(&Amounts::in_vectors(&shape(p, d_mlp), train, p * p - train))
        };
        assert!(seconds(59, 512, 1000) < seconds(61, 512, 1000));
        assert!(seconds(59, 512, 1000) < seconds(59, 640, 1000));
        assert!(seconds(59, 512, 1000) < seconds(59, 512, 1200));
        let of = |replicas| Amounts::new(&shape(59, 512), 1000, 1000, replicas);
        assert!(costs.seconds(&of(1)) < costs.seconds(&of(2)));
    }
}
