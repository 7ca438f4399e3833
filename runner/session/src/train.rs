//! The loop: batches of cells, windows of epochs, checkpoints and saved states between them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use grokrun_engine::{Choice, EpochRow, Executor, Program};
use grokrun_spec::Plan;
use grokrun_store::{CellDir, CellSummary, RunDir, State, Summary};

use crate::SessionError;
use crate::analyses::{Analyses, Follower, Stored};
use crate::batch::{Batch, batches};
use crate::live::Live;
use crate::preview::largest_batch;
use crate::status::{Status, summarize};
use crate::survey::Survey;
use crate::weights;

/// The least time between two saved states: what a killed process loses at most.
const SAVE_EVERY: Duration = Duration::from_secs(10);

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
    /// one for each cell that has been started
    pub summary: Summary,
    /// cells whose training failed
    pub failed: Vec<String>,
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
    /// set from outside to end the session early, with everything saved
    pub interrupted: &'a AtomicBool,
}

/// A device without its number of threads, on which no result depends.
fn kind(device: &str) -> &str {
    device.split(',').next().unwrap_or(device)
}

impl Session<'_> {
    /// Trains whatever is not done yet.
    ///
    /// # Errors
    /// When the device fails, or the run directory cannot be read or written.
    pub fn train(&self, watch: &mut dyn Watch) -> Result<Report, SessionError> {
        let before = self.read_summary();
        let mut summary = before.clone().unwrap_or_default();
        let pending = self.pending(&mut summary)?;
        if before.as_ref() != Some(&summary) {
            self.run.write_summary(&summary)?;
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
            let done = self.train_batch(&batch, watch, &mut summary);
            watch.event(Event::BatchEnds);
            self.run.write_summary(&summary)?;
            if done? == Ending::Interrupted {
                return self.report(Ending::Interrupted, summary);
            }
        }
        let left = self.unanalysed(&summary)?;
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
        self.report(ending, summary)
    }

    /// The summary, which is made again from the cells if it is damaged.
    fn read_summary(&self) -> Option<Summary> {
        self.run.read_summary().unwrap_or_else(|error| {
            tracing::warn!(%error, "the summary is made again");
            None
        })
    }

    /// The cells that are trained but lack findings of this spec's analyses.
    fn unanalysed(&self, summary: &Summary) -> Result<Vec<usize>, SessionError> {
        let mut left = Vec::new();
        for (index, cell) in self.plan.cells.iter().enumerate() {
            let told = summary.cell(&cell.id);
            let trained = told.is_some_and(|told| told.status != Status::Training.word());
            if trained && !self.analyses.concluded(&self.run.cell(&cell.id)?)? {
                left.push(index);
            }
        }
        Ok(left)
    }

    /// The cells that are not done, with the epochs they have; cells that are done but missing
    /// in the summary (it is written last) are added to it.
    fn pending(&self, summary: &mut Summary) -> Result<Vec<(usize, u64)>, SessionError> {
        let mut pending = Vec::new();
        for (index, cell) in self.plan.cells.iter().enumerate() {
            let dir = self.run.cell(&cell.id)?;
            match dir.read_state()? {
                None => pending.push((index, 0)),
                Some(state) => {
                    let status =
                        Status::from_json(&state.extra).map_err(|why| dir.foreign_state(&why))?;
                    if status == Status::Training {
                        pending.push((index, state.epoch));
                        continue;
                    }
                    self.mend(index, &dir, &state)?;
                    if summary
                        .cell(&cell.id)
                        .is_none_or(|told| told.status != status.word())
                    {
                        summary.set(summarize(&cell.id, status, &state.metrics, None, None));
                    }
                }
            }
        }
        Ok(pending)
    }

    /// Makes sure that the checkpoints of a cell that is done have their length, and writes what
    /// describes the cell if it is missing.
    fn mend(&self, index: usize, dir: &CellDir, saved: &State) -> Result<(), SessionError> {
        let size = &self.survey.cells[index];
        let state = weights::read_state(&size.shape, saved.epoch, &saved.tensors)
            .map_err(|why| dir.foreign_state(&why))?;
        dir.check_lengths(&weights::checkpoint(&size.shape, &state.parameters))?;
        if !dir.is_described() {
            Live::open(self.plan, index, size, dir.clone())?.write_metrics()?;
        }
        Ok(())
    }

    fn report(&self, ending: Ending, summary: Summary) -> Result<Report, SessionError> {
        let failed = |cell: &CellSummary| cell.status == Status::Failed.word();
        let failed = summary
            .cells
            .iter()
            .filter(|c| failed(c))
            .map(|c| c.cell.clone())
            .collect();
        Ok(Report {
            ending,
            summary,
            failed,
            failed_analyses: self.analyses.failed_in(self.plan, self.run)?,
        })
    }

    fn train_batch(
        &self,
        batch: &Batch,
        watch: &mut dyn Watch,
        summary: &mut Summary,
    ) -> Result<Ending, SessionError> {
        let mut lives = batch
            .cells
            .iter()
            .map(|&i| {
                let dir = self.run.cell(&self.plan.cells[i].id)?;
                Live::open(self.plan, i, &self.survey.cells[i], dir)
            })
            .collect::<Result<Vec<_>, SessionError>>()?;
        let follower = self.follow(&mut lives)?;
        let started = Instant::now();
        let mut announced = false;
        // A cell that ends leaves the batch; the others go on without it, with the same results.
        while !lives.is_empty() {
            let mut executor = self.open(&lives)?;
            if !std::mem::replace(&mut announced, true) {
                let ids: Vec<&str> = lives.iter().map(|live| live.cell.id.as_str()).collect();
                let device = executor.device();
                tracing::info!(cells = ids.len(), from = batch.from, device, "batch starts");
                for id in &ids {
                    let told = summary.cell(id).filter(|_| batch.from > 0);
                    if let Some(other) = told.and_then(|t| t.device.as_ref())
                        && kind(other) != kind(&device)
                    {
                        tracing::warn!(
                            cell = id,
                            "continues on {device} what began on {other}: the result is close to, not byte for byte, that of one device"
                        );
                    }
                }
                let epochs = self.plan.train.epochs;
                watch.event(Event::Batch {
                    cells: &ids,
                    from: batch.from,
                    epochs,
                    device: &device,
                });
            }
            let ending =
                self.train_until_one_ends(&mut *executor, &mut lives, follower.as_ref(), watch)?;
            let seconds = started.elapsed().as_secs_f64();
            for live in &lives {
                live.save()?;
                live.write_metrics()?;
                let device = Some(executor.device());
                let mut told = summarize(
                    &live.cell.id,
                    live.status,
                    &live.metrics,
                    Some(seconds),
                    device,
                );
                let trained = told.epochs.saturating_sub(batch.from);
                told.epochs_per_second = Some(trained as f64 / seconds.max(1e-9));
                if live.status != Status::Training {
                    tracing::info!(
                        cell = live.cell.id,
                        epoch = live.state.epoch,
                        verdict = told.verdict,
                        "cell ends"
                    );
                    watch.event(Event::Cell {
                        id: &live.cell.id,
                        verdict: &told.verdict,
                    });
                    if let Some(follower) = &follower {
                        follower.done(live.place);
                    }
                }
                summary.set(told);
            }
            if ending == Ending::Interrupted {
                tracing::info!("interrupted, state saved");
                // What the analyses saw so far is shown to them again when the run goes on.
                return follower.map_or(Ok(ending), |f| f.join(|| true).map(|()| ending));
            }
            lives.retain(|live| live.status == Status::Training);
        }
        let Some(follower) = follower else {
            return Ok(Ending::Done);
        };
        let cells: Vec<&str> = batch
            .cells
            .iter()
            .map(|i| self.plan.cells[*i].id.as_str())
            .collect();
        watch.event(Event::Analysing { cells: &cells });
        follower.join(|| self.interrupted.load(Ordering::Relaxed))?;
        Ok(match self.interrupted.load(Ordering::Relaxed) {
            true => Ending::Interrupted,
            false => Ending::Done,
        })
    }

    /// Starts the analyses of a batch, on the checkpoints that are there already.
    fn follow(&self, lives: &mut [Live<'_>]) -> Result<Option<Follower>, SessionError> {
        let Some(first) = lives.first().filter(|_| !self.analyses.is_empty()) else {
            return Ok(None);
        };
        let shape = self.survey.cells[first.index].shape;
        let permits = self.analyses.check_memory(&shape)?;
        let cells = lives
            .iter_mut()
            .map(|live| live.follow(self.analyses))
            .collect::<Result<_, _>>()?;
        let follower = Follower::start(cells, shape, permits)?;
        for (place, live) in lives.iter_mut().enumerate() {
            live.place = place;
            for epoch in live.checkpoints()? {
                follower.checkpoint(place, epoch, false);
            }
        }
        Ok(Some(follower))
    }

    fn open(&self, lives: &[Live<'_>]) -> Result<Box<dyn Executor>, SessionError> {
        let shape = self.survey.cells[lives[0].index].shape;
        let inputs = lives.iter().map(Live::input).collect();
        Ok(grokrun_engine::open(
            self.choice,
            Program::folded(shape),
            inputs,
        )?)
    }

    /// Runs windows of epochs until a cell ends or the session is interrupted.
    fn train_until_one_ends(
        &self,
        executor: &mut dyn Executor,
        lives: &mut [Live<'_>],
        follower: Option<&Follower>,
        watch: &mut dyn Watch,
    ) -> Result<Ending, SessionError> {
        let mut epoch = lives[0].state.epoch;
        let mut saved = Instant::now();
        loop {
            let window = self.window(epoch, executor.epochs_per_call(), lives);
            let rows = executor.run(window)?;
            epoch += window;
            for row in &rows {
                for (live, row) in lives.iter_mut().zip(row) {
                    live.record(row);
                }
            }
            if let Some(last) = rows.last() {
                watch.event(Event::Epochs { epoch, rows: last });
            }

            let ended = lives.iter().any(|live| live.status != Status::Training);
            let interrupted = self.interrupted.load(Ordering::Relaxed);
            let checkpoint = self.is_checkpoint(epoch);
            let save = saved.elapsed() >= SAVE_EVERY;
            if checkpoint || save || ended || interrupted {
                for (replica, live) in lives.iter_mut().enumerate() {
                    live.state = executor.state(replica)?;
                    let last = matches!(live.status, Status::Finished | Status::StoppedEarly);
                    if live.status != Status::Failed && (checkpoint || last) {
                        live.write_checkpoint()?;
                        if let Some(follower) = follower {
                            follower.rows(live.place, live.untold_rows());
                            follower.checkpoint(live.place, epoch, last);
                        }
                    }
                    if save && !ended && !interrupted {
                        live.save()?;
                    }
                }
                if save {
                    saved = Instant::now();
                }
                self.log_metrics(lives);
            }
            if ended || interrupted {
                return Ok(if interrupted && !ended {
                    Ending::Interrupted
                } else {
                    Ending::Done
                });
            }
        }
    }

    /// How many epochs to run in one call: never past a checkpoint, the end, or the epoch at
    /// which a cell may have to stop.
    fn window(&self, epoch: u64, per_call: u64, lives: &[Live<'_>]) -> u64 {
        let to_checkpoint = self
            .cadences()
            .map(|every| every - epoch % every)
            .min()
            .unwrap_or(u64::MAX);
        let to_end = lives
            .iter()
            .map(|live| live.epochs_left(epoch))
            .min()
            .unwrap_or(1);
        per_call.min(to_checkpoint).min(to_end).max(1)
    }

    /// Checkpoints are taken where the spec wants them, and where an analysis looks: what was
    /// analysed beside training can be analysed again.
    fn is_checkpoint(&self, epoch: u64) -> bool {
        self.cadences().any(|every| epoch.is_multiple_of(every))
    }

    /// In epochs, none of them 0.
    fn cadences(&self) -> impl Iterator<Item = u64> {
        let own = std::iter::once(self.plan.checkpoints.every);
        own.chain(self.analyses.cadences()).filter(|e| *e != 0)
    }

    fn log_metrics(&self, lives: &[Live<'_>]) {
        for live in lives {
            if let Some(row) = live.metrics.last() {
                tracing::debug!(
                    cell = live.cell.id,
                    epoch = row.epoch,
                    train_loss = row.train_loss,
                    test_loss = row.test_loss,
                    train_accuracy = row.train_accuracy,
                    test_accuracy = row.test_accuracy,
                    "metrics"
                );
            }
        }
    }
}
