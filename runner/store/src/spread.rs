//! When the cells of a sweep memorised and grokked: counts, quartiles and the survival curve, the
//! same for every table and page.
//!
//! Owns what is counted how: which cells count, and what is known of each. Knows nothing of
//! terminals and pages, nor of which cells belong together. A cell that has not got there is not
//! left out: it counts as later than what is known of it (censored; `grokrun-sweeps` has the
//! estimates), so that a median says what a new cell may expect. Where all cells trained equally
//! long, that is the middle of the sorted epochs, with the cells that did not get there at the end.

use grokrun_sweeps::{Crossing, Survival};

use crate::summary::CellSummary;

/// What a cell is to get to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Milestone {
    /// the train accuracy is held
    Memorised,
    /// the test accuracy is held
    Grokked,
}

/// When some cells got to a milestone.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Spread {
    /// cells whose training did not fail
    pub cells: u64,
    /// those of them that got there and held it
    pub reached: u64,
    /// those of them that are there at their last epoch, but have not held it long enough yet
    pub not_yet: u64,
    /// cells whose training failed: they are in no other number
    pub failed: u64,
    /// the first epoch at which one got there
    pub first: Option<u64>,
    /// the first epochs by which a quarter, a half and three quarters had; none where that is not
    /// known to have happened
    pub quartiles: [Option<u64>; 3],
    /// the last epoch at which one got there
    pub last: Option<u64>,
    /// the share that had not got there yet, over the epochs
    pub survival: Survival,
}

impl Spread {
    /// Of these cells.
    pub fn of<'a>(
        cells: impl IntoIterator<Item = &'a CellSummary>,
        milestone: Milestone,
    ) -> Spread {
        let mut spread = Spread::default();
        let mut known = Vec::new();
        for cell in cells {
            let Some(observation) = cell.observation(milestone) else {
                spread.failed += 1;
                continue;
            };
            spread.cells += 1;
            match cell.crossing(milestone) {
                Crossing::Held { epoch } => {
                    spread.reached += 1;
                    spread.first = Some(spread.first.map_or(epoch, |first| first.min(epoch)));
                    spread.last = spread.last.max(Some(epoch));
                }
                Crossing::Open { .. } => spread.not_yet += 1,
                Crossing::Not => {}
            }
            known.push(observation);
        }
        spread.survival = Survival::of(known);
        let quartiles = spread.survival.quartiles();
        spread.quartiles = quartiles.map(|quartile| quartile.time.map(|time| time as u64));
        spread
    }

    /// Cells that did not get there, and are not on the way.
    pub fn did_not(&self) -> u64 {
        self.cells - self.reached - self.not_yet
    }

    /// The first epoch by which half of the cells had; none where that is not known to have
    /// happened.
    pub fn median(&self) -> Option<u64> {
        self.quartiles[1]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Metrics;

    /// A cell that trained so long, and grokked then, or stands at 99 % since then.
    fn cell(epochs: u64, grokked: Option<u64>, since: Option<u64>) -> CellSummary {
        CellSummary {
            epochs,
            test_accuracy_epoch: grokked,
            test_accuracy_since: since,
            ..CellSummary::new("c", "finished", &Metrics::default())
        }
    }

    fn spread(cells: &[CellSummary]) -> Spread {
        Spread::of(cells, Milestone::Grokked)
    }

    #[test]
    fn cells_that_did_not_grok_count_as_later_than_all() {
        let grokked = [40, 10, 30, 20].map(|epoch| cell(900, Some(epoch), None));
        let not = vec![cell(900, None, None); 4];
        let found = spread(&[&grokked[..], &not[..]].concat());
        assert_eq!((found.cells, found.reached, found.did_not()), (8, 4, 4));
        assert_eq!((found.first, found.last), (Some(10), Some(40)));
        assert_eq!(found.quartiles, [Some(20), Some(40), None]);
        let none = spread(&not);
        assert_eq!((none.first, none.last, none.median()), (None, None, None));
        let all = spread(&vec![cell(900, Some(7), None); 5]);
        assert_eq!(all.quartiles, [Some(7); 3]);
        assert_eq!((all.first, all.last), (Some(7), Some(7)));
        assert_eq!(spread(&[]), Spread::default());
    }

    #[test]
    fn a_median_is_the_nearest_rank_where_all_trained_equally_long() {
        for count in 1..40u64 {
            for missing in 0..=count {
                let of = |i: u64| cell(9000, (i < count - missing).then_some(10 * i), None);
                let cells: Vec<CellSummary> = (0..count).map(of).collect();
                let rank = |quarters: u64| (quarters * count).div_ceil(4) - 1;
                let want = [1, 2, 3].map(|quarters| {
                    let rank = rank(quarters);
                    (rank < count - missing).then_some(10 * rank)
                });
                assert_eq!(spread(&cells).quartiles, want, "{missing} of {count}");
            }
        }
    }

    #[test]
    fn a_cell_says_nothing_of_what_comes_after_it_ended() {
        // Two that were interrupted early know nothing of epoch 500; the other four do.
        let early = [cell(100, None, None), cell(450, None, Some(400))];
        let late = [500, 600, 700, 800].map(|epoch| cell(9000, Some(epoch), None));
        let found = spread(&[&early[..], &late[..]].concat());
        assert_eq!(found.quartiles, [Some(500), Some(600), Some(700)]);
        assert_eq!((found.reached, found.not_yet, found.did_not()), (4, 1, 1));
        // One that ends in the very epoch was watched until then.
        let found = spread(&[cell(500, None, None), cell(9000, Some(500), None)]);
        assert_eq!(found.quartiles, [Some(500), Some(500), None]);
    }

    #[test]
    fn failed_cells_are_counted_apart_wherever_they_got_to() {
        let failed = |grokked| CellSummary {
            status: "failed".to_owned(),
            ..cell(900, grokked, None)
        };
        let found = spread(&[failed(None), failed(Some(5)), cell(900, Some(20), None)]);
        assert_eq!((found.cells, found.reached, found.failed), (1, 1, 2));
        assert_eq!(found.median(), Some(20));
    }
}
