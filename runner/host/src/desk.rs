//! Where analyses compute: as many threads as there are cores, over all cells.
//!
//! More at a time would not be faster, and each would need its room. They are threads of their own, not
//! a limit on the analyses' threads, because the system's allocator keeps for each thread what it has
//! once used: tens of megabytes for twelve analyses each are more than all that is alive.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel, sync_channel};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::thread::{Builder, available_parallelism};

type Work = Box<dyn FnOnce() + Send>;

static DESKS: LazyLock<Mutex<Sender<Work>>> = LazyLock::new(|| {
    let (work, inbox) = channel();
    let inbox = Arc::new(Mutex::new(inbox));
    for _ in 0..available_parallelism().map_or(1, usize::from) {
        let inbox = Arc::clone(&inbox);
        // Where no thread can be started, whoever has work does it himself.
        let _ = Builder::new()
            .name("analysis".to_owned())
            .spawn(move || attend(&inbox));
    }
    Mutex::new(work)
});

/// Does one piece of work after the other.
fn attend(inbox: &Mutex<Receiver<Work>>) {
    loop {
        let work = inbox.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(work) = work else { return };
        // Whoever waits for it hears of it.
        let _ = catch_unwind(AssertUnwindSafe(work));
    }
}

/// Runs this at the next desk that is free, and waits for it.
///
/// # Panics
/// When `work` does.
pub(crate) fn run<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (back, done) = sync_channel(1);
    let desks = DESKS.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let sent = desks.send(Box::new(move || {
        let _ = back.send(work());
    }));
    if let Err(unsent) = sent {
        (unsent.0)();
    }
    match done.recv() {
        Ok(found) => found,
        Err(_) => panic!("work at a desk panicked"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn no_more_run_at_a_time_than_there_are_cores() {
        let most = available_parallelism().map_or(1, usize::from);
        let (now, peak) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let threads: Vec<_> = (0..4 * most)
            .map(|i| {
                let (now, peak) = (Arc::clone(&now), Arc::clone(&peak));
                std::thread::spawn(move || {
                    run(move || {
                        peak.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
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
        assert!(peak.load(Ordering::SeqCst) <= most);
    }

    #[test]
    fn a_panic_reaches_whoever_waits_and_the_desk_goes_on() {
        for _ in 0..20 {
            let panics = std::thread::spawn(|| run(|| -> u8 { panic!("on purpose") }));
            assert!(panics.join().is_err());
        }
        assert_eq!(run(|| 7), 7);
    }
}
