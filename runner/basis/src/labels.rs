//! Defines functions of the label, for operations whose operands have no angle of their own.

use crate::basis::Basis;

/// Holds, for each frequency k, the functions cos and sin of 2πk f(a, b)/p on the pairs,
/// orthonormal over the pairs where f is defined, and orthogonal to the constant: modified
/// Gram–Schmidt, twice, in the order of the frequencies
/// (doc/definitions.md#directions-of-the-label). With multiplicative angles the functions are of
/// 2πk log f(a, b)/(p − 1) instead, over the pairs whose label has a logarithm. Of a group that is
/// not cyclic, component k has the matrix entries of its representation at f(a, b).
///
/// The functions depend on the label alone, so everything is computed on functions of the p labels,
/// weighted with the number of pairs that have each.
pub struct LabelBasis {
    /// label of each pair of the grid; none if the pair does not count
    labels: Vec<Option<u32>>,
    /// the same, of all pairs, as they were given
    given: Vec<Option<u32>>,
    p: usize,
    pairs: usize,
    /// by component from 1 on: values at each label, without those that depend on earlier ones
    directions: Vec<Vec<Vec<f64>>>,
}

impl LabelBasis {
    /// Makes the directions from labels `(p²)`, a-major, none where the operation is undefined, and
    /// the basis that has their functions; a pair whose label is p or more, or outside of the
    /// group, does not count either.
    pub fn new(labels: &[Option<u32>], basis: &Basis) -> LabelBasis {
        let p = basis.modulus();
        let inside = |label: &u32| {
            let label = *label as usize;
            label < p && !basis.outside().contains(&label)
        };
        let given = labels.to_vec();
        let labels: Vec<Option<u32>> = labels.iter().map(|label| label.filter(inside)).collect();
        let mut weights = vec![0.0; p];
        for label in labels.iter().flatten() {
            weights[*label as usize] += 1.0;
        }
        let pairs = labels.iter().flatten().count();
        let matrix = basis.matrix();
        let mut done: Vec<Vec<f64>> = Vec::new();
        // The constant first: it is not a direction, but all directions are orthogonal to it.
        let constant = normalize(&vec![1.0; p], &weights, &mut done);
        let mut directions = Vec::new();
        for k in 1..=basis.count() {
            let rows = basis.rows_of(k);
            let of_k = rows
                .filter_map(|row| normalize(&matrix[row * p..(row + 1) * p], &weights, &mut done));
            directions.push(of_k.collect());
        }
        debug_assert_eq!(constant.is_some(), pairs > 0);
        LabelBasis {
            labels,
            given,
            p,
            pairs,
            directions,
        }
    }

    /// Returns the number of components.
    pub fn count(&self) -> usize {
        self.directions.len()
    }

    /// Returns the labels that it was made from.
    pub(crate) fn given(&self) -> &[Option<u32>] {
        &self.given
    }

    /// Returns how many pairs count.
    pub fn pairs(&self) -> usize {
        self.pairs
    }

    /// Returns the label of each pair of the grid; none if the pair does not count.
    pub fn labels(&self) -> &[Option<u32>] {
        &self.labels
    }

    /// Returns the directions of component k as functions of the label, each `(p)`: cosine, sine,
    /// or matrix entries; none if there is no such component.
    pub fn directions(&self, k: usize) -> impl Iterator<Item = &[f64]> {
        let of_k = k.checked_sub(1).and_then(|k| self.directions.get(k));
        of_k.into_iter().flatten().map(Vec::as_slice)
    }

    /// Returns coefficients of tables `(p², width)` along the directions of component k, one row
    /// `(width)` a direction, from [`LabelBasis::sums`].
    pub fn coefficients(&self, k: usize, sums: &[f64]) -> Vec<Vec<f64>> {
        let width = sums.len() / self.p;
        self.directions(k)
            .map(|direction| {
                let mut out = vec![0.0; width];
                for (weight, row) in direction.iter().zip(sums.chunks_exact(width.max(1))) {
                    out.iter_mut().zip(row).for_each(|(o, x)| *o += weight * x);
                }
                out
            })
            .collect()
    }

    /// Sums the rows of a table `(p², width)` by label, `(p, width)`.
    pub fn sums(&self, table: &[f32]) -> Vec<f64> {
        let width = table.len() / self.labels.len().max(1);
        let mut sums = vec![0.0; self.p * width];
        for (label, row) in self.labels.iter().zip(table.chunks_exact(width.max(1))) {
            if let Some(label) = label {
                let sum = &mut sums[*label as usize * width..][..width];
                sum.iter_mut()
                    .zip(row)
                    .for_each(|(s, x)| *s += f64::from(*x));
            }
        }
        sums
    }
}

/// Returns the part of a function that is orthogonal to all in `done`, at weighted length 1; none
/// if nothing is left.
fn normalize(function: &[f64], weights: &[f64], done: &mut Vec<Vec<f64>>) -> Option<Vec<f64>> {
    let dot = |f: &[f64], g: &[f64]| -> f64 {
        f.iter()
            .zip(g)
            .zip(weights)
            .map(|((f, g), w)| w * f * g)
            .sum()
    };
    let length = dot(function, function).sqrt();
    if length.is_nan() || length <= 0.0 {
        return None;
    }
    let mut rest: Vec<f64> = function.iter().map(|x| x / length).collect();
    for _ in 0..2 {
        for other in done.iter() {
            let overlap = dot(&rest, other);
            rest.iter_mut()
                .zip(other)
                .for_each(|(r, o)| *r -= overlap * o);
        }
    }
    let left = dot(&rest, &rest).sqrt();
    if left < 1e-8 {
        return None;
    }
    rest.iter_mut().for_each(|x| *x /= left);
    done.push(rest.clone());
    Some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(p: u32, f: impl Fn(u32, u32) -> Option<u32>) -> Vec<Option<u32>> {
        (0..p * p).map(|i| f(i / p, i % p)).collect()
    }

    /// Returns all directions as functions of the pair, one after the other.
    fn on_pairs(basis: &LabelBasis) -> Vec<Vec<f64>> {
        (1..=basis.count())
            .flat_map(|k| basis.directions(k).map(<[f64]>::to_vec).collect::<Vec<_>>())
            .map(|d| {
                basis
                    .labels()
                    .iter()
                    .map(|l| l.map_or(0.0, |l| d[l as usize]))
                    .collect()
            })
            .collect()
    }

    #[test]
    fn directions_are_orthonormal_for_any_operation() {
        let p = 13;
        let quadratic = labels(p, |a, b| Some((a * a + a * b + b * b) % 13));
        let partial = labels(p, |a, b| (b % 3 != 0).then_some(a * b * b % 13));
        for labels in [quadratic, partial] {
            let basis = LabelBasis::new(&labels, &Basis::additive(13));
            let all = on_pairs(&basis);
            assert_eq!(all.len(), 12);
            for (i, f) in all.iter().enumerate() {
                assert!(f.iter().sum::<f64>().abs() < 1e-9);
                for (j, g) in all.iter().enumerate() {
                    let dot: f64 = f.iter().zip(g).map(|(f, g)| f * g).sum();
                    assert!((dot - f64::from(u8::from(i == j))).abs() < 1e-12, "{i} {j}");
                }
            }
        }
    }

    #[test]
    fn for_addition_they_are_the_trig_sum_directions() {
        // doc/definitions.md#directions-of-the-label: cos(w_k (a + b)) = (cc − ss)/√2 in the 2-D
        // basis.
        let (p, k) = (11usize, 3);
        let labels = labels(11, |a, b| Some((a + b) % 11));
        let directions = LabelBasis::new(&labels, &Basis::additive(p));
        let f = Basis::additive(p).matrix();
        let row = |i: usize, x: usize| f[i * p + x];
        let cos = directions.directions(k).next().unwrap().to_vec();
        for (i, label) in labels.iter().enumerate() {
            let (a, b) = (i / p, i % p);
            let (c, s) = (2 * k - 1, 2 * k);
            let want = (row(c, a) * row(c, b) - row(s, a) * row(s, b)) / 2f64.sqrt();
            let got = cos[label.unwrap() as usize];
            assert!((got - want).abs() < 1e-12, "{a} {b}: {got} {want}");
        }
    }

    #[test]
    fn few_labels_have_few_directions() {
        let labels = labels(7, |a, _| Some(u32::from(a == 0)));
        let basis = LabelBasis::new(&labels, &Basis::additive(7));
        let count: usize = (1..=3).map(|k| basis.directions(k).count()).sum();
        assert_eq!(count, 1);
    }
}
