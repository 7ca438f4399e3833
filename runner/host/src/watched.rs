//! Says what an analysis is doing at the moment, for whoever waits for it, and what it has found so
//! far.
//!
//! A call of an analysis cannot be interrupted, since its code is somebody else's. A program that
//! has to end meanwhile can at least say what it waits for, and since when.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::collector::Series;

/// What an analysis is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// it is shown the snapshot of this epoch
    Observation(u64),
    /// it finishes
    Conclusion,
}

/// The numbers that an analysis has found so far. Its tables and figures come when it finishes.
#[derive(Clone, Debug, PartialEq)]
pub struct SoFar {
    /// the epoch of the last snapshot that it was shown
    pub epoch: u64,
    /// scalars over epochs
    pub series: Series,
}

/// A view of one analysis of one cell, valid while that runs and after.
#[derive(Clone, Debug)]
pub struct Watched {
    name: Arc<str>,
    work: Arc<Mutex<Option<Work>>>,
    so_far: Arc<Mutex<Option<SoFar>>>,
}

impl Watched {
    pub(crate) fn new(name: &str) -> Watched {
        Watched {
            name: name.into(),
            work: Arc::default(),
            so_far: Arc::default(),
        }
    }

    /// Returns the analysis's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns what it is doing; none while it waits.
    pub fn work(&self) -> Option<Work> {
        *locked(&self.work)
    }

    /// Takes what it has found so far; none if there is nothing new.
    pub fn take_so_far(&self) -> Option<SoFar> {
        locked(&self.so_far).take()
    }

    /// Shows what it has found so far, in the place of what was shown before.
    pub(crate) fn publish(&self, so_far: SoFar) {
        *locked(&self.so_far) = Some(so_far);
    }

    /// Shows `work` as what it is doing while `call` runs.
    pub(crate) fn during<T>(&self, work: Work, call: impl FnOnce() -> T) -> T {
        let set = |work| *locked(&self.work) = work;
        set(Some(work));
        let done = call();
        set(None);
        done
    }
}

/// Nothing that is locked here is left half changed by a panic.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_found_so_far_is_taken_once_and_is_the_latest() {
        let watched = Watched::new("a");
        let at = |epoch| SoFar {
            epoch,
            series: Series::default(),
        };
        assert_eq!(watched.take_so_far(), None);
        watched.publish(at(100));
        watched.publish(at(200));
        assert_eq!(watched.clone().take_so_far(), Some(at(200)));
        assert_eq!(watched.take_so_far(), None);
    }

    #[test]
    fn an_analysis_is_at_work_while_it_is_called() {
        let watched = Watched::new("a");
        let other = watched.clone();
        assert_eq!(other.work(), None);
        let seen = watched.during(Work::Observation(100), || other.work());
        assert_eq!((seen, other.work()), (Some(Work::Observation(100)), None));
    }
}
