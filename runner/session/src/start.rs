//! The weights that a cell begins with where its spec names a checkpoint.
//!
//! Knows how a checkpoint is found; what its tensors are called is `weights`' matter.

use std::path::Path;

use grokrun_spec::{Cell, Start};
use grokrun_store::{RunView, Tensor, read_weights};

use crate::SessionError;
use crate::model::Model;
use crate::weights::Layout;

/// Reads the parameters of a cell that does not begin with drawn ones.
///
/// # Errors
/// The checkpoint cannot be found or read, or is of another model.
pub(crate) fn parameters(
    cell: &Cell,
    model: &Model,
    start: &Start,
) -> Result<Vec<f32>, SessionError> {
    let refused = |why: String| {
        SessionError::Request(format!(
            "cell {}: its [start] cannot be used: {why}",
            cell.id
        ))
    };
    let (tensors, place) = match start {
        Start::File(file) => {
            let path = Path::new(file);
            let tensors = read_weights(path).map_err(|error| refused(error.to_string()))?;
            (tensors, file.clone())
        }
        Start::Run {
            run,
            cell: named,
            epoch,
        } => of_run(run, named.as_deref(), *epoch).map_err(refused)?,
    };
    let layout = Layout::of(cell, model)?;
    layout
        .of_checkpoint(&tensors)
        .map_err(|why| refused(format!("{place} is of another model: {why}")))
}

/// Reads a checkpoint of a run; also returns what it is, in words.
fn of_run(
    run: &str,
    named: Option<&str>,
    epoch: Option<u64>,
) -> Result<(Vec<Tensor>, String), String> {
    let view = RunView::open(Path::new(run)).map_err(|error| error.to_string())?;
    let cells = view.cells().map_err(|error| error.to_string())?;
    let ids: Vec<&str> = cells.iter().map(|(id, _)| id.as_str()).collect();
    let (id, dir) = match (named, cells.as_slice()) {
        (None, [only]) => only,
        (None, _) => {
            return Err(format!(
                "{run} has {} cells; expected start.cell, one of {}",
                ids.len(),
                listed(&ids)
            ));
        }
        (Some(named), _) => {
            let found = cells.iter().find(|(id, _)| id == named);
            found.ok_or_else(|| {
                format!(
                    "{run} has no cell {named}; expected one of {}",
                    listed(&ids)
                )
            })?
        }
    };
    let checkpoints = dir.checkpoints().map_err(|error| error.to_string())?;
    let epoch = match epoch {
        Some(epoch) => epoch,
        None => *checkpoints
            .last()
            .ok_or_else(|| format!("{run} has no checkpoint of {id}"))?,
    };
    let tensors = dir
        .read_checkpoint(epoch)
        .map_err(|error| error.to_string())?;
    Ok((tensors, format!("epoch {epoch} of {id} in {run}")))
}

/// The first names of a list.
fn listed(names: &[&str]) -> String {
    const SHOWN: usize = 6;
    let shown = names.iter().take(SHOWN).copied().collect::<Vec<_>>();
    if names.len() > SHOWN {
        format!("{}, …", shown.join(", "))
    } else {
        shown.join(", ")
    }
}
