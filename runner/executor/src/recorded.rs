//! Defines a cell of any recorded program.

use grokrun_program::{Batches, Data, ModelState, Program};

/// One model to train: a program with its data and its state.
#[derive(Clone, Debug)]
pub struct ProgramCell {
    /// The program, with forward, backward and update stages.
    pub program: Program,
    /// The training samples, or those of the first step.
    pub train: Data,
    /// The test samples.
    pub test: Data,
    /// The parameters, the slots and the number of steps taken.
    pub state: ModelState,
}

/// A cell of a program, with the order of its minibatches.
#[derive(Clone, Debug)]
pub struct RecordedCell {
    /// The program, its data and its state.
    pub cell: ProgramCell,
    /// The minibatches of the epochs to come; `None` means one step on all samples for each epoch.
    pub batches: Option<Batches>,
}
