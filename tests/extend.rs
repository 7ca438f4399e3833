//! Runs that are made longer, by a longer spec or by `grokrun extend`, become byte for byte the run
//! that had this length from the start. A change that does more is refused, with the keys that
//! differ.

mod cadence;

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use crate::support::{Bench, SMALL, Seeded, assert_same, summary};

const CPU: &[&str] = &["small.toml", "--backend", "cpu", "-q"];

/// Returns [`CPU`] with these overrides.
fn with<'a>(sets: &[&'a str]) -> Vec<&'a str> {
    let sets = sets.iter().flat_map(|set| ["--set", set]);
    CPU.iter().copied().chain(sets).collect()
}

/// Returns the epochs of the checkpoints of the cell of [`SMALL`].
fn checkpoints(bench: &Bench) -> Vec<u64> {
    let folder = "runs/small/cells/mul-p23-f0.5-d1-m2/checkpoints";
    let entries = fs::read_dir(bench.path().join(folder)).unwrap();
    let epochs: BTreeSet<u64> = entries
        .map(|entry| {
            let name = entry.unwrap().file_name().into_string().unwrap();
            name.split('.').next().unwrap().parse().unwrap()
        })
        .collect();
    epochs.into_iter().collect()
}

/// Trains `spec` with each of these overrides in turn, compares with the last one trained from the
/// start.
#[track_caller]
fn is_the_same_as_the_longest(spec: &str, steps: &[&[&str]]) {
    let (whole, grown) = (Bench::new(spec), Bench::new(spec));
    whole.run(&with(steps[steps.len() - 1])).exits(0);
    for step in steps {
        grown.run(&with(step)).exits(0);
    }
    assert_same(&whole.files("small"), &grown.files("small"));
    assert_eq!(summary(&whole, "small"), summary(&grown, "small"));
    let again = [
        &with(steps[steps.len() - 1])[..3],
        &with(steps[steps.len() - 1])[4..],
    ]
    .concat();
    let again = grown.run(&again).exits(0);
    assert!(
        again.out().contains("nothing left to do"),
        "{}",
        again.out()
    );
}

#[test]
fn a_finished_run_goes_on_to_what_it_had_been_from_the_start() {
    // The last checkpoint of the shorter run is one of the longer, or it is not.
    is_the_same_as_the_longest(SMALL, &[&["train.epochs=200"], &["train.epochs=350"]]);
    is_the_same_as_the_longest(
        SMALL,
        &[
            &["train.epochs=120"],
            &["train.epochs=250"],
            &["train.epochs=330"],
        ],
    );
}

#[test]
fn analyses_and_packed_checkpoints_are_those_of_the_longer_run() {
    let spec = format!(
        "{SMALL}[checkpoints]\nevery = 30\nprecision = \"f16\"\ncompression = \"lossless\"\n\
         [analysis.commutativity]\nevery = 40\n[analysis.fourier-sparsity]\n"
    );
    is_the_same_as_the_longest(&spec, &[&["train.epochs=170"], &["train.epochs=290"]]);
}

#[test]
fn a_sweep_that_stopped_early_goes_on_by_another_rule() {
    let spec = SMALL.replace("model = 2", "model = [2, 3, 4]").replace(
        "[train]",
        "[train]\nstop = { test_accuracy = 0.1, patience = 7 }",
    ) + "[analysis.commutativity]\n";
    let patient = "train.stop.patience=12";
    is_the_same_as_the_longest(&spec, &[&[], &[patient]]);
    // Cells that stopped early are continued for the longer run too.
    is_the_same_as_the_longest(&spec, &[&[], &["train.epochs=400"]]);
    is_the_same_as_the_longest(
        &spec,
        &[&["train.epochs=60"], &[patient, "train.epochs=400"]],
    );
}

#[test]
fn extend_needs_the_run_alone() {
    let (whole, grown) = (Bench::new(SMALL), Bench::new(SMALL));
    whole.run(&with(&["train.epochs=350"])).exits(0);
    grown.run(&with(&["train.epochs=120"])).exits(0);
    fs::remove_file(grown.path().join("small.toml")).unwrap();
    let extend = [
        "extend",
        "runs/small",
        "--epochs",
        "350",
        "--backend",
        "cpu",
    ];
    let output = grown.run(&extend).exits(0);
    assert!(
        output.err().contains("to epoch 350") || output.err().contains("350"),
        "{}",
        output.err()
    );
    assert_same(&whole.files("small"), &grown.files("small"));
    assert_eq!(summary(&whole, "small"), summary(&grown, "small"));
    assert!(
        grown
            .run(&extend)
            .exits(0)
            .out()
            .contains("nothing left to do")
    );
}

#[test]
fn extend_takes_a_run_that_was_moved() {
    let bench = Bench::new(SMALL);
    bench.run(&with(&["train.epochs=120"])).exits(0);
    fs::create_dir(bench.path().join("kept")).unwrap();
    fs::rename(
        bench.path().join("runs/small"),
        bench.path().join("kept/mine"),
    )
    .unwrap();
    bench
        .run(&[
            "extend",
            "kept/mine",
            "--epochs",
            "200",
            "--backend",
            "cpu",
            "-q",
        ])
        .exits(0);
    let manifest = fs::read_to_string(bench.path().join("kept/mine/run.json")).unwrap();
    assert!(manifest.contains("\"name\": \"small\""), "{manifest}");
    let all: Vec<_> = fs::read_dir(bench.path().join("kept")).unwrap().collect();
    assert_eq!(all.len(), 1);
}

#[cfg(unix)]
#[test]
fn killed_while_it_is_made_longer_it_comes_to_the_same() {
    let spec = format!("{SMALL}[analysis.commutativity]\nevery = 500\n");
    let (whole, broken) = (Bench::new(&spec), Bench::new(&spec));
    let (short, long) = (&["train.epochs=730"][..], &["train.epochs=2500"][..]);
    whole.run(&with(long)).exits(0);
    let mut numbers = Seeded(7);
    for _ in 0..8 {
        // From the beginning of the shorter run to somewhere in the longer one.
        let mut child = broken.spawn(&with(short));
        std::thread::sleep(Duration::from_millis(numbers.below(300)));
        child.kill().unwrap();
        child.wait().unwrap();
        let mut child = broken.spawn(&with(long));
        std::thread::sleep(Duration::from_millis(numbers.below(700)));
        child.kill().unwrap();
        child.wait().unwrap();
        // By the shorter one it cannot go on any more; if the longer has not begun, it can.
        let status = broken.run(&["list"]);
        status.exits(0);
    }
    broken.run(&with(long)).exits(0);
    assert_same(&whole.files("small"), &broken.files("small"));
    assert_eq!(summary(&whole, "small"), summary(&broken, "small"));
}

#[test]
fn what_is_no_longer_run_is_refused_with_both_values() {
    let bench = Bench::new(SMALL);
    bench.run(&with(&[])).exits(0);
    let before = bench.files("small");
    let refused = |sets: &[&str], words: &[&str]| {
        bench.run(&with(sets)).exits(2).says(words);
        assert_same(&before, &bench.files("small"));
    };
    refused(
        &["fraction=0.4", "train.epochs=500"],
        &["another spec", "fraction: 0.5 there, 0.4 here", "--force"],
    );
    refused(
        &["train.epochs=200"],
        &["train.epochs: 300 there, 200 here", "only ever made longer"],
    );
    refused(
        &["train.stop={ test_accuracy = 0.05, patience = 3 }"],
        &[
            "train.stop",
            "mul-p23-f0.5-d1-m2 would have stopped after",
            "it has 300 there",
        ],
    );
    refused(&["checkpoints.precision=f16"], &["checkpoints.precision"]);
    let extend = |run: &str, epochs: &str| bench.run(&["extend", run, "--epochs", epochs]);
    // A command does not advise what it cannot do.
    let output = extend("runs/small", "200").exits(2).says(&[
        "cannot go on as asked",
        "300 there, 200 here",
        "expected 300 or more",
    ]);
    assert!(!output.err().contains("--force"), "{}", output.err());
    let shard = with(&["train.epochs=200", "seeds.model=[2, 3]"]);
    bench
        .run(&[&shard[..], &["--shard", "1/2"]].concat())
        .exits(2)
        .says(&["seeds.model", "`grokrun SPEC --force`, without --shard"]);
    let said = extend("runs/small", "300").exits(0).out();
    assert!(said.contains("nothing left to do\n"), "{said}");
    extend("nowhere", "200").exits(2).says(&["holds no run"]);
    extend("runs/small", "0").exits(2).says(&["train.epochs"]);

    // Starting over needs no more flags than before.
    bench
        .run(&[&with(&["train.epochs=350"])[..], &["--fresh"]].concat())
        .exits(0);
    assert_eq!(checkpoints(&bench), [0, 100, 200, 300, 350]);
}

#[test]
fn a_spec_that_was_changed_in_the_folder_is_noticed() {
    let bench = Bench::new(SMALL);
    bench.run(&with(&[])).exits(0);
    let path = bench.path().join("runs/small/resolved.toml");
    let text = fs::read_to_string(&path)
        .unwrap()
        .replace("warmup = 0", "warmup = 5");
    // With the digest it would be a damaged file; an edit on purpose removes the digest.
    let (digest, text) = text.split_once('\n').unwrap();
    assert!(digest.starts_with("# blake3: "), "{digest}");
    fs::write(&path, text).unwrap();
    bench
        .run(&[
            "extend",
            "runs/small",
            "--epochs",
            "400",
            "--backend",
            "cpu",
        ])
        .exits(2)
        .says(&["resolved.toml was changed"]);
}

#[test]
fn what_was_trained_elsewhere_is_not_trained_on() {
    let bench = Bench::new(SMALL);
    bench.run(&with(&["train.epochs=100"])).exits(0);
    bench
        .run(&["export", "runs/small", "--format", "pth", "-o", "model.pth"])
        .exits(0);
    bench
        .run(&[
            "import",
            "model.pth",
            "--into",
            "runs/theirs",
            "--fraction",
            "0.5",
        ])
        .exits(0);
    bench
        .run(&[
            "extend",
            "runs/theirs",
            "--epochs",
            "100000",
            "--backend",
            "cpu",
        ])
        .exits(2)
        .says(&["imported", "not trained on"]);
    let output = bench.run(&["extend", "runs/theirs", "--epochs", "100000"]);
    assert!(!output.err().contains("--force"), "{}", output.err());
}

#[test]
fn shards_go_on_and_what_is_done_is_reported_alike() {
    let spec = SMALL.replace("model = 2", "model = [2, 3, 4, 5]");
    let (whole, parts) = (Bench::new(&spec), Bench::new(&spec));
    let long = &["train.epochs=350"][..];
    whole.run(&with(long)).exits(0);
    let output = |words: &str, counts: [&str; 6]| {
        let list = parts.run(&["list"]).exits(0).out();
        assert!(list.contains(words), "{list}");
        let status = parts.run(&["status", "runs/small"]).exits(0).out();
        let found: Vec<&str> = status.lines().nth(1).unwrap().split_whitespace().collect();
        assert_eq!(found, counts, "{status}");
    };
    let shard = |sets: &[&'static str], part: &'static str| {
        parts
            .run(&[&with(sets)[..], &["--shard", part]].concat())
            .exits(0)
    };
    shard(&["train.epochs=250"], "1/2");
    output("2 of 4 done", ["2", "0", "2", "0", "0", "4"]);
    shard(&["train.epochs=250"], "2/2");
    output("done", ["4", "0", "0", "0", "0", "4"]);
    shard(long, "1/2");
    output("2 of 4 done", ["2", "0", "0", "2", "0", "4"]);
    shard(long, "2/2");
    output("done", ["4", "0", "0", "0", "0", "4"]);

    let results = |bench: &Bench| {
        let mut files = bench.files("small");
        files.retain(|path, _| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            !name.starts_with('.') && !name.starts_with("log.")
        });
        files
    };
    assert_same(&results(&whole), &results(&parts));
    assert_eq!(summary(&whole, "small"), summary(&parts, "small"));

    // Runs of different length are not merged; the differing key is named.
    parts
        .run(&[&with(&["train.epochs=250"])[..], &["--out", "other"]].concat())
        .exits(0);
    parts
        .run(&["merge", "other/small", "--into", "runs/small"])
        .exits(2)
        .says(&["different specs", "train.epochs: 350 there, 250 here"]);
}
