//! Claims of publications, as a spec states them: a quantity of some cells, and the value that it
//! should have.
//!
//! Owns what a claim is and which cells it speaks of. Knows nothing of how a quantity is measured:
//! that is the claims crate's.

pub(crate) mod read;
mod select;
mod write;

pub use select::Selection;
pub(crate) use write::write;

/// What a publication claims of the cells of a spec.
#[derive(Clone, Debug, PartialEq)]
pub struct Claim {
    /// Where it is claimed; not empty.
    pub source: String,
    /// The claim in a few words, for tables; not empty.
    pub says: Option<String>,
    /// What is measured.
    pub quantity: Quantity,
    /// The cells that it speaks of; all of them where there is no selection.
    pub cells: Option<Selection>,
    /// How the values of several cells become one; of a share the mean.
    pub over: Over,
    /// The cells by whose quantity that of the others is divided; `over` is not [`Over::Each`]
    /// then.
    pub against: Option<Selection>,
    /// The value that the quantity should have.
    pub expected: Expected,
}

/// What is measured of the cells.
#[derive(Clone, Debug, PartialEq)]
pub enum Quantity {
    /// A number of each cell.
    Of(Measure),
    /// The share of the cells that meet a condition.
    Share(Condition),
}

/// A number of a cell.
#[derive(Clone, Debug, PartialEq)]
pub enum Measure {
    /// A loss or an accuracy.
    Metric {
        /// Which one.
        metric: Metric,
        /// Of which epoch.
        at: At,
    },
    /// An epoch, or the number of epochs between two.
    Event {
        /// Which one.
        event: Event,
        /// The accuracy that has to be reached, above 0 and at most 1.
        accuracy: f64,
        /// For how many further epochs it has to hold.
        hold: u64,
    },
    /// A series of an analysis.
    Series {
        /// The analysis's name.
        analysis: String,
        /// The series' name.
        name: String,
        /// At which epoch.
        at: At,
    },
}

/// What a cell has to meet to count in a share.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// What is measured.
    pub measure: Measure,
    /// The bounds that it has to keep; without, it is an event that has to happen.
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
    /// The epochs from memorising to grokking.
    Delay,
}

/// The epoch of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// This one, counted from 0.
    Epoch(u64),
    /// The last one.
    Last,
    /// That of the smallest value.
    Min,
    /// That of the largest value.
    Max,
}

/// How the values of several cells become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// Every cell has to keep the claim by itself.
    Each,
    /// The middle value; of an even number of cells the lower of the two in the middle.
    Median,
    /// The arithmetic mean.
    Mean,
    /// The smallest value.
    Min,
    /// The largest value.
    Max,
}

/// Bounds, both included; at least one of them is there, and they are in order.
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
    /// The published value, as closely as the tolerance says.
    Near {
        /// The published value.
        published: f64,
        /// How far the measured one may be from it.
        tolerance: Tolerance,
    },
    /// A value within bounds.
    Within {
        /// The bounds.
        range: Range,
        /// A value that was published, to be shown.
        published: Option<f64>,
    },
}

/// How far a measured value may be from the published one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Tolerance {
    /// So far.
    Absolute(f64),
    /// This share of the published value.
    Relative(f64),
}

impl Range {
    /// The bounds; infinite where there is none.
    pub fn ends(&self) -> [f64; 2] {
        [
            self.at_least.unwrap_or(f64::NEG_INFINITY),
            self.at_most.unwrap_or(f64::INFINITY),
        ]
    }
}

impl Expected {
    /// The smallest and the largest value that keep the claim.
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
    /// The analysis whose series the claim speaks of, if it does.
    pub fn analysis(&self) -> Option<&str> {
        let (Quantity::Of(measure) | Quantity::Share(Condition { measure, .. })) = &self.quantity;
        match measure {
            Measure::Series { analysis, .. } => Some(analysis),
            Measure::Metric { .. } | Measure::Event { .. } => None,
        }
    }
}
