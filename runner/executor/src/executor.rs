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

/// At which epochs of a call the test samples are evaluated: after every so many epochs of the
/// cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Evaluation {
    /// every so many epochs; at least 1
    pub every: u64,
    /// how many epochs the cell has trained before the call
    pub done: u64,
}

impl Evaluation {
    /// The evaluation after each epoch.
    pub const EACH: Evaluation = Evaluation { every: 1, done: 0 };

    /// Returns the evaluation of the call's epochs from this one on.
    #[must_use]
    pub fn after(self, epochs: usize) -> Evaluation {
        Evaluation {
            done: self.done + epochs as u64,
            ..self
        }
    }

    /// Returns whether the test samples are evaluated after the call's epoch number `epoch`,
    /// counted from 0.
    pub fn is_due(self, epoch: u64) -> bool {
        (self.done + epoch + 1).is_multiple_of(self.every)
    }
}

/// One epoch's metrics of one cell: train metrics from before the step, test metrics from after it;
/// the test metrics are NaN where the test samples were not evaluated.
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

impl EpochRow {
    /// Returns the row without test metrics.
    #[must_use]
    pub fn untested(self) -> EpochRow {
        EpochRow {
            test_loss: f64::NAN,
            test_accuracy: f64::NAN,
            ..self
        }
    }
}

/// Runs a program for a batch of cells (replicas) of one shape.
///
/// The numbers of a replica never depend on the other replicas in the batch, on the number of
/// threads, or on how epochs are grouped into calls.
pub trait Executor: Send {
    /// Trains `epochs` epochs, and evaluates the test samples after each. Returns a row for each
    /// replica, for each epoch.
    ///
    /// # Errors
    /// When the device fails or does not answer in time.
    fn run(&mut self, epochs: u64) -> Result<Vec<Vec<EpochRow>>, EngineError> {
        self.run_evaluating(epochs, Evaluation::EACH)
    }

    /// Does the same, but evaluates the test samples only when the evaluation is due. What is
    /// trained, and each metric that is there, is the same.
    ///
    /// # Errors
    /// When the device fails or does not answer in time.
    fn run_evaluating(
        &mut self,
        epochs: u64,
        evaluation: Evaluation,
    ) -> Result<Vec<Vec<EpochRow>>, EngineError>;

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
