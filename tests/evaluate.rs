//! `train.evaluate = N`: the same training, with test metrics of every N-th epoch alone.

use std::collections::BTreeMap;
use std::path::PathBuf;

use grokrun_store::Metrics;

use crate::support::{Bench, SMALL, adapter, assert_same};

const EVERY: u64 = 7;

/// The published model, folded, and one that is trained by its program, in minibatches.
fn specs() -> [String; 2] {
    let other = "[data]\nbatch = { size = 64, seed = 0 }\n[model]\nkind = \"mlp\"\ninput = \"two-hot\"\nhidden = 32\nbiases = \"none\"\n[train]";
    let small = SMALL.replace("epochs = 300", "epochs = 50");
    let (head, _) = small.split_once("[model]").expect("a model");
    let train = "epochs = 50\n[checkpoints]\nevery = 25\n";
    [small.clone(), format!("{head}{other}\n{train}")]
}

/// Returns the numbers of each checkpoint.
fn weights(bench: &Bench) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = bench.files("small");
    let is_weights = |path: &PathBuf| path.iter().any(|part| part == "checkpoints");
    files.retain(|path, _| is_weights(path));
    assert!(files.len() >= 2, "{files:?}");
    // The numbers alone: the header before them has the fingerprint of the cell.
    for bytes in files.values_mut() {
        let length: [u8; 8] = bytes[..8].try_into().expect("a length");
        bytes.drain(..8 + u64::from_le_bytes(length) as usize);
        assert!(bytes.len() > 1000);
    }
    files
}

fn has_those_of_every_seventh_epoch(each: &Metrics, some: &Metrics) {
    assert_eq!((each.len(), some.len()), (50, 50));
    for (all, row) in each.rows().zip(some.rows()) {
        assert_eq!(all.train_loss.to_bits(), row.train_loss.to_bits());
        assert_eq!(all.train_accuracy, row.train_accuracy);
        if (row.epoch + 1).is_multiple_of(EVERY) {
            assert_eq!(all, row);
        } else {
            assert!(!row.is_tested(), "{row:?}");
        }
    }
}

fn on(backend: &[&str]) {
    let set = format!("train.evaluate={EVERY}");
    for spec in specs() {
        let (each, some) = (Bench::new(&spec), Bench::new(&spec));
        let command = [&["small.toml"], backend].concat();
        each.run(&command).exits(0);
        let out = some.run(&[&command[..], &["--set", &set]].concat());
        let out = out.exits(0).out();
        // The last epoch that was tested is told of.
        assert!(!out.contains("NaN"), "{out}");
        has_those_of_every_seventh_epoch(&each.history(), &some.history());
        assert_same(&weights(&each), &weights(&some));
    }
}

#[test]
fn on_a_cpu_the_training_is_the_same() {
    on(&["--backend", "cpu"]);
}

#[test]
fn on_an_adapter_the_training_is_the_same() {
    let Some(name) = adapter() else { return };
    on(&["--backend", "gpu", "--adapter", &name]);
}

#[test]
fn a_run_that_was_made_longer_is_one_that_never_stopped() {
    let [spec, _] = specs();
    let spec = spec.replace("[train]", "[train]\nevaluate = 7");
    let (whole, parts) = (Bench::new(&spec), Bench::new(&spec));
    let command = ["small.toml", "--backend", "cpu"];
    whole.run(&command).exits(0);
    for epochs in ["train.epochs=10", "train.epochs=31", "train.epochs=50"] {
        parts
            .run(&[&command[..], &["--set", epochs]].concat())
            .exits(0);
    }
    let cells = |bench: &Bench| {
        let mut files = bench.files("small");
        files.retain(|path, _| path.ends_with("metrics.parquet"));
        files
    };
    assert_same(&cells(&whole), &cells(&parts));
    parts.run(&["show", "runs/small"]).exits(0);
    parts.run(&["report", "runs/small"]).exits(0);
    let csv = ["export", "runs/small", "--format", "csv", "-o", "a.csv"];
    parts.run(&csv).exits(0);
}

#[test]
fn how_often_is_a_number_of_epochs() {
    let bench = Bench::new(SMALL);
    for wrong in ["0", "-1", "1.5", "[1, 2]"] {
        let set = format!("train.evaluate={wrong}");
        let check = ["check", "small.toml", "--set", &set];
        bench.run(&check).exits(2).says(&["train.evaluate"]);
    }
    let check = ["check", "small.toml", "--set", "train.evaluate=10"];
    bench.run(&check).exits(0).says(&["after each epoch"]);
}
