//! The share of cells that an event has not happened to yet, over time, where the time of some is
//! only known from below.
//!
//! Kaplan and Meier's estimate (1958), Greenwood's variance, and the pointwise band that it gives
//! for log(−log S) (Kalbfleisch and Prentice 1980), which stays between 0 and 1.

use crate::distributions::NORMAL_QUANTILE;

/// What a survival may differ from a share by, for rounding alone.
const ROUNDING: f64 = 1e-9;

/// What is known of when an event happened to a cell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Observation {
    /// when it happened, or how long it is known not to have happened
    pub time: f64,
    /// whether it happened; otherwise the observation is censored
    pub happened: bool,
}

impl Observation {
    /// An event at this time.
    pub fn event(time: f64) -> Observation {
        Observation {
            time,
            happened: true,
        }
    }

    /// An event that is later than this time, if it ever comes.
    pub fn censored(time: f64) -> Observation {
        Observation {
            time,
            happened: false,
        }
    }
}

/// A time at which something happened, or a cell was not watched any longer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// the time
    pub time: f64,
    /// cells that were watched until then and that it had not happened to
    pub at_risk: usize,
    /// cells that it happened to then
    pub events: usize,
    /// cells that were watched until then and no longer
    pub censored: usize,
    /// the share that it has not happened to, from then on
    pub survival: f64,
    /// the standard error of the share, by Greenwood's formula
    pub error: f64,
    /// the ends of the pointwise 95 % interval; none where the share is 0, which has no such
    /// interval
    pub band: Option<[f64; 2]>,
}

/// A time by which a share of the cells was there.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Quantile {
    /// the first time at which the curve is at the share or below; none where it does not come
    /// down so far
    pub time: Option<f64>,
    /// the lower end of the 95 % interval: the first time at which the lower edge of the band is
    /// there
    pub low: Option<f64>,
    /// the upper end: the first time at which the upper edge is there; none where the interval has
    /// no end
    pub high: Option<f64>,
}

/// Kaplan and Meier's curve.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Survival {
    steps: Vec<Step>,
    cells: usize,
}

impl Survival {
    /// Of these observations, in any order. Of one time events come first: a cell that ended with
    /// it was still watched. A time that is no number is left out.
    pub fn of(observations: impl IntoIterator<Item = Observation>) -> Survival {
        let mut all: Vec<Observation> = observations.into_iter().collect();
        all.retain(|one| !one.time.is_nan());
        all.sort_by(|one, other| one.time.total_cmp(&other.time));
        let (mut steps, mut left) = (Vec::new(), all.len());
        let (mut survival, mut variance) = (1.0f64, 0.0f64);
        for same in all.chunk_by(|one, other| one.time == other.time) {
            let events = same.iter().filter(|one| one.happened).count();
            let (at_risk, n, d) = (left, left as f64, events as f64);
            survival *= 1.0 - d / n;
            variance += d / (n * (n - d));
            steps.push(Step {
                time: same[0].time,
                at_risk,
                events,
                censored: same.len() - events,
                survival,
                error: if events == at_risk {
                    0.0
                } else {
                    survival * variance.sqrt()
                },
                band: band(survival, variance),
            });
            left -= same.len();
        }
        Survival {
            steps,
            cells: all.len(),
        }
    }

    /// The times at which something happened, in order.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// How many cells there are.
    pub fn cells(&self) -> usize {
        self.cells
    }

    /// How many of them it happened to.
    pub fn events(&self) -> usize {
        self.steps.iter().map(|step| step.events).sum()
    }

    /// The time by which `share` of the cells was there, 0 to 1. Where the curve is flat at the
    /// share it is the beginning of that stretch.
    pub fn quantile(&self, share: f64) -> Quantile {
        let level = 1.0 - share + ROUNDING;
        let first = |below: &dyn Fn(&Step) -> bool| {
            let events = self.steps.iter().filter(|step| step.events > 0);
            events.into_iter().find(|step| below(step)).map(|s| s.time)
        };
        let edge = |i: usize| {
            move |step: &Step| {
                // Of the last cell's event there is no band, and nobody is left.
                step.band
                    .map_or(i == 0 && step.survival == 0.0, |band| band[i] <= level)
            }
        };
        Quantile {
            time: first(&|step| step.survival <= level),
            low: first(&edge(0)),
            high: first(&edge(1)),
        }
    }

    /// First quartile, median and third quartile.
    pub fn quartiles(&self) -> [Quantile; 3] {
        [0.25, 0.5, 0.75].map(|share| self.quantile(share))
    }
}

/// The interval of a share by log(−log S) with this variance of log S.
fn band(survival: f64, variance: f64) -> Option<[f64; 2]> {
    if survival >= 1.0 {
        return Some([1.0, 1.0]);
    }
    if survival <= 0.0 {
        return None;
    }
    let log = survival.ln();
    let width = NORMAL_QUANTILE * variance.sqrt() / log.abs();
    Some([(log * width.exp()).exp(), (log * (-width).exp()).exp()])
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Weeks to relapse of 42 children with leukaemia, 21 with 6-mercaptopurine and 21 without
    /// (Freireich et al. 1963, as in Kleinbaum and Klein, Survival Analysis, table 1.1); 0 for one
    /// that was censored.
    pub(crate) const TREATED: [(u32, u32); 21] = [
        (6, 1),
        (6, 1),
        (6, 1),
        (6, 0),
        (7, 1),
        (9, 0),
        (10, 1),
        (10, 0),
        (11, 0),
        (13, 1),
        (16, 1),
        (17, 0),
        (19, 0),
        (20, 0),
        (22, 1),
        (23, 1),
        (25, 0),
        (32, 0),
        (32, 0),
        (34, 0),
        (35, 0),
    ];
    pub(crate) const PLACEBO: [u32; 21] = [
        1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23,
    ];

    pub(crate) fn treated() -> Vec<Observation> {
        let one = |(time, happened): (u32, u32)| Observation {
            time: f64::from(time),
            happened: happened == 1,
        };
        TREATED.map(one).into()
    }

    pub(crate) fn placebo() -> Vec<Observation> {
        PLACEBO.map(|time| Observation::event(time.into())).into()
    }

    #[test]
    fn the_textbooks_curve_errors_and_band_come_back() {
        let curve = Survival::of(treated());
        // Time, share, Greenwood's error and the band, as R's survfit has them with
        // conf.type = "log-log".
        let published = [
            (6.0, 0.857, 0.0764, 0.620, 0.952),
            (7.0, 0.807, 0.0869, 0.563, 0.923),
            (10.0, 0.753, 0.0963, 0.503, 0.889),
            (13.0, 0.690, 0.1068, 0.432, 0.849),
            (16.0, 0.627, 0.1141, 0.368, 0.805),
            (22.0, 0.538, 0.1282, 0.268, 0.747),
            (23.0, 0.448, 0.1346, 0.188, 0.680),
        ];
        let steps: Vec<&Step> = curve.steps().iter().filter(|s| s.events > 0).collect();
        assert_eq!(steps.len(), published.len());
        for (step, (time, share, error, low, high)) in steps.iter().zip(published) {
            let band = step.band.unwrap();
            assert_eq!(step.time, time);
            assert!((step.survival - share).abs() < 5.1e-4, "{step:?}");
            assert!((step.error - error).abs() < 5.1e-5, "{step:?}");
            assert!((band[0] - low).abs() < 5.1e-4, "{step:?}");
            assert!((band[1] - high).abs() < 5.1e-4, "{step:?}");
        }
        assert_eq!((curve.cells(), curve.events()), (21, 9));
        assert_eq!((steps[0].at_risk, steps[0].censored), (21, 1));
        let median = curve.quantile(0.5);
        assert_eq!(
            (median.time, median.low, median.high),
            (Some(23.0), Some(13.0), None)
        );
        let median = Survival::of(placebo()).quantile(0.5);
        assert_eq!(
            (median.time, median.low, median.high),
            (Some(8.0), Some(4.0), Some(11.0))
        );
    }

    /// Evenly spread shares through the inverse of S(t) = exp(−t/100), with every third cell
    /// watched to time 80 at most.
    #[test]
    fn a_planted_exponential_comes_back_through_censoring() {
        let cells = 3000;
        let of = |i: usize| {
            // The golden ratio spreads which ones are censored over all times.
            let share = (i as f64 * 0.618_033_988_749_895).fract();
            let time = -100.0 * (1.0 - share).ln();
            match i % 3 {
                0 if time > 80.0 => Observation::censored(80.0),
                _ => Observation::event(time),
            }
        };
        let curve = Survival::of((0..cells).map(of));
        for share in [0.25, 0.5, 0.75] {
            let want = -100.0 * (1.0f64 - share).ln();
            let found = curve.quantile(share);
            let [low, time, high] = [found.low, found.time, found.high].map(Option::unwrap);
            assert!((time - want).abs() < 0.05 * want, "{share}: {time} {want}");
            assert!(low <= want && want <= high && low <= time && time <= high);
        }
        for step in curve.steps() {
            let want = (-step.time / 100.0).exp();
            let Some([low, high]) = step.band else {
                continue;
            };
            // Evenly spread shares follow the curve closer than random ones.
            assert!(low - 0.003 <= want && want <= high + 0.003, "{step:?}");
            assert!(low <= step.survival && step.survival <= high);
        }
    }

    #[test]
    fn without_an_event_nothing_is_known_to_be_reached() {
        let never = Survival::of([900.0, 100.0].map(Observation::censored));
        assert_eq!(never.quartiles(), [Quantile::default(); 3]);
        assert!(never.steps().iter().all(|step| step.survival == 1.0));
        assert_eq!(Survival::of([]).quantile(0.5), Quantile::default());
        let odd = Survival::of([Observation::event(f64::NAN), Observation::event(1.0)]);
        assert_eq!((odd.cells(), odd.quantile(0.5).time), (1, Some(1.0)));
        assert_eq!(odd.steps()[0].band, None);
    }
}
