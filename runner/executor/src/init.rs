//! Draws the initial weights of the folded model, by the program crate's schemes.

pub use grokrun_program::Init as InitScheme;

use crate::shape::Shape;

/// Returns the flat parameter vector of epoch 0, in the order of [`crate::Parameter::ALL`]; biases
/// start at zero. If the scheme is not defined for transformers, the vector is all zeros.
pub fn initial_parameters(shape: &Shape, scheme: InitScheme, seed: i64) -> Vec<f32> {
    let architecture = shape.architecture();
    grokrun_program::Parameters::new(&architecture)
        .ok()
        .and_then(|parameters| {
            grokrun_program::initial_parameters(&architecture, &parameters, scheme, 1.0, seed).ok()
        })
        .unwrap_or_else(|| vec![0.0; shape.parameters()])
}
