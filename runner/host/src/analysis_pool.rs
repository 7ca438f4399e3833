//! Owns the threads on which analyses compute: as many as there are cores, shared by all cells,
//! none of which trains.
//!
//! More threads would not be faster, and each would need memory of its own. The pools are threads,
//! rather than a limit on the threads of the analyses, because the system's allocator keeps for
//! each thread what that thread has once used: for twelve analyses, tens of megabytes each are more
//! than all that is alive.
//!
//! A linked analysis that uses rayon shares its work among the threads of its pool. On many cores
//! there is one pool: where training takes ten seconds, no single thread may need thirty. On few
//! cores each thread is a pool of its own: whole analyses keep them busy, and pieces of several
//! analyses in turn would push each other out of the cache (6 % on two cores).

use std::sync::{Condvar, LazyLock, Mutex, PoisonError};
use std::thread::available_parallelism;

use rayon::{ThreadPool, ThreadPoolBuilder};

/// From this number of cores on, one analysis may use several threads.
const MANY: usize = 8;

static POOLS: LazyLock<AnalysisPools> =
    LazyLock::new(|| AnalysisPools::new(available_parallelism().map_or(1, usize::from), MANY));

/// The threads to compute on.
enum AnalysisPools {
    Shared(ThreadPool),
    /// one pool of one thread each; holds those that are free
    Separate(Mutex<Vec<ThreadPool>>, Condvar),
    /// no thread can be started: the caller computes
    Unavailable,
}

/// A single-thread pool in use. Dropping it, in a panic too, gives the pool back.
struct Lease<'a> {
    pool: Option<ThreadPool>,
    free: &'a Mutex<Vec<ThreadPool>>,
    freed: &'a Condvar,
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        free.extend(self.pool.take());
        self.freed.notify_one();
    }
}

impl AnalysisPools {
    fn new(cores: usize, many: usize) -> AnalysisPools {
        let pool = |threads| {
            let pool = ThreadPoolBuilder::new().num_threads(threads);
            pool.thread_name(|_| "analysis".to_owned()).build().ok()
        };
        if cores >= many {
            return pool(cores).map_or(AnalysisPools::Unavailable, AnalysisPools::Shared);
        }
        let pools: Vec<ThreadPool> = (0..cores).map_while(|_| pool(1)).collect();
        if pools.is_empty() {
            AnalysisPools::Unavailable
        } else {
            AnalysisPools::Separate(Mutex::new(pools), Condvar::new())
        }
    }

    fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        match self {
            AnalysisPools::Shared(pool) => pool.install(work),
            AnalysisPools::Separate(free, freed) => {
                let waiting = free.lock().unwrap_or_else(PoisonError::into_inner);
                let mut found = freed
                    .wait_while(waiting, |free| free.is_empty())
                    .unwrap_or_else(PoisonError::into_inner);
                let pool = found.pop();
                drop(found);
                let lease = Lease { pool, free, freed };
                match &lease.pool {
                    Some(pool) => pool.install(work),
                    None => work(),
                }
            }
            AnalysisPools::Unavailable => work(),
        }
    }
}

/// Runs `work` on the next pool that is free, and waits for the result.
///
/// # Panics
/// If `work` panics.
pub fn on_analysis_pool<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    POOLS.run(work)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Returns the pools of few cores and of many.
    fn both() -> [AnalysisPools; 2] {
        [AnalysisPools::new(3, 8), AnalysisPools::new(3, 3)]
    }

    #[test]
    fn no_more_run_at_a_time_than_there_are_cores() {
        for pools in &both() {
            let (now, peak) = (&AtomicUsize::new(0), &AtomicUsize::new(0));
            std::thread::scope(|scope| {
                let threads: Vec<_> = (0..12)
                    .map(|i| {
                        scope.spawn(move || {
                            pools.run(|| {
                                let count = now.fetch_add(1, Ordering::SeqCst) + 1;
                                peak.fetch_max(count, Ordering::SeqCst);
                                std::thread::sleep(std::time::Duration::from_millis(2));
                                now.fetch_sub(1, Ordering::SeqCst);
                                i
                            })
                        })
                    })
                    .collect();
                for (i, thread) in threads.into_iter().enumerate() {
                    assert_eq!(thread.join().unwrap(), i);
                }
            });
            assert!(peak.load(Ordering::SeqCst) <= 3);
        }
    }

    #[test]
    fn a_panic_reaches_whoever_waits_and_the_pool_goes_on() {
        for pools in &both() {
            std::thread::scope(|scope| {
                for _ in 0..20 {
                    let panics = scope.spawn(|| pools.run(|| -> u8 { panic!("on purpose") }));
                    assert!(panics.join().is_err());
                }
            });
            assert_eq!(pools.run(|| 7), 7);
        }
    }

    #[test]
    fn work_is_shared_where_there_are_many_cores_and_only_there() {
        let threads = both().map(|pools| pools.run(rayon::current_num_threads));
        assert_eq!(threads, [1, 3]);
    }
}
