//! What the threads share of one cell's epoch. No result depends on it.

/// From so many multiply-adds an epoch on (some 30 µs), two threads share the pairs.
const WORTH_SHARING_PAIRS: usize = 1_000_000;
/// From so many on, all threads share the tables as well, whose stages are many and short.
const WORTH_SHARING_TABLES: usize = 6_000_000;

/// How finely work is cut for rayon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// one thread does everything
    Nothing,
    /// two threads share chunks of pairs, and tests run beside training
    Pairs,
    /// blocks of rows of the tables are shared as well, by all threads
    Everything,
}

impl Sharing {
    /// For epochs of so many multiply-adds of each of `cells` that train together on `threads`.
    /// Where a thread a cell leaves less than half of them idle, that is faster.
    pub(crate) fn of(work: usize, cells: usize, threads: usize) -> Sharing {
        match work {
            _ if 2 * cells > threads => Sharing::Nothing,
            WORTH_SHARING_TABLES.. => Sharing::Everything,
            WORTH_SHARING_PAIRS.. if cells == 1 => Sharing::Pairs,
            _ => Sharing::Nothing,
        }
    }

    /// How many of `threads` work on a cell.
    pub fn threads(self, threads: usize) -> usize {
        match self {
            Sharing::Nothing => 1,
            Sharing::Pairs => threads.min(2),
            Sharing::Everything => threads,
        }
    }

    /// Chunks of pairs in a task.
    pub(crate) fn pair_grain(self) -> usize {
        match self {
            Sharing::Nothing => usize::MAX,
            Sharing::Pairs | Sharing::Everything => 1,
        }
    }

    /// Blocks of rows in a task, at least.
    pub(crate) fn table_grain(self) -> usize {
        match self {
            Sharing::Nothing | Sharing::Pairs => usize::MAX,
            Sharing::Everything => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shared_depends_on_the_work_and_on_idle_threads() {
        for (work, cells, threads, want) in [
            (100_000, 1, 64, Sharing::Nothing),
            (3_000_000, 1, 2, Sharing::Pairs),
            (3_000_000, 1, 1, Sharing::Nothing),
            (3_000_000, 2, 64, Sharing::Nothing),
            (400_000_000, 1, 2, Sharing::Everything),
            (400_000_000, 2, 2, Sharing::Nothing),
            (400_000_000, 2, 4, Sharing::Everything),
            (400_000_000, 3, 4, Sharing::Nothing),
        ] {
            assert_eq!(
                Sharing::of(work, cells, threads),
                want,
                "{work} {cells} {threads}"
            );
        }
        let threads = |share: Sharing| [1, 2, 16].map(|threads| share.threads(threads));
        assert_eq!(threads(Sharing::Nothing), [1, 1, 1]);
        assert_eq!(threads(Sharing::Pairs), [1, 2, 2]);
        assert_eq!(threads(Sharing::Everything), [1, 2, 16]);
    }
}
