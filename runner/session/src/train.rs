//! A session: which cells are left, batch after batch of them, and what became of each.

use std::collections::BTreeSet;
use std::sync::atomic::AtomicBool;

use grokrun_engine::{Choice, EpochRow};
use grokrun_spec::Plan;
use grokrun_store::{CellDir, RunDir, State, Summary};

use crate::SessionError;
use crate::analyses::{Analyses, Stored};
use crate::batch::{Batch, batches};
use crate::books::Books;
use crate::live::Live;
use crate::preview::largest_batch;
use crate::shard::Shard;
use crate::status::{Status, summarize};
use crate::survey::Survey;
use crate::weights;

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
    /// Epochs were run.
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
    /// set from outside to end the session early, with everything saved
    pub interrupted: &'a AtomicBool,
}

impl Session<'_> {
    /// Trains whatever is not done yet. What fails in one batch is put down, and the others go on.
    ///
    /// # Errors
    /// When the request is wrong for all of them, or nothing could be done but fail.
    pub fn train(&self, watch: &mut dyn Watch) -> Result<Report, SessionError> {
        let mine = self.cells();
        let ids: Vec<&str> = self.plan.cells.iter().map(|c| c.id.as_str()).collect();
        let before = self.read_summary(&mine);
        let mut books = Books::open(self.run, ids, before.clone());
        let pending = self.pending(&mine, &mut books)?;
        if books.summary != before {
            books.write()?;
        }
        let mut ending = match pending.is_empty() {
            true => Ending::NothingToDo,
            false => Ending::Done,
        };
        for batch in batches(
            &self.survey.cells,
            &pending,
            largest_batch(self.survey, self.choice),
        ) {
            let done = self.train_batch(&batch, watch, &mut books);
            watch.event(Event::BatchEnds);
            match done {
                Ok(Ending::Interrupted) => {
                    books.write()?;
                    return self.report(Ending::Interrupted, &mine, books);
                }
                Ok(_) => {}
                Err(error) if error.is_request() => return Err(error),
                Err(error) => self.give_up(&batch, &error.to_string(), &mut books),
            }
            books.write_now_and_then()?;
        }
        books.write()?;
        let left = self.unanalysed(&mine, &books)?;
        if !left.is_empty() {
            let stored = Stored {
                plan: self.plan,
                survey: self.survey,
                run: self.run,
                analyses: self.analyses,
                interrupted: self.interrupted,
            };
            ending = stored.analyze(&left, watch)?;
        }
        self.report(ending, &mine, books)
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
            .retain(|told| ids.contains(told.cell.as_str()));
        summary
    }

    /// The cells that are trained but lack findings of this spec's analyses.
    fn unanalysed(&self, mine: &[usize], books: &Books) -> Result<Vec<usize>, SessionError> {
        let mut left = Vec::new();
        for &index in mine {
            let id = &self.plan.cells[index].id;
            let told = books.summary.cell(id);
            let trained = told.is_some_and(|told| Status::is_end(&told.status));
            if trained && !books.has_failed(id) && !self.analyses.concluded(&self.run.cell(id)?)? {
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
        books: &mut Books,
    ) -> Result<Vec<(usize, u64)>, SessionError> {
        let mut pending = Vec::new();
        for &index in mine {
            match self.look(index, &mut books.summary) {
                Ok(None) => {}
                Ok(Some(from)) => pending.push((index, from)),
                Err(error) if error.is_request() => return Err(error),
                Err(error) => books.fail(&self.plan.cells[index].id, error),
            }
        }
        Ok(pending)
    }

    /// The epoch from which a cell goes on; none where it is done.
    fn look(&self, index: usize, summary: &mut Summary) -> Result<Option<u64>, SessionError> {
        let id = &self.plan.cells[index].id;
        let dir = self.run.cell(id)?;
        let Some(state) = dir.read_state()? else {
            return Ok(Some(0));
        };
        let status = Status::from_json(&state.extra).map_err(|why| dir.foreign_state(&why))?;
        if status == Status::Training {
            return Ok(Some(state.epoch));
        }
        self.mend(index, &dir, &state)?;
        if summary
            .cell(id)
            .is_none_or(|told| told.status != status.word())
        {
            summary.set(summarize(id, status, &state.metrics, None, None));
        }
        Ok(None)
    }

    /// Makes sure that the checkpoints of a cell that is done have their lengths, and writes what
    /// describes the cell if it is missing.
    fn mend(&self, index: usize, dir: &CellDir, saved: &State) -> Result<(), SessionError> {
        let size = &self.survey.cells[index];
        weights::read_state(&size.shape, saved.epoch, &saved.tensors)
            .map_err(|why| dir.foreign_state(&why))?;
        dir.check_lengths()?;
        if !dir.is_described() {
            Live::open(self.plan, index, size, dir.clone())?.write_metrics()?;
        }
        Ok(())
    }

    /// A cell of a batch that starts from that epoch, with all it needs to train.
    pub(crate) fn bring_to_life(&self, index: usize, from: u64) -> Result<Live<'_>, SessionError> {
        let id = &self.plan.cells[index].id;
        let live = Live::open(
            self.plan,
            index,
            &self.survey.cells[index],
            self.run.cell(id)?,
        )?;
        let moved = live.status != Status::Training || live.state.epoch != from;
        match moved {
            false => Ok(live),
            true => Err(SessionError::Failed(format!(
                "another process has trained {id} to epoch {} meanwhile; run the same command again: it takes up what is left",
                live.state.epoch
            ))),
        }
    }

    /// Puts down every cell of a batch that did not come to its end; of one that did, only its
    /// analyses can have failed.
    fn give_up(&self, batch: &Batch, why: &str, books: &mut Books) {
        let cells = batch.cells.iter().map(|i| self.plan.cells[*i].id.as_str());
        for id in cells {
            let told = books.summary.cell(id);
            if told.is_none_or(|told| !Status::is_end(&told.status)) {
                books.fail(id, SessionError::Failed(why.to_owned()));
            } else if !books.has_failed(id) {
                books.note(id, why.to_owned());
            }
        }
    }

    fn report(&self, ending: Ending, mine: &[usize], books: Books) -> Result<Report, SessionError> {
        let (summary, failed) = books.close();
        let cells = mine.iter().map(|i| &self.plan.cells[*i]);
        Ok(Report {
            ending,
            failed,
            failed_analyses: self.analyses.failed_in(cells, self.run)?,
            summary,
        })
    }
}
