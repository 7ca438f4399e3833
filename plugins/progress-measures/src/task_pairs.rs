//! Prepares what is the same at all checkpoints of a task: the pairs that count, and the directions
//! of the label's angle on them.

use grokrun_api::{Failure, Task};
use grokrun_basis::{Basis, LabelBasis, Space};
use grokrun_measures::space;

/// Pairs (indices a·p + b) with their labels.
pub(crate) type Pairs = Vec<(usize, usize)>;

/// A direction cos or sin of w_k f(a, b), orthonormal to the others over the block.
pub(crate) struct Direction {
    /// k
    pub(crate) frequency: usize,
    /// its value at a pair of each label, `(p)`
    pub(crate) by_label: Vec<f64>,
    /// the matching function of the class, of length 1, `(p)`; none if Gram–Schmidt left fewer
    /// directions of this frequency than there are functions
    pub(crate) by_class: Option<Vec<f64>>,
}

/// Holds the block and the directions, which the measures share. The **block** is the pairs whose
/// operands and label are in the group: all pairs of addition, those without a 0 of multiplication
/// (doc/definitions.md#the-pairs-that-count).
pub(crate) struct TaskPairs {
    pub(crate) p: usize,
    pub(crate) space: Space,
    pub(crate) basis: Basis,
    /// pairs of the block
    pub(crate) block: Pairs,
    /// pairs that have a label and are not in the block
    pub(crate) outside: Pairs,
    /// pairs of the block that are trained on, by label, so that a label's row stays in the cache
    pub(crate) train: Pairs,
    /// pairs outside of the block that are trained on
    pub(crate) train_outside: Pairs,
    /// pairs of the block that are tested on
    pub(crate) test: Pairs,
    /// the directions, in the order of frequencies
    pub(crate) directions: Vec<Direction>,
    /// classes that are in the group
    pub(crate) classes: Vec<usize>,
}

impl TaskPairs {
    /// Prepares a task, in the basis that `word` asks for.
    ///
    /// # Errors
    /// If there is no such basis for the task.
    pub(crate) fn new(word: &str, task: &Task) -> Result<TaskPairs, Failure> {
        let p = task.modulus;
        let space = space(word, task)?;
        let basis = space.basis().clone();
        let mut in_block = vec![false; task.labels.len()];
        for pair in &space.pairs {
            in_block[*pair] = true;
        }
        let of = |pairs: &mut dyn Iterator<Item = usize>, inside: bool| -> Pairs {
            pairs
                .filter(|pair| in_block.get(*pair) == Some(&inside))
                .filter_map(|pair| Some((pair, task.labels[pair]? as usize)))
                .filter(|(_, label)| *label < p)
                .collect()
        };
        let all = || 0..task.labels.len();
        let train = || task.train.iter().map(|pair| *pair as usize);
        let test = || task.test.iter().map(|pair| *pair as usize);
        let mut by_label = of(&mut train(), true);
        by_label.sort_by_key(|(pair, label)| (*label, *pair));

        // The directions are orthonormal over the block, and a pair outside it may share a label.
        let counted = task.labels.iter().zip(&in_block);
        let counted: Vec<Option<u32>> = counted
            .map(|(label, inside)| label.filter(|_| *inside))
            .collect();
        let labels = LabelBasis::new(&counted, &basis);
        Ok(TaskPairs {
            p,
            directions: directions(&basis, &labels),
            block: of(&mut all(), true),
            outside: of(&mut all(), false),
            train: by_label,
            train_outside: of(&mut train(), false),
            test: of(&mut test(), true),
            classes: basis.order().to_vec(),
            basis,
            space,
        })
    }

    /// Returns the number of components, which is the largest frequency.
    pub(crate) fn frequencies(&self) -> usize {
        self.basis.count()
    }

    /// Returns how many of these pairs have each label, `(p)`.
    pub(crate) fn counts(&self, pairs: &Pairs) -> Vec<f64> {
        let mut counts = vec![0.0; self.p];
        for (_, label) in pairs {
            counts[*label] += 1.0;
        }
        counts
    }
}

fn directions(basis: &Basis, labels: &LabelBasis) -> Vec<Direction> {
    let p = basis.modulus();
    let matrix = basis.matrix();
    (1..=basis.count())
        .flat_map(|frequency| {
            let rows = basis.rows_of(frequency);
            let whole = labels.directions(frequency).count() == rows.len();
            let matrix = &matrix;
            let pairs = labels.directions(frequency).zip(rows);
            pairs.map(move |(direction, row)| Direction {
                frequency,
                by_label: direction.to_vec(),
                by_class: whole.then(|| matrix[row * p..(row + 1) * p].to_vec()),
            })
        })
        .collect()
}
