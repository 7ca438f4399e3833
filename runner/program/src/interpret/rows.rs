//! What the interpreter does to one row: products, softmax, normalisation, and their adjoints.

use super::Real;

/// Adds x (k) · w (k, n) to out (n), four rows of w at a time, so that the sums are loaded a
/// quarter as often.
pub(super) fn multiply_row<T: Real>(out: &mut [T], x: &[T], w: &[T]) {
    let n = out.len();
    let (vec4s, rest) = x.as_chunks::<4>();
    let (head, tail) = w.split_at(vec4s.len() * 4 * n);
    for (x, rows) in vec4s.iter().zip(head.chunks_exact(4 * n)) {
        let (first, second) = rows.split_at(2 * n);
        let ((w0, w1), (w2, w3)) = (first.split_at(n), second.split_at(n));
        let rows = w0.iter().zip(w1).zip(w2.iter().zip(w3));
        for (out, ((w0, w1), (w2, w3))) in out.iter_mut().zip(rows) {
            // The terms are added from left to right, which gives the same sums as one row at a
            // time.
            *out = *out + x[0] * *w0 + x[1] * *w1 + x[2] * *w2 + x[3] * *w3;
        }
    }
    for (x, row) in rest.iter().zip(tail.chunks_exact(n)) {
        for (out, w) in out.iter_mut().zip(row) {
            *out += *x * *w;
        }
    }
}

pub(super) fn softmax<T: Real>(scores: &[T], heads: usize, out: &mut [T]) {
    for head in 0..heads {
        let keys = || scores.iter().skip(head).step_by(heads);
        let largest = keys().fold(scores[head], |m, s| if *s > m { *s } else { m });
        let mut sum = T::ZERO;
        for (out, s) in out.iter_mut().skip(head).step_by(heads).zip(keys()) {
            *out = (*s - largest).exp();
            sum += *out;
        }
        for out in out.iter_mut().skip(head).step_by(heads) {
            *out /= sum;
        }
    }
}

pub(super) fn softmax_gradient<T: Real>(p: &[T], dp: &[T], heads: usize, out: &mut [T]) {
    for head in 0..heads {
        let keys = (head..p.len()).step_by(heads);
        let mut mean = T::ZERO;
        for key in keys.clone() {
            mean += p[key] * dp[key];
        }
        for key in keys {
            out[key] = p[key] * (dp[key] - mean);
        }
    }
}

pub(super) fn mean<T: Real>(row: &[T]) -> T {
    let sum = row.iter().fold(T::ZERO, |sum, x| sum + *x);
    sum / T::from_f64(row.len() as f64)
}

pub(super) fn variance<T: Real>(row: &[T]) -> T {
    let mean = mean(row);
    let squares = row
        .iter()
        .fold(T::ZERO, |sum, x| sum + (*x - mean) * (*x - mean));
    squares / T::from_f64(row.len() as f64)
}

pub(super) fn norm_gradient<T: Real>(y: &[T], inverse: T, dy: &[T], out: &mut [T]) {
    let both = y
        .iter()
        .zip(dy)
        .fold(T::ZERO, |sum, (y, dy)| sum + *y * *dy);
    let along = both / T::from_f64(y.len() as f64);
    let shift = mean(dy);
    for ((out, y), dy) in out.iter_mut().zip(y).zip(dy) {
        *out = inverse * (*dy - shift - *y * along);
    }
}

/// Tells whether the first of the largest logits is the label's.
pub(super) fn is_right<T: Real>(logits: &[T], label: usize) -> bool {
    let own = logits[label];
    let mut all = logits.iter().enumerate();
    all.all(|(class, x)| if class < label { *x < own } else { *x <= own })
}
