//! Compares the forward pass over all pairs with the reference.

use grokrun_cpu::{Activations, GridPass, Wanted};
use grokrun_executor::reference::Reference;
use grokrun_executor::{Activation, InitScheme, Sample, Shape, initial_parameters};

const SHAPE: Shape = Shape {
    modulus: 13,
    d_model: 19,
    heads: 3,
    d_head: 5,
    d_mlp: 37,
    activation: Activation::Gelu,
    trained_biases: false,
};

/// Returns all pairs, a-major, each with its sum as label.
fn all_pairs() -> Vec<Sample> {
    let pair = |i: u32| Sample {
        a: i / 13,
        b: i % 13,
        label: (i / 13 + i) % 13,
    };
    (0..169).map(pair).collect()
}

#[test]
fn everything_that_is_wanted_agrees_with_the_reference() {
    let parameters = initial_parameters(&SHAPE, InitScheme::TransformerLens, 3);
    let all = Wanted {
        attention: true,
        pre: true,
        post: true,
        logits: true,
    };
    let mut pass = GridPass::new(SHAPE);
    let got = pass.run(&parameters, all).unwrap();
    let oracle = Reference::new(SHAPE, parameters.clone()).unwrap();
    let want = oracle.activations(&all_pairs()).unwrap();
    let got = [got.attention, got.pre, got.post, got.logits];
    for (part, (got, want)) in got.iter().zip(&want).enumerate() {
        assert_eq!(got.len(), want.len(), "part {part}");
        for (got, want) in got.iter().zip(want) {
            assert!(
                (f64::from(*got) - want).abs() < 1e-5,
                "part {part}: {got} {want}"
            );
        }
    }
    // The second run reuses the memory of other activations, with other numbers and other lengths.
    let mut again = Activations {
        pre: vec![f32::NAN; 13 * 13 * 37],
        post: vec![f32::NAN; 7],
        logits: vec![f32::NAN; 9999],
        ..Activations::default()
    };
    let at = again.pre.as_ptr();
    pass.run_into(&parameters, all, &mut again).unwrap();
    assert_eq!(again.pre.as_ptr(), at);
    assert_eq!([again.attention, again.pre, again.post, again.logits], got);
    let none = pass.run(&parameters, Wanted::default()).unwrap();
    assert_eq!(none, Activations::default());
    assert!(pass.run(&parameters[1..], all).is_err());
}
