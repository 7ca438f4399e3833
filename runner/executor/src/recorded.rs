//! A cell of any recorded program.

use grokrun_program::{Batches, Data, ModelState, Program};

/// One model to train: a program with its data and its state.
#[derive(Clone, Debug)]
pub struct ProgramCell {
    /// Forward, backward and update stages.
    pub program: Program,
    /// The training samples, or those of the first step.
    pub train: Data,
    /// The test samples.
    pub test: Data,
    /// Parameters, slots and the steps taken.
    pub state: ModelState,
}

/// A program's cell with the order of its minibatches.
#[derive(Clone, Debug)]
pub struct RecordedCell {
    /// The program, its data and its state.
    pub cell: ProgramCell,
    /// The minibatches of the epochs to come; one step on all samples if there are none.
    pub batches: Option<Batches>,
}
