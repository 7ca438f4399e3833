//! Decides how the threads divide one cell's epoch. No result depends on the choice.

/// From this number of multiply-adds an epoch on (some 30 µs), two threads divide the pairs.
const WORTH_SHARING_PAIRS: usize = 1_000_000;
/// From this number on, all threads divide the tables as well, whose stages are many and short.
const WORTH_SHARING_TABLES: usize = 6_000_000;

/// How finely work is divided for rayon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// one thread does everything
    Nothing,
    /// two threads divide chunks of pairs, and evaluation overlaps with training
    Pairs,
    /// all threads divide blocks of rows of the tables as well
    Everything,
}

impl Sharing {
    /// Chooses for epochs of `work` multiply-adds of each of `cells` that train together on
    /// `threads` threads. One thread for each cell is faster if that leaves less than half of the
    /// threads idle.
    pub(crate) fn of(work: usize, cells: usize, threads: usize) -> Sharing {
        match work {
            _ if 2 * cells > threads => Sharing::Nothing,
            WORTH_SHARING_TABLES.. => Sharing::Everything,
            WORTH_SHARING_PAIRS.. if cells == 1 => Sharing::Pairs,
            _ => Sharing::Nothing,
        }
    }

    /// Returns the number of threads, of `threads`, that work on one cell.
    pub fn threads(self, threads: usize) -> usize {
        match self {
            Sharing::Nothing => 1,
            Sharing::Pairs => threads.min(2),
            Sharing::Everything => threads,
        }
    }

    /// Returns the number of chunks of pairs in a task.
    pub(crate) fn pair_grain(self) -> usize {
        match self {
            Sharing::Nothing => usize::MAX,
            Sharing::Pairs | Sharing::Everything => 1,
        }
    }

    /// Returns the smallest number of blocks of rows in a task.
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
