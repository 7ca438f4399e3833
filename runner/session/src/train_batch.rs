//! Cells that train together: windows of epochs, and the checkpoints and saved states between them.

use std::time::{Duration, Instant};

use grokrun_engine::{EpochRow, Evaluation, Executor, Program};
use grokrun_host::Scratch;
use grokrun_spec::Spacing;

use crate::SessionError;
use crate::analyses::Follower;
use crate::batch::Batch;
use crate::journal;
use crate::live::Live;
use crate::model::Model;
use crate::outcomes::Outcomes;
use crate::status::{Status, kind, summarize};
use crate::train::{Ending, Event, Session, Watch};

/// The least time between two saved states: what a killed process loses at most.
const SAVE_EVERY: Duration = Duration::from_secs(10);
/// The least time between two updates of the latest epochs for whoever watches.
const SHOW_EVERY: Duration = Duration::from_millis(250);
/// The time between two updates, in times that one took: on a slow disk they are rarer, up to a
/// time that somebody can wait.
const SHOW_COST: u32 = 250;
const SHOW_LATEST: Duration = Duration::from_secs(10);

/// Returns the rows of an epoch with the test metrics of another; without any where there is none.
fn with_tests(rows: &[EpochRow], tested: &[EpochRow]) -> Vec<EpochRow> {
    let row = |(place, row): (usize, &EpochRow)| match tested.get(place) {
        Some(tested) => EpochRow {
            train_loss: row.train_loss,
            train_accuracy: row.train_accuracy,
            ..*tested
        },
        None => row.untested(),
    };
    rows.iter().enumerate().map(row).collect()
}

/// Warns where a cell goes on elsewhere than it began. The summary is asked of a state that does
/// not say.
fn tell_of_another_device(live: &Live<'_>, device: &str, outcomes: &Outcomes<'_>) {
    let id = &live.cell.id;
    let recorded = || {
        outcomes
            .summary
            .cell(id)
            .and_then(|recorded| recorded.device.clone())
    };
    let before = live.device.clone().or_else(recorded);
    if let Some(other) = before.filter(|_| live.epoch > 0)
        && kind(&other) != kind(device)
    {
        tracing::warn!(
            cell = id,
            "continues on {device} what began on {other}: the result is close to, not byte for byte, that of one device"
        );
    }
}

impl Session<'_> {
    /// Trains a batch until each of its cells is done. A cell that cannot be opened is put down as
    /// failed, and the others go on.
    ///
    /// # Errors
    /// When the device fails or the run cannot be written: all of the batch has to be given up.
    pub(crate) fn train_batch(
        &self,
        batch: &Batch,
        watch: &mut dyn Watch,
        outcomes: &mut Outcomes,
    ) -> Result<Ending, SessionError> {
        let mut lives = Vec::with_capacity(batch.cells.len());
        // Held until the batch ends.
        let mut claims = Vec::new();
        for &index in &batch.cells {
            claims.push(self.run.claim(&self.plan.cells[index].id)?);
            match self.open_cell(index, batch.from) {
                Ok(live) => lives.push(live),
                Err(error) if error.is_request() => return Err(error),
                Err(error) => {
                    outcomes.fail(&self.plan.cells[index].id, error);
                    self.one_has_failed();
                }
            }
        }
        if self.interrupt.is_asked() {
            return Ok(Ending::Interrupted);
        }
        let follower = self.follow(&mut lives)?;
        let started = Instant::now();
        let mut announced = false;
        // A cell that ends leaves the batch; the others go on without it, with the same results.
        while !lives.is_empty() {
            let mut executor = self.open(&lives)?;
            let device = executor.device();
            if !std::mem::replace(&mut announced, true) {
                for live in &mut lives {
                    tell_of_another_device(live, &device, outcomes);
                    live.device = Some(kind(&device).to_owned());
                }
                let ids: Vec<&str> = lives.iter().map(|live| live.cell.id.as_str()).collect();
                tracing::info!(cells = ids.len(), from = batch.from, device, "batch starts");
                let epochs = self.plan.epochs;
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
            for live in &mut lives {
                let mut recorded = summarize(
                    &live.cell.id,
                    live.status,
                    &live.history.read(),
                    Some(device.clone()),
                );
                let trained = recorded.epochs.saturating_sub(batch.from);
                let epochs_per_second = trained as f64 / seconds.max(1e-9);
                recorded.seconds = Some(seconds);
                recorded.epochs_per_second = Some(epochs_per_second);
                let ends = live.status != Status::Training;
                if ends {
                    // Before the state: a kill between it and the summary loses nothing that way.
                    journal::log(live.epoch, &recorded);
                }
                live.save_last()?;
                if ends {
                    watch.event(Event::Cell {
                        id: &live.cell.id,
                        verdict: &recorded.verdict,
                    });
                    if let Some(follower) = &follower {
                        follower.done(live.place);
                    }
                }
                outcomes.summary.set(recorded);
                if live.status == Status::Failed {
                    self.one_has_failed();
                }
            }
            self.interrupt.saved();
            let ending = if self.interrupt.is_asked() {
                Ending::Interrupted
            } else {
                ending
            };
            if ending == Ending::Interrupted {
                tracing::info!("interrupted, state saved");
                // What the analyses saw so far is shown to them again when the run goes on.
                return match follower {
                    None => Ok(ending),
                    Some(follower) => follower.join(self.interrupt, watch).map(|()| ending),
                };
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
        follower.join(self.interrupt, watch)?;
        Ok(if self.interrupt.is_asked() {
            Ending::Interrupted
        } else {
            Ending::Done
        })
    }

    /// Ends the session, with everything saved, if it is to end with the first failure.
    fn one_has_failed(&self) {
        if self.fail_fast {
            self.interrupt.ask();
        }
    }

    /// Starts the analyses of a batch, on the checkpoints that are there already.
    fn follow(&self, lives: &mut [Live<'_>]) -> Result<Option<Follower>, SessionError> {
        let Some(first) = lives.first().filter(|_| !self.analyses.is_empty()) else {
            return Ok(None);
        };
        // Of other tasks the analyses say afterwards that they cannot look at them.
        let Some(seen) = first.seen() else {
            return Ok(None);
        };
        let permits = self.analyses.check_memory(&seen)?;
        let scratch = Scratch::new(self.run.path());
        let cells = lives
            .iter()
            .map(|live| live.follow(self.analyses, &seen, &scratch))
            .collect::<Result<_, _>>()?;
        let follower = Follower::start(cells, &seen, permits, true)?;
        for (place, live) in lives.iter_mut().enumerate() {
            live.place = place;
            for epoch in live.checkpoints()? {
                follower.checkpoint(place, epoch, false);
            }
        }
        Ok(Some(follower))
    }

    fn open(&self, lives: &[Live<'_>]) -> Result<Box<dyn Executor>, SessionError> {
        match lives[0].model() {
            Model::Folded(shape) => {
                let cells = lives.iter().map(Live::input).collect::<Result<_, _>>()?;
                let program = Program::folded(*shape);
                Ok(grokrun_engine::open(self.choice, program, cells)?)
            }
            Model::Recorded(_) => {
                let cells = lives.iter().map(Live::recorded);
                let cells = cells.collect::<Result<_, _>>()?;
                Ok(grokrun_engine::open_programs(self.choice, cells)?)
            }
        }
    }

    /// Runs windows of epochs until a cell ends or the session is interrupted.
    fn train_until_one_ends(
        &self,
        executor: &mut dyn Executor,
        lives: &mut [Live<'_>],
        follower: Option<&Follower>,
        watch: &mut dyn Watch,
    ) -> Result<Ending, SessionError> {
        let mut epoch = lives[0].epoch;
        // The rows of the last epoch that was tested.
        let mut tested: Vec<EpochRow> = Vec::new();
        let mut saved = Instant::now();
        let mut next_look = saved + SHOW_EVERY;
        loop {
            let window = self.window(epoch, executor.epochs_per_call(), lives);
            self.interrupt.trains();
            let evaluation = Evaluation {
                every: self.plan.evaluate,
                done: epoch,
            };
            let rows = executor.run_evaluating(window, evaluation)?;
            epoch += window;
            for row in &rows {
                for (live, row) in lives.iter_mut().zip(row) {
                    live.record(row);
                }
            }
            if let Some(last) = rows.last() {
                let due = (0..)
                    .zip(&rows)
                    .filter(|(epoch, _)| evaluation.is_due(*epoch));
                if let Some((_, row)) = due.last() {
                    tested.clone_from(row);
                }
                watch.event(Event::Epochs {
                    epoch,
                    rows: &with_tests(last, &tested),
                });
            }
            let now = Instant::now();
            if now >= next_look {
                lives.iter_mut().for_each(Live::show_rows);
                let pause = SHOW_COST * now.elapsed();
                next_look = now + pause.clamp(SHOW_EVERY, SHOW_LATEST);
            }

            // A cell that is trained in another way from here on needs another executor.
            let changed = lives.iter().any(Live::changes);
            let ended = changed || lives.iter().any(|live| live.status != Status::Training);
            let interrupted = self.interrupt.is_asked();
            let checkpoint = self.is_checkpoint(epoch);
            let save = saved.elapsed() >= SAVE_EVERY;
            let of_ring = lives.iter().any(Live::is_ring_due);
            if checkpoint || of_ring || save || ended || interrupted {
                for (replica, live) in lives.iter_mut().enumerate() {
                    live.state = executor.state(replica)?;
                    live.epoch = epoch;
                    let last = matches!(live.status, Status::Finished | Status::StoppedEarly);
                    if live.status != Status::Failed {
                        live.turn_ring(checkpoint)?;
                    }
                    if live.status != Status::Failed && (checkpoint || last) {
                        live.write_checkpoint()?;
                        if let Some(follower) = follower {
                            follower.checkpoint(live.place, epoch, last);
                        }
                    }
                    live.change()?;
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

    /// How many epochs to run in one call: never past a checkpoint, a state of a ring, the end, or
    /// the epoch at which a cell may have to stop.
    fn window(&self, epoch: u64, per_call: u64, lives: &[Live<'_>]) -> u64 {
        let to_checkpoint = self.spacings().filter_map(|one| one.to_next(epoch));
        let to_ring = lives.iter().filter_map(Live::to_ring);
        let to_checkpoint = to_checkpoint.chain(to_ring).min().unwrap_or(u64::MAX);
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
        self.spacings().any(|spacing| spacing.is_due(epoch))
    }

    fn spacings(&self) -> impl Iterator<Item = Spacing> {
        let own = std::iter::once(self.plan.checkpoints.spacing);
        own.chain(self.analyses.cadences().map(Spacing::every))
    }

    fn log_metrics(&self, lives: &[Live<'_>]) {
        for live in lives {
            if let Some(row) = live.history.read().last() {
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
