//! Records any architecture as a forward program, with the operations of the published code.
//!
//! Owns how each kind of layer is written in operations. Extents save most of the work: a value
//! that depends on one token has a row for each token (keys and values of the first block; position
//! 0 in every block under a causal mask), and the last block continues from the last position
//! alone.

mod mlp;
mod transformer;

use crate::architecture::{Architecture, ArchitectureError, Model};
use crate::builder::Builder;
use crate::loss::{Loss, LossError};
use crate::program::Program;
pub(crate) use transformer::{embed, unembedding};

/// Why a program cannot be recorded.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum RecordError {
    /// The architecture is not valid.
    #[error(transparent)]
    Architecture(#[from] ArchitectureError),
    /// The loss is not valid.
    #[error(transparent)]
    Loss(#[from] LossError),
}

/// Records the forward program of an architecture, for both parts, with their losses.
///
/// # Errors
/// Returns what is wrong with the architecture or the loss.
///
/// # Examples
/// ```
/// use grokrun_program::{Architecture, Init, Interpreter, Loss, Part, Samples, Stage};
/// use grokrun_program::{Data, initial_parameters, plain};
///
/// let architecture = Architecture::published(7);
/// let program = plain(&architecture, &Loss::PUBLISHED)?;
/// let parameters = initial_parameters(
///     &architecture, &program.parameters, Init::TransformerLens, 1.0, 999)?;
/// let pairs: Vec<u32> = (0..49).flat_map(|i| [i / 7, i % 7]).collect();
/// let labels = (0..49).map(|i| (i / 7 + i % 7) % 7).collect();
/// let data = Data::new(&program, pairs, labels)?;
/// let mut model = Interpreter::<f64>::new(&program, data.clone(), data)?;
/// model.load(&program.initial_state(parameters)?)?;
/// model.run(Stage::Shared);
/// model.run(Stage::Forward(Part::Train));
/// assert!((model.score(Part::Train).loss - 7f64.ln()).abs() < 1.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn plain(architecture: &Architecture, loss: &Loss) -> Result<Program, RecordError> {
    loss.check()?;
    let mut builder = Builder::new(architecture)?;
    let logits = match &architecture.model {
        Model::Transformer(model) => transformer::record(&mut builder, architecture, model),
        Model::Mlp(model) => mlp::record(&mut builder, architecture, model),
    };
    Ok(builder.finish(logits, *loss))
}

#[cfg(test)]
mod tests;
