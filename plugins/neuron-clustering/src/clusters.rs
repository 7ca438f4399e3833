//! Which neuron belongs to which frequency.

use std::collections::BTreeMap;

use grokrun_basis::{Basis, BasisKind, Energies, LabelBasis};

/// What a frequency's subspace is spanned by, over the pairs that count.
pub(crate) struct Space {
    kind: BasisKind,
    basis: Basis,
    labels: LabelBasis,
    /// the pairs that count: both operands in the group, and a label
    pub(crate) pairs: Vec<usize>,
}

/// Each neuron's best frequency, and the clusters at a threshold.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Clusters {
    /// best frequency and the fraction of variance it explains, by neuron
    pub(crate) best: Vec<(usize, f64)>,
    /// the neurons of each cluster, by frequency
    pub(crate) members: BTreeMap<usize, Vec<usize>>,
    /// below the threshold: the paper's "always firing" group, −1
    pub(crate) rest: Vec<usize>,
}

impl Space {
    pub(crate) fn new(kind: BasisKind, basis: Basis, labels: LabelBasis) -> Space {
        let p = basis.modulus();
        let inside = |token: usize| !basis.outside().contains(&token);
        let counted = |pair: &usize| {
            let operands = kind == BasisKind::Labels || inside(pair / p) && inside(pair % p);
            operands && labels.labels()[*pair].is_some()
        };
        let pairs = (0..p * p).filter(counted).collect();
        Space {
            kind,
            basis,
            labels,
            pairs,
        }
    }

    pub(crate) fn kind(&self) -> BasisKind {
        self.kind
    }

    pub(crate) fn basis(&self) -> &Basis {
        &self.basis
    }

    pub(crate) fn frequencies(&self) -> usize {
        match self.kind {
            BasisKind::Labels => self.labels.frequencies(),
            _ => self.basis.frequencies(),
        }
    }

    /// Energies of the columns of a table `(p², width)`.
    pub(crate) fn energies(&self, table: &[f32]) -> Energies {
        match self.kind {
            BasisKind::Labels => Energies::along_labels(&self.labels, table),
            _ => Energies::in_basis(&self.basis, table),
        }
    }

    /// The orthonormal terms of frequency k over the pairs that count, the constant first: the nine
    /// products of {const, cos, sin} (four for an alternating row), or the constant and the two
    /// directions of the label.
    pub(crate) fn terms(&self, k: usize) -> Vec<Vec<f32>> {
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

impl Clusters {
    /// Centre each neuron, give it to the frequency that explains most of its variance, and to none if
    /// that is less than `threshold` (science §3.2, "Neuron clustering").
    pub(crate) fn new(energies: &Energies, threshold: f64) -> Clusters {
        let best = energies.best();
        let mut clusters = Clusters::default();
        for (neuron, (frequency, fraction)) in best.iter().enumerate() {
            if *fraction >= threshold {
                clusters.members.entry(*frequency).or_default().push(neuron);
            } else {
                clusters.rest.push(neuron);
            }
        }
        Clusters { best, ..clusters }
    }

    /// Neurons that are in a cluster.
    pub(crate) fn clustered(&self) -> usize {
        self.members.values().map(Vec::len).sum()
    }

    /// Mean over neurons of the best fraction.
    pub(crate) fn mean_fraction(&self) -> f64 {
        let sum: f64 = self.best.iter().map(|(_, fraction)| fraction).sum();
        sum / self.best.len().max(1) as f64
    }
}
