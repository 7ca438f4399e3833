//! Compares models that do not fold with the program's interpreter.

use grokrun_api::testing::{run, task};
use grokrun_api::{Numbers, SnapshotData};
use grokrun_basis::gaussian;
use grokrun_program::{
    Activation, Architecture, Bias, Data, Interpreter, Loss, Mask, Model as Kind, Parameters, Part,
    Pattern, Stage, Transformer, plain,
};

use super::*;

const P: usize = 7;

/// Makes a small model with every bias, and changes it.
fn small(change: impl FnOnce(&mut Transformer)) -> Architecture {
    let mut architecture = Architecture::published(P);
    if let Kind::Transformer(t) = &mut architecture.model {
        t.d_model = 8;
        t.mask = Mask::None;
        t.separator = false;
        t.attention_biases = Bias::Trained;
        t.mlp_biases = Bias::Trained;
        t.unembedding_bias = Bias::Trained;
        let block = &mut t.blocks[0];
        let attention = block.attention.as_mut().unwrap();
        (attention.heads, attention.d_head) = (2, 4);
        block.mlp.as_mut().unwrap().width = 16;
        change(t);
    }
    architecture
}

fn pattern(t: &mut Transformer, pattern: Pattern) {
    t.blocks[0].attention.as_mut().unwrap().pattern = pattern;
}

fn task_of(architecture: &Architecture) -> Task {
    let mut task = task("add", P, |a, b| Some((a + b) % P as u32));
    let Kind::Transformer(t) = &architecture.model else {
        panic!("a transformer");
    };
    let neurons = t.blocks[0].mlp.unwrap();
    task.model.d_model = 8;
    task.model.heads = 2;
    task.model.d_head = 4;
    task.model.d_mlp = 16;
    task.model.activation = match neurons.activation {
        Activation::Relu => "relu".to_owned(),
        _ => "gelu".to_owned(),
    };
    task
}

/// Runs the interpreter in f64 over the grid: the logits `(p², p)`, and the pattern `(p², heads,
/// n)` if there is one.
fn interpreted(architecture: &Architecture, weights: &[f32]) -> (Vec<f64>, Option<Vec<f32>>) {
    let program = plain(architecture, &Loss::PUBLISHED).unwrap();
    let state = program.initial_state(weights.to_vec()).unwrap();
    let pairs = (P * P) as u32;
    let tokens = (0..pairs)
        .flat_map(|i| [i / P as u32, i % P as u32])
        .collect();
    let data = Data::new(&program, tokens, vec![0; P * P]).unwrap();
    let mut model = Interpreter::<f64>::new(&program, data, Data::default()).unwrap();
    model.load(&state).unwrap();
    model.run(Stage::Shared);
    model.run(Stage::Forward(Part::Train));
    let n = architecture.positions();
    let table = |name: String| program.find(&name).map(|id| model.table(id).to_vec());
    let attention = table(format!("blocks.0.attn.rate.{}", n - 1))
        .or_else(|| table(format!("blocks.0.attn.pattern.{}", n - 1)));
    let by_head = attention.map(|rows| {
        let rows = rows.chunks_exact(2 * n);
        rows.flat_map(|row| (0..2).flat_map(move |h| (0..n).map(move |i| row[i * 2 + h] as f32)))
            .collect()
    });
    (table("logits".to_owned()).unwrap(), by_head)
}

fn weights(architecture: &Architecture) -> Vec<f32> {
    let count = Parameters::new(architecture).unwrap().count();
    gaussian(5, count).iter().map(|x| 0.5 * x).collect()
}

fn snapshot(architecture: &Architecture, weights: &[f32]) -> SnapshotData {
    let list = Parameters::new(architecture).unwrap();
    let mut data = SnapshotData::new(0);
    for (parameter, range) in list.iter().zip(list.ranges()) {
        let numbers = Numbers::F32(weights[range].to_vec());
        data.add(
            format!("weight.{}", parameter.name),
            &parameter.shape,
            numbers,
        );
    }
    let (logits, attention) = interpreted(architecture, weights);
    let narrow = logits.iter().map(|x| *x as f32).collect();
    data.add("logits", &[P * P, P], Numbers::F32(narrow));
    if let Some(attention) = attention {
        let shape = [P * P, 2, architecture.positions()];
        data.add(
            "blocks.0.attn.hook_pattern",
            &shape,
            Numbers::F32(attention),
        );
    }
    data
}

#[test]
fn logits_and_gradients_are_those_of_the_interpreter() {
    let patterns = [
        Pattern::Rate(0.0),
        Pattern::Rate(0.4),
        Pattern::Softmax,
        Pattern::Uniform,
    ];
    for (separator, activation) in [
        (false, Activation::Gelu),
        (true, Activation::Gelu),
        (false, Activation::Relu),
    ] {
        for kind in patterns {
            let architecture = small(|t| {
                t.separator = separator;
                t.blocks[0].mlp.as_mut().unwrap().activation = activation;
                pattern(t, kind);
            });
            let task = task_of(&architecture);
            let weights = weights(&architecture);
            let data = snapshot(&architecture, &weights);
            let (pair, class) = (3 * P + 5, 2);
            let exact = data.show(&grokrun_api::Needs::all(), |snapshot| {
                let plain = Plain::of(snapshot, &task).unwrap();
                plain.agrees(snapshot.logits().unwrap().data()).unwrap();
                plain.gradients(pair, class)
            });
            if activation == Activation::Relu {
                // A step may cross a kink; the logits were compared.
                continue;
            }
            // E_a is the row of 3 and E_b that of 5: the pair has no other token but '='.
            let list = Parameters::new(&architecture).unwrap();
            let (_, range) = list
                .iter()
                .zip(list.ranges())
                .find(|(one, _)| one.name == "embed.W_E")
                .unwrap();
            for (token, gradient) in [3, 5].into_iter().zip(&exact) {
                for i in [0, 3, 7] {
                    let at = |by: f32| {
                        let mut moved = weights.clone();
                        moved[range.start + token * 8 + i] += by;
                        let x = f64::from(moved[range.start + token * 8 + i]);
                        (x, interpreted(&architecture, &moved).0[pair * P + class])
                    };
                    let ((x, high), (y, low)) = (at(1e-3), at(-1e-3));
                    let slope = (high - low) / (x - y);
                    let apart = (slope - gradient[i]).abs();
                    assert!(
                        apart < 1e-4 * (1.0 + slope.abs()),
                        "{separator} {kind:?} {token} {i}: {slope} {}",
                        gradient[i]
                    );
                }
            }
        }
    }
}

#[test]
fn what_is_measured_without_a_separator_is_finite_and_what_is_not_is_said() {
    let architecture = small(|t| pattern(t, Pattern::Rate(0.0)));
    let mut task = task_of(&architecture);
    let weights = weights(&architecture);
    let of = |task: &Task, data: SnapshotData| {
        let mut analysis = ClockOrPizza::new(Config::default(), task).unwrap();
        run(&mut analysis, &[data]).unwrap()
    };
    let found = of(&task, snapshot(&architecture, &weights));
    for name in [
        "gradient symmetricity",
        "distance irrelevance",
        "circularity",
        "pizza explained",
    ] {
        assert!(found.last(name).unwrap().is_finite(), "{name}");
    }
    // Logits of another model, as of one that the analysis misunderstands.
    let mut wrong = snapshot(&architecture, &weights);
    wrong.replace("logits", Numbers::F32(vec![0.5; P * P * P]));
    assert!(of(&task, wrong).last("gradient symmetricity").is_none());
    task.model.normalised = true;
    let declined = of(&task, snapshot(&architecture, &weights));
    assert!(declined.last("gradient symmetricity").is_none());
}
