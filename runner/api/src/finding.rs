//! What an analysis may say, and put aside.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Failure, Figure};

/// One thing that an analysis found.
#[derive(Clone, Debug, PartialEq)]
pub enum Finding {
    /// a number of a series over epochs
    Scalar {
        /// the series' name: the column in `series.parquet`
        series: String,
        /// may be NaN
        value: f64,
    },
    /// numbers with a shape. Those of one name from several snapshots are stacked: `(snapshots, …)`
    Tensor {
        /// its name in `tensors.safetensors`
        name: String,
        /// sizes, outermost first
        shape: Vec<usize>,
        /// row-major, as many as the product of the sizes
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

/// Takes findings, and keeps numbers between calls.
pub trait Sink {
    /// Takes a finding. Says nothing back: what the host cannot take fails the analysis afterwards.
    fn push(&mut self, finding: Finding);

    /// Keeps numbers for a later call of this instance, on the disk, in the place of those under
    /// this name; no numbers let go of those. They are no finding, and are gone with the instance.
    ///
    /// # Errors
    /// When there is no room for them, or the host is older than this (ABI 1.0). The analysis has
    /// then failed, whatever it makes of it.
    fn keep(&mut self, name: &str, numbers: &[f32]) -> Result<(), Failure>;

    /// The numbers that are kept under this name, none if there are none.
    ///
    /// # Errors
    /// When they cannot be read, and as for [`Sink::keep`].
    fn kept(&mut self, name: &str) -> Result<Vec<f32>, Failure>;
}

impl dyn Sink + '_ {
    /// A number of a series over epochs.
    pub fn scalar(&mut self, series: &str, value: f64) {
        self.push(Finding::Scalar {
            series: series.to_owned(),
            value,
        });
    }

    /// Numbers with a shape.
    pub fn tensor(&mut self, name: &str, shape: &[usize], data: impl IntoIterator<Item = f32>) {
        self.push(Finding::Tensor {
            name: name.to_owned(),
            shape: shape.to_vec(),
            data: data.into_iter().collect(),
        });
    }

    /// Rows of values.
    pub fn table(&mut self, name: &str, columns: &[&str], rows: Vec<Vec<Value>>) {
        self.push(Finding::Table {
            name: name.to_owned(),
            columns: columns.iter().map(|c| (*c).to_owned()).collect(),
            rows,
        });
    }

    /// A sentence for the report.
    pub fn note(&mut self, text: impl Into<String>) {
        self.push(Finding::Note(text.into()));
    }

    /// What the logits are proportional to.
    pub fn formula(&mut self, formula: Formula) {
        self.push(Finding::Formula(formula));
    }

    /// A figure.
    pub fn figure(&mut self, name: &str, figure: Figure) {
        self.push(Finding::Figure {
            name: name.to_owned(),
            figure: figure.into_json(),
        });
    }
}
