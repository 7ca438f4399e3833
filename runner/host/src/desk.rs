//! Where analyses compute: a pool of as many threads as there are cores, over all cells, which is not
//! the one that trains.
//!
//! More at a time would not be faster, and each would need its room: they are threads of their own, not
//! a limit on the analyses' threads, because the system's allocator keeps for each thread what it has
//! once used, and tens of megabytes for twelve analyses each are more than all that is alive. They are
//! a pool of rayon's, so that an analysis that is linked may share its work among those that are free:
//! where training takes ten seconds, no single thread may have thirty seconds to do.

use std::sync::LazyLock;

use rayon::{ThreadPool, ThreadPoolBuilder};

/// None where not one thread can be started.
static DESKS: LazyLock<Option<ThreadPool>> = LazyLock::new(|| {
    let desks = ThreadPoolBuilder::new().thread_name(|_| "analysis".to_owned());
    desks.build().ok()
});

/// Runs this at the next desk that is free, and waits for it; without desks, here.
///
/// # Panics
/// When `work` does.
pub fn at_a_desk<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    match &*DESKS {
        Some(desks) => desks.install(work),
        None => work(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread::available_parallelism;

    #[test]
    fn no_more_run_at_a_time_than_there_are_cores() {
        let most = available_parallelism().map_or(1, usize::from);
        let (now, peak) = (&AtomicUsize::new(0), &AtomicUsize::new(0));
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4 * most)
                .map(|i| {
                    scope.spawn(move || {
                        at_a_desk(|| {
                            peak.fetch_max(
                                now.fetch_add(1, Ordering::SeqCst) + 1,
                                Ordering::SeqCst,
                            );
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
        assert!(peak.load(Ordering::SeqCst) <= most);
    }

    #[test]
    fn a_panic_reaches_whoever_waits_and_the_desk_goes_on() {
        for _ in 0..20 {
            let panics = std::thread::spawn(|| at_a_desk(|| -> u8 { panic!("on purpose") }));
            assert!(panics.join().is_err());
        }
        assert_eq!(at_a_desk(|| 7), 7);
    }
}
