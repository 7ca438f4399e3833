//! What an executor promises, and what goes in and comes out: cells, rows of metrics, states.

use grokrun_program::ModelState;

use crate::EngineError;
use crate::data::Pairs;
use crate::program::{Stage, Table};
use crate::schedule::Recipe;

/// One cell to train: its data, recipe and starting state.
#[derive(Clone, Debug)]
pub struct CellInput {
    /// train and test pairs
    pub pairs: Pairs,
    /// optimizer settings
    pub recipe: Recipe,
    /// The flat parameter vector (see [`crate::Parameter`]), AdamW's m and v as its two
    /// slots, each as long as the parameters, and the number of steps taken.
    pub state: ModelState,
}

/// Returns the state of step 0 of the folded program: these parameters and zero moments.
pub fn initial_state(parameters: Vec<f32>) -> ModelState {
    let zeros = vec![0.0; parameters.len()];
    ModelState {
        step: 0,
        slots: vec![zeros.clone(), zeros],
        parameters,
    }
}

/// Returns m and v of a state of the folded program. Whether they are as long as the shape's
/// parameters is for the caller to check, together with the parameters themselves.
///
/// # Errors
/// When the state has not two slots.
pub fn moments(state: &ModelState) -> Result<[&[f32]; 2], EngineError> {
    match state.slots.as_slice() {
        [first, second] => Ok([first, second]),
        slots => Err(EngineError::Data(format!(
            "the state has {} slots; the folded program has 2",
            slots.len()
        ))),
    }
}

/// One epoch's metrics of one cell: train before the step, test after it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EpochRow {
    /// mean cross-entropy over the training pairs
    pub train_loss: f64,
    /// mean cross-entropy over the test pairs
    pub test_loss: f64,
    /// share of training pairs whose largest logit is the label's
    pub train_accuracy: f64,
    /// the same over the test pairs
    pub test_accuracy: f64,
}

/// Replays a program for a batch of cells (replicas) of one shape.
///
/// A replica's numbers never depend on the others in the batch, on the number of threads, or on
/// how epochs are grouped into calls.
pub trait Executor: Send {
    /// Trains `epochs` epochs. Returns for each epoch a row for each replica.
    ///
    /// # Errors
    /// When the device fails or does not answer in time.
    fn run(&mut self, epochs: u64) -> Result<Vec<Vec<EpochRow>>, EngineError>;

    /// Copies a replica's state out.
    ///
    /// # Errors
    /// When the device fails or does not answer in time.
    fn state(&mut self, replica: usize) -> Result<ModelState, EngineError>;

    /// The most epochs worth running in one call of [`Executor::run`], so that progress and
    /// Ctrl-C stay prompt (about a quarter of a second).
    fn epochs_per_call(&self) -> u64;

    /// The device, in words, as it goes into the summary.
    fn device(&self) -> String;
}

/// An executor of the folded program, of which each stage can be run and looked at.
pub trait Staged: Executor {
    /// Runs one stage by itself, for tests and benchmarks.
    ///
    /// # Errors
    /// When the device fails or does not answer in time.
    fn run_stage(&mut self, stage: Stage) -> Result<(), EngineError>;

    /// Reads a stage-boundary table of a replica, for tests.
    ///
    /// # Errors
    /// When the device fails or does not answer in time.
    fn table(&mut self, replica: usize, table: Table) -> Result<Vec<f32>, EngineError>;
}
