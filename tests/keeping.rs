//! Runs and specs kept in order: differences, tags and notes, the list, deleting, new specs; and
//! what a shell is told.

use serde_json::Value;

use crate::support::{Bench, CELL, SMALL, below};

const RUN: &str = "runs/small";

/// A bench with a run of [`SMALL`], 20 epochs long.
fn trained() -> Bench {
    let bench = Bench::new(SMALL);
    let args = [
        "small.toml",
        "--backend",
        "cpu",
        "--quiet",
        "--set",
        "train.epochs=20",
    ];
    bench.run(&args).exits(0);
    bench
}

/// Runs a command that succeeds; what it prints has these parts.
fn prints(bench: &Bench, args: &[&str], parts: &[&str]) -> String {
    let out = bench.run(args).exits(0).out();
    for part in parts {
        assert!(out.contains(part), "{part:?}: {out}");
    }
    out
}

fn json(bench: &Bench, args: &[&str]) -> Value {
    let out = bench.run(args).exits(0).out();
    serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"))
}

#[test]
fn keys_that_mean_something_else_are_reported_and_defaults_are_not() {
    let bench = trained();
    // The same experiment in other words.
    bench.write(
        "same.toml",
        SMALL.replace("epochs = 300", "epochs = 20\nweight_decay = 1.0"),
    );
    let same = bench.run(&["diff", RUN, "same.toml"]).exits(0).out();
    assert!(same.contains("mean the same"), "{same}");

    let other = SMALL.replace("epochs = 300", "epochs = 20\nlearning_rate = 0.01");
    bench.write("other.toml", format!("{other}\n[analysis.commutativity]\n"));
    bench
        .run(&["other.toml", "--backend", "cpu", "--quiet"])
        .exits(0);
    let parts = [
        "learning_rate",
        "0.001",
        "0.01",
        "commutativity",
        " → ",
        CELL,
    ];
    let text = prints(&bench, &["diff", RUN, "runs/other"], &parts);
    assert!(!text.contains("modulus"), "{text}");

    let found = json(&bench, &["diff", RUN, "runs/other", "--json"]);
    assert_eq!(found["keys"].as_array().map(Vec::len), Some(1), "{found}");
    assert_eq!(found["keys"][0]["key"], "train.learning_rate");
    assert_eq!(found["cells"][0]["a"]["epochs"], 20);
    bench.run(&["diff", RUN, "nowhere"]).exits(2);
}

#[test]
fn tags_and_notes_stay_with_the_run_and_no_result_knows_them() {
    let bench = trained();
    let before = bench.files("small");
    bench.run(&["tag", RUN, "paper", "figure-3"]).exits(0);
    bench.run(&["note", RUN, "the one of figure 3"]).exits(0);
    let tags = bench
        .run(&["tag", RUN, "--remove", "figure-3"])
        .exits(0)
        .out();
    assert_eq!(tags, "paper\n");
    assert_eq!(
        bench.run(&["note", RUN]).exits(0).out(),
        "the one of figure 3\n"
    );
    prints(
        &bench,
        &["show", RUN],
        &["tags: paper", "the one of figure 3"],
    );
    prints(&bench, &["list", "--tag", "paper"], &["small", "tags"]);
    prints(&bench, &["list", "--tag", "draft"], &["no such runs"]);
    bench.run(&["tag", RUN, "two words"]).exits(2);
    bench.run(&["tag", RUN, "--remove", "draft"]).exits(2);

    let args = [
        "small.toml",
        "--backend",
        "cpu",
        "--quiet",
        "--set",
        "train.epochs=20",
    ];
    bench.run(&args).exits(0);
    let mut after = bench.files("small");
    assert!(after.remove(std::path::Path::new("notes.json")).is_some());
    assert!(before == after);
}

#[test]
fn lists_and_states_are_there_as_json() {
    let bench = trained();
    let list = json(&bench, &["list", "--json"]);
    assert_eq!(
        (&list[0]["run"], &list[0]["state"]),
        (&"small".into(), &"done".into())
    );
    assert_eq!(
        json(&bench, &["list", "--json", "--grokked"]),
        Value::from(Vec::<Value>::new())
    );
    let status = json(&bench, &["status", RUN, "--json"]);
    assert_eq!(status["cells"][0]["cell"], CELL);
    assert_eq!(status["cells"][0]["state"], "done");
    let check = json(
        &bench,
        &["check", "small.toml", "--json", "--backend", "cpu"],
    );
    assert_eq!(check["cells"][0]["train_pairs"], 264);
    assert!(
        check["seconds"]
            .as_f64()
            .is_some_and(|seconds| seconds > 0.0),
        "{check}"
    );
    let plugins = json(&bench, &["plugins", "--json"]);
    let names: Vec<_> = plugins
        .as_array()
        .unwrap()
        .iter()
        .map(|p| &p["name"])
        .collect();
    assert!(names.contains(&&"fourier-sparsity".into()), "{names:?}");
    assert!(plugins[0]["parameters"].is_object(), "{plugins}");
}

#[test]
fn a_run_is_deleted_only_when_it_is_asked_for_and_alone() {
    let bench = trained();
    bench.run(&["rm", RUN]).exits(2).says(&["--yes"]);
    bench.run(&["rm", "--yes", RUN, "small.toml"]).exits(2);
    assert!(bench.path().join(RUN).join("run.json").exists());
    bench.write("runs/small/cells/mine.txt", "x");
    prints(&bench, &["rm", "--yes", RUN], &["still there"]);
    let left = below(&bench.path().join("runs"));
    let names: Vec<_> = left.keys().map(|path| path.display().to_string()).collect();
    assert_eq!(names, ["small/cells/mine.txt"]);
    bench.run(&["rm", "--yes", RUN]).exits(2);
}

#[test]
fn a_new_spec_is_a_shipped_one_or_asks_and_writes_over_nothing() {
    let bench = Bench::new(SMALL);
    bench.run(&["init", "mine.toml", "--from", "tiny"]).exits(0);
    bench
        .run(&["check", "mine.toml", "--backend", "cpu"])
        .exits(0);
    bench
        .run(&["init", "mine.toml", "--from", "tiny"])
        .exits(2)
        .says(&["already"]);
    bench
        .run(&["init", "new.toml"])
        .exits(2)
        .says(&["no terminal", "--from"]);
    bench
        .run(&["init", "new.toml", "--from", "nothing"])
        .exits(2)
        .says(&["mult59"]);
    assert!(!bench.path().join("new.toml").exists());
}

#[test]
fn a_shell_is_given_commands_runs_cells_and_keys() {
    let bench = trained();
    let script = bench.run(&["completions", "bash"]).exits(0).out();
    assert!(script.contains("GROKRUN_COMPLETE"), "{script}");
    let completed = |words: &[&str]| {
        let mut command = bench.command(&[&["--"], words].concat());
        let at = (words.len() - 1).to_string();
        command
            .env("GROKRUN_COMPLETE", "bash")
            .env("_CLAP_COMPLETE_INDEX", at);
        command
            .env("_CLAP_IFS", "\n")
            .env("_CLAP_COMPLETE_COMP_TYPE", "9");
        let output = command.output().expect("the program starts");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    for (words, wanted) in [
        (&["grokrun", "sta"][..], "status"),
        (&["grokrun", "sma"], "small.toml"),
        (&["grokrun", "status", "runs/"], RUN),
        (
            &["grokrun", "check", "x.toml", "--set", "train.ep"],
            "train.epochs=",
        ),
        (&["grokrun", "export", RUN, "--cell", "mul"], CELL),
        (&["grokrun", "init", "x.toml", "--from", "mult"], "mult59"),
    ] {
        let found = completed(words);
        assert!(
            found.lines().any(|line| line == wanted),
            "{words:?}: {found:?}"
        );
    }
}

#[test]
fn every_command_has_a_manual_page() {
    let bench = Bench::new(SMALL);
    bench.run(&["man", "pages"]).exits(0);
    for (page, words) in [("grokrun.1", "grokrun"), ("grokrun-diff.1", "keys")] {
        let text = std::fs::read_to_string(bench.path().join("pages").join(page)).expect(page);
        assert!(
            text.contains(".TH") && text.contains(words),
            "{page}: {text}"
        );
    }
    let hidden = bench.path().join("pages/grokrun-plugin-process.1");
    assert!(!hidden.exists());
}

#[test]
fn a_report_is_opened_or_it_is_said_where_it_is() {
    let bench = trained();
    let mut command = bench.command(&["open", RUN]);
    // No program of a desktop is found.
    let output = command
        .env("PATH", "")
        .output()
        .expect("the program starts");
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{words}");
    assert!(words.contains("report.html"), "{words}");
}

#[test]
fn the_commit_of_a_spec_is_in_the_log_and_in_the_report() {
    let bench = Bench::new(SMALL);
    let git = |args: &[&str]| {
        let identity = ["-c", "user.name=a", "-c", "user.email=a@b"];
        let mut command = std::process::Command::new("git");
        command
            .arg("-C")
            .arg(bench.path())
            .args(identity)
            .args(args);
        command.output().is_ok_and(|output| output.status.success())
    };
    if !git(&["init", "-q"]) {
        eprintln!("skipped: git is not installed here");
        return;
    }
    let trained = |fresh: &[&str]| {
        let args = [
            "small.toml",
            "--backend",
            "cpu",
            "--quiet",
            "--set",
            "train.epochs=2",
        ];
        bench.run(&[&args, fresh].concat()).exits(0);
        let log = std::fs::read_to_string(bench.path().join("runs/small/log.jsonl")).unwrap();
        let events = log
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        let mut starts = events.filter(|event| event["fields"]["message"] == "run starts");
        starts.next_back().expect("a beginning")["fields"].take()
    };
    // No commit yet.
    assert!(trained(&[])["commit"].is_null());
    assert!(git(&["add", "small.toml"]) && git(&["commit", "-q", "-m", "a spec"]));
    let fields = trained(&["--fresh"]);
    assert_eq!(
        fields["commit"].as_str().map(str::len),
        Some(40),
        "{fields}"
    );
    assert_eq!(fields["commit_changed"], false, "{fields}");
    let page = std::fs::read_to_string(bench.path().join("runs/small/report.html")).unwrap();
    assert!(page.contains(fields["commit"].as_str().unwrap()));
    bench.write("small.toml", format!("# Another comment.\n{SMALL}"));
    assert_eq!(trained(&["--fresh"])["commit_changed"], true);
}
