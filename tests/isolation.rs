//! Plugins that harm the whole process: without --isolate the culprit is named; with --isolate the
//! run continues.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::plugins::{library, spec, trained, untouched};
use crate::support::{Bench, Finished, assert_same};

/// The same on every Unix that this runs on.
const SIGABRT: i32 = 6;
const SIGSEGV: i32 = 11;

const ISOLATED: &[&str] = &["--isolate"];

/// Returns a run with `[analysis.hostile]`, which does this at that moment, and another analysis
/// that does no harm.
fn bench(how: &str, when: &str) -> Bench {
    Bench::new(&spec(&format!(
        "[analysis.hostile]\nhow = \"{how}\"\nwhen = \"{when}\"\n[analysis.everything]\nevery = 10\n"
    )))
}

fn command(bench: &Bench, more: &[&str]) -> Command {
    let library = library();
    let library = library.to_str().expect("a path in UTF-8");
    let start = ["small.toml", "--backend", "cpu", "--plugin", library];
    bench.command(&[&start[..], more].concat())
}

fn output(bench: &Bench, more: &[&str]) -> Output {
    command(bench, more).output().expect("the program starts")
}

fn run(bench: &Bench, more: &[&str]) -> Finished {
    Finished::of(output(bench, more))
}

/// Returns the files of one analysis.
fn findings(bench: &Bench, analysis: &str) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = bench.files("small");
    let part = format!("analysis/{analysis}");
    files.retain(|path, _| path.to_string_lossy().contains(&part));
    assert!(!files.is_empty(), "there are findings of {analysis}");
    files
}

fn failure(bench: &Bench) -> String {
    let files = findings(bench, "hostile");
    let index = files
        .iter()
        .find(|(path, _)| path.ends_with("findings.json"));
    let index: serde_json::Value = serde_json::from_slice(index.unwrap().1).unwrap();
    index["failure"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn what_ends_the_process_is_named_at_once_and_by_the_next_command() {
    let want = untouched();
    for (how, when, signal, place) in [
        (
            "exit",
            "observe",
            None,
            "epoch 20 of cell mul-p23-f0.5-d1-m2",
        ),
        ("exit", "new", None, "the start of"),
        ("exit-elsewhere", "observe", None, "epoch 20 of cell"),
        ("abort", "finish", Some(SIGABRT), "the conclusion of"),
        ("segfault", "observe", Some(SIGSEGV), "epoch 20 of cell"),
        ("overflow", "drop", Some(SIGABRT), "the close of"),
    ] {
        let bench = bench(how, when);
        let ended = output(&bench, &[]);
        match signal {
            None => assert_eq!(ended.status.code(), Some(1), "{how}"),
            Some(signal) => assert_eq!(ended.status.signal(), Some(signal), "{how}"),
        }
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        for part in ["error: a", place, "hostile", "misbehaving", "--isolate"] {
            assert!(said.contains(part), "{how}: {part} in {said}");
        }
        for reads in ["status", "show"] {
            let logged = bench.run(&[reads, "runs/small"]).exits(0);
            logged.says(&["note: a process of this run has ended", place, "hostile"]);
        }
        // The next run deletes what is left, and reports it once more.
        run(&bench, &["--set", "analysis.hostile.how=not"])
            .exits(0)
            .says(&["has ended within a plugin", place]);
        assert!(left(&bench).is_empty(), "{how}");
        assert_same(&trained(&bench), &want);
    }
}

/// Returns the files that a killed process leaves of its calls.
fn left(bench: &Bench) -> Vec<PathBuf> {
    let mut files = bench.files("small");
    files.retain(|path, _| path.to_string_lossy().contains("plugin-calls"));
    files.into_keys().collect()
}

#[test]
fn a_killed_process_names_the_call_it_was_in() {
    let bench = bench("hang", "observe");
    let mut child = command(&bench, &[])
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let logged = |text: &str| {
        let files = bench.path().join("runs/small");
        let entries = std::fs::read_dir(files).into_iter().flatten();
        let mut texts = entries.filter_map(|entry| {
            let path = entry.ok()?.path();
            path.to_string_lossy()
                .contains("plugin-calls")
                .then_some(path)
        });
        texts.any(|path| std::fs::read_to_string(path).is_ok_and(|all| all.contains(text)))
    };
    wait_for(|| logged("epoch 20 of cell"));
    // The process lives, so nothing is reported.
    let status = bench.run(&["status", "runs/small"]).exits(0);
    assert!(!status.err().contains("note:"), "{}", status.err());
    child.kill().unwrap();
    child.wait().unwrap();
    let status = bench.run(&["status", "runs/small"]).exits(0);
    status.says(&[
        "note: a process of this run has ended",
        "epoch 20",
        "hostile",
    ]);
}

fn wait_for(done: impl Fn() -> bool) {
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() < Duration::from_secs(60), "it never came");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn an_isolated_plugin_harms_nobody_but_itself() {
    let want = untouched();
    let healthy = bench("not", "never");
    run(&healthy, ISOLATED).exits(0);
    let everything = findings(&healthy, "everything");
    for (how, when, said) in [
        ("exit", "new", "called exit, with status 0"),
        ("exit-elsewhere", "observe", "called exit, with status 0"),
        ("abort", "finish", "signal 6 (SIGABRT"),
        ("segfault", "observe", "signal 11 (SIGSEGV"),
        ("overflow", "observe", "signal 6 (SIGABRT"),
        ("abort", "drop", "signal 6 (SIGABRT"),
    ] {
        let bench = bench(how, when);
        run(&bench, ISOLATED)
            .exits_with_panic_words(3)
            .says(&["error: analysis hostile failed", said]);
        assert!(failure(&bench).contains(said), "{}", failure(&bench));
        assert_same(&trained(&bench), &want);
        assert_same(&findings(&bench, "everything"), &everything);
        assert!(left(&bench).is_empty());
    }
}

#[test]
fn a_hang_and_a_devourer_are_ended_within_their_limits() {
    let want = untouched();
    let hang = bench("hang", "observe");
    run(&hang, &["--isolate", "--isolate-seconds", "1"])
        .exits(3)
        .says(&["hostile failed", "at epoch 20", "longer than 1 s"]);
    assert_same(&trained(&hang), &want);
    if cfg!(target_os = "linux") {
        let devour = bench("devour", "finish");
        run(&devour, &["--isolate", "--isolate-memory", "400"])
            .exits(3)
            .says(&["hostile failed", "more than 400 MB"]);
        assert_same(&trained(&devour), &want);
    }
    hang.run(&["small.toml", "--isolate-seconds", "1"])
        .exits(2)
        .says(&["--isolate"]);
}

#[test]
fn findings_are_the_same_with_and_without_processes_of_their_own() {
    let analyses = "[analysis.everything]\n[analysis.odd-numbers]\n[analysis.wrong-shapes]\n[analysis.fails]\n[analysis.endless]\n[analysis.hostile]\n[analysis.panics]\nwhen = \"drop\"\n";
    let (apart, here) = (Bench::new(&spec(analyses)), Bench::new(&spec(analyses)));
    run(&here, &[]).exits_with_panic_words(3);
    run(&apart, ISOLATED).exits_with_panic_words(3);
    assert_same(&apart.files("small"), &here.files("small"));
    // The same holds for analyses after training.
    let library = library();
    let again = [
        "analyze",
        "runs/small",
        "--isolate",
        "--plugin",
        library.to_str().unwrap(),
    ];
    here.run(&again).exits_with_panic_words(3);
    assert_same(&here.files("small"), &apart.files("small"));
    // Log events are forwarded too.
    let log = std::fs::read_to_string(apart.path().join("runs/small/log.jsonl")).unwrap();
    let event = log.lines().find(|line| line.contains("about to go on"));
    let event = event.expect("the plugin's event");
    for part in [
        "\"level\":\"WARN\"",
        "misbehaving",
        "42",
        "\"analysis\":\"panics\"",
    ] {
        assert!(event.contains(part), "{part} in {event}");
    }
}

#[test]
fn a_plugin_that_changes_the_folder_or_talks_loses_nothing() {
    let want = untouched();
    for more in [&[][..], ISOLATED] {
        for when in ["check", "new", "observe", "drop"] {
            let bench = bench("wander", when);
            run(&bench, more).exits(0);
            assert_same(&trained(&bench), &want);
            assert!(bench.path().join("runs/small/report.html").exists());
        }
    }
    let analyzed = bench("wander", "observe");
    run(&analyzed, &[]).exits(0);
    let before = analyzed.files("small");
    let library = library();
    analyzed
        .run(&[
            "analyze",
            "runs/small",
            "--plugin",
            library.to_str().unwrap(),
        ])
        .exits(0);
    assert_same(&analyzed.files("small"), &before);
    // What it prints does not come among the results, and it hears no request that is not for it.
    let (talk, quiet) = (bench("talk", "observe"), bench("talk", "observe"));
    let said = run(&talk, ISOLATED).exits(0);
    assert!(said.out().contains("report.html") && !said.out().contains("talks"));
    assert!(said.err().contains("a plugin talks"), "{}", said.err());
    run(&quiet, &[]).exits(0);
    assert_same(&talk.files("small"), &quiet.files("small"));
}

#[test]
fn a_library_that_harms_whoever_asks_is_named_before_anything_runs() {
    let check = bench("abort", "check");
    let ended = output(&check, &[]);
    assert_eq!(ended.status.signal(), Some(SIGABRT));
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(
        said.contains("the check of the parameters of analysis hostile"),
        "{said}"
    );
    run(&check, ISOLATED)
        .exits(2)
        .says(&["signal 6 (SIGABRT", "[analysis.hostile]"]);
    assert!(!check.path().join("runs").exists());
}

#[test]
fn a_process_ends_with_the_run_that_started_it() {
    let bench = bench("hang", "observe");
    let mut child = command(&bench, ISOLATED)
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let parent = format!("--parent\0{}\0", child.id());
    let serving = || -> usize {
        let entries = std::fs::read_dir("/proc").into_iter().flatten();
        let lines = entries
            .filter_map(|entry| std::fs::read_to_string(entry.ok()?.path().join("cmdline")).ok());
        lines.filter(|line| line.contains(&parent)).count()
    };
    if !Path::new("/proc/self/cmdline").exists() {
        eprintln!("skipped: this system has no /proc");
        child.kill().unwrap();
        child.wait().unwrap();
        return;
    }
    wait_for(|| serving() > 0);
    child.kill().unwrap();
    child.wait().unwrap();
    wait_for(|| serving() == 0);
}

#[test]
fn a_plugin_process_is_nothing_to_be_called_by_hand() {
    let bench = Bench::new("");
    bench
        .run(&["plugin-process", "x.so", "--parent", "1", "--level", "0"])
        .exits(2)
        .says(&["--isolate"]);
    let help = bench.run(&["--help"]).exits(0).out();
    assert!(!help.contains("plugin-process"), "{help}");
    assert!(
        bench
            .run(&["run", "--help"])
            .exits(0)
            .out()
            .contains("--isolate-memory")
    );
}
