//! Work that a second thread does beside the first: in an epoch, the test pairs, while the training
//! thread unfolds and steps.
//!
//! One piece is on offer at a time. The thread that serves it does not sleep between pieces but
//! takes part in whatever rayon has to share: waking a thread takes longer than a small model's
//! stage. The thread that offers never waits for one that has not begun, so any number of threads
//! will do. But one pool runs one [`Beside`] at a time: who waits helps, and two of them could come
//! to wait for each other.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

const NONE: u8 = 0;
const OFFERED: u8 = 1;
const TAKEN: u8 = 2;

/// Pauses between two looks for work, about half a µs: looking disturbs the thread that works.
const PAUSES: u32 = 20;
/// Looks in a row before the system may run another thread.
const TURNS: u32 = 50;

/// For one [`Beside::run`].
#[derive(Default)]
pub(crate) struct Beside {
    piece: AtomicU8,
    closed: AtomicBool,
}

/// Tells that something is over, even by a panic: nobody then waits for ever.
struct Over<F: Fn()>(F);

impl<F: Fn()> Drop for Over<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

impl Beside {
    /// Runs `first`, with `piece` served on another thread, if one is free, until it ends.
    pub(crate) fn run(&self, first: impl FnOnce() + Send, piece: impl Fn() + Send) {
        let here = rayon::current_thread_index();
        rayon::join(
            || {
                let _over = Over(|| self.closed.store(true, Ordering::Release));
                first();
            },
            || {
                // On this thread it would never end. On others it does not disturb, as rayon's
                // thieves take the oldest task of a thread, which this one is: nobody has it who
                // was sent for a part of `first`, and only then would wait for what he keeps from
                // going on.
                if rayon::current_thread_index() != here {
                    self.serve(piece);
                }
            },
        );
    }

    /// One piece may be done.
    pub(crate) fn offer(&self) {
        self.piece.store(OFFERED, Ordering::Release);
    }

    /// Returns when the piece that was offered is done, if need be by doing it.
    pub(crate) fn settle(&self, piece: impl Fn()) {
        if !self.try_one(piece) {
            let mut turns = 0;
            while self.piece.load(Ordering::Acquire) != NONE {
                help(&mut turns);
            }
        }
    }

    fn serve(&self, piece: impl Fn()) {
        let mut turns = 0;
        while !self.closed.load(Ordering::Acquire) {
            if self.try_one(&piece) {
                turns = 0;
            } else {
                help(&mut turns);
            }
        }
    }

    /// Does the piece on offer; false if there is none.
    fn try_one(&self, piece: impl Fn()) -> bool {
        let (from, to) = (OFFERED, TAKEN);
        let taken = self
            .piece
            .compare_exchange(from, to, Ordering::AcqRel, Ordering::Relaxed);
        if taken.is_err() {
            return false;
        }
        let _over = Over(|| self.piece.store(NONE, Ordering::Release));
        piece();
        true
    }
}

/// One turn of waiting: takes part in what rayon has to share, if anything.
fn help(turns: &mut u32) {
    if let Some(rayon::Yield::Executed) = rayon::yield_now() {
        *turns = 0;
        return;
    }
    *turns += 1;
    if turns.is_multiple_of(TURNS) {
        std::thread::yield_now();
    } else {
        for _ in 0..PAUSES {
            std::hint::spin_loop();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    fn on(threads: usize, job: impl FnOnce() + Send) {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        pool.build().unwrap().install(job);
    }

    #[test]
    fn every_piece_is_done_once_before_it_is_settled() {
        for threads in [1, 2, 5] {
            on(threads, || {
                let (beside, done) = (Beside::default(), AtomicUsize::new(0));
                let piece = || {
                    done.fetch_add(1, Ordering::Relaxed);
                };
                let first = || {
                    for count in 1..=1000 {
                        beside.offer();
                        beside.settle(piece);
                        assert_eq!(done.load(Ordering::Relaxed), count);
                    }
                };
                beside.run(first, piece);
            });
        }
    }

    #[test]
    fn a_panic_on_either_side_ends_both() {
        for threads in [1, 2] {
            on(threads, || {
                let run = |first: fn(), piece: fn()| {
                    let caught = std::panic::catch_unwind(|| {
                        let beside = Beside::default();
                        let first = || {
                            first();
                            beside.offer();
                            beside.settle(piece);
                        };
                        beside.run(first, piece);
                    });
                    assert!(caught.is_err());
                };
                run(|| panic!("planted: training"), || ());
                run(|| (), || panic!("planted: a piece"));
            });
        }
    }
}
