//! Checkpoints that are rounded to float16, packed, or both: the training is the same, analyses
//! read the stored weights, and neither stopping a run nor splitting a sweep changes a byte.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use half::f16;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use crate::support::{Bench, SMALL, assert_same};

const CPU: &[&str] = &["small.toml", "--backend", "cpu", "--quiet"];
const CELL: &str = "runs/small/cells/mul-p23-f0.5-d1-m2";

/// The `[checkpoints]` of each combination that is not the default.
const WAYS: [(&str, &str); 3] = [("f16", "none"), ("f32", "lossless"), ("f16", "lossless")];

fn spec(epochs: u64, (precision, compression): (&str, &str)) -> String {
    let spec = SMALL.replace("epochs = 300", &format!("epochs = {epochs}"));
    format!(
        "{spec}[checkpoints]\nevery = 20\nprecision = \"{precision}\"\ncompression = \"{compression}\"\n\
         [analysis.fourier-sparsity]\n[analysis.neuron-clustering]\n[analysis.progress-measures]\n"
    )
}

/// Returns the files of a folder of the cell.
fn below(bench: &Bench, folder: &str) -> BTreeMap<PathBuf, Vec<u8>> {
    let root = Path::new("cells/mul-p23-f0.5-d1-m2").join(folder);
    let mut files = bench.files("small");
    files.retain(|name, _| name.starts_with(&root));
    files
}

fn exported(bench: &Bench, format: &str) -> Vec<u8> {
    let name = format!("x.{format}");
    bench
        .run(&["export", "runs/small", "--format", format, "-o", &name])
        .exits(0);
    fs::read(bench.path().join(name)).unwrap()
}

/// Returns the weights of an exported file, without the mask and other tensors.
fn weights(file: &[u8]) -> BTreeMap<String, Vec<f32>> {
    let file = SafeTensors::deserialize(file).unwrap();
    let wide = |bytes: &[u8]| {
        let numbers = bytes.as_chunks().0.iter();
        numbers.map(|b| f32::from_le_bytes(*b)).collect()
    };
    let is_weight = |(name, view): &(&str, TensorView<'_>)| {
        view.dtype() == Dtype::F32 && !name.ends_with("IGNORE")
    };
    file.iter()
        .filter(is_weight)
        .map(|(name, view)| (name.to_owned(), wide(view.data())))
        .collect()
}

#[test]
fn training_is_the_same_and_packing_changes_nothing_else() {
    let plain = Bench::new(&spec(300, ("f32", "none")));
    plain.run(CPU).exits(0);
    for way in WAYS {
        let other = Bench::new(&spec(300, way));
        other.run(CPU).exits(0);
        for file in ["metrics.parquet", "state.safetensors", "split.safetensors"] {
            let read = |bench: &Bench| fs::read(bench.path().join(CELL).join(file)).unwrap();
            assert!(read(&plain) == read(&other), "{way:?}: {file}");
        }
        let (kept, before) = (below(&other, "checkpoints"), below(&plain, "checkpoints"));
        assert_eq!(kept.len(), before.len());
        let size = |files: &BTreeMap<PathBuf, Vec<u8>>| files.values().map(Vec::len).sum::<usize>();
        assert!(size(&kept) < size(&before), "{way:?}");

        let [found, want] = [&other, &plain].map(|bench| below(bench, "analysis"));
        if way.0 == "f32" {
            assert_same(&found, &want);
            assert!(exported(&plain, "pth") == exported(&other, "pth"));
        } else {
            assert!(found != want, "rounded weights are what is analysed");
        }
        let [exact, kept] = [&plain, &other].map(|bench| weights(&exported(bench, "safetensors")));
        assert_eq!(exact.len(), 16);
        for (name, exact) in exact {
            let want = |x: &f32| match way.0 {
                "f16" => f16::from_f32(*x).to_f32(),
                _ => *x,
            };
            assert_eq!(
                kept[&name],
                exact.iter().map(want).collect::<Vec<_>>(),
                "{name}"
            );
        }
    }
}

#[test]
fn later_analyses_are_those_made_beside_training() {
    for way in WAYS {
        let bench = Bench::new(&spec(300, way));
        bench.run(CPU).exits(0);
        let live = bench.files("small");
        bench.run(&["analyze", "runs/small", "--quiet"]).exits(0);
        assert_same(&live, &bench.files("small"));
        bench.run(CPU).exits(0);
        bench.run(&["status", "runs/small"]).exits(0);
        bench.run(&["report", "runs/small"]).exits(0);
        assert!(bench.run(&["list"]).exits(0).out().contains("done"));
    }
}

#[cfg(unix)]
#[test]
fn killed_and_continued_is_the_same_as_never_stopped() {
    for way in WAYS {
        let (whole, broken) = (Bench::new(&spec(1500, way)), Bench::new(&spec(1500, way)));
        whole.run(CPU).exits(0);
        let extension = if way.1 == "lossless" {
            "packed"
        } else {
            "safetensors"
        };
        for (epoch, signal) in [(300, "-INT"), (900, "-KILL")] {
            let mut child = broken.spawn(CPU);
            let name = format!("{CELL}/checkpoints/{epoch:08}.{extension}");
            let (file, started) = (broken.path().join(name), Instant::now());
            while !file.exists() {
                assert!(started.elapsed() < Duration::from_secs(60), "{way:?}");
                std::thread::sleep(Duration::from_millis(2));
            }
            let killed = Command::new("kill")
                .args([signal, &child.id().to_string()])
                .status();
            assert!(killed.unwrap().success());
            child.wait().unwrap();
        }
        broken.run(CPU).exits(0);
        assert_same(&whole.files("small"), &broken.files("small"));
    }
}

#[test]
fn shards_and_merged_runs_come_to_what_one_process_does() {
    for way in WAYS {
        let sweep = spec(100, way).replace("model = 2", "model = [2, 3]");
        let (whole, parts) = (Bench::new(&sweep), Bench::new(&sweep));
        whole.run(CPU).exits(0);
        for part in ["1/2", "2/2"] {
            let out = &part[..1];
            parts
                .run(&[CPU, &["--shard", part, "--out", out]].concat())
                .exits(0);
        }
        parts
            .run(&["merge", "1/small", "2/small", "--into", "runs/small"])
            .exits(0);
        let cells = |bench: &Bench| {
            let mut files = bench.files("small");
            files.retain(|path, _| {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                path.starts_with("cells") && !name.starts_with('.')
            });
            files
        };
        assert_same(&cells(&whole), &cells(&parts));
    }
}

#[test]
fn what_is_lossy_or_packed_is_said() {
    let bench = Bench::new(&spec(40, ("f16", "lossless")));
    let output = bench
        .run(&["check", "small.toml", "--backend", "cpu"])
        .exits(0);
    assert!(output.out().contains("lossy") && output.out().contains("before packing"));
    bench.run(CPU).exits(0);
    let read = |name: &str| fs::read_to_string(bench.path().join(name)).unwrap();
    assert!(read(&format!("{CELL}/config.json")).contains("lossy"));
    assert!(
        read("runs/small/resolved.toml")
            .contains("precision = \"f16\"\ncompression = \"lossless\"")
    );

    let bench = Bench::new(&spec(40, ("f16", "none")));
    bench.run(CPU).exits(0);
    let bytes = fs::read(
        bench
            .path()
            .join(CELL)
            .join("checkpoints/00000040.safetensors"),
    )
    .unwrap();
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    let notes = header.metadata().clone().unwrap();
    assert!(notes["precision"].contains("lossy") && notes["error_bound"].contains("2^-11"));
    let largest: f64 = notes["largest_error"].parse().unwrap();
    assert!(largest > 0.0 && largest < 1e-3, "{largest}");

    let plain = Bench::new(&spec(40, ("f32", "none")));
    let output = plain
        .run(&["check", "small.toml", "--backend", "cpu"])
        .exits(0);
    assert!(!output.out().contains("lossy") && !output.out().contains("packing"));
    plain.run(CPU).exits(0);
    let config = fs::read_to_string(plain.path().join(CELL).join("config.json")).unwrap();
    assert!(
        !config.contains("precision"),
        "the default's files are as they were"
    );
}

/// Packed files depend on earlier ones: a missing or damaged one is named.
#[test]
fn a_damaged_packed_checkpoint_is_named() {
    let bench = Bench::new(&spec(100, ("f32", "lossless")));
    bench.run(CPU).exits(0);
    let file = bench.path().join(CELL).join("checkpoints/00000040.packed");
    let whole = fs::read(&file).unwrap();
    fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    let export = ["export", "runs/small", "--format", "npz", "-o", "x.npz"];
    bench
        .run(&export)
        .exits(1)
        .says(&["00000040.packed is damaged"]);
    bench
        .run(CPU)
        .exits(1)
        .says(&["00000040.packed is damaged"]);
    fs::remove_file(&file).unwrap();
    bench
        .run(&export)
        .exits(1)
        .says(&["no checkpoint", "00000040", "is unpacked by it"]);
    fs::write(&file, whole).unwrap();
    bench.run(&export).exits(0);
}

/// Compares the Python package with what torch loads of an export, if both are installed.
#[test]
fn python_reads_them() {
    for way in WAYS {
        let bench = Bench::new(&spec(100, way));
        bench.run(CPU).exits(0);
        exported(&bench, "pth");
        let cell = bench.path().join(CELL);
        crate::exchange::succeeds(
            "read_checkpoints.py",
            bench.path(),
            &[cell.to_str().unwrap(), "x.pth", way.0],
        );
    }
}
