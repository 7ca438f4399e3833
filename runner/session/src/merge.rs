//! Cells of another run of the same plan, with what the summaries or the logs of both tell of them.

use std::cell::OnceCell;
use std::path::PathBuf;

use grokrun_spec::Plan;
use grokrun_store::{CellSummary, Merged, RunDir, RunView, State};

use crate::SessionError;
use crate::analyses::Analyses;
use crate::cells::write_cells;
use crate::folder::fingerprint;
use crate::interrupt::Interrupt;
use crate::journal::{self, Journal};
use crate::status::{Status, saved_device, summarize};
use crate::train::{Watch, has_ended};

/// Takes from another run of this plan every cell that is further there. What a summary lacks,
/// since a process was killed before it wrote it, comes from the states and the logs of both runs.
///
/// # Errors
/// As [`RunDir::merge`].
pub fn merge(plan: &Plan, into: &RunDir, other: &RunView) -> Result<Merged, SessionError> {
    let cells: Vec<(&str, String)> = plan
        .cells
        .iter()
        .map(|cell| {
            (
                cell.id.as_str(),
                fingerprint(into.fingerprint(), plan, cell),
            )
        })
        .collect();
    let both: Vec<PathBuf> = [into.logs(), other.logs()]
        .into_iter()
        .flat_map(Result::unwrap_or_default)
        .collect();
    let journal = OnceCell::new();
    // What an imported cell was trained on is not known, nor whether it was to its end.
    let imported = into.fingerprint().starts_with("import ");
    let tell = |id: &str, state: &State, known: Option<CellSummary>| {
        let of_state = || {
            let status = Status::of_state(plan, state).ok().filter(|_| !imported)?;
            let device = saved_device(&state.extra);
            Some(summarize(id, status, &state.metrics, device))
        };
        let mut recorded = known.or_else(of_state)?;
        let journal = journal.get_or_init(|| Journal::read(&both));
        journal.fill(state.epoch, &mut recorded);
        Some(recorded)
    };
    let merged = into.merge(other, &cells, &tell)?;
    log_what_came(into)?;
    write_cells(into)?;
    Ok(merged)
}

/// Lets the analyses of the sweep look at cells that came from several runs, once all have come to
/// an end; before that, what they found in fewer cells is given up.
///
/// # Errors
/// The run cannot be read or written.
pub fn analyse_merged(
    plan: &Plan,
    run: &RunDir,
    analyses: &Analyses<'_>,
    interrupt: &Interrupt,
    watch: &mut dyn Watch,
) -> Result<(), SessionError> {
    if has_ended(plan, run)? {
        analyses.conclude_sweep(run, false, interrupt, watch)
    } else {
        Ok(run.discard_sweep_findings()?)
    }
}

/// Logs what the summary tells of cells that were trained elsewhere: the run's own log is what a
/// lost summary is made again from.
fn log_what_came(into: &RunDir) -> Result<(), SessionError> {
    let own = Journal::read(&into.logs()?);
    let summary = into.read_summary()?.unwrap_or_default();
    let ended = summary
        .cells
        .iter()
        .filter(|recorded| Status::is_end(&recorded.status));
    for recorded in ended.filter(|recorded| !own.tells(&recorded.cell, recorded.epochs)) {
        journal::log(recorded.epochs, recorded);
    }
    Ok(())
}
