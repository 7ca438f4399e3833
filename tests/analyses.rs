//! Analyses of models that were really trained: the acceptance of each, and live findings against
//! stored ones.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::published::json;
use crate::support::{Bench, SMALL, assert_same};

const ALL: &str = "[analysis.fourier-sparsity]\n[analysis.neuron-clustering]\nwrong_basis = true\n[analysis.commutativity]\n";

#[test]
fn every_shipped_spec_is_valid_with_the_analyses_that_are_linked() {
    let specs = Path::new(env!("CARGO_MANIFEST_DIR")).join("specs");
    let bench = Bench::new("");
    let mut count = 0;
    for entry in std::fs::read_dir(specs).unwrap() {
        let path = entry.unwrap().path();
        if path
            .extension()
            .is_some_and(|extension| extension == "toml")
        {
            let spec = path.to_str().unwrap();
            let checked = bench.run(&["check", spec, "--backend", "cpu"]).exits(0);
            assert!(checked.out().contains("the spec is valid"), "{spec}");
            count += 1;
        }
    }
    assert!(count >= 4, "{count}");
}

fn small(epochs: u64) -> String {
    let spec = SMALL.replace("epochs = 300", &format!("epochs = {epochs}"));
    format!("{spec}{ALL}")
}

#[test]
fn stored_checkpoints_give_the_same_findings() {
    let bench = Bench::new(&small(500));
    bench.run(&["small.toml", "--backend", "cpu"]).exits(0);
    let live = bench.files("small");
    assert!(
        live.keys()
            .any(|path| path.ends_with("commutativity/findings.json"))
    );
    bench.run(&["analyze", "runs/small"]).exits(0);
    assert_same(&bench.files("small"), &live);
    // One analysis alone, after its findings were removed.
    let cell = bench
        .path()
        .join("runs/small/cells/mul-p23-f0.5-d1-m2/analysis/commutativity");
    std::fs::remove_dir_all(&cell).unwrap();
    bench
        .run(&["analyze", "runs/small", "--only", "commutativity"])
        .exits(0);
    assert_same(&bench.files("small"), &live);
}

/// Kills a run once it has written this checkpoint.
fn kill_after(bench: &Bench, checkpoint: &str) {
    let mut child = bench.spawn(&["small.toml", "--backend", "cpu"]);
    let file = Path::new("runs/small/cells/mul-p23-f0.5-d1-m2/checkpoints").join(checkpoint);
    let started = Instant::now();
    while !bench.path().join(&file).exists() {
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "no {checkpoint}"
        );
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_killed_run_ends_with_the_findings_of_one_that_was_not() {
    let (whole, broken) = (Bench::new(&small(3000)), Bench::new(&small(3000)));
    whole.run(&["small.toml", "--backend", "cpu"]).exits(0);
    kill_after(&broken, "00001000.safetensors");
    broken.run(&["small.toml", "--backend", "cpu"]).exits(0);
    assert_same(&broken.files("small"), &whole.files("small"));
    // Findings that are lost are made again, without training.
    let analysis: PathBuf = broken
        .path()
        .join("runs/small/cells/mul-p23-f0.5-d1-m2/analysis");
    std::fs::remove_dir_all(&analysis).unwrap();
    broken
        .run(&["small.toml", "--backend", "cpu"])
        .exits(0)
        .says(&["analysing"]);
    assert_same(&broken.files("small"), &whole.files("small"));
}

#[test]
fn an_analysis_can_be_added_to_a_run_that_is_there() {
    let bench = Bench::new(SMALL);
    bench.run(&["small.toml", "--backend", "cpu"]).exits(0);
    bench.write(
        "small.toml",
        format!("{SMALL}[analysis.commutativity]\nevery = 0\n"),
    );
    bench.run(&["small.toml", "--backend", "cpu"]).exits(0);
    let index = json(&bench, "mul-p23-f0.5-d1-m2", "commutativity/findings.json");
    assert_eq!(index["every"], 0);
    assert_eq!(index["failure"], Value::Null);
}

#[test]
fn mistakes_in_analyses_are_found_before_anything_runs() {
    let bench = Bench::new(&format!(
        "{SMALL}[analysis.neuron-clusterin]\n[analysis.commutativity]\nneurons = 9\n[analysis.fourier-sparsity]\nbasis = 3\n"
    ));
    bench.run(&["small.toml"]).exits(2).says(&[
        "unknown analysis `neuron-clusterin`",
        "did you mean `neuron-clustering`?",
        "above 0 and at most 4",
        "`basis`",
    ]);
    assert!(!bench.path().join("runs").exists());
    bench
        .run(&["analyze", "nowhere"])
        .exits(2)
        .says(&["nowhere", "run.json"]);
    let plain = Bench::new(SMALL);
    plain
        .run(&["small.toml", "--backend", "cpu", "--set", "train.epochs=1"])
        .exits(0);
    plain
        .run(&["analyze", "runs/small"])
        .exits(2)
        .says(&["asks for no analysis"]);
    plain
        .run(&["analyze", "runs/small", "--only", "nothing"])
        .exits(2)
        .says(&["no analysis nothing"]);
}

/// An analysis that cannot say anything of an operation says so, and the run succeeds: for the
/// smallest moduli, with every operation that has a data set there.
#[test]
fn the_smallest_moduli_fail_no_analysis() {
    let names = [
        "fourier-sparsity",
        "neuron-clustering",
        "commutativity",
        "progress-measures",
        "effective-weights",
        "activations",
        "logit-directions",
        "singular-values",
        "quadratic-fit",
        "interventions",
        "clock-or-pizza",
        "embedding-geometry",
        "phase-relation",
        "circulant",
        "cosets",
        "rqi",
        "edge",
        "norm-path",
    ];
    let tables: String = names.map(|name| format!("[analysis.{name}]\n")).concat();
    let bench = Bench::new(&format!(
        "operation = [\"div\", \"mul\", \"add\", \"1\", \"a\"]\nmodulus = [2, 3]\nfraction = 0.5\n\
         seeds = {{ data = 1, model = 2 }}\n[model]\nd_model = 16\nd_head = 4\nd_mlp = 16\n\
         [train]\nepochs = 20\n[checkpoints]\nevery = 10\n{tables}"
    ));
    bench
        .run(&["small.toml", "--backend", "cpu", "-q"])
        .exits(0);
    let found = bench
        .path()
        .join("runs/small/cells/div-p2-f0.5-d1-m2/analysis/commutativity/findings.json");
    let index = std::fs::read_to_string(found).unwrap();
    assert!(index.contains("nothing to compare"), "{index}");
}
