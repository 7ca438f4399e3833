//! Norms by frequency of the model's parts, and how few frequencies they sit on.

use grokrun_api::Tensor;
use grokrun_basis::{Basis, effective_number, gini, participation};

/// Norm by frequency, `(frequencies)`, and what it says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Spectrum {
    /// √ of the sum of squares over a frequency's rows and all columns
    pub(crate) norms: Vec<f64>,
}

impl Spectrum {
    /// Of a table with a row a residue, `(p, width)`.
    pub(crate) fn of(basis: &Basis, table: &[f32]) -> Spectrum {
        Spectrum {
            norms: basis.norms(&basis.forward(table)),
        }
    }

    pub(crate) fn gini(&self) -> f64 {
        gini(&self.norms)
    }

    pub(crate) fn effective_number(&self) -> f64 {
        effective_number(&self.norms)
    }

    pub(crate) fn participation(&self) -> f64 {
        participation(&self.norms)
    }

    /// Frequencies whose norm is above a quarter of the largest: the newer demo's rule (science §3.2,
    /// rule A).
    pub(crate) fn above_quarter(&self) -> Vec<usize> {
        let largest = self.norms.iter().copied().fold(0.0, f64::max);
        self.above(largest / 4.0)
    }

    /// Frequencies whose norm is above five times the median (science §5.2).
    pub(crate) fn above_medians(&self) -> Vec<usize> {
        let mut sorted = self.norms.clone();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        let median = match sorted.len() {
            0 => 0.0,
            n if n % 2 == 1 => sorted[middle],
            _ => (sorted[middle - 1] + sorted[middle]) / 2.0,
        };
        self.above(5.0 * median)
    }

    fn above(&self, bound: f64) -> Vec<usize> {
        (1..)
            .zip(&self.norms)
            .filter(|(_, norm)| **norm > bound)
            .map(|(k, _)| k)
            .collect()
    }
}

/// The tokens' rows of W_E, without '=': `(p, d_model)`.
pub(crate) fn embedding<'a>(w_e: Tensor<'a>, p: usize) -> &'a [f32] {
    let width = w_e.size(1);
    w_e.data().get(..p * width).unwrap_or_default()
}

/// `(rows, p)` with a column a class → `(p, rows)`.
pub(crate) fn by_class(table: &[f32], p: usize) -> Vec<f32> {
    let rows = table.len() / p.max(1);
    (0..p * rows)
        .map(|i| table[(i % rows) * p + i / rows])
        .collect()
}
