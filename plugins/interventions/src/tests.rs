use grokrun_api::testing::{Recorder, random, run, task};
use grokrun_api::{Numbers, SnapshotData};

use super::*;

/// A model made by hand: p = 5, addition. Head 0 looks at a and b with ½ each, its output goes past
/// the MLP only; the MLP adds what makes the label's logit the largest.
///
/// Tokens are one-hot in dimensions 0 to 4; W_V W_O of head 0 doubles them into dimensions 5 to 9,
/// so that the residual stream there holds x = e_a + e_b. Neuron (i, j) is relu(x_i + x_j − 1) for
/// i < j, and relu(2 x_i − 2) for i = j: where a ≠ b one neuron fires, and gives 4 to the label;
/// where a = b all of a's fire 1, and its own 2, so that the label's logit is 4 above the others
/// again. Head 1 does nothing.
fn planted() -> (Task, SnapshotData) {
    let p = 5;
    let mut task = task("add", p, |a, b| Some((a + b) % 5));
    task.model.heads = 2;
    task.model.d_model = 16;
    task.model.d_head = 5;
    let (d, e) = (16, 5);
    let cases: Vec<(usize, usize)> = (0..p).flat_map(|i| (i..p).map(move |j| (i, j))).collect();
    task.model.d_mlp = cases.len();
    let f = cases.len();
    let mut data = SnapshotData::new(0);
    let mut weight = |name: &str, shape: &[usize], ones: &[(usize, f32)]| {
        let mut numbers = vec![0.0f32; shape.iter().product()];
        ones.iter().for_each(|(at, x)| numbers[*at] = *x);
        data.add(format!("weight.{name}"), shape, Numbers::F32(numbers));
    };
    let tokens: Vec<(usize, f32)> = (0..p).map(|t| (t * d + t, 1.0)).collect();
    weight("embed.W_E", &[p + 1, d], &tokens);
    // The residual stream at '=': dimension 10, which head 0 asks with.
    weight("pos_embed.W_pos", &[3, d], &[(2 * d + 10, 1.0)]);
    // Scores of 40 for each token and 0 for '='.
    let scale = 5f32.sqrt();
    weight("blocks.0.attn.W_Q", &[2, d, e], &[(10 * e, 40.0 * scale)]);
    let keys: Vec<(usize, f32)> = (0..p).map(|t| (t * e, 1.0)).collect();
    weight("blocks.0.attn.W_K", &[2, d, e], &keys);
    let values: Vec<(usize, f32)> = (0..p).map(|t| (t * e + t, 2.0)).collect();
    weight("blocks.0.attn.W_V", &[2, d, e], &values);
    let outputs: Vec<(usize, f32)> = (0..e).map(|t| (t * d + 5 + t, 1.0)).collect();
    weight("blocks.0.attn.W_O", &[2, e, d], &outputs);
    let mut ins = Vec::new();
    let mut outs = Vec::new();
    for (n, (i, j)) in cases.iter().enumerate() {
        if i == j {
            ins.push(((5 + i) * f + n, 2.0));
        } else {
            ins.push(((5 + i) * f + n, 1.0));
            ins.push(((5 + j) * f + n, 1.0));
        }
        outs.push((n * d + 11 + (i + j) % p, 4.0));
    }
    weight("blocks.0.mlp.W_in", &[d, f], &ins);
    weight("blocks.0.mlp.W_out", &[f, d], &outs);
    let biases: Vec<(usize, f32)> = cases
        .iter()
        .enumerate()
        .map(|(n, (i, j))| (n, if i == j { -2.0 } else { -1.0 }))
        .collect();
    weight("blocks.0.mlp.b_in", &[f], &biases);
    let classes: Vec<(usize, f32)> = (0..p).map(|c| ((11 + c) * p + c, 1.0)).collect();
    weight("unembed.W_U", &[d, p], &classes);

    // What it says by construction.
    let logit = |i: usize| {
        let (a, b, c) = (i / p / p, i / p % p, i % p);
        let label = if (a + b) % p == c { 4.0 } else { 0.0 };
        label + if a == b { 4.0 } else { 0.0 }
    };
    let logits = (0..p * p * p).map(logit).collect();
    data.add("logits", &[p * p, p], Numbers::F32(logits));
    (task, data)
}

fn analyse(config: Config, task: &Task, data: SnapshotData) -> Recorder {
    let mut analysis = Interventions::new(config, task).unwrap();
    run(&mut analysis, &[data]).unwrap()
}

#[test]
fn a_model_made_by_hand_loses_what_it_should() {
    let (task, data) = planted();
    let found = analyse(Config::default(), &task, data);
    let loss = |name: &str| found.last(&format!("test loss, {name}")).unwrap();
    let near = |name: &str, want: f64| {
        let got = loss(name);
        assert!((got - want).abs() < 1e-5, "{name}: {got}, expected {want}");
    };
    assert!(found.last("forward difference").unwrap() < 1e-6);
    let right = (4.0 * (-4f64).exp()).ln_1p();
    let uniform = 5f64.ln();
    near("none", right);
    // Head 1 has no weights: whatever is done to it, nothing changes.
    for same in [
        "head 1 zero",
        "head 1 mean",
        "skip attention mean",
        "mean attention",
    ] {
        near(same, right);
    }
    // Nothing goes past the MLP to the logits.
    for same in ["skip mlp zero", "skip mlp mean", "skip attention zero"] {
        near(same, right);
    }
    for none in ["head 0 zero", "all heads zero", "mlp zero", "mlp mean"] {
        near(none, uniform);
    }
    assert_eq!(found.last("test accuracy, none"), Some(1.0));
    // e_a + e_b becomes its mean, 2/5 in each dimension: no neuron reaches its threshold.
    near("all heads mean", uniform);
    assert_eq!(found.table("interventions").unwrap().len(), 14);
    let figure = found.figure("test-loss").unwrap();
    assert_eq!(figure["layout"]["xaxis"]["title"]["text"], "epoch");
}

#[test]
fn only_what_a_spec_asks_for_is_done() {
    let (task, data) = planted();
    let config = Config {
        interventions: vec!["mlp-zero".to_owned(), "head-mean".to_owned()],
    };
    let found = analyse(config, &task, data);
    let rows = found.table("interventions").unwrap();
    let names: Vec<String> = rows
        .iter()
        .map(|row| row["intervention"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(names, ["none", "head 0 mean", "head 1 mean", "mlp zero"]);
    assert!(found.last("test loss, head 0 zero").is_none());
}

#[test]
fn unknown_names_are_refused_with_the_list() {
    for words in [vec!["mlp-zeros".to_owned()], vec![]] {
        let config = Config {
            interventions: words,
        };
        let error = Interventions::check(&config).unwrap_err().to_string();
        for (name, _) in Kind::ALL {
            assert!(error.contains(name), "{error}");
        }
    }
    Interventions::check(&Config::default()).unwrap();
}

#[test]
fn logits_that_are_not_the_weights_own_fail_it() {
    let task = task("mul", 7, |a, b| Some(a * b % 7));
    let data = random(&task, 3, 1);
    let mut analysis = Interventions::new(Config::default(), &task).unwrap();
    let error = data.show(&grokrun_api::Needs::all(), |snapshot| {
        analysis.observe(snapshot, &mut Recorder::default())
    });
    let error = error.unwrap_err().to_string();
    assert!(error.contains("epoch 3"), "{error}");
}
