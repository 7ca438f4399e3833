//! Several runs of one spec, joined: shards that could not share a folder.

use crate::run::lock;
use crate::{ErrorKind, RunDir, RunView, State, StoreError, Summary, atomic};

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

impl RunDir {
    /// Takes from another run of the same spec every cell that is further there, and its summary.
    /// All files of a cell are verified before it is copied; one with damaged or foreign files is
    /// left where it is.
    ///
    /// # Errors
    /// With [`StoreError::is_request`], and nothing changed: the other run is of another spec, or
    /// is being written. Otherwise: a state of this run is damaged, two histories of a cell differ,
    /// or a file cannot be read or written.
    pub fn merge(&self, other: &RunView, ids: &[&str]) -> Result<Merged, StoreError> {
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
        let (mut summary, told) = (known(own.summary()), known(other.summary()));
        for (id, theirs) in other.cells()? {
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
            let ours = self.cell(&id)?;
            let known = ours.read_state()?;
            if let Some(known) = &known {
                check_alike(&id, known, &state, other)?;
            }
            let further = known.is_none_or(|known| state.epoch > known.epoch);
            if !further {
                merged.kept += 1;
                continue;
            }
            let flaws = theirs.verify();
            if !flaws.is_empty() {
                merged.damaged.extend(flaws.iter().map(ToString::to_string));
                merged.left += 1;
                continue;
            }
            atomic::copy_folder(theirs.path(), ours.path(), lock::NAME)?;
            merged.taken += 1;
            if let Some(told) = told.cell(&id) {
                let one = Summary {
                    cells: vec![told.clone()],
                };
                summary = summary.with(&one);
            }
        }
        self.write_summary(&summary, ids)?;
        Ok(merged)
    }
}

/// One history must be the beginning of the other; equally long ones must have come to the same.
fn check_alike(id: &str, ours: &State, theirs: &State, other: &RunView) -> Result<(), StoreError> {
    let rows = ours.metrics.rows().zip(theirs.metrics.rows());
    let parted = rows.into_iter().position(|(ours, theirs)| {
        let bits = |row: &crate::Row| {
            [
                row.train_loss,
                row.test_loss,
                row.train_accuracy,
                row.test_accuracy,
            ]
            .map(f64::to_bits)
        };
        bits(&ours) != bits(&theirs)
    });
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
