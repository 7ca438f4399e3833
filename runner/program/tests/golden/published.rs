//! The published quadratic perceptron (Gromov 2023: p = 97, width 500) against its stored log.

use grokrun_program::{
    Activation, Architecture, Bias, Data, Init, Input, Interpreter, Loss, LossKind, Mlp, Model,
    Precision, Recipe, initial_parameters, plain, train,
};
use grokrun_task::python;

/// Train loss before and test loss after each of the first two steps, on torch.
const LOSSES: [[f64; 2]; 2] = [
    [0.010402151383459568, 0.010415636003017426],
    [0.010284984484314919, 0.010313521139323711],
];

#[test]
fn the_first_steps_are_those_of_the_log() {
    let p = 97;
    let architecture = Architecture {
        tokens: 97,
        classes: 97,
        operands: 2,
        model: Model::Mlp(Mlp {
            input: Input::TwoHot,
            hidden: vec![500],
            activation: Activation::Quadratic,
            biases: Bias::None,
        }),
    };
    let loss = Loss {
        kind: LossKind::Mse,
        precision: Precision::F32,
        temperature: 1.0,
    };
    let recipe = Recipe {
        learning_rate: 1e-2,
        weight_decay: 5.0,
        ..Recipe::published()
    };
    let program = train(plain(&architecture, &loss).unwrap(), &recipe).unwrap();
    let mut order = python::Random::new(420).shuffled(p * p);
    assert_eq!(order[..5], [2204, 4039, 7027, 7067, 3492]);
    let test = order.split_off((p * p / 2) as usize);
    let data = |part: &[u32]| {
        let pairs = part.iter().flat_map(|i| [i / p, i % p]).collect();
        let labels = part.iter().map(|i| (i / p + i % p) % p).collect();
        Data::new(&program, pairs, labels).unwrap()
    };
    let mut model = Interpreter::<f32>::new(&program, data(&order), data(&test)).unwrap();
    let parameters = &program.parameters;
    let weights = initial_parameters(&architecture, parameters, Init::Gromov, 1.0, 0).unwrap();
    assert_eq!(f64::from(weights[0]), 0.027756361290812492);
    model
        .load(&program.initial_state(weights).unwrap())
        .unwrap();
    for (step, [train, test]) in LOSSES.into_iter().enumerate() {
        let losses = [model.train().loss / train, model.evaluate().loss / test];
        assert!(
            losses.iter().all(|ratio| (ratio - 1.0).abs() < 1e-6),
            "{step}: {losses:?}"
        );
    }
}
