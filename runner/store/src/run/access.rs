//! What becomes of the run that a folder holds when it is opened with a spec: it goes on, it is
//! made longer, it starts over, or it is refused. Changes nothing itself.

use std::path::Path;

use super::RESOLVED;
use super::lock::Hold;
use super::manifest::Manifest;
use crate::{ErrorKind, RunDir, RunView, StoreError};

/// What to do if the directory holds a run already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Continue it; refuse if it is another spec's.
    Continue,
    /// `--force`: continue it; start over if it is another spec's.
    Force,
    /// `--fresh`: start over; refuse if it is another spec's.
    Fresh,
    /// `--shard`: continue it beside other processes that do the same, each on cells of its own,
    /// which it claims ([`RunDir::claim`]); refuse if it is another spec's.
    Share,
    /// Continue it; refuse if it is another spec's. For a command that can in no case start over.
    Keep,
}

impl Access {
    pub(super) fn hold(self) -> Hold {
        match self {
            Access::Share => Hold::Shared,
            Access::Continue | Access::Force | Access::Fresh | Access::Keep => Hold::Alone,
        }
    }
}

/// The spec that a run is opened with.
#[derive(Clone, Copy, Debug)]
pub struct SpecText<'a> {
    /// as it was given
    pub given: &'a str,
    /// with every default written out
    pub resolved: &'a str,
    /// of its meaning
    pub fingerprint: &'a str,
}

/// Who knows whether the run of another spec can go on as one of the spec that it is opened with.
/// Where it can, the new spec makes it longer, and nothing of it is lost.
pub trait Judge {
    /// Says why it cannot.
    ///
    /// # Errors
    /// It cannot, in one or more lines.
    fn judge(&self, run: &RunView) -> Result<(), String>;

    /// Writes down what only the spec that lies in the folder tells of the run so far, before the
    /// new one takes its place. Called with the run held alone; what it writes has to be good for
    /// the shorter run too, since the process may be killed then.
    ///
    /// # Errors
    /// The run cannot be read or written.
    fn prepare(&self, run: &RunDir) -> Result<(), StoreError>;
}

/// Whoever says that runs of other specs are others.
pub(super) struct Stranger;

impl Judge for Stranger {
    fn judge(&self, _: &RunView) -> Result<(), String> {
        Err(format!("see {RESOLVED} there"))
    }

    fn prepare(&self, _: &RunDir) -> Result<(), StoreError> {
        Ok(())
    }
}

/// What is done with what the folder holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Create,
    Continue,
    Lengthen,
    StartOver,
}

/// What is to be done with what the folder holds; nothing is changed yet.
pub(super) fn step(
    path: &Path,
    spec: SpecText<'_>,
    access: Access,
    judge: &dyn Judge,
) -> Result<Step, StoreError> {
    let Some(found) = Manifest::read(path)? else {
        return Ok(Step::Create);
    };
    if found.fingerprint() == spec.fingerprint {
        return match found.clearing {
            true if access == Access::Share => Err(half_cleared(path)),
            clearing if clearing || access == Access::Fresh => Ok(Step::StartOver),
            _ => Ok(Step::Continue),
        };
    }
    if found.clearing {
        // What is left of the older run says nothing any more.
        let why = "that run was being started over when its process ended".to_owned();
        return match access {
            Access::Force => Ok(Step::StartOver),
            _ => Err(other_spec(path, access, &why)),
        };
    }
    match (judge.judge(&RunView::open(path)?), access) {
        (Ok(()), Access::Fresh) | (Err(_), Access::Force) => Ok(Step::StartOver),
        (Ok(()), _) => Ok(Step::Lengthen),
        (Err(why), _) => Err(other_spec(path, access, &why)),
    }
}

fn half_cleared(run: &Path) -> StoreError {
    let message = format!(
        "{} was being started over when that process ended; run the spec once without --shard, \
         or with --fresh, before shards share it",
        run.display()
    );
    StoreError::new(ErrorKind::Busy, run, message)
}

/// `why` are one or more lines.
pub(super) fn other_spec(run: &Path, access: Access, why: &str) -> StoreError {
    let hint = match access {
        Access::Fresh => "\n--force deletes that run (--fresh starts over only the same spec)",
        Access::Continue | Access::Force => "\n--force deletes that run",
        Access::Share => "\n`grokrun SPEC --force`, without --shard, deletes that run",
        Access::Keep => "",
    };
    let what = match access {
        Access::Keep => "cannot go on as asked",
        _ => "holds the run of another spec",
    };
    let message = format!("{} {what}: {why}{hint}", run.display());
    StoreError::new(ErrorKind::OtherSpec, run, message)
}
