//! A session: which cells are left, batch after batch of them, and what became of each.

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::time::Duration;

use grokrun_engine::{Choice, EpochRow};
use grokrun_spec::{Cell, Plan};
use grokrun_store::{CellDir, CellSummary, RunDir, State, Summary};

use crate::SessionError;
use crate::analyses::{Analyses, Stored};
use crate::batch::{Batch, batches};
use crate::cells::write_cells;
use crate::course::Course;
use crate::describe;
use crate::folder::{folder, gaps};
use crate::interrupt::Interrupt;
use crate::journal::Journal;
use crate::live::Live;
use crate::outcomes::Outcomes;
use crate::preview::largest_batch;
use crate::shard::Shard;
use crate::status::{Status, saved_device, summarize};
use crate::survey::Survey;
use crate::weights::Layout;

/// What a session tells as it goes.
#[derive(Debug)]
pub enum Event<'a> {
    /// Some cells start, or continue, together.
    Batch {
        /// their ids
        cells: &'a [&'a str],
        /// the epoch they start from
        from: u64,
        /// the epoch they end at
        epochs: u64,
        /// what they train on
        device: &'a str,
    },
    /// Epochs were run. The rows are those of the last one, with the test metrics of the last one
    /// of this batch that was tested.
    Epochs {
        /// steps taken so far
        epoch: u64,
        /// the last epoch's metrics of each cell of the batch
        rows: &'a [EpochRow],
    },
    /// A cell is done.
    Cell {
        /// its id
        id: &'a str,
        /// what became of it, in words
        verdict: &'a str,
    },
    /// Nothing trains; analyses are at work on these cells.
    Analysing {
        /// their ids
        cells: &'a [&'a str],
    },
    /// The session was asked to end, and waits for the rest of a look that cannot be broken off.
    Waiting {
        /// the analysis
        analysis: &'a str,
        /// the cell it looks at
        cell: &'a str,
        /// the epoch it looks at; none while it concludes
        epoch: Option<u64>,
        /// for how long the session waits at most
        most: Duration,
    },
    /// The session does not wait any longer; the look is made again when the run goes on.
    GaveUp {
        /// the analysis
        analysis: &'a str,
    },
    /// The batch is done.
    BatchEnds,
}

/// Who wants to know.
pub trait Watch {
    /// Takes an event; called from the training thread, so it should be quick.
    fn event(&mut self, event: Event<'_>);
}

/// How a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// every cell is done
    Done,
    /// nothing was left to do
    NothingToDo,
    /// asked to stop; everything is saved
    Interrupted,
}

/// What a session leaves.
#[derive(Debug)]
pub struct Report {
    /// how it ended
    pub ending: Ending,
    /// one for each cell of this session that has been started
    pub summary: Summary,
    /// cells whose training failed, and why
    pub failed: Vec<[String; 2]>,
    /// analyses that failed: the cell, the analysis, and why
    pub failed_analyses: Vec<[String; 3]>,
}

/// A plan, the directory it is trained into, and the device it is trained on.
pub struct Session<'a> {
    /// what to train
    pub plan: &'a Plan,
    /// its sizes
    pub survey: &'a Survey,
    /// where it goes
    pub run: &'a RunDir,
    /// what it runs on
    pub choice: &'a Choice,
    /// what is found out beside it
    pub analyses: &'a Analyses<'a>,
    /// the part of the plan's cells that it trains; all of them where there is none
    pub shard: Option<Shard>,
    /// asked from outside to end the session early, with everything saved
    pub interrupt: &'a Interrupt,
    /// whether the first cell that fails ends the session so too
    pub fail_fast: bool,
}

impl Session<'_> {
    /// Trains whatever is not done yet. What fails in one batch is put down, and the others go on,
    /// unless the session is to end with the first.
    ///
    /// # Errors
    /// When the request is wrong for all of them, or nothing could be done but fail.
    pub fn train(&self, watch: &mut dyn Watch) -> Result<Report, SessionError> {
        let mine = self.cells();
        let ids: Vec<&str> = self.plan.cells.iter().map(|c| c.id.as_str()).collect();
        let before = self.read_summary(&mine);
        let mut outcomes = Outcomes::open(self.run, ids, before.clone());
        let pending = self.pending(&mine, &mut outcomes)?;
        if outcomes.summary != before {
            outcomes.write()?;
        }
        if !pending.is_empty() {
            self.run.discard_sweep_findings()?;
        }
        let mut ending = if pending.is_empty() {
            Ending::NothingToDo
        } else {
            Ending::Done
        };
        for batch in batches(
            &self.survey.cells,
            &pending,
            largest_batch(self.survey, self.choice),
        ) {
            let done = self.train_batch(&batch, watch, &mut outcomes);
            watch.event(Event::BatchEnds);
            match done {
                Ok(Ending::Interrupted) => {
                    outcomes.write()?;
                    return self.report(Ending::Interrupted, &mine, outcomes);
                }
                Ok(_) => {}
                Err(error) if error.is_request() => return Err(error),
                Err(error) => {
                    self.interrupt.saved();
                    self.give_up(&batch, &error.to_string(), &mut outcomes);
                    if self.fail_fast {
                        self.interrupt.ask();
                        outcomes.write()?;
                        return self.report(Ending::Interrupted, &mine, outcomes);
                    }
                }
            }
            outcomes.write_now_and_then()?;
        }
        outcomes.write()?;
        let left = self.unanalysed(&mine, &outcomes)?;
        if !left.is_empty() {
            let stored = Stored {
                plan: self.plan,
                survey: self.survey,
                run: self.run,
                analyses: self.analyses,
                interrupt: self.interrupt,
            };
            ending = stored.analyze_cells(&left, watch)?;
        }
        if ending != Ending::Interrupted {
            let again = ending == Ending::Done;
            self.conclude_sweep(again, watch)?;
            if self.interrupt.is_asked() {
                ending = Ending::Interrupted;
            }
        }
        self.report(ending, &mine, outcomes)
    }

    /// Lets the analyses of the sweep conclude, once all cells of the plan have come to an end:
    /// of a run in shards, in the process that trains the last one.
    fn conclude_sweep(&self, again: bool, watch: &mut dyn Watch) -> Result<(), SessionError> {
        if has_ended(self.plan, self.run)? {
            self.analyses
                .conclude_sweep(self.run, again, self.interrupt, watch)
        } else {
            Ok(())
        }
    }

    /// The cells that are this session's, by their number in the plan.
    fn cells(&self) -> Vec<usize> {
        match self.shard {
            Some(shard) => shard.cells(self.survey),
            None => (0..self.plan.cells.len()).collect(),
        }
    }

    /// What the summary says of these cells; nothing where it is damaged, since it is made again.
    fn read_summary(&self, mine: &[usize]) -> Summary {
        let summary = self.run.read_summary().unwrap_or_else(|error| {
            tracing::warn!(%error, "the summary is made again");
            None
        });
        let ids: BTreeSet<&str> = mine
            .iter()
            .map(|i| self.plan.cells[*i].id.as_str())
            .collect();
        let mut summary = summary.unwrap_or_default();
        summary
            .cells
            .retain(|recorded| ids.contains(recorded.cell.as_str()));
        summary
    }

    /// The cells that are trained but lack findings of this spec's analyses.
    fn unanalysed(&self, mine: &[usize], outcomes: &Outcomes) -> Result<Vec<usize>, SessionError> {
        let mut left = Vec::new();
        for &index in mine {
            let id = &self.plan.cells[index].id;
            let recorded = outcomes.summary.cell(id);
            let trained = recorded.is_some_and(|recorded| Status::is_end(&recorded.status));
            let dir = folder(self.run, self.plan, &self.plan.cells[index])?;
            if trained && !outcomes.has_failed(id) && !self.analyses.concluded(&dir)? {
                left.push(index);
            }
        }
        Ok(left)
    }

    /// The cells that are not done, with the epochs they have; cells that are done but missing
    /// in the summary (it is written last) are added to it. What cannot be read is put down as
    /// failed.
    fn pending(
        &self,
        mine: &[usize],
        outcomes: &mut Outcomes,
    ) -> Result<Vec<(usize, u64)>, SessionError> {
        let mut pending = Vec::new();
        // Read for the first cell that the summary lacks.
        let journal = OnceCell::new();
        for &index in mine {
            match self.resumes_from(index, &mut outcomes.summary, &journal) {
                Ok(None) => {}
                Ok(Some(from)) => pending.push((index, from)),
                Err(error) if error.is_request() => return Err(error),
                Err(error) => outcomes.fail(&self.plan.cells[index].id, error),
            }
        }
        Ok(pending)
    }

    /// The epoch from which a cell goes on; none where it is done.
    fn resumes_from(
        &self,
        index: usize,
        summary: &mut Summary,
        journal: &OnceCell<Journal>,
    ) -> Result<Option<u64>, SessionError> {
        let id = &self.plan.cells[index].id;
        let dir = folder(self.run, self.plan, &self.plan.cells[index])?;
        let Some(state) = dir.read_state()? else {
            return Ok(Some(0));
        };
        let saved_as = Status::from_json(&state.extra).map_err(|why| dir.foreign_state(&why))?;
        let status = Status::of_state(self.plan, &state).map_err(|why| dir.foreign_state(&why))?;
        if status == Status::Training {
            // Told finished, by the spec before this one.
            let recorded = summary
                .cell(id)
                .filter(|recorded| recorded.status == saved_as.word());
            if let Some(recorded) = recorded.filter(|_| saved_as.ends()) {
                summary.set(CellSummary {
                    status: status.word().to_owned(),
                    ..recorded.clone()
                });
            }
            return Ok(Some(state.epoch));
        }
        if status != saved_as {
            // Opened, it comes to the end that it has by this plan.
            Live::open(self.plan, index, &self.survey.cells[index], dir.clone())?;
        }
        self.mend(index, &dir, &state)?;
        if let Some(gaps) = gaps(self.plan, &dir, status, state.epoch)? {
            tracing::warn!(cell = id, "{gaps}");
        }
        let is_recorded = |recorded: &CellSummary| {
            recorded.status == status.word() && recorded.epochs == state.metrics.len() as u64
        };
        if !summary.cell(id).is_some_and(is_recorded) {
            let device = saved_device(&state.extra);
            let mut recorded = summarize(id, status, &state.metrics, device);
            let logs = || self.run.logs().unwrap_or_default();
            let journal = journal.get_or_init(|| Journal::read(&logs()));
            journal.fill(state.epoch, &mut recorded);
            summary.set(recorded);
        }
        Ok(None)
    }

    /// Makes sure that the checkpoints of a cell that is done have their lengths, and writes what
    /// describes the cell again if something of it is missing or damaged.
    fn mend(&self, index: usize, dir: &CellDir, saved: &State) -> Result<(), SessionError> {
        let size = &self.survey.cells[index];
        let cell = &self.plan.cells[index];
        let now = Course::replay(cell, saved.metrics.rows()).cell(cell);
        Layout::of(&now, &size.model)?
            .read_state(saved.epoch, &saved.tensors)
            .map_err(|why| dir.foreign_state(&why))?;
        dir.check_lengths()?;
        self.describe_anew(index, dir)?;
        let flaws = dir.undescribed(&saved.metrics)?;
        if !flaws.is_empty() {
            let why = flaws.join("; ");
            tracing::warn!(cell = self.plan.cells[index].id, "made again: {why}");
            Live::open(self.plan, index, size, dir.clone())?.write_metrics()?;
        }
        Ok(())
    }

    /// Writes `config.json` of a cell that is done where it tells of a shorter run, one that this
    /// cell stopped before. Its analyses were told so too: what they found is made again.
    fn describe_anew(&self, index: usize, dir: &CellDir) -> Result<(), SessionError> {
        // One that is missing or damaged is written again in any case.
        let config = dir.read_config().ok().flatten();
        let recorded = config.and_then(|config| config.train.get("epochs")?.as_u64());
        if recorded.is_none_or(|epochs| epochs == self.plan.epochs) {
            return Ok(());
        }
        let (cell, size) = (&self.plan.cells[index], &self.survey.cells[index]);
        dir.discard_findings()?;
        let pairs = [size.train, size.test];
        Ok(dir.write_config(&describe::config(self.plan, cell, &size.model, pairs)?)?)
    }

    /// A cell of a batch that starts from that epoch, with all it needs to train.
    pub(crate) fn open_cell(&self, index: usize, from: u64) -> Result<Live<'_>, SessionError> {
        let id = &self.plan.cells[index].id;
        let live = Live::open(
            self.plan,
            index,
            &self.survey.cells[index],
            folder(self.run, self.plan, &self.plan.cells[index])?,
        )?;
        let moved = live.status != Status::Training || live.epoch != from;
        if moved {
            Err(SessionError::Failed(format!(
                "another process has trained {id} to epoch {} meanwhile; run the same command again: it takes up what is left",
                live.epoch
            )))
        } else {
            Ok(live)
        }
    }

    /// Puts down every cell of a batch that did not come to its end; of one that did, only its
    /// analyses can have failed.
    fn give_up(&self, batch: &Batch, why: &str, outcomes: &mut Outcomes) {
        let cells = batch.cells.iter().map(|i| self.plan.cells[*i].id.as_str());
        for id in cells {
            let recorded = outcomes.summary.cell(id);
            if recorded.is_none_or(|recorded| !Status::is_end(&recorded.status)) {
                outcomes.fail(id, SessionError::Failed(why.to_owned()));
            } else if !outcomes.has_failed(id) {
                outcomes.note(id, why.to_owned());
            }
        }
    }

    fn report(
        &self,
        ending: Ending,
        mine: &[usize],
        outcomes: Outcomes,
    ) -> Result<Report, SessionError> {
        write_cells(self.run)?;
        let (summary, failed) = outcomes.close(self.plan);
        let cells = mine.iter().map(|i| &self.plan.cells[*i]);
        Ok(Report {
            ending,
            failed,
            failed_analyses: self.analyses.failed_in(self.plan, cells, self.run)?,
            summary,
        })
    }
}
/// Whether all cells of the plan have come to an end, by the summary.
///
/// # Errors
/// The summary cannot be read.
pub(crate) fn has_ended(plan: &Plan, run: &RunDir) -> Result<bool, SessionError> {
    let summary = run.read_summary()?.unwrap_or_default();
    let ended = |cell: &Cell| {
        let recorded = summary.cell(&cell.id);
        recorded.is_some_and(|recorded| Status::is_end(&recorded.status))
    };
    Ok(plan.cells.iter().all(ended))
}
