//! Analyses of cells that are trained already.

use grokrun_host::Scratch;
use grokrun_spec::Plan;
use grokrun_store::{CellDir, RunDir, State};

use super::{Analyses, Follower, Subject};
use crate::SessionError;
use crate::cell_data::CellData;
use crate::folder::{folder, gaps};
use crate::history::History;
use crate::interrupt::Interrupt;
use crate::status::Status;
use crate::survey::Survey;
use crate::train::{Ending, Event, Watch};

/// A plan, the run directory it was trained into, and what is to be found out about it.
pub struct Stored<'a> {
    /// what was trained
    pub plan: &'a Plan,
    /// its sizes
    pub survey: &'a Survey,
    /// where it is
    pub run: &'a RunDir,
    /// what is found out about it
    pub analyses: &'a Analyses<'a>,
    /// asked from outside to end early
    pub interrupt: &'a Interrupt,
}

impl Stored<'_> {
    /// The cells of the plan that have checkpoints.
    ///
    /// # Errors
    /// When the run directory cannot be read.
    pub fn cells(&self) -> Result<Vec<usize>, SessionError> {
        let mut cells = Vec::new();
        for (index, cell) in self.plan.cells.iter().enumerate() {
            if !self.run.cell(&cell.id)?.checkpoints()?.is_empty() {
                cells.push(index);
            }
        }
        Ok(cells)
    }

    /// Shows the analyses every stored checkpoint of these cells, one cell after the other, then
    /// those of the sweep all cells of the run, and replaces what they found before.
    ///
    /// # Errors
    /// When the run directory cannot be read or written.
    pub fn analyze(&self, cells: &[usize], watch: &mut dyn Watch) -> Result<Ending, SessionError> {
        let ending = self.analyze_cells(cells, watch)?;
        if ending != Ending::Interrupted {
            self.analyses
                .conclude_sweep(self.run, true, self.interrupt, watch)?;
            if self.interrupt.is_asked() {
                return Ok(Ending::Interrupted);
            }
        }
        Ok(ending)
    }

    /// Shows the analyses of a cell every stored checkpoint of these cells.
    pub(crate) fn analyze_cells(
        &self,
        cells: &[usize],
        watch: &mut dyn Watch,
    ) -> Result<Ending, SessionError> {
        if self.analyses.is_empty() {
            return Ok(Ending::Done);
        }
        for &index in cells {
            watch.event(Event::Analysing {
                cells: &[&self.plan.cells[index].id],
            });
            self.analyze_cell(index, watch)?;
            if self.interrupt.is_asked() {
                return Ok(Ending::Interrupted);
            }
        }
        Ok(Ending::Done)
    }

    fn analyze_cell(&self, index: usize, watch: &mut dyn Watch) -> Result<(), SessionError> {
        let (cell, size) = (&self.plan.cells[index], &self.survey.cells[index]);
        let dir = folder(self.run, self.plan, cell)?;
        let Some(seen) = size.seen() else {
            return self.analyses.decline(&dir);
        };
        let permits = self.analyses.check_memory(&seen)?;
        let saved = dir.read_state()?;
        let (checkpoints, complete) = past(self.plan, &dir, saved.as_ref())?;
        let data = CellData::stored(cell, &dir)?;
        let split = data.split;
        let subject = Subject {
            id: cell.id.clone(),
            dir,
            train: split.train,
            test: split.test,
            history: History::new(saved.map(|state| state.metrics).unwrap_or_default()),
        };
        let scratch = Scratch::new(self.run.path());
        let followed = self
            .analyses
            .follow(self.plan, cell, &seen, subject, &scratch)?;
        let follower = Follower::start(vec![followed], &seen, permits, false)?;
        for (i, epoch) in checkpoints.iter().enumerate() {
            let last = complete && i + 1 == checkpoints.len();
            follower.checkpoint(0, *epoch, last);
        }
        follower.done(0);
        follower.join(self.interrupt, watch)
    }
}

/// The checkpoints that are the saved state's past, and whether the last of them concludes the
/// cell: not so where training failed. What is not finished is analysed as far as it is.
fn past(
    plan: &Plan,
    dir: &CellDir,
    saved: Option<&State>,
) -> Result<(Vec<u64>, bool), SessionError> {
    let mut epochs = dir.checkpoints()?;
    let Some(state) = saved else {
        return Ok((epochs, true));
    };
    epochs.retain(|epoch| *epoch <= state.epoch);
    let status = Status::from_json(&state.extra).map_err(|why| dir.foreign_state(&why))?;
    if let Some(gaps) = gaps(plan, dir, status, state.epoch)? {
        tracing::warn!(cell = %dir.path().display(), "{gaps}");
    }
    Ok((epochs, status != Status::Failed))
}
