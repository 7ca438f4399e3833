//! Computes two-dimensional spectra of functions of a pair: of one map, and the mean of squares
//! over many.

use grokrun_basis::{Basis, Row};
use grokrun_measures::product;
use rayon::prelude::*;

/// How many columns are transformed together: the intermediate result stays in the cache.
const COLUMNS: usize = 64;

/// Returns the mean of squared coefficients over the columns of a table `(p², width)`, `(p, p)`:
/// entry (i, j) belongs to row i of the basis for a times its row j for b. The constant term is 0,
/// which centres over the group. Computed by products of f32, since p is too small and too prime
/// for an FFT over this many columns to be faster.
pub(crate) fn mean_squared(basis: &Basis, matrix: &[f32], table: &[f32]) -> Vec<f64> {
    let p = basis.modulus();
    let width = table.len() / (p * p).max(1);
    let starts: Vec<usize> = (0..width).step_by(COLUMNS).collect();
    let parts = starts.par_iter().map(|from| {
        let columns = COLUMNS.min(width - from);
        let mut part = Vec::with_capacity(p * p * columns);
        for row in table.chunks_exact(width) {
            part.extend_from_slice(&row[*from..from + columns]);
        }
        let along_a = product(matrix, &part, p);
        let mut sums = vec![0.0; p * p];
        let slabs = along_a.chunks_exact(p * columns);
        for (slab, sums) in slabs.zip(sums.chunks_exact_mut(p)) {
            let coefficients = product(matrix, slab, p);
            for (row, sum) in coefficients.chunks_exact(columns).zip(sums) {
                *sum = squares(row);
            }
        }
        sums
    });
    let mut sums = vec![0.0f64; p * p];
    for part in parts.collect::<Vec<_>>() {
        sums.iter_mut().zip(part).for_each(|(sum, x)| *sum += x);
    }
    let count = width.max(1) as f64;
    sums.iter_mut().for_each(|sum| *sum /= count);
    // The rounding error of a constant in f32, 6e-8 of it, in each of p² terms.
    centre(basis, &mut sums, 1e-9, |square| square);
    sums
}

/// Returns Σ x² with vectors: a sum in one order would wait for each of its numbers.
fn squares(row: &[f32]) -> f64 {
    let (vectors, rest) = row.as_chunks::<16>();
    let mut lanes = [0.0f32; 16];
    for vector in vectors {
        lanes
            .iter_mut()
            .zip(vector)
            .for_each(|(sum, x)| *sum += x * x);
    }
    // 64 squares of one size lose nothing in f32.
    let rest: f32 = rest.iter().map(|x| x * x).sum();
    lanes.iter().map(|x| f64::from(*x)).sum::<f64>() + f64::from(rest)
}

/// Returns the coefficients of each column of a table `(p², width)`, `(p, p)` each, without the
/// constant term.
pub(crate) fn by_column(basis: &Basis, table: &[f32]) -> Vec<Vec<f64>> {
    let p = basis.modulus();
    let width = table.len() / (p * p).max(1);
    let all = basis.forward_2d(table);
    let of = |column: usize| {
        let mut one: Vec<f64> = all.iter().skip(column).step_by(width).copied().collect();
        centre(basis, &mut one, 1e-12, |x| x * x);
        one
    };
    (0..width).map(of).collect()
}

/// Sets the constant term to 0; and the whole of the group's block if what varies there is so small
/// a share of the constant's energy that it is rounding.
fn centre(basis: &Basis, terms: &mut [f64], rounding: f64, energy: fn(f64) -> f64) {
    let (p, first) = (basis.modulus(), basis.constant());
    let constant = energy(std::mem::take(&mut terms[first * p + first]));
    let inside = |at: &usize| at / p >= first && at % p >= first;
    let block: Vec<usize> = (0..p * p).filter(inside).collect();
    let varies: f64 = block.iter().map(|at| energy(terms[*at])).sum();
    if varies < rounding * constant {
        block.into_iter().for_each(|at| terms[at] = 0.0);
    }
}

/// Says which terms the energy of a spectrum is in. The first three are shares of the energy over
/// the group's block and add up to 1; all are 0 if nothing varies.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Shares {
    /// functions of a alone, and of b alone
    pub(crate) linear: f64,
    /// products of a frequency with itself
    pub(crate) same: f64,
    /// products of two different frequencies
    pub(crate) different: f64,
    /// terms of residues outside of the group, as a share of everything
    pub(crate) outside: f64,
}

impl Shares {
    /// Measures squared coefficients `(p, p)`.
    pub(crate) fn of(basis: &Basis, squares: &[f64]) -> Shares {
        let p = basis.modulus();
        let mut shares = Shares::default();
        for (at, square) in squares.iter().enumerate() {
            let kind = match (basis.rows()[at / p], basis.rows()[at % p]) {
                (Row::Outside(_), _) | (_, Row::Outside(_)) => &mut shares.outside,
                (Row::Constant, Row::Constant) => continue,
                (Row::Constant, _) | (_, Row::Constant) => &mut shares.linear,
                (a, b) if a.component() == b.component() => &mut shares.same,
                _ => &mut shares.different,
            };
            *kind += square;
        }
        let block = shares.linear + shares.same + shares.different;
        let divide = |x: f64, by: f64| if by > 0.0 { x / by } else { 0.0 };
        Shares {
            linear: divide(shares.linear, block),
            same: divide(shares.same, block),
            different: divide(shares.different, block),
            outside: divide(shares.outside, block + shares.outside),
        }
    }
}

/// Returns (Σs)² / Σs² of the squared coefficients s of the group's block: the effective number of
/// terms.
pub(crate) fn effective_terms(basis: &Basis, squares: &[f64]) -> f64 {
    let (p, first) = (basis.modulus(), basis.constant());
    let block = |at: &usize| at / p >= first && at % p >= first;
    let inside: Vec<f64> = (0..squares.len())
        .filter(block)
        .map(|at| squares[at])
        .collect();
    let (sum, square) = inside
        .iter()
        .fold((0.0, 0.0), |(s, q), x| (s + x, q + x * x));
    if square > 0.0 {
        sum * sum / square
    } else {
        0.0
    }
}

/// Returns the sum of the squared coefficients of each frequency's own terms, {const, cos k, sin k}
/// of a times those of b without the constant, `(frequencies)`.
pub(crate) fn blocks(basis: &Basis, squares: &[f64]) -> Vec<f64> {
    let p = basis.modulus();
    let of = |k: usize| {
        let rows: Vec<usize> = std::iter::once(basis.constant())
            .chain(basis.rows_of(k))
            .collect();
        let pairs = rows
            .iter()
            .flat_map(|i| rows.iter().map(move |j| i * p + j));
        pairs.map(|at| squares[at]).sum()
    };
    (1..=basis.count()).map(of).collect()
}

/// Returns the largest share, of the energy in the group's block, that functions of one operand at
/// a single frequency have; 0 if nothing varies.
pub(crate) fn one_wave(basis: &Basis, squares: &[f64]) -> f64 {
    let (p, constant) = (basis.modulus(), basis.constant());
    let inside = |at: &usize| at / p >= constant && at % p >= constant;
    let total: f64 = (0..squares.len())
        .filter(inside)
        .map(|at| squares[at])
        .sum();
    let of = |k: usize| -> f64 {
        let rows = basis.rows_of(k);
        rows.map(|row| squares[row * p + constant] + squares[constant * p + row])
            .sum()
    };
    let most = (1..=basis.count()).map(of).fold(0.0, f64::max);
    if total > 0.0 { most / total } else { 0.0 }
}
