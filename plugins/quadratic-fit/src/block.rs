//! Selects the pairs of the group, and the terms of a frequency over them.

use grokrun_api::{Failure, Task};
use grokrun_basis::Basis;
use grokrun_measures::{Rows, Shift};

/// Holds all pairs of the group, N = n², whatever their label: over these the terms are
/// orthonormal.
pub(crate) struct Block {
    pub(crate) basis: Basis,
    matrix: Vec<f64>,
    /// indices a·p + b
    pub(crate) pairs: Vec<usize>,
    /// the place of each pair of the grid, `(p²)`
    place: Vec<usize>,
    /// the pairs that have a label
    rows: Rows,
}

/// Holds the terms of a frequency, orthonormal functions of a pair, `(t, N)`: the constant, then
/// those of a alone and of b alone, then their products.
pub(crate) struct Terms {
    pub(crate) functions: Vec<f32>,
    /// how many are not products: 5, or 3 for an alternating row
    pub(crate) linear: usize,
    /// how many are of a alone; as many are of b alone
    pub(crate) of_a: usize,
}

impl Block {
    pub(crate) fn new(basis: Basis, task: &Task) -> Block {
        let p = task.modulus;
        let mut inside = vec![false; p];
        for token in basis.order() {
            inside[*token] = true;
        }
        let pairs: Vec<usize> = (0..p * p)
            .filter(|pair| inside[pair / p] && inside[pair % p])
            .collect();
        let mut place = vec![usize::MAX; p * p];
        for (at, pair) in pairs.iter().enumerate() {
            place[*pair] = at;
        }
        Block {
            matrix: basis.matrix(),
            rows: Rows::new(task, pairs.iter().copied()),
            basis,
            pairs,
            place,
        }
    }

    /// Returns some columns of a table over the grid, `(p², width)`, below `width` each: `(N,
    /// columns)`.
    ///
    /// # Errors
    /// If it has another number of rows.
    pub(crate) fn columns(
        &self,
        name: &str,
        table: &[f32],
        width: usize,
        columns: &[usize],
    ) -> Result<Vec<f32>, Failure> {
        let grid = self.place.len();
        if width == 0 || table.len() != grid * width {
            return Err(Failure::new(format!(
                "{name} has {} numbers; expected {width} for each of the {grid} pairs",
                table.len()
            )));
        }
        let mut part = Vec::with_capacity(self.pairs.len() * columns.len());
        for pair in &self.pairs {
            let row = &table[pair * width..(pair + 1) * width];
            part.extend(columns.iter().map(|column| row[*column]));
        }
        Ok(part)
    }

    /// Returns {1, cos, sin} of a times those of b, for frequency k.
    pub(crate) fn terms(&self, k: usize) -> Terms {
        let p = self.basis.modulus();
        let constant = self.basis.constant();
        let waves: Vec<usize> = self.basis.rows_of(k).collect();
        let mut products = vec![(constant, constant)];
        products.extend(waves.iter().map(|i| (*i, constant)));
        products.extend(waves.iter().map(|j| (constant, *j)));
        let linear = products.len();
        products.extend(
            waves
                .iter()
                .flat_map(|i| waves.iter().map(move |j| (*i, *j))),
        );
        let mut functions = Vec::with_capacity(products.len() * self.pairs.len());
        for (i, j) in &products {
            let (of_a, of_b) = (&self.matrix[i * p..], &self.matrix[j * p..]);
            let value = |pair: &usize| (of_a[pair / p] * of_b[pair % p]) as f32;
            functions.extend(self.pairs.iter().map(value));
        }
        Terms {
            functions,
            linear,
            of_a: waves.len(),
        }
    }

    /// Returns the mean cross-entropy of logits `(N, p)` over the pairs that have a label.
    pub(crate) fn loss(&self, logits: &[f32]) -> f64 {
        let p = self.basis.modulus();
        let fill = |pair: usize, row: &mut [f32]| {
            let at = self.place[pair];
            row.copy_from_slice(&logits[at * p..(at + 1) * p]);
        };
        self.rows.score_by(fill, &Shift::none(p)).loss
    }
}
