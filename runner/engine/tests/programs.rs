//! Torch's own trainings (`runner/program/tests/golden/README.md`) on the CPU executor of programs:
//! gradients, losses and weights, and the same bytes for any number of threads.

#[path = "../../program/tests/golden/case.rs"]
#[expect(dead_code, reason = "the interpreter's tests use the rest")]
mod case;
#[path = "../../program/tests/golden/models.rs"]
mod models;
#[path = "../../program/tests/golden/tensors.rs"]
#[expect(dead_code, reason = "the interpreter's tests use the rest")]
mod tensors;

use grokrun_engine::{
    Backend, PartScore, ProgramCell, RecordedCell, TiledExecutor, choose_backend, open_programs,
};
use grokrun_program::{Batches, Data, Program, TableId};

use case::Case;
use tensors::{Tensors, nan_max, path, sha256};

const TRAININGS: [&str; 25] = [
    "group_D5",
    "group_S4",
    "mlp1_2hot_bias",
    "mlp1_2hot_nobias",
    "mlp1_batch64",
    "mlp1_emb_concat",
    "mlp1_emb_sum",
    "mlp2_2hot_bias",
    "mlp2_2hot_nobias",
    "mlp2_ce32_orthograd",
    "mlp2_stablemax",
    "quad_p23",
    "quad_p23_noise",
    "rate2_0.5_gelu",
    "rate_0.0",
    "rate_0.5",
    "rate_1.0",
    "tf1_attn_only",
    "tf2_ln_gelu_biases",
    "tf2_ln_relu",
    "tf2_ln_relu_nomask",
    "tf2_none_gelu",
    "tf2_none_relu",
    "tf2_none_relu_nomask",
    "tf3_none_relu",
];

/// Software adapters take their time.
const ON_GPU: [&str; 7] = [
    "group_D5",
    "mlp1_batch64",
    "mlp2_ce32_orthograd",
    "mlp2_stablemax",
    "quad_p23_noise",
    "rate_0.5",
    "tf2_ln_gelu_biases",
];
const GPU_EPOCHS: u64 = 3;

fn executor(case: &Case, program: &Program, threads: usize) -> TiledExecutor {
    let [train, test] = case.data(program);
    let cell = ProgramCell {
        program: program.clone(),
        train,
        test,
        state: program
            .initial_state(case.initial.clone())
            .expect("a state of the program"),
    };
    TiledExecutor::new(vec![cell], Some(threads)).expect("a program that runs")
}

fn wide(numbers: Vec<f32>) -> Vec<f64> {
    numbers.into_iter().map(f64::from).collect()
}

#[test]
fn gradients_are_torchs() {
    for name in TRAININGS {
        let case = Case::read(name);
        let program = case.program(false);
        let mut model = executor(&case, &program, 2);
        model.gradients();
        for key in case.keys("grad0/") {
            let gradient = |place: usize| {
                let table = program.gradient(TableId(place)).expect("a gradient");
                wide(model.table(0, table))
            };
            let apart = case.apart(&key, &case.in_torchs_layout(&program, &key, gradient));
            assert!(apart < 1e-5, "{name} {key}: {apart:e}");
        }
    }
}

/// One epoch, whole or in minibatches: the scores of its two parts.
fn epoch(model: &mut TiledExecutor, all: &Data, batches: Option<&mut Batches>) -> [PartScore; 2] {
    let train = match batches {
        None => model.train()[0],
        Some(batches) => {
            let mut mean = PartScore::default();
            for batch in batches.epoch() {
                model.set_train(0, all.pick(&batch)).expect("samples");
                let score = model.train()[0];
                let share = batch.len() as f64 / all.len() as f64;
                mean.loss += share * score.loss;
                mean.accuracy += share * score.accuracy;
            }
            mean
        }
    };
    [train, model.evaluate()[0]]
}

#[test]
fn losses_and_weights_are_torchs() {
    for name in TRAININGS {
        let case = Case::read(name);
        let program = case.program(false);
        let mut model = executor(&case, &program, 2);
        let [all, _] = case.data(&program);
        let setting = &case.facts["setting"];
        let mut batches = setting["batch"].as_u64().map(|size| {
            let seed = setting["batch_seed"].as_i64().expect("a seed");
            Batches::new(seed, all.len() as u32, size as usize).expect("batches")
        });
        let [train, test] = ["train_loss", "test_loss"].map(|key| case.series(key));
        let (loss, weights) = (case.allowed("loss"), case.allowed("weights"));
        for number in 0..100 {
            let [trained, tested] = epoch(&mut model, &all, batches.as_mut());
            let until = [1, 10, 50, 100].iter().position(|end| number < *end);
            let allowed = loss[until.expect("an epoch below 100")].max(1e-7);
            for (ours, theirs) in [(trained.loss, train[number]), (tested.loss, test[number])] {
                let apart = (ours - theirs).abs() / theirs.abs();
                assert!(
                    apart <= allowed,
                    "{name}, epoch {number}: {apart:e} > {allowed:e}"
                );
            }
            let steps = model.state(0).step;
            let checked = [1, 10, 100].iter().position(|at| *at == steps);
            if let (Some(i), None) = (checked, &batches) {
                let allowed = weights[[0, 1, 3][i]].max(2e-6);
                for key in case.keys(&format!("step{steps}/")) {
                    let of = |place: usize| wide(model.table(0, TableId(place)));
                    let apart = case.apart(&key, &case.in_torchs_layout(&program, &key, of));
                    assert!(apart <= allowed, "{name} {key}: {apart:e} > {allowed:e}");
                }
            }
        }
    }
}

#[test]
fn any_number_of_threads_gives_the_same_bytes() {
    for name in [
        "quad_p23",
        "mlp2_stablemax",
        "tf2_ln_gelu_biases",
        "group_S4",
    ] {
        let case = Case::read(name);
        let program = case.program(false);
        let after = |threads| {
            let mut model = executor(&case, &program, threads);
            for _ in 0..5 {
                model.train();
                model.evaluate();
            }
            model.state(0)
        };
        let one = after(1);
        assert!(after(2) == one && after(5) == one, "{name}");
    }
}

/// On any adapter, software too: of each kind of model, loss and batch one, for a few epochs.
#[test]
fn losses_are_torchs_on_a_gpu() {
    let mut devices = grokrun_engine::describe_devices().into_iter();
    let Some(adapter) = devices.find(|device| device.backend != "cpu") else {
        let required = std::env::var_os("GROKRUN_REQUIRE_GPU").is_some_and(|value| value == "1");
        assert!(!required, "GROKRUN_REQUIRE_GPU=1, and there is no adapter");
        eprintln!("skipped: there is no adapter");
        return;
    };
    let choice = choose_backend(Backend::Gpu, Some(&adapter.name)).expect("the adapter");
    let cases: Vec<Case> = ON_GPU.iter().map(|name| Case::read(name)).collect();
    let cells = cases.iter().map(|case| {
        let program = case.program(false);
        let [train, test] = case.data(&program);
        let setting = &case.facts["setting"];
        let batches = setting["batch"].as_u64().map(|size| {
            let seed = setting["batch_seed"].as_i64().expect("a seed");
            Batches::new(seed, train.len() as u32, size as usize).expect("batches")
        });
        let state = program.initial_state(case.initial.clone());
        let cell = ProgramCell {
            state: state.expect("a state of the program"),
            program,
            train,
            test,
        };
        RecordedCell { cell, batches }
    });
    let mut gpu = open_programs(&choice, cells.collect()).expect("programs that run");
    let rows = gpu.run(GPU_EPOCHS).expect("an adapter that answers");
    for (place, (name, case)) in ON_GPU.iter().zip(&cases).enumerate() {
        let [train, test] = ["train_loss", "test_loss"].map(|key| case.series(key));
        let allowed = case.allowed("loss");
        for (number, row) in rows.iter().enumerate() {
            let allowed = allowed[usize::from(number > 0)].max(2e-7);
            let row = row[place];
            for (ours, theirs) in [
                (row.train_loss, train[number]),
                (row.test_loss, test[number]),
            ] {
                let apart = (ours - theirs).abs() / theirs.abs();
                assert!(
                    apart <= allowed,
                    "{name}, epoch {number}: {apart:e} > {allowed:e}"
                );
            }
        }
    }
}
