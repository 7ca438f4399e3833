//! Signals: which of them save and end a run, which do not reach it, and what a second one does.

use std::fs;
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::plugins::library;
use crate::support::{Bench, CELL, SMALL, assert_same, longer, signal, wait_for, wait_until};

const CPU: &[&str] = &["small.toml", "--backend", "cpu"];

/// Starts the program with these signals ignored, as `nohup` and shells do.
fn spawn_ignoring(bench: &Bench, signals: &str, args: &[&str]) -> Child {
    let program = bench.command(args);
    let mut shell = Command::new("sh");
    shell
        .current_dir(bench.path())
        .arg("-c")
        .arg(format!("trap '' {signals}; exec \"$0\" \"$@\""))
        .arg(program.get_program())
        .args(program.get_args())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    shell.spawn().expect("sh starts")
}

/// Returns the exit status and the text on standard error.
fn end(mut child: Child) -> (Option<i32>, String) {
    let mut said = String::new();
    let mut pipe = child.stderr.take().expect("standard error is a pipe");
    pipe.read_to_string(&mut said).expect("text");
    (child.wait().expect("it ends").code(), said)
}

/// Starts the program and captures its output.
fn spawn_heard(bench: &Bench, args: &[&str]) -> Child {
    let mut command = bench.command(args);
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    command.spawn().expect("the program starts")
}

#[test]
fn a_signal_that_was_inherited_as_ignored_stays_ignored() {
    let bench = Bench::new(&longer());
    let child = spawn_ignoring(&bench, "HUP INT USR1", CPU);
    wait_for(&bench, 300);
    for name in ["-HUP", "-INT", "-USR1"] {
        signal(&child, name);
    }
    assert_eq!(end(child).0, Some(0), "the run goes on to its end");

    // The other signals are caught all the same.
    let child = spawn_ignoring(&bench, "HUP", &[CPU, &["--fresh"]].concat());
    wait_until("the run does not start over", || {
        !bench.path().join("runs/small/summary.json").exists()
    });
    wait_for(&bench, 300);
    signal(&child, "-TERM");
    assert_eq!(end(child).0, Some(130));
}

#[test]
fn every_warning_saves_and_the_run_goes_on_byte_for_byte() {
    let (whole, broken) = (Bench::new(&longer()), Bench::new(&longer()));
    whole.run(CPU).exits(0);
    for (name, checkpoint) in [
        ("-HUP", 300),
        ("-USR1", 1000),
        ("-USR2", 1700),
        ("-TERM", 2400),
    ] {
        let child = spawn_heard(&broken, CPU);
        wait_for(&broken, checkpoint);
        signal(&child, name);
        let (code, said) = end(child);
        assert_eq!(code, Some(130), "{name}: {said}");
        let summary = fs::read_to_string(broken.path().join("runs/small/summary.json"));
        assert!(summary.unwrap().contains("interrupted"), "{name}");
    }
    broken.run(CPU).exits(0);
    assert_same(&whole.files("small"), &broken.files("small"));
}

#[test]
fn signals_that_come_twice_are_one_request() {
    let bench = Bench::new(&longer());
    // Without a terminal a Ctrl-C twice is a shell's and its program's, too.
    for (pair, checkpoint) in [
        (["-TERM", "-TERM"], 300),
        (["-HUP", "-HUP"], 1000),
        (["-INT", "-INT"], 1700),
        (["-USR1", "-TERM"], 2400),
    ] {
        let child = spawn_heard(&bench, CPU);
        wait_for(&bench, checkpoint);
        signal(&child, pair[0]);
        std::thread::sleep(Duration::from_millis(10));
        // It may have ended already.
        let _ = Command::new("kill")
            .args([pair[1], &child.id().to_string()])
            .stderr(Stdio::null())
            .status();
        let (code, said) = end(child);
        assert_eq!(code, Some(130), "{pair:?}: {said}");
        assert!(!said.contains("lost"), "{pair:?}: {said}");
        let state = format!("runs/small/cells/{CELL}/state.safetensors");
        assert!(bench.path().join(state).exists(), "{pair:?}");
    }
}

/// Starts a run, or an analysis of a trained run, whose analysis computes for a minute, and waits
/// until it does so and nothing is left to train.
fn at_a_long_look(bench: &Bench, command: &[&str]) -> Child {
    let library = library();
    let library = library.to_str().expect("a path in UTF-8");
    let child = spawn_heard(bench, &[command, &["--plugin", library]].concat());
    let log = bench.path().join("runs/small/log.jsonl");
    let events = ["a long look begins", "cell ends"];
    wait_until("no look begins after training", || {
        let log = fs::read_to_string(&log).unwrap_or_default();
        events.iter().all(|event| log.contains(event))
    });
    child
}

#[test]
fn a_look_that_goes_on_is_named_and_waited_for_a_while() {
    let bench = Bench::new(&format!("{SMALL}[analysis.long-look]\n"));
    let child = at_a_long_look(&bench, CPU);
    let asked = Instant::now();
    signal(&child, "-INT");
    let (code, said) = end(child);
    assert!(
        asked.elapsed() < Duration::from_secs(30),
        "the wait has a bound"
    );
    assert_eq!(code, Some(130), "{said}");
    let waits = format!("waiting for long-look, which looks at epoch 0 of {CELL}, 5 s at most");
    assert!(said.contains(&waits), "{said}");
    assert!(said.contains("long-look is left where it is"), "{said}");
}

#[test]
fn a_second_signal_some_seconds_later_ends_at_once_and_says_what_is_saved() {
    let bench = Bench::new(&format!("{SMALL}[analysis.commutativity]\n"));
    bench.run(CPU).exits(0);
    let before = bench.files("small");
    let analyze = ["analyze", "runs/small", "--only", "long-look"];
    let child = at_a_long_look(&bench, &analyze);
    signal(&child, "-TERM");
    std::thread::sleep(Duration::from_millis(3200));
    signal(&child, "-TERM");
    let (code, said) = end(child);
    assert_eq!(code, Some(130), "{said}");
    assert!(
        said.contains("waiting for long-look") && said.contains("all that was trained is saved"),
        "{said}"
    );
    assert_same(&before, &bench.files("small"));
}
