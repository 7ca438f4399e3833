//! Computes the long sums: `product`, `product_tiled`, `sums`.

/// A part of a product: k, A `(m, k)` and B `(k, n)`, row-major.
pub type Segment<'a> = (usize, &'a [f64], &'a [f64]);

/// Returns alpha Σ A B over the segments, `(m, n)`.
pub fn product([m, n]: [usize; 2], alpha: f64, segments: &[Segment<'_>]) -> Vec<f64> {
    let mut out = Vec::with_capacity(m * n);
    for i in 0..m {
        for j in 0..n {
            let of_segment = |(k, a, b): &Segment<'_>| -> f64 {
                (0..*k).map(|q| a[i * k + q] * b[q * n + j]).sum()
            };
            out.push(alpha * segments.iter().map(of_segment).sum::<f64>());
        }
    }
    out
}

/// Returns the same sums as [`product`]; the kernel uses workgroup memory.
pub fn product_tiled(size: [usize; 2], alpha: f64, segments: &[Segment<'_>]) -> Vec<f64> {
    product(size, alpha, segments)
}

/// Returns kind 0 of `sums`: `parts (count, width)` → `(width)`.
pub fn sums_of_parts(parts: &[f64], width: usize) -> Vec<f64> {
    (0..width)
        .map(|j| parts.iter().skip(j).step_by(width).sum())
        .collect()
}

/// Returns kinds 1 and 2 of `sums` (for kind 2, values are 1 and the width is 1): `rows[t]` lists
/// the samples of token row t; `weights (n, 3, heads)`, `values (n, width)` → `(rows, heads,
/// width)`. Row t is at position 0 in the first half of the rows, and at position 1 in the second
/// half.
pub fn sums_of_rows(
    rows: &[Vec<u32>],
    heads: usize,
    weights: &[f64],
    values: &[f64],
    width: usize,
) -> Vec<f64> {
    let mut out = vec![0.0; rows.len() * heads * width];
    for (t, list) in rows.iter().enumerate() {
        let position = usize::from(t >= rows.len() / 2);
        for h in 0..heads {
            for j in 0..width {
                let term = |s: &u32| {
                    let s = *s as usize;
                    weights[(s * 3 + position) * heads + h] * values[s * width + j]
                };
                out[(t * heads + h) * width + j] = list.iter().map(term).sum();
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_and_sums_of_small_matrices() {
        let a = [1.0, 2.0, 3.0, 4.0];
        let b = [1.0, 0.0, 0.0, 10.0];
        let ones = [1.0; 2];
        let segments = [(2, &a[..], &b[..]), (1, &ones, &ones)];
        assert_eq!(product([2, 2], 2.0, &segments), [4.0, 42.0, 8.0, 82.0]);
        assert_eq!(sums_of_parts(&[1.0, 2.0, 10.0, 20.0], 2), [11.0, 22.0]);
        let weights = [1.0, 10.0, 0.0, 2.0, 20.0, 0.0];
        let rows = [vec![0, 1], vec![], vec![1], vec![0]];
        assert_eq!(
            sums_of_rows(&rows, 1, &weights, &[5.0, 7.0], 1),
            [19.0, 0.0, 140.0, 50.0]
        );
    }
}
