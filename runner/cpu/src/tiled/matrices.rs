//! Computes products of whole matrices by the micro-kernel, rows of the result divided among the
//! threads.
//!
//! Knows nothing of what the matrices are. A sum's order depends on the inner dimension alone, so
//! that a result is the same for any number of threads.

use grokrun_program::Products;
use pulp::Simd;
use rayon::prelude::*;

use crate::parallel::Bodies as _;
use crate::product::{Mode, Right, View};

/// The number of rows that one task computes.
const ROWS: usize = 32;

/// The micro-kernel of a vector width.
pub(super) struct Kernels<S>(pub(super) S);

impl<S: Simd> Kernels<S> {
    fn multiply(&self, a: &[f32], b: View<'_>, [m, k, n]: [usize; 3]) -> Vec<f32> {
        let mut right = Right::zeros(k, n);
        right.pack::<S>(b, k);
        let mut out = vec![0.0; m * n];
        let rows = out.par_chunks_mut(ROWS * n).zip(a.par_chunks(ROWS * k));
        rows.each(&|(out, a)| {
            let count = out.len() / n;
            right.multiply(self.0, View::rows(a, k), count, out, n, Mode::Set);
        });
        out
    }
}

impl<S: Simd> Products<f32> for Kernels<S> {
    fn product(&mut self, a: &[f32], b: &[f32], size: [usize; 3]) -> Vec<f32> {
        self.multiply(a, View::rows(b, size[2]), size)
    }

    fn square(&mut self, x: &[f32], rows: usize, cols: usize) -> Vec<f32> {
        self.multiply(x, View::rows(x, cols).t(), [rows, cols, rows])
    }
}

#[cfg(test)]
mod tests {
    use grokrun_program::{Loops, Products};

    use super::*;

    #[test]
    fn products_are_those_of_plain_loops_in_double_precision() {
        let (rows, cols, n) = (70, 45, 33);
        let value = |i: usize| ((i * 37 % 101) as f32 - 50.0) / 64.0;
        let x: Vec<f32> = (0..rows * cols).map(value).collect();
        let y: Vec<f32> = (0..cols * n).map(|i| value(i + 7)).collect();
        let wide = |x: &[f32]| x.iter().map(|x| f64::from(*x)).collect::<Vec<f64>>();
        let near = |ours: &[f32], theirs: &[f64]| {
            let apart = ours
                .iter()
                .zip(theirs)
                .map(|(o, t)| (f64::from(*o) - t).abs());
            assert_eq!(ours.len(), theirs.len());
            assert!(apart.fold(0.0, f64::max) < 1e-5);
        };
        let mut kernels = Kernels(pulp::Scalar::new());
        let ours = kernels.product(&x, &y, [rows, cols, n]);
        near(&ours, &Loops.product(&wide(&x), &wide(&y), [rows, cols, n]));
        let ours = kernels.square(&x, rows, cols);
        near(&ours, &Loops.square(&wide(&x), rows, cols));
    }
}
