//! Runs the dispatches of an epoch on a GPU one by one, for `cargo bench`. No test depends on a
//! time.

use grokrun_executor::{CellInput, EngineError, Executor, Program, Shape};

use super::GpuExecutor;
use crate::backend::Choice;

/// A cell on a GPU, whose dispatches can be run one by one.
pub struct GpuKernels(GpuExecutor);

impl GpuKernels {
    /// Opens the device and loads the cell. Returns `None` if the choice is not a GPU.
    ///
    /// # Errors
    /// As for [`open`](crate::open).
    pub fn new(
        choice: &Choice,
        shape: Shape,
        cell: CellInput,
    ) -> Result<Option<GpuKernels>, EngineError> {
        let Some(adapter) = choice.adapter() else {
            return Ok(None);
        };
        let mut executor = GpuExecutor::new(adapter, Program::folded(shape), vec![cell])?;
        // After an epoch, each dispatch finds the results of the dispatches before it.
        executor.run(1)?;
        Ok(Some(GpuKernels(executor)))
    }

    /// Returns the names of the dispatches in the order of an epoch: stage, number within the
    /// stage, and kernel.
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

    /// Runs one of [`GpuKernels::names`] `times` times in one submission, and waits for it. A
    /// number beyond the names submits no dispatch, which shows the cost of a submission alone.
    ///
    /// # Errors
    /// When the device fails or does not answer in time.
    pub fn run(&mut self, number: usize, times: usize) -> Result<(), EngineError> {
        let only = self.0.epoch_dispatches().nth(number);
        let only = only.map_or(0..0, |at| at..at + 1);
        self.0.replay(only, times)
    }
}
