//! Files of a run that are changed, truncated, missing, or replaced by other files: every command
//! that reads one names it, or does what it would have done, and files that can be made again are
//! made again.

mod generated;
mod swapped;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{Bench, SMALL, assert_same, below};

const CPU: &[&str] = &["small.toml", "--backend", "cpu", "--quiet"];
const CELLS: [&str; 2] = ["mul-p23-f0.5-d1-m2", "mul-p23-f0.5-d1-m3"];

/// Returns a spec of two cells of one shape, with two analyses.
fn spec() -> String {
    let spec = SMALL
        .replace("epochs = 300", "epochs = 120")
        .replace("model = 2", "model = [2, 3]");
    format!(
        "{spec}[checkpoints]\nevery = 40\n[analysis.commutativity]\n[analysis.fourier-sparsity]\n"
    )
}

/// A finished run, and all its files.
struct Whole {
    bench: Bench,
    files: BTreeMap<PathBuf, Vec<u8>>,
}

impl Whole {
    fn new() -> Whole {
        let bench = Bench::new(&spec());
        bench.run(CPU).exits(0);
        let files = below(&bench.path().join("runs/small"));
        Whole { bench, files }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.bench.path().join("runs/small").join(name)
    }

    fn cell(&self, cell: usize, name: &str) -> PathBuf {
        self.path(&format!("cells/{}/{name}", CELLS[cell]))
    }

    /// Flips bits of the byte at this share of a file.
    fn flip(&self, path: &Path, at: f64) {
        let mut bytes = fs::read(path).unwrap();
        let at = (at * bytes.len() as f64) as usize;
        bytes[at] ^= 1;
        fs::write(path, bytes).unwrap();
    }

    fn swap(&self, one: &Path, other: &Path) {
        let (left, right) = (fs::read(one).unwrap(), fs::read(other).unwrap());
        fs::write(one, right).unwrap();
        fs::write(other, left).unwrap();
    }

    /// Restores all files of the run.
    fn restore(&self) {
        let run = self.bench.path().join("runs/small");
        fs::remove_dir_all(&run).unwrap();
        for (name, bytes) in &self.files {
            let path = run.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
    }

    /// Fails unless the run's files are unchanged, except for those with times.
    #[track_caller]
    fn is_as_before(&self) {
        let now = self.bench.files("small");
        let mut before = self.files.clone();
        before.retain(|name, _| now.contains_key(name) || !is_timed(name));
        assert_same(&before, &now);
    }
}

fn is_timed(name: &Path) -> bool {
    ["summary.json", "log.jsonl", "report.html"]
        .iter()
        .any(|timed| name == Path::new(timed))
}

#[test]
fn what_describes_a_cell_is_written_again() {
    let whole = Whole::new();
    for name in ["config.json", "split.safetensors", "metrics.parquet"] {
        whole.flip(&whole.cell(0, name), 0.5);
        let output = whole.bench.run(CPU).exits(0);
        whole.is_as_before();
        assert!(output.err().is_empty(), "quiet: {}", output.err());
        // The file belongs to another seed.
        fs::copy(whole.cell(1, name), whole.cell(0, name)).unwrap();
        let loud = &CPU[..3];
        whole.bench.run(loud).exits(0).says(&["made again", name]);
        whole.is_as_before();
    }
    for name in ["resolved.toml", "spec.toml"] {
        whole.flip(&whole.path(name), 0.9);
        whole.bench.run(CPU).exits(0);
        whole.is_as_before();
    }
    whole.flip(&whole.path("summary.json"), 0.5);
    whole
        .bench
        .run(&CPU[..3])
        .exits(0)
        .says(&["summary.json", "made again"]);
    whole.bench.run(&["status", "runs/small"]).exits(0);
    // The message gives the advice, before it is followed.
    whole.flip(&whole.cell(0, "config.json"), 0.3);
    let export = [
        "export",
        "runs/small",
        "--cell",
        CELLS[0],
        "--format",
        "npz",
        "-o",
        "x.npz",
    ];
    let words = ["config.json is damaged", "`grokrun SPEC` writes it again"];
    whole.bench.run(&export).exits(1).says(&words);
    whole.bench.run(CPU).exits(0);
    whole.bench.run(&export).exits(0);
}

#[test]
fn a_cell_with_a_damaged_file_is_not_merged() {
    let whole = Whole::new();
    let merge = ["merge", "runs/small", "--into", "into/small"];
    for name in [
        "checkpoints/00000080.safetensors",
        "state.safetensors",
        "analysis/commutativity/series.parquet",
        "config.json",
    ] {
        whole.flip(&whole.cell(0, name), 0.7);
        let file = name.rsplit('/').next().unwrap();
        let output = whole.bench.run(&merge).exits(1).says(&[file, "is damaged"]);
        assert!(output.out().contains("1 cells taken") && output.out().contains("1 damaged"));
        assert!(
            !whole
                .bench
                .path()
                .join("into/small/cells")
                .join(CELLS[0])
                .join(name)
                .exists()
        );
        whole.restore();
        // The mended cell is taken.
        let output = whole.bench.run(&merge).exits(0);
        assert!(output.out().contains("1 cells taken") && output.out().contains("1 kept"));
        fs::remove_dir_all(whole.bench.path().join("into")).unwrap();
    }
}

#[test]
fn a_damaged_state_is_reported_and_its_history_is_shown() {
    let whole = Whole::new();
    let shown = whole.bench.run(&["show", "runs/small"]).exits(0).out();
    whole.flip(&whole.cell(0, "state.safetensors"), 0.5);
    let words = [
        "state.safetensors is damaged",
        "120 epochs that are shown are those of metrics.parquet",
    ];
    let output = whole
        .bench
        .run(&["show", "runs/small"])
        .exits(1)
        .says(&words);
    assert_eq!(output.out(), shown);
    whole
        .bench
        .run(&["report", "runs/small"])
        .exits(1)
        .says(&words);
    let page = fs::read_to_string(whole.path("report.html")).unwrap();
    assert!(page.contains("state.safetensors is damaged"));
    // Both files are missing: there are no curves, and both are named.
    whole.flip(&whole.cell(0, "metrics.parquet"), 0.5);
    let output = whole.bench.run(&["show", "runs/small"]).exits(1);
    let output = output.says(&["state.safetensors is damaged", "metrics.parquet is damaged"]);
    assert!(output.out().matches("train loss  ").count() < shown.matches("train loss  ").count());
}

#[test]
fn damaged_findings_are_left_out_of_the_report_and_made_again() {
    let whole = Whole::new();
    let folder = "analysis/fourier-sparsity";
    let names = below(&whole.cell(0, folder));
    let one = |suffix: &str| {
        let names = names.keys().map(|name| name.to_string_lossy().into_owned());
        let mut fitting = names.filter(|name| name.ends_with(suffix));
        fitting.next().expect("an analysis leaves one")
    };
    for name in [
        one(".figure.json"),
        one(".table.json"),
        one("findings.json"),
    ] {
        whole.flip(&whole.cell(0, &format!("{folder}/{name}")), 0.6);
        let advice = "analyze RUN --only fourier-sparsity` makes it again";
        whole
            .bench
            .run(&["report", "runs/small"])
            .exits(1)
            .says(&[&name, "is damaged", advice]);
        let page = fs::read_to_string(whole.path("report.html")).unwrap();
        assert!(page.contains(&name), "the page says so");
        let again = [
            "analyze",
            "runs/small",
            "--only",
            "fourier-sparsity",
            "--quiet",
        ];
        whole.bench.run(&again).exits(0);
        whole.is_as_before();
        whole.bench.run(&["report", "runs/small"]).exits(0);
    }
    // Running the spec also makes unreadable findings again.
    whole.swap(
        &whole.cell(0, &format!("{folder}/findings.json")),
        &whole.cell(1, &format!("{folder}/findings.json")),
    );
    whole
        .bench
        .run(&CPU[..3])
        .exits(0)
        .says(&["findings.json", "made again"]);
    whole.is_as_before();
}

#[test]
fn checkpoints_that_are_gone_are_reported() {
    let whole = Whole::new();
    let gone = whole.cell(1, "checkpoints/00000040.safetensors");
    fs::remove_file(&gone).unwrap();
    let words = ["1 of its checkpoints", "epoch 40", "state.safetensors"];
    whole.bench.run(&CPU[..3]).exits(0).says(&words);
    let analyze = ["analyze", "runs/small", "--only", "commutativity"];
    whole.bench.run(&analyze).exits(0).says(&words);
    let output = whole.bench.run(&["status", "runs/small"]).exits(0).out();
    for part in words {
        assert!(output.contains(part), "{output}");
    }
    // After the state is deleted, as the message says, it is trained again to the same bytes.
    fs::remove_file(whole.cell(1, "state.safetensors")).unwrap();
    whole.bench.run(CPU).exits(0);
    whole.is_as_before();
    let output = whole.bench.run(&["status", "runs/small"]).exits(0).out();
    assert!(!output.contains("checkpoints"), "{output}");
}

#[test]
fn a_damaged_manifest_or_summary_is_named_by_lists() {
    let whole = Whole::new();
    whole.flip(&whole.path("run.json"), 0.8);
    for command in [
        &["list"][..],
        &["show", "runs/small"],
        &["status", "runs/small"],
        CPU,
    ] {
        whole
            .bench
            .run(command)
            .exits(1)
            .says(&["run.json is damaged"]);
    }
    whole.restore();
    whole.flip(&whole.path("resolved.toml"), 0.8);
    for command in [&["list"][..], &["status", "runs/small"]] {
        whole
            .bench
            .run(command)
            .exits(1)
            .says(&["resolved.toml is damaged", "writes it again"]);
    }
    whole.restore();
    // A command that reads the one file does not complain of the other.
    whole.flip(&whole.path("spec.toml"), 0.8);
    for command in [&["list"][..], &["status", "runs/small"]] {
        whole.bench.run(command).exits(0);
    }
    whole.restore();
    whole.flip(&whole.path("summary.json"), 0.8);
    for command in [
        &["list"][..],
        &["show", "runs/small"],
        &["status", "runs/small"],
    ] {
        whole
            .bench
            .run(command)
            .exits(1)
            .says(&["summary.json is damaged", "makes it again"]);
    }
}
