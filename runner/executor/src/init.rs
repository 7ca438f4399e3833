//! The initial weights of the folded model: the program crate's, for its architecture.

pub use grokrun_program::Init as InitScheme;

use crate::shape::Shape;

/// Returns the flat parameter vector of epoch 0, in the order of [`crate::Parameter::ALL`]; biases
/// start at zero. A scheme that is not defined for transformers draws nothing.
pub fn initial_parameters(shape: &Shape, scheme: InitScheme, seed: i64) -> Vec<f32> {
    let architecture = shape.architecture();
    grokrun_program::Parameters::new(&architecture)
        .ok()
        .and_then(|parameters| {
            grokrun_program::initial_parameters(&architecture, &parameters, scheme, 1.0, seed).ok()
        })
        .unwrap_or_else(|| vec![0.0; shape.parameters()])
}
