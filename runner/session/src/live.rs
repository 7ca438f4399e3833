//! A cell while it trains: its history, its place on disk, and when it has to be saved.

use std::collections::BTreeSet;

use grokrun_engine::{CellInput, EpochRow, Evaluation, Pairs, ProgramCell, RecordedCell};
use grokrun_host::Scratch;
use grokrun_program::ModelState;
use grokrun_spec::{Cell, Plan, Spacing};
use grokrun_store::{CellDir, CheckpointWriter, LiveRows, Metrics, Row, State, Tensor};
use grokrun_task::Split;

use crate::SessionError;
use crate::analyses::{Analyses, Followed, Seen, Subject};
use crate::cadence::Cadence;
use crate::cell_data::{self, CellData};
use crate::course::Course;
use crate::describe;
use crate::history::History;
use crate::model::{self, Model};
use crate::ring::{self, Held, Ring};
use crate::status::{Status, saved_device};
use crate::stop::Stopping;
use crate::survey::{CellSize, recipe};
use crate::weights::Layout;

/// Whether a tensor of a state is a norm that is kept.
fn is_norm(name: &str) -> bool {
    name.starts_with("norm.")
}

/// A cell in memory.
pub(crate) struct Live<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) cell: &'a Cell,
    /// the cell as the changes of its spec have made it until now
    now: Cell,
    course: Course,
    size: &'a CellSize,
    pub(crate) dir: CellDir,
    checkpoints: CheckpointWriter,
    /// as it is now
    split: Split,
    pairs: Option<Pairs>,
    /// what names the numbers of a state
    layout: Layout,
    /// epochs trained
    pub(crate) epoch: u64,
    pub(crate) state: ModelState,
    pub(crate) history: History,
    /// shows the history to who watches; none once it could not be written
    rows: Option<LiveRows>,
    stopping: Stopping,
    pub(crate) status: Status,
    /// the kind of device that the saved state was trained on, if it is known
    pub(crate) device: Option<String>,
    /// when checkpoints are due
    cadence: Cadence,
    /// the latest states, until they can no more become checkpoints
    ring: Option<Ring>,
    /// its place among the cells that analyses follow
    pub(crate) place: usize,
}

impl<'a> Live<'a> {
    /// Makes a cell's data, and its weights where no state of it is saved; writes what describes
    /// it.
    pub(crate) fn open(
        plan: &'a Plan,
        index: usize,
        size: &'a CellSize,
        dir: CellDir,
    ) -> Result<Live<'a>, SessionError> {
        let cell = &plan.cells[index];
        let CellData { split, pairs } = CellData::new(cell)?;
        // Written again when a cell goes on: whatever became of the files, they are right then.
        let counts = [split.train.len(), split.test.len()];
        dir.write_config(&describe::config(plan, cell, &size.model, counts)?)?;
        let indices = |part: &[u32]| part.iter().map(|i| i64::from(*i)).collect::<Vec<_>>();
        dir.write_split(&indices(&split.train), &indices(&split.test))?;
        let spacing = plan.checkpoints.spacing;
        let mut cadence = Cadence::new(spacing);
        let mut device = None;
        let mut held = Vec::new();
        let saved = dir.read_state()?;
        let history = saved.iter().flat_map(|saved| saved.metrics.rows());
        let course = Course::replay(cell, history);
        let now = course.cell(cell);
        let recut = (now.fraction != cell.fraction).then(|| CellData::cut(&now, &split));
        let CellData { split, pairs } = recut.unwrap_or(Ok(CellData { split, pairs }))?;
        let layout = Layout::of(&now, &size.model)?;
        let (epoch, state, metrics, saved_as) = match saved {
            Some(mut saved) => {
                held = ring::saved(&mut saved.tensors);
                let batches = model::batches(cell, counts[0], 0)?;
                let steps = batches.map_or(1, |batches| batches.steps() as u64);
                let state = layout
                    .read_state(saved.epoch * steps, &saved.tensors)
                    .map_err(|why| dir.foreign_state(&why))?;
                let status =
                    Status::from_json(&saved.extra).map_err(|why| dir.foreign_state(&why))?;
                cadence =
                    Cadence::saved(&saved.extra, spacing).map_err(|why| dir.foreign_state(&why))?;
                device = saved_device(&saved.extra);
                (saved.epoch, state, saved.metrics, status)
            }
            None => {
                let state = model::initial(cell, &size.model)?;
                (0, state, Metrics::default(), Status::Training)
            }
        };
        let stopping = Stopping::replay(&plan.stop, metrics.rows());
        let status = saved_as.by(plan, epoch, &stopping);
        // A session that was killed may have left some that go further than its state.
        dir.remove_live_rows()?;
        let mut live = Live {
            rows: Some(dir.live_rows()),
            checkpoints: dir.checkpoint_writer(describe::keeping(plan)),
            plan,
            cell,
            now,
            course,
            size,
            dir,
            split,
            pairs,
            layout,
            epoch,
            state,
            history: History::new(metrics),
            stopping,
            status,
            device,
            cadence,
            ring: None,
            place: 0,
        };
        live.take_up(saved_as, held)?;
        Ok(live)
    }

    /// Makes the folder that of a cell which was trained by this plan from the start and has come
    /// to where it is. It may have been trained by a shorter one, or further than its saved state
    /// tells.
    fn take_up(&mut self, saved_as: Status, mut held: Vec<Held>) -> Result<(), SessionError> {
        let goes_on = saved_as.ends() && !self.status.ends();
        let epoch = self.epoch;
        let spacing = self.plan.checkpoints.spacing;
        self.cadence.go_on(epoch, spacing);
        let since = self.cadence.since();
        held.retain(|held| held.epoch > since);
        self.ring = Ring::replay(spacing, &self.history.read(), held);
        let of_rings = self.of_rings();
        for kept in self.dir.checkpoints()? {
            // The last of a shorter training, or what comes again if it is due.
            let beyond = kept > epoch || (kept == epoch && goes_on);
            if beyond && !self.is_due(kept) && !of_rings.contains(&kept) {
                self.dir.remove_checkpoint(kept)?;
            }
        }
        match epoch {
            0 => self.write_checkpoint()?,
            _ => self.check_checkpoints()?,
        }
        if goes_on {
            // They are of the shorter training, and are made again at the end of this.
            self.dir.discard_findings()?;
        }
        if saved_as == self.status {
            Ok(())
        } else if self.status.ends() {
            self.conclude()
        } else {
            // From here on it is a cell like any other that was interrupted.
            self.save()
        }
    }

    /// Writes what a cell has at its end.
    fn conclude(&mut self) -> Result<(), SessionError> {
        if self.status != Status::Failed {
            self.write_checkpoint()?;
        }
        self.save()?;
        self.write_metrics()
    }

    /// Whether a checkpoint is due after so many steps, for its own sake or for an analysis.
    fn is_due(&self, epoch: u64) -> bool {
        let asked = self.plan.analyses.iter();
        let asked = asked.map(|request| Spacing::every(request.every));
        let mut now = std::iter::once(self.plan.checkpoints.spacing).chain(asked);
        self.cadence.is_due(epoch) || now.any(|spacing| spacing.is_due(epoch))
    }

    /// The epochs of the checkpoints that rings have written so far.
    fn of_rings(&self) -> BTreeSet<u64> {
        let history = self.history.read();
        self.cadence.of_rings(self.status.kept(&history), &history)
    }

    /// What the executor of a folded model needs.
    pub(crate) fn input(&self) -> Result<CellInput, SessionError> {
        Ok(CellInput {
            pairs: self.pairs()?,
            recipe: recipe(&self.now)?,
            state: self.state.clone(),
        })
    }

    fn pairs(&self) -> Result<Pairs, SessionError> {
        self.pairs
            .clone()
            .ok_or_else(|| cell_data::not_pairs(self.cell))
    }

    /// What the executor of programs needs.
    pub(crate) fn recorded(&self) -> Result<RecordedCell, SessionError> {
        let program = model::record(&self.now)?;
        let [train, test] = cell_data::program_data(self.cell, &self.split, &program)?;
        Ok(RecordedCell {
            batches: model::batches(self.cell, train.len(), self.epoch)?,
            cell: ProgramCell {
                program,
                train,
                test,
                state: self.state.clone(),
            },
        })
    }

    /// The model as analyses see it, if they look at the cell.
    pub(crate) fn seen(&self) -> Option<Seen> {
        self.size.seen()
    }

    /// The model.
    pub(crate) fn model(&self) -> &Model {
        &self.size.model
    }

    /// Starts the cell's analyses; what they say waits in `scratch`.
    pub(crate) fn follow(
        &self,
        analyses: &Analyses<'_>,
        seen: &Seen,
        scratch: &Scratch,
    ) -> Result<Followed, SessionError> {
        // The parts of the beginning, wherever the cell goes on: as those who analyse it later.
        let data = CellData::new(self.cell)?;
        let subject = Subject {
            id: self.cell.id.clone(),
            dir: self.dir.clone(),
            train: data.split.train,
            test: data.split.test,
            history: self.history.clone(),
        };
        analyses.follow(self.plan, self.cell, seen, subject, scratch)
    }

    /// Makes sure that the checkpoints before this state are whole: what comes after them would not
    /// be worth much without.
    ///
    /// # Errors
    /// The first that is missing, cut off, altered or another's.
    fn check_checkpoints(&self) -> Result<(), SessionError> {
        let mut reader = self.dir.checkpoint_reader();
        let due = |epoch: &u64| self.cadence.is_due(*epoch);
        let mut wanted = self.of_rings();
        wanted.extend((0..=self.epoch).filter(due));
        for epoch in wanted {
            reader.read(epoch)?;
        }
        Ok(())
    }

    /// The checkpoints on disk that are this state's past.
    pub(crate) fn checkpoints(&self) -> Result<Vec<u64>, SessionError> {
        let mut epochs = self.dir.checkpoints()?;
        epochs.retain(|epoch| *epoch <= self.epoch);
        Ok(epochs)
    }

    /// The most epochs that may be run before this cell must be looked at.
    pub(crate) fn epochs_left(&self, epoch: u64) -> u64 {
        let left = [self.stopping.epochs_left(), self.course.epochs_left()];
        let all = self.plan.epochs - epoch;
        left.into_iter().flatten().fold(all, u64::min)
    }

    /// Whether the spec trains the cell in another way from the present epoch on. Also where it
    /// ends there: a longer spec goes on.
    pub(crate) fn changes(&self) -> bool {
        self.course.cell(self.cell) != self.now
    }

    /// Makes the changes that are due. What the optimizer keeps is kept, as far as it has it after
    /// the change as well; the rest begins anew.
    pub(crate) fn change(&mut self) -> Result<(), SessionError> {
        if !self.changes() {
            return Ok(());
        }
        let now = self.course.cell(self.cell);
        tracing::info!(cell = self.cell.id, epoch = self.epoch, "training changes");
        let layout = Layout::of(&now, &self.size.model)?;
        let parameters = self.state.parameters.clone();
        let new = model::state_of(&now, &self.size.model, parameters)?;
        // A norm that is kept from now on is that of now.
        let same_sphere = now.settings.train.sphere == self.now.settings.train.sphere;
        let stays = |name: &str| same_sphere || !is_norm(name);
        let before = self.layout.state(&self.state);
        let mut tensors = layout.state(&new);
        for tensor in &mut tensors {
            let same = |one: &&Tensor| one.name == tensor.name && one.shape == tensor.shape;
            if let Some(kept) = before.iter().find(same).filter(|one| stays(&one.name)) {
                tensor.data.clone_from(&kept.data);
            }
        }
        self.state = layout
            .read_state(self.state.step, &tensors)
            .map_err(SessionError::Failed)?;
        self.layout = layout;
        if now.fraction != self.now.fraction {
            let CellData { split, pairs } = CellData::cut(&now, &self.split)?;
            (self.split, self.pairs) = (split, pairs);
        }
        self.now = now;
        Ok(())
    }

    /// Takes the next epoch's metrics.
    pub(crate) fn record(&mut self, row: &EpochRow) {
        if self.status != Status::Training {
            return;
        }
        let epoch = self.history.read().len() as u64;
        let EpochRow {
            train_loss,
            test_loss,
            train_accuracy,
            test_accuracy,
        } = *row;
        let row = Row {
            epoch,
            train_loss,
            test_loss,
            train_accuracy,
            test_accuracy,
        };
        self.history.push(row);
        self.stopping.see(row);
        self.course.see(row);
        if let Some(ring) = &mut self.ring {
            ring.see(test_accuracy);
        }
        self.ring.take_if(|ring| ring.is_over());
        let evaluation = Evaluation {
            every: self.plan.evaluate,
            done: epoch,
        };
        let tested = evaluation.is_due(0);
        if !(train_loss.is_finite() && (test_loss.is_finite() || !tested)) {
            self.status = Status::Failed;
        } else if self.stopping.epochs_left() == Some(0) {
            self.status = Status::StoppedEarly;
        } else if epoch + 1 == self.plan.epochs {
            self.status = Status::Finished;
        }
    }

    /// Writes the weights as they are to `checkpoints/`.
    pub(crate) fn write_checkpoint(&mut self) -> Result<(), SessionError> {
        let tensors = self.layout.checkpoint(&self.state.parameters);
        tracing::debug!(cell = self.cell.id, epoch = self.epoch, "checkpoint");
        Ok(self.checkpoints.write(self.epoch, &tensors)?)
    }

    /// The most epochs that may be run before the ring takes a state.
    pub(crate) fn to_ring(&self) -> Option<u64> {
        self.ring.as_ref().map(Ring::to_next)
    }

    /// Whether the ring takes the state after the latest epoch.
    pub(crate) fn is_ring_due(&self) -> bool {
        self.ring.as_ref().is_some_and(Ring::is_due)
    }

    /// Puts the weights as they are into the ring, if it takes them and they are not kept in any
    /// case, and writes the checkpoints that the ring hands out.
    pub(crate) fn turn_ring(&mut self, is_kept: bool) -> Result<(), SessionError> {
        let Some(ring) = self.ring.as_mut().filter(|ring| ring.is_due()) else {
            return Ok(());
        };
        let tensors = (!is_kept).then(|| self.layout.checkpoint(&self.state.parameters));
        for Held { epoch, tensors } in ring.take(tensors) {
            tracing::debug!(cell = self.cell.id, epoch, "checkpoint of the ring");
            self.checkpoints.write(epoch, &tensors)?;
        }
        Ok(())
    }

    /// Shows the epochs so far to who watches. If that fails, training goes on without.
    pub(crate) fn show_rows(&mut self) {
        let Some(rows) = &mut self.rows else {
            return;
        };
        if let Err(error) = rows.append(&self.history.read()) {
            let cell = &self.cell.id;
            tracing::warn!(cell, %error, "whoever watches the cell sees its saved states alone");
            self.rows = None;
        }
    }

    /// Saves the state in which a session leaves the cell. What was shown to who watches is in it,
    /// and goes before: a finished run has the same files however it was trained.
    pub(crate) fn save_last(&mut self) -> Result<(), SessionError> {
        self.dir.remove_live_rows()?;
        // A cell whose batch has ended for another's sake goes on, and begins its rows anew.
        self.rows = self.rows.take().map(|_| self.dir.live_rows());
        self.save()?;
        self.write_metrics()
    }

    /// Saves all that is needed to continue from here.
    pub(crate) fn save(&self) -> Result<(), SessionError> {
        tracing::debug!(cell = self.cell.id, epoch = self.epoch, "state saved");
        let metrics = self.history.read();
        let mut extra = self.status.to_json(self.device.as_deref());
        self.cadence.save(&mut extra);
        let mut tensors = self.layout.state(&self.state);
        self.ring.iter().for_each(|ring| ring.save(&mut tensors));
        Ok(self.dir.write_state(&State {
            epoch: self.epoch,
            tensors,
            metrics: &*metrics,
            extra,
        })?)
    }

    /// Writes the history where Python finds it.
    pub(crate) fn write_metrics(&self) -> Result<(), SessionError> {
        Ok(self.dir.write_metrics(&self.history.read())?)
    }
}
