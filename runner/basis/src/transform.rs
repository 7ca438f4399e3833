//! Transforms along the first axis: by rustfft over a long cyclic group, by the exact matrix over a
//! short one and over a group that is not cyclic.

use std::sync::Arc;

use rustfft::num_complex::Complex64;
use rustfft::{Fft, FftPlanner};

use crate::basis::Basis;

/// From this many elements on an FFT with its copies is faster than the matrix.
const WORTH_AN_FFT: usize = 12;
/// How many columns are copied and transformed together: a cache line of f32, two to a complex
/// number.
const LANES: usize = 16;

/// How functions of an operand are transformed.
#[derive(Clone)]
pub(crate) enum Transform {
    /// over a cyclic group
    Cycle(Cycle),
    /// by the matrix of the basis, `(p, p)`
    Dense(Arc<Vec<f64>>),
}

/// Transforms over a cyclic group of n elements.
#[derive(Clone)]
pub(crate) struct Cycle {
    n: usize,
    way: Way,
}

/// Says how a sequence is transformed.
#[derive(Clone)]
enum Way {
    Fft(Arc<dyn Fft<f64>>),
    /// e^(−2πi m/n) for each m
    Matrix(Vec<Complex64>),
}

impl Cycle {
    pub(crate) fn new(n: usize) -> Cycle {
        let turn = |m: usize| -std::f64::consts::TAU * m as f64 / n as f64;
        let way = if n >= WORTH_AN_FFT {
            Way::Fft(FftPlanner::new().plan_fft_forward(n))
        } else {
            Way::Matrix(
                (0..n)
                    .map(|m| Complex64::from_polar(1.0, turn(m)))
                    .collect(),
            )
        };
        Cycle { n, way }
    }

    /// Computes the coefficients of constant, cos 1, sin 1, … of two real sequences at a time: one
    /// in the real parts of `work` `(n)` and one in the imaginary parts.
    fn pair(
        &self,
        work: &mut [Complex64],
        scratch: &mut [Complex64],
        mut out: impl FnMut(usize, [f64; 2]),
    ) {
        let n = self.n;
        match &self.way {
            Way::Fft(fft) => fft.process_with_scratch(work, scratch),
            Way::Matrix(turns) => {
                let copy = work.to_vec();
                for (k, slot) in work.iter_mut().enumerate() {
                    let terms = copy.iter().enumerate();
                    *slot = terms.map(|(x, value)| value * turns[k * x % n]).sum();
                }
            }
        }
        let (one, two) = ((1.0 / n as f64).sqrt(), (2.0 / n as f64).sqrt());
        out(0, [one * work[0].re, one * work[0].im]);
        for k in 1..n.div_ceil(2) {
            // The spectrum of the first sequence is (w_k + w̄_−k)/2, of the second
            // (w_k − w̄_−k)/2i.
            let (here, there) = (work[k], work[n - k].conj());
            let (first, second) = ((here + there) / 2.0, (here - there) / 2.0);
            out(2 * k - 1, [two * first.re, two * second.im]);
            out(2 * k, [-two * first.im, two * second.re]);
        }
        if n.is_multiple_of(2) && n > 1 {
            let middle = work[n / 2];
            out(n - 1, [one * middle.re, one * middle.im]);
        }
    }
}

/// Writes the product of a matrix `(rows, p)` and a table `(p, width)` to `out`, `(rows, width)`.
fn multiply(matrix: &[f64], table: &[f64], width: usize, out: &mut [f64]) {
    let p = table.len() / width.max(1);
    let rows = matrix.chunks_exact(p.max(1));
    for (weights, out) in rows.zip(out.chunks_exact_mut(width.max(1))) {
        for (weight, row) in weights.iter().zip(table.chunks_exact(width.max(1))) {
            out.iter_mut().zip(row).for_each(|(o, x)| *o += weight * x);
        }
    }
}

impl Basis {
    /// Returns the coefficients of functions of a residue, `(p, width)` row-major in and out: row i
    /// of the result is row i of the basis times the table (F X in doc/definitions.md#bases).
    pub fn forward(&self, table: &[f32]) -> Vec<f64> {
        let wide: Vec<f64> = table.iter().map(|x| f64::from(*x)).collect();
        self.forward_wide(&wide)
    }

    /// Returns the same as [`Basis::forward`], in f64.
    pub fn forward_wide(&self, table: &[f64]) -> Vec<f64> {
        let (p, n) = (self.modulus(), self.group());
        let width = table.len() / p.max(1);
        let mut out = vec![0.0; p * width];
        let cycle = match &self.transform {
            Transform::Cycle(cycle) => cycle,
            Transform::Dense(matrix) => {
                multiply(matrix, table, width, &mut out);
                return out;
            }
        };
        for (row, token) in self.outside().iter().enumerate() {
            out[row * width..(row + 1) * width]
                .copy_from_slice(&table[token * width..(token + 1) * width]);
        }
        let first = self.constant();
        let scratch = match &cycle.way {
            Way::Fft(fft) => fft.get_inplace_scratch_len(),
            Way::Matrix(_) => 0,
        };
        let mut scratch = vec![Complex64::default(); scratch];
        let mut work = vec![Complex64::default(); n * LANES / 2];
        for from in (0..width).step_by(LANES) {
            let lanes = LANES.min(width - from);
            for (place, token) in self.order().iter().enumerate() {
                let row = &table[token * width + from..][..lanes];
                for (pair, values) in row.chunks(2).enumerate() {
                    let second = values.get(1).copied().unwrap_or(0.0);
                    work[pair * n + place] = Complex64::new(values[0], second);
                }
            }
            for (pair, work) in work.chunks_exact_mut(n).take(lanes.div_ceil(2)).enumerate() {
                let column = from + 2 * pair;
                cycle.pair(work, &mut scratch, |row, [first_value, second_value]| {
                    let at = (first + row) * width + column;
                    out[at] = first_value;
                    if column + 1 < width {
                        out[at + 1] = second_value;
                    }
                });
            }
        }
        out
    }

    /// Returns functions of a residue from their coefficients, `(p, width)`: the transpose of the
    /// matrix.
    pub fn inverse(&self, coefficients: &[f64]) -> Vec<f64> {
        let p = self.modulus();
        let width = coefficients.len() / p.max(1);
        let matrix = self.matrix();
        let mut out = vec![0.0; p * width];
        for (i, row) in coefficients.chunks_exact(width.max(1)).enumerate() {
            for x in 0..p {
                let weight = matrix[i * p + x];
                let target = &mut out[x * width..(x + 1) * width];
                target
                    .iter_mut()
                    .zip(row)
                    .for_each(|(t, c)| *t += weight * c);
            }
        }
        out
    }

    /// Returns the coefficients of functions of a pair, `(p, p, width)` in and out: entry (i, j)
    /// belongs to row i of the basis for a times its row j for b.
    pub fn forward_2d(&self, table: &[f32]) -> Vec<f64> {
        let p = self.modulus();
        let along_a = self.forward(table);
        let slab = along_a.len() / p.max(1);
        along_a
            .chunks_exact(slab.max(1))
            .flat_map(|of_row| self.forward_wide(of_row))
            .collect()
    }

    /// Returns functions of a pair from their coefficients, `(p, p, width)`.
    pub fn inverse_2d(&self, coefficients: &[f64]) -> Vec<f64> {
        let slab = coefficients.len() / self.modulus().max(1);
        let along_b: Vec<f64> = coefficients
            .chunks_exact(slab.max(1))
            .flat_map(|of_row| self.inverse(of_row))
            .collect();
        self.inverse(&along_b)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::basis_of;
    use crate::sparsity::gaussian;

    fn all() -> Vec<Basis> {
        let additive = [2, 3, 4, 5, 11, 12, 13, 24, 59, 113].map(Basis::additive);
        let primes = [2, 3, 5, 11, 13, 59, 113];
        let multiplicative = primes.map(|p| Basis::multiplicative(p).unwrap());
        let groups = ["S4", "D5", "Dic2", "C2 x C4"].map(basis_of);
        let cyclic = additive.into_iter().chain(multiplicative);
        cyclic.chain(groups).collect()
    }

    #[test]
    fn both_ways_of_transforming_are_the_matrix() {
        for basis in all() {
            let p = basis.modulus();
            for width in [1, 2, 5, 16, 17] {
                let table = gaussian(p as i64, p * width);
                let got = basis.forward(&table);
                let matrix = basis.matrix();
                for i in 0..p {
                    for c in 0..width {
                        let want: f64 = (0..p)
                            .map(|x| matrix[i * p + x] * f64::from(table[x * width + c]))
                            .sum();
                        let got = got[i * width + c];
                        assert!(
                            (got - want).abs() < 1e-11,
                            "{} {p} {i}: {got} {want}",
                            basis.name(1)
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn there_and_back_and_parseval() {
        for basis in all() {
            let p = basis.modulus();
            let table = gaussian(1, p * p * 3);
            let there = basis.forward_2d(&table);
            let energy: f64 = there.iter().map(|x| x * x).sum();
            let own: f64 = table.iter().map(|x| f64::from(*x).powi(2)).sum();
            assert!((energy / own - 1.0).abs() < 1e-12, "{} {p}", basis.name(1));
            for (back, x) in basis.inverse_2d(&there).iter().zip(&table) {
                assert!((back - f64::from(*x)).abs() < 1e-11);
            }
        }
    }

    #[test]
    fn a_product_of_waves_is_one_coefficient() {
        // ARENA's 2-D term (3, 5): cos 2 of a times cos 3 of b.
        let basis = Basis::additive(113);
        let matrix = basis.matrix();
        let table: Vec<f32> = (0..113 * 113)
            .map(|i| (matrix[3 * 113 + i / 113] * matrix[5 * 113 + i % 113]) as f32)
            .collect();
        for (i, x) in basis.forward_2d(&table).iter().enumerate() {
            let want = f64::from(u8::from(i == 3 * 113 + 5));
            assert!((x - want).abs() < 1e-6, "{i}");
        }
    }
}
