//! Orders jobs in levels. A job reads only results of earlier levels, and the jobs of one kernel in
//! a level are one dispatch.
//!
//! Owns the order of dispatches. Knows nothing of operations.

use std::collections::HashMap;
use std::ops::Range;

use grokrun_shaders::Kernel;

/// A block of a table, or some entries outside of tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Region {
    pub(crate) space: Space,
    pub(crate) rows: [usize; 2],
    pub(crate) cols: [usize; 2],
}

/// The memory that a region belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Space {
    Table(usize),
    /// entries after the tables
    Scratch,
    /// the samples' losses and correct answers
    Scores,
    /// the records that the host reads
    Records,
}

impl Region {
    /// Returns the region of entries side by side.
    pub(crate) fn of(space: Space, first: usize, count: usize) -> Region {
        Region {
            space,
            rows: [first, first + count],
            cols: [0, 1],
        }
    }

    fn meets(&self, other: &Region) -> bool {
        let meet = |a: [usize; 2], b: [usize; 2]| a[0] < b[1] && b[0] < a[1];
        meet(self.rows, other.rows) && meet(self.cols, other.cols)
    }
}

/// A job of a kernel.
#[derive(Clone, Debug)]
pub(crate) struct Work {
    pub(crate) kernel: &'static Kernel,
    /// the job's words; the first word, the tile, is set later
    pub(crate) job: Vec<u32>,
    /// number of workgroups of the job
    pub(crate) tiles: usize,
    pub(crate) reads: Vec<Region>,
    pub(crate) writes: Vec<Region>,
}

/// A dispatch: some jobs of one kernel.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    pub(crate) kernel: &'static Kernel,
    pub(crate) first: usize,
    pub(crate) count: usize,
    pub(crate) tiles: usize,
}

/// The jobs and terms of each kernel, and the dispatches.
#[derive(Debug, Default)]
pub(crate) struct Schedule {
    /// the jobs of each kernel, by name
    pub(crate) jobs: HashMap<&'static str, Vec<u32>>,
    pub(crate) terms: HashMap<&'static str, Vec<u32>>,
    pub(crate) calls: Vec<Call>,
}

impl Schedule {
    /// Adds a list of jobs as dispatches, and returns the range of the dispatches.
    pub(crate) fn push(&mut self, works: Vec<Work>) -> Range<usize> {
        let start = self.calls.len();
        let levels = levels(&works);
        let mut order: Vec<usize> = (0..works.len()).collect();
        // The sort is stable: jobs of a level and a kernel stay in their order.
        order.sort_by_key(|i| (levels[*i], works[*i].kernel.name));
        let mut before = None;
        for i in order {
            let (work, key) = (&works[i], (levels[i], works[i].kernel.name));
            let jobs = self.jobs.entry(work.kernel.name).or_default();
            let size = work.job.len();
            if before != Some(key) {
                self.calls.push(Call {
                    kernel: work.kernel,
                    first: jobs.len() / size,
                    count: 0,
                    tiles: 0,
                });
                before = Some(key);
            }
            if let Some(call) = self.calls.last_mut() {
                let at = jobs.len();
                jobs.extend(&work.job);
                jobs[at] = call.tiles as u32;
                call.count += 1;
                call.tiles = call.tiles.saturating_add(work.tiles);
            }
        }
        start..self.calls.len()
    }
}

/// The regions of a space that were read or written so far.
#[derive(Default)]
struct Touched {
    reads: Vec<(Region, usize)>,
    writes: Vec<(Region, usize)>,
}

/// Returns the level of each job: one above the highest level of the earlier jobs that the job
/// depends on.
fn levels(works: &[Work]) -> Vec<usize> {
    let mut spaces: HashMap<Space, Touched> = HashMap::new();
    let mut levels = Vec::with_capacity(works.len());
    for work in works {
        let mut level = 0;
        let mut after = |touched: &[(Region, usize)], region: &Region| {
            for (_, at) in touched.iter().filter(|(other, _)| other.meets(region)) {
                level = level.max(at + 1);
            }
        };
        for region in &work.reads {
            if let Some(touched) = spaces.get(&region.space) {
                after(&touched.writes, region);
            }
        }
        for region in &work.writes {
            if let Some(touched) = spaces.get(&region.space) {
                after(&touched.writes, region);
                after(&touched.reads, region);
            }
        }
        for region in &work.reads {
            let touched = spaces.entry(region.space).or_default();
            touched.reads.push((*region, level));
        }
        for region in &work.writes {
            let touched = spaces.entry(region.space).or_default();
            touched.writes.push((*region, level));
        }
        levels.push(level);
    }
    levels
}

#[cfg(test)]
mod tests {
    use super::*;
    use grokrun_shaders::program::{fill, scale};

    fn work(kernel: &'static Kernel, reads: &[usize], writes: usize) -> Work {
        let region = |first: usize| Region::of(Space::Scratch, first, 10);
        Work {
            kernel,
            job: vec![7, writes as u32],
            tiles: 3,
            reads: reads.iter().map(|first| region(*first)).collect(),
            writes: vec![region(writes)],
        }
    }

    #[test]
    fn what_waits_for_nothing_goes_together_and_nothing_overtakes() {
        let (a, b) = (&fill::KERNEL, &scale::KERNEL);
        let works = vec![
            work(a, &[], 0),
            work(b, &[5], 20),
            // This job depends on neither.
            work(a, &[], 40),
            // This job writes what the second one reads.
            work(a, &[], 9),
            // This job reads the first one's entries after the last one wrote some of them.
            work(b, &[0], 60),
        ];
        let mut schedule = Schedule::default();
        let calls = schedule.push(works);
        let found: Vec<_> = schedule.calls[calls]
            .iter()
            .map(|c| (c.kernel.name, c.first, c.count, c.tiles))
            .collect();
        let [a, b] = [a.name, b.name];
        let expected = [(a, 0, 2, 6), (b, 0, 1, 3), (a, 2, 1, 3), (b, 1, 1, 3)];
        assert_eq!(found, expected);
        assert_eq!(schedule.jobs[a], [0, 0, 3, 40, 0, 9]);
    }
}
