//! Dense checkpoints around a transition: those that the history asks for, whatever stopped the run
//! on its way.

use std::collections::BTreeSet;
use std::fs;

use grokrun_store::{Metrics, RunView};

use crate::support::{Bench, adapter, assert_same};
#[cfg(unix)]
use crate::support::{signal, wait_until};

const CELL: &str = "add-p11-f0.6-d1-m2";
const CPU: &[&str] = &["small.toml", "--backend", "cpu", "--quiet"];

/// Returns a spec of a small model whose test accuracy rises within a few hundred epochs.
fn spec(epochs: u64, train: &str, tables: &str) -> String {
    format!(
        "name = \"small\"\noperation = \"add\"\nmodulus = 11\nfraction = 0.6\n\
         seeds = {{ data = 1, model = 2 }}\n[model]\nd_model = 32\nheads = 2\nd_head = 16\n\
         d_mlp = 64\n[checkpoints]\nevery = 50\nring = 10\n\
         [train]\nepochs = {epochs}\nlearning_rate = 0.01\n{train}\n{tables}"
    )
}

fn trained(spec: &str) -> Bench {
    let bench = Bench::new(spec);
    bench.run(CPU).exits(0);
    bench
}

/// Returns the epochs of the checkpoints of the cell.
fn checkpoints(bench: &Bench) -> BTreeSet<u64> {
    let folder = format!("runs/small/cells/{CELL}/checkpoints");
    let entries = fs::read_dir(bench.path().join(folder)).unwrap();
    let epoch = |name: String| name.split('.').next().unwrap().parse().unwrap();
    entries
        .map(|entry| epoch(entry.unwrap().file_name().into_string().unwrap()))
        .collect()
}

/// Returns the epochs that `metrics.parquet` asks for: each fifth epoch that is at most 50 before
/// one at which the best test accuracy has grown by 0.05 in 50 epochs.
fn asked_for(bench: &Bench, epochs: u64) -> BTreeSet<u64> {
    let view = RunView::open(&bench.path().join("runs/small")).unwrap();
    let metrics: Metrics = view.cell(CELL).unwrap().read_metrics().unwrap().unwrap();
    let tested: Vec<(u64, f64)> = metrics
        .rows()
        .map(|row| (row.epoch + 1, row.test_accuracy))
        .filter(|(_, accuracy)| !accuracy.is_nan())
        .collect();
    let best = |until: u64| {
        let before = tested.iter().filter(|(epoch, _)| *epoch <= until);
        before.map(|(_, accuracy)| *accuracy).reduce(f64::max)
    };
    let mut wanted: BTreeSet<u64> = (0..=epochs).step_by(50).chain([epochs]).collect();
    for epoch in (5..=epochs).step_by(5) {
        let old = best(epoch.saturating_sub(50)).unwrap_or(tested[0].1);
        if best(epoch).is_some_and(|now| now - old >= 0.05) {
            wanted.extend((5..=epoch).step_by(5).filter(|held| held + 50 > epoch));
        }
    }
    wanted
}

#[test]
fn the_checkpoints_are_those_that_the_history_asks_for() {
    for train in ["", "evaluate = 7"] {
        let bench = trained(&spec(400, train, ""));
        let wanted = asked_for(&bench, 400);
        assert_eq!(checkpoints(&bench), wanted, "{train:?}");
        let dense = wanted.iter().filter(|epoch| *epoch % 50 != 0).count();
        assert!((10..72).contains(&dense), "{dense} dense ones test nothing");
        // They are the weights of those epochs: a run with a checkpoint each 5 has the same.
        let each = spec(400, train, "").replace("every = 50\nring = 10", "every = 5");
        let (files, all) = (bench.files("small"), trained(&each).files("small"));
        for epoch in wanted {
            let file = format!("cells/{CELL}/checkpoints/{epoch:08}.safetensors");
            let weights = |bytes: &[u8]| {
                let file = safetensors::SafeTensors::deserialize(bytes).unwrap();
                let of = |name: &str| file.tensor(name).unwrap().data().to_vec();
                let names: BTreeSet<String> = file.names().iter().map(|n| n.to_string()).collect();
                names.iter().map(|name| of(name)).collect::<Vec<_>>()
            };
            let path = std::path::Path::new(&file);
            assert!(weights(&files[path]) == weights(&all[path]), "{epoch}");
        }
        let whole = bench.run(&CPU[..3]).exits(0);
        assert!(!whole.err().contains("are gone"), "{}", whole.err());
        bench.run(&["status", "runs/small"]).exits(0);
    }
}

#[test]
fn a_run_in_parts_has_the_bytes_of_one_that_was_not_stopped() {
    let analysis = "[analysis.commutativity]\nevery = 20\n";
    let whole = trained(&spec(400, "", analysis));
    let parts = Bench::new("");
    for epochs in [12, 45, 93, 100, 131, 150, 177, 240, 400] {
        parts.write("small.toml", spec(epochs, "", analysis));
        parts.run(CPU).exits(0);
    }
    assert_same(&whole.files("small"), &parts.files("small"));
}

#[cfg(unix)]
#[test]
fn a_run_that_was_killed_has_the_bytes_of_one_that_was_not() {
    let spec = spec(6000, "", "");
    let whole = trained(&spec);
    let bench = Bench::new(&spec);
    // Stopped with its state saved, then killed without.
    for (name, code, more) in [("-INT", Some(130), 1), ("-KILL", None, 12)] {
        let before = bench.path().join("runs").exists();
        let there = if before { checkpoints(&bench).len() } else { 0 };
        let mut child = bench.spawn(CPU);
        wait_until("no checkpoint", || {
            let folder = format!("runs/small/cells/{CELL}/checkpoints");
            fs::read_dir(bench.path().join(folder))
                .is_ok_and(|entries| entries.count() >= there + more)
        });
        signal(&child, name);
        assert_eq!(child.wait().unwrap().code(), code);
    }
    bench.run(CPU).exits(0);
    assert_same(&whole.files("small"), &bench.files("small"));
}

#[test]
fn another_ring_holds_from_there_on() {
    let bench = trained(&spec(100, "", "").replace("ring = 10", "ring = 0"));
    bench.write("small.toml", spec(400, "", ""));
    bench.run(CPU).exits(0);
    let mut wanted = asked_for(&bench, 400);
    wanted.retain(|epoch| *epoch > 100 || epoch % 50 == 0);
    assert_eq!(checkpoints(&bench), wanted);
    // One that is gone is missed.
    let gone = wanted.iter().find(|epoch| *epoch % 50 != 0).unwrap();
    let file = format!("runs/small/cells/{CELL}/checkpoints/{gone:08}.safetensors");
    fs::remove_file(bench.path().join(file)).unwrap();
    let output = bench.run(&CPU[..3]).exits(0);
    assert!(
        output.err().contains(&format!("epoch {gone}")),
        "{}",
        output.err()
    );
}

#[test]
fn check_counts_what_is_held_and_what_may_be_written() {
    let numbers = |spec: &str| {
        let bench = Bench::new(spec);
        let output = bench.run(&["check", "small.toml", "--json"]).exits(0).out();
        let output: serde_json::Value = serde_json::from_str(&output).expect("JSON");
        ["memory_bytes", "disk_bytes"].map(|key| output[key].as_u64().unwrap())
    };
    let ring = spec(400, "", "");
    let [memory, disk] = numbers(&ring.replace("ring = 10", "ring = 0"));
    let [more_memory, more_disk] = numbers(&ring);
    let bench = trained(&spec(1, "", ""));
    let file = format!("runs/small/cells/{CELL}/checkpoints/00000000.safetensors");
    let one = fs::metadata(bench.path().join(file)).unwrap().len();
    // Ten are held, and each fifth of 400 epochs may be written.
    let near = |more: u64, files: u64| more.abs_diff(files * one) < files * one / 5;
    assert!(
        near(more_memory - memory, 10),
        "{memory} {more_memory} {one}"
    );
    assert!(near(more_disk - disk, 10 + 80), "{disk} {more_disk} {one}");
}

#[test]
fn a_gpu_keeps_a_ring_too() {
    let Some(adapter) = adapter() else { return };
    let gpu = |bench: &Bench| {
        let args = [
            "small.toml",
            "--backend",
            "gpu",
            "--adapter",
            &adapter,
            "--quiet",
        ];
        bench.run(&args).exits(0);
    };
    let whole = Bench::new(&spec(250, "", ""));
    gpu(&whole);
    assert_eq!(checkpoints(&whole), asked_for(&whole, 250));
    let parts = Bench::new(&spec(93, "", ""));
    gpu(&parts);
    parts.write("small.toml", spec(250, "", ""));
    gpu(&parts);
    assert_same(&whole.files("small"), &parts.files("small"));
}
