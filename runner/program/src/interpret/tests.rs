use grokrun_task::torch::Generator;

use super::*;
use crate::architecture::{Input, Norm};
use crate::examples::{mlp, transformer};
use crate::loss::Loss;
use crate::optimizer::{Filter, GrokfastMa, Recipe, Sphere, train};
use crate::plain::plain;

fn program() -> Program {
    let recipe = Recipe {
        filters: vec![Filter::GrokfastMa(GrokfastMa {
            window: 3,
            lambda: 0.5,
        })],
        sphere: Some(Sphere {
            multiple: 0.9,
            each: true,
        }),
        warmup: 2,
        ..Recipe::published()
    };
    let forward = plain(&transformer(2, Norm::Pre), &Loss::PUBLISHED).unwrap();
    train(forward, &recipe).unwrap()
}

fn samples(program: &Program, count: usize) -> Data {
    let tokens = (0..2 * count).map(|i| (i * 3 % program.tokens) as u32);
    let labels = (0..count).map(|i| (i % program.classes) as u32);
    Data::new(program, tokens.collect(), labels.collect()).unwrap()
}

fn weights(program: &Program) -> Vec<f32> {
    let mut weights = vec![0.0; program.parameters.count()];
    Generator::new(1).normal(&mut weights, 0.0, 0.4);
    weights
}

#[test]
fn a_state_that_is_loaded_goes_on_byte_for_byte() {
    let program = program();
    let data = || samples(&program, 12);
    let mut whole = Interpreter::<f32>::new(&program, data(), data()).unwrap();
    whole
        .load(&program.initial_state(weights(&program)).unwrap())
        .unwrap();
    for _ in 0..4 {
        whole.train();
    }
    let middle = whole.state();
    assert_eq!(middle.step, 4);
    let mut later = Interpreter::<f32>::new(&program, data(), data()).unwrap();
    later.load(&middle).unwrap();
    for _ in 0..3 {
        assert_eq!(whole.train(), later.train());
        assert_eq!(whole.evaluate(), later.evaluate());
    }
    assert_eq!(whole.state(), later.state());
}

#[test]
fn a_state_of_another_program_is_refused() {
    let program = program();
    let data = samples(&program, 4);
    let mut model = Interpreter::<f32>::new(&program, data.clone(), data).unwrap();
    let good = program.initial_state(weights(&program)).unwrap();
    let mut short = good.clone();
    short.parameters.pop();
    let error = model.load(&short).unwrap_err().to_string();
    assert!(
        error.contains("parameters has") && error.contains("expected"),
        "{error}"
    );
    let mut fewer = good.clone();
    fewer.slots.pop();
    assert!(model.load(&fewer).is_err());
    let mut longer = good;
    longer.slots[0].push(0.0);
    assert!(model.load(&longer).is_err());
}

#[test]
fn batches_of_any_size_follow_each_other() {
    let forward = plain(&mlp(Input::TwoHot, &[6]), &Loss::PUBLISHED).unwrap();
    let program = train(forward, &Recipe::published()).unwrap();
    let all = samples(&program, 10);
    let mut model = Interpreter::<f64>::new(&program, all.clone(), all.clone()).unwrap();
    model
        .load(&program.initial_state(weights(&program)).unwrap())
        .unwrap();
    model.run(Stage::Shared);
    model.run(Stage::Forward(Part::Train));
    let whole = model.score(Part::Train);
    let mut mean = 0.0;
    for places in [&[0, 1, 2, 3, 4, 5, 6][..], &[7, 8, 9]] {
        model.set_train(all.pick(places)).unwrap();
        model.run(Stage::Forward(Part::Train));
        mean += model.score(Part::Train).loss * places.len() as f64 / 10.0;
    }
    assert!((mean - whole.loss).abs() < 1e-14);
}

#[test]
fn samples_that_do_not_fit_are_named() {
    let program = program();
    let new = |tokens: &[u32], labels: &[u32]| {
        let error = Data::new(&program, tokens.to_vec(), labels.to_vec()).unwrap_err();
        error.to_string()
    };
    assert!(new(&[0, 1, 2], &[0]).contains("expected 2 for each label"));
    assert!(new(&[0, 1, 2, 5], &[0, 0]).contains("sample 1 has the token 5; expected one below 5"));
    assert!(new(&[0, 1], &[7]).contains("label 7"));
}

#[test]
fn the_sphere_keeps_every_norm() {
    let program = program();
    let data = samples(&program, 8);
    let mut model = Interpreter::<f64>::new(&program, data.clone(), data).unwrap();
    model
        .load(&program.initial_state(weights(&program)).unwrap())
        .unwrap();
    let first: Vec<f64> = program.trained().map(|id| model.norm(&[id])).collect();
    for _ in 0..3 {
        model.train();
    }
    for (id, first) in program.trained().zip(first) {
        assert!((model.norm(&[id]) - 0.9 * first).abs() < 1e-12);
    }
}
