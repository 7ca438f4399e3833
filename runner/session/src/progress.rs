//! Where each cell of a run stands, by its directory alone: what a look from another machine can
//! see.

use grokrun_spec::Plan;
use grokrun_store::RunView;

use crate::SessionError;
use crate::status::Status;

/// Where a cell stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CellProgress {
    /// nothing of it is there yet
    Waiting,
    /// a process trains it; the epoch of its latest checkpoint
    Running(u64),
    /// it was begun, and nobody trains it now; the epoch of its latest checkpoint
    Interrupted(u64),
    /// its training is over; what became of it
    Done(String),
    /// its training failed, and why
    Failed(String),
}

/// Where every cell of the plan stands, in its order. Opens the summary, and lists the checkpoints
/// of what is neither done nor waiting.
///
/// # Errors
/// When the summary is damaged: what is done could not be told from what was interrupted.
pub fn progress_of_cells(plan: &Plan, run: &RunView) -> Result<Vec<CellProgress>, SessionError> {
    let mut summary = run.summary()?;
    summary
        .cells
        .sort_by(|one, other| one.cell.cmp(&other.cell));
    let one = |id: &str| {
        let recorded = summary
            .cells
            .binary_search_by(|recorded| recorded.cell.as_str().cmp(id))
            .ok()
            .map(|at| &summary.cells[at]);
        if let Some(recorded) = recorded.filter(|recorded| recorded.is_over(plan.epochs)) {
            return if recorded.status == Status::Failed.word() {
                CellProgress::Failed(recorded.verdict.clone())
            } else {
                CellProgress::Done(recorded.verdict.clone())
            };
        }
        let Some(cell) = run.cell(id) else {
            return CellProgress::Waiting;
        };
        // The folder may be there before anything is trained.
        let Some(&epoch) = cell.checkpoints().unwrap_or_default().last() else {
            return CellProgress::Waiting;
        };
        if cell.is_claimed() {
            CellProgress::Running(epoch)
        } else {
            CellProgress::Interrupted(epoch)
        }
    };
    Ok(plan.cells.iter().map(|cell| one(&cell.id)).collect())
}
