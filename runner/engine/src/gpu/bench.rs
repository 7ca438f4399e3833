//! The dispatches of an epoch on a GPU one by one, for `cargo bench`. No test depends on a time.

use grokrun_executor::{CellInput, EngineError, Executor, Program, Shape};

use super::GpuExecutor;
use crate::backend::Choice;

/// A cell on a GPU, whose dispatches can be run by themselves.
pub struct GpuKernels(GpuExecutor);

impl GpuKernels {
    /// None if the choice is no GPU.
    ///
    /// # Errors
    /// As [`open`](crate::open).
    pub fn new(
        choice: &Choice,
        shape: Shape,
        cell: CellInput,
    ) -> Result<Option<GpuKernels>, EngineError> {
        let Some(adapter) = choice.adapter() else {
            return Ok(None);
        };
        let mut executor = GpuExecutor::new(adapter, Program::folded(shape), vec![cell])?;
        // Each dispatch then finds what those before it leave.
        executor.run(1)?;
        Ok(Some(GpuKernels(executor)))
    }

    /// The dispatches in the order of an epoch: stage, number within it, and kernel.
    pub fn names(&self) -> Vec<String> {
        let executor = &self.0;
        let in_stages = executor.program.epoch.iter().flat_map(|stage| {
            let names = executor.dispatches[executor.range(*stage)].iter();
            (1..)
                .zip(names)
                .map(move |(i, d)| format!("{stage:?} {i}: {}", d.name))
        });
        let last = executor.dispatches.last().map(|d| d.name.to_owned());
        in_stages.chain(last).collect()
    }

    /// Runs one of [`GpuKernels::names`] so many times in one submission, and waits for it; a
    /// number that none has submits nothing to do, which is what a submission costs by itself.
    ///
    /// # Errors
    /// When the device fails or does not answer in time.
    pub fn run(&mut self, number: usize, times: usize) -> Result<(), EngineError> {
        let executor = &self.0;
        let ranges = executor.epoch_ranges();
        let only = ranges.into_iter().flatten().skip(number).take(1);
        let only: Vec<_> = only.map(|at| at..at + 1).collect();
        executor.replay(&only, times)
    }
}
