//! Singular values by nalgebra, and how many there are in effect.

use nalgebra::DMatrix;

/// Steps before the iteration is given up: some hundred are usual.
const MOST_STEPS: usize = 100_000;

/// The singular values of a matrix, descending.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Singular {
    /// `(min(rows, columns))`; NaN throughout where the matrix has a number that is not finite
    pub(crate) values: Vec<f64>,
}

impl Singular {
    /// Of a table with `columns` numbers a row, row-major.
    pub(crate) fn of(table: &[f32], columns: usize) -> Singular {
        let matrix = matrix(table, columns);
        let count = matrix.nrows().min(matrix.ncols());
        // A wide or tall matrix is first brought to a square one: half the work.
        let square = match matrix.nrows() > matrix.ncols() {
            true => matrix,
            false => matrix.transpose(),
        };
        let wanted = finite(table) && count > 0;
        let square = match wanted && square.nrows() > 2 * count {
            true => square.qr().r(),
            false => square,
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

    /// Σσ²: the sum of the matrix's squares.
    pub(crate) fn energy(&self) -> f64 {
        self.values.iter().map(|x| x * x).sum()
    }

    /// exp of the entropy of σ/Σσ (Roy and Vetterli 2007): r for r equal values; 0 of nothing.
    pub(crate) fn effective_rank(&self) -> f64 {
        let sum: f64 = self.values.iter().sum();
        if sum == 0.0 {
            return 0.0;
        }
        let shares = self.values.iter().map(|x| x / sum);
        // NaN is no share of nothing: it stays.
        let entropy: f64 = shares.filter(|s| *s != 0.0).map(|s| -s * s.ln()).sum();
        entropy.exp()
    }

    /// (Σσ²)² / Σσ⁴: how many values carry the energy; 0 of nothing.
    pub(crate) fn participation(&self) -> f64 {
        grokrun_basis::effective_number(&self.values)
    }
}

/// The left singular vectors of a table, by descending value: column i of `(rows, count)`, with the
/// values; none where they cannot be computed.
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

/// The two singular values of two rows, or the one of one, in closed form: of the Gram matrix of
/// f32 numbers, in f64.
pub(crate) fn of_rows(rows: &[f64], width: usize) -> [f64; 2] {
    let (x, y) = rows.split_at(width.min(rows.len()));
    let dot = |x: &[f64], y: &[f64]| -> f64 { x.iter().zip(y).map(|(x, y)| x * y).sum() };
    let (xx, xy, yy) = (dot(x, x), dot(x, y), dot(y, y));
    let (middle, half) = ((xx + yy) / 2.0, ((xx - yy) / 2.0).hypot(xy));
    // Rounding may take a zero below itself.
    [middle + half, (middle - half).max(0.0)].map(f64::sqrt)
}

fn matrix(table: &[f32], columns: usize) -> DMatrix<f64> {
    let rows = table.len() / columns.max(1);
    let wide = table[..rows * columns].iter().map(|x| f64::from(*x));
    DMatrix::from_row_iterator(rows, columns, wide)
}

/// nalgebra's iteration has no end on NaN.
fn finite(table: &[f32]) -> bool {
    table.iter().all(|x| x.is_finite())
}
