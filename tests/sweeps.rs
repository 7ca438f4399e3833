//! Sweeps: shards in one folder or several, cells that fail while others train, and what the run's
//! folder shows.

mod merges;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{Bench, SMALL, assert_same, summary};

/// Returns a spec of six cells of two shapes, with an analysis.
fn sweep() -> String {
    let spec = SMALL
        .replace("modulus = 23", "modulus = [23, 19]")
        .replace("model = 2", "model = [2, 3, 4]");
    format!("{spec}[analysis.commutativity]\nevery = 100\n")
}

const SPEC: &[&str] = &["small.toml", "--backend", "cpu"];

/// Returns the files without those that only processes that share a run leave: locks, and their own
/// logs.
fn results(bench: &Bench, run: &str) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = bench.files(run);
    files.retain(|path, _| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        !name.starts_with('.') && !name.starts_with("log.")
    });
    files
}

fn shard(part: &str) -> Vec<&str> {
    [SPEC, &["--shard", part]].concat()
}

#[test]
fn shards_in_one_folder_come_to_what_one_process_does() {
    let (whole, parts) = (Bench::new(&sweep()), Bench::new(&sweep()));
    whole.run(SPEC).exits(0);
    // Two at a time, the third afterwards.
    let mut first = parts.spawn(&shard("1/3"));
    let mut second = parts.spawn(&shard("2/3"));
    assert_eq!(first.wait().unwrap().code(), Some(0));
    assert_eq!(second.wait().unwrap().code(), Some(0));
    let status = parts.run(&["status", "runs/small"]).exits(0).out();
    let counts: Vec<&str> = status.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(counts, ["3", "0", "3", "0", "0", "6"], "{status}");
    parts.run(&shard("3/3")).exits(0);

    assert_same(&results(&whole, "small"), &results(&parts, "small"));
    let order = |bench: &Bench| -> Vec<String> {
        let text = fs::read(bench.path().join("runs/small/summary.json")).unwrap();
        let cells: serde_json::Value = serde_json::from_slice(&text).unwrap();
        let names = cells.as_array().unwrap().iter();
        names
            .map(|c| c["cell"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(order(&whole), order(&parts));
    let again = parts.run(SPEC).exits(0);
    assert!(
        again.out().contains("nothing left to do"),
        "{}",
        again.out()
    );
}

#[test]
fn a_cell_that_cannot_go_on_does_not_keep_the_others() {
    let bench = Bench::new(&sweep());
    bench
        .run(&[SPEC, &["--set", "train.epochs=100"]].concat())
        .exits(0);
    let state = bench
        .path()
        .join("runs/small/cells/mul-p19-f0.5-d1-m3/state.safetensors");
    fs::write(&state, b"no state").unwrap();
    let output = bench.run(&[SPEC, &["--set", "train.epochs=100"]].concat());
    let output = output.exits(1).says(&[
        "training failed in mul-p19-f0.5-d1-m3",
        "state.safetensors is damaged",
    ]);
    assert!(
        output
            .err()
            .lines()
            .filter(|line| line.starts_with("error"))
            .count()
            == 1
    );
    let status = bench.run(&["status", "runs/small"]).exits(0).out();
    assert!(
        status.contains("failed: ") && status.contains("damaged"),
        "{status}"
    );
    // After the advice of the message is followed, only that cell is trained again.
    fs::remove_file(&state).unwrap();
    let again = bench
        .run(&[SPEC, &["--set", "train.epochs=100"]].concat())
        .exits(0);
    assert!(
        again.err().contains("training mul-p19-f0.5-d1-m3 to"),
        "{}",
        again.err()
    );
    assert_eq!(
        again.err().matches("training ").count(),
        1,
        "{}",
        again.err()
    );
}

#[test]
fn a_diverging_cell_is_reported_and_the_others_finish() {
    let spec = SMALL.replace("[train]", "[train]\nlearning_rate = [1e-3, 1e30]");
    let bench = Bench::new(&spec);
    bench
        .run(SPEC)
        .exits(1)
        .says(&["training failed in", "lr1e30", "smaller learning rate"]);
    // A mistake in the decay is not blamed on the rate.
    let other = Bench::new(&SMALL.replace("[train]", "[train]\nweight_decay = 1e10"));
    let output = other
        .run(SPEC)
        .exits(1)
        .says(&["smaller weight_decay", "is 1.00e7"]);
    assert!(
        !output.err().contains("smaller learning rate"),
        "{}",
        output.err()
    );
    let status = bench.run(&["status", "runs/small"]).exits(0).out();
    let counts: Vec<&str> = status.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(counts, ["1", "0", "0", "0", "1", "2"], "{status}");
}

#[test]
fn the_first_cell_that_fails_ends_the_run_if_that_is_asked() {
    let spec = SMALL
        .replace("[train]", "[train]\nlearning_rate = [1e-3, 1e30]")
        .replace("epochs = 300", "epochs = 3000");
    let (fast, whole) = (Bench::new(&spec), Bench::new(&spec));
    let ended = fast.run(&[SPEC, &["--fail-fast"]].concat()).exits(1);
    let ended = ended.says(&["training failed in", "lr1e30"]);
    assert!(ended.out().contains("ended early"), "{}", ended.out());
    let cells = |bench: &Bench| {
        let output = summary(bench, "small");
        let cells = output.as_array().expect("cells").iter();
        let epochs = cells.map(|cell| cell["epochs"].as_u64().expect("a number"));
        epochs.collect::<Vec<u64>>()
    };
    let [good, failed] = cells(&fast).try_into().expect("two cells");
    assert!(good < 3000 && failed <= good, "{good} {failed}");
    // The same command goes on with the other, to the bytes of a run that kept going.
    fast.run(&[SPEC, &["--fail-fast"]].concat()).exits(1);
    whole.run(&[SPEC, &["--keep-going"]].concat()).exits(1);
    assert_eq!((cells(&fast)[0], cells(&whole)[0]), (3000, 3000));
    assert_same(&fast.cells(), &whole.cells());
    let both = ["--fail-fast", "--keep-going"];
    fast.run(&[SPEC, &both].concat()).exits(2);
}

#[test]
fn shards_that_are_none_are_refused() {
    let bench = Bench::new(&sweep());
    bench.run(&shard("4/3")).exits(2).says(&["expected I/N"]);
    bench
        .run(&shard("auto"))
        .exits(2)
        .says(&["SLURM_ARRAY_TASK_ID"]);
    bench
        .run(&[&shard("1/2")[..], &["--fresh"]].concat())
        .exits(2)
        .says(&["--fresh"]);
    assert!(!bench.path().join("runs").exists(), "nothing was written");
}

#[test]
fn a_script_for_slurm_names_all_that_a_task_needs() {
    let bench = Bench::new(&sweep());
    let script = bench
        .run(&[
            "submit",
            "small.toml",
            "--engine",
            "slurm",
            "--shards",
            "4",
            "--gpus",
            "1",
            "--time",
            "1:00:00",
            "--partition",
            "short",
            "--sbatch=--account=physics",
            "--set",
            "name=it's here",
            "--dry-run",
        ])
        .exits(0)
        .out();
    for line in [
        "#SBATCH --array=1-4",
        "#SBATCH --gpus=1",
        "#SBATCH --time=1:00:00",
        "#SBATCH --partition=short",
        "#SBATCH --account=physics",
        "#SBATCH --requeue",
        r"'name=it'\''s here'",
        "modulus = [23, 19]",
        "--shard auto/4 <<'end of spec ",
    ] {
        assert!(script.contains(line), "expected {line} in:\n{script}");
    }
    assert!(!bench.path().join("runs").exists(), "nothing was written");
    let few = [
        "submit",
        "small.toml",
        "--engine",
        "slurm",
        "--shards",
        "40",
        "--dry-run",
    ];
    let script = bench.run(&few).exits(0).out();
    assert!(script.contains("--array=1-6") && script.contains("--shard auto/6"));
}

/// Makes a sweep of ten thousand cells that one process has finished, as far as the folder shows.
fn ten_thousand(bench: &Bench) -> PathBuf {
    let spec = SMALL.replace("model = 2", "model = { start = 0, count = 10000 }");
    bench.write("many.toml", spec);
    bench
        .run(&[
            "many.toml",
            "--shard",
            "10000/10000",
            "--set",
            "train.epochs=5",
            "--set",
            "checkpoints.every=0",
        ])
        .exits(0);
    let run = bench.path().join("runs/many");
    // As of an older grokrun, whose files have no digest and do not say whose they are.
    let plain = |file: &Path| -> serde_json::Value {
        let mut json: serde_json::Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
        let object = if json.is_array() {
            &mut json[0]
        } else {
            &mut json
        };
        for key in ["blake3", "fingerprint"] {
            object.as_object_mut().unwrap().remove(key);
        }
        json
    };
    let one = plain(&run.join("summary.json"));
    let trained = run.join("cells/mul-p23-f0.5-d1-m9999");
    let mut config = plain(&trained.join("config.json"));
    config.as_object_mut().unwrap().remove("cell");
    let shared = bench.path().join("config.json");
    fs::write(&shared, config.to_string()).unwrap();
    let cells: Vec<serde_json::Value> = (0..10_000)
        .map(|seed| {
            let id = format!("mul-p23-f0.5-d1-m{seed}");
            let folder = run.join("cells").join(&id);
            fs::create_dir_all(folder.join("checkpoints")).unwrap();
            if folder != trained {
                fs::hard_link(&shared, folder.join("config.json")).unwrap();
            }
            let mut output = one[0].clone();
            output["cell"] = id.into();
            output
        })
        .collect();
    fs::write(
        run.join("summary.json"),
        serde_json::to_vec(&cells).unwrap(),
    )
    .unwrap();
    run
}

#[test]
fn ten_thousand_cells_are_looked_at_without_opening_each() {
    let bench = Bench::new(SMALL);
    let run = ten_thousand(&bench);
    let status = bench.run(&["status", "runs/many"]).exits(0).out();
    assert!(
        status.lines().nth(1).unwrap().starts_with("10000 "),
        "{status}"
    );
    let list = bench.run(&["list"]).exits(0).out();
    assert!(list.contains("0 of 10000 grokked"), "{list}");
    bench.run(&["report", "runs/many"]).exits(0);
    let report = fs::metadata(run.join("report.html")).unwrap().len();
    assert!(report < 10_000_000, "{report} bytes");
    let check = bench
        .run(&["check", "many.toml", "--backend", "cpu"])
        .exits(0)
        .out();
    assert!(check.contains("and 9988 more cells"), "{check}");
}
