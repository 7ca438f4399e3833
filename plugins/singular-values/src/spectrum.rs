//! Computes singular values with nalgebra, and their effective number.

use nalgebra::DMatrix;

/// The most steps of the iteration: some hundred are usual.
const MOST_STEPS: usize = 100_000;

/// Holds the singular values of a matrix, descending.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Singular {
    /// `(min(rows, columns))`; NaN throughout if the matrix has a number that is not finite
    pub(crate) values: Vec<f64>,
}

impl Singular {
    /// Computes them for a table with `columns` numbers a row, row-major.
    pub(crate) fn of(table: &[f32], columns: usize) -> Singular {
        let matrix = matrix(table, columns);
        let count = matrix.nrows().min(matrix.ncols());
        // A wide or tall matrix is first reduced to a square one: half the work.
        let square = if matrix.nrows() > matrix.ncols() {
            matrix
        } else {
            matrix.transpose()
        };
        let wanted = finite(table) && count > 0;
        let square = if wanted && square.nrows() > 2 * count {
            square.qr().r()
        } else {
            square
        };
        let svd = wanted
            .then(|| square.try_svd(false, false, f64::EPSILON, MOST_STEPS))
            .flatten();
        let values = match svd {
            Some(svd) => svd.singular_values.iter().copied().collect(),
            None => vec![f64::NAN; count],
        };
        Singular { values }.sorted()
    }

    fn sorted(mut self) -> Singular {
        self.values.sort_by(|x, y| y.total_cmp(x));
        self
    }

    /// Returns Σσ², the sum of the matrix's squares.
    pub(crate) fn energy(&self) -> f64 {
        self.values.iter().map(|x| x * x).sum()
    }

    /// Returns exp of the entropy of σ/Σσ (Roy and Vetterli 2007): r for r equal values; 0 if all
    /// are 0.
    pub(crate) fn effective_rank(&self) -> f64 {
        let sum: f64 = self.values.iter().sum();
        if sum == 0.0 {
            return 0.0;
        }
        let shares = self.values.iter().map(|x| x / sum);
        // NaN stays NaN.
        let entropy: f64 = shares.filter(|s| *s != 0.0).map(|s| -s * s.ln()).sum();
        entropy.exp()
    }

    /// Returns (Σσ²)² / Σσ⁴, the effective number of values that carry the energy; 0 if all are 0.
    pub(crate) fn participation(&self) -> f64 {
        grokrun_basis::effective_number(&self.values)
    }
}

/// Returns the left singular vectors of a table, by descending value: column i of `(rows, count)`,
/// with the values; none if they cannot be computed.
pub(crate) fn left_vectors(table: &[f32], columns: usize) -> Option<(Vec<Vec<f64>>, Singular)> {
    if !finite(table) || table.is_empty() || columns == 0 {
        return None;
    }
    let svd = matrix(table, columns).try_svd(true, false, f64::EPSILON, MOST_STEPS)?;
    let u = svd.u?;
    let mut order: Vec<usize> = (0..svd.singular_values.len()).collect();
    order.sort_by(|x, y| svd.singular_values[*y].total_cmp(&svd.singular_values[*x]));
    let vectors = order.iter().map(|i| u.column(*i).iter().copied().collect());
    let vectors = vectors.collect();
    let values = order.iter().map(|i| svd.singular_values[*i]).collect();
    Some((vectors, Singular { values }))
}

/// Returns the two largest singular values of rows `(…, width)`. Those of two rows, or the one of
/// one, in closed form: of the Gram matrix of f32 numbers, in f64.
pub(crate) fn of_rows(rows: &[f64], width: usize) -> [f64; 2] {
    if rows.len() > 2 * width {
        let narrow: Vec<f32> = rows.iter().map(|x| *x as f32).collect();
        let values = Singular::of(&narrow, width).values;
        return [0, 1].map(|i| values.get(i).copied().unwrap_or(0.0));
    }
    let (x, y) = rows.split_at(width.min(rows.len()));
    let dot = |x: &[f64], y: &[f64]| -> f64 { x.iter().zip(y).map(|(x, y)| x * y).sum() };
    let (xx, xy, yy) = (dot(x, x), dot(x, y), dot(y, y));
    let (middle, half) = ((xx + yy) / 2.0, ((xx - yy) / 2.0).hypot(xy));
    // Rounding may leave a zero below 0.
    [middle + half, (middle - half).max(0.0)].map(f64::sqrt)
}

fn matrix(table: &[f32], columns: usize) -> DMatrix<f64> {
    let rows = table.len() / columns.max(1);
    let wide = table[..rows * columns].iter().map(|x| f64::from(*x));
    DMatrix::from_row_iterator(rows, columns, wide)
}

/// Says whether all numbers are finite: nalgebra's iteration has no end on NaN.
fn finite(table: &[f32]) -> bool {
    table.iter().all(|x| x.is_finite())
}
