//! The extreme eigenvalues of a symmetric operator that is known by its products alone, as the
//! Hessian of a loss is.
//!
//! Lanczos' recurrence with every vector orthogonalised against all earlier ones, twice: after k
//! products the eigenvalues of a k × k tridiagonal matrix are the best that the Krylov space has.
//! Knows nothing of what the operator is.

use grokrun_api::Failure;
use grokrun_basis::gaussian;
use nalgebra::{DMatrix, SymmetricEigen};

/// The distance, by the norm of the weights, over which gradients in f32 are differentiated: long
/// enough that their rounding does not count, and short enough that a cross-entropy near 0, which
/// grows exponentially in the sharpest direction, is still quadratic.
pub const DIFFERENCE: f64 = 3e-5;

/// Returns the distance over which to differentiate at these weights: `step` times their norm.
/// Weights that are all 0 have no scale of their own, and get `step`.
pub fn distance(weights: &[f32], step: f64) -> f64 {
    let squares = weights.iter().map(|w| f64::from(*w).powi(2));
    let norm = squares.sum::<f64>().sqrt();
    step * if norm > 0.0 { norm } else { 1.0 }
}

/// The ends of a spectrum, as far as they were found.
#[derive(Clone, Debug, PartialEq)]
pub struct Extremes {
    /// the largest eigenvalue; an estimate from below
    pub largest: f64,
    /// the smallest eigenvalue; an estimate from above
    pub smallest: f64,
    /// |A v − λ v| for the largest: an eigenvalue of A is no farther from `largest` than this
    pub residual: f64,
    /// the unit vector that belongs to the largest
    pub vector: Vec<f64>,
    /// how many products were taken
    pub products: usize,
}

/// Returns the ends of the spectrum of an operator on `size` numbers. Products are taken until the
/// residual is below `tolerance` times the largest eigenvalue, `most` at most. The first vector
/// is Gaussian noise of this seed.
///
/// # Errors
/// When the operator fails, or gives numbers that are not finite.
pub fn extremes(
    size: usize,
    most: usize,
    tolerance: f64,
    seed: i64,
    mut apply: impl FnMut(&[f64]) -> Result<Vec<f64>, Failure>,
) -> Result<Extremes, Failure> {
    let noise = gaussian(seed, size).into_iter().map(f64::from);
    let mut basis = vec![unit(noise.collect())];
    let (mut diagonal, mut beside) = (Vec::new(), Vec::new());
    loop {
        let last = basis.len() - 1;
        let mut next = apply(&basis[last])?;
        if next.len() != size || next.iter().any(|x| !x.is_finite()) {
            return Err(Failure::new(format!(
                "product {} of the operator has numbers that are not finite",
                last + 1
            )));
        }
        diagonal.push(dot(&next, &basis[last]));
        for _ in 0..2 {
            for vector in &basis {
                let along = dot(&next, vector);
                next.iter_mut()
                    .zip(vector)
                    .for_each(|(x, v)| *x -= along * v);
            }
        }
        let length = dot(&next, &next).sqrt();
        let found = ends(&diagonal, &beside);
        let residual = length * found.weight.abs();
        let scale = found.largest.abs().max(found.smallest.abs());
        let done = residual <= tolerance * found.largest.abs() || length <= 1e-12 * scale;
        if done || basis.len() >= most.min(size) {
            let mut vector = vec![0.0; size];
            for (share, part) in found.parts.iter().zip(&basis) {
                vector
                    .iter_mut()
                    .zip(part)
                    .for_each(|(x, v)| *x += share * v);
            }
            return Ok(Extremes {
                largest: found.largest,
                smallest: found.smallest,
                residual,
                vector: unit(vector),
                products: basis.len(),
            });
        }
        beside.push(length);
        basis.push(unit(next));
    }
}

/// The ends of the spectrum of a tridiagonal matrix.
struct Ends {
    largest: f64,
    smallest: f64,
    /// the eigenvector of the largest
    parts: Vec<f64>,
    /// its last entry
    weight: f64,
}

fn ends(diagonal: &[f64], beside: &[f64]) -> Ends {
    let count = diagonal.len();
    let matrix = DMatrix::from_fn(count, count, |i, j| match i.abs_diff(j) {
        0 => diagonal[i],
        1 => beside[i.min(j)],
        _ => 0.0,
    });
    let eigen = SymmetricEigen::new(matrix);
    let values = &eigen.eigenvalues;
    let by_value = |x: &usize, y: &usize| values[*x].total_cmp(&values[*y]);
    let top = (0..count).max_by(by_value).unwrap_or(0);
    let low = (0..count).min_by(by_value).unwrap_or(0);
    let parts: Vec<f64> = eigen.eigenvectors.column(top).iter().copied().collect();
    Ends {
        largest: values[top],
        smallest: values[low],
        weight: parts[count - 1],
        parts,
    }
}

fn dot(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}

fn unit(mut x: Vec<f64>) -> Vec<f64> {
    let norm = dot(&x, &x).sqrt();
    if norm > 0.0 {
        x.iter_mut().for_each(|x| *x /= norm);
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[f64], most: usize) -> Extremes {
        let apply = |x: &[f64]| Ok(x.iter().zip(values).map(|(x, h)| x * h).collect());
        extremes(values.len(), most, 1e-10, 5, apply).unwrap()
    }

    #[test]
    fn the_ends_of_a_planted_spectrum_are_found_with_few_products() {
        let mut values: Vec<f64> = (0..500).map(|i| f64::from(i) / 500.0).collect();
        values[17] = 9.0;
        values[400] = -2.0;
        let found = of(&values, 60);
        assert!((found.largest - 9.0).abs() < 1e-9, "{}", found.largest);
        assert!((found.smallest + 2.0).abs() < 1e-6, "{}", found.smallest);
        assert!(found.products < 40, "{}", found.products);
        assert!(found.vector[17].abs() > 1.0 - 1e-9);
    }

    #[test]
    fn a_residual_bounds_the_error_of_few_products() {
        let values: Vec<f64> = (0..500).map(|i| (f64::from(i) * 0.7).sin()).collect();
        let largest = values.iter().copied().fold(f64::MIN, f64::max);
        let found = of(&values, 4);
        assert_eq!(found.products, 4);
        assert!(found.largest < largest && found.residual > 1e-3);
        let nearest = values.iter().map(|v| (v - found.largest).abs());
        assert!(nearest.fold(f64::MAX, f64::min) <= found.residual);
    }

    #[test]
    fn small_and_flat_operators_end_at_once_and_broken_ones_are_refused() {
        assert_eq!(of(&[3.0], 10).largest, 3.0);
        let flat = of(&[0.0; 9], 10);
        assert_eq!((flat.largest, flat.products), (0.0, 1));
        let broken = extremes(3, 5, 1e-6, 1, |_| Ok(vec![f64::NAN; 3]));
        assert!(broken.unwrap_err().to_string().contains("not finite"));
    }
}
