//! `import` from outside: the program says what a file does not contain, and checks it by the
//! recorded losses.

mod back;
mod layouts;

use std::path::PathBuf;

use grokrun_exchange::{Experiment, Foreign, write_pth, write_safetensors};
use grokrun_store::Tensor;
use serde_json::{Value, json};

use crate::support::{Bench, SMALL};

/// Trains [`SMALL`] with an activation.
fn trained(activation: &str) -> Bench {
    let spec = SMALL.replace(
        "d_mlp = 64",
        &format!("d_mlp = 64\nactivation = \"{activation}\""),
    );
    let bench = Bench::new(&spec);
    bench
        .run(&["small.toml", "--backend", "cpu", "-q"])
        .exits(0);
    export(&bench, "small", "pth", "x.pth");
    bench
}

fn export(bench: &Bench, run: &str, format: &str, file: &str) {
    let run = format!("runs/{run}");
    bench
        .run(&["export", &run, "--format", format, "-o", file])
        .exits(0);
}

fn resolved(bench: &Bench, run: &str) -> String {
    std::fs::read_to_string(bench.path().join("runs").join(run).join("resolved.toml")).unwrap()
}

fn config(bench: &Bench, run: &str) -> Value {
    let mut cells = std::fs::read_dir(bench.path().join("runs").join(run).join("cells")).unwrap();
    let cell = cells.next().unwrap().unwrap().path();
    serde_json::from_slice(&std::fs::read(cell.join("config.json")).unwrap()).unwrap()
}

/// Writes the experiment of `x.pth` with these settings instead of its own, and `change`d
/// checkpoints.
fn rewritten(bench: &Bench, settings: &Value, change: impl Fn(&mut Tensor)) -> PathBuf {
    let mut foreign = Foreign::open(&bench.path().join("x.pth"), None).unwrap();
    let facts = foreign.facts().clone();
    let history = facts.history.unwrap();
    let [train, test] = facts.split.unwrap();
    let columns = [0, 1, 2, 3].map(|i| history.columns[i].as_slice());
    let path = bench.path().join("y.pth");
    let experiment = Experiment {
        config: settings,
        own: &json!(null),
        history: columns,
        train: &train,
        test: &test,
        epochs: &facts.epochs,
    };
    write_pth(&path, &experiment, |epoch| {
        let at = facts.epochs.iter().position(|e| *e == epoch).unwrap();
        let mut tensors = foreign.model(at)?.tensors;
        tensors.iter_mut().for_each(&change);
        Ok::<_, grokrun_exchange::ExchangeError>(tensors)
    })
    .unwrap();
    path
}

/// Writes the model of `x.pth` alone, as a file without settings.
fn bare(bench: &Bench) -> PathBuf {
    let mut foreign = Foreign::open(&bench.path().join("x.pth"), None).unwrap();
    let last = foreign.len() - 1;
    let arrays: Vec<_> = foreign
        .model(last)
        .unwrap()
        .tensors
        .into_iter()
        .map(Into::into)
        .collect();
    let path = bench.path().join("bare.safetensors");
    write_safetensors(&path, &arrays, &[]).unwrap();
    path
}

const TASK: [&str; 6] = [
    "--operation",
    "mul",
    "--data-seed",
    "1",
    "--fraction",
    "0.5",
];

#[test]
fn a_gelu_model_that_does_not_say_so_is_found_out() {
    let bench = trained("gelu");
    // The settings follow from the recorded losses.
    rewritten(&bench, &json!({}), |_| {});
    bench
        .run(&[
            "import",
            "y.pth",
            "--into",
            "runs/recorded",
            "--operation",
            "mul",
        ])
        .exits(0)
        .says(&[
            "checked by the recorded losses",
            "nothing but gelu",
            "layer norm",
        ]);
    assert!(resolved(&bench, "recorded").contains("activation = \"gelu\""));
    // If no losses are recorded, the settings follow from how well the model is trained.
    bare(&bench);
    let import = |into: &str, more: &[&str]| {
        let fixed = ["import", "bare.safetensors", "--into", into];
        bench.run(&[&fixed[..], &TASK, more].concat()).exits(0)
    };
    import("runs/bare", &[]).says(&[
        "fits the train pairs best",
        "with relu",
        "--activation",
        "--epoch N",
        "--stream",
    ]);
    assert!(resolved(&bench, "bare").contains("activation = \"gelu\""));
    // The user's flag overrides the guess.
    let output = import(
        "runs/told",
        &[
            "--activation",
            "relu",
            "--attention-scale",
            "sqrt",
            "--normalization",
            "none",
            "--stream",
            "torch",
            "--epoch",
            "300",
        ],
    );
    assert!(resolved(&bench, "told").contains("activation = \"relu\""));
    assert_eq!(output.err().matches("note:").count(), 1, "{}", output.err());
    output.says(&["how its model was trained"]);
}

#[test]
fn a_relu_model_stays_one_and_what_does_not_fit_its_losses_is_said() {
    let bench = trained("relu");
    rewritten(&bench, &json!({"act_fn": "relu", "d_head": 8}), |_| {});
    let import = |into: &str, more: &[&str]| {
        let fixed = ["import", "y.pth", "--into", into];
        bench.run(&[&fixed[..], more].concat()).exits(0)
    };
    import("runs/a", &["--operation", "mul"]).says(&["checked by the recorded losses"]);
    assert!(resolved(&bench, "a").contains("activation = \"relu\""));
    import("runs/b", &["--operation", "add"]).says(&[
        "warning: the recorded losses are not",
        "another --operation",
    ]);
    import("runs/c", &["--operation", "mul", "--activation", "gelu"]).says(&[
        "tells the activation relu; gelu is taken",
        "warning: the recorded losses are not",
    ]);
    assert!(resolved(&bench, "c").contains("activation = \"gelu\""));
    // Neither the file nor the user says so, but the losses do.
    rewritten(&bench, &json!({}), |_| {});
    import("runs/d", &["--operation", "mul"])
        .says(&["nothing but relu, attention scores divided by √d_head fits"]);
    // Refused: settings that the model does not have, and settings that contradict the shapes.
    for (flags, says) in [
        (&["--normalization", "RMS"][..], "LNPre"),
        (&["--heads", "2"], "--heads 2 does not fit"),
        (&["--attention-scale", "0"], "expected sqrt"),
        (&["--activation", "solu"], "relu"),
    ] {
        let fixed = ["import", "y.pth", "--into", "runs/e"];
        bench
            .run(&[&fixed[..], flags].concat())
            .exits(2)
            .says(&[says]);
    }
    rewritten(&bench, &json!({"n_heads": 8}), |_| {});
    bench
        .run(&["import", "y.pth", "--into", "runs/e"])
        .exits(2)
        .says(&["n_heads = 8, and its tensors have 4"]);
    assert!(!bench.path().join("runs/e").exists());
}

#[test]
fn a_model_without_attention_scale_computes_what_it_did() {
    let bench = trained("relu");
    let whole = bench
        .run(&["import", "x.pth", "--into", "runs/whole"])
        .exits(0);
    // The same model, written for scores that are not divided.
    let unscaled = |tensor: &mut Tensor| {
        if tensor.name == "blocks.0.attn.W_Q" {
            tensor.data.iter_mut().for_each(|x| *x /= 8f32.sqrt());
        }
    };
    let losses = |line: String| {
        line.split("the last one")
            .nth(1)
            .map(|l| l.lines().next().unwrap().to_owned())
    };
    for (settings, flags) in [
        (json!({"use_attn_scale": false}), &[][..]),
        (json!({}), &["--attention-scale", "none"]),
        (json!({}), &[]),
    ] {
        rewritten(&bench, &settings, unscaled);
        let fixed = [
            "import",
            "y.pth",
            "--into",
            "runs/other",
            "--operation",
            "mul",
            "--force",
        ];
        let found = bench.run(&[&fixed[..], flags].concat()).exits(0);
        assert_eq!(losses(found.out()), losses(whole.out()));
        found.says(&[
            "W_Q is multiplied by 2.828",
            "checked by the recorded losses",
        ]);
    }
}

fn foreign_split(bench: &Bench) -> [Vec<i64>; 2] {
    let foreign = Foreign::open(&bench.path().join("x.pth"), None).unwrap();
    foreign.facts().split.clone().unwrap()
}
