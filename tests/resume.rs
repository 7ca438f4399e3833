//! Stopping and continuing: whatever happens to the process, the finished run is byte for byte the
//! one that was never stopped.

#[cfg(unix)]
use crate::support::signal;
use crate::support::{Bench, SMALL, assert_same, longer, wait_for};

const CPU: &[&str] = &["small.toml", "--backend", "cpu"];

#[cfg(unix)]
#[test]
fn interrupted_killed_and_continued_is_the_same_as_never_stopped() {
    let (whole, broken) = (Bench::new(&longer()), Bench::new(&longer()));
    whole.run(CPU).exits(0);

    let mut child = broken.spawn(CPU);
    wait_for(&broken, 300);
    signal(&child, "-INT");
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let state = broken
        .path()
        .join("runs/small/cells/mul-p23-f0.5-d1-m2/state.safetensors");
    assert!(state.exists(), "an interrupted run saves its state");

    let mut child = broken.spawn(CPU);
    wait_for(&broken, 1500);
    signal(&child, "-KILL");
    assert_eq!(child.wait().unwrap().code(), None);

    let mut child = broken.spawn(CPU);
    wait_for(&broken, 2500);
    signal(&child, "-INT");
    assert_eq!(child.wait().unwrap().code(), Some(130));

    broken.run(CPU).exits(0);
    assert_same(&whole.files("small"), &broken.files("small"));
    let again = broken.run(CPU).exits(0);
    assert!(
        again.out().contains("nothing left to do"),
        "{}",
        again.out()
    );
}

#[cfg(unix)]
#[test]
fn what_analyses_have_found_by_an_interrupt_is_kept_and_replaced_when_they_conclude() {
    let spec = format!("{}\n[analysis.singular-values]\n", longer());
    let (whole, broken) = (Bench::new(&spec), Bench::new(&spec));
    whole.run(CPU).exits(0);
    let mut child = broken.spawn(CPU);
    wait_for(&broken, 300);
    signal(&child, "-INT");
    assert_eq!(child.wait().unwrap().code(), Some(130));

    let cell = broken.path().join("runs/small/cells/mul-p23-f0.5-d1-m2");
    let found = cell.join("analysis/singular-values");
    let index = |folder: &std::path::Path| -> serde_json::Value {
        let text = std::fs::read(folder.join("findings.json")).expect("the analysis has findings");
        serde_json::from_slice(&text).unwrap()
    };
    let reached = index(&found)["so_far"]
        .as_u64()
        .expect("it has not concluded");
    assert!(
        found.join("series.parquet").exists() && reached < 4000,
        "{reached}"
    );
    let report = std::fs::read_to_string(broken.path().join("runs/small/report.html")).unwrap();
    assert!(report.contains(&format!("So far, up to epoch {reached}")));

    broken.run(CPU).exits(0);
    assert!(index(&found).get("so_far").is_none());
    assert_same(&whole.files("small"), &broken.files("small"));
}

#[cfg(unix)]
#[test]
fn a_run_is_written_by_one_process_at_a_time() {
    let bench = Bench::new(&longer());
    let mut child = bench.spawn(CPU);
    wait_for(&bench, 100);
    let second = bench.run(CPU);
    signal(&child, "-INT");
    child.wait().unwrap();
    second.exits(2).says(&["small", "another process"]);
}

#[test]
fn fresh_starts_over_and_comes_to_the_same() {
    let bench = Bench::new(SMALL);
    bench.run(CPU).exits(0);
    let before = bench.files("small");
    let again = bench.run(&[CPU, &["--fresh"]].concat()).exits(0);
    assert!(
        !again.out().contains("nothing left to do"),
        "{}",
        again.out()
    );
    assert_same(&before, &bench.files("small"));
}
