//! Selects the pairs that count, and the functions of them that belong to a frequency.

use std::borrow::Cow;

use grokrun_api::{Failure, Task};
use grokrun_basis::Space;
use grokrun_measures::{Rows, Shift, space};

/// Holds a task's pairs that count, N of them, in one basis. Tables over them are `(N, …)`.
pub(crate) struct Pairs {
    pub(crate) space: Space,
    /// number of classes
    pub(crate) p: usize,
    /// the basis's rows as functions of a class, `(p, p)`
    pub(crate) classes: Vec<f32>,
    /// the place of each pair of the grid in the tables, `(p²)`
    place: Vec<usize>,
    train: Rows,
    test: Rows,
}

/// Holds mean cross-entropy and accuracy, over train and test pairs together, and the two losses.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Loss {
    pub(crate) all: f64,
    pub(crate) accuracy: f64,
    pub(crate) train: f64,
    pub(crate) test: f64,
}

impl Pairs {
    /// Selects the pairs in the basis that `word` asks for.
    pub(crate) fn new(word: &str, task: &Task) -> Result<Pairs, Failure> {
        let p = task.modulus;
        let space = space(word, task)?;
        // Made again with the labels of these pairs alone, so that the directions are orthonormal
        // over exactly the pairs of the terms.
        let mut labels = vec![None; p * p];
        for pair in &space.pairs {
            labels[*pair] = task.labels[*pair];
        }
        let space = space.over(&labels);
        let mut place = vec![usize::MAX; p * p];
        for (at, pair) in space.pairs.iter().enumerate() {
            place[*pair] = at;
        }
        let rows = |pairs: &[u32]| {
            let pairs = pairs.iter().map(|pair| *pair as usize);
            let counted = |pair: &usize| place.get(*pair).is_some_and(|at| *at != usize::MAX);
            Rows::new(task, pairs.filter(counted))
        };
        let classes = space.basis().matrix().iter().map(|x| *x as f32).collect();
        Ok(Pairs {
            p,
            classes,
            train: rows(&task.train),
            test: rows(&task.test),
            place,
            space,
        })
    }

    /// Returns N.
    pub(crate) fn count(&self) -> usize {
        self.space.pairs.len()
    }

    /// Returns the rows of a table over the grid `(p², width)` that count, `(N, width)`.
    ///
    /// # Errors
    /// If it has another number of rows.
    pub(crate) fn take<'t>(
        &self,
        name: &str,
        table: &'t [f32],
        width: usize,
    ) -> Result<Cow<'t, [f32]>, Failure> {
        let grid = self.p * self.p;
        if width == 0 || table.len() != grid * width {
            return Err(Failure::new(format!(
                "{name} has {} numbers; expected {width} for each of the {grid} pairs",
                table.len()
            )));
        }
        if self.count() == grid {
            return Ok(Cow::Borrowed(table));
        }
        let mut rows = Vec::with_capacity(self.count() * width);
        for pair in &self.space.pairs {
            rows.extend_from_slice(&table[pair * width..(pair + 1) * width]);
        }
        Ok(Cow::Owned(rows))
    }

    /// Returns cos and sin of k times the label's angle, orthonormal over the pairs, `(≤ 2·keys,
    /// N)`.
    pub(crate) fn directions(&self, keys: &[usize]) -> Vec<f32> {
        let labels = self.space.labels();
        let along = |direction: &[f64]| -> Vec<f32> {
            let value = |pair: &usize| labels.labels()[*pair].map(|l| direction[l as usize] as f32);
            let pairs = self.space.pairs.iter();
            pairs.map(|pair| value(pair).unwrap_or(0.0)).collect()
        };
        keys.iter()
            .flat_map(|k| labels.directions(*k))
            .flat_map(along)
            .collect()
    }

    /// Returns the constant, and then the terms of each key frequency: products of {const, cos,
    /// sin} of a and of b, `(1 + 8·keys, N)`; for an operation whose operands have no angle, the
    /// directions.
    pub(crate) fn terms(&self, keys: &[usize]) -> Vec<f32> {
        let one = 1.0 / (self.count().max(1) as f64).sqrt();
        let mut terms = vec![one as f32; self.count()];
        if self.space.operands().is_none() {
            terms.extend(self.directions(keys));
            return terms;
        }
        let (basis, p) = (self.space.basis(), self.p);
        let row = |i: usize| &self.classes[i * p..(i + 1) * p];
        for k in keys {
            let rows: Vec<usize> = std::iter::once(basis.constant())
                .chain(basis.rows_of(*k))
                .collect();
            for i in &rows {
                for j in rows.iter().filter(|j| (*i, **j) != (rows[0], rows[0])) {
                    let (of_a, of_b) = (row(*i), row(*j));
                    let pairs = self.space.pairs.iter();
                    terms.extend(pairs.map(|pair| of_a[pair / p] * of_b[pair % p]));
                }
            }
        }
        terms
    }

    /// Returns the losses of logits over the pairs that count, `(N, p)`.
    pub(crate) fn loss(&self, logits: &[f32]) -> Loss {
        let p = self.p;
        let none = Shift::none(p);
        let of = |rows: &Rows| {
            let fill = |pair: usize, row: &mut [f32]| {
                let at = self.place[pair];
                row.copy_from_slice(&logits[at * p..(at + 1) * p]);
            };
            rows.score_by(fill, &none)
        };
        let (train, test) = (of(&self.train), of(&self.test));
        let (m, n) = (self.train.len() as f64, self.test.len() as f64);
        // A part without pairs has no mean, and no weight.
        let both = |x: f64, y: f64| match (m > 0.0, n > 0.0) {
            (true, true) => (m * x + n * y) / (m + n),
            (true, false) => x,
            _ => y,
        };
        Loss {
            all: both(train.loss, test.loss),
            accuracy: both(train.accuracy, test.accuracy),
            train: train.loss,
            test: test.loss,
        }
    }
}
