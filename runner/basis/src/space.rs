//! Collects the functions on pairs that belong to a frequency, for any operation.

use crate::basis::Basis;
use crate::energies::Energies;
use crate::kind::{BasisError, BasisKind};
use crate::labels::LabelBasis;

/// Spans the subspace of each frequency over the pairs that count: all that an analysis needs to
/// know of an operation.
pub struct Space {
    kind: BasisKind,
    basis: Basis,
    labels: LabelBasis,
    /// the pairs that count: both operands in the group, and a label
    pub pairs: Vec<usize>,
}

impl Space {
    /// Makes the space of an operation's labels `(p²)`, a-major, in this kind of basis.
    ///
    /// # Errors
    /// If the basis is multiplicative and p is not prime.
    pub fn new(kind: BasisKind, labels: &[Option<u32>], p: usize) -> Result<Space, BasisError> {
        let basis = Basis::of(kind, p)?;
        let labels = LabelBasis::new(labels, p, kind)?;
        let inside = |token: usize| !basis.outside().contains(&token);
        let counted = |pair: &usize| {
            let operands = kind == BasisKind::Labels || inside(pair / p) && inside(pair % p);
            operands && labels.labels()[*pair].is_some()
        };
        let pairs = (0..p * p).filter(counted).collect();
        Ok(Space {
            kind,
            basis,
            labels,
            pairs,
        })
    }

    /// Makes the space in the basis that `word` asks for, which [`BasisKind::choose`] chooses.
    ///
    /// # Errors
    /// Those of [`BasisKind::choose`].
    pub fn choose(word: &str, labels: &[Option<u32>], p: usize) -> Result<Space, BasisError> {
        Space::new(BasisKind::choose(word, labels, p)?, labels, p)
    }

    /// Returns the kind of its basis.
    pub fn kind(&self) -> BasisKind {
        self.kind
    }

    /// Returns the basis of the operands; for the kind of labels the additive one, which has no
    /// meaning for the operation.
    pub fn basis(&self) -> &Basis {
        &self.basis
    }

    /// Returns the directions cos and sin of the label's angle: the trig directions of the papers.
    pub fn labels(&self) -> &LabelBasis {
        &self.labels
    }

    /// Returns the largest frequency.
    pub fn frequencies(&self) -> usize {
        match self.kind {
            BasisKind::Labels => self.labels.frequencies(),
            _ => self.basis.frequencies(),
        }
    }

    /// Measures the energies of the columns of a table `(p², width)`.
    pub fn energies(&self, table: &[f32]) -> Energies {
        match self.kind {
            BasisKind::Labels => Energies::along_labels(&self.labels, table),
            _ => Energies::in_basis(&self.basis, table),
        }
    }

    /// Returns the orthonormal terms of frequency k over the pairs that count, the constant first:
    /// the nine products of {const, cos, sin} (four for an alternating row), or the constant and
    /// the two directions of the label.
    pub fn terms(&self, k: usize) -> Vec<Vec<f32>> {
        let p = self.basis.modulus();
        if self.kind == BasisKind::Labels {
            let constant = 1.0 / (self.pairs.len() as f64).sqrt();
            let along = |direction: &[f64]| -> Vec<f32> {
                let value =
                    |pair: &usize| self.labels.labels()[*pair].map(|l| direction[l as usize]);
                self.pairs
                    .iter()
                    .map(|pair| value(pair).unwrap_or(0.0) as f32)
                    .collect()
            };
            let mut terms = vec![vec![constant as f32; self.pairs.len()]];
            terms.extend(self.labels.directions(k).map(along));
            return terms;
        }
        let matrix = self.basis.matrix();
        let rows: Vec<usize> = std::iter::once(self.basis.constant())
            .chain(self.basis.rows_of(k))
            .collect();
        let product = |i: usize, j: usize| -> Vec<f32> {
            let at = |pair: &usize| matrix[i * p + pair / p] * matrix[j * p + pair % p];
            self.pairs.iter().map(|pair| at(pair) as f32).collect()
        };
        rows.iter()
            .flat_map(|i| rows.iter().map(move |j| (*i, *j)))
            .map(|(i, j)| product(i, j))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_are_orthonormal_and_their_energy_is_that_of_energies() {
        let p = 11;
        let cases: [fn(usize, usize) -> usize; 3] = [
            |a, b| (a + b) % 11,
            |a, b| a * b % 11,
            |a, b| (a * a + b * b) % 11,
        ];
        for f in cases {
            let labels: Vec<Option<u32>> =
                (0..p * p).map(|i| Some(f(i / p, i % p) as u32)).collect();
            let space = Space::choose("auto", &labels, p).unwrap();
            let table: Vec<f32> = (0..p * p).map(|i| ((i * i) as f32 * 0.1).sin()).collect();
            let energies = space.energies(&table);
            for k in 1..=space.frequencies() {
                let terms = space.terms(k);
                let dot = |x: &[f32], y: &[f32]| -> f64 {
                    x.iter()
                        .zip(y)
                        .map(|(x, y)| f64::from(*x) * f64::from(*y))
                        .sum()
                };
                for (i, x) in terms.iter().enumerate() {
                    for (j, y) in terms.iter().enumerate() {
                        let want = if i == j { 1.0 } else { 0.0 };
                        assert!((dot(x, y) - want).abs() < 1e-5, "{k} {i} {j}");
                    }
                }
                let counted: Vec<f32> = space.pairs.iter().map(|pair| table[*pair]).collect();
                let energy: f64 = terms[1..].iter().map(|t| dot(t, &counted).powi(2)).sum();
                let want = energies.by_frequency[k - 1][0];
                assert!((energy - want).abs() < 1e-5, "{k}: {energy} {want}");
            }
        }
    }
}
