//! Follows the measures over training, and finds the epoch since when the model treats a and b
//! alike.

use crate::Config;
use crate::measure::Head;

/// Holds the numbers that are kept of a snapshot.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Measured {
    pub(crate) epoch: u64,
    pub(crate) heads: Vec<Head>,
    /// ‖N − Nᵀ‖² / ‖N‖² of the neurons, and of the same numbers paired at random
    pub(crate) neurons: [f64; 2],
    /// the same for the logits
    pub(crate) logits: [f64; 2],
    /// that between L[a, b, c] and L[b, a, −c], for an antisymmetric operation
    pub(crate) opposite: Option<f64>,
}

/// Says since when the model treats a and b alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Emergence {
    /// from the snapshot at this epoch to the last, for this many snapshots
    At { epoch: u64, held: usize },
    /// in all snapshots, this many: nothing emerged while they were taken
    Throughout { epoch: u64, held: usize },
    /// for this many snapshots at the end, fewer than `hold`
    TooShort { epoch: u64, held: usize },
    /// not in the last snapshot
    Never,
}

impl Measured {
    /// Returns the largest |mean attention to a − mean attention to b| of a head; NaN if one is.
    pub(crate) fn largest_difference(&self) -> f64 {
        largest(self.heads.iter().map(|head| head.difference().abs()))
    }

    /// Returns the largest mean |attention to a − attention to b| of a head; NaN if one is.
    pub(crate) fn largest_absolute(&self) -> f64 {
        largest(self.heads.iter().map(|head| head.absolute))
    }

    /// Says whether both numbers are below their thresholds; a number that is not finite is not.
    fn alike(&self, config: &Config) -> bool {
        self.largest_difference() < config.attention && self.neurons[0] < config.neurons
    }
}

/// Returns the largest value, NaN if one is: `f64::max` would leave NaN out, and call a model that
/// diverged symmetric.
fn largest(values: impl Iterator<Item = f64>) -> f64 {
    values.fold(
        0.0,
        |most: f64, x| {
            if most.is_nan() || x <= most { most } else { x }
        },
    )
}

impl Emergence {
    /// Finds the first snapshot from which, until the last, all are alike, if they are `hold` or
    /// more.
    pub(crate) fn of(trajectory: &[Measured], config: &Config) -> Emergence {
        let apart = trajectory
            .iter()
            .rposition(|measured| !measured.alike(config));
        let alike = trajectory
            .get(apart.map_or(0, |i| i + 1)..)
            .unwrap_or_default();
        let held = alike.len();
        match alike.first() {
            None => Emergence::Never,
            Some(first) if held as u64 >= config.hold => {
                let epoch = first.epoch;
                match apart {
                    Some(_) => Emergence::At { epoch, held },
                    None => Emergence::Throughout { epoch, held },
                }
            }
            Some(first) => Emergence::TooShort {
                epoch: first.epoch,
                held,
            },
        }
    }

    /// Returns the epoch since when it holds, by the rule.
    pub(crate) fn epoch(self) -> Option<u64> {
        match self {
            Emergence::At { epoch, .. } | Emergence::Throughout { epoch, .. } => Some(epoch),
            Emergence::TooShort { .. } | Emergence::Never => None,
        }
    }

    /// Returns how many snapshots it held for, until the last.
    pub(crate) fn held(self) -> usize {
        match self {
            Emergence::At { held, .. }
            | Emergence::Throughout { held, .. }
            | Emergence::TooShort { held, .. } => held,
            Emergence::Never => 0,
        }
    }

    /// Says since when it holds, in a few words.
    pub(crate) fn headline(self) -> String {
        match self {
            Emergence::At { epoch, .. } => format!("treats a and b alike from epoch {epoch} on"),
            Emergence::Throughout { .. } => {
                "treats a and b alike at every snapshot, the first included".to_owned()
            }
            Emergence::TooShort { epoch, .. } => format!(
                "treats a and b alike from epoch {epoch} on, too few snapshots to say that it emerged"
            ),
            Emergence::Never => "does not treat a and b alike at the end".to_owned(),
        }
    }

    /// Says in a sentence since when it holds, with the rule.
    pub(crate) fn sentence(self, config: &Config) -> String {
        let found = match self {
            Emergence::At { epoch, held } => {
                format!("the model treats a and b alike from epoch {epoch} on (snapshots: {held})")
            }
            Emergence::Throughout { epoch, held } => format!(
                "the model treats a and b alike from epoch {epoch} on, its first snapshot (snapshots: {held}): no snapshot shows it otherwise, so that nothing emerged; a model is symmetric before it is trained, too"
            ),
            Emergence::TooShort { epoch, held } => format!(
                "the model treats a and b alike from epoch {epoch} on, but for too few snapshots ({held}) to say that this has emerged"
            ),
            Emergence::Never => "the model does not treat a and b alike at the end".to_owned(),
        };
        format!(
            "{found}: the rule is every head's attention difference below {}, neuron asymmetry below {}, in each snapshot until the last and at least {}",
            config.attention, config.neurons, config.hold
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Makes snapshots a hundred epochs apart, each with an attention difference and a neuron
    /// asymmetry.
    fn trajectory(numbers: &[(f64, f64)]) -> Vec<Measured> {
        let measured = |(i, (difference, neurons)): (usize, &(f64, f64))| Measured {
            epoch: 100 * i as u64,
            heads: [0.0, *difference]
                .map(|d| Head {
                    mean: [0.5, 0.5 - d, d],
                    absolute: d.abs(),
                })
                .to_vec(),
            neurons: [*neurons, 1.0],
            logits: [0.0, 1.0],
            opposite: None,
        };
        numbers.iter().enumerate().map(measured).collect()
    }

    fn rule(hold: u64) -> Config {
        Config {
            hold,
            ..Config::default()
        }
    }

    const ALIKE: (f64, f64) = (-0.009, 9e-4);

    #[test]
    fn it_emerges_where_both_stay_below() {
        let made_up = trajectory(&[ALIKE, (0.2, 0.0), ALIKE, (0.0, 0.1), ALIKE, ALIKE]);
        let expected = Emergence::At {
            epoch: 400,
            held: 2,
        };
        assert_eq!(Emergence::of(&made_up, &rule(1)), expected);
        assert_eq!(Emergence::of(&made_up, &rule(2)), expected);
        let short = Emergence::of(&made_up, &rule(3));
        assert_eq!((short.epoch(), short.held()), (None, 2));
        assert!(short.sentence(&rule(3)).contains("too few snapshots (2)"));
    }

    #[test]
    fn thresholds_are_exclusive_and_signs_do_not_matter() {
        for apart in [(0.01, 0.0), (-0.2, 0.0), (0.0, 1e-3)] {
            let made_up = trajectory(&[ALIKE, apart]);
            assert_eq!(Emergence::of(&made_up, &rule(1)), Emergence::Never);
        }
        assert_eq!(Emergence::of(&[], &rule(1)), Emergence::Never);
        let always = Emergence::of(&trajectory(&[ALIKE; 3]), &rule(1));
        assert_eq!(always, Emergence::Throughout { epoch: 0, held: 3 });
        assert_eq!(always.epoch(), Some(0));
        assert!(always.sentence(&rule(1)).contains("nothing emerged"));
    }

    #[test]
    fn what_is_not_finite_is_not_alike() {
        for apart in [(f64::NAN, 0.0), (0.0, f64::NAN), (f64::INFINITY, 0.0)] {
            let made_up = trajectory(&[ALIKE, apart]);
            assert_eq!(Emergence::of(&made_up, &rule(1)), Emergence::Never);
        }
        assert!(
            trajectory(&[(f64::NAN, 0.0)])[0]
                .largest_difference()
                .is_nan()
        );
        assert!(largest([f64::NAN, 0.5].into_iter()).is_nan());
    }
}
