//! The time of an epoch of a recorded program: measured on the plan's own model, within a budget.
//!
//! Nothing of it is kept: programs are as many as there are specs, and the measurement is short.

use std::time::Instant;

use grokrun_engine::{Choice, Estimate, ProgramCell, RecordedCell};
use grokrun_spec::Plan;

use crate::SessionError;
use crate::cell_data::{self, CellData};
use crate::model::{self, Model};
use crate::survey::Survey;

/// What is measured in one go, in operations: some tenths of a second.
const OPERATIONS: f64 = 4e9;
/// How long to measure, in seconds.
const BUDGET: f64 = 0.5;

/// Seconds that an operation of the plan's programs takes on the processor, with all threads at
/// work on a CPU; none where no cell is run by its program.
///
/// # Errors
/// When a program cannot be run.
pub(super) fn seconds_an_operation(
    plan: &Plan,
    survey: &Survey,
    choice: &Choice,
) -> Result<Option<f64>, SessionError> {
    let recorded = survey
        .cells
        .iter()
        .enumerate()
        .filter(|(_, size)| matches!(size.model, Model::Recorded(_)));
    let operations = |size: &crate::CellSize| size.needs.flops_per_epoch;
    let Some((index, size)) =
        recorded.max_by(|(_, one), (_, other)| operations(one).total_cmp(&operations(other)))
    else {
        return Ok(None);
    };
    let cell = &plan.cells[index];
    let program = model::record(cell)?;
    let mut split = CellData::new(cell)?.split;
    let share = (OPERATIONS / operations(size)).min(1.0);
    for part in [&mut split.train, &mut split.test] {
        part.truncate(((part.len() as f64 * share) as usize).max(1));
    }
    let [train, test] = cell_data::program_data(cell, &split, &program)?;
    let counts = [train.len(), test.len()];
    let epoch = Estimate::of_program(&program, counts, train.len()).flops_per_epoch;
    let state = model::initial(cell, &size.model)?;
    let cell = ProgramCell {
        program,
        train,
        test,
        state,
    };
    let batches = None;
    let cells = vec![RecordedCell { cell, batches }];
    let mut executor = grokrun_engine::open_programs(choice, cells)?;
    // The first epoch warms caches.
    executor.run(1)?;
    let (started, mut best) = (Instant::now(), f64::INFINITY);
    while started.elapsed().as_secs_f64() < BUDGET {
        let clock = Instant::now();
        executor.run(1)?;
        best = best.min(clock.elapsed().as_secs_f64());
    }
    Ok(Some(best / epoch))
}
