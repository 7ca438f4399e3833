//! Says what an analysis is doing at the moment, for whoever waits for it.
//!
//! A call of an analysis cannot be interrupted, since its code is somebody else's. A program that
//! has to end meanwhile can at least say what it waits for, and since when.

use std::sync::{Arc, Mutex, PoisonError};

/// What an analysis is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// it is shown the snapshot of this epoch
    Observation(u64),
    /// it finishes
    Conclusion,
}

/// A view of one analysis of one cell, valid while that runs and after.
#[derive(Clone, Debug)]
pub struct Watched {
    name: Arc<str>,
    work: Arc<Mutex<Option<Work>>>,
}

impl Watched {
    pub(crate) fn new(name: &str) -> Watched {
        Watched {
            name: name.into(),
            work: Arc::default(),
        }
    }

    /// Returns the analysis's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns what it is doing; none while it waits.
    pub fn work(&self) -> Option<Work> {
        *self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows `work` as what it is doing while `call` runs.
    pub(crate) fn during<T>(&self, work: Work, call: impl FnOnce() -> T) -> T {
        let set = |work| *self.work.lock().unwrap_or_else(PoisonError::into_inner) = work;
        set(Some(work));
        let done = call();
        set(None);
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_analysis_is_at_work_while_it_is_called() {
        let watched = Watched::new("a");
        let other = watched.clone();
        assert_eq!(other.work(), None);
        let seen = watched.during(Work::Observation(100), || other.work());
        assert_eq!((seen, other.work()), (Some(Work::Observation(100)), None));
    }
}
