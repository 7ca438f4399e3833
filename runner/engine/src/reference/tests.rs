//! The oracle against finite differences, and the CPU executor against the oracle.

use super::*;
use crate::cpu::CpuExecutor;
use crate::data::{Pairs, Sample};
use crate::executor::initial_state;
use crate::init::{InitScheme, initial_parameters};
use crate::shape::{Activation, Parameter, Shape};

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

/// Weights several times as large as usual, so that nothing is nearly linear.
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
fn gradients_are_those_of_finite_differences() {
    for activation in [Activation::Gelu, Activation::Relu] {
        let shape = Shape { activation, ..TINY };
        let (train, _) = pairs(5);
        let start: Vec<f64> = parameters(&shape).into_iter().map(f64::from).collect();
        let mut model = Reference::new(shape, start.clone());
        let gradient = model.gradients(&train).gradient;
        for parameter in Parameter::ALL {
            for i in parameter.range(&shape) {
                let step = 1e-5;
                let mut loss = |x: f64| {
                    model.parameters_mut()[i] = x;
                    model.evaluate(&train).loss
                };
                let slope = (loss(start[i] + step) - loss(start[i] - step)) / (2.0 * step);
                model.parameters_mut()[i] = start[i];
                assert!(
                    (slope - gradient[i]).abs() < 1e-8,
                    "{parameter:?} {i}: {slope} {}",
                    gradient[i]
                );
            }
        }
    }
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
        let wide = start.iter().copied().map(f64::from).collect();
        let Gradients { gradient, scores } = Reference::new(shape, wide).gradients(&train);
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
        assert!((row.train_loss / scores.loss - 1.0).abs() < 1e-6);
        assert_eq!(row.train_accuracy, scores.accuracy);
    }
}

#[test]
fn both_precisions_train_alike() {
    let (train, test) = pairs(5);
    let cell = cell(&TINY, train, test, parameters(&TINY));
    let mut single = ReferenceExecutor::<f32>::new(Program::unfolded(TINY), cell.clone()).unwrap();
    let mut double = ReferenceExecutor::<f64>::new(Program::unfolded(TINY), cell.clone()).unwrap();
    let mut cpu = CpuExecutor::new(Program::folded(TINY), vec![cell], Some(1)).unwrap();
    let (single, double, cpu) = (
        single.run(30).unwrap(),
        double.run(30).unwrap(),
        cpu.run(30).unwrap(),
    );
    for ((s, d), c) in single.iter().zip(&double).zip(&cpu) {
        for (s, d, c) in [
            (s[0].train_loss, d[0].train_loss, c[0].train_loss),
            (s[0].test_loss, d[0].test_loss, c[0].test_loss),
        ] {
            assert!(
                (s / d - 1.0).abs() < 2e-5 && (c / d - 1.0).abs() < 2e-5,
                "{s} {d} {c}"
            );
        }
    }
    assert!(
        double[29][0].train_loss < 0.9 * double[0][0].train_loss,
        "it learns"
    );
}

#[test]
fn a_folded_program_is_refused() {
    let (train, test) = pairs(5);
    let cell = cell(&TINY, train, test, parameters(&TINY));
    assert!(ReferenceExecutor::<f64>::new(Program::folded(TINY), cell.clone()).is_err());
    assert!(CpuExecutor::new(Program::unfolded(TINY), vec![cell], None).is_err());
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
