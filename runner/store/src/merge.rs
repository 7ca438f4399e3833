//! Several runs of one spec, joined: shards that could not share a folder.

use std::path::Path;

use crate::run::{contents, lock};
use crate::{
    CellDir, CellSummary, ErrorKind, RunDir, RunView, State, StoreError, Summary, atomic, scripts,
};

/// What was done with the cells of a run that was merged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Merged {
    /// copied, since they were missing or less far
    pub taken: usize,
    /// left as they were, since they were as far or further
    pub kept: usize,
    /// what is damaged in the other run, each with its file: cells with such files were not copied
    pub damaged: Vec<String>,
    /// the cells that were not copied for that
    pub left: usize,
}

/// Tells of a cell, by its state, what no summary tells: `known` is what one does tell, if it is of
/// this state. None where nothing can be told.
pub type Tell<'a> = &'a dyn Fn(&str, &State, Option<CellSummary>) -> Option<CellSummary>;

impl RunDir {
    /// Takes from another run of the same spec every cell that is further there, with what is told
    /// of it. All files of a cell are verified before it is copied; one with damaged or foreign
    /// files is left where it is, and so is what somebody has put beside our own.
    ///
    /// `cells` are those of the spec, in its order, each with its fingerprint; cells of the other
    /// run that are not among them stay there.
    ///
    /// What was merged before, and told of by no summary since that process was killed, is told of
    /// now; a `metrics.parquet` that a killed process has left behind its state is written again.
    ///
    /// # Errors
    /// With [`StoreError::is_request`], and nothing changed: the other run is of another spec, or
    /// is being written. Otherwise: a state of this run is damaged, two histories of a cell differ,
    /// or a file cannot be read or written.
    pub fn merge(
        &self,
        other: &RunView,
        cells: &[(&str, String)],
        tell: Tell<'_>,
    ) -> Result<Merged, StoreError> {
        let own = RunView::open(self.path())?;
        if other.fingerprint() != own.fingerprint() {
            let message = format!(
                "{} and {} are runs of different specs, see resolved.toml in each; expected runs of one spec",
                other.path().display(),
                self.path().display()
            );
            return Err(StoreError::new(ErrorKind::OtherSpec, other.path(), message));
        }
        if other.is_busy() {
            let message = format!(
                "another process writes the run {}; wait for it or stop it",
                other.path().display()
            );
            return Err(StoreError::new(ErrorKind::Busy, other.path(), message));
        }
        let mut merged = Merged::default();
        // A summary says nothing that the cells do not, but for times and devices.
        let mut known = |summary: Result<Summary, StoreError>| {
            summary.unwrap_or_else(|error| {
                merged.damaged.push(error.to_string());
                Summary::default()
            })
        };
        let (ours, theirs) = (known(own.summary()), known(other.summary()));
        let mut recorded = Recorded { theirs, ours, tell };
        scripts::take(self, other)?;
        let joined = self.join(other, cells, &mut merged, &mut recorded);
        // What was taken is told of, whatever came after it.
        let all = joined.and_then(|()| recorded.of_the_rest(&own));
        let ids: Vec<&str> = cells.iter().map(|(id, _)| *id).collect();
        self.write_summary(&recorded.ours, &ids)?;
        all.map(|()| merged)
    }

    fn join(
        &self,
        other: &RunView,
        cells: &[(&str, String)],
        merged: &mut Merged,
        recorded: &mut Recorded<'_>,
    ) -> Result<(), StoreError> {
        for (id, fingerprint) in cells {
            let Some(theirs) = other.cell(id) else {
                continue;
            };
            let theirs = theirs.of(fingerprint.clone());
            let state = match theirs.read_state() {
                Ok(Some(state)) => state,
                Ok(None) => continue,
                Err(error) if error.kind() == ErrorKind::Altered => {
                    merged.damaged.push(error.to_string());
                    merged.left += 1;
                    continue;
                }
                Err(error) => return Err(error),
            };
            let ours = self.cell(id)?.of(fingerprint.clone());
            let known = ours.read_state()?;
            if let Some(known) = &known {
                check_alike(id, known, &state, other)?;
            }
            if let Some(known) = known.filter(|known| known.epoch >= state.epoch) {
                ours.renew_metrics(&known.metrics)?;
                recorded.of(id, &known);
                merged.kept += 1;
                continue;
            }
            let flaws = theirs.verify();
            if !flaws.is_empty() {
                merged.damaged.extend(flaws.iter().map(ToString::to_string));
                merged.left += 1;
                continue;
            }
            copy(&theirs, &ours, id)?;
            ours.renew_metrics(&state.metrics)?;
            recorded.of(id, &state);
            merged.taken += 1;
        }
        Ok(())
    }
}

/// Puts a cell's folder into the place of ours, with what is somebody's own in ours.
fn copy(theirs: &CellDir, ours: &CellDir, id: &str) -> Result<(), StoreError> {
    let stays = |inside: &Path| !contents::is_own_of_cell(id, inside);
    atomic::copy_folder(theirs.path(), ours.path(), lock::NAME, &stays)
}

/// What is told of cells: in the other run's summary, and in ours, which is to be written.
struct Recorded<'a> {
    theirs: Summary,
    ours: Summary,
    tell: Tell<'a>,
}

impl Recorded<'_> {
    /// Tells of a cell with this state: the summary of it that has device and time, ours before
    /// theirs; else what can be found out.
    fn of(&mut self, id: &str, state: &State) {
        let of_state = |recorded: &&CellSummary| recorded.epochs == state.metrics.len() as u64;
        let known = [&self.ours, &self.theirs].map(|summary| summary.cell(id).filter(of_state));
        let [ours, theirs] = known;
        let all = |recorded: &&CellSummary| recorded.device.is_some() && recorded.seconds.is_some();
        let recorded = match [ours, theirs].into_iter().flatten().find(all) {
            Some(recorded) => Some(recorded.clone()),
            None => (self.tell)(id, state, ours.or(theirs).cloned()),
        };
        if let Some(recorded) = recorded {
            self.ours.set(recorded);
        }
    }

    /// Tells of our cells that the other run has not.
    fn of_the_rest(&mut self, own: &RunView) -> Result<(), StoreError> {
        for (id, dir) in own.cells()? {
            if self.ours.cell(&id).is_some() {
                continue;
            }
            match dir.read_state() {
                Ok(Some(state)) => self.of(&id, &state),
                Ok(None) => {}
                // Whoever looks at the run is told.
                Err(error) if error.kind() == ErrorKind::Altered => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// One history must be the beginning of the other; equally long ones must have come to the same.
fn check_alike(id: &str, ours: &State, theirs: &State, other: &RunView) -> Result<(), StoreError> {
    let parted = ours.metrics.parts_from(&theirs.metrics);
    let ends_differ = ours.epoch == theirs.epoch && ours.tensors != theirs.tensors;
    if parted.is_none() && !ends_differ {
        return Ok(());
    }
    let from = parted.map_or("in their last weights".to_owned(), |epoch| {
        format!("from epoch {epoch}")
    });
    let message = format!(
        "cell {id} in {} is another than ours: they differ {from}, as when they were trained on different devices; delete one of the two folders and merge again",
        other.path().display()
    );
    Err(StoreError::new(ErrorKind::Altered, other.path(), message))
}
