//! Merges runs that shards wrote into their own folders: all of them, with their times, whatever
//! was killed.

use std::fs;

use super::{SPEC, results, shard, sweep};
use crate::support::{Bench, CELL, assert_same, longer, wait_for};

#[test]
fn shards_in_several_folders_are_merged() {
    let (whole, parts) = (Bench::new(&sweep()), Bench::new(&sweep()));
    whole.run(SPEC).exits(0);
    parts
        .run(&[&shard("1/2")[..], &["--out", "one"]].concat())
        .exits(0);
    parts
        .run(&[&shard("2/2")[..], &["--out", "two"]].concat())
        .exits(0);
    let merge = ["merge", "one/small", "two/small", "--into", "runs/small"];
    let said = parts.run(&merge).exits(0).out();
    assert!(
        said.contains("2 cells taken") && said.contains("4 cells taken"),
        "{said}"
    );
    assert_same(&results(&whole, "small"), &results(&parts, "small"));
    // Merged again, there is nothing to take.
    let said = parts.run(&merge).exits(0).out();
    assert!(
        said.contains("0 cells taken") && said.contains("4 kept"),
        "{said}"
    );
    parts.run(SPEC).exits(0);

    // What is another spec's, or trained to something else, is refused.
    parts
        .run(&[SPEC, &["--set", "train.epochs=200", "--out", "other"]].concat())
        .exits(0);
    parts
        .run(&["merge", "other/small", "--into", "runs/small"])
        .exits(2)
        .says(&["different specs"]);
    parts
        .run(&["merge", "nowhere", "--into", "runs/small"])
        .exits(2)
        .says(&["holds no run"]);
}

/// What analyses of the sweep find after a merge is what they find where all was trained at once.
#[test]
fn analyses_of_the_sweep_look_at_what_was_merged() {
    let spec = format!("{}[analysis.phase-diagram]\n", sweep());
    let (whole, parts) = (Bench::new(&spec), Bench::new(&spec));
    whole.run(SPEC).exits(0);
    for (part, out) in [("1/2", "one"), ("2/2", "two")] {
        parts
            .run(&[&shard(part)[..], &["--out", out, "-q"]].concat())
            .exits(0);
    }
    let found = |bench: &Bench| {
        let folder = bench.path().join("runs/small/sweep/phase-diagram");
        fs::read(folder.join("findings.json")).ok()
    };
    // Half of the cells are no sweep.
    parts
        .run(&["merge", "one/small", "--into", "runs/small"])
        .exits(0);
    assert_eq!(found(&parts), None);
    parts
        .run(&["merge", "two/small", "--into", "runs/small"])
        .exits(0);
    assert!(found(&parts).is_some());
    assert_eq!(found(&parts), found(&whole));
}

/// Returns what a run says of its cells, times included; a log says it too.
fn summaries(bench: &Bench, run: &str) -> serde_json::Value {
    let text = fs::read(bench.path().join(run).join("summary.json")).unwrap();
    let mut cells: serde_json::Value = serde_json::from_slice(&text).unwrap();
    for cell in cells.as_array_mut().unwrap() {
        let cell = cell.as_object_mut().unwrap();
        cell.remove("blake3");
        for key in ["device", "seconds", "epochs_per_second"] {
            assert!(!cell[key].is_null(), "{key} of {cell:?}");
        }
    }
    cells
}

#[test]
fn times_and_devices_survive_a_merge_whatever_was_killed() {
    let bench = Bench::new(&sweep());
    for (part, out) in [("1/2", "one"), ("2/2", "two")] {
        let base = [&shard(part)[..], &["--out", out, "-q"]].concat();
        bench.run(&base).exits(0);
    }
    let merge = ["merge", "one/small", "two/small", "--into", "runs/small"];
    bench.run(&merge).exits(0);
    let whole = summaries(&bench, "runs/small");
    let summary = |run: &str| bench.path().join(run).join("summary.json");
    let start_over = || fs::remove_dir_all(bench.path().join("runs")).unwrap();

    // The merge was killed before its summary: the cells are kept, and told of all the same.
    fs::remove_file(summary("runs/small")).unwrap();
    let said = bench.run(&merge).exits(0).out();
    assert!(said.contains("0 cells taken"), "{said}");
    assert_eq!(summaries(&bench, "runs/small"), whole);
    // Lost later, its own log tells it.
    fs::remove_file(summary("runs/small")).unwrap();
    bench.run(SPEC).exits(0);
    assert_eq!(summaries(&bench, "runs/small"), whole);

    // So are the cells of the second run, of which the first one knows nothing.
    start_over();
    let turned = ["merge", "two/small", "one/small", "--into", "runs/small"];
    for again in [&merge, &turned] {
        bench.run(again).exits(0);
        fs::remove_file(summary("runs/small")).unwrap();
        fs::remove_file(bench.path().join("runs/small/log.jsonl")).unwrap();
    }
    bench.run(&merge).exits(0);
    assert_eq!(summaries(&bench, "runs/small"), whole);

    // A shard was killed between its last state and its summary.
    start_over();
    let kept = fs::read(summary("one/small")).unwrap();
    fs::remove_file(summary("one/small")).unwrap();
    bench.run(&merge).exits(0);
    assert_eq!(summaries(&bench, "runs/small"), whole);
    // Some cells are in it and others not; some of our own are missing too.
    let mut cells: serde_json::Value = serde_json::from_slice(&kept).unwrap();
    let list = cells.as_array_mut().unwrap();
    list.pop();
    for key in ["blake3", "fingerprint"] {
        list[0].as_object_mut().unwrap().remove(key);
    }
    fs::write(summary("one/small"), cells.to_string()).unwrap();
    fs::remove_file(summary("runs/small")).unwrap();
    bench
        .run(&["merge", "one/small", "--into", "runs/small"])
        .exits(0);
    assert_eq!(summaries(&bench, "runs/small"), whole);
}

#[test]
fn a_merge_leaves_what_is_somebodys_own() {
    let bench = Bench::new(&longer());
    let mut child = bench.spawn(SPEC);
    wait_for(&bench, 300);
    child.kill().unwrap();
    child.wait().unwrap();
    let cell = |run: &str| bench.path().join(run).join("cells").join(CELL);
    let mine = [
        "notes.txt",
        "checkpoints/best.pth",
        "analysis/mine/plot.png",
    ];
    for name in mine {
        let path = cell("runs/small").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "mine").unwrap();
    }
    let stale = cell("runs/small").join("analysis/none/findings.json");
    fs::create_dir_all(stale.parent().unwrap()).unwrap();
    fs::write(&stale, "{}").unwrap();
    bench
        .run(&[SPEC, &["--out", "far", "-q"]].concat())
        .exits(0);
    let said = bench
        .run(&["merge", "far/small", "--into", "runs/small"])
        .exits(0)
        .out();
    assert!(said.contains("1 cells taken"), "{said}");
    for name in mine {
        let path = cell("runs/small").join(name);
        assert_eq!(fs::read_to_string(path).unwrap(), "mine", "{name}");
    }
    assert!(!stale.exists(), "what was ours is the other's now");
    let state = |run: &str| fs::read(cell(run).join("state.safetensors")).unwrap();
    assert!(state("runs/small") == state("far/small"));
    let entries = fs::read_dir(bench.path().join("runs/small/cells")).unwrap();
    assert_eq!(entries.count(), 1, "nothing is left beside it");
}
