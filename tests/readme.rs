//! Tests the README as it stands: its commands, specs and lines of Python are run, their output is
//! compared with the README, and its figures with BENCHMARKS.md.

use std::process::Command;

use crate::support::{Bench, Finished};

const README: &str = include_str!("../README.md");
const BENCHMARKS: &str = include_str!("../BENCHMARKS.md");
const CI: &str = include_str!("../.ci/run");

/// The folder of the Python package.
const PACKAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/runner/python");
/// Specs that train for minutes; for their commands, only `check` has to accept the arguments.
const LONG: [&str; 2] = ["specs/mult113.toml", "sweep.toml"];

/// Returns the fenced blocks of a page, each with its language.
fn blocks(page: &str) -> Vec<(&str, &str)> {
    let fences = page.split("\n```").collect::<Vec<_>>();
    // Between an opening fence and its closing one.
    let inner = fences.iter().skip(1).step_by(2);
    inner
        .map(|block| block.split_once('\n').unwrap_or((block, "")))
        .collect()
}

fn of_language(language: &str) -> impl Iterator<Item = &'static str> {
    let blocks = blocks(README).into_iter();
    let own = language.to_owned();
    blocks
        .filter(move |(language, _)| *language == own)
        .map(|(_, text)| text)
}

/// Returns the commands of the README, in order, without their comments.
fn commands() -> Vec<&'static str> {
    let lines = of_language("sh").flat_map(str::lines);
    let plain = lines.map(|line| line.split(" # ").next().unwrap_or(line).trim());
    plain.filter(|line| !line.is_empty()).collect()
}

/// Returns the arguments of a command that calls this program.
fn arguments(command: &str) -> Option<Vec<&str>> {
    let own = command.strip_prefix("cargo run --release -- ");
    let rest = own.or_else(|| command.strip_prefix("grokrun "))?;
    Some(rest.split_whitespace().collect())
}

/// Returns a text in which numbers, bars and widths are replaced.
fn shape(text: &str) -> String {
    let mut shape = String::new();
    for c in text.trim_end().chars() {
        let kept = match c {
            '0'..='9' => '#',
            '\u{2581}'..='\u{2588}' => '~',
            c => c,
        };
        let repeated = ['#', '~', ' '].contains(&kept) && shape.ends_with(kept);
        if !repeated {
            shape.push(kept);
        }
    }
    shape
}

/// Runs lines of Python in a folder. Returns `None`, and says so, if a package is missing.
fn python(bench: &Bench, lines: &str, packages: &str) -> Option<Finished> {
    let interpreter = std::env::var("GROKRUN_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let run = |code: &str| {
        let mut command = Command::new(&interpreter);
        command
            .args(["-c", code])
            .env("PYTHONDONTWRITEBYTECODE", "1")
            // The package, as if it were installed.
            .env("PYTHONPATH", PACKAGE)
            .current_dir(bench.path())
            .output()
    };
    match run(&format!("import {packages}")) {
        Ok(probe) if probe.status.success() => {}
        _ => {
            eprintln!("skipped: the README's Python: {interpreter} has no {packages}");
            return None;
        }
    }
    run(lines).ok().map(Finished::of)
}

#[test]
fn its_commands_run_and_print_what_it_shows() {
    let bench = Bench::new("");
    let [_, sweep] = specs()[..] else {
        panic!("expected two specs")
    };
    bench.write("sweep.toml", sweep);
    let mut shown = of_language("text");
    let mut trained = 0;
    for command in commands() {
        let Some(mut args) = arguments(command) else {
            let known = ["cargo test ", "cargo install "];
            assert!(
                known.iter().any(|start| command.starts_with(start)),
                "{command}"
            );
            assert!(CI.contains(command), "{command} is not in .ci/run");
            continue;
        };
        let long = args.len() == 1 && LONG.contains(&args[0]);
        if long {
            args.insert(0, "check");
        }
        let finished = bench.run(&args).exits(0);
        if !long && args[0].contains("mult59") {
            // The second time there is nothing left to train.
            trained += 1;
            if let Some(shown) = shown.next() {
                assert_eq!(shape(shown), shape(&finished.out()), "{command}");
            }
        }
    }
    assert_eq!(trained, 2, "the short spec, in a checkout and installed");
    assert!(bench.path().join("mod_mult_grokking.pth").exists());
    for lines in of_language("python") {
        if let Some(finished) = python(&bench, lines, "pandas, numpy, pyarrow") {
            let epoch: u64 = finished.exits(0).out().trim().parse().expect("an epoch");
            assert!((1..1500).contains(&epoch), "{epoch}");
        }
    }
}

fn specs() -> Vec<&'static str> {
    of_language("toml").collect()
}

#[test]
fn its_specs_are_valid() {
    for spec in specs() {
        let bench = Bench::new(spec);
        let checked = bench.run(&["check", "small.toml", "--backend", "cpu"]);
        assert!(checked.exits(0).out().contains("the spec is valid"));
    }
}

#[test]
fn its_ratios_are_those_of_the_benchmarks() {
    let rest = README.split("\n## How fast\n").nth(1);
    let section = rest.and_then(|rest| rest.split("\n## ").next());
    let section = section.expect("the section");
    let rows: Vec<&str> = section
        .lines()
        .filter(|line| line.starts_with("| "))
        .collect();
    // The heading and the line below it.
    let rows = &rows[2..];
    assert_eq!(rows.len(), 3);
    for row in rows {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let machine = cells[1];
        let table = BENCHMARKS.split(&format!("\n| {machine}")).find(|part| {
            part.lines()
                .next()
                .is_some_and(|line| line.contains("mult113 | **grokrun**"))
        });
        let table = table.unwrap_or_else(|| panic!("BENCHMARKS.md has no rounds of {machine}"));
        let measured: String = table.lines().take(3).collect();
        for cell in &cells[2..5] {
            let number = cell.split(' ').next().unwrap_or_default();
            let whole = [format!("| {number} |"), format!("| **{number}** |")];
            assert!(
                whole.iter().any(|n| measured.contains(n)),
                "{machine}: {number} in {measured}"
            );
        }
    }
}

#[test]
fn it_stays_short() {
    let lines = README.lines().count();
    assert!(
        lines <= 170,
        "{lines} lines: what is longer belongs into doc/"
    );
}

#[test]
fn another_output_or_another_number_of_columns_is_distinguished() {
    assert_eq!(shape("a  6.90e-8 ████▇ 1"), shape("a 12.3e-10  ▁ 732"));
    assert_ne!(shape("a 1 no"), shape("a 1 732"));
    assert_eq!(
        blocks("x\n```sh\na\nb\n```\n\n```toml\nc\n```\n"),
        [("sh", "a\nb"), ("toml", "c")]
    );
}
