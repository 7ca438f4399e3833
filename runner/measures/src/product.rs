//! Matrix products of f32, by `matrixmultiply`: row-major, contiguous, on the calling thread.

use grokrun_api::{Failure, Snapshot};

/// a `(m, k)` · b `(k, n)` = `(m, n)`. m is what is left of `a` by k, n of `b` by k; an empty result
/// where k is 0.
pub fn product(a: &[f32], b: &[f32], k: usize) -> Vec<f32> {
    let (m, n) = (a.len() / k.max(1), b.len() / k.max(1));
    multiply([m, k, n], (a, k, 1), (b, n, 1))
}

/// aᵀ · b with a `(k, m)`, b `(k, n)`: `(m, n)`.
pub fn product_at(a: &[f32], b: &[f32], k: usize) -> Vec<f32> {
    let (m, n) = (a.len() / k.max(1), b.len() / k.max(1));
    multiply([m, k, n], (a, 1, m), (b, n, 1))
}

/// a · bᵀ with a `(m, k)`, b `(n, k)`: `(m, n)`.
pub fn product_bt(a: &[f32], b: &[f32], k: usize) -> Vec<f32> {
    let (m, n) = (a.len() / k.max(1), b.len() / k.max(1));
    multiply([m, k, n], (a, k, 1), (b, 1, k))
}

/// W_L = W_out W_U, the neuron-logit map of the papers, `(d_mlp, p)`.
///
/// # Errors
/// When the snapshot has no weights, or their shapes do not fit.
pub fn neuron_logit_map(snapshot: &Snapshot<'_>, p: usize) -> Result<Vec<f32>, Failure> {
    let w_out = snapshot.weight("blocks.0.mlp.W_out")?;
    let w_u = snapshot.weight("unembed.W_U")?;
    if w_out.size(1) != w_u.size(0) || w_u.size(1) != p {
        return Err(Failure::new(format!(
            "W_out has the shape {:?} and W_U {:?}; expected (d_mlp, d_model) and (d_model, {p})",
            w_out.shape(),
            w_u.shape()
        )));
    }
    Ok(product(w_out.data(), w_u.data(), w_out.size(1)))
}

/// A table and its strides by row and by column.
type Strided<'a> = (&'a [f32], usize, usize);

#[expect(
    unsafe_code,
    reason = "matrixmultiply takes pointers; the lengths are checked here"
)]
fn multiply([m, k, n]: [usize; 3], a: Strided<'_>, b: Strided<'_>) -> Vec<f32> {
    let mut out = vec![0.0; m * n];
    if out.is_empty() || k == 0 {
        return out;
    }
    assert!(a.0.len() >= m * k && b.0.len() >= k * n);
    let stride = |x: usize| x.cast_signed();
    // SAFETY: a has m·k numbers and b k·n, each with strides that reach every one of them and none
    // beyond; out has m·n and is not shared.
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
    out
}

#[cfg(test)]
mod tests {
    use super::*;

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
