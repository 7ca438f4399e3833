//! Runs the whole analysis on planted models, constructed tables and noise.

use std::f64::consts::PI;
use std::time::{Duration, Instant};

use grokrun_api::testing::{Expert, Recorder, random, run, task};
use grokrun_api::{Numbers, Registration, SnapshotData};

use super::*;

const FIGURES: [&str; 4] = [
    "attention-difference",
    "asymmetry",
    "mean-attention",
    "asymmetry-by-neuron",
];

fn add() -> Task {
    task("add", 11, |a, b| Some((a + b) % 11))
}

fn sub() -> Task {
    task("sub", 11, |a, b| Some((11 + a - b) % 11))
}

fn found(task: &Task, snapshots: &[SnapshotData]) -> Recorder {
    let mut analysis = Commutativity::new(Config::default(), task).unwrap();
    run(&mut analysis, snapshots).unwrap()
}

fn notes(recorder: &Recorder) -> String {
    recorder.notes().join("\n")
}

/// Makes a snapshot with one neuron, one head and the logits, each as a function of a, b (and c);
/// W_pos is (1), (−1).
fn table_of(
    task: &Task,
    attention: [f32; 3],
    neuron: impl Fn(f32, f32) -> f32,
    logit: impl Fn(f32, f32, f32) -> f32,
) -> SnapshotData {
    let (p, pairs) = (task.modulus, task.pairs());
    let at = |i: usize| ((i / p) as f32, (i % p) as f32);
    let post = (0..pairs).map(at).map(|(a, b)| neuron(a, b)).collect();
    let logits = (0..pairs)
        .flat_map(|i| (0..p).map(move |c| (at(i), c as f32)))
        .map(|((a, b), c)| logit(a, b, c))
        .collect();
    let mut data = SnapshotData::new(0);
    let w_pos = Numbers::F32(vec![1.0, -1.0, 0.0]);
    data.add("weight.pos_embed.W_pos", &[3, 1], w_pos);
    let attention = Numbers::F32(attention.repeat(pairs));
    data.add("blocks.0.attn.hook_pattern", &[pairs, 1, 3], attention);
    data.add("blocks.0.mlp.hook_post", &[pairs, 1], Numbers::F32(post));
    data.add("logits", &[pairs, p], Numbers::F32(logits));
    data
}

#[test]
fn the_expert_is_symmetric_from_the_start() {
    let task = add();
    let expert = Expert::additive(11, &[1, 3, 4]);
    let found = found(
        &task,
        &[expert.snapshot(&task, 0), expert.snapshot(&task, 100)],
    );
    assert_eq!(found.series("attention difference"), [0.0, 0.0]);
    assert_eq!(found.series("absolute attention difference"), [0.0, 0.0]);
    assert!(found.last("neuron asymmetry").unwrap() < 1e-9);
    assert!(found.last("neuron asymmetry control").unwrap() > 0.1);
    assert!(found.last("logit asymmetry").unwrap() < 1e-9);
    assert!(found.last("logit asymmetry control").unwrap() > 0.5);
    assert_eq!(found.last("W_pos cosine"), Some(1.0));
    assert_eq!(found.last("W_pos difference"), Some(0.0));
    assert_eq!(found.table("emergence").unwrap()[0]["epoch"], 0);
    assert_eq!(
        found.table("operation").unwrap()[0]["symmetry"],
        "commutative"
    );
    assert!(notes(&found).contains("alike from epoch 0 on"));
    assert!(notes(&found).contains("the operation commutes"));
    let (shape, mean) = found.tensor("mean-attention").unwrap();
    assert_eq!((shape, &mean[..3]), (&[4, 3][..], &[0.5, 0.5, 0.0][..]));
    let (shape, neurons) = found.tensor("asymmetry-by-neuron").unwrap();
    assert_eq!(shape, [96]);
    assert!(neurons.iter().all(|x| *x < 1e-9));
    for figure in FIGURES {
        assert!(found.figure(figure).is_some(), "{figure}");
    }
}

/// Zero-mean noise gives 2, noise after a ReLU 2 − 2/π; the diagonal takes 1/p of the norm.
#[test]
fn noise_has_the_value_that_is_stated_and_never_emerges() {
    let task = task("add", 31, |a, b| Some((a + b) % 31));
    let found = found(&task, &[random(&task, 0, 7)]);
    let off_diagonal = 1.0 - 1.0 / 31.0;
    for (series, expected) in [("logit", 2.0), ("neuron", 2.0 - 2.0 / PI)] {
        for kind in ["asymmetry", "asymmetry control"] {
            let value = found.last(&format!("{series} {kind}")).unwrap();
            let expected = expected * off_diagonal;
            assert!((value - expected).abs() < 0.03, "{series} {kind}: {value}");
        }
    }
    assert!(found.table("emergence").unwrap()[0]["epoch"].is_null());
    assert!(notes(&found).contains("does not treat a and b alike"));
}

#[test]
fn antisymmetric_tables_have_their_known_values() {
    let task = sub();
    let step = std::f32::consts::TAU / 11.0;
    let logit = |a: f32, b: f32, c: f32| (step * (a - b - c)).cos();
    let snapshot = table_of(&task, [0.75, 0.25, 0.0], |a, b| a - b, logit);
    let found = found(&task, &[snapshot]);
    assert_eq!(found.last("neuron asymmetry"), Some(4.0));
    assert_eq!(found.last("attention difference"), Some(0.5));
    assert_eq!(found.last("attention difference head 0"), Some(0.5));
    assert_eq!(found.last("W_pos difference"), Some(4.0));
    assert_eq!(found.last("W_pos cosine"), Some(-1.0));
    assert!(found.last("logit asymmetry").unwrap() > 0.5);
    assert!(found.last("logit asymmetry with -c").unwrap() < 1e-10);
    let operation = &found.table("operation").unwrap()[0];
    assert_eq!(operation["symmetry"], "antisymmetric");
    assert_eq!(
        (&operation["pairs"], &operation["equal"]),
        (&json!(55), &json!(0.0))
    );
    assert!(notes(&found).contains("L[b, a, −c] = L[a, b, c]"));
}

/// N[a, b] = a on a 3 × 3 grid, by hand; and a sign that the absolute difference forgets.
#[test]
fn a_mixed_table_has_its_known_value() {
    let task = task("add", 3, |a, b| Some((a + b) % 3));
    let mut snapshot = table_of(&task, [0.5, 0.25, 0.25], |a, _| a, |_, _, c| c);
    // ‖N − Nᵀ‖² = 2 (1 + 4 + 1) = 12, ‖N‖² = 3 (0 + 1 + 4) = 15.
    let flip = [[0.5, 0.25, 0.25], [0.25, 0.5, 0.25]];
    let rows = (0..9).flat_map(|i| flip[usize::from(i / 3 > i % 3)]);
    snapshot.replace("blocks.0.attn.hook_pattern", Numbers::F32(rows.collect()));
    let found = found(&task, &[snapshot]);
    assert_eq!(found.last("neuron asymmetry"), Some(0.8));
    assert_eq!(found.last("logit asymmetry"), Some(0.0));
    // Three pairs either way, and three on the diagonal: (6 − 3) / 9 of 0.25.
    let signed = found.last("attention difference").unwrap();
    assert!((signed - 0.25 / 3.0).abs() < 1e-15, "{signed}");
    assert_eq!(found.last("absolute attention difference"), Some(0.25));
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
    let found = found(&task, &snapshots);
    let row = &found.table("emergence").unwrap()[0];
    assert_eq!((&row["epoch"], &row["held"]), (&json!(200), &json!(2)));
    let frames = found.figure("mean-attention").unwrap()["frames"].clone();
    assert_eq!(frames.as_array().unwrap().len(), 4);
}

#[test]
fn one_snapshot_is_enough_and_none_is_said() {
    let task = add();
    let expert = Expert::additive(11, &[2]);
    let one = found(&task, &[expert.snapshot(&task, 500)]);
    assert_eq!(one.table("emergence").unwrap()[0]["epoch"], 500);
    assert_eq!(
        one.figure("asymmetry").unwrap()["data"][0]["x"],
        json!([500.0])
    );
    let none = found(&task, &[]);
    assert!(none.table("emergence").unwrap()[0]["epoch"].is_null());
    assert!(notes(&none).contains("no snapshot was shown"));
}

/// For two entries there is one way to pair them: the control is the value itself.
#[test]
fn two_tokens_are_enough() {
    let task = task("sub", 2, |a, b| Some((2 + a - b) % 2));
    let found = found(&task, &[random(&task, 0, 5)]);
    let operation = &found.table("operation").unwrap()[0];
    // −1 = 1: subtraction commutes here.
    assert_eq!(
        (&operation["symmetry"], &operation["pairs"]),
        (&json!("commutative"), &json!(1))
    );
    for table in ["neuron", "logit"] {
        let value = found.last(&format!("{table} asymmetry")).unwrap();
        let control = found.last(&format!("{table} asymmetry control")).unwrap();
        assert!(value > 0.0 && (value - control).abs() < 1e-9, "{table}");
    }
}

/// a / b: b = 0 is undefined, so row and column 0 must not count, whatever is there.
#[test]
fn pairs_undefined_in_one_order_do_not_count() {
    let task = task("div", 11, |a, b| (b != 0).then(|| a * (b.pow(9) % 11) % 11));
    let neuron = |a: f32, b: f32| match a * b {
        0.0 => 1e6 * (a - b),
        _ => a + b,
    };
    let snapshot = table_of(&task, [0.5, 0.5, 0.0], neuron, |_, _, c| c);
    let found = found(&task, &[snapshot]);
    assert_eq!(found.last("neuron asymmetry"), Some(0.0));
    let operation = &found.table("operation").unwrap()[0];
    assert_eq!(
        (&operation["symmetry"], &operation["pairs"]),
        (&json!("neither"), &json!(45))
    );
    // a/b = b/a where b = −a: 5 of the 45 pairs; a/b = −b/a would need a root of −1, and 11 has
    // none.
    assert_eq!(operation["equal"], json!(5.0 / 45.0));
    assert_eq!(operation["opposite"], json!(0.0));
    assert!(notes(&found).contains("f(a, b) for 11.1 % of the pairs"));
}

#[test]
fn nothing_to_compare_is_a_note_and_no_failure() {
    let row = task("one row", 5, |a, b| (a == 0).then_some(b));
    let div = task("div", 2, |a, b| (b != 0).then_some(a));
    for task in [row, div] {
        let found = found(&task, &[random(&task, 0, 5)]);
        assert!(notes(&found).contains("nothing to compare"));
        assert!(found.last("neuron asymmetry").is_none() && found.table("emergence").is_none());
    }
}

#[test]
fn a_model_that_diverged_is_not_symmetric() {
    let task = add();
    let mut snapshot = Expert::additive(11, &[1]).snapshot(&task, 0);
    let numbers = Numbers::F32(vec![f32::NAN; 121 * 96]);
    snapshot.replace("blocks.0.mlp.hook_post", numbers);
    let broken = found(&task, &[snapshot]);
    assert!(broken.last("neuron asymmetry").unwrap().is_nan());
    assert!(broken.table("emergence").unwrap()[0]["epoch"].is_null());
}

#[test]
fn another_shape_is_named() {
    let task = add();
    let small = random(
        &super::tests::task("add", 7, |a, b| Some((a + b) % 7)),
        0,
        1,
    );
    let mut analysis = Commutativity::new(Config::default(), &task).unwrap();
    let error = run(&mut analysis, &[small]).unwrap_err().to_string();
    assert!(error.contains("post has shape [49, 96]"), "{error}");
    assert!(error.contains("expected [121, 96]"), "{error}");
}

#[test]
fn parameters_out_of_range_are_named() {
    let analysis = Registration::of::<Commutativity>("here");
    for (name, value) in [
        ("neurons", json!(0)),
        ("neurons", json!(4.5)),
        ("attention", json!(-0.1)),
        ("attention", json!(2)),
        ("hold", json!(0)),
        ("hold", json!(-1)),
        ("neuron", json!(1)),
    ] {
        let parameters = [(name.to_owned(), value.clone())].into_iter().collect();
        let error = analysis.check(&parameters).unwrap_err().to_string();
        assert!(error.contains(&format!("`{name}`")), "{value}: {error}");
    }
    let nan = Config {
        attention: f64::NAN,
        ..Config::default()
    };
    assert!(Commutativity::check(&nan).is_err());
    assert_eq!(analysis.check(&Default::default()), Ok(()));
    assert_eq!(analysis.schema()["properties"]["hold"]["default"], 1);
}

#[test]
fn the_same_snapshot_gives_the_same_findings() {
    let task = sub();
    let once = || found(&task, &[random(&task, 0, 3)]).findings;
    assert_eq!(once(), once());
}

/// One snapshot of the published experiment. The bound is ten times what it takes, for machines
/// that are busy; unoptimized builds have none.
#[test]
fn an_observation_of_mult113_is_quick() {
    let mut task = task("mul", 113, |a, b| Some(a * b % 113));
    (task.model.d_mlp, task.model.d_model) = (512, 128);
    let data = random(&task, 0, 3);
    let mut analysis = Commutativity::new(Config::default(), &task).unwrap();
    let mut sink = Recorder::default();
    let mut quickest = Duration::MAX;
    for _ in 0..5 {
        let start = Instant::now();
        data.show(&grokrun_api::Needs::all(), |s| {
            analysis.observe(s, &mut sink)
        })
        .unwrap();
        quickest = quickest.min(start.elapsed());
    }
    println!("observe at p = 113, 512 neurons: {quickest:?}");
    if !cfg!(debug_assertions) {
        assert!(quickest < Duration::from_millis(150), "{quickest:?}");
    }
}
