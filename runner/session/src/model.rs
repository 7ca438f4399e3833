//! How a cell's model is trained: by the fused passes of the folded model, or by its program.

use grokrun_engine::{Recipe, Shape};
use grokrun_program::{
    Architecture, Batches, Loss, ModelState, Parameters, Program, folded, initial_parameters,
    plain, train,
};
use grokrun_spec::{Batch, Cell, ScheduledChange};

use crate::SessionError;
use crate::start;

/// The model of a cell, as far as executors and files need it.
#[derive(Clone, Debug, PartialEq)]
pub enum Model {
    /// One causal block without normalisation, trained by AdamW on the full batch: fused passes
    /// run it, on any device, and analyses look at it.
    Folded(Shape),
    /// Any other model or recipe: its recorded program is run, on any device.
    Recorded(Box<Architecture>),
}

impl Model {
    /// The model of a cell.
    pub(crate) fn of(cell: &Cell) -> Model {
        let architecture = cell.architecture();
        let plainly_trained = Recipe::of(&cell.recipe()).is_some()
            && cell.settings.train.loss == Loss::PUBLISHED
            && cell
                .settings
                .train
                .changes
                .iter()
                .all(ScheduledChange::is_of_numbers)
            && cell.settings.batch == Batch::Full;
        match Shape::of(&architecture).filter(|_| plainly_trained) {
            Some(shape) => Model::Folded(shape),
            None => Model::Recorded(Box::new(architecture)),
        }
    }

    /// The shape of a folded model.
    pub fn shape(&self) -> Option<&Shape> {
        match self {
            Model::Folded(shape) => Some(shape),
            Model::Recorded(_) => None,
        }
    }

    /// The shape, where nothing else will do.
    ///
    /// # Errors
    /// When the model is not folded; `what` cannot be done with it.
    pub(crate) fn folded(&self, what: &str) -> Result<Shape, SessionError> {
        self.shape().copied().ok_or_else(|| {
            SessionError::Request(format!(
                "{what} one-layer transformers with '=', a causal softmax, no norms, ReLU or GELU neurons, trained by adamw on the full batch; this model is another"
            ))
        })
    }

    /// What it is made of.
    pub(crate) fn architecture(&self) -> Architecture {
        match self {
            Model::Folded(shape) => shape.architecture(),
            Model::Recorded(architecture) => (**architecture).clone(),
        }
    }

    /// Its parameters.
    ///
    /// # Errors
    /// When the architecture is none, which the spec refuses before.
    pub(crate) fn parameters(&self) -> Result<Parameters, SessionError> {
        Parameters::new(&self.architecture()).map_err(request)
    }
}

fn request(error: impl std::fmt::Display) -> SessionError {
    SessionError::Request(error.to_string())
}

/// Records the program of a cell, with its gradients and its update.
///
/// # Errors
/// When model, loss or recipe are none, which the spec refuses before.
pub(crate) fn record(cell: &Cell) -> Result<Program, SessionError> {
    let (architecture, loss) = (cell.architecture(), cell.settings.train.loss);
    let forward = match folded(&architecture, &loss).map_err(request)? {
        Some(folded) => folded,
        None => plain(&architecture, &loss).map_err(request)?,
    };
    train(forward, &cell.recipe()).map_err(request)
}

/// The state at epoch 0.
///
/// # Errors
/// When the initial weights are not defined for the model, which the spec refuses before.
pub(crate) fn initial(cell: &Cell, model: &Model) -> Result<ModelState, SessionError> {
    let parameters = match &cell.settings.start {
        Some(start) => start::parameters(cell, model, start)?,
        None => initial_parameters(
            &model.architecture(),
            &model.parameters()?,
            cell.init(),
            cell.settings.model.init_scale,
            cell.model_seed,
        )
        .map_err(request)?,
    };
    state_of(cell, model, parameters)
}

/// The state of an optimizer that begins with these parameters.
///
/// # Errors
/// When they are not those of the cell's program.
pub(crate) fn state_of(
    cell: &Cell,
    model: &Model,
    parameters: Vec<f32>,
) -> Result<ModelState, SessionError> {
    match model {
        Model::Folded(_) => Ok(grokrun_engine::initial_state(parameters)),
        Model::Recorded(_) => record(cell)?.initial_state(parameters).map_err(request),
    }
}

/// The minibatches of the epochs after `epoch`, of so many training samples; none if an epoch is
/// one step.
///
/// # Errors
/// When there are fewer samples than a minibatch has.
pub(crate) fn batches(
    cell: &Cell,
    samples: usize,
    epoch: u64,
) -> Result<Option<Batches>, SessionError> {
    let Batch::Size { size, seed } = cell.settings.batch else {
        return Ok(None);
    };
    // No data set has more pairs than 32 bits hold.
    let count = u32::try_from(samples).map_err(request)?;
    let mut batches = Batches::new(seed, count, size)
        .map_err(|error| SessionError::Request(format!("cell {}: {error}", cell.id)))?;
    batches.skip(epoch);
    Ok(Some(batches))
}
