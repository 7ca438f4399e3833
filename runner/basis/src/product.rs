//! Multiplies matrices of f32 with `matrixmultiply`: row-major and contiguous. Large products are
//! shared among the threads of the caller's pool, with the same result to the bit.

use rayon::prelude::*;

/// Returns a `(m, k)` · b `(k, n)` = `(m, n)`. m and n follow from the lengths of `a` and `b`; the
/// result is empty if k is 0.
pub fn product(a: &[f32], b: &[f32], k: usize) -> Vec<f32> {
    let (m, n) = (a.len() / k.max(1), b.len() / k.max(1));
    multiply([m, k, n], (a, k, 1), (b, n, 1))
}

/// Returns aᵀ · b with a `(k, m)`, b `(k, n)`: `(m, n)`.
pub fn product_at(a: &[f32], b: &[f32], k: usize) -> Vec<f32> {
    let (m, n) = (a.len() / k.max(1), b.len() / k.max(1));
    multiply([m, k, n], (a, 1, m), (b, n, 1))
}

/// Returns a · bᵀ with a `(m, k)`, b `(n, k)`: `(m, n)`.
pub fn product_bt(a: &[f32], b: &[f32], k: usize) -> Vec<f32> {
    let (m, n) = (a.len() / k.max(1), b.len() / k.max(1));
    multiply([m, k, n], (a, k, 1), (b, 1, k))
}

/// A table and its strides by row and by column.
type Strided<'a> = (&'a [f32], usize, usize);

/// How many multiply-adds make a product worth sharing.
const WORTH_SHARING: usize = 16_000_000;
/// The fewest rows of a piece: the library packs b anew for each.
const ROWS: usize = 256;
/// How many pieces each thread gets, so that a thread that comes late finds work.
const PIECES: usize = 2;

fn multiply([m, k, n]: [usize; 3], a: Strided<'_>, b: Strided<'_>) -> Vec<f32> {
    let mut out = vec![0.0; m * n];
    if out.is_empty() || k == 0 {
        return out;
    }
    let pieces = PIECES * rayon::current_num_threads();
    let rows = m.div_ceil(pieces).next_multiple_of(64).max(ROWS);
    if m * k * n < WORTH_SHARING || m <= rows {
        multiply_into(&mut out, k, a, b, n);
        return out;
    }
    let some = |(i, out): (usize, &mut [f32])| {
        multiply_into(out, k, (&a.0[i * rows * a.1..], a.1, a.2), b, n);
    };
    out.par_chunks_mut(rows * n).enumerate().for_each(some);
    out
}

/// Fills `out`, `(m, n)`.
#[expect(
    unsafe_code,
    reason = "matrixmultiply takes pointers; the lengths are checked here"
)]
fn multiply_into(out: &mut [f32], k: usize, a: Strided<'_>, b: Strided<'_>, n: usize) {
    let m = out.len() / n;
    let reach = |(row, column): (usize, usize), rows: usize, columns: usize| {
        (rows - 1) * row + (columns - 1) * column
    };
    assert!(m > 0 && k > 0 && out.len() == m * n);
    assert!(reach((a.1, a.2), m, k) < a.0.len() && reach((b.1, b.2), k, n) < b.0.len());
    let stride = |x: usize| x.cast_signed();
    // SAFETY: the last number that each of a `(m, k)` and b `(k, n)` reaches with its strides is
    // there; out has m·n and is not shared.
    unsafe {
        matrixmultiply::sgemm(
            m,
            k,
            n,
            1.0,
            a.0.as_ptr(),
            stride(a.1),
            stride(a.2),
            b.0.as_ptr(),
            stride(b.1),
            stride(b.2),
            0.0,
            out.as_mut_ptr(),
            stride(n),
            1,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bits are the same on one thread and on many, in one piece and in several.
    #[test]
    fn a_shared_product_has_the_bits_of_one_that_is_not() {
        let (m, k, n) = (1100, 113, 200);
        let a: Vec<f32> = (0..m * k).map(|i| (i as f32 * 0.7).sin()).collect();
        let b: Vec<f32> = (0..k * n).map(|i| (i as f32 * 0.3).cos()).collect();
        let mut alone = vec![0.0; m * n];
        multiply_into(&mut alone, k, (&a, k, 1), (&b, n, 1), n);
        let a_turned: Vec<f32> = (0..m * k).map(|at| a[at % m * k + at / m]).collect();
        for threads in [1, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
            let pool = pool.build().unwrap();
            assert!(pool.install(|| product(&a, &b, k)) == alone);
            assert!(pool.install(|| product_at(&a_turned, &b, k)) == alone);
        }
    }

    #[test]
    fn all_three_are_the_sums_they_stand_for() {
        let (m, k, n) = (5, 7, 3);
        let a: Vec<f32> = (0..m * k).map(|i| (i as f32 * 0.7).sin()).collect();
        let b: Vec<f32> = (0..k * n).map(|i| (i as f32 * 0.3).cos()).collect();
        let flip = |x: &[f32], rows: usize, cols: usize| -> Vec<f32> {
            (0..rows * cols)
                .map(|i| x[(i % rows) * cols + i / rows])
                .collect()
        };
        let want: Vec<f32> = (0..m * n)
            .map(|at| (0..k).map(|q| a[at / n * k + q] * b[q * n + at % n]).sum())
            .collect();
        for got in [
            product(&a, &b, k),
            product_at(&flip(&a, m, k), &b, k),
            product_bt(&a, &flip(&b, k, n), k),
        ] {
            assert_eq!(got.len(), want.len());
            for (got, want) in got.iter().zip(&want) {
                assert!((got - want).abs() < 1e-5, "{got} {want}");
            }
        }
        assert!(product(&[], &[], 0).is_empty());
    }
}
