//! Measures how the energy of functions of a token is spread over frequencies.

use grokrun_basis::Basis;

/// Holds the sum of squares over the columns of a table of functions of a token, by row of the
/// basis.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Power {
    /// by row of the basis, `(p)`
    pub(crate) rows: Vec<f64>,
    /// by frequency, 1 first
    pub(crate) frequencies: Vec<f64>,
}

impl Power {
    /// Measures coefficients `(p, width)`.
    pub(crate) fn of(basis: &Basis, coefficients: &[f64]) -> Power {
        let width = (coefficients.len() / basis.modulus().max(1)).max(1);
        let squares = |row: &[f64]| row.iter().map(|x| x * x).sum();
        let rows: Vec<f64> = coefficients.chunks_exact(width).map(squares).collect();
        let of = |k: usize| rows[basis.rows_of(k)].iter().sum();
        Power {
            frequencies: (1..=basis.count()).map(of).collect(),
            rows,
        }
    }

    /// Measures a table `(p, width)`.
    pub(crate) fn of_table(basis: &Basis, table: &[f32]) -> Power {
        Power::of(basis, &basis.forward(table))
    }

    /// Returns the sum of all: the energy over the group, without the mean.
    fn total(&self) -> f64 {
        self.frequencies.iter().sum()
    }

    /// Returns the frequency with most energy, and its share of the energy over the group without
    /// the mean; 0 and 0 if nothing varies.
    pub(crate) fn best(&self) -> (usize, f64) {
        let total = self.total();
        if total.is_nan() || total <= 0.0 {
            return (0, 0.0);
        }
        let most = |best: (usize, f64), next: (usize, &f64)| {
            if *next.1 > best.1 {
                (next.0, *next.1)
            } else {
                best
            }
        };
        let (k, energy) = (1..).zip(&self.frequencies).fold((0, 0.0), most);
        (k, energy / total)
    }

    /// Returns the share that these frequencies have together; 0 if nothing varies.
    pub(crate) fn share(&self, keys: &[usize]) -> f64 {
        let total = self.total();
        let of = |k: &usize| self.frequencies.get(k.wrapping_sub(1)).copied();
        if total > 0.0 {
            keys.iter().filter_map(of).sum::<f64>() / total
        } else {
            0.0
        }
    }

    /// Returns the norms by row of the basis, `(p)`.
    pub(crate) fn norms(&self) -> Vec<f64> {
        self.rows.iter().map(|x| x.sqrt()).collect()
    }
}
