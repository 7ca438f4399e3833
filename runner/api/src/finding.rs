//! Defines what an analysis may emit, keep between calls, and ask for during a call.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Ask, Failure, Figure, LossAt};

/// One thing that an analysis found.
#[derive(Clone, Debug, PartialEq)]
pub enum Finding {
    /// a number of a series over epochs
    Scalar {
        /// the series' name: the column in `series.parquet`
        series: String,
        /// the number; may be NaN
        value: f64,
    },
    /// numbers with a shape. The tensors of one name from several snapshots are stacked:
    /// `(snapshots, …)`
    Tensor {
        /// the tensor's name in `tensors.safetensors`
        name: String,
        /// sizes, outermost first
        shape: Vec<usize>,
        /// the numbers, row-major, as many as the product of the sizes
        data: Vec<f32>,
    },
    /// rows of values; of two with one name the later one stays
    Table {
        /// the stem of its file
        name: String,
        /// one a column
        columns: Vec<String>,
        /// each as many values as there are columns
        rows: Vec<Vec<Value>>,
    },
    /// a sentence for the report; kept in order, each once
    Note(String),
    /// the outcome in a sentence, for the first screen of the report; kept in order, each once. A
    /// host before ABI 1.4 does not take it
    Headline(String),
    /// what the logits are proportional to; of two the later one stays. A host before ABI 1.3 does
    /// not take it
    Formula(Formula),
    /// a figure as Plotly has it; of two with one name the later one stays
    Figure {
        /// the stem of its file
        name: String,
        /// `{"data": […], "layout": {…}, "frames": […]}`
        figure: Value,
    },
}

/// The sum that the logits are proportional to: over the key components k, the cosine of
/// 2πk / period times the argument.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Formula {
    /// The argument of the cosine, as in log a + log b − log c.
    pub argument: String,
    /// The period of the wave of k = 1.
    pub period: u64,
    /// The names of the key components, in order.
    pub keys: Vec<String>,
    /// The rule that chose the key components, and what the argument's words mean.
    pub explanation: String,
}

/// Takes findings, keeps numbers between calls, and computes the train loss at any weights.
pub trait Sink {
    /// Takes a finding. Nothing is returned: a finding that the host cannot take makes the analysis
    /// fail afterwards.
    fn push(&mut self, finding: Finding);

    /// Keeps numbers on disk for a later call of this instance, in place of earlier numbers under
    /// this name; an empty slice drops the earlier numbers. Kept numbers are not findings, and are
    /// deleted with the instance.
    ///
    /// # Errors
    /// When the limit for kept numbers is reached, or when the host is older than this function
    /// (ABI 1.0). The analysis has then failed, even if it ignores the error.
    fn keep(&mut self, name: &str, numbers: &[f32]) -> Result<(), Failure>;

    /// Returns the numbers that are kept under this name; an empty vector if there are none.
    ///
    /// # Errors
    /// When the numbers cannot be read, and as for [`Sink::keep`].
    fn kept(&mut self, name: &str) -> Result<Vec<f32>, Failure>;

    /// Computes the train loss at any weights, by the program that the cell is trained with, on all
    /// of its training samples. The same weights give the same bytes, whatever the number of
    /// threads.
    ///
    /// # Errors
    /// When no need is `trained.*`, when the number of weights is not the
    /// model's, and when the host is older than this function (ABI 1.3). The analysis has then
    /// failed, even if it ignores the error.
    fn train_loss(&mut self, _ask: Ask<'_>) -> Result<LossAt, Failure> {
        Err(Failure::no_train_loss())
    }
}

impl dyn Sink + '_ {
    /// Emits a number of a series over epochs.
    pub fn scalar(&mut self, series: &str, value: f64) {
        self.push(Finding::Scalar {
            series: series.to_owned(),
            value,
        });
    }

    /// Emits numbers with a shape.
    pub fn tensor(&mut self, name: &str, shape: &[usize], data: impl IntoIterator<Item = f32>) {
        self.push(Finding::Tensor {
            name: name.to_owned(),
            shape: shape.to_vec(),
            data: data.into_iter().collect(),
        });
    }

    /// Emits rows of values.
    pub fn table(&mut self, name: &str, columns: &[&str], rows: Vec<Vec<Value>>) {
        self.push(Finding::Table {
            name: name.to_owned(),
            columns: columns.iter().map(|c| (*c).to_owned()).collect(),
            rows,
        });
    }

    /// Emits a sentence for the report.
    pub fn note(&mut self, text: impl Into<String>) {
        self.push(Finding::Note(text.into()));
    }

    /// Emits the outcome in a sentence, for the first screen of the report.
    pub fn headline(&mut self, text: impl Into<String>) {
        self.push(Finding::Headline(text.into()));
    }

    /// Emits the sum that the logits are proportional to.
    pub fn formula(&mut self, formula: Formula) {
        self.push(Finding::Formula(formula));
    }

    /// Emits a figure.
    pub fn figure(&mut self, name: &str, figure: Figure) {
        self.push(Finding::Figure {
            name: name.to_owned(),
            figure: figure.into_json(),
        });
    }
}
