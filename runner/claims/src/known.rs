//! What is known of a number: the bounds between which it lies.
//!
//! A cell that did not grok would have done so after its last epoch, or never: its epoch has a
//! lower bound and no upper one (it is *censored*). Everything that is made of such numbers keeps
//! the bounds, so that a claim is decided only where they decide it.

use grokrun_spec::Over;

/// A number that is known between two bounds, both included; exactly where they are the same.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Known {
    /// The lower bound.
    pub low: f64,
    /// The upper bound; infinite where there is none.
    pub high: f64,
}

impl Known {
    /// A number that is known.
    pub fn exactly(number: f64) -> Known {
        Known {
            low: number,
            high: number,
        }
    }

    /// A number of which a lower bound is known.
    pub fn at_least(low: f64) -> Known {
        Known {
            low,
            high: f64::INFINITY,
        }
    }

    /// The number, if it is known.
    pub fn number(self) -> Option<f64> {
        (self.low == self.high).then_some(self.low)
    }

    /// Whether the number is between `ends`, both included; `None` where that is not known.
    pub fn is_within(self, [low, high]: [f64; 2]) -> Option<bool> {
        match () {
            () if self.low >= low && self.high <= high => Some(true),
            () if self.low > high || self.high < low => Some(false),
            () => None,
        }
    }

    /// One number of several; `None` of none. [`Over::Each`] has no such number: it is the median
    /// then, which is the number itself of a single one.
    pub(crate) fn of(numbers: &[Known], over: Over) -> Option<Known> {
        // Each of these grows with every number that it is made of.
        let both = |of: fn(Vec<f64>) -> Option<f64>| {
            let ends = [|known: &Known| known.low, |known: &Known| known.high];
            let [low, high] = ends.map(|end| of(numbers.iter().map(end).collect()));
            Some(Known {
                low: low?,
                high: high?,
            })
        };
        match over {
            Over::Each | Over::Median => both(|mut all| {
                all.sort_by(f64::total_cmp);
                all.get(all.len().saturating_sub(1) / 2).copied()
            }),
            Over::Mean => both(|all| {
                let count = all.len() as f64;
                (count > 0.0).then(|| all.iter().sum::<f64>() / count)
            }),
            Over::Min => both(|all| all.into_iter().reduce(f64::min)),
            Over::Max => both(|all| all.into_iter().reduce(f64::max)),
        }
    }

    /// How many times as large as `other` it is; `None` where that has no meaning: `other` may be
    /// 0, or signs are not known.
    pub(crate) fn ratio(self, other: Known) -> Option<Known> {
        if let (Some(one), Some(other)) = (self.number(), other.number()) {
            return (other != 0.0).then(|| Known::exactly(one / other));
        }
        (self.low >= 0.0 && other.low > 0.0).then(|| Known {
            low: self.low / other.high,
            high: self.high / other.low,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exactly(numbers: &[f64]) -> Vec<Known> {
        numbers.iter().copied().map(Known::exactly).collect()
    }

    fn between(low: f64, high: f64) -> Option<Known> {
        Some(Known { low, high })
    }

    #[test]
    fn several_numbers_become_one() {
        let five = exactly(&[30.0, 10.0, 50.0, 20.0, 40.0]);
        let of = |over| Known::of(&five, over).and_then(Known::number);
        assert_eq!(of(Over::Median), Some(30.0));
        assert_eq!(of(Over::Mean), Some(30.0));
        assert_eq!((of(Over::Min), of(Over::Max)), (Some(10.0), Some(50.0)));
        // The lower of the two in the middle, as the table of a sweep has it.
        let four = exactly(&[4.0, 1.0, 3.0, 2.0]);
        assert_eq!(Known::of(&four, Over::Median), between(2.0, 2.0));
        for over in [Over::Median, Over::Mean, Over::Min, Over::Max] {
            assert_eq!(Known::of(&[], over), None);
        }
    }

    #[test]
    fn numbers_without_an_upper_bound_stay_so() {
        let mut cells = exactly(&[10.0, 20.0]);
        cells.push(Known::at_least(900.0));
        assert_eq!(Known::of(&cells, Over::Median), between(20.0, 20.0));
        assert_eq!(Known::of(&cells, Over::Mean), between(310.0, f64::INFINITY));
        assert_eq!(Known::of(&cells, Over::Min), between(10.0, 10.0));
        assert_eq!(Known::of(&cells, Over::Max), between(900.0, f64::INFINITY));
        cells.extend([Known::at_least(900.0); 2]);
        assert_eq!(
            Known::of(&cells, Over::Median),
            between(900.0, f64::INFINITY)
        );
        // One that ended early may come before the others, or after them.
        let early = [
            Known::exactly(5.0),
            Known::at_least(3.0),
            Known::exactly(10.0),
        ];
        assert_eq!(Known::of(&early, Over::Median), between(5.0, 10.0));
    }

    #[test]
    fn ratios_have_bounds_too() {
        let ratio = |one: Known, other| one.ratio(other);
        assert_eq!(
            ratio(Known::exactly(50.0), Known::exactly(500.0)),
            between(0.1, 0.1)
        );
        assert_eq!(
            ratio(Known::exactly(-1.0), Known::exactly(2.0)),
            between(-0.5, -0.5)
        );
        assert_eq!(
            ratio(Known::exactly(50.0), Known::at_least(1000.0)),
            between(0.0, 0.05)
        );
        assert_eq!(
            ratio(Known::at_least(1000.0), Known::exactly(50.0)),
            between(20.0, f64::INFINITY)
        );
        assert_eq!(
            ratio(Known::at_least(1000.0), Known::at_least(500.0)),
            between(0.0, f64::INFINITY)
        );
        assert_eq!(ratio(Known::exactly(1.0), Known::exactly(0.0)), None);
        assert_eq!(ratio(Known::exactly(1.0), Known::at_least(0.0)), None);
        assert_eq!(ratio(Known::exactly(-1.0), Known::at_least(1.0)), None);
    }

    #[test]
    fn bounds_decide_what_they_can() {
        let late = Known::at_least(900.0);
        assert_eq!(late.is_within([500.0, f64::INFINITY]), Some(true));
        assert_eq!(late.is_within([0.0, 800.0]), Some(false));
        assert_eq!(late.is_within([950.0, 1000.0]), None);
        assert_eq!(late.is_within([0.0, 900.0]), None);
        let exact = Known::exactly(3.0);
        assert_eq!(exact.is_within([3.0, 3.0]), Some(true));
        assert_eq!(exact.is_within([3.1, 4.0]), Some(false));
    }
}
