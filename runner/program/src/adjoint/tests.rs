use grokrun_task::torch::Generator;

use super::*;
use crate::architecture::{Activation, Architecture, Bias, Input, Mask, Model, Norm, Pattern};
use crate::examples::{mlp, signs, transformer, with};
use crate::interpret::{Data, Interpreter};
use crate::loss::{Loss, LossKind, Precision};
use crate::optimizer::{Group, Recipe, train};
use crate::plain::plain;

fn data(program: &Program) -> Data {
    let (n, operands) = (program.tokens, program.operands);
    let samples = 11;
    let tokens = (0..samples * operands).map(|i| ((i * 7 + i / 3) % n) as u32);
    let labels = (0..samples).map(|i| ((i * 5 + 1) % program.classes) as u32);
    Data::new(program, tokens.collect(), labels.collect()).unwrap()
}

/// Compares the gradient of every third entry of the trained parameters with a central difference,
/// in f64.
fn check(architecture: &Architecture, loss: &Loss) {
    let program = train(plain(architecture, loss).unwrap(), &Recipe::published()).unwrap();
    program.check().unwrap();
    let mut model = Interpreter::<f64>::new(&program, data(&program), data(&program)).unwrap();
    let mut weights = vec![0.0; program.parameters.count()];
    Generator::new(3).normal(&mut weights, 0.0, 0.7);
    model
        .load(&program.initial_state(weights).unwrap())
        .unwrap();
    let run = |model: &mut Interpreter<f64>, stages: &[Stage]| {
        stages.iter().for_each(|stage| model.run(*stage));
        model.score(Part::Train).loss
    };
    let forward = [Stage::Shared, Stage::Forward(Part::Train)];
    run(&mut model, &forward);
    // The stage runs twice: its result must not depend on what an earlier run left in the tables.
    run(&mut model, &[Stage::Backward, Stage::Backward]);
    let (mut compared, mut largest) = (0, 0.0_f64);
    for id in program.trained() {
        let gradient = model.table(program.gradient(id).unwrap()).to_vec();
        for (place, exact) in gradient.iter().enumerate().step_by(3) {
            let middle = model.table(id)[place];
            let h = 1e-4;
            let [up, down, far_up, far_down] = [h, -h, 2.0 * h, -2.0 * h].map(|h| {
                model.table_mut(id)[place] = middle + h;
                run(&mut model, &forward)
            });
            model.table_mut(id)[place] = middle;
            // This difference is exact up to the fourth derivative.
            let difference = (8.0 * (up - down) - (far_up - far_down)) / (12.0 * h);
            assert!(
                (difference - exact).abs() < 1e-7 * (1.0 + exact.abs()),
                "{} {place}: {exact} {difference}",
                program.table(id).name
            );
            compared += 1;
            largest = largest.max(exact.abs());
        }
    }
    assert!(3 * compared >= program.parameters.trained());
    assert!(largest > 1e-3);
}

fn smooth(architecture: Architecture) -> Architecture {
    let mut architecture = architecture;
    match &mut architecture.model {
        Model::Transformer(t) => {
            for neurons in t.blocks.iter_mut().filter_map(|b| b.mlp.as_mut()) {
                neurons.activation = Activation::Gelu;
            }
        }
        Model::Mlp(m) => m.activation = Activation::Gelu,
    }
    architecture
}

fn attending(architecture: Architecture, pattern: Pattern) -> Architecture {
    with(architecture, |t| {
        for attention in t.blocks.iter_mut().filter_map(|b| b.attention.as_mut()) {
            attention.pattern = pattern;
        }
    })
}

#[test]
fn transformers_of_every_norm_and_mask() {
    for norm in [Norm::None, Norm::Pre, Norm::Post] {
        check(&smooth(transformer(2, norm)), &Loss::PUBLISHED);
        let unmasked = with(transformer(2, norm), |t| t.mask = Mask::None);
        check(&smooth(unmasked), &Loss::PUBLISHED);
    }
}

#[test]
fn every_pattern_of_attention() {
    for pattern in [Pattern::Uniform, Pattern::Rate(0.0), Pattern::Rate(0.4)] {
        check(
            &smooth(attending(transformer(2, Norm::None), pattern)),
            &Loss::PUBLISHED,
        );
    }
}

#[test]
fn without_separator_neurons_or_biases_and_with_tied_weights() {
    let bare = with(transformer(3, Norm::None), |t| {
        t.separator = false;
        t.mask = Mask::None;
        t.tied = true;
        t.attention_biases = Bias::None;
        t.mlp_biases = Bias::Frozen;
        t.blocks[1].mlp = None;
        t.blocks[2].attention = None;
    });
    check(&smooth(bare), &Loss::PUBLISHED);
}

#[test]
fn three_operands() {
    let mut three = smooth(transformer(1, Norm::Pre));
    three.operands = 3;
    check(&three, &Loss::PUBLISHED);
    let mut three = smooth(mlp(
        Input::EmbeddingConcat {
            width: 3,
            shared: false,
        },
        &[6],
    ));
    three.operands = 3;
    check(&three, &Loss::PUBLISHED);
}

#[test]
fn perceptrons_of_every_input() {
    let inputs = [
        Input::TwoHot,
        Input::EmbeddingSum {
            width: 4,
            shared: true,
        },
        Input::EmbeddingSum {
            width: 4,
            shared: false,
        },
        Input::EmbeddingConcat {
            width: 4,
            shared: true,
        },
        Input::EmbeddingConcat {
            width: 4,
            shared: false,
        },
    ];
    for input in inputs {
        check(&smooth(mlp(input, &[6, 5])), &Loss::PUBLISHED);
    }
    check(&smooth(signs(9, &[6, 5])), &Loss::PUBLISHED);
}

#[test]
fn every_activation() {
    for activation in [
        Activation::Relu,
        Activation::GeluTanh,
        Activation::Quadratic,
        Activation::Power(3),
        Activation::Silu,
        Activation::Tanh,
        Activation::Identity,
    ] {
        let mut architecture = mlp(Input::TwoHot, &[6]);
        if let Model::Mlp(m) = &mut architecture.model {
            m.activation = activation;
        }
        check(&architecture, &Loss::PUBLISHED);
    }
}

#[test]
fn every_loss() {
    for kind in [LossKind::CrossEntropy, LossKind::Mse, LossKind::Stablemax] {
        let loss = Loss {
            kind,
            precision: Precision::F64,
            temperature: 0.5,
        };
        check(&smooth(mlp(Input::TwoHot, &[6])), &loss);
    }
}

#[test]
fn frozen_parameters_have_no_gradient() {
    let recipe = Recipe {
        groups: vec![Group {
            matching: "*embed.*".into(),
            learning_rate: None,
            weight_decay: None,
            frozen: true,
        }],
        ..Recipe::published()
    };
    let forward = plain(&transformer(1, Norm::None), &Loss::PUBLISHED).unwrap();
    let program = train(forward, &recipe).unwrap();
    assert!(program.find("d.embed.W_E").is_none() && program.find("d.unembed.W_U").is_none());
    // A table that depends on frozen parameters alone has no gradient either.
    assert!(program.find("d.embed.0").is_none());
    assert!(program.find("d.blocks.0.attn.W_V").is_some());
}
