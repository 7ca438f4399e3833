//! Files that are whole, but belong to another cell, epoch, seed or run.

use std::fs;

use super::{CELLS, CPU, Whole, is_timed};
use crate::support::below;

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

    // A cell of the same name, trained with other settings.
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

/// All files of the folder belong to a cell of the same name in a run with other settings.
#[test]
fn the_folder_of_another_runs_cell_is_refused() {
    let whole = Whole::new();
    let set = ["--out", "other", "--set", "train.weight_decay=0.5"];
    whole.bench.run(&[CPU, &set].concat()).exits(0);
    let other = whole.bench.path().join("other/small/cells").join(CELLS[0]);
    for (name, bytes) in below(&other) {
        fs::write(whole.cell(0, &name.to_string_lossy()), bytes).unwrap();
    }
    let words = ["state.safetensors", "other settings or seeds"];
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
    whole.bench.run(&export).exits(1).says(&words);
    let merge = ["merge", "runs/small", "--into", "into/small"];
    let output = whole.bench.run(&merge).exits(1).says(&words);
    assert!(output.out().contains("1 cells taken") && output.out().contains("1 damaged"));
    let analyze = ["analyze", "runs/small", "--only", "commutativity", "-q"];
    whole.bench.run(&analyze).exits(1).says(&words);
    whole.bench.run(CPU).exits(1).says(&words);
}

/// The files of a run as a whole also say which run they belong to.
#[test]
fn files_of_another_run_are_reported_and_made_again() {
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
            let output = whole.bench.run(args);
            assert_eq!(output.code(), Some(1), "{args:?} {}", output.err());
            output.says(&words);
        }
        whole.bench.run(CPU).exits(0);
        whole.is_as_before();
        whole.restore();
    }
    // A run that is made longer does not accept the summary of another run either.
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
    // With the manifest of another run, all other files belong to a different run.
    fs::copy(other("run.json"), whole.path("run.json")).unwrap();
    for args in [CPU, readers[1], readers[2], readers[5]] {
        let output = whole.bench.run(args);
        assert!(
            matches!(output.code(), Some(1 | 2)),
            "{args:?} {}",
            output.err()
        );
        output.says(&["another run", "if run.json is the other run's"]);
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
    // A file without this information comes from an older grokrun.
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
