//! Describes claims of publications, as a spec states them: a quantity of some cells, and the value
//! that the quantity should have.
//!
//! Owns what a claim is and which cells a claim is about. Knows nothing of how a quantity is
//! measured: the claims crate owns that.

pub(crate) mod read;
mod select;
mod write;

pub use select::Selection;
pub(crate) use write::write;

/// What a publication claims of the cells of a spec.
#[derive(Clone, Debug, PartialEq)]
pub struct Claim {
    /// The publication that makes the claim; not empty.
    pub source: String,
    /// The claim in a few words, for tables; not empty.
    pub says: Option<String>,
    /// The quantity that is measured.
    pub quantity: Quantity,
    /// The cells that the claim is about; `None` stands for all cells.
    pub cells: Option<Selection>,
    /// How the values of several cells become one; for a share always the mean.
    pub over: Over,
    /// The cells whose quantity divides the quantity of the others; `over` is then not
    /// [`Over::Each`].
    pub against: Option<Selection>,
    /// The value that the quantity should have.
    pub expected: Expected,
}

/// The quantity that is measured on the cells.
#[derive(Clone, Debug, PartialEq)]
pub enum Quantity {
    /// A number for each cell.
    Of(Measure),
    /// The share of the cells that meet a condition.
    Share(Condition),
}

/// A number for one cell.
#[derive(Clone, Debug, PartialEq)]
pub enum Measure {
    /// A loss or an accuracy.
    Metric {
        /// The loss or the accuracy.
        metric: Metric,
        /// The epoch of the value.
        at: At,
    },
    /// An epoch, or the number of epochs between two.
    Event {
        /// The event.
        event: Event,
        /// The accuracy that has to be reached, above 0 and at most 1.
        accuracy: f64,
        /// The number of further epochs for which the accuracy has to hold.
        hold: u64,
    },
    /// A series of an analysis.
    Series {
        /// The analysis's name.
        analysis: String,
        /// The series' name.
        name: String,
        /// The epoch of the value.
        at: At,
    },
}

/// The condition on which a cell counts in a share.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// The number that is measured.
    pub measure: Measure,
    /// The bounds of the number; `None` stands for an event that has to happen.
    pub range: Option<Range>,
}

/// A column of the history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// `train_loss`
    TrainLoss,
    /// `test_loss`
    TestLoss,
    /// `train_accuracy`
    TrainAccuracy,
    /// `test_accuracy`
    TestAccuracy,
}

/// Something that happens in the training of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The train accuracy is reached and held.
    Memorised,
    /// The test accuracy is reached and held.
    Grokked,
    /// The number of epochs from memorising to grokking.
    Delay,
}

/// The epoch of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// This epoch, counted from 0.
    Epoch(u64),
    /// The last epoch.
    Last,
    /// The epoch of the smallest value.
    Min,
    /// The epoch of the largest value.
    Max,
}

/// How the values of several cells become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// The claim has to hold for each cell.
    Each,
    /// The median; for an even number of cells, the lower of the two values in the middle.
    Median,
    /// The arithmetic mean.
    Mean,
    /// The smallest value.
    Min,
    /// The largest value.
    Max,
}

/// Bounds, both inclusive. At least one of them is set, and they are in order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    /// The lower bound.
    pub at_least: Option<f64>,
    /// The upper bound.
    pub at_most: Option<f64>,
}

/// The value that a quantity should have.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Expected {
    /// The published value, within the tolerance.
    Near {
        /// The published value.
        published: f64,
        /// The largest distance of the measured value from the published one.
        tolerance: Tolerance,
    },
    /// A value within bounds.
    Within {
        /// The bounds.
        range: Range,
        /// A published value, which is only shown.
        published: Option<f64>,
    },
}

/// The largest distance of a measured value from the published one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Tolerance {
    /// This distance.
    Absolute(f64),
    /// This share of the published value.
    Relative(f64),
}

impl Range {
    /// Returns the bounds; a missing bound is infinite.
    pub fn ends(&self) -> [f64; 2] {
        [
            self.at_least.unwrap_or(f64::NEG_INFINITY),
            self.at_most.unwrap_or(f64::INFINITY),
        ]
    }
}

impl Expected {
    /// Returns the smallest and the largest value for which the claim holds.
    pub fn ends(&self) -> [f64; 2] {
        match *self {
            Expected::Within { range, .. } => range.ends(),
            Expected::Near {
                published,
                tolerance,
            } => {
                let far = match tolerance {
                    Tolerance::Absolute(far) => far,
                    Tolerance::Relative(share) => share * published.abs(),
                };
                [published - far, published + far]
            }
        }
    }
}

impl Claim {
    /// Returns the analysis whose series the claim is about, if the claim is about a series.
    pub fn analysis(&self) -> Option<&str> {
        let (Quantity::Of(measure) | Quantity::Share(Condition { measure, .. })) = &self.quantity;
        match measure {
            Measure::Series { analysis, .. } => Some(analysis),
            Measure::Metric { .. } | Measure::Event { .. } => None,
        }
    }
}
