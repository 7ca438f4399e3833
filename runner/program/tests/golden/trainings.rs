//! Initial weights, logits, gradients, losses and weights of the 25 trainings.

use grokrun_program::{Batches, Interpreter, Part, Program, Real, Score, Stage, TableId};

use crate::case::Case;
use crate::sha256;

macro_rules! trainings {
    ($($name:ident => $file:literal),* $(,)?) => {
        $(
            #[test]
            fn $name() {
                let case = Case::read($file);
                initial_weights(&case);
                logits_and_gradients(&case);
                in_single_precision(&case);
                in_double_precision(&case);
            }
        )*

        #[test]
        fn every_training_has_a_test() {
            let listed = [$($file),*];
            let folder = std::fs::read_dir(crate::path("")).expect("the fixtures");
            let names = folder.map(|entry| entry.expect("a file").path());
            let trainings = names.filter(|path| path.extension().is_some_and(|e| e == "json"));
            let mut count = 0;
            for path in trainings {
                let name = path.file_stem().and_then(|name| name.to_str()).expect("a name");
                assert!(listed.contains(&name), "{name}");
                count += 1;
            }
            assert_eq!(count, 25);
        }
    };
}

trainings! {
    group_d5 => "group_D5",
    group_s4 => "group_S4",
    mlp1_2hot_bias => "mlp1_2hot_bias",
    mlp1_2hot_nobias => "mlp1_2hot_nobias",
    mlp1_batch64 => "mlp1_batch64",
    mlp1_emb_concat => "mlp1_emb_concat",
    mlp1_emb_sum => "mlp1_emb_sum",
    mlp2_2hot_bias => "mlp2_2hot_bias",
    mlp2_2hot_nobias => "mlp2_2hot_nobias",
    mlp2_ce32_orthograd => "mlp2_ce32_orthograd",
    mlp2_stablemax => "mlp2_stablemax",
    quad_p23 => "quad_p23",
    quad_p23_noise => "quad_p23_noise",
    rate2_half_gelu => "rate2_0.5_gelu",
    rate_0 => "rate_0.0",
    rate_half => "rate_0.5",
    rate_1 => "rate_1.0",
    tf1_attn_only => "tf1_attn_only",
    tf2_ln_gelu_biases => "tf2_ln_gelu_biases",
    tf2_ln_relu => "tf2_ln_relu",
    tf2_ln_relu_nomask => "tf2_ln_relu_nomask",
    tf2_none_gelu => "tf2_none_gelu",
    tf2_none_relu => "tf2_none_relu",
    tf2_none_relu_nomask => "tf2_none_relu_nomask",
    tf3_none_relu => "tf3_none_relu",
}

fn numbers<T: Real>(model: &Interpreter<T>, table: TableId) -> Vec<f64> {
    model.table(table).iter().map(|x| x.to_f64()).collect()
}

/// Compares the initial weights bit for bit.
fn initial_weights(case: &Case) {
    let program = case.program(false);
    let keys = case.keys("init/");
    assert!(keys.len() >= program.parameters.iter().filter(|p| p.trained).count() - 2);
    for key in keys {
        let ranges: Vec<_> = program.parameters.ranges().collect();
        let of = |place: usize| case.initial[ranges[place].clone()].to_vec();
        let ours = case.in_torchs_layout(&program, &key, of);
        let bytes: Vec<u8> = ours.iter().flat_map(|x| x.to_le_bytes()).collect();
        let theirs = &case.facts["tensors"][&key]["sha256"];
        assert_eq!(sha256(&bytes), *theirs, "{} {key}", case.name);
    }
}

fn logits_and_gradients(case: &Case) {
    let program = case.program(false);
    let [train, _] = case.data(&program);
    let mut model = Interpreter::<f32>::new(&program, train, case.grid(&program)).unwrap();
    model
        .load(&program.initial_state(case.initial.clone()).unwrap())
        .unwrap();
    for stage in [
        Stage::Shared,
        Stage::Forward(Part::Train),
        Stage::Backward,
        Stage::Forward(Part::Test),
    ] {
        model.run(stage);
    }
    let logits = program.find("test.logits").expect("logits");
    let apart = case.apart("logits_init", &numbers(&model, logits));
    assert!(apart < 1e-5, "{} logits: {apart:e}", case.name);
    let keys = case.keys("grad0/");
    assert!(!keys.is_empty());
    for key in keys {
        let gradient = |place: usize| {
            let table = program.gradient(TableId(place)).expect("a gradient");
            numbers(&model, table)
        };
        let apart = case.apart(&key, &case.in_torchs_layout(&program, &key, gradient));
        assert!(apart < 1e-5, "{} {key}: {apart:e}", case.name);
    }
}

/// Trains one epoch, whole or in minibatches, and returns its two scores.
fn epoch<T: Real>(
    case: &Case,
    program: &Program,
    model: &mut Interpreter<T>,
    batches: Option<&mut Batches>,
    mut after_step: impl FnMut(&Interpreter<T>),
) -> [Score; 2] {
    let train = match batches {
        None => {
            let score = model.train();
            after_step(model);
            score
        }
        Some(batches) => {
            let [all, _] = case.data(program);
            let mut mean = Score::default();
            for batch in batches.epoch() {
                model.set_train(all.pick(&batch)).unwrap();
                let score = model.train();
                let share = batch.len() as f64 / all.len() as f64;
                mean.loss += share * score.loss;
                mean.accuracy += share * score.accuracy;
                after_step(model);
            }
            mean
        }
    };
    [train, model.evaluate()]
}

fn batches(case: &Case) -> Option<Batches> {
    let setting = &case.facts["setting"];
    let size = setting["batch"].as_u64()? as usize;
    let seed = setting["batch_seed"].as_i64().expect("a seed");
    let new = || Batches::new(seed, case.train.len() as u32, size).expect("batches");
    let mut orders = new();
    let first: Vec<u32> = (0..3).flat_map(|_| orders.epoch().concat()).collect();
    assert_eq!(first, case.tensors.i64("batch_order"));
    Some(new())
}

fn relative(ours: f64, theirs: f64) -> f64 {
    (ours - theirs).abs() / theirs.abs()
}

fn in_single_precision(case: &Case) {
    let program = case.program(false);
    let mut model = case.model::<f32>(&program);
    let mut batches = batches(case);
    let [train, test] = ["train_loss", "test_loss"].map(|key| case.series(key));
    let [train_right, test_right] = ["train_acc", "test_acc"].map(|key| case.series(key));
    let (loss, weights) = (case.allowed("loss"), case.allowed("weights"));
    let mut steps = 0;
    // The hundred epochs are followed in double precision below, and in single precision by the
    // executor (`runner/engine/tests/programs.rs`), which is some ten times as fast.
    for number in 0..12 {
        let [trained, tested] = epoch(case, &program, &mut model, batches.as_mut(), |model| {
            steps += 1;
            let checked = [1, 10, 100].iter().position(|at| *at == steps);
            if let Some(allowed) = checked.map(|i| weights[[0, 1, 3][i]]) {
                compare_weights(case, &program, model, steps, allowed.max(1e-6));
            }
        });
        // The list says how close up to epochs 1, 10, 50 and 100.
        let allowed = loss[[1, 10, 50, 100]
            .iter()
            .position(|end| number < *end)
            .unwrap()];
        let pairs = [(trained.loss, train[number]), (tested.loss, test[number])];
        for (ours, theirs) in pairs {
            let apart = relative(ours, theirs);
            assert!(
                apart <= allowed.max(1e-8),
                "{} {number}: {apart:e}",
                case.name
            );
        }
        // A sample may lie on an edge; where the losses agree to six digits, at most one sample
        // does.
        if allowed < 1e-5 {
            let sample = 1.01 / case.test.len() as f64;
            assert!((trained.accuracy - train_right[number]).abs() <= sample);
            assert!((tested.accuracy - test_right[number]).abs() <= sample);
        }
    }
}

fn compare_weights<T: Real>(
    case: &Case,
    program: &Program,
    model: &Interpreter<T>,
    steps: usize,
    allowed: f64,
) {
    let keys = case.keys(&format!("step{steps}/"));
    assert!(!keys.is_empty());
    for key in keys {
        let weights = |place: usize| numbers(model, TableId(place));
        let apart = case.apart(&key, &case.in_torchs_layout(program, &key, weights));
        assert!(
            apart <= allowed,
            "{} {key}: {apart:e} > {allowed:e}",
            case.name
        );
    }
}

/// Trains in float64 throughout, from the same initial bits.
fn in_double_precision(case: &Case) {
    let program = case.program(true);
    let mut model = case.model::<f64>(&program);
    let mut batches = batches(case);
    let [train, test] = ["train_loss", "test_loss"].map(|key| case.double(key));
    for number in 0..train.len() {
        let [trained, tested] = epoch(case, &program, &mut model, batches.as_mut(), |_| {});
        let pairs = [(trained.loss, train[number]), (tested.loss, test[number])];
        for (ours, theirs) in pairs {
            let apart = relative(ours, theirs);
            assert!(apart < 1e-12, "{} in f64, {number}: {apart:e}", case.name);
        }
    }
}
