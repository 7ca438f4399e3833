//! Analyses of a run's cells, beside training and afterwards.
//!
//! Both ways are one: a [`Follower`] goes through the checkpoints on disk, in order, from the
//! first. While a cell trains it is told of each new checkpoint; afterwards it is told of all at
//! once. So the findings are the same, training never waits, and nothing but epoch numbers is
//! queued.

mod files;
mod follower;
mod loss;
mod recorded;
pub(crate) mod seen;
pub(crate) mod snapshot;
mod stored;
mod sweep;
pub(crate) mod task;

use std::sync::Arc;

use grokrun_engine::available_memory;
use grokrun_host::{Found, Member, Permits, Registry, Scratch};
use grokrun_spec::{AnalysisRequest, Cell, Plan};
use grokrun_store::{CellDir, ErrorKind, RunDir};
use grokrun_task::Split;

pub(crate) use follower::{Followed, Follower};
use loss::CellLoss;
pub(crate) use recorded::RecordedPass;
pub(crate) use seen::Seen;
pub use stored::Stored;
pub use task::{PairTable, pair_table};

use crate::SessionError;
use crate::folder::folder;
use crate::history::History;

/// Snapshots that may be in memory at a time, over all cells: while the slowest analysis looks at
/// one, the next is made and waits for it.
pub(crate) const MOST_SNAPSHOTS: u64 = 2;

/// The most bytes that the snapshots of cells of this model take together.
pub(crate) fn snapshot_bytes(seen: &Seen) -> u64 {
    MOST_SNAPSHOTS.saturating_mul(seen.snapshot_bytes())
}

/// The analyses that a run asks for.
pub struct Analyses<'a> {
    /// those of a cell
    asked: Vec<(&'a Found, &'a AnalysisRequest)>,
    /// those of the whole sweep
    of_sweep: Vec<(&'a Found, &'a AnalysisRequest)>,
}

impl<'a> Analyses<'a> {
    /// Those of `requests` that `registry` has; a plan that was checked against its catalog asks
    /// for no others.
    pub fn new(registry: &'a Registry, requests: &'a [AnalysisRequest]) -> Analyses<'a> {
        let all = requests
            .iter()
            .filter_map(|request| Some((registry.find(&request.name)?, request)));
        let (of_sweep, asked) = all.partition(|(found, _)| found.sweep().is_some());
        Analyses { asked, of_sweep }
    }

    /// None at all.
    pub fn none() -> Analyses<'static> {
        Analyses {
            asked: Vec::new(),
            of_sweep: Vec::new(),
        }
    }

    /// Whether there are none of a cell.
    pub fn is_empty(&self) -> bool {
        self.asked.is_empty()
    }

    /// Each of a cell, with how it was asked for.
    pub(crate) fn asked(&self) -> impl Iterator<Item = (&'a Found, &'a AnalysisRequest)> {
        self.asked.iter().copied()
    }

    /// The cadences, in epochs; 0 for the first and last checkpoint only.
    pub(crate) fn cadences(&self) -> impl Iterator<Item = u64> {
        self.asked.iter().map(|(_, request)| request.every)
    }

    /// Refuses a model whose activations over the full grid do not fit into memory.
    ///
    /// # Errors
    /// When one snapshot needs more than half of what is free.
    pub(crate) fn check_memory(&self, seen: &Seen) -> Result<Permits, SessionError> {
        let one = seen.snapshot_bytes();
        let free = available_memory().unwrap_or(u64::MAX) / 2;
        if !self.is_empty() && one > free {
            return Err(SessionError::Request(format!(
                "a snapshot for the analyses of modulus {} may need {} MB, more than half of the memory that is free; expected a smaller modulus or model, or no [analysis] tables",
                seen.modulus(),
                one / 1_000_000
            )));
        }
        Ok(Permits::new(
            (free / one.max(1)).clamp(1, MOST_SNAPSHOTS) as usize
        ))
    }

    /// Writes for each of them that it has not looked at a cell, whose samples are no pairs.
    ///
    /// # Errors
    /// When the findings cannot be written.
    pub(crate) fn decline(&self, dir: &CellDir) -> Result<(), SessionError> {
        for (found, request) in &self.asked {
            let files = files::declined(files::identity(found, request), seen::NOT_PAIRS);
            dir.write_findings(found.name(), files)?;
        }
        Ok(())
    }

    /// Whether all of them have concluded on this cell, with these versions and parameters.
    /// Findings that are damaged or another cell's do not count: they are made again.
    ///
    /// # Errors
    /// When the findings cannot be read.
    pub(crate) fn concluded(&self, dir: &CellDir) -> Result<bool, SessionError> {
        for (found, request) in &self.asked {
            let index = match dir.read_findings(found.name()) {
                Ok(Some(index)) => index,
                Ok(None) => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Altered => {
                    tracing::warn!(%error, "the findings are made again");
                    return Ok(false);
                }
                Err(error) => return Err(error.into()),
            };
            if !files::is_of(&index, found, request) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// What of a run's findings says that an analysis failed: cell, analysis, and why.
    ///
    /// # Errors
    /// When the findings cannot be read.
    pub fn failed_in<'c>(
        &self,
        plan: &Plan,
        cells: impl IntoIterator<Item = &'c Cell>,
        run: &RunDir,
    ) -> Result<Vec<[String; 3]>, SessionError> {
        let mut failed = Vec::new();
        for cell in cells.into_iter().filter(|_| !self.is_empty()) {
            let dir = folder(run, plan, cell)?;
            for (found, _) in &self.asked {
                let why = match dir.read_findings(found.name()) {
                    Ok(index) => index.and_then(|index| index.failure),
                    // Of a cell that could not go on, else they had been made again; that cell is
                    // told of, and this must not hide it.
                    Err(error) if error.kind() == ErrorKind::Altered => {
                        Some(format!("with its findings: {error}"))
                    }
                    Err(error) => return Err(error.into()),
                };
                if let Some(why) = why {
                    failed.push([cell.id.clone(), found.name().to_owned(), why]);
                }
            }
        }
        failed.extend(self.failed_in_sweep(run)?);
        Ok(failed)
    }

    /// Starts those on a cell that look at its model; what they say waits in `scratch`. The others
    /// write at once that they do not.
    pub(crate) fn follow(
        &self,
        plan: &Plan,
        cell: &Cell,
        seen: &Seen,
        subject: Subject,
        scratch: &Scratch,
    ) -> Result<Followed, SessionError> {
        let task = task::of(plan, cell, seen, &subject)?;
        let (mut looking, tensors) = (Vec::new(), seen.tensors());
        for (found, request) in self.asked() {
            match seen.declines(found, &tensors, &cell.settings.train) {
                None => looking.push((found, request)),
                Some(why) => {
                    let files = files::declined(files::identity(found, request), &why);
                    subject.dir.write_findings(found.name(), files)?;
                }
            }
        }
        let parameters = looking
            .iter()
            .map(|(found, request)| files::identity(found, request))
            .collect();
        let loss = if looking.iter().any(|(found, _)| found.needs().evaluate()) {
            Some(Arc::new(CellLoss::new(cell, subject.split())?))
        } else {
            None
        };
        let members = looking
            .iter()
            .map(|(found, request)| {
                let also = plan.checkpoints.spacing.also();
                let member = Member::start(
                    found,
                    &request.parameters,
                    request.every,
                    also,
                    &task,
                    scratch,
                );
                match &loss {
                    Some(loss) => member.with_train_loss(loss.clone()),
                    None => member,
                }
            })
            .collect();
        Followed::new(subject, members, parameters, loss)
    }
}

/// A cell as its analyses see it.
pub(crate) struct Subject {
    pub(crate) id: String,
    pub(crate) dir: CellDir,
    pub(crate) train: Vec<u32>,
    pub(crate) test: Vec<u32>,
    /// of the epochs so far, and of those that were trained since
    pub(crate) history: History,
}

impl Subject {
    /// Its samples, as they were drawn.
    fn split(&self) -> Split {
        Split {
            train: self.train.clone(),
            test: self.test.clone(),
        }
    }
}
