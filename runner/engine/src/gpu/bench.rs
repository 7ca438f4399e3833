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
        let name = |at: usize| {
            let kernel = executor.loaded.dispatches[at].name;
            let stage = executor
                .stages
                .iter()
                .find(|(_, range)| range.contains(&at));
            match stage {
                Some((stage, range)) => format!("{stage:?} {}: {kernel}", at - range.start + 1),
                None => kernel.to_owned(),
            }
        };
        executor.epoch_dispatches().map(name).collect()
    }

    /// Runs one of [`GpuKernels::names`] so many times in one submission, and waits for it; a
    /// number that none has submits nothing to do, which is what a submission costs by itself.
    ///
    /// # Errors
    /// When the device fails or does not answer in time.
    pub fn run(&mut self, number: usize, times: usize) -> Result<(), EngineError> {
        let only = self.0.epoch_dispatches().nth(number);
        let only = only.map_or(0..0, |at| at..at + 1);
        self.0.replay(only, times)
    }
}
