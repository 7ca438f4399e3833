//! Planted models, constructed tables and noise.

use grokrun_api::testing::{Expert, Recorder, random, run, task};
use grokrun_api::{Numbers, SnapshotData};

use super::*;

fn analysis(task: &Task) -> Commutativity {
    Commutativity::new(Config::default(), task).unwrap()
}

fn add() -> Task {
    task("add", 11, |a, b| Some((a + b) % 11))
}

fn sub() -> Task {
    task("sub", 11, |a, b| Some((11 + a - b) % 11))
}

fn notes(recorder: &Recorder) -> String {
    recorder.notes().join("\n")
}

#[test]
fn the_expert_is_symmetric_from_the_start() {
    let task = add();
    let expert = Expert::additive(11, &[1, 3, 4]);
    let found = run(
        &mut analysis(&task),
        &[expert.snapshot(&task, 0), expert.snapshot(&task, 100)],
    )
    .unwrap();
    assert_eq!(found.series("attention difference"), [0.0, 0.0]);
    assert!(found.last("neuron asymmetry").unwrap() < 1e-12);
    assert!(found.last("logit asymmetry").unwrap() < 1e-9);
    assert_eq!(found.last("W_pos cosine"), Some(1.0));
    assert_eq!(found.table("emergence").unwrap()[0]["epoch"], 0);
    assert!(notes(&found).contains("alike from epoch 0 on"));
    for figure in [
        "attention-difference",
        "asymmetry",
        "mean-attention",
        "asymmetry-by-neuron",
    ] {
        assert!(found.figure(figure).is_some(), "{figure}");
    }
}

#[test]
fn noise_is_not_and_never_emerges() {
    let task = add();
    let found = run(&mut analysis(&task), &[random(&task, 0, 7)]).unwrap();
    let logits = found.last("logit asymmetry").unwrap();
    assert!((logits - 2.0).abs() < 0.2, "{logits}");
    assert!(found.last("neuron asymmetry").unwrap() > 0.5);
    assert!(found.table("emergence").unwrap()[0]["epoch"].is_null());
}

#[test]
fn it_emerges_where_it_stays() {
    let task = add();
    let expert = Expert::additive(11, &[1, 3, 4]);
    let snapshots = [
        expert.snapshot(&task, 0),
        random(&task, 100, 7),
        expert.snapshot(&task, 200),
        expert.snapshot(&task, 300),
    ];
    let found = run(&mut analysis(&task), &snapshots).unwrap();
    assert_eq!(found.table("emergence").unwrap()[0]["epoch"], 200);
    let frames = found.figure("mean-attention").unwrap()["frames"].clone();
    assert_eq!(frames.as_array().unwrap().len(), 4);
}

/// A snapshot whose neurons are a − b and whose logits fit the operation's own antisymmetry.
fn antisymmetric(task: &Task) -> SnapshotData {
    let p = task.modulus as f32;
    let pairs = task.pairs();
    let mut data = SnapshotData::new(0);
    let difference = |i: usize| (i / 11) as f32 - (i % 11) as f32;
    data.add(
        "weight.pos_embed.W_pos",
        &[3, 1],
        Numbers::F32(vec![1.0, -1.0, 0.0]),
    );
    data.add(
        "attention",
        &[pairs, 1, 3],
        Numbers::F32([0.75, 0.25, 0.0].repeat(pairs)),
    );
    data.add(
        "post",
        &[pairs, 1],
        Numbers::F32((0..pairs).map(difference).collect()),
    );
    let logit = |i: usize| {
        let (pair, class) = (i / 11, i % 11);
        (std::f32::consts::TAU * (difference(pair) - class as f32) / p).cos()
    };
    data.add(
        "logits",
        &[pairs, 11],
        Numbers::F32((0..pairs * 11).map(logit).collect()),
    );
    data
}

#[test]
fn antisymmetric_tables_have_their_known_values() {
    let task = sub();
    let found = run(&mut analysis(&task), &[antisymmetric(&task)]).unwrap();
    assert_eq!(found.last("neuron asymmetry"), Some(4.0));
    assert_eq!(found.last("attention difference"), Some(0.5));
    assert_eq!(found.last("W_pos difference"), Some(4.0));
    assert!(found.last("logit asymmetry").unwrap() > 0.5);
    assert!(found.last("logit asymmetry with -c").unwrap() < 1e-10);
    assert!(notes(&found).contains("f(b, a) = −f(a, b)"));
}

#[test]
fn an_operation_without_symmetry_says_so() {
    let task = task("div", 11, |a, b| (b != 0).then(|| a * b.pow(9) % 11));
    let found = run(&mut analysis(&task), &[random(&task, 0, 1)]).unwrap();
    assert!(
        notes(&found).contains("% of the pairs"),
        "{}",
        notes(&found)
    );
}

#[test]
fn nothing_to_compare_is_a_failure() {
    let task = task("one row", 5, |a, b| (a == 0).then_some(b));
    assert!(Commutativity::new(Config::default(), &task).is_err());
}

#[test]
fn parameters_out_of_range_are_named() {
    let config = Config {
        neurons: 0.0,
        ..Config::default()
    };
    let error = Commutativity::check(&config).unwrap_err().to_string();
    assert!(error.contains("neurons"), "{error}");
}
