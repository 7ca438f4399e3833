use grokrun_task::torch::Generator;

use super::*;
use crate::architecture::{Activation, Bias, Input};
use crate::examples::{mlp, transformer, with};
use crate::interpret::{Data, Interpreter};
use crate::optimizer::{Recipe, train};
use crate::plain::plain;
use crate::program::Stage;

/// Returns the loss, the logits and every gradient of a program in f64.
fn run(forward: Program) -> Vec<(String, Vec<f64>)> {
    let program = train(forward, &Recipe::published()).unwrap();
    let (n, operands) = (program.tokens, program.operands);
    let tokens = (0..13 * operands).map(|i| ((i * 7 + i / 3) % n) as u32);
    let labels = (0..13).map(|i| (i * 5 % n) as u32);
    let data = Data::new(&program, tokens.collect(), labels.collect()).unwrap();
    let mut model = Interpreter::<f64>::new(&program, data.clone(), data).unwrap();
    let mut weights = vec![0.0; program.parameters.count()];
    Generator::new(8).normal(&mut weights, 0.0, 0.6);
    model
        .load(&program.initial_state(weights).unwrap())
        .unwrap();
    for stage in [Stage::Shared, Stage::Forward(Part::Train), Stage::Backward] {
        model.run(stage);
    }
    model.run(Stage::Forward(Part::Test));
    let losses = [Part::Train, Part::Test].map(|part| model.score(part).loss);
    let mut all = vec![("loss".to_string(), losses.to_vec())];
    let logits = program.find("test.logits").unwrap();
    all.push(("logits".into(), model.table(logits).to_vec()));
    for id in program.trained() {
        let gradient = model.table(program.gradient(id).unwrap());
        all.push((program.table(id).name.clone(), gradient.to_vec()));
    }
    all
}

fn same_as_plain(architecture: &Architecture) {
    let fold = folded(architecture, &Loss::PUBLISHED).unwrap().unwrap();
    fold.check().unwrap();
    let ours = run(fold);
    let theirs = run(plain(architecture, &Loss::PUBLISHED).unwrap());
    assert_eq!(ours.len(), theirs.len());
    for ((name, ours), (same, theirs)) in ours.into_iter().zip(theirs) {
        assert_eq!(name, same);
        // b_K shifts all scores alike, so its gradient is rounding error alone.
        let largest = theirs.iter().fold(1e-2_f64, |m, x| m.max(x.abs()));
        for (ours, theirs) in ours.iter().zip(&theirs) {
            assert!(
                (ours - theirs).abs() < 1e-12 * largest,
                "{name}: {ours} {theirs}"
            );
        }
    }
}

#[test]
fn the_fold_is_the_same_function_with_the_same_gradients() {
    same_as_plain(&transformer(1, Norm::None));
    same_as_plain(&with(transformer(1, Norm::None), |t| {
        t.attention_biases = Bias::None;
        t.mlp_biases = Bias::Frozen;
        t.unembedding_bias = Bias::None;
        t.tied = true;
        t.blocks[0].mlp.as_mut().unwrap().activation = Activation::Gelu;
    }));
    same_as_plain(&with(transformer(1, Norm::None), |t| {
        t.blocks[0].mlp = None
    }));
    let mut three = transformer(1, Norm::None);
    three.operands = 3;
    same_as_plain(&three);
}

#[test]
fn what_does_not_fold_says_so() {
    let none =
        |architecture: &Architecture| folded(architecture, &Loss::PUBLISHED).unwrap().is_none();
    assert!(none(&transformer(2, Norm::None)));
    assert!(none(&transformer(1, Norm::Pre)));
    assert!(none(&mlp(Input::TwoHot, &[4])));
    assert!(none(&with(transformer(1, Norm::None), |t| {
        t.blocks[0].attention.as_mut().unwrap().pattern = Pattern::Rate(0.5);
    })));
    let broken = with(transformer(1, Norm::None), |t| t.d_model = 0);
    assert!(folded(&broken, &Loss::PUBLISHED).is_err());
}
