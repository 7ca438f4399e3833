use super::*;
use crate::examples::{mlp, signs, transformer};

fn broken(change: impl Fn(&mut Architecture)) -> String {
    let mut architecture = transformer(2, Norm::None);
    change(&mut architecture);
    architecture.check().unwrap_err().to_string()
}

fn inner(architecture: &mut Architecture) -> &mut Transformer {
    match &mut architecture.model {
        Model::Transformer(t) => t,
        Model::Mlp(_) => panic!("a transformer"),
    }
}

#[test]
fn examples_are_models() {
    for norm in [Norm::None, Norm::Pre, Norm::Post] {
        transformer(3, norm).check().unwrap();
    }
    mlp(Input::TwoHot, &[8, 8]).check().unwrap();
}

#[test]
fn what_is_no_model_is_refused_with_what_was_expected() {
    let cases = [
        (broken(|a| a.tokens = 0), "tokens is 0; expected 2"),
        (broken(|a| a.operands = 6), "operands is 6; expected 1 to 5"),
        (broken(|a| inner(a).blocks.clear()), "layers is 0"),
        (broken(|a| inner(a).d_model = 0), "d_model is 0"),
        (
            broken(|a| {
                inner(a).blocks[1] = Block {
                    attention: None,
                    mlp: None,
                }
            }),
            "block 1 has neither",
        ),
        (
            broken(|a| inner(a).blocks.iter_mut().for_each(|b| b.attention = None)),
            "no block has attention",
        ),
        (broken(|a| inner(a).separator = false), "needs '='"),
        (
            broken(|a| {
                inner(a).tied = true;
                a.classes += 1;
            }),
            "as many classes as tokens",
        ),
    ];
    for (message, expected) in cases {
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn rates_and_powers_have_ranges() {
    for rate in [-0.1, 1.5, f64::NAN] {
        let message = broken(|a| {
            inner(a).blocks[0].attention.as_mut().unwrap().pattern = Pattern::Rate(rate);
        });
        assert!(message.contains("attention rate of block 0"), "{message}");
    }
    let mut architecture = mlp(Input::TwoHot, &[8]);
    if let Model::Mlp(mlp) = &mut architecture.model {
        mlp.activation = Activation::Power(1);
    }
    assert_eq!(
        architecture.check(),
        Err(ArchitectureError::Power { power: 1 })
    );
}

#[test]
fn signs_stand_for_two_values_and_there_are_at_most_64() {
    for operands in [1, 40, 64] {
        signs(operands, &[8]).check().unwrap();
    }
    assert!(signs(65, &[8]).check().is_err());
    let three = Architecture {
        tokens: 3,
        ..signs(4, &[8])
    };
    assert_eq!(three.check(), Err(ArchitectureError::Signs { tokens: 3 }));
    let mut wide = transformer(1, Norm::None);
    wide.operands = 6;
    assert!(wide.check().is_err());
}

#[test]
fn a_multilayer_perceptron_has_one_to_three_hidden_layers() {
    for hidden in [&[][..], &[4; 4], &[4, 0]] {
        assert!(mlp(Input::TwoHot, hidden).check().is_err(), "{hidden:?}");
    }
}
