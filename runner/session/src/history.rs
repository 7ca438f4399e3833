//! A cell's history while it trains: training adds to it, and the thread of its analyses reads it.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use grokrun_store::{Metrics, Row};

/// One history, however many hold it. Whoever reads of epoch e takes the rows before e: more may
/// have come since.
#[derive(Clone, Debug)]
pub(crate) struct History(Arc<RwLock<Metrics>>);

impl History {
    pub(crate) fn new(metrics: Metrics) -> History {
        History(Arc::new(RwLock::new(metrics)))
    }

    /// What there is so far. Training waits meanwhile: not to be held for longer than a copy takes.
    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Metrics> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds the next epoch.
    ///
    /// # Panics
    /// As [`Metrics::push`].
    pub(crate) fn push(&self, row: Row) {
        self.0
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .push(row);
    }
}
