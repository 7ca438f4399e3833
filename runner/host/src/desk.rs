//! Where analyses compute: on as many threads as there are cores, over all cells, none of which
//! trains.
//!
//! More at a time would not be faster, and each would need its room: they are threads of their own,
//! not a limit on the analyses' threads, because the system's allocator keeps for each thread what
//! it has once used, and tens of megabytes for twelve analyses each are more than all that is
//! alive.
//!
//! What an analysis that is linked shares through rayon, it shares among the desks of its pool. On
//! many cores they are one pool: where training takes ten seconds, no single thread may have thirty
//! to do. On few cores each is a pool of its own, since whole analyses fill them, and pieces of
//! several in turn push each other out of the cache (6 % on two cores).

use std::sync::{Condvar, LazyLock, Mutex, PoisonError};
use std::thread::available_parallelism;

use rayon::{ThreadPool, ThreadPoolBuilder};

/// From so many cores on, one analysis may have several.
const MANY: usize = 8;

static DESKS: LazyLock<Desks> =
    LazyLock::new(|| Desks::new(available_parallelism().map_or(1, usize::from), MANY));

/// Threads to compute at.
enum Desks {
    Together(ThreadPool),
    /// each a pool, those that are free
    Apart(Mutex<Vec<ThreadPool>>, Condvar),
    /// not one thread can be started: whoever has work does it himself
    None,
}

/// A desk apart, until it is given back, be it by a panic.
struct Seat<'a> {
    desk: Option<ThreadPool>,
    free: &'a Mutex<Vec<ThreadPool>>,
    freed: &'a Condvar,
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        free.extend(self.desk.take());
        self.freed.notify_one();
    }
}

impl Desks {
    fn new(cores: usize, many: usize) -> Desks {
        let pool = |threads| {
            let pool = ThreadPoolBuilder::new().num_threads(threads);
            pool.thread_name(|_| "analysis".to_owned()).build().ok()
        };
        if cores >= many {
            return pool(cores).map_or(Desks::None, Desks::Together);
        }
        let desks: Vec<ThreadPool> = (0..cores).map_while(|_| pool(1)).collect();
        match desks.is_empty() {
            true => Desks::None,
            false => Desks::Apart(Mutex::new(desks), Condvar::new()),
        }
    }

    fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        match self {
            Desks::Together(pool) => pool.install(work),
            Desks::Apart(free, freed) => {
                let waiting = free.lock().unwrap_or_else(PoisonError::into_inner);
                let mut found = freed
                    .wait_while(waiting, |free| free.is_empty())
                    .unwrap_or_else(PoisonError::into_inner);
                let desk = found.pop();
                drop(found);
                let seat = Seat { desk, free, freed };
                match &seat.desk {
                    Some(desk) => desk.install(work),
                    None => work(),
                }
            }
            Desks::None => work(),
        }
    }
}

/// Runs this at the next desk that is free, and waits for it.
///
/// # Panics
/// When `work` does.
pub fn at_a_desk<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    DESKS.run(work)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Few cores and many.
    fn both() -> [Desks; 2] {
        [Desks::new(3, 8), Desks::new(3, 3)]
    }

    #[test]
    fn no_more_run_at_a_time_than_there_are_cores() {
        for desks in &both() {
            let (now, peak) = (&AtomicUsize::new(0), &AtomicUsize::new(0));
            std::thread::scope(|scope| {
                let threads: Vec<_> = (0..12)
                    .map(|i| {
                        scope.spawn(move || {
                            desks.run(|| {
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
    fn a_panic_reaches_whoever_waits_and_the_desk_goes_on() {
        for desks in &both() {
            std::thread::scope(|scope| {
                for _ in 0..20 {
                    let panics = scope.spawn(|| desks.run(|| -> u8 { panic!("on purpose") }));
                    assert!(panics.join().is_err());
                }
            });
            assert_eq!(desks.run(|| 7), 7);
        }
    }

    #[test]
    fn work_is_shared_where_there_are_many_cores_and_only_there() {
        let threads = both().map(|desks| desks.run(rayon::current_num_threads));
        assert_eq!(threads, [1, 3]);
    }
}
