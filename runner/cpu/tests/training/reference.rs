//! Compares the CPU executor with the reference. The program crate tests that the reference's
//! gradients are those of finite differences.

use grokrun_cpu::CpuExecutor;
use grokrun_executor::reference::{Gradients, Reference, train_reference};
use grokrun_executor::{
    Activation, CellInput, Executor as _, InitScheme, Pairs, Parameter, Program, Recipe, Sample,
    Shape, Stage, Staged as _, Table, initial_parameters, initial_state,
};

const TINY: Shape = Shape {
    modulus: 5,
    d_model: 6,
    heads: 2,
    d_head: 3,
    d_mlp: 7,
    activation: Activation::Gelu,
    trained_biases: true,
};

fn pairs(p: u32) -> (Vec<Sample>, Vec<Sample>) {
    let all = (0..p * p).map(|i| Sample {
        a: i / p,
        b: i % p,
        label: (3 * (i / p) + i % p) % p,
    });
    all.partition(|s| (s.a * 7 + s.b * 3) % 5 < 2)
}

/// Returns weights several times as large as usual, so that nothing is nearly linear.
fn parameters(shape: &Shape) -> Vec<f32> {
    let mut parameters = initial_parameters(shape, InitScheme::TransformerLens, 11);
    for (i, w) in parameters.iter_mut().enumerate() {
        *w = 2.0 * *w
            + if i >= Parameter::BiasIn.offset(shape) {
                0.1 * (i % 5) as f32
            } else {
                0.0
            };
    }
    parameters
}

#[test]
fn the_cpu_executor_has_the_gradients_of_the_f64_reference() {
    let odd = Shape {
        modulus: 13,
        d_model: 19,
        heads: 3,
        d_head: 5,
        d_mlp: 37,
        ..TINY
    };
    let plain = Shape {
        modulus: 23,
        d_model: 32,
        heads: 4,
        d_head: 8,
        d_mlp: 64,
        activation: Activation::Relu,
        trained_biases: false,
    };
    let narrow = Shape {
        modulus: 2,
        d_model: 1,
        heads: 1,
        d_head: 1,
        d_mlp: 1,
        ..TINY
    };
    for shape in [TINY, odd, plain, narrow] {
        let (train, test) = pairs(shape.modulus as u32);
        let start = parameters(&shape);
        let oracle = Reference::new(shape, start.clone()).unwrap();
        let Gradients {
            gradient,
            loss,
            accuracy,
        } = oracle.gradients(&train).unwrap();
        let cell = cell(&shape, train, test, start);
        let mut cpu = CpuExecutor::new(Program::folded(shape), vec![cell], Some(2)).unwrap();
        for stage in [Stage::Learn, Stage::Unfold] {
            cpu.run_stage(stage).unwrap();
        }
        let got = cpu.table(0, Table::Gradients).unwrap();
        for parameter in Parameter::ALL {
            let range = parameter.range(&shape);
            if range.end > shape.trained() {
                continue;
            }
            let largest = gradient[range.clone()]
                .iter()
                .fold(1e-12f64, |m, g| m.max(g.abs()));
            for i in range {
                let apart = (f64::from(got[i]) - gradient[i]).abs();
                assert!(
                    apart < 1e-5 * largest,
                    "{shape:?} {parameter:?} {i}: {} {}",
                    got[i],
                    gradient[i]
                );
            }
        }
        let row = cpu.run(1).unwrap()[0][0];
        assert!((row.train_loss / loss - 1.0).abs() < 1e-6);
        assert_eq!(row.train_accuracy, accuracy);
    }
}

#[test]
fn both_precisions_train_alike() {
    let (train, test) = pairs(5);
    let cell = cell(&TINY, train, test, parameters(&TINY));
    let single = train_reference::<f32>(&TINY, &cell, 30).unwrap();
    let double = train_reference::<f64>(&TINY, &cell, 30).unwrap();
    let mut cpu = CpuExecutor::new(Program::folded(TINY), vec![cell], Some(1)).unwrap();
    let cpu = cpu.run(30).unwrap();
    for ((s, d), c) in single.iter().zip(&double).zip(&cpu) {
        for (s, d, c) in [
            (s.train_loss, d.train_loss, c[0].train_loss),
            (s.test_loss, d.test_loss, c[0].test_loss),
        ] {
            assert!(
                (s / d - 1.0).abs() < 2e-5 && (c / d - 1.0).abs() < 2e-5,
                "{s} {d} {c}"
            );
        }
    }
    assert!(
        double[29].train_loss < 0.9 * double[0].train_loss,
        "it learns"
    );
}

#[test]
fn a_program_that_is_not_the_folded_one_is_refused() {
    let (train, test) = pairs(5);
    let cell = cell(&TINY, train, test, parameters(&TINY));
    let mut other = Program::folded(TINY);
    other.epoch.pop();
    assert!(CpuExecutor::new(other, vec![cell], None).is_err());
}

fn cell(shape: &Shape, train: Vec<Sample>, test: Vec<Sample>, parameters: Vec<f32>) -> CellInput {
    let recipe = Recipe {
        warmup: 3,
        ..Recipe::PUBLISHED
    };
    let pairs = Pairs::new(shape.modulus, train, test).unwrap();
    CellInput {
        pairs,
        recipe,
        state: initial_state(parameters),
    }
}
