//! Plugins in shared libraries, good and bad: whatever a plugin does, the training is the same, the
//! culprit is named, and the exit status is 3.

use std::collections::BTreeMap;
use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
use std::path::{Path, PathBuf};

use grokrun_api::abi::{MAJOR, MINOR};

use crate::support::{Bench, Finished, SMALL, assert_same};

/// Returns a spec with eleven checkpoints in a fraction of a second.
pub(crate) fn spec(analyses: &str) -> String {
    let short = SMALL.replace("epochs = 300", "epochs = 100");
    format!("{short}[checkpoints]\nevery = 10\n{analyses}")
}

/// Returns the library of `tests/fixtures/misbehaving.rs`.
pub(crate) fn library() -> PathBuf {
    example("misbehaving")
}

/// Returns a library that cargo builds as an example, in the folder next to `deps/`.
fn example(name: &str) -> PathBuf {
    let tests = std::env::current_exe().expect("the tests have a path");
    let profile = tests
        .parent()
        .and_then(Path::parent)
        .expect("target/<profile>/deps");
    let file = profile.join(format!("examples/{DLL_PREFIX}{name}{DLL_SUFFIX}"));
    assert!(
        file.exists(),
        "{} is missing; a bare `cargo test` builds it, and so does `cargo build --example {name}`",
        file.display()
    );
    file
}

fn run(bench: &Bench, library: &Path, more: &[&str]) -> Finished {
    let library = library.to_str().expect("a path in UTF-8");
    let mut args = vec!["small.toml", "--backend", "cpu", "--plugin", library];
    args.extend(more);
    bench.run(&args)
}

/// Returns the files of the cells that training writes.
pub(crate) fn trained(bench: &Bench) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = bench.files("small");
    files.retain(|path, _| {
        path.starts_with("cells") && !path.components().any(|part| part.as_os_str() == "analysis")
    });
    files
}

pub(crate) fn untouched() -> BTreeMap<PathBuf, Vec<u8>> {
    let plain = Bench::new(&spec(""));
    plain.run(&["small.toml", "--backend", "cpu"]).exits(0);
    trained(&plain)
}

#[test]
fn whatever_a_plugin_does_the_training_is_the_same() {
    let want = untouched();
    for (analysis, said) in [
        ("[analysis.panics]\nwhen = \"new\"\n", "panic in new"),
        (
            "[analysis.panics]\nwhen = \"observe\"\n",
            "panic in observe",
        ),
        ("[analysis.panics]\nwhen = \"finish\"\n", "panic in finish"),
        ("[analysis.fails]\n", "no luck today"),
        ("[analysis.wrong-shapes]\n", "square"),
        ("[analysis.endless]\n", "notes"),
    ] {
        let bench = Bench::new(&spec(analysis));
        let finished = run(&bench, &library(), &[]).exits_with_panic_words(3);
        finished.says(&["error: analysis", said]);
        assert_same(&trained(&bench), &want);
        let index = bench
            .path()
            .join("runs/small/cells/mul-p23-f0.5-d1-m2/analysis");
        assert!(
            index.exists(),
            "a failure is among the findings: {analysis}"
        );
    }
}

#[test]
fn a_panic_while_closing_and_odd_numbers_are_survived() {
    let want = untouched();
    let analyses = "[analysis.panics]\nwhen = \"drop\"\n[analysis.odd-numbers]\n";
    let bench = Bench::new(&spec(analyses));
    run(&bench, &library(), &[])
        .exits_with_panic_words(3)
        .says(&[
            "panics failed",
            "while closing: it panicked",
            "panic in drop",
        ]);
    assert_same(&trained(&bench), &want);
    let files = bench.files("small");
    let figure = files
        .iter()
        .find(|(path, _)| path.ends_with("odd.figure.json"));
    assert!(String::from_utf8_lossy(figure.unwrap().1).contains("[null,1.0]"));
    let log = std::fs::read_to_string(bench.path().join("runs/small/log.jsonl")).unwrap();
    let event = log
        .lines()
        .find(|line| line.contains("about to go on"))
        .unwrap();
    for part in [
        "\"level\":\"WARN\"",
        "misbehaving",
        "answer",
        "42",
        "\"analysis\":\"panics\"",
    ] {
        assert!(event.contains(part), "{part} in {event}");
    }
}

#[test]
fn everything_that_can_be_needed_is_shown_live_and_later() {
    // Every 25 epochs is the analysis's own cadence: checkpoints are written there too.
    let bench = Bench::new(&spec("[analysis.everything]\n"));
    run(&bench, &library(), &[]).exits(0);
    let cell = "cells/mul-p23-f0.5-d1-m2";
    let live = bench.files("small");
    let extra = PathBuf::from(format!("{cell}/checkpoints/00000025.safetensors"));
    assert!(live.contains_key(&extra));
    let bytes = &live[&PathBuf::from(format!("{cell}/analysis/everything/tensors.safetensors"))];
    let tensors = safetensors::SafeTensors::deserialize(bytes).unwrap();
    for (name, shape) in [
        ("W_E", &[24.0f32, 32.0][..]),
        ("gradient of W_E", &[24.0, 32.0]),
        ("attention", &[529.0, 4.0, 3.0]),
        ("pre", &[529.0, 64.0]),
        ("post", &[529.0, 64.0]),
        ("logits", &[529.0, 23.0]),
    ] {
        let tensor = tensors.tensor(name).unwrap();
        let (numbers, _) = tensor.data().as_chunks::<4>();
        let numbers: Vec<f32> = numbers.iter().map(|b| f32::from_le_bytes(*b)).collect();
        let epochs = [0, 25, 50, 75, 100].len();
        assert_eq!(tensor.shape(), [epochs, shape.len()], "{name}");
        assert_eq!(numbers, shape.repeat(epochs), "{name}");
    }
    // The loss at the weights is the mean of those of the samples, and its gradient the one that
    // another program gives.
    let losses = tensors.tensor("train loss").unwrap();
    assert_eq!(losses.shape(), [5, 4]);
    for row in losses.data().as_chunks::<16>().0 {
        let number = |at: usize| f32::from_le_bytes([0, 1, 2, 3].map(|i| row[4 * at + i]));
        let [loss, mean, sum, shown] = [0, 1, 2, 3].map(number);
        assert!(
            loss > 0.0 && (loss / mean - 1.0).abs() < 1e-5,
            "{loss} {mean}"
        );
        assert!(
            sum > 0.0 && (sum / shown - 1.0).abs() < 1e-3,
            "{sum} {shown}"
        );
    }
    let library = library();
    let library = library.to_str().unwrap();
    bench
        .run(&["analyze", "runs/small", "--plugin", library])
        .exits(0);
    assert_same(&bench.files("small"), &live);
}

#[test]
fn a_slow_analysis_delays_no_training_and_says_so() {
    let want = untouched();
    let bench = Bench::new(&spec("[analysis.slow]\n[analysis.commutativity]\n"));
    run(&bench, &library(), &[])
        .exits(0)
        .says(&["slower", "analysis=\"slow\""]);
    assert_same(&trained(&bench), &want);
}

#[test]
fn of_two_with_one_name_the_linked_one_is_used() {
    let bench = Bench::new(&spec("[analysis.commutativity]\n"));
    run(&bench, &library(), &[])
        .exits(0)
        .says(&["warning: analysis commutativity", "static"]);
    let tables = bench
        .files("small")
        .into_keys()
        .any(|path| path.ends_with("emergence.table.json"));
    assert!(tables, "the linked one says when it emerges");
}

/// Returns a copy of the library in which some bytes are replaced by others.
fn altered(bench: &Bench, from: &[u8], to: &[u8]) -> PathBuf {
    assert_eq!(from.len(), to.len());
    let mut bytes = std::fs::read(library()).expect("the library");
    let mut found = 0;
    for at in 0..bytes.len() - from.len() {
        if bytes[at..].starts_with(from) {
            bytes[at..at + from.len()].copy_from_slice(to);
            found += 1;
        }
    }
    assert!(found > 0, "the library has these bytes");
    let name = format!("{DLL_PREFIX}altered{DLL_SUFFIX}");
    bench.write(&name, bytes)
}

/// Returns the head of an entry: magic, major, minor, size, flags.
fn head(magic: &[u8; 8], numbers: [u32; 4]) -> Vec<u8> {
    let numbers = numbers.iter().flat_map(|n| n.to_le_bytes());
    magic.iter().copied().chain(numbers).collect()
}

#[test]
fn plugins_that_do_not_fit_are_refused_by_name_and_the_rest_goes_on() {
    let want = untouched();
    let good = head(b"GROKRUN\0", [MAJOR, MINOR, 112, 1]);
    for (bad, said) in [
        (head(b"GRUNZEN\0", [MAJOR, MINOR, 112, 1]), "does not begin"),
        (
            head(b"GROKRUN\0", [1, MINOR, 112, 1]),
            "doc/plugins.md#from-abi-1",
        ),
        (head(b"GROKRUN\0", [MAJOR, MINOR, 32, 1]), "32 bytes"),
        (head(b"GROKRUN\0", [MAJOR, MINOR, 112, 0]), "abort"),
    ] {
        let bench = Bench::new(&spec(""));
        let library = altered(&bench, &good, &bad);
        run(&bench, &library, &[])
            .exits(3)
            .says(&["error: plugin", "altered", said]);
        assert_same(&trained(&bench), &want);
    }
    // Another minor version is accepted.
    let bench = Bench::new(&spec("[analysis.odd-numbers]\n"));
    let newer = head(b"GROKRUN\0", [MAJOR, MINOR + 9, 112, 1]);
    let library = altered(&bench, &good, &newer);
    run(&bench, &library, &[]).exits(0);
}

/// Returns a copy of the library that needs another library, which does not exist.
fn damaged(bench: &Bench) -> PathBuf {
    let altered = altered(bench, b"libc.so.6", b"libx.so.6");
    let damaged = bench
        .path()
        .join(format!("{DLL_PREFIX}damaged{DLL_SUFFIX}"));
    std::fs::rename(altered, &damaged).expect("another name");
    damaged
}

#[test]
fn files_that_are_no_plugins_are_named() {
    let bench = Bench::new(&spec(""));
    let text = bench.write("notes.so", "not a library");
    run(&bench, &text, &[])
        .exits(3)
        .says(&["notes.so", "no plugin"]);
    let other = altered(&bench, b"grokrun_plugin_entry_", b"something_else_entry_");
    run(&bench, &other, &["--fresh"])
        .exits(3)
        .says(&["no plugin"]);
    run(&bench, Path::new("missing.so"), &["--fresh"])
        .exits(3)
        .says(&["missing.so", "read"]);
    // The system's message on a library that cannot be opened is passed on.
    let damaged = damaged(&bench);
    run(&bench, &damaged, &["--fresh"])
        .exits(3)
        .says(&["cannot be opened: dlopen failed: ", "libdamaged"]);
    run(&bench, &damaged, &["--fresh", "--isolate"])
        .exits(3)
        .says(&["cannot be opened: dlopen failed: ", "libdamaged"]);
    let folder = bench.path().join("folder.so");
    std::fs::create_dir(&folder).unwrap();
    run(&bench, &folder, &["--fresh"])
        .exits(3)
        .says(&["folder.so"]);
}

#[test]
fn a_folder_of_plugins_is_searched() {
    let bench = Bench::new(&spec("[analysis.odd-numbers]\n"));
    let folder = library().parent().unwrap().to_owned();
    let mut command = bench.command(&["plugins"]);
    let listed = command
        .env("GROKRUN_PLUGIN_PATH", &folder)
        .output()
        .unwrap();
    let out = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert!(
        out.contains("odd-numbers 0.1.0") && out.contains("dynamic"),
        "{out}"
    );
    for linked in ["commutativity", "fourier-sparsity", "neuron-clustering"] {
        assert!(
            out.contains(&format!("{linked} 0.1.0  (crate {linked}, static)")),
            "{out}"
        );
    }
    let mut command = bench.command(&["small.toml", "--backend", "cpu"]);
    let ran = command
        .env("GROKRUN_PLUGIN_PATH", &folder)
        .output()
        .unwrap();
    assert_eq!(
        ran.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&ran.stderr)
    );
    // An empty variable, and an empty entry of one, name no folder; a folder that is not there
    // does.
    let with = |path: &str| {
        let mut command = bench.command(&["plugins"]);
        Finished::of(command.env("GROKRUN_PLUGIN_PATH", path).output().unwrap())
    };
    with("").exits(0);
    with("::").exits(0);
    let some = format!(":{}:", folder.display());
    assert!(with(&some).exits(0).out().contains("odd-numbers"));
    with(":nowhere")
        .exits(3)
        .says(&["nowhere", "cannot be read"]);
}

#[test]
fn a_run_of_a_plugin_is_read_and_joined_without_it() {
    let bench = Bench::new(&spec("[analysis.odd-numbers]\n[analysis.commutativity]\n"));
    run(&bench, &library(), &[]).exits(0);
    let all = |args: &[&str]| bench.run(args).exits(0);
    let status = all(&["status", "runs/small"]);
    assert!(status.out().contains('1') && status.err().is_empty());
    all(&["show", "runs/small"]);
    all(&["list"]);
    all(&["report", "runs/small"]);
    all(&["compare", "runs/small", "-o", "both.html"]);
    all(&["export", "runs/small", "--format", "npz", "-o", "cell.npz"]);
    let merged = all(&["merge", "runs/small", "--into", "runs/joined/small"]);
    assert!(merged.out().contains("1 cells taken"), "{}", merged.out());
    joined_as_it_was(&bench);
    // Those that once needed it may still be given it.
    let path = library();
    all(&["status", "runs/small", "--plugin", path.to_str().unwrap()]);
    // Only the analyses that run are needed.
    all(&["analyze", "runs/small", "--only", "commutativity"]);
    bench
        .run(&["analyze", "runs/small"])
        .exits(2)
        .says(&["no analysis odd-numbers", "--plugin"]);
    joined_as_it_was(&bench);
}

/// The same files, but for the lock of a cell, which only who has trained it leaves.
fn joined_as_it_was(bench: &Bench) {
    let [ours, theirs] = ["small", "joined/small"].map(|run| {
        let mut files = bench.files(run);
        files.retain(|path, _| !(path.starts_with("cells") && path.ends_with(".lock")));
        files
    });
    assert_same(&ours, &theirs);
}

#[test]
fn a_new_plugin_is_written_once_into_the_checkout() {
    let bench = Bench::new("");
    std::fs::create_dir(bench.path().join("plugins")).unwrap();
    std::fs::create_dir_all(bench.path().join("runner/api")).unwrap();
    bench
        .run(&["new-plugin", "weight-norms", "--checkout", "."])
        .exits(2)
        .says(&["--checkout", "leave it out"]);
    for bad in ["Weight", "weight_norms", "-x", "a--b", "7up", ""] {
        bench
            .run(&["new-plugin", "--", bad])
            .exits(2)
            .says(&["no name for a plugin"]);
    }
    for taken in ["grokrun", "grokrun-api", "commutativity", "fn", "std"] {
        bench
            .run(&["new-plugin", taken])
            .exits(2)
            .says(&["cannot be the name of a plugin"]);
    }
    bench.write("Cargo.lock", "[[package]]\nname = \"weight_sums\"\n");
    bench
        .run(&["new-plugin", "weight-sums"])
        .exits(2)
        .says(&["weight_sums", "Cargo.lock"]);
    assert!(!bench.path().join("plugins/weight-sums").exists());
    bench.run(&["new-plugin", "weight-norms"]).exits(0);
    bench
        .run(&["new-plugin", "weight-norms"])
        .exits(2)
        .says(&["there already"]);
    let source = std::fs::read_to_string(bench.path().join("plugins/weight-norms/src/lib.rs"));
    let source = source.unwrap();
    assert!(
        source.contains("pub struct WeightNorms") && !source.contains("NAME"),
        "{source}"
    );
}

/// Returns the platform of the compiler, as cargo names it.
fn platform() -> String {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let said = std::process::Command::new(rustc).arg("-vV").output();
    let said = Finished::of(said.expect("rustc starts")).exits(0).out();
    let host = said.lines().find_map(|line| line.strip_prefix("host: "));
    host.expect("rustc names its host").to_owned()
}

/// CI builds it, tests it and runs it. Here cargo finds all that it depends on, offline, in the
/// versions of this checkout.
#[test]
fn a_new_plugin_outside_of_a_checkout_is_a_crate_of_its_own() {
    let bench = Bench::new("");
    bench
        .run(&["new-plugin", "weight-norms", "--checkout", "elsewhere"])
        .exits(2)
        .says(&["elsewhere is no checkout", "runner/api/Cargo.toml"]);
    let said = bench.run(&["new-plugin", "weight-norms"]).exits(0).out();
    assert!(said.contains("GROKRUN_PLUGIN_PATH=weight-norms/target/release"));
    bench
        .run(&["new-plugin", "weight-norms"])
        .exits(2)
        .says(&["there already"]);
    bench
        .run(&["new-plugin", "serde"])
        .exits(2)
        .says(&["cannot be the name of a plugin"]);
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    // What other platforms need, a fresh machine has not.
    let asked = std::process::Command::new(cargo)
        .args(["metadata", "--offline", "--format-version", "1"])
        .args(["--filter-platform", &platform()])
        .current_dir(bench.path().join("weight-norms"))
        .output();
    let asked = Finished::of(asked.expect("cargo starts")).exits(0).out();
    let metadata: serde_json::Value = serde_json::from_str(&asked).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let named = |name: &str| packages.iter().find(|package| package["name"] == name);
    let members = metadata["workspace_members"].as_array().unwrap();
    assert_eq!(members, &[named("weight-norms").unwrap()["id"].clone()]);
    let api = named("grokrun-api").unwrap()["manifest_path"].as_str();
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("runner/api/Cargo.toml");
    assert_eq!(api.map(Path::new), Some(own.as_path()));
    let locked = include_str!("../Cargo.lock");
    for package in packages
        .iter()
        .filter(|package| !package["source"].is_null())
    {
        let (name, version) = (package["name"].as_str(), package["version"].as_str());
        let line = format!(
            "name = \"{}\"\nversion = \"{}\"",
            name.unwrap(),
            version.unwrap()
        );
        assert!(locked.contains(&line), "{line}");
    }
}

/// One source works both ways. The linked analysis of the same name is the one that is used.
#[test]
fn a_shipped_analysis_is_a_library_too() {
    let bench = Bench::new(&spec(""));
    let library = example("shipped");
    let library = library.to_str().expect("a path in UTF-8");
    let listed = bench.run(&["plugins", "--plugin", library]);
    listed
        .exits(0)
        .says(&["fourier-sparsity (dynamic", "the first is used"]);
}

/// What an analysis may ask for is said twice: in Rust, and in Python, where a file is judged
/// before the program reads it.
#[test]
fn python_knows_the_same_tensors() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("runner/python/grokrun/analysis.py");
    let text = std::fs::read_to_string(file).expect("the module");
    let (_, list) = text.split_once("FAMILIES = (").expect("the list");
    let (list, _) = list.split_once(')').expect("its end");
    let there: Vec<&str> = list.split('"').skip(1).step_by(2).collect();
    let here: Vec<&str> = grokrun_api::FAMILIES
        .iter()
        .map(|(name, _)| *name)
        .collect();
    assert_eq!(there, here);
}
