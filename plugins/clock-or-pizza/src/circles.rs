//! Measures the circles of W_E: how round its principal components are, and what a single circle
//! computes.

use std::f64::consts::TAU;

use grokrun_basis::Basis;
use nalgebra::{DMatrix, SymmetricEigen};

use crate::places::Places;

/// More steps than an eigenvalue of a symmetric matrix ever takes.
const MOST_STEPS: usize = 100_000;

/// Returns the circularity of the first `count` principal components of points `(n, d)` in the
/// order of the group: for each, at length 1, the largest 2 |DFT_k|² / n over k = 1 … n/2, 1 at
/// most; the mean. None if a number is not finite, or there is no component.
pub(crate) fn circularity(points: &[f32], d: usize, count: usize) -> Option<f64> {
    if d == 0 || points.is_empty() || points.iter().any(|x| !x.is_finite()) {
        return None;
    }
    let n = points.len() / d;
    let mut centred = DMatrix::from_row_iterator(n, d, points.iter().map(|x| f64::from(*x)));
    for mut column in centred.column_iter_mut() {
        let mean = column.mean();
        column.add_scalar_mut(-mean);
    }
    // The smaller of the two products: n or d rows.
    let eigen = |square| SymmetricEigen::try_new(square, f64::EPSILON, MOST_STEPS);
    let wide = d >= n;
    let found = if wide {
        eigen(&centred * centred.transpose())?
    } else {
        eigen(centred.tr_mul(&centred))?
    };
    let values = &found.eigenvalues;
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|i, j| values[*j].total_cmp(&values[*i]).then(i.cmp(j)));
    let largest = values[*order.first()?];
    // A rounding error of zero is no component.
    order.retain(|i| values[*i] > 1e-10 * largest);
    order.truncate(count);
    let round: Vec<f64> = order
        .iter()
        .map(|i| {
            let along = if wide {
                found.eigenvectors.column(*i).clone_owned()
            } else {
                &centred * found.eigenvectors.column(*i)
            };
            roundness(along.normalize().as_slice())
        })
        .collect();
    match round.len() {
        0 => None,
        many => Some(round.iter().sum::<f64>() / many as f64),
    }
}

/// Returns the circularity of one component, at length 1.
fn roundness(along: &[f64]) -> f64 {
    let n = along.len();
    let share = |k: usize| {
        let (mut re, mut im) = (0.0, 0.0);
        for (j, x) in along.iter().enumerate() {
            let angle = TAU * ((k * j) % n) as f64 / n as f64;
            re += x * angle.cos();
            im += x * angle.sin();
        }
        2.0 * (re * re + im * im) / n as f64
    };
    (1..=n / 2).map(share).fold(0.0, f64::max).min(1.0)
}

/// Returns W_E with one circle left: in the group the mean and frequency k, of rank 2; the rows
/// outside of the group stay, that of '=' among them. `(p + 1, d_model)` in and out.
pub(crate) fn isolated(basis: &Basis, k: usize, w_e: &[f32], d: usize) -> Vec<f32> {
    let p = basis.modulus();
    let mut coefficients = basis.forward(&w_e[..p * d]);
    let kept = basis.rows_of(k);
    for (row, of_row) in coefficients.chunks_exact_mut(d.max(1)).enumerate() {
        let other = basis.rows()[row].component().is_some() && !kept.contains(&row);
        if other {
            of_row.fill(0.0);
        }
    }
    let tokens = basis.inverse(&coefficients);
    let equals = w_e[p * d..].iter().copied();
    tokens.iter().map(|x| *x as f32).chain(equals).collect()
}

/// Returns the share of the logits' variance that one multiple of the clock's logits cos(2πk (f −
/// c)/n) explains, and of the pizza's |cos(πk Δ/n)| cos(2πk (f − c)/n), where Δ is the pair's
/// distance. Over pairs and classes of the group; the mean over classes of each pair, which a
/// softmax ignores, is subtracted first.
pub(crate) fn fits(places: &Places, logits: &[f32], p: usize, k: usize) -> [f64; 2] {
    let n = places.n;
    let angle = |place: usize| TAU * ((k * place) % n) as f64 / n as f64;
    let [
        mut with_clock,
        mut with_pizza,
        mut own,
        mut clock,
        mut pizza,
    ] = [0.0; 5];
    for pair in &places.pairs {
        let Some(label) = places.of[pair.label] else {
            continue;
        };
        let row = &logits[pair.at * p..(pair.at + 1) * p];
        let in_group = || places.order.iter().map(|c| f64::from(row[*c]));
        let mean = in_group().sum::<f64>() / n as f64;
        let (mut along, mut square, mut size) = (0.0, 0.0, 0.0);
        for (place, x) in in_group().enumerate() {
            let wave = angle(label + n - place).cos();
            along += (x - mean) * wave;
            square += wave * wave;
            size += (x - mean) * (x - mean);
        }
        let factor = (TAU * ((k * pair.distance) % (2 * n)) as f64 / (2 * n) as f64)
            .cos()
            .abs();
        with_clock += along;
        with_pizza += factor * along;
        clock += square;
        pizza += factor * factor * square;
        own += size;
    }
    [
        with_clock * with_clock / (own * clock),
        with_pizza * with_pizza / (own * pizza),
    ]
}
