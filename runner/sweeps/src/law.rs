//! A delay that falls with a setting as a power: T(r) = a r^−γ + b (Notsawo et al. 2023 for the
//! fraction; γ = 1 for the weight decay and the learning rate by the delay laws of 2026).
//!
//! Delays spread over orders of magnitude, so their logarithms are fitted: log T is normal around
//! log(a r^−γ + b). A cell whose delay is only known from below counts with the probability of a
//! longer one (Tobin 1958). a, γ, b ≥ 0 and the spread are those of the largest likelihood; their
//! intervals are those of the profile likelihood, with Student's quantile for the few cells.

use crate::Observation;
use crate::distributions::{log_normal_tail, student_quantile};
use crate::minimum::minimum;

/// The fewest cells whose delay is known that a law is fitted to, and the fewest values of the
/// setting that they have.
const FEWEST: usize = 4;
const FEWEST_VALUES: usize = 3;
/// The smallest spread of log T: that of delays counted in whole epochs.
const LEAST_SPREAD: f64 = 1e-4;
/// How far an interval of γ is looked for, and into how many parts it is cut at last.
const FURTHEST: f64 = 20.0;
const HALVINGS: usize = 40;

/// A number with its 95 % interval; an end that is not known is none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// the number
    pub value: f64,
    /// the lower end
    pub low: Option<f64>,
    /// the upper end
    pub high: Option<f64>,
}

/// A law that was fitted.
#[derive(Clone, Debug, PartialEq)]
pub struct PowerLaw {
    /// the factor a, in epochs
    pub factor: f64,
    /// the exponent γ
    pub exponent: Interval,
    /// the delay b that is left for large r, in epochs, 0 or more
    pub offset: f64,
    /// the standard deviation of log T around the law
    pub spread: f64,
    /// the share of the variance of log T that the law explains, of the cells whose delay is known
    pub r_squared: f64,
    /// cells whose delay is known
    pub known: usize,
    /// cells whose delay is only known from below
    pub censored: usize,
}

impl PowerLaw {
    /// The delay that the law has for a setting, in epochs.
    pub fn at(&self, r: f64) -> f64 {
        self.factor * r.powf(-self.exponent.value) + self.offset
    }
}

/// Fits delays, in epochs, to a setting r > 0. A delay below one epoch counts as one: it cannot be
/// told from it.
///
/// # Errors
/// Why there is no fit: too few cells or values, or delays that are all the same.
pub fn fit_power_law(points: &[(f64, Observation)]) -> Result<PowerLaw, String> {
    let usable = |(r, one): &&(f64, Observation)| *r > 0.0 && r.is_finite() && one.time.is_finite();
    let cells: Vec<Point> = points.iter().filter(usable).map(Point::of).collect();
    let known: Vec<&Point> = cells.iter().filter(|cell| cell.happened).collect();
    let mut values: Vec<f64> = known.iter().map(|cell| cell.log_r).collect();
    values.sort_by(f64::total_cmp);
    values.dedup();
    if known.len() < FEWEST || values.len() < FEWEST_VALUES {
        return Err(format!(
            "{} delays are known, at {} values of the setting; expected {FEWEST} or more, at \
             {FEWEST_VALUES} values or more",
            known.len(),
            values.len()
        ));
    }
    let mean = known.iter().map(|cell| cell.log_t).sum::<f64>() / known.len() as f64;
    let total: f64 = known.iter().map(|cell| (cell.log_t - mean).powi(2)).sum();
    // For rounding alone: the smallest spread that is told apart is larger.
    if total <= known.len() as f64 * LEAST_SPREAD.powi(2) {
        return Err("all known delays are the same".to_owned());
    }
    let fit = Fit::new(cells);
    let known: Vec<&Point> = fit.cells.iter().filter(|cell| cell.happened).collect();
    let best = fit.best(None);
    let law = |x: &[f64], log_r: f64| Fit::law(x, log_r);
    let rest: f64 = known
        .iter()
        .map(|cell| (cell.log_t - law(&best.at, cell.log_r)).powi(2))
        .sum();
    let free = known.len().saturating_sub(3);
    // 2 (ℓ − ℓ_max) of a normal regression in terms of Student's t.
    let allowed = (free >= 3).then(|| {
        let count = known.len() as f64;
        0.5 * count * (1.0 + student_quantile(free).powi(2) / free as f64).ln()
    });
    let gamma = best.at[1];
    let end = |sign: f64| allowed.and_then(|allowed| fit.end_of_exponent(&best, sign, allowed));
    // The factor belongs to r = 1, the fit to the middle of the settings.
    let factor = (best.at[0] + gamma * fit.middle).exp();
    Ok(PowerLaw {
        factor,
        exponent: Interval {
            value: gamma,
            low: end(-1.0),
            high: end(1.0),
        },
        offset: fit.offset(&best.at),
        spread: fit.spread(&best.at),
        r_squared: 1.0 - rest / total,
        known: known.len(),
        censored: fit.cells.len() - known.len(),
    })
}

/// A cell's setting and delay, as logarithms.
struct Point {
    log_r: f64,
    log_t: f64,
    happened: bool,
}

impl Point {
    fn of((r, one): &(f64, Observation)) -> Point {
        Point {
            log_r: r.ln(),
            log_t: one.time.max(1.0).ln(),
            happened: one.happened,
        }
    }
}

/// The place of the largest likelihood, and the negative of its logarithm.
struct Best {
    /// log of a r^−γ in the middle of the settings, γ, log b in units of that, log of the spread
    at: Vec<f64>,
    value: f64,
}

struct Fit {
    cells: Vec<Point>,
    /// the mean of log r of known delays
    middle: f64,
}

impl Fit {
    fn new(mut cells: Vec<Point>) -> Fit {
        let known: Vec<f64> = cells
            .iter()
            .filter(|c| c.happened)
            .map(|c| c.log_r)
            .collect();
        let middle = known.iter().sum::<f64>() / known.len().max(1) as f64;
        cells.iter_mut().for_each(|cell| cell.log_r -= middle);
        Fit { cells, middle }
    }

    /// log(a r^−γ + b), where r is counted from the middle.
    fn law(x: &[f64], log_r: f64) -> f64 {
        let power = x[0] - x[1] * log_r;
        let offset = x[0] + x[2];
        let larger = power.max(offset);
        larger + ((power - larger).exp() + (offset - larger).exp()).ln()
    }

    fn offset(&self, x: &[f64]) -> f64 {
        (x[0] + x[2]).exp()
    }

    fn spread(&self, x: &[f64]) -> f64 {
        x[3].exp().max(LEAST_SPREAD)
    }

    /// The negative logarithm of the likelihood.
    fn value(&self, x: &[f64]) -> f64 {
        let spread = self.spread(x);
        let of = |cell: &Point| {
            let z = (cell.log_t - Fit::law(x, cell.log_r)) / spread;
            if cell.happened {
                0.5 * z * z + spread.ln()
            } else {
                -log_normal_tail(z)
            }
        };
        self.cells.iter().map(of).sum()
    }

    /// The best place, with this exponent where it is given. It is looked for from a straight line
    /// in logarithms, with no offset and with a large one.
    fn best(&self, exponent: Option<f64>) -> Best {
        let known = || self.cells.iter().filter(|cell| cell.happened);
        let count = known().count() as f64;
        let mean = known().map(|c| c.log_t).sum::<f64>() / count;
        let squares: f64 = known().map(|c| c.log_r.powi(2)).sum();
        let product: f64 = known().map(|c| c.log_r * (c.log_t - mean)).sum();
        let slope = if squares > 0.0 {
            -product / squares
        } else {
            0.0
        };
        let mut found: Option<Best> = None;
        for offset in [-12.0, -3.0, 0.0] {
            for steeper in [1.0, 2.0] {
                let full = |x: &[f64]| -> Vec<f64> {
                    match exponent {
                        Some(gamma) => vec![x[0], gamma, x[1], x[2]],
                        None => x.to_vec(),
                    }
                };
                let (mut start, mut steps) = (vec![mean], vec![0.5]);
                if exponent.is_none() {
                    start.push(slope * steeper);
                    steps.push(0.3);
                }
                start.extend([offset, -1.0]);
                steps.extend([1.0, 0.5]);
                // Below e^-30 an offset is none.
                let value = |x: &[f64]| {
                    let x = full(x);
                    let below = (-30.0 - x[2]).max(0.0);
                    self.value(&x) + below * below
                };
                let first = minimum(&start, &steps, value);
                // Once more from there: a simplex may have become flat.
                let (at, value) = minimum(&first.0, &steps, value);
                if found.as_ref().is_none_or(|best| value < best.value) {
                    let at = full(&at);
                    found = Some(Best { at, value });
                }
            }
        }
        found.unwrap_or(Best {
            at: vec![mean, slope, -12.0, 0.0],
            value: f64::INFINITY,
        })
    }

    /// The exponent on that side at which the likelihood is so much less than the largest; none
    /// where it never is.
    fn end_of_exponent(&self, best: &Best, sign: f64, allowed: f64) -> Option<f64> {
        let gamma = best.at[1];
        let beyond = |by: f64| self.best(Some(gamma + sign * by)).value - best.value > allowed;
        let mut far = 0.05 * gamma.abs().max(0.1);
        while !beyond(far) {
            far *= 2.0;
            if far > FURTHEST {
                return None;
            }
        }
        let mut near = 0.0;
        for _ in 0..HALVINGS {
            let middle = 0.5 * (near + far);
            if beyond(middle) {
                far = middle
            } else {
                near = middle
            }
            if far - near < 1e-4 * gamma.abs().max(0.01) {
                break;
            }
        }
        Some(gamma + sign * 0.5 * (near + far))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Deviations that sum to about 0 and spread like normal ones.
    const NOISE: [f64; 6] = [0.9, -0.4, -1.2, 0.3, 1.1, -0.7];

    fn planted(a: f64, gamma: f64, b: f64, noise: f64) -> Vec<(f64, Observation)> {
        let mut all = Vec::new();
        for (i, r) in [0.1, 0.2, 0.4, 0.8, 1.6, 3.2].into_iter().enumerate() {
            for seed in 0..4 {
                let z = NOISE[(i + seed) % NOISE.len()];
                let time = (a * f64::powf(r, -gamma) + b) * (noise * z).exp();
                all.push((r, Observation::event(time)));
            }
        }
        all
    }

    #[test]
    fn a_planted_law_comes_back() {
        for (a, gamma, b) in [(1000.0, 1.0, 0.0), (300.0, 2.0, 150.0), (5000.0, 0.5, 0.0)] {
            let fit = fit_power_law(&planted(a, gamma, b, 0.0)).unwrap();
            assert!((fit.exponent.value - gamma).abs() < 0.01, "{fit:?}");
            assert!((fit.factor / a - 1.0).abs() < 0.02, "{fit:?}");
            assert!((fit.offset - b).abs() < 0.02 * a, "{fit:?}");
            assert!(fit.r_squared > 0.9999, "{fit:?}");
            assert!((fit.at(0.4) / (a * 0.4f64.powf(-gamma) + b) - 1.0).abs() < 0.01);
            let noisy = fit_power_law(&planted(a, gamma, b, 0.1)).unwrap();
            let (low, high) = (noisy.exponent.low.unwrap(), noisy.exponent.high.unwrap());
            assert!(low < gamma && gamma < high && high - low < 1.0, "{noisy:?}");
            assert!(noisy.r_squared > 0.95 && noisy.r_squared < 1.0, "{noisy:?}");
            assert!((noisy.spread - 0.08).abs() < 0.03, "{noisy:?}");
        }
    }

    /// Without their censored cells slow ones would be missing, and the law too flat.
    #[test]
    fn censored_cells_pull_the_law_to_where_they_are() {
        let end = 6000.0;
        let cut = |(r, one): (f64, Observation)| {
            if one.time > end {
                (r, Observation::censored(end))
            } else {
                (r, one)
            }
        };
        let all: Vec<_> = planted(1000.0, 1.0, 0.0, 0.4)
            .into_iter()
            .map(cut)
            .collect();
        let fit = fit_power_law(&all).unwrap();
        assert!(fit.censored >= 3, "{fit:?}");
        let survivors: Vec<_> = all.iter().copied().filter(|(_, o)| o.happened).collect();
        let dropped = fit_power_law(&survivors).unwrap();
        assert!(
            fit.exponent.value > dropped.exponent.value + 0.02,
            "{fit:?} {dropped:?}"
        );
        assert!((fit.exponent.value - 1.0).abs() < 0.12, "{fit:?}");
    }

    #[test]
    fn what_cannot_be_fitted_is_said() {
        let few = planted(1000.0, 1.0, 0.0, 0.1);
        let words = fit_power_law(&few[..8]).unwrap_err();
        assert!(words.contains("2 values"), "{words}");
        let flat: Vec<_> = few
            .iter()
            .map(|(r, _)| (*r, Observation::event(5.0)))
            .collect();
        assert!(fit_power_law(&flat).unwrap_err().contains("the same"));
        let zero = [(0.0, Observation::event(1.0)); 9];
        assert!(fit_power_law(&zero).is_err());
        // Too few for an interval, not for a fit.
        let five: Vec<_> = few.iter().step_by(4).take(5).copied().collect();
        assert_eq!(fit_power_law(&five).unwrap().exponent.low, None);
    }
}
