//! Wrong input of every kind gives a clear error and the right exit status, and loses nothing.

use crate::support::{Bench, SMALL};

const CPU: &[&str] = &["small.toml", "--backend", "cpu"];

/// Asserts that a spec is refused with all of `parts`, and that nothing is written.
#[track_caller]
fn refused(spec: impl AsRef<[u8]>, parts: &[&str]) {
    let bench = Bench::new("");
    bench.write("small.toml", spec);
    for command in [&["small.toml"][..], &["check", "small.toml"]] {
        bench.run(command).exits(2).says(parts);
    }
    assert_eq!(
        std::fs::read_dir(bench.path()).unwrap().count(),
        1,
        "something was written"
    );
}

fn instead(line: &str, of: &str) -> String {
    assert!(SMALL.contains(of), "{of}");
    SMALL.replace(of, line)
}

#[test]
fn files_that_are_no_specs() {
    let bench = Bench::new(SMALL);
    bench
        .run(&["missing.toml"])
        .exits(2)
        .says(&["missing.toml", "cannot be read"]);
    bench.run(&["."]).exits(2).says(&["cannot be read"]);
    refused(b"\xff\xfe\x00", &["not valid UTF-8"]);
    refused("this is no TOML", &["small.toml:1"]);
    refused("", &["operation", "modulus", "fraction", "seeds"]);
}

#[test]
fn all_mistakes_of_a_file_are_reported_together() {
    refused(
        "operation = \"mull\"\nmodulus = 1\nfraction = 1.5\nseeds = { data = 1, model = [2, 2] }\n[model]\nhead = 4\n",
        &[
            "small.toml:1:",
            "mul",
            "small.toml:2:",
            "small.toml:3:",
            "small.toml:4:",
            "small.toml:6:",
            "heads",
        ],
    );
}

#[test]
fn numbers_out_of_range() {
    for modulus in [
        "0",
        "1",
        "-5",
        "65536",
        "99999999999999999999999",
        "2.5",
        "\"113\"",
        "nan",
    ] {
        refused(
            instead(&format!("modulus = {modulus}"), "modulus = 23"),
            &["small.toml:3:", "modulus"],
        );
    }
    for fraction in ["0", "0.0", "1", "1.0", "-0.5", "nan", "inf", "\"half\""] {
        refused(
            instead(&format!("fraction = {fraction}"), "fraction = 0.5"),
            &["small.toml:4:", "fraction"],
        );
    }
}

#[test]
fn a_part_without_pairs() {
    refused(instead("fraction = 0.001", "fraction = 0.5"), &["train"]);
}

#[test]
fn operations_that_are_none() {
    refused(
        instead("operation = \"a +\"", "operation = \"mul\""),
        &["small.toml:2:"],
    );
    refused(
        instead("operation = \"a + f\"", "operation = \"mul\""),
        &["small.toml:2:"],
    );
    let composite = instead("operation = \"div\"", "operation = \"mul\"")
        .replace("modulus = 23", "modulus = 24");
    refused(composite, &["24", "no division by"]);
}

#[test]
fn duplicate_seeds_and_unknown_keys() {
    let seeds = "seeds = { data = 1, model = 2 }";
    refused(
        instead("seeds = { data = 1, model = [2, 3, 2] }", seeds),
        &["small.toml:5:", "2"],
    );
    refused(
        format!("{SMALL}\nlearning_rat = 1e-3\n"),
        &["learning_rate"],
    );
    refused(format!("{SMALL}\n[analysis.fourier]\n"), &["fourier"]);
}

#[test]
fn a_model_that_does_not_fit_is_refused_with_the_estimate() {
    let huge = instead("modulus = 65521", "modulus = 23");
    refused(huge, &["65521", "GB"]);
}

#[test]
fn a_wrong_command_line() {
    let bench = Bench::new(SMALL);
    bench.run(&[]).exits(2);
    bench
        .run(&["small.toml", "--backend", "tpu"])
        .exits(2)
        .says(&["tpu", "auto"]);
    bench
        .run(&["small.toml", "--adapter", "no such adapter"])
        .exits(2)
        .says(&["no such adapter"]);
    bench
        .run(&["small.toml", "--set", "modulus"])
        .exits(2)
        .says(&["modulus"]);
    bench
        .run(&["small.toml", "--set", "modulus=abc"])
        .exits(2)
        .says(&["modulus"]);
    bench.run(&["small.toml", "--fresh", "--force"]).exits(2);
    assert_eq!(
        std::fs::read_dir(bench.path()).unwrap().count(),
        1,
        "something was written"
    );
}

#[test]
fn a_run_directory_of_another_spec() {
    let bench = Bench::new(SMALL);
    bench.run(CPU).exits(0);
    let before = bench.files("small");
    let other = [CPU, &["--set", "train.weight_decay=0.5"]].concat();
    bench.run(&other).exits(2).says(&["small", "--force"]);
    assert!(
        before == bench.files("small"),
        "a refused run changed files"
    );
    bench.run(&[&other[..], &["--force"]].concat()).exits(0);
    assert!(before != bench.files("small"));
}

#[test]
fn a_run_directory_of_a_newer_format() {
    let bench = Bench::new(SMALL);
    bench.run(CPU).exits(0);
    let file = bench.path().join("runs/small/run.json");
    let mut json: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    json["format"] = 99.into();
    std::fs::write(&file, json.to_string()).unwrap();
    bench.run(CPU).exits(2).says(&["newer", "run.json"]);
}

#[test]
fn an_output_folder_that_cannot_be_written() {
    let bench = Bench::new(SMALL);
    bench.write("file", "not a folder");
    bench
        .run(&[CPU, &["--out", "file"]].concat())
        .exits(2)
        .says(&["file"]);
    bench
        .run(&[CPU, &["--out", "file/deeper"]].concat())
        .exits(2)
        .says(&["file"]);
    assert_eq!(
        std::fs::read(bench.path().join("file")).unwrap(),
        b"not a folder"
    );
}

#[test]
fn a_truncated_or_altered_state_is_not_used() {
    let bench = Bench::new(SMALL);
    bench.run(CPU).exits(0);
    let state = bench
        .path()
        .join("runs/small/cells/mul-p23-f0.5-d1-m2/state.safetensors");
    let bytes = std::fs::read(&state).unwrap();
    for damaged in [bytes[..bytes.len() / 2].to_vec(), Vec::new(), {
        let mut altered = bytes.clone();
        altered[bytes.len() - 100] ^= 1;
        altered
    }] {
        std::fs::write(&state, &damaged).unwrap();
        bench
            .run(CPU)
            .exits(1)
            .says(&["state.safetensors", "--fresh"]);
        assert_eq!(
            std::fs::read(&state).unwrap(),
            damaged,
            "the evidence is kept"
        );
    }
    bench.run(&[CPU, &["--fresh"]].concat()).exits(0);
    assert_eq!(std::fs::read(&state).unwrap(), bytes);
}

/// `/dev/full` accepts no bytes, so standard output there is a full disk.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error_not_a_panic() {
    let bench = Bench::new(SMALL);
    let full = std::fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let child = bench
        .command(CPU)
        .stdout(full)
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{err}");
    assert!(
        err.contains("No space left") && !err.contains("panicked"),
        "{err}"
    );
}

/// The path of the cell of a small run.
const CELL: &str = "runs/small/cells/mul-p23-f0.5-d1-m2";

#[test]
fn a_truncated_or_altered_checkpoint_is_an_error_where_it_matters() {
    let bench = Bench::new(SMALL);
    bench.run(CPU).exits(0);
    let path = bench
        .path()
        .join(CELL)
        .join("checkpoints/00000100.safetensors");
    let whole = std::fs::read(&path).unwrap();
    // The cell is done; a truncated file is found by its length.
    std::fs::write(&path, &whole[..100]).unwrap();
    bench
        .run(CPU)
        .exits(1)
        .says(&["00000100.safetensors is damaged", "100 bytes"]);
    std::fs::write(&path, &whole).unwrap();
    bench.run(CPU).exits(0);
    // An altered byte is found when the file is read.
    let mut altered = whole.clone();
    altered[whole.len() - 5] ^= 1;
    std::fs::write(&path, &altered).unwrap();
    bench
        .run(&["analyze", "runs/small", "--only", "commutativity"])
        .exits(1)
        .says(&["00000100.safetensors is damaged"]);
}

#[test]
fn a_run_that_goes_on_has_all_its_past() {
    let longer = SMALL.replace("epochs = 300", "epochs = 20000");
    let bench = Bench::new(&longer);
    let mut child = bench.spawn(CPU);
    let file = bench
        .path()
        .join(CELL)
        .join("checkpoints/00000300.safetensors");
    while !file.exists() {
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    let status = std::process::Command::new("kill")
        .args(["-TERM", &child.id().to_string()])
        .status();
    assert!(status.unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(130), "SIGTERM saves too");
    let first = bench
        .path()
        .join(CELL)
        .join("checkpoints/00000100.safetensors");
    let whole = std::fs::read(&first).unwrap();
    std::fs::remove_file(&first).unwrap();
    bench.run(CPU).exits(1).says(&["no checkpoint", "00000100"]);
    let mut altered = whole.clone();
    altered[whole.len() - 5] ^= 1;
    std::fs::write(&first, &altered).unwrap();
    bench
        .run(CPU)
        .exits(1)
        .says(&["00000100.safetensors is damaged"]);
}

#[test]
fn what_can_be_made_again_is() {
    let bench = Bench::new(SMALL);
    bench.run(CPU).exits(0);
    let whole = bench.files("small");
    let summary = bench.path().join("runs/small/summary.json");
    std::fs::write(&summary, "[{").unwrap();
    for file in ["config.json", "split.safetensors", "metrics.parquet"] {
        std::fs::remove_file(bench.path().join(CELL).join(file)).unwrap();
    }
    bench.run(CPU).exits(0).says(&["made again"]);
    crate::support::assert_same(&bench.files("small"), &whole);
    assert!(
        std::fs::read_to_string(&summary)
            .unwrap()
            .contains("mul-p23-f0.5-d1-m2")
    );
    std::fs::remove_file(&summary).unwrap();
    bench.run(CPU).exits(0);
    assert!(summary.exists());
}

#[test]
fn a_spec_that_never_ends_and_an_adapter_without_a_name() {
    let bench = Bench::new(SMALL);
    bench.write("long.toml", " ".repeat(1_000_001));
    bench
        .run(&["long.toml"])
        .exits(2)
        .says(&["long.toml is longer than 1 MB"]);
    bench
        .run(&["small.toml", "--adapter", ""])
        .exits(2)
        .says(&["--adapter is empty"]);
    bench
        .run(&["frobnicate", "--help"])
        .exits(2)
        .says(&["frobnicate"]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_terminal_that_is_gone_ends_no_training() {
    let bench = Bench::new(SMALL);
    let mut command = bench.command(CPU);
    let full = std::fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let status = command
        .stderr(full)
        .stdout(std::process::Stdio::null())
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(0));
}

#[test]
fn a_hundred_thousand_threads_are_not_started() {
    let bench = Bench::new(SMALL);
    let mut command = bench.command(CPU);
    let done = command.env("RAYON_NUM_THREADS", "100000").output().unwrap();
    assert_eq!(
        done.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
}
