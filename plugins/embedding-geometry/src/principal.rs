//! Computes principal components of the tokens' embeddings.

use nalgebra::{DMatrix, SymmetricEigen};

/// More steps than an eigenvalue of a symmetric matrix ever takes.
const MOST_STEPS: usize = 100_000;

/// Holds the principal components of points.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Principal {
    /// each component's share of the variance, the largest first, `(d)`
    pub(crate) shares: Vec<f64>,
    /// the points' coordinates along the first components, `(points, count)`
    pub(crate) scores: Vec<f64>,
    pub(crate) count: usize,
}

impl Principal {
    /// Computes the components of points `(points, d)`, centred, with the coordinates along the
    /// first `count` components. Their signs are such that the largest weight of each is positive.
    /// None if a number is not finite.
    pub(crate) fn new(points: &[f32], d: usize, count: usize) -> Option<Principal> {
        if d == 0 || points.iter().any(|x| !x.is_finite()) {
            return None;
        }
        let n = points.len() / d;
        let wide = points.iter().map(|x| f64::from(*x));
        let mut centred = DMatrix::from_row_iterator(n, d, wide);
        for mut column in centred.column_iter_mut() {
            let mean = column.mean();
            column.add_scalar_mut(-mean);
        }
        let squares = centred.tr_mul(&centred);
        let eigen = SymmetricEigen::try_new(squares, f64::EPSILON, MOST_STEPS)?;
        let mut order: Vec<usize> = (0..d).collect();
        let values = &eigen.eigenvalues;
        order.sort_by(|i, j| values[*j].total_cmp(&values[*i]).then(i.cmp(j)));
        // Rounding may leave an eigenvalue of 0 below 0.
        let sorted: Vec<f64> = order.iter().map(|i| values[*i].max(0.0)).collect();
        let total: f64 = sorted.iter().sum();
        let count = count.min(d);
        let mut scores = vec![0.0; n * count];
        for (place, component) in order.iter().take(count).enumerate() {
            let weights = eigen.eigenvectors.column(*component);
            let sign = weights[weights.iamax()].signum();
            let along = &centred * weights;
            for (point, x) in along.iter().enumerate() {
                scores[point * count + place] = sign * x;
            }
        }
        let share = |x: &f64| if total > 0.0 { x / total } else { 0.0 };
        Some(Principal {
            shares: sorted.iter().map(share).collect(),
            scores,
            count,
        })
    }

    /// Returns (Σλ)²/Σλ², the effective number of components; 0 if all points are one.
    pub(crate) fn effective_number(&self) -> f64 {
        let squares: f64 = self.shares.iter().map(|x| x * x).sum();
        if squares > 0.0 { 1.0 / squares } else { 0.0 }
    }
}
