//! Which cells of a plan a process trains when several share it.

use std::fmt;
use std::ops::Range;

use crate::survey::{CellSize, Survey};

/// One of several equal parts of a plan's cells.
///
/// The cells are put in order by shape, so that those that can train together stay together, and
/// cut into as many ranges as there are shards, of about the same number of operations. The cut
/// depends on the plan alone, not on a device: every process finds the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// from 1
    index: usize,
    of: usize,
}

impl Shard {
    /// The largest number of shards.
    pub const MOST: usize = 100_000;

    /// Shard `index` of `of`, counted from 1; none where there is no such shard.
    pub fn new(index: usize, of: usize) -> Option<Shard> {
        let there = (1..=of).contains(&index) && of <= Shard::MOST;
        there.then_some(Shard { index, of })
    }

    /// As it stands in a file's name: `2-of-4`.
    pub fn file_name(self) -> String {
        format!("{}-of-{}", self.index, self.of)
    }

    /// Its cells, by their number in the plan, ascending. Some shards have none where there are
    /// more shards than cells.
    pub fn cells(self, survey: &Survey) -> Vec<usize> {
        let order = in_batches(&survey.cells);
        let work: Vec<f64> = order
            .iter()
            .map(|i| survey.cells[*i].estimate().flops_per_epoch)
            .collect();
        let mut cells = order[self.range(&work)].to_vec();
        cells.sort_unstable();
        cells
    }

    /// Which of the pieces of `work` are this shard's: those whose middle falls into its share.
    fn range(self, work: &[f64]) -> Range<usize> {
        let total: f64 = work.iter().sum();
        let mut middles = Vec::with_capacity(work.len());
        let mut before = 0.0;
        for work in work {
            middles.push((before + work / 2.0) / total);
            before += work;
        }
        let cut = |shard: usize| {
            let share = shard as f64 / self.of as f64;
            if shard == self.of {
                work.len()
            } else {
                middles.partition_point(|middle| *middle < share)
            }
        };
        cut(self.index - 1)..cut(self.index)
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.of)
    }
}

/// The cells' numbers, those of one shape and size one after the other, in the plan's order
/// otherwise.
fn in_batches(cells: &[CellSize]) -> Vec<usize> {
    let mut kinds: Vec<&CellSize> = Vec::new();
    let mut keyed: Vec<(usize, usize)> = Vec::with_capacity(cells.len());
    for (i, cell) in cells.iter().enumerate() {
        let alike = |kind: &&CellSize| kind.trains_with(cell);
        let kind = kinds.iter().position(alike).unwrap_or_else(|| {
            kinds.push(cell);
            kinds.len() - 1
        });
        keyed.push((kind, i));
    }
    keyed.sort_unstable();
    keyed.into_iter().map(|(_, i)| i).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use grokrun_engine::{Activation, Shape};

    fn survey(moduli: &[usize]) -> Survey {
        let cell = |modulus: &usize| {
            let shape = Shape {
                modulus: *modulus,
                d_model: 8,
                heads: 1,
                d_head: 8,
                d_mlp: 16,
                activation: Activation::Relu,
                trained_biases: false,
            };
            let pairs = modulus * modulus;
            CellSize::of_shape(shape, pairs / 2, pairs - pairs / 2)
        };
        Survey {
            cells: moduli.iter().map(cell).collect(),
            estimated: false,
        }
    }

    fn parts(survey: &Survey, of: usize) -> Vec<Vec<usize>> {
        (1..=of)
            .map(|i| Shard::new(i, of).unwrap().cells(survey))
            .collect()
    }

    #[test]
    fn every_cell_is_in_one_shard_and_shards_are_alike() {
        let equal = survey(&[23; 32]);
        for of in [1, 2, 3, 5, 31, 32, 33, 100] {
            let parts = parts(&equal, of);
            let mut all: Vec<usize> = parts.concat();
            all.sort_unstable();
            assert_eq!(all, (0..32).collect::<Vec<_>>(), "{of}");
            let sizes = parts.iter().map(Vec::len);
            let (least, most) = (sizes.clone().min().unwrap(), sizes.max().unwrap());
            assert!(most - least <= 1, "{of}: {least} to {most}");
        }
    }

    #[test]
    fn cells_that_train_together_stay_together() {
        let mixed = survey(&[23, 29, 23, 29, 23, 29, 23, 29]);
        // All of one kind, and the first of the other.
        assert_eq!(parts(&mixed, 2)[0], [0, 1, 2, 4, 6]);
        assert_eq!(parts(&survey(&[23, 29, 23, 29]), 4).concat(), [0, 2, 1, 3]);
    }

    #[test]
    fn shards_share_the_work_not_the_cells() {
        let uneven = survey(&[113, 23, 23, 23, 23, 23, 23]);
        assert_eq!(parts(&uneven, 2), [vec![0], vec![1, 2, 3, 4, 5, 6]]);
    }

    #[test]
    fn what_is_no_shard_is_none() {
        assert_eq!(Shard::new(0, 4), None);
        assert_eq!(Shard::new(5, 4), None);
        assert_eq!(Shard::new(1, 0), None);
        assert_eq!(Shard::new(1, Shard::MOST + 1), None);
        let shard = Shard::new(2, 4).unwrap();
        assert_eq!(
            (shard.to_string(), shard.file_name()),
            ("2/4".into(), "2-of-4".into())
        );
    }
}
