//! The program from outside: a run, its files, running it again, sweeps, early stop.

use crate::support::{Bench, SMALL, assert_same};

const CPU: &[&str] = &["small.toml", "--backend", "cpu"];

fn with(args: &[&'static str]) -> Vec<&'static str> {
    [CPU, args].concat()
}

#[test]
fn a_run_leaves_what_the_contract_lists() {
    let bench = Bench::new(SMALL);
    let run = bench.run(CPU).exits(0);
    assert!(run.out().contains("mul-p23-f0.5-d1-m2"), "{}", run.out());
    assert!(
        run.out().trim_end().ends_with("report.html"),
        "{}",
        run.out()
    );

    let files = bench.files("small");
    let names: Vec<String> = files.keys().map(|p| p.display().to_string()).collect();
    let cell = "cells/mul-p23-f0.5-d1-m2";
    for name in [
        "spec.toml",
        "resolved.toml",
        "run.json",
        &format!("{cell}/config.json"),
        &format!("{cell}/split.safetensors"),
        &format!("{cell}/metrics.parquet"),
        &format!("{cell}/state.safetensors"),
        &format!("{cell}/checkpoints/00000000.safetensors"),
        &format!("{cell}/checkpoints/00000100.safetensors"),
        &format!("{cell}/checkpoints/00000300.safetensors"),
    ] {
        assert!(names.iter().any(|n| n == name), "no {name} in {names:?}");
    }
    assert_eq!(
        names.iter().filter(|n| n.contains("/checkpoints/")).count(),
        4
    );
    // The spec is stored as given, after a comment with its checksum.
    let spec = String::from_utf8_lossy(&files[std::path::Path::new("spec.toml")]).into_owned();
    let checksum = spec.strip_suffix(SMALL).expect("the spec as given");
    assert!(checksum.starts_with("# blake3: ") && checksum.lines().count() == 1);

    let log = std::fs::read_to_string(bench.path().join("runs/small/log.jsonl")).unwrap();
    for line in log.lines() {
        let event: serde_json::Value = serde_json::from_str(line).expect("a JSON object a line");
        assert_eq!(event["spans"][0]["run"], "small", "{line}");
    }
    let summary = std::fs::read_to_string(bench.path().join("runs/small/summary.json")).unwrap();
    let summary: serde_json::Value = serde_json::from_str(&summary).unwrap();
    assert_eq!(summary[0]["epochs"], 300);
}

#[test]
fn the_resolved_spec_is_the_same_run() {
    let bench = Bench::new(SMALL);
    bench.run(CPU).exits(0);
    let resolved = bench.path().join("runs/small/resolved.toml");
    std::fs::copy(resolved, bench.path().join("small.toml")).unwrap();
    let again = bench.run(CPU).exits(0);
    assert!(
        again.out().contains("nothing left to do"),
        "{}",
        again.out()
    );
}

#[test]
fn two_runs_are_the_same_bytes_on_any_number_of_threads() {
    let (one, many) = (Bench::new(SMALL), Bench::new(SMALL));
    let status = one
        .command(&with(&["-q"]))
        .env("RAYON_NUM_THREADS", "1")
        .status()
        .unwrap();
    assert!(status.success());
    let status = many
        .command(&with(&["-q"]))
        .env("RAYON_NUM_THREADS", "3")
        .status()
        .unwrap();
    assert!(status.success());
    assert_same(&one.files("small"), &many.files("small"));
}

#[test]
fn quiet_says_nothing() {
    let bench = Bench::new(SMALL);
    let run = bench.run(&with(&["--quiet"])).exits(0);
    assert_eq!((run.out(), run.err()), (String::new(), String::new()));
}

#[test]
fn a_sweep_trains_each_cell_as_if_it_were_alone() {
    let seeds = "seeds = { data = 1, model = 2 }";
    let sweep = SMALL.replace(seeds, "seeds = { data = 1, model = [2, 3, 4, 5, 6] }");
    let (all, alone) = (
        Bench::new(&sweep),
        Bench::new(&SMALL.replace(seeds, "seeds = { data = 1, model = 4 }")),
    );
    all.run(CPU).exits(0);
    alone.run(CPU).exits(0);
    let cell = |bench: &Bench| -> std::collections::BTreeMap<_, _> {
        let files = bench.files("small").into_iter();
        files
            .filter(|(name, _)| name.starts_with("cells/mul-p23-f0.5-d1-m4"))
            .collect()
    };
    assert_eq!(cell(&alone).len(), 9);
    assert_same(&cell(&all), &cell(&alone));
}

#[test]
fn an_early_stop_is_exact_whatever_else_is_in_the_batch() {
    // Training accuracy ends no run, so the test uses a threshold that a memorising model reaches
    // now and then.
    let stop = SMALL.replace(
        "epochs = 300",
        "epochs = 300\nstop = { test_accuracy = 0.1, patience = 7 }",
    );
    let seeds = "seeds = { data = 1, model = 2 }";
    let sweep = stop.replace(seeds, "seeds = { data = 1, model = [2, 3, 4] }");
    let (all, alone) = (Bench::new(&sweep), Bench::new(&stop));
    all.run(CPU).exits(0);
    alone.run(CPU).exits(0);
    let summary = std::fs::read_to_string(alone.path().join("runs/small/summary.json")).unwrap();
    let summary: serde_json::Value = serde_json::from_str(&summary).unwrap();
    let epochs = summary[0]["epochs"].as_u64().unwrap();
    assert!(epochs < 300, "it never stopped");
    let cell = |bench: &Bench| -> std::collections::BTreeMap<_, _> {
        let files = bench.files("small").into_iter();
        files
            .filter(|(name, _)| name.starts_with("cells/mul-p23-f0.5-d1-m2"))
            .collect()
    };
    let last = format!("cells/mul-p23-f0.5-d1-m2/checkpoints/{epochs:08}.safetensors");
    assert!(
        cell(&alone).contains_key(std::path::Path::new(&last)),
        "no {last}"
    );
    assert_same(&cell(&all), &cell(&alone));
}

#[test]
fn check_prints_the_plan_and_writes_nothing() {
    let bench = Bench::new(SMALL);
    let check = bench
        .run(&["check", "small.toml", "--backend", "cpu"])
        .exits(0);
    for part in [
        "the spec is valid",
        "mul-p23-f0.5-d1-m2",
        "264",
        "265",
        "memory",
        "disk",
        "ms an epoch",
    ] {
        assert!(
            check.out().contains(part),
            "no {part:?} in\n{}",
            check.out()
        );
    }
    assert_eq!(std::fs::read_dir(bench.path()).unwrap().count(), 1);
}

#[test]
fn check_keeps_its_calibration_and_says_so() {
    let bench = Bench::new(SMALL);
    let check = |cache: &str, more: &[&'static str]| {
        let arguments = [&["check", "small.toml", "--backend", "cpu"], more].concat();
        let mut command = bench.command(&arguments);
        let done = command
            .env("GROKRUN_CACHE_DIR", bench.path().join(cache))
            .output();
        let done = done.unwrap();
        assert_eq!(done.status.code(), Some(0), "{done:?}");
        let said = String::from_utf8(done.stdout).unwrap();
        (said, String::from_utf8(done.stderr).unwrap())
    };
    let file = bench.path().join("cache/calibration.json");
    assert!(check("cache", &[]).0.contains("measured just now, kept in"));
    let first = std::fs::read_to_string(&file).unwrap();
    let (again, notes) = check("cache", &[]);
    assert!(
        again.contains(" ago, kept in") && again.contains("--calibrate"),
        "{again}"
    );
    assert!(
        !notes.contains("is damaged") && !notes.contains("not kept"),
        "{notes}"
    );
    assert_eq!(std::fs::read_to_string(&file).unwrap(), first);
    // A file that cannot be read is reported, and made again.
    std::fs::write(&file, &first[..first.len() / 2]).unwrap();
    let (after, notes) = check("cache", &[]);
    assert!(after.contains("measured just now"), "{after}");
    assert!(notes.contains("is damaged"), "{notes}");
    // If asked for, the measurement is repeated; a new analysis is measured and added to those that
    // are kept.
    assert!(
        check("cache", &["--calibrate"])
            .0
            .contains("measured just now")
    );
    let analysed = check("cache", &["--set", "analysis.commutativity.every=10"]).0;
    assert!(
        analysed.contains(" ago, kept in") && analysed.contains("analyses"),
        "{analysed}"
    );
    // A folder that cannot be made is not an error.
    let (unkept, notes) = check("small.toml/cache", &[]);
    assert!(unkept.contains("about "), "{unkept}");
    assert!(
        notes.contains("not kept") && notes.contains("files"),
        "{notes}"
    );
}

#[test]
fn a_processor_is_compared_with_the_reference() {
    let bench = Bench::new("");
    let tested = bench.run(&["devices", "--test", "--backend", "cpu", "--json"]);
    let tested: serde_json::Value = serde_json::from_str(&tested.exits(0).out()).unwrap();
    assert_eq!(tested["passes"], true, "{tested:#}");
    assert!(tested["seconds_per_epoch_of_mult113"].as_f64().unwrap() > 0.0);
    let words = bench.run(&["devices", "--adapter", "x"]).exits(2);
    assert!(words.err().contains("--test"), "{}", words.err());
}

#[test]
fn devices_lists_the_cpu_and_what_auto_takes() {
    let bench = Bench::new(SMALL);
    let devices = bench.run(&["devices"]).exits(0);
    assert!(devices.out().contains("CPU"), "{}", devices.out());
    let all = bench.run(&["devices", "--json"]).exits(0);
    let all: serde_json::Value = serde_json::from_str(&all.out()).unwrap();
    let all = all.as_array().unwrap();
    assert!(all.iter().any(|one| one["backend"] == "cpu"), "{all:?}");
    let picked = all.iter().filter(|one| one["picked"] == true);
    assert_eq!(picked.count(), 1, "{all:?}");
    assert_eq!(
        devices
            .out()
            .lines()
            .filter(|l| l.starts_with('→') && !l.contains("--backend auto takes"))
            .count(),
        1
    );
}

#[test]
fn set_overrides_the_file() {
    let bench = Bench::new(SMALL);
    bench
        .run(&with(&[
            "--set",
            "train.epochs=20",
            "--set",
            "name=other",
            "--set",
            "operation=a - b",
        ]))
        .exits(0);
    let files = bench.files("other");
    let last = files
        .keys()
        .rfind(|n| n.display().to_string().contains("checkpoints/"));
    assert!(
        last.unwrap().ends_with("checkpoints/00000020.safetensors"),
        "{last:?}"
    );
}

#[test]
fn help_has_an_example_on_every_command() {
    let bench = Bench::new(SMALL);
    let help = bench.run(&["--help"]).exits(0).out();
    let (_, list) = help.split_once("Commands:\n").expect("a list of commands");
    let (list, _) = list.split_once("\n\n").expect("its end");
    // A line that continues the one above is indented further.
    let own = |line: &&str| line.starts_with("  ") && !line.starts_with("   ");
    let names = list
        .lines()
        .filter(own)
        .filter_map(|line| line.split_whitespace().next());
    let names: Vec<&str> = names.filter(|name| *name != "help").collect();
    assert!(names.len() > 20, "{names:?}");
    for name in names {
        let help = bench.run(&[name, "--help"]).exits(0).out();
        let example = help.contains("Example:\n  ") || help.contains("Examples:\n  ");
        assert!(example && help.contains("grokrun"), "{name}: {help}");
    }
}

#[test]
fn nothing_is_said_of_desktops_that_are_not_there() {
    let bench = Bench::new(SMALL);
    // The drivers are asked, software ones too; without any driver there is nothing to compare.
    if !bench.run(&["devices"]).exits(0).out().contains("vulkan") {
        eprintln!("skipped: there is no Vulkan driver");
        return;
    }
    // No session, a session that has ended, and displays that nobody serves.
    let gone = bench.path().join("gone");
    let gone = gone.to_str().expect("a path in UTF-8");
    for (session, wayland, display) in [
        (None, None, None),
        (Some(gone), Some("wayland-7"), Some(":77")),
    ] {
        let auto = [
            "small.toml",
            "--quiet",
            "--set",
            "train.epochs=2",
            "--fresh",
        ];
        for args in [&["devices"][..], &auto] {
            let mut command = bench.command(args);
            for (name, value) in [
                ("XDG_RUNTIME_DIR", session),
                ("WAYLAND_DISPLAY", wayland),
                ("DISPLAY", display),
            ] {
                match value {
                    None => command.env_remove(name),
                    Some(value) => command.env(name, value),
                };
            }
            let output = command.output().expect("the program starts");
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(
                output.status.success() && said.is_empty(),
                "{args:?}: {said}"
            );
        }
    }
}

/// Paths and names of folders come from other people: characters that would steer a terminal are
/// escaped.
#[test]
#[cfg(unix)]
fn control_characters_never_reach_the_terminal() {
    let bench = Bench::new(SMALL);
    let short = ["--set", "train.epochs=5", "-q"];
    bench.run(&with(&short)).exits(0);
    let steering = "runs/\u{1b}]0;title\u{7}\u{9b}2J\rx";
    std::fs::rename(bench.path().join("runs/small"), bench.path().join(steering)).unwrap();
    for args in [
        &["list"][..],
        &["show", steering],
        &["report", steering],
        &["show", "runs/\u{1b}[2J"],
        &["check", "\u{1b}[2J.toml"],
        &["small.toml", "--set", "name=\u{1b}[2J"],
    ] {
        let output = bench.run(args);
        for text in [output.out(), output.err()] {
            let steers = |c: char| c.is_control() && c != '\n';
            assert!(!text.contains(steers), "{args:?}: {text:?}");
        }
    }
    let listed = bench.run(&["list"]).exits(0);
    assert!(
        listed.out().contains("\\u{1b}]0;title\\u{7}\\u{9b}2J\\rx"),
        "{}",
        listed.out()
    );
}

/// A run that ends before the accuracy is held reports the epoch, on the terminal and in the
/// report.
#[test]
fn what_was_reached_and_not_yet_held_is_said() {
    // With 13 test pairs at most, modulo 3, the task is solved at once and ends soon.
    let bench = Bench::new(SMALL);
    let args = [
        "--set",
        "modulus=3",
        "--set",
        "operation=add",
        "--set",
        "fraction=0.9",
        "--set",
        "train.epochs=200",
    ];
    let run = bench.run(&with(&args)).exits(0);
    let summary = std::fs::read_to_string(bench.path().join("runs/small/summary.json")).unwrap();
    let summary: serde_json::Value = serde_json::from_str(&summary).unwrap();
    let since = summary[0]["train_accuracy_since"].as_u64();
    let since = since.expect("nine pairs are memorised within 200 epochs");
    assert!(summary[0]["train_accuracy_epoch"].is_null());
    assert!(run.out().contains(&format!("{since} *")), "{}", run.out());
    assert!(run.out().contains("not yet 500 epochs"), "{}", run.out());
    let page = std::fs::read_to_string(bench.path().join("runs/small/report.html")).unwrap();
    assert!(page.contains(&format!("since epoch {since}, not yet held")));
}

#[test]
fn a_shipped_spec_stands_in_for_a_file_that_is_not_there_and_says_so() {
    let bench = Bench::new(SMALL);
    let check = |spec: &str| bench.run(&["check", spec, "--backend", "cpu"]);
    check("specs/tiny.toml")
        .exits(0)
        .says(&["no file specs/tiny.toml", "shipped spec tiny"]);
    let quiet = ["tiny", "--quiet", "--set", "train.epochs=2"];
    assert_eq!(bench.run(&quiet).exits(0).err(), "");
    assert!(bench.path().join("runs/tiny/report.html").exists());
    check("specs/none.toml")
        .exits(2)
        .says(&["specs/none.toml cannot be read", "mult59"]);
    // If there is a file of that name, the file is meant.
    bench.write("tiny.toml", SMALL);
    assert!(!check("tiny.toml").exits(0).err().contains("shipped"));
    bench.write("tiny.toml", "modulus = 1");
    assert!(!check("tiny.toml").exits(2).err().contains("shipped"));
    let printed = bench.run(&["specs", "tiny"]).exits(0).out();
    assert_eq!(printed, include_str!("../specs/tiny.toml"));
    bench
        .run(&["specs", "none"])
        .exits(2)
        .says(&["no shipped spec", "mult59"]);
}
