//! Kills of every command that makes something of a run: the next try leaves, file by file and
//! with the times that the summary tells, what one leaves that was never killed; no temporary file
//! stays.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::{Killer, count};
use crate::support::{Bench, SMALL, assert_same, below};

/// What is there before any of the commands: a run, its two halves apart, and a model in a file.
fn before() -> Bench {
    let spec = SMALL
        .replace("model = 2", "model = [2, 3]")
        .replace("epochs = 300", "epochs = 150");
    let bench = Bench::new(&format!(
        "{spec}[checkpoints]\nevery = 50\n[analysis.commutativity]\n[analysis.fourier-sparsity]\n"
    ));
    let run = |more: &[&str]| {
        let base = ["small.toml", "--backend", "cpu", "--quiet"];
        bench.run(&[&base[..], more].concat()).exits(0);
    };
    run(&[]);
    run(&["--shard", "1/2", "--out", "one"]);
    run(&["--shard", "2/2", "--out", "two"]);
    fs::create_dir(bench.path().join("out")).expect("a folder");
    bench.run(&export("pth", "out/theirs.pth")).exits(0);
    bench
}

fn export<'a>(format: &'a str, file: &'a str) -> [&'a str; 8] {
    [
        "export",
        "runs/small",
        "--cell",
        crate::support::CELL,
        "--format",
        format,
        "-o",
        file,
    ]
}

/// The commands, and whether each trains: what it tells of times is then its own.
fn commands() -> Vec<(Vec<&'static str>, bool)> {
    let import = ["import", "out/theirs.pth", "--into", "runs/theirs"];
    let merge = ["merge", "one/small", "two/small", "--into", "into/small"];
    let extend = [
        "extend",
        "runs/small",
        "--epochs",
        "700",
        "--backend",
        "cpu",
    ];
    vec![
        (vec!["analyze", "runs/small"], false),
        (vec!["report", "runs/small"], false),
        (vec!["report", "runs/small", "--svg", "figures"], false),
        (
            vec!["compare", "runs/small", "one/small", "-o", "out/both.html"],
            false,
        ),
        (export("pth", "out/ours.pth").to_vec(), false),
        (
            export("safetensors", "out/ours.safetensors").to_vec(),
            false,
        ),
        (export("npz", "out/ours.npz").to_vec(), false),
        (merge.to_vec(), false),
        (import.to_vec(), false),
        (extend.to_vec(), true),
    ]
}

fn copy(from: &Path, to: &Path) {
    for (name, bytes) in below(from) {
        let path = to.join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, bytes).expect("a file of the test");
    }
}

/// Everything that lies there, but for logs, which only grow, and, where a command trains, the page
/// that says how long it took.
fn left(bench: &Bench, trains: bool) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = below(bench.path());
    files.retain(|path, _| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let log = name.starts_with("log.") && name.ends_with(".jsonl");
        let told_of_time = trains && name == "report.html";
        !log && !told_of_time
    });
    for (path, bytes) in &mut files {
        if trains && path.ends_with("summary.json") {
            *bytes = without_times(bytes).into_bytes();
        }
    }
    files
}

/// A summary without its times, which have to be there.
fn without_times(summary: &[u8]) -> String {
    let mut cells: serde_json::Value = serde_json::from_slice(summary).expect("JSON");
    for cell in cells.as_array_mut().expect("a list") {
        let cell = cell.as_object_mut().expect("an object");
        cell.remove("blake3");
        for key in ["seconds", "epochs_per_second"] {
            let time = cell.remove(key).and_then(|time| time.as_f64());
            assert!(time.is_some_and(|time| time > 0.0), "{key}: {cell:?}");
        }
        assert!(cell["device"].is_string(), "{cell:?}");
    }
    cells.to_string()
}

/// A command, how long it takes, and what it leaves.
struct Case {
    args: Vec<&'static str>,
    trains: bool,
    took: Duration,
    left: BTreeMap<PathBuf, Vec<u8>>,
}

impl Case {
    fn new(base: &Bench, args: Vec<&'static str>, trains: bool) -> Case {
        let bench = Bench::new("");
        copy(base.path(), bench.path());
        let started = Instant::now();
        bench.run(&args).exits(0);
        Case {
            took: started.elapsed(),
            left: left(&bench, trains),
            args,
            trains,
        }
    }

    /// Kills the command up to `most` times, until it has ended, and lets it end.
    fn kill(&self, base: &Bench, killer: &mut Killer, most: usize) {
        let bench = Bench::new("");
        copy(base.path(), bench.path());
        let files: Vec<PathBuf> = self
            .left
            .keys()
            .map(|name| bench.path().join(name))
            .collect();
        let before = killer.killed;
        while killer.killed < before + most {
            let mut command = bench.command(&self.args);
            command
                .stdout(std::process::Stdio::null())
                .stderr(std::process::Stdio::null());
            match killer.kill(&mut command, self.took, &files) {
                None => {}
                Some(status) if status.success() => break,
                Some(status) => panic!("{:?}: {status}", self.args),
            }
        }
        let kills = killer.killed - before;
        bench.run(&self.args).exits(0);
        let found = left(&bench, self.trains);
        let temporary = found.keys().find(|name| {
            let name = name.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with(".grokrun-")
        });
        assert_eq!(temporary, None, "{:?} after {kills} kills", self.args);
        eprintln!("{} after {kills} kills", self.args.join(" "));
        assert_same(&self.left, &found);
    }
}

#[test]
fn a_command_that_was_killed_leaves_what_it_would_have_left() {
    let base = before();
    let cases: Vec<Case> = commands()
        .into_iter()
        .map(|(args, trains)| Case::new(&base, args, trains))
        .collect();
    let mut killer = Killer::new(23);
    let kills = count(20);
    let mut turns = 0;
    while killer.killed < kills {
        let case = &cases[turns % cases.len()];
        let most = (1 + killer.below(4)).min(kills - killer.killed);
        case.kill(&base, &mut killer, most);
        turns += 1;
    }
    println!(
        "{} kills, in {turns} turns of {} commands",
        killer.killed,
        cases.len()
    );
}
