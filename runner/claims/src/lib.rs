//! Evaluates the claims of a spec on what its run has left.
//!
//! Owns what a quantity of a claim is as a number, how the numbers of several cells become one,
//! when a claim holds, and the words and the JSON for it. Reads a run through the store; knows
//! nothing of terminals, pages, devices and training.
//!
//! No claim is taken for granted: what cannot be measured is [`Verdict::NotEvaluated`], with the
//! reason and what to do (doc/claims.md).

#![forbid(unsafe_code)]

mod judge;
mod known;
mod measure;
mod run;
mod words;

use grokrun_spec::Claim;
use grokrun_store::StoreError;

pub use known::Known;
pub use run::{of_run, verify};
pub use words::counted;

/// A claim, and what became of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Verified {
    /// The claim.
    pub claim: Claim,
    /// How many cells it speaks of, without those that it compares them with.
    pub cells: usize,
    /// What was measured, as far as it is known.
    pub measured: Option<Measured>,
    /// Whether the claim holds.
    pub verdict: Verdict,
}

/// What was measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Measured {
    /// One number: of one cell, or of several together.
    One(Known),
    /// A number of each of several cells: the smallest and the largest.
    Each(Known, Known),
}

/// Whether a claim holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It holds.
    Holds,
    /// What was measured is another value.
    DoesNotHold,
    /// It cannot be told: why, and what to do.
    NotEvaluated(String),
}

/// Says why the claims of a run cannot be looked at.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClaimsError {
    /// a file of the run cannot be used
    #[error(transparent)]
    Store(#[from] StoreError),
    /// the resolved spec of the run cannot be read as a spec
    #[error("{0}")]
    Spec(String),
}
