//! `product`, `row_sums`, `column_sums`: every long sum.

/// `(m, k) · (k, n)` of row-major matrices, times alpha, plus `c` if there is one.
pub fn product(
    [m, k, n]: [usize; 3],
    a: &[f64],
    b: &[f64],
    alpha: f64,
    c: Option<&[f64]>,
) -> Vec<f64> {
    let mut out = Vec::with_capacity(m * n);
    for i in 0..m {
        for j in 0..n {
            let sum: f64 = (0..k).map(|q| a[i * k + q] * b[q * n + j]).sum();
            out.push(alpha * sum + c.map_or(0.0, |c| c[i * n + j]));
        }
    }
    out
}

/// `rows[t]` lists the samples of token row t; `weights (n, 3, heads)`, `values (n, width)` →
/// `(rows, heads, width)`. Row t is at position 0 in the first half of the rows, at 1 in the second.
pub fn row_sums(
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

/// `matrix (rows, width)` → `(ceil(rows / 64), width)`: sums over 64 rows each.
pub fn column_sums(matrix: &[f64], width: usize) -> Vec<f64> {
    let of_block = |block: &[f64]| -> Vec<f64> {
        (0..width)
            .map(|j| block.iter().skip(j).step_by(width).sum())
            .collect()
    };
    matrix.chunks(64 * width).flat_map(of_block).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_and_sums_of_small_matrices() {
        let a = [1.0, 2.0, 3.0, 4.0];
        assert_eq!(
            product([2, 2, 2], &a, &[1.0, 0.0, 0.0, 10.0], 2.0, Some(&[1.0; 4])),
            [3.0, 41.0, 7.0, 81.0]
        );
        assert_eq!(column_sums(&vec![1.0; 130], 2), [64.0, 64.0, 1.0, 1.0]);
        let weights = [1.0, 10.0, 0.0, 2.0, 20.0, 0.0];
        let rows = [vec![0, 1], vec![], vec![1], vec![0]];
        assert_eq!(
            row_sums(&rows, 1, &weights, &[5.0, 7.0], 1),
            [19.0, 0.0, 140.0, 50.0]
        );
    }
}
