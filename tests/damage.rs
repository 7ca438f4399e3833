//! Files of a run that are changed, cut off, gone, or put into another's place: every command that
//! reads one names it, or does what it would have done, and what can be made again is.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{Bench, SMALL, assert_same, below};

const CPU: &[&str] = &["small.toml", "--backend", "cpu", "--quiet"];
const CELLS: [&str; 2] = ["mul-p23-f0.5-d1-m2", "mul-p23-f0.5-d1-m3"];

/// Two cells of one shape, with two analyses.
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

    /// Makes the run what it was.
    fn restore(&self) {
        let run = self.bench.path().join("runs/small");
        fs::remove_dir_all(&run).unwrap();
        for (name, bytes) in &self.files {
            let path = run.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
    }

    /// Fails unless the run's files are what they were, but for those with times.
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
        let told = whole.bench.run(CPU).exits(0);
        whole.is_as_before();
        assert!(told.err().is_empty(), "quiet: {}", told.err());
        // Another seed's.
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
    // As the advice says, before it is followed.
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
fn states_checkpoints_and_splits_of_others_are_refused() {
    let whole = Whole::new();
    whole.swap(
        &whole.cell(0, "state.safetensors"),
        &whole.cell(1, "state.safetensors"),
    );
    let words = [
        CELLS[0],
        CELLS[1],
        "is not where it belongs",
        "delete the file",
    ];
    whole.bench.run(CPU).exits(1).says(&words);
    whole
        .bench
        .run(&["show", "runs/small"])
        .exits(1)
        .says(&words);
    whole.restore();

    let [early, late] = [
        "checkpoints/00000040.safetensors",
        "checkpoints/00000080.safetensors",
    ];
    fs::copy(whole.cell(0, early), whole.cell(0, late)).unwrap();
    let analyze = [
        "analyze",
        "runs/small",
        "--only",
        "commutativity",
        "--quiet",
    ];
    let words = [
        "00000080.safetensors",
        "epoch 40",
        "expected one of epoch 80",
    ];
    whole.bench.run(&analyze).exits(1).says(&words);
    let export = [
        "export",
        "runs/small",
        "--cell",
        CELLS[0],
        "--format",
        "pth",
        "-o",
        "x.pth",
    ];
    whole.bench.run(&export).exits(1).says(&words);
    whole.restore();

    fs::copy(
        whole.cell(1, "split.safetensors"),
        whole.cell(0, "split.safetensors"),
    )
    .unwrap();
    let words = ["split.safetensors", CELLS[1], "writes it again"];
    whole.bench.run(&analyze).exits(1).says(&words);
    whole.bench.run(&export).exits(1).says(&words);
    whole.restore();

    // One of the same name, trained with other settings.
    let set = ["--out", "other", "--set", "train.weight_decay=0.5"];
    whole.bench.run(&[CPU, &set].concat()).exits(0);
    let other = whole.bench.path().join("other/small/cells").join(CELLS[0]);
    fs::copy(
        other.join("state.safetensors"),
        whole.cell(0, "state.safetensors"),
    )
    .unwrap();
    whole
        .bench
        .run(CPU)
        .exits(1)
        .says(&["state.safetensors", "other settings or seeds"]);
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
        let told = whole.bench.run(&merge).exits(1).says(&[file, "is damaged"]);
        assert!(told.out().contains("1 cells taken") && told.out().contains("1 damaged"));
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
        // What was mended is taken.
        let told = whole.bench.run(&merge).exits(0);
        assert!(told.out().contains("1 cells taken") && told.out().contains("1 kept"));
        fs::remove_dir_all(whole.bench.path().join("into")).unwrap();
    }
}

#[test]
fn a_damaged_state_is_told_and_its_history_is_shown() {
    let whole = Whole::new();
    let shown = whole.bench.run(&["show", "runs/small"]).exits(0).out();
    whole.flip(&whole.cell(0, "state.safetensors"), 0.5);
    let words = [
        "state.safetensors is damaged",
        "120 epochs that are shown are those of metrics.parquet",
    ];
    let told = whole
        .bench
        .run(&["show", "runs/small"])
        .exits(1)
        .says(&words);
    assert_eq!(told.out(), shown);
    whole
        .bench
        .run(&["report", "runs/small"])
        .exits(1)
        .says(&words);
    let page = fs::read_to_string(whole.path("report.html")).unwrap();
    assert!(page.contains("state.safetensors is damaged"));
    // Both gone: no curves, and both are named.
    whole.flip(&whole.cell(0, "metrics.parquet"), 0.5);
    let told = whole.bench.run(&["show", "runs/small"]).exits(1);
    let told = told.says(&["state.safetensors is damaged", "metrics.parquet is damaged"]);
    assert!(told.out().matches("train loss  ").count() < shown.matches("train loss  ").count());
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
    // Findings that cannot be read are made again by the spec too.
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
fn checkpoints_that_are_gone_are_told_of() {
    let whole = Whole::new();
    let gone = whole.cell(1, "checkpoints/00000040.safetensors");
    fs::remove_file(&gone).unwrap();
    let words = ["1 of its checkpoints", "epoch 40", "state.safetensors"];
    whole.bench.run(&CPU[..3]).exits(0).says(&words);
    let analyze = ["analyze", "runs/small", "--only", "commutativity"];
    whole.bench.run(&analyze).exits(0).says(&words);
    let told = whole.bench.run(&["status", "runs/small"]).exits(0).out();
    for part in words {
        assert!(told.contains(part), "{told}");
    }
    // As it says: deleted, the state is trained again, to the same bytes.
    fs::remove_file(whole.cell(1, "state.safetensors")).unwrap();
    whole.bench.run(CPU).exits(0);
    whole.is_as_before();
    let told = whole.bench.run(&["status", "runs/small"]).exits(0).out();
    assert!(!told.contains("checkpoints"), "{told}");
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
    // Who reads the one does not complain of the other.
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

/// Files of the run as a whole say of which run they are too.
#[test]
fn files_of_another_run_are_told_of_and_made_again() {
    let whole = Whole::new();
    let set = ["--out", "other", "--set", "train.weight_decay=0.5"];
    whole.bench.run(&[CPU, &set].concat()).exits(0);
    let other = |name: &str| whole.bench.path().join("other/small").join(name);
    let readers: [&[&str]; 6] = [
        &["list"],
        &["show", "runs/small"],
        &["status", "runs/small"],
        &["report", "runs/small"],
        &["extend", "runs/small", "--epochs", "120"],
        &["analyze", "runs/small", "--only", "commutativity"],
    ];
    for (name, reading) in [
        ("summary.json", &readers[..4]),
        (
            "resolved.toml",
            &[&readers[..1], &readers[2..]].concat()[..],
        ),
        ("spec.toml", &readers[4..5]),
    ] {
        fs::copy(other(name), whole.path(name)).unwrap();
        for args in reading {
            let words = [name, "is not where it belongs", "another run"];
            let told = whole.bench.run(args);
            assert_eq!(told.code(), Some(1), "{args:?} {}", told.err());
            told.says(&words);
        }
        whole.bench.run(CPU).exits(0);
        whole.is_as_before();
        whole.restore();
    }
    // Nor does a run take over another's summary when it is made longer.
    fs::copy(other("summary.json"), whole.path("summary.json")).unwrap();
    let longer = [
        "extend",
        "runs/small",
        "--epochs",
        "160",
        "--backend",
        "cpu",
    ];
    let words = ["summary.json is not where it belongs", "made again"];
    whole.bench.run(&longer).exits(0).says(&words);
    whole.restore();
    // The manifest of the other run makes all the rest another's.
    fs::copy(other("run.json"), whole.path("run.json")).unwrap();
    for args in [CPU, readers[1], readers[2], readers[5]] {
        let told = whole.bench.run(args);
        assert!(
            matches!(told.code(), Some(1 | 2)),
            "{args:?} {}",
            told.err()
        );
        told.says(&["another run", "if run.json is the other run's"]);
    }
    let before = below(&whole.path(""));
    for (name, bytes) in &whole.files {
        if !is_timed(name) && !name.ends_with("run.json") {
            assert!(
                before.get(name) == Some(bytes),
                "{} has changed",
                name.display()
            );
        }
    }
    // One that says nothing is an older grokrun's.
    whole.restore();
    let text = fs::read_to_string(whole.path("resolved.toml")).unwrap();
    let (line, rest) = text.split_once('\n').unwrap();
    assert!(
        line.starts_with("# blake3: ") && line.contains(" of "),
        "{line}"
    );
    fs::write(whole.path("resolved.toml"), rest).unwrap();
    whole.bench.run(&["status", "runs/small"]).exits(0);
}

/// A command, and the file or folder that it makes.
type Command<'a> = (&'a [&'a str], Option<&'a str>);

/// Every command that reads a run, with what it leaves beside it.
const COMMANDS: [Command<'static>; 9] = [
    (&["show", "runs/small"], None),
    (&["list"], None),
    (&["status", "runs/small"], None),
    (&["report", "runs/small"], Some("runs/small/report.html")),
    (
        &["compare", "runs/small", "-o", "both.html"],
        Some("both.html"),
    ),
    (
        &[
            "export",
            "runs/small",
            "--cell",
            CELLS[0],
            "--format",
            "pth",
            "-o",
            "x.pth",
        ],
        Some("x.pth"),
    ),
    (
        &["merge", "runs/small", "--into", "into/small"],
        Some("into"),
    ),
    (
        &["analyze", "runs/small", "--only", "commutativity"],
        Some("runs/small"),
    ),
    (CPU, Some("runs/small")),
];

/// What a command makes of the run: its status, what it prints but for ages, and what it leaves.
type Outcome = (Option<i32>, String, BTreeMap<PathBuf, Vec<u8>>);

/// The outcome of a command, and whether it names the file.
fn outcome(bench: &Bench, (args, leaves): Command<'_>, damaged: &str) -> (Outcome, bool) {
    let done = bench.run(args);
    let (out, err) = (done.out(), done.err());
    assert!(!err.contains("panicked"), "{args:?}: {err}");
    let mut named = out.contains(damaged) || err.contains(damaged);
    let said = match args[0] {
        "list" => out
            .lines()
            .map(|line| line.split("  ").take(3).collect::<String>())
            .collect(),
        _ => out,
    };
    let mut left = BTreeMap::new();
    if let Some(leaves) = leaves {
        let path = bench.path().join(leaves);
        match path.is_dir() {
            true => left = below(&path),
            false => left.extend(fs::read(&path).ok().map(|bytes| (path.clone(), bytes))),
        }
        // What is damaged is a file of the run still, unless it was made again; pages are made from
        // all.
        left.retain(|name, _| {
            let name = name.to_string_lossy();
            !name.ends_with(damaged)
                && !["summary.json", "log.jsonl"]
                    .iter()
                    .any(|n| name.ends_with(n))
        });
        if leaves != "runs/small/report.html" {
            left.retain(|name, _| !name.ends_with("report.html"));
        }
        if !leaves.starts_with("runs") {
            let _ = match path.is_dir() {
                true => fs::remove_dir_all(path),
                false => fs::remove_file(path),
            };
        }
    }
    // A log has what --quiet leaves out.
    let log = fs::read_to_string(bench.path().join("runs/small/log.jsonl")).unwrap_or_default();
    named |= log.contains(damaged);
    ((done.code(), said, left), named)
}

/// A file of each kind, in the run's folder.
fn kinds(whole: &Whole) -> Vec<String> {
    let kinds = [
        "run.json",
        "spec.toml",
        "resolved.toml",
        "summary.json",
        "config.json",
        "split.safetensors",
        "metrics.parquet",
        "state.safetensors",
        "00000000.safetensors",
        "00000120.safetensors",
        "findings.json",
        "series.parquet",
        "tensors.safetensors",
        ".table.json",
        ".figure.json",
    ];
    let of = |kind: &str| {
        let names = whole
            .files
            .keys()
            .map(|name| name.to_string_lossy().into_owned());
        let mut fitting = names.filter(|name| name.ends_with(kind) && !name.contains(CELLS[1]));
        fitting.next().unwrap_or_else(|| panic!("no {kind}"))
    };
    kinds.map(of).to_vec()
}

/// The generator: `GROKRUN_DAMAGE` cases of each kind of file, each before every command; without
/// it one case each, before some of them.
#[test]
fn every_command_names_a_damaged_file_or_does_what_it_did() {
    let asked = std::env::var("GROKRUN_DAMAGE")
        .ok()
        .and_then(|n| n.parse().ok());
    let (cases, every) = (asked.unwrap_or(1), if asked.is_some() { 1 } else { 4 });
    let whole = Whole::new();
    // The log is looked into for names.
    fs::remove_file(whole.path("log.jsonl")).unwrap();
    let whole = Whole {
        files: below(&whole.path("")),
        bench: whole.bench,
    };
    let before = COMMANDS.map(|command| {
        let (before, _) = outcome(&whole.bench, command, "no file");
        whole.restore();
        before
    });
    let mut random = 19u64;
    let mut below_end = |end: usize| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (random >> 33) as usize % end
    };
    let mut number = 0;
    for kind in kinds(&whole) {
        let bytes = &whole.files[Path::new(&kind)];
        let other = whole
            .files
            .get(Path::new(&kind.replace(CELLS[0], CELLS[1])));
        for _ in 0..cases {
            let (what, damaged) = match (below_end(6), other) {
                (0, _) => {
                    let at = below_end(bytes.len());
                    (format!("cut at {at}"), bytes[..at].to_vec())
                }
                (1, Some(other)) if other != bytes => {
                    ("the other cell's".to_owned(), other.clone())
                }
                _ => {
                    let (at, byte) = (below_end(bytes.len()), 1 + below_end(255) as u8);
                    let mut flipped = bytes.clone();
                    flipped[at] ^= byte;
                    (format!("byte {at} ^ {byte}"), flipped)
                }
            };
            for (command, before) in COMMANDS.iter().zip(&before) {
                number += 1;
                if number % every != 0 {
                    continue;
                }
                fs::write(whole.path(&kind), &damaged).unwrap();
                let name = kind.rsplit('/').next().unwrap();
                let (mut after, named) = outcome(&whole.bench, *command, name);
                let mut before = before.clone();
                before
                    .2
                    .retain(|file, _| !file.to_string_lossy().ends_with(name));
                after
                    .2
                    .retain(|file, _| !file.to_string_lossy().ends_with(name));
                let args = command.0;
                let same = after == before;
                assert!(
                    named || same,
                    "{kind}, {what}: {args:?} exits with {:?}, says {:?}, and {:?} differ",
                    after.0,
                    after.1,
                    after
                        .2
                        .iter()
                        .filter(|(k, v)| before.2.get(*k) != Some(*v))
                        .map(|(k, _)| k)
                        .collect::<Vec<_>>()
                );
                whole.restore();
            }
        }
    }
}
