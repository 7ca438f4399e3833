//! Compares the service with the interpreter of the unfolded program in f64, and with differences
//! of its own losses.

use grokrun_api::Sink;
use grokrun_api::testing::Recorder;
use grokrun_program::{Interpreter, Part, Program, Stage, TableId, plain};
use grokrun_task::torch::Generator;

use super::*;
use crate::cell_data::CellData;

const FOLDED: &str = "";
const DEEP: &str = "[model]\nlayers = 2\nheads = 2\nd_model = 8\nd_head = 4\nd_mlp = 12\nactivation = \"gelu\"\nnorm = \"pre\"\nbiases = \"all\"";
const MLP: &str = "[model]\nkind = \"mlp\"\nhidden = [12, 8]\nd_model = 6\nactivation = \"tanh\"\n[train]\nloss = { kind = \"stablemax\", precision = \"f64\" }\noptimizer = \"sgd\"";
const SMOOTH: &str =
    "[model]\nheads = 2\nd_model = 8\nd_head = 4\nd_mlp = 12\nactivation = \"gelu\"";
/// The middle of the flat vector is not trained, and neither are the biases, which are not zero.
const FROZEN: &str = "[[train.group]]\nmatch = \"*W_pos\"\nfrozen = true\n[model]\nheads = 2\nd_model = 8\nd_head = 4\nd_mlp = 12";
const SINGLE: &str = "[model]\nkind = \"mlp\"\nhidden = [12]\n[train]\nloss = { kind = \"cross-entropy\", precision = \"f32\" }\n[data]\nbatch = { size = 4, seed = 0 }";

fn cell(tables: &str) -> Cell {
    let text = format!(
        "operation = \"add\"\nmodulus = 5\nfraction = 0.5\nseeds = {{ data = 0, model = 0 }}\n{tables}"
    );
    let plan = grokrun_spec::load_training(&text, std::path::Path::new("x.toml"));
    plan.expect("a spec").cells.remove(0)
}

fn loss_of(cell: &Cell) -> CellLoss {
    let split = CellData::new(cell).unwrap().split;
    CellLoss::new(cell, split).unwrap()
}

/// Shows the service a checkpoint of random weights, and returns the trained ones.
fn shown(loss: &CellLoss) -> Vec<f32> {
    let mut weights = vec![0.0; loss.program.parameters.count()];
    Generator::new(3).normal(&mut weights, 0.0, 0.3);
    let mut data = SnapshotData::new(0);
    let needs = grokrun_api::Needs::all();
    loss.show(&needs, &loss.layout.checkpoint(&weights), &mut data)
        .unwrap();
    let trained = data
        .show(&grokrun_api::Needs::all(), |snapshot| {
            snapshot.trained_weights()
        })
        .unwrap();
    assert_eq!(trained.len(), loss.trained);
    trained
}

/// The program without its fold, with gradients.
fn reference(cell: &Cell) -> Program {
    let mut program = plain(&cell.architecture(), &cell.settings.train.loss).unwrap();
    program.differentiate().unwrap();
    program
}

/// Loss, gradient by trained weights and accuracy in f64.
fn exactly(loss: &CellLoss, weights: &[f32]) -> (f64, Vec<f64>, f64) {
    let program = reference(&loss.cell);
    let [train, _] = program_data(&loss.cell, &loss.split, &program).unwrap();
    let mut model = Interpreter::<f64>::new(&program, train.clone(), train).unwrap();
    let mut all = loss.shown.get().unwrap().clone();
    let places = trained(&loss.program).flat_map(|(_, range)| range);
    let places: Vec<usize> = places.collect();
    assert_eq!(places.len(), weights.len());
    for (place, weight) in places.iter().zip(weights) {
        all[*place] = *weight;
    }
    model.load(&program.initial_state(all).unwrap()).unwrap();
    for stage in [Stage::Shared, Stage::Forward(Part::Train), Stage::Backward] {
        model.run(stage);
    }
    let mut gradient = Vec::new();
    for (place, parameter) in program.parameters.iter().enumerate() {
        match program.gradient(TableId(place)) {
            Some(table) => gradient.extend_from_slice(model.table(table)),
            None => gradient.resize(gradient.len() + parameter.len(), 0.0),
        }
    }
    let gradient = places.iter().map(|place| gradient[*place]).collect();
    let score = model.score(Part::Train);
    (score.loss, gradient, score.accuracy)
}

fn norm(x: &[f64]) -> f64 {
    x.iter().map(|x| x * x).sum::<f64>().sqrt()
}

#[test]
fn losses_and_gradients_are_the_interpreters() {
    for tables in [FOLDED, SMOOTH, DEEP, MLP, FROZEN, SINGLE] {
        let loss = loss_of(&cell(tables));
        let weights = shown(&loss);
        let found = loss.at(Ask::gradient(&weights).with_samples()).unwrap();
        let (want, slopes, accuracy) = exactly(&loss, &weights);
        assert!(
            (found.loss / want - 1.0).abs() < 1e-5,
            "{tables}: {found:?}"
        );
        assert_eq!(found.accuracy, accuracy, "{tables}");
        let apart = found
            .gradient
            .iter()
            .zip(&slopes)
            .map(|(g, w)| f64::from(*g) - w);
        let apart: Vec<f64> = apart.collect();
        assert!(norm(&slopes) > 1e-4, "{tables}");
        assert!(
            norm(&apart) < 1e-5 * norm(&slopes).max(0.1),
            "{tables}: {}",
            norm(&apart)
        );
        assert_eq!(found.samples.len(), loss.split.train.len());
        let mean = found.samples.iter().sum::<f64>() / found.samples.len() as f64;
        assert!((mean / found.loss - 1.0).abs() < 1e-6, "{tables}: {mean}");
        let alone = loss.at(Ask::loss(&weights)).unwrap();
        assert!((alone.loss / want - 1.0).abs() < 1e-5);
        assert!(alone.gradient.is_empty() && alone.samples.is_empty());
        // The same weights give the same bytes, whatever was asked before.
        let again = loss.at(Ask::gradient(&weights).with_samples()).unwrap();
        assert_eq!(again, found, "{tables}");
    }
}

#[test]
fn a_gradient_is_the_slope_of_the_loss() {
    let loss = loss_of(&cell(SMOOTH));
    let weights = shown(&loss);
    let gradient = loss.at(Ask::gradient(&weights)).unwrap().gradient;
    let wide: Vec<f64> = gradient.iter().map(|g| f64::from(*g)).collect();
    let size = norm(&wide);
    let moved = |step: f64| -> f64 {
        let pairs = weights.iter().zip(&wide);
        let at: Vec<f32> = pairs
            .map(|(w, g)| (f64::from(*w) + step * g / size) as f32)
            .collect();
        loss.at(Ask::loss(&at)).unwrap().loss
    };
    let slope = (moved(5e-3) - moved(-5e-3)) / 1e-2;
    assert!((slope / size - 1.0).abs() < 1e-3, "{slope} {size}");
}

#[test]
fn a_product_with_the_hessian_is_that_of_exact_gradients() {
    let loss = loss_of(&cell(SMOOTH));
    let weights = shown(&loss);
    let mut direction = vec![0.0f32; weights.len()];
    Generator::new(4).normal(&mut direction, 0.0, 1.0);
    let direction: Vec<f64> = direction.iter().map(|v| f64::from(*v)).collect();
    let size = norm(&direction);
    let moved = |sign: f64| -> Vec<f32> {
        let pairs = weights.iter().zip(&direction);
        pairs
            .map(|(w, v)| (f64::from(*w) + sign * 1e-3 * v / size) as f32)
            .collect()
    };
    let (_, above, _) = exactly(&loss, &moved(1.0));
    let (_, below, _) = exactly(&loss, &moved(-1.0));
    let pairs = above.iter().zip(&below);
    let want: Vec<f64> = pairs.map(|(a, b)| (a - b) / 2e-3 * size).collect();
    let mut recorder = Recorder {
        loss: Some(Box::new(loss)),
        ..Recorder::default()
    };
    let sink: &mut dyn Sink = &mut recorder;
    let found = sink.hessian_product(&weights, &direction, 1e-2).unwrap();
    let apart: Vec<f64> = found.iter().zip(&want).map(|(f, w)| f - w).collect();
    assert!(
        norm(&apart) < 2e-3 * norm(&want),
        "{} {}",
        norm(&apart),
        norm(&want)
    );
    let refused = sink.hessian_product(&weights, &direction[1..], 1e-2);
    assert!(
        refused
            .unwrap_err()
            .to_string()
            .contains("one for each weight")
    );
    let refused = sink.hessian_product(&weights, &direction, 1e-12);
    assert!(
        refused
            .unwrap_err()
            .to_string()
            .contains("lost in the rounding")
    );
}

#[test]
fn other_weights_are_refused_with_their_number() {
    let loss = loss_of(&cell(FOLDED));
    let weights = shown(&loss);
    let why = loss.at(Ask::loss(&weights[1..])).unwrap_err().to_string();
    assert!(
        why.contains("cell add-p5") && why.contains(&weights.len().to_string()),
        "{why}"
    );
}
