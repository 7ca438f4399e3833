//! A request from outside to end a session early.
//!
//! Owns two facts: whether somebody has asked, and whether epochs are being trained that no saved
//! state has, so that whoever ends the process at once can say truly what that costs. Knows nothing
//! of signals or terminals.

use std::sync::atomic::{AtomicBool, Ordering};

/// The request, shared between the session and whoever may make it.
#[derive(Debug, Default)]
pub struct Interrupt {
    asked: AtomicBool,
    unsaved: AtomicBool,
}

impl Interrupt {
    /// Asks the session to save and end.
    pub fn ask(&self) {
        self.asked.store(true, Ordering::Relaxed);
    }

    /// Whether somebody has asked.
    pub fn is_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    /// Whether epochs are trained, or were, that no saved state has.
    pub fn has_unsaved(&self) -> bool {
        self.unsaved.load(Ordering::Acquire)
    }

    /// Notes that epochs are going to be trained.
    pub(crate) fn trains(&self) {
        self.unsaved.store(true, Ordering::Release);
    }

    /// Notes that every epoch trained so far is in a saved state, or was given up.
    pub(crate) fn saved(&self) {
        self.unsaved.store(false, Ordering::Release);
    }
}
