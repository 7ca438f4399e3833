//! Executes any recorded program on a GPU: its operations are jobs of kernels, replayed for every
//! epoch.
//!
//! `lower` says which jobs an operation is, `schedule` which of them are one dispatch, `layout` and
//! `samples` where numbers and samples lie, `buffers` what is in memory, `bind` the dispatches and
//! their order, `recorded` all of it as one recording, worked out without a device. `group` replays
//! it on one. Owns which cells are one group, and how many epochs a call has.

mod bind;
mod buffers;
mod coefficients;
mod group;
mod layout;
mod lower;
mod lowered;
mod recorded;
mod samples;
mod schedule;
#[cfg(test)]
mod tests;

use std::time::Instant;

use grokrun_executor::{EngineError, EpochRow, Evaluation, Executor, RecordedCell};
use grokrun_program::{ModelState, Op, Program};

use super::adapter::Adapter;
use super::context::Context;
use super::variant::Variant;
use super::{SUBMISSIONS, epochs_in_a_call};
use crate::cache::cache_folder;
pub(crate) use coefficients::push as push_coefficients;
use group::Group;
pub(crate) use group::counts;
pub(crate) use lowered::{Counts, program_bytes};
pub(crate) use recorded::Recorded;

/// Trains cells by their programs on a GPU.
pub(crate) struct GpuPrograms {
    context: Context,
    groups: Vec<Group>,
    /// the group of each cell, and its index in the group
    places: Vec<[usize; 2]>,
    seconds_per_epoch: Option<f64>,
}

impl GpuPrograms {
    /// Opens the adapter and loads the cells.
    ///
    /// # Errors
    /// When the adapter cannot be opened, a kernel is refused, a program cannot be run, or the
    /// cells do not fit into memory.
    pub(crate) fn new(
        adapter: &Adapter,
        cells: Vec<RecordedCell>,
    ) -> Result<GpuPrograms, EngineError> {
        let context = Context::open(adapter, cache_folder().as_deref())?;
        GpuPrograms::on(context, Variant::of(adapter.kind), cells)
    }

    pub(crate) fn on(
        context: Context,
        variant: Variant,
        cells: Vec<RecordedCell>,
    ) -> Result<GpuPrograms, EngineError> {
        let mut grouped: Vec<Vec<RecordedCell>> = Vec::new();
        let mut places = Vec::with_capacity(cells.len());
        for cell in cells {
            let fits = |group: &Vec<RecordedCell>| group.first().is_some_and(|c| alike(c, &cell));
            let group = match grouped.iter().position(fits) {
                Some(group) => group,
                None => {
                    grouped.push(Vec::new());
                    grouped.len() - 1
                }
            };
            places.push([group, grouped[group].len()]);
            grouped[group].push(cell);
        }
        let groups = grouped.into_iter();
        let groups = groups.map(|cells| Group::new(&context, variant, cells));
        Ok(GpuPrograms {
            groups: groups.collect::<Result<_, _>>()?,
            context,
            places,
            seconds_per_epoch: None,
        })
    }

    /// Returns the number of epochs of one call.
    fn call(&self) -> usize {
        let windows = self.groups.iter().map(Group::window);
        epochs_in_a_call(self.seconds_per_epoch, windows.min().unwrap_or(1))
    }
}

/// Tells whether the same dispatches can train two cells. Learning rate, decay and warm-up may
/// differ, since they are coefficients of a step.
fn alike(one: &RecordedCell, other: &RecordedCell) -> bool {
    let batched = |cell: &RecordedCell| cell.batches.is_some();
    counts(one) == counts(other)
        && batched(one) == batched(other)
        && without_rates(&one.cell.program) == without_rates(&other.cell.program)
}

fn without_rates(program: &Program) -> Program {
    let mut program = program.clone();
    for op in &mut program.ops {
        if let Op::Update { settings, .. } = op {
            (settings.learning_rate, settings.weight_decay) = (0.0, 0.0);
            settings.warmup = 0;
        }
    }
    program
}

impl Executor for GpuPrograms {
    fn run_evaluating(
        &mut self,
        epochs: u64,
        evaluation: Evaluation,
    ) -> Result<Vec<Vec<EpochRow>>, EngineError> {
        let started = Instant::now();
        let window = self.call().div_ceil(SUBMISSIONS);
        let count = usize::try_from(epochs).unwrap_or(usize::MAX);
        let mut found = Vec::with_capacity(self.groups.len());
        for group in &mut self.groups {
            found.push(group.run(&self.context, count, window, evaluation)?);
        }
        if epochs > 0 {
            self.seconds_per_epoch = Some(started.elapsed().as_secs_f64() / epochs as f64);
        }
        let row = |epoch: usize| {
            let places = self.places.iter();
            let rows = places.map(|[group, place]| found[*group][epoch][*place]);
            rows.collect()
        };
        Ok((0..count).map(row).collect())
    }

    fn state(&mut self, replica: usize) -> Result<ModelState, EngineError> {
        let [group, place] = self.places[replica];
        self.groups[group].state(&self.context, place)
    }

    fn epochs_per_call(&self) -> u64 {
        self.call() as u64
    }

    fn device(&self) -> String {
        self.context.name.clone()
    }
}
