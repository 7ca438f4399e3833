//! Damages each kind of file, at places drawn from a seed, before every command that reads a run.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::{CELLS, CPU, Whole};
use crate::support::{Bench, below};

/// A command, and the file or folder that the command makes.
type Command<'a> = (&'a [&'a str], Option<&'a str>);

/// Every command that reads a run, with the files that the command leaves outside of the run.
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

/// The outcome of a command: the exit status, the output without ages, and the files that are left.
type Outcome = (Option<i32>, String, BTreeMap<PathBuf, Vec<u8>>);

/// Returns the outcome of a command, and whether the command names the file.
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
        if path.is_dir() {
            left = below(&path)
        } else {
            left.extend(fs::read(&path).ok().map(|bytes| (path.clone(), bytes)))
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
            let _ = if path.is_dir() {
                fs::remove_dir_all(path)
            } else {
                fs::remove_file(path)
            };
        }
    }
    // The log has the messages that --quiet leaves out.
    let log = fs::read_to_string(bench.path().join("runs/small/log.jsonl")).unwrap_or_default();
    named |= log.contains(damaged);
    ((done.code(), said, left), named)
}

/// Returns a file of each kind, in the run's folder.
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
    // The log is searched for names.
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
