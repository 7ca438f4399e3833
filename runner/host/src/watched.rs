//! Where an analysis is at the moment, told to whoever waits for it.
//!
//! A look cannot be broken off: it is code of somebody else. Whoever has to end meanwhile can at
//! least say what for it waits, and for how long it has.

use std::sync::{Arc, Mutex, PoisonError};

/// What an analysis is at work on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// it looks at the snapshot of this epoch
    Look(u64),
    /// it concludes
    Conclusion,
}

/// A view on one analysis of one cell, good while that runs and after.
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

    /// The analysis.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it is at work on; none while it waits.
    pub fn work(&self) -> Option<Work> {
        *self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells of `work` as long as `call` takes.
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
        let seen = watched.during(Work::Look(100), || other.work());
        assert_eq!((seen, other.work()), (Some(Work::Look(100)), None));
    }
}
