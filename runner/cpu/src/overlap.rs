//! Lets a second thread do work that overlaps with the first thread's: in an epoch, the second
//! thread evaluates the test pairs while the training thread unfolds and steps.
//!
//! One piece of work is on offer at a time. The thread that serves pieces does not sleep between
//! them but takes part in whatever rayon has to share: waking a thread takes longer than a stage of
//! a small model. The offering thread never waits for a piece that has not begun, so any number of
//! threads suffices. A pool must run one [`Overlap`] at a time: a waiting thread helps with other
//! tasks, and two overlaps could come to wait for each other.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

const NONE: u8 = 0;
const OFFERED: u8 = 1;
const TAKEN: u8 = 2;

/// The number of pauses between two checks for work, about half a µs. A check disturbs the thread
/// that works.
const PAUSES: u32 = 20;
/// The number of checks in a row before the system may run another thread.
const TURNS: u32 = 50;

/// Holds the state of one [`Overlap::run`].
#[derive(Default)]
pub(crate) struct Overlap {
    piece: AtomicU8,
    closed: AtomicBool,
}

/// Calls a function when a piece of work is over, even after a panic, so that no thread waits for
/// ever.
struct Over<F: Fn()>(F);

impl<F: Fn()> Drop for Over<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

impl Overlap {
    /// Runs `first` to its end. Another thread, if one is free, serves `piece` meanwhile.
    pub(crate) fn run(&self, first: impl FnOnce() + Send, piece: impl Fn() + Send) {
        let here = rayon::current_thread_index();
        rayon::join(
            || {
                let _over = Over(|| self.closed.store(true, Ordering::Release));
                first();
            },
            || {
                // On the thread that runs `first`, serving would never end. On another thread,
                // serving does not delay `first`: rayon's thieves take the oldest task of a thread,
                // which is this one, so no thread that is helping with `first` can pick this task
                // up and deadlock on it.
                if rayon::current_thread_index() != here {
                    self.serve(piece);
                }
            },
        );
    }

    /// Offers one piece of work.
    pub(crate) fn offer(&self) {
        self.piece.store(OFFERED, Ordering::Release);
    }

    /// Returns when the offered piece is done. Does the piece itself if no other thread has taken
    /// it.
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

    /// Does the offered piece; returns false if none is on offer.
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

/// Waits for one turn, in which the thread takes part in what rayon has to share, if anything.
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
                let (overlap, done) = (Overlap::default(), AtomicUsize::new(0));
                let piece = || {
                    done.fetch_add(1, Ordering::Relaxed);
                };
                let first = || {
                    for count in 1..=1000 {
                        overlap.offer();
                        overlap.settle(piece);
                        assert_eq!(done.load(Ordering::Relaxed), count);
                    }
                };
                overlap.run(first, piece);
            });
        }
    }

    #[test]
    fn a_panic_on_either_side_ends_both() {
        for threads in [1, 2] {
            on(threads, || {
                let run = |first: fn(), piece: fn()| {
                    let caught = std::panic::catch_unwind(|| {
                        let overlap = Overlap::default();
                        let first = || {
                            first();
                            overlap.offer();
                            overlap.settle(piece);
                        };
                        overlap.run(first, piece);
                    });
                    assert!(caught.is_err());
                };
                run(|| panic!("planted: training"), || ());
                run(|| (), || panic!("planted: a piece"));
            });
        }
    }
}
