//! Defines what an executor does, and its inputs and outputs: cells, rows of metrics, states.

use grokrun_program::ModelState;

use crate::EngineError;
use crate::data::Pairs;
use crate::program::{Stage, Table};
use crate::schedule::Recipe;

/// One cell to train: its data, recipe and initial state.
#[derive(Clone, Debug)]
pub struct CellInput {
    /// the training and test pairs
    pub pairs: Pairs,
    /// the settings of the optimizer
    pub recipe: Recipe,
    /// The flat parameter vector (see [`crate::Parameter`]), AdamW's m and v as two slots of the
    /// same length, and the number of steps taken.
    pub state: ModelState,
}

/// Returns the state of step 0 of the folded program, with these parameters and zero moments.
pub fn initial_state(parameters: Vec<f32>) -> ModelState {
    let zeros = vec![0.0; parameters.len()];
    ModelState {
        step: 0,
        slots: vec![zeros.clone(), zeros],
        parameters,
    }
}

/// Returns m and v of a state of the folded program. The caller checks the lengths of the moments
/// and of the parameters.
///
/// # Errors
/// When the state does not have two slots.
pub fn moments(state: &ModelState) -> Result<[&[f32]; 2], EngineError> {
    match state.slots.as_slice() {
        [first, second] => Ok([first, second]),
        slots => Err(EngineError::Data(format!(
            "the state has {} slots; expected 2, the moments m and v",
            slots.len()
        ))),
    }
}

/// One epoch's metrics of one cell: train metrics from before the step, test metrics from after it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EpochRow {
    /// mean cross-entropy over the training pairs
    pub train_loss: f64,
    /// mean cross-entropy over the test pairs
    pub test_loss: f64,
    /// share of training pairs whose largest logit is the label's
    pub train_accuracy: f64,
    /// share of test pairs whose largest logit is the label's
    pub test_accuracy: f64,
}

/// Runs a program for a batch of cells (replicas) of one shape.
///
/// The numbers of a replica never depend on the other replicas in the batch, on the number of
/// threads, or on how epochs are grouped into calls.
pub trait Executor: Send {
    /// Trains `epochs` epochs. Returns a row for each replica, for each epoch.
    ///
    /// # Errors
    /// When the device fails or does not answer in time.
    fn run(&mut self, epochs: u64) -> Result<Vec<Vec<EpochRow>>, EngineError>;

    /// Copies the state of a replica to the host.
    ///
    /// # Errors
    /// When the device fails or does not answer in time.
    fn state(&mut self, replica: usize) -> Result<ModelState, EngineError>;

    /// Returns the largest useful number of epochs for one call of [`Executor::run`], so that
    /// progress and Ctrl-C stay prompt (about a quarter of a second).
    fn epochs_per_call(&self) -> u64;

    /// Returns a description of the device, as the summary prints it.
    fn device(&self) -> String;
}

/// An executor of the folded program whose stages can be run, and whose tables can be read, one by
/// one.
pub trait Staged: Executor {
    /// Runs one stage by itself, for tests and benchmarks.
    ///
    /// # Errors
    /// When the device fails or does not answer in time.
    fn run_stage(&mut self, stage: Stage) -> Result<(), EngineError>;

    /// Reads the table of a replica at a stage boundary, for tests.
    ///
    /// # Errors
    /// When the device fails or does not answer in time.
    fn table(&mut self, replica: usize, table: Table) -> Result<Vec<f32>, EngineError>;
}
