//! A cell's folder, with whose it is, and which checkpoints should be in it.

use std::collections::{BTreeMap, BTreeSet};

use grokrun_spec::{Cell, Plan};
use grokrun_store::{CellDir, CellSummary, ErrorKind, Metrics, RunDir, RunView, StoreError};

use crate::SessionError;
use crate::cadence::Cadence;
use crate::status::Status;

/// The folder of a cell, which refuses files of others.
///
/// # Errors
/// When it cannot be created.
pub(crate) fn folder(run: &RunDir, plan: &Plan, cell: &Cell) -> Result<CellDir, StoreError> {
    let fingerprint = fingerprint(run.fingerprint(), plan, cell);
    Ok(run.cell(&cell.id)?.of(fingerprint))
}

/// The same of a run that is only read; none where there is no such cell.
pub fn stored_cell(run: &RunView, plan: &Plan, id: &str) -> Option<CellDir> {
    let cell = plan.cells.iter().find(|cell| cell.id == id)?;
    let fingerprint = fingerprint(run.fingerprint(), plan, cell);
    Some(run.cell(id)?.of(fingerprint))
}

/// Of a cell in a run of this fingerprint.
pub(crate) fn fingerprint(run: &str, plan: &Plan, cell: &Cell) -> String {
    let own = plan.cell_fingerprint(cell);
    // The weights of an imported run are not those of its spec: where they come from stands before
    // it.
    match run.rsplit_once(' ') {
        Some((origin, _)) => format!("{origin} {own}"),
        None => own,
    }
}

/// The checkpoints that are due of a cell that has come so far, and that are not there; those of
/// its rings if its history is given. `last`, if that is where the training has ended: there is one
/// of that epoch too.
fn missing(
    cadence: &Cadence,
    dir: &CellDir,
    (status, epoch): (Status, u64),
    history: Option<&Metrics>,
) -> Result<Vec<u64>, StoreError> {
    // After a loss that is no number no checkpoint is written.
    let last = matches!(status, Status::Finished | Status::StoppedEarly);
    let there = dir.checkpoints()?;
    let wanted = (0..=epoch).filter(|e| cadence.is_due(*e) || (last && *e == epoch));
    let mut wanted: BTreeSet<u64> = wanted.collect();
    if let Some(history) = history {
        wanted.extend(cadence.of_rings(status.kept(history), history));
    }
    wanted.retain(|epoch| there.binary_search(epoch).is_err());
    Ok(wanted.into_iter().collect())
}

/// What is missing of the checkpoints of a cell whose training is over, in words; none if nothing
/// is.
///
/// # Errors
/// When the folder cannot be read.
pub(crate) fn gaps(
    plan: &Plan,
    dir: &CellDir,
    status: Status,
    epochs: u64,
) -> Result<Option<String>, StoreError> {
    let spacing = plan.checkpoints.spacing;
    let (cadence, come) = (Cadence::new(spacing), (status, epochs));
    let is_whole = spacing.ring == 0 && missing(&cadence, dir, come, None)?.is_empty();
    if is_whole || is_imported(dir) {
        return Ok(None);
    }
    // Megabytes, so read only now: the spec may have had another cadence before the run was made
    // longer, and what a ring has written is told by the history.
    let state = dir.read_state()?;
    let saved = state.as_ref().map(|state| {
        let cadence = Cadence::saved(&state.extra, spacing);
        (cadence, &state.metrics)
    });
    let gaps = match saved {
        Some((Ok(cadence), history)) => missing(&cadence, dir, come, Some(history))?,
        Some((Err(_), _)) | None => missing(&cadence, dir, come, None)?,
    };
    Ok((!gaps.is_empty()).then(|| in_words(&gaps, dir)))
}

/// An imported cell has the checkpoints that its file had. A `config.json` that cannot be used says
/// that it was not imported: `grokrun SPEC` writes it again.
fn is_imported(dir: &CellDir) -> bool {
    let config = dir.read_config().ok().flatten();
    config.is_some_and(|config| config.imported.is_some())
}

fn in_words(gaps: &[u64], dir: &CellDir) -> String {
    let few: Vec<String> = gaps.iter().take(5).map(u64::to_string).collect();
    let more = match gaps.len() - few.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let are = if gaps.len() == 1 { "is" } else { "are" };
    format!(
        "{} of its checkpoints {are} gone: epoch {}{more}; analyses do without. To make them again, delete {} \
         and run the spec: the cell is trained from the start",
        gaps.len(),
        few.join(", "),
        dir.path().join("state.safetensors").display()
    )
}

/// What is missing of the checkpoints of each cell that is done, by its number in the plan.
///
/// # Errors
/// When the run cannot be read.
pub fn missing_checkpoints(
    plan: &Plan,
    run: &RunView,
) -> Result<Vec<(usize, String)>, SessionError> {
    let summary = run.summary()?;
    let recorded: BTreeMap<&str, &CellSummary> = summary
        .cells
        .iter()
        .map(|recorded| (recorded.cell.as_str(), recorded))
        .collect();
    let mut all = Vec::new();
    for (index, cell) in plan.cells.iter().enumerate() {
        let (Some(recorded), Some(dir)) = (recorded.get(cell.id.as_str()), run.cell(&cell.id))
        else {
            continue;
        };
        let Some(status) = Status::of_word(&recorded.status).filter(|s| *s != Status::Training)
        else {
            continue;
        };
        match gaps(plan, &dir, status, recorded.epochs) {
            Ok(words) => all.extend(words.map(|words| (index, words))),
            // What is not there has no checkpoints.
            Err(error) if error.kind() == ErrorKind::Io => all.push((index, error.to_string())),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(all)
}
