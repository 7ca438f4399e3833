//! Compares formulas and findings with independent computations in numpy:
//! `tests/numpy/check_fold.py` holds doc/model.md against the published model, and
//! `tests/numpy/check_measures.py`, written from doc/definitions.md, computes the measures of a
//! stored checkpoint again.
//!
//! Needs a Python with numpy, and for the second pandas, pyarrow and safetensors too: `python3`, or
//! the one that `GROKRUN_PYTHON` names. Without one a test is skipped and says so.

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
        let out = check(&python, &run, "1e-4");
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
        let out = check(&python, &run, "1e-13");
        let said = String::from_utf8_lossy(&out.stdout);
        assert_eq!(out.status.code(), Some(1), "{operation}\n{said}");
        assert!(said.contains("DIFFERS"), "{said}");
    }
}

fn check(python: &OsString, run: &Path, tolerance: &str) -> Output {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/numpy/check_measures.py");
    Command::new(python)
        .arg(script)
        .arg(run)
        .args(["--tolerance", tolerance])
        .output()
        .expect("Python starts")
}
