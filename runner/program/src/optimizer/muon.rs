//! Muon: the nearest orthogonal matrix to a moving average (Jordan et al. 2024), for matrices;
//! AdamW for everything else.

use serde::{Deserialize, Serialize};

use super::recipe::{RecipeError, finite, share};
use super::{AdamW, Coefficients, ElementRule, MAX_SLOTS};
use crate::interpret::Real;
use crate::parameters::Matrix;

/// `m ← μ m + (1 − μ) g; u = (1 − μ) g + μ m; O = NS(u);
/// w ← (1 − η λ) w − η √max(1, outputs / inputs) O`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Muon {
    /// μ.
    pub momentum: f64,
    /// The rule of the parameters that are not matrices between the embedding and the unembedding.
    pub others: Others,
}

/// How the parameters that are not matrices are moved.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Others {
    /// Their rule.
    pub rule: AdamW,
    /// Their learning rate.
    pub learning_rate: f64,
    /// Their weight decay.
    pub weight_decay: f64,
}

/// The coefficients a, b and c of [`newton_schulz`], which are useful although the iteration does
/// not converge.
pub const QUINTIC: [f64; 3] = [3.4445, -4.7750, 2.0315];
/// The number of iterations of [`newton_schulz`].
pub const ITERATIONS: usize = 5;

impl ElementRule for Muon {
    /// Returns the name of m.
    fn slots(&self) -> &'static [&'static str] {
        &["momentum"]
    }

    /// Returns the number of the direction's formula: the matrix is moved by the direction as a
    /// whole.
    fn formula(&self) -> u32 {
        7
    }

    fn check(&self) -> Result<(), RecipeError> {
        share("the momentum", self.momentum)?;
        finite("the learning rate of the others", self.others.learning_rate)?;
        finite("the weight decay of the others", self.others.weight_decay)?;
        self.others.rule.check()
    }

    /// Returns 1 − η λ, η, μ, 1 − μ.
    fn coefficients(&self, rate: f64, decay: f64, _step: u64) -> Coefficients<f64> {
        let momentum = self.momentum;
        let keep = 1.0 - rate * decay;
        [keep, rate, momentum, 1.0 - momentum, 0.0, 0.0, 0.0, 0.0]
    }

    /// Returns an element of u. The direction belongs to the matrix as a whole, not to the element.
    fn update<T: Real>(
        &self,
        c: &Coefficients<T>,
        _weight: T,
        gradient: T,
        slots: &mut [T; MAX_SLOTS],
    ) -> T {
        let [_, _, momentum, fresh, ..] = *c;
        slots[0] = momentum * slots[0] + fresh * gradient;
        fresh * gradient + momentum * slots[0]
    }
}

/// Computes the products that [`newton_schulz`] is made of, all of its work but a few passes.
pub trait Products<T> {
    /// Returns `a · b`, `(m, n)`, of row-major matrices, `(m, k)` and `(k, n)`.
    fn product(&mut self, a: &[T], b: &[T], size: [usize; 3]) -> Vec<T>;

    /// Returns `x · xᵀ`, `(rows, rows)`, of a row-major matrix.
    fn square(&mut self, x: &[T], rows: usize, cols: usize) -> Vec<T>;
}

/// Computes products by plain loops, in the type's own precision.
pub struct Loops;

impl<T: Real> Products<T> for Loops {
    fn product(&mut self, a: &[T], b: &[T], [m, k, n]: [usize; 3]) -> Vec<T> {
        let mut out = vec![T::ZERO; m * n];
        for (out, a) in out.chunks_exact_mut(n).zip(a.chunks_exact(k)) {
            for (a, b) in a.iter().zip(b.chunks_exact(n)) {
                out.iter_mut().zip(b).for_each(|(o, b)| *o += *a * *b);
            }
        }
        out
    }

    fn square(&mut self, x: &[T], rows: usize, cols: usize) -> Vec<T> {
        self.product(x, &transposed(x, rows, cols), [rows, cols, rows])
    }
}

/// Returns NS(u) of a row-major matrix: five times `X ← a X + (b A + c A²) X` with `A = X Xᵀ`, from
/// `X = u / (‖u‖ + 1e-7)`, on the transposed matrix where that has fewer rows.
pub fn newton_schulz<T: Real>(
    u: &[T],
    rows: usize,
    cols: usize,
    products: &mut impl Products<T>,
) -> Vec<T> {
    if rows > cols {
        let turned = newton_schulz(&transposed(u, rows, cols), cols, rows, products);
        return transposed(&turned, cols, rows);
    }
    let squares = u.iter().fold(T::ZERO, |sum, x| sum + *x * *x);
    let norm = squares.sqrt() + T::from_f64(1e-7);
    let mut x: Vec<T> = u.iter().map(|x| *x / norm).collect();
    let [a, b, c] = QUINTIC.map(T::from_f64);
    for _ in 0..ITERATIONS {
        let square = products.square(&x, rows, cols);
        let fourth = products.product(&square, &square, [rows; 3]);
        let both: Vec<T> = square
            .iter()
            .zip(&fourth)
            .map(|(s, f)| b * *s + c * *f)
            .collect();
        let moved = products.product(&both, &x, [rows, rows, cols]);
        x.iter_mut().zip(moved).for_each(|(x, m)| *x = a * *x + m);
    }
    x
}

fn transposed<T: Real>(x: &[T], rows: usize, cols: usize) -> Vec<T> {
    let place = |i: usize| (i % rows) * cols + i / rows;
    (0..rows * cols).map(|i| x[place(i)]).collect()
}

/// Moves a matrix by the directions that [`Rule::update`](super::Rule::update) of a Muon has
/// returned: `w ← (1 − η λ) w − η √max(1, outputs / inputs) NS(u)`.
pub fn move_matrix<T: Real>(
    c: &Coefficients<T>,
    matrix: Matrix,
    directions: &[T],
    weights: &mut [T],
    products: &mut impl Products<T>,
) {
    let [keep, rate, ..] = *c;
    let wide = (matrix.heads * matrix.outputs) as f64 / matrix.inputs as f64;
    let rate = rate * T::from_f64(wide.max(1.0).sqrt());
    let orthogonal = orthogonalised(directions, matrix, products);
    for (w, o) in weights.iter_mut().zip(orthogonal) {
        *w = keep * *w - rate * o;
    }
}

/// Returns NS of a parameter whose heads lie one after another, in the same layout.
fn orthogonalised<T: Real>(u: &[T], matrix: Matrix, products: &mut impl Products<T>) -> Vec<T> {
    let Matrix {
        heads,
        inputs,
        outputs,
    } = matrix;
    let cols = heads * outputs;
    let mut joined = vec![T::ZERO; u.len()];
    let place = |head: usize, row: usize, col: usize| (head * inputs + row) * outputs + col;
    for row in 0..inputs {
        for col in 0..cols {
            joined[row * cols + col] = u[place(col / outputs, row, col % outputs)];
        }
    }
    let orthogonal = newton_schulz(&joined, inputs, cols, products);
    let mut apart = joined;
    for row in 0..inputs {
        for col in 0..cols {
            apart[place(col / outputs, row, col % outputs)] = orthogonal[row * cols + col];
        }
    }
    apart
}
