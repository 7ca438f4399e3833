//! Removes the component of the gradient along the weights (Prieto et al. 2025).

use crate::interpret::Real;

/// Keeps divisions by a zero norm finite.
const TINY: f64 = 1e-30;

/// `h = g − (w·g) / (w·w + 1e-30) w; g ← h ‖g‖ / (‖h‖ + 1e-30)`, for one tensor.
pub fn orthogonal<T: Real>(weights: &[T], gradient: &mut [T]) {
    let dot =
        |a: &[T], b: &[T]| -> f64 { a.iter().zip(b).map(|(a, b)| a.to_f64() * b.to_f64()).sum() };
    let along = dot(weights, gradient) / (dot(weights, weights) + TINY);
    let norm = dot(gradient, gradient).sqrt();
    let along = T::from_f64(along);
    for (g, w) in gradient.iter_mut().zip(weights) {
        *g -= along * *w;
    }
    let factor = T::from_f64(norm / (dot(gradient, gradient).sqrt() + TINY));
    gradient.iter_mut().for_each(|g| *g *= factor);
}
