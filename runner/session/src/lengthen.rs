//! Whether a run goes on as that of another spec: one that says only how much longer.
//!
//! Such a spec must give, from the start, just what the run has come to so far. Knows nothing of
//! how a cell goes on; that is decided of each by its state ([`crate::status`]).

use std::path::Path;

use grokrun_spec::{Change, Plan, load_training};
use grokrun_store::{ErrorKind, Judge, RunDir, RunView, StoreError};

use crate::cadence::Cadence;
use crate::folder::folder;
use crate::stop::Stopping;

/// At most so many keys that differ are told.
const TOLD: usize = 12;

/// The plan that a run is opened with, which may make it longer.
pub struct Longer<'a>(pub &'a Plan);

impl Judge for Longer<'_> {
    fn judge(&self, run: &RunView) -> Result<(), String> {
        let Longer(plan) = self;
        let earlier = earlier(run)?;
        let changes = plan.changes_from(&earlier);
        if !changes.iter().all(|change| change.lengthens) {
            return Err(listed(&changes));
        }
        if plan.stop != earlier.stop {
            check_stops(plan, run)?;
        }
        Ok(())
    }

    /// States of an older grokrun do not tell how often checkpoints were kept; the shorter spec
    /// does, and it goes.
    fn prepare(&self, run: &RunDir) -> Result<(), StoreError> {
        let Longer(plan) = self;
        let view = RunView::open(run.path())?;
        // A spec that cannot be read has been judged.
        let Ok(earlier) = earlier(&view) else {
            return Ok(());
        };
        if earlier.checkpoints.spacing == plan.checkpoints.spacing {
            return Ok(());
        }
        for cell in &plan.cells {
            if view.cell(&cell.id).is_none() {
                continue;
            }
            let dir = folder(run, plan, cell)?;
            match dir.read_state() {
                Ok(Some(mut state)) => {
                    if Cadence::tell(earlier.checkpoints.spacing, &mut state.extra) {
                        dir.write_state(&state)?;
                    }
                }
                Ok(None) => {}
                // It is told of when the cell is to go on.
                Err(error) if error.kind() == ErrorKind::Altered => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// In which keys the specs of two runs differ, in lines; where one cannot be read, why.
pub fn differences(run: &RunView, other: &RunView) -> String {
    match (earlier(run), earlier(other)) {
        (Ok(one), Ok(other)) => listed(&other.changes_from(&one)),
        (Err(why), _) | (_, Err(why)) => why,
    }
}

/// The plan of a run, without its analyses.
fn earlier(run: &RunView) -> Result<Plan, String> {
    let text = run.resolved().map_err(|error| error.to_string())?;
    let plan = load_training(&text, Path::new("resolved.toml"))
        .map_err(|error| format!("its resolved.toml is no spec: {error}"))?;
    let fingerprint = run.fingerprint();
    if fingerprint.starts_with("import ") {
        return Err("it was imported, and what was trained elsewhere is not trained on".to_owned());
    }
    // A process that ended while it made the run longer has not come to the spec yet.
    if plan.fingerprint() != fingerprint && !run.is_lengthening() {
        return Err("its resolved.toml was changed since, and is not what was trained".to_owned());
    }
    Ok(plan)
}

fn listed(changes: &[Change]) -> String {
    let mut text = "these keys differ".to_owned();
    for change in changes.iter().take(TOLD) {
        text.push_str(&format!("\n  {change}"));
        if change.key == "train.epochs" && !change.lengthens {
            let epochs = change.earlier.as_deref().unwrap_or_default();
            text.push_str(&format!(
                " (a run is only ever made longer; expected {epochs} or more)"
            ));
        }
    }
    if changes.len() > TOLD {
        text.push_str(&format!("\n  … and {} more", changes.len() - TOLD));
    }
    text
}

/// By the plan's rule for an early stop, no cell may have been trained for too long.
fn check_stops(plan: &Plan, run: &RunView) -> Result<(), String> {
    for cell in &plan.cells {
        let Some(dir) = run.cell(&cell.id) else {
            continue;
        };
        let Some(state) = dir.read_state().map_err(|error| error.to_string())? else {
            continue;
        };
        let met = Stopping::replay(&plan.stop, state.metrics.rows()).met();
        if let Some(met) = met.filter(|met| *met < state.epoch) {
            return Err(format!(
                "by the rule train.stop here, {} would have stopped after {met} epochs, and it has {} there",
                cell.id, state.epoch
            ));
        }
    }
    Ok(())
}
