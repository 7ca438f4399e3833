//! Which cells train together: those of one shape, with as many pairs, from the same epoch.

use crate::survey::CellSize;

/// Cells that share a program, by their number in the plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// the epoch they start from
    pub from: u64,
    /// cells of the plan
    pub cells: Vec<usize>,
}

/// Groups the cells `pending` (number in the plan, epochs done) into batches of at most
/// `largest` cells, in the plan's order.
pub fn batches(sizes: &[CellSize], pending: &[(usize, u64)], largest: usize) -> Vec<Batch> {
    let alike = |i: usize, j: usize| sizes[i].trains_with(&sizes[j]);
    let mut batches: Vec<Batch> = Vec::new();
    // Those that have room: of a hundred thousand cells one of each kind, and not every batch.
    let mut open: Vec<usize> = Vec::new();
    for &(cell, from) in pending {
        let fits = |at: &usize| batches[*at].from == from && alike(batches[*at].cells[0], cell);
        let place = open.iter().position(fits).unwrap_or_else(|| {
            open.push(batches.len());
            batches.push(Batch {
                from,
                cells: Vec::new(),
            });
            open.len() - 1
        });
        let batch = &mut batches[open[place]];
        batch.cells.push(cell);
        if batch.cells.len() >= largest {
            open.remove(place);
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;
    use grokrun_engine::{Activation, Shape};

    fn size(modulus: usize, train: usize) -> CellSize {
        let shape = Shape {
            modulus,
            d_model: 4,
            heads: 1,
            d_head: 4,
            d_mlp: 8,
            activation: Activation::Relu,
            trained_biases: false,
        };
        CellSize::of_shape(shape, train, modulus * modulus - train)
    }

    fn cells(batches: &[Batch]) -> Vec<&[usize]> {
        batches.iter().map(|b| b.cells.as_slice()).collect()
    }

    #[test]
    fn cells_alike_train_together_up_to_the_largest_batch() {
        let sizes = [
            size(5, 10),
            size(7, 10),
            size(5, 10),
            size(5, 11),
            size(5, 10),
            size(5, 10),
        ];
        let pending: Vec<(usize, u64)> = (0..6).map(|i| (i, 0)).collect();
        assert_eq!(
            cells(&batches(&sizes, &pending, 3)),
            [&[0, 2, 4][..], &[1], &[3], &[5]]
        );
    }

    #[test]
    fn cells_from_other_epochs_stay_apart() {
        let sizes = vec![size(5, 10); 3];
        let pending = [(0, 0), (1, 100), (2, 0)];
        let batches = batches(&sizes, &pending, 8);
        assert_eq!(cells(&batches), [&[0, 2][..], &[1]]);
        assert_eq!(batches[1].from, 100);
    }
}
