//! Kills at moments that a seed draws: the next run continues from the files of a killed one, and
//! in the end no file shows that there was a kill.
//!
//! [`Killer`] works with any command. `GROKRUN_TEST_KILLS=300` sets the number of kills of each
//! test.

mod commands;

use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use crate::support::{Bench, SMALL, assert_same};

/// Returns the number of kills of each test.
pub(crate) fn count(default: usize) -> usize {
    match std::env::var("GROKRUN_TEST_KILLS") {
        Ok(text) => text.parse().expect("GROKRUN_TEST_KILLS is a number"),
        Err(_) => default,
    }
}

/// Kills processes at moments drawn from a seed.
pub(crate) struct Killer {
    state: u64,
    /// how many it has killed before they ended
    pub(crate) killed: usize,
}

impl Killer {
    pub(crate) fn new(seed: u64) -> Killer {
        Killer {
            state: seed,
            killed: 0,
        }
    }

    /// Returns the next number of splitmix64.
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Returns a number from 0 to below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    /// Starts the command and kills it: either after a part of `whole`, or as soon as one of
    /// `files` has appeared or changed, or a moment later. What ended before tells how.
    pub(crate) fn kill(
        &mut self,
        command: &mut Command,
        whole: Duration,
        files: &[PathBuf],
    ) -> Option<ExitStatus> {
        let file = match self.below(2) {
            0 => None,
            _ => files.get(self.below(files.len())),
        };
        let before = file.and_then(changed);
        let mut child = command.spawn().expect("the program starts");
        let started = Instant::now();
        let ended = match file {
            None => {
                let moment = whole.mul_f64(self.below(1000) as f64 / 1000.0);
                wait(&mut child, || started.elapsed() >= moment)
            }
            Some(file) => {
                let delay = Duration::from_micros(self.below(3000) as u64);
                let mut seen = None;
                wait(&mut child, || {
                    if seen.is_none() && file_is_new(file, before) {
                        seen = Some(Instant::now());
                    }
                    let late = started.elapsed() >= whole.mul_f64(3.0);
                    late || seen.is_some_and(|seen: Instant| seen.elapsed() >= delay)
                })
            }
        };
        if ended.is_some() {
            return ended;
        }
        // Where it has ended by now, there is nothing to kill.
        let _ = child.kill();
        let status = child.wait().expect("it ends");
        if status.code().is_some() {
            return Some(status);
        }
        self.killed += 1;
        None
    }
}

/// Returns when a file was last written, if the file exists.
fn changed(file: &PathBuf) -> Option<std::time::SystemTime> {
    std::fs::metadata(file)
        .and_then(|file| file.modified())
        .ok()
}

fn file_is_new(file: &PathBuf, before: Option<std::time::SystemTime>) -> bool {
    let now = changed(file);
    now.is_some() && now != before
}

/// Waits until it is time, or until the process ends.
fn wait(child: &mut Child, mut is_time: impl FnMut() -> bool) -> Option<ExitStatus> {
    loop {
        if let Some(status) = child.try_wait().expect("it can be waited for") {
            return Some(status);
        }
        if is_time() {
            return None;
        }
        std::thread::sleep(Duration::from_micros(200));
    }
}

/// Returns device and pace of each cell, from the summary.
fn paces(bench: &Bench) -> Vec<(String, f64, f64)> {
    let text = std::fs::read(bench.path().join("runs/small/summary.json")).expect("a summary");
    let cells: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
    let cells = cells.as_array().expect("a list");
    let number = |value: &serde_json::Value| value.as_f64().unwrap_or(f64::NAN);
    let pace = |cell: &serde_json::Value| {
        (
            cell["device"].as_str().unwrap_or_default().to_owned(),
            number(&cell["seconds"]),
            number(&cell["epochs_per_second"]),
        )
    };
    cells.iter().map(pace).collect()
}

#[test]
fn a_run_that_was_killed_again_and_again_is_the_one_that_never_was() {
    let spec = SMALL
        .replace("model = 2", "model = [2, 3]")
        .replace("epochs = 300", "epochs = 1000");
    let spec = format!("{spec}[analysis.commutativity]\nevery = 200\n");
    let command = ["small.toml", "--backend", "cpu", "--quiet"];
    let whole = Bench::new(&spec);
    let started = Instant::now();
    whole.run(&command).exits(0);
    let took = started.elapsed();
    let expected = whole.files("small");

    let mut killer = Killer::new(19);
    let kills = count(12);
    while killer.killed < kills {
        // Done so often that each kill falls into a run that has something left to do.
        let broken = Bench::new(&spec);
        let run = broken.path().join("runs/small");
        let names = ["summary.json", "report.html", "log.jsonl", "run.json"].map(PathBuf::from);
        let files: Vec<PathBuf> = names
            .iter()
            .chain(expected.keys())
            .map(|name| run.join(name))
            .collect();
        let upto = killer.killed + 6;
        while killer.killed < kills.min(upto) {
            match killer.kill(&mut broken.command(&command), took, &files) {
                None => {}
                Some(status) if status.success() => break,
                Some(status) => panic!("after {} kills: {status}", killer.killed),
            }
        }
        broken.run(&command).exits(0);
        assert_same(&expected, &broken.files("small"));
        for (device, seconds, pace) in paces(&broken) {
            assert!(
                device.starts_with("CPU") && seconds > 0.0 && pace > 0.0,
                "after {} kills: {device:?}, {seconds} s, {pace} epochs a second",
                killer.killed
            );
        }
    }
}

#[test]
fn a_lost_summary_has_device_and_pace_when_it_is_made_again() {
    let bench = Bench::new(SMALL);
    for shard in [&[][..], &["--shard", "1/1"]] {
        let command = [&["small.toml", "--backend", "cpu"], shard].concat();
        bench.run(&command).exits(0);
        let before = paces(&bench);
        assert!(before[0].1 > 0.0 && before[0].2 > 0.0, "{before:?}");
        std::fs::remove_file(bench.path().join("runs/small/summary.json")).expect("it was there");
        bench.run(&command).exits(0);
        assert_eq!(paces(&bench), before);
        std::fs::remove_dir_all(bench.path().join("runs")).expect("it was there");
    }
}
