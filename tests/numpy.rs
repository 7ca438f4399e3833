//! Compares formulas and findings with independent computations in numpy:
//! `tests/numpy/check_fold.py` holds doc/model.md against the published model, and
//! `tests/numpy/check_measures.py` and `check_new_measures.py`, written from doc/definitions.md,
//! compute the measures of a stored checkpoint again.
//!
//! Needs a Python with numpy, and for the measures pandas, pyarrow and safetensors too: `python3`,
//! or the one that `GROKRUN_PYTHON` names. Without one a test is skipped and says so.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, Output};

use crate::support::{Bench, SMALL};

/// The analyses that the script knows, with their defaults.
const KNOWN: [&str; 10] = [
    "fourier-sparsity",
    "neuron-clustering",
    "commutativity",
    "progress-measures",
    "effective-weights",
    "logit-directions",
    "singular-values",
    "quadratic-fit",
    "interventions",
    "clock-or-pizza",
];

/// Returns the Python to use, if it has these packages; otherwise says that the test is skipped.
fn python_with(packages: &str, test: &str) -> Option<OsString> {
    let python = std::env::var_os("GROKRUN_PYTHON").unwrap_or_else(|| "python3".into());
    let imports = Command::new(&python)
        .args(["-c", &format!("import {packages}")])
        .output();
    let there = imports.is_ok_and(|output| output.status.success());
    if !there {
        eprintln!(
            "skipped: {test}; {} has not all of {packages} (set GROKRUN_PYTHON to one that has)",
            python.display()
        );
    }
    there.then_some(python)
}

/// The page's own formulas, with nothing of this program.
#[test]
fn the_formulas_of_the_model_page_are_right() {
    let Some(python) = python_with("numpy", "the_formulas_of_the_model_page_are_right") else {
        return;
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/numpy/check_fold.py");
    let out = Command::new(python)
        .arg(script)
        .output()
        .expect("Python starts");
    let said = String::from_utf8_lossy(&out.stdout);
    let errors = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(0), "{said}{errors}");
    assert_eq!(said.matches("ok      ").count(), 12, "{said}");
}

#[test]
fn numpy_finds_the_same_measures() {
    let packages = "numpy, pandas, pyarrow, safetensors";
    let Some(python) = python_with(packages, "numpy_finds_the_same_measures") else {
        return;
    };
    let listed = Bench::new(SMALL).run(&["plugins"]).exits(0).out();
    let there = |name: &&str| {
        listed
            .lines()
            .any(|line| line.starts_with(&format!("{name} ")))
    };
    let analyses: Vec<&str> = KNOWN.into_iter().filter(there).collect();
    assert!(analyses.len() >= 3, "{listed}");
    let tables: String = analyses
        .iter()
        .map(|a| format!("[analysis.{a}]\n"))
        .collect();

    for operation in ["mul", "add"] {
        let spec = SMALL.replace("\"mul\"", &format!("\"{operation}\""));
        let bench = Bench::new(&(spec + &tables));
        bench
            .run(&["small.toml", "--backend", "cpu", "--quiet"])
            .exits(0);
        let run = bench.path().join("runs/small");
        let out = check(&python, "check_measures.py", &run, "1e-4");
        let said = String::from_utf8_lossy(&out.stdout);
        let errors = String::from_utf8_lossy(&out.stderr);
        assert_eq!(out.status.code(), Some(0), "{operation}\n{said}{errors}");
        let agreed = |name: &str| {
            let start = format!("ok      {name}: ");
            said.lines().filter(|line| line.starts_with(&start)).count()
        };
        for name in &analyses {
            assert!(agreed(name) > 0, "{operation} {name}\n{said}");
        }
        let all: usize = analyses.iter().map(|name| agreed(name)).sum();
        assert!(all >= 12, "{operation}: {all} measures\n{said}");

        // f32 and f64 are not the same number: the script does see a difference.
        let out = check(&python, "check_measures.py", &run, "1e-13");
        let said = String::from_utf8_lossy(&out.stdout);
        assert_eq!(out.status.code(), Some(1), "{operation}\n{said}");
        assert!(said.contains("DIFFERS"), "{said}");
    }
}

/// A transformer with every measure of a cyclic group, and an MLP with those of another group.
const NEWER: [(&str, &[&str]); 2] = [
    (
        r#"
operation = "add"
modulus = 11
fraction = 0.5
seeds = { data = 1, model = 2 }
[model]
heads = 2
d_model = 6
d_head = 3
d_mlp = 8
activation = "gelu"
biases = "trained"
[train]
epochs = 400
[checkpoints]
every = 200
[analysis.phase-relation]
threshold = 0.25
[analysis.norm-path]
[analysis.circulant]
[analysis.rqi]
tolerance = 4.0
[analysis.edge]
[analysis.curvature]
step = 1e-4
probes = 100
[analysis.complexity]
[analysis.local-learning-coefficient]
draws = 100
burn_in = 50
"#,
        &[
            "phase-relation",
            "norm-path",
            "circulant",
            "rqi",
            "edge",
            "curvature",
            "complexity",
            "local-learning-coefficient",
        ],
    ),
    (
        r#"
operation = { group = "S4" }
fraction = 0.5
seeds = { data = 1, model = 2 }
[model]
kind = "mlp"
input = "embedding-concat"
embeddings = "separate"
d_model = 6
hidden = [24]
activation = "quadratic"
init_scale = 5.0
[train]
epochs = 120
weight_decay = 0.01
learning_rate = 0.01
loss = { kind = "cross-entropy", precision = "f32" }
[checkpoints]
every = 30
[analysis.cosets]
threshold = 0.5
[analysis.norm-path]
[analysis.rqi]
tolerance = 4.0
[analysis.edge]
[analysis.complexity]
"#,
        &["cosets", "norm-path", "rqi", "edge", "complexity"],
    ),
];

#[test]
fn numpy_finds_the_same_newer_measures() {
    let test = "numpy_finds_the_same_newer_measures";
    let Some(python) = python_with("numpy, pandas, pyarrow, safetensors", test) else {
        return;
    };
    for (spec, analyses) in NEWER {
        let bench = Bench::new(spec);
        bench
            .run(&["small.toml", "--backend", "cpu", "--quiet"])
            .exits(0);
        let run = bench.path().join("runs/small");
        let out = check(&python, "check_new_measures.py", &run, "1e-4");
        let said = String::from_utf8_lossy(&out.stdout);
        let errors = String::from_utf8_lossy(&out.stderr);
        assert_eq!(out.status.code(), Some(0), "{said}{errors}");
        for name in analyses {
            let start = format!("ok      {name}: ");
            assert!(
                said.lines().any(|l| l.starts_with(&start)),
                "{name}\n{said}"
            );
        }
        let out = check(&python, "check_new_measures.py", &run, "1e-13");
        assert_eq!(
            out.status.code(),
            Some(1),
            "f32 and f64 are not the same number"
        );
    }
}

/// Runs a script of `tests/numpy/` on a run.
fn check(python: &OsString, script: &str, run: &Path, tolerance: &str) -> Output {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/numpy");
    Command::new(python)
        .arg(folder.join(script))
        .arg(run)
        .args(["--tolerance", tolerance])
        .output()
        .expect("Python starts")
}
