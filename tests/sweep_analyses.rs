//! Analyses of a whole sweep: linked, loaded, and in a process of their own; during training and
//! afterwards; and the table of cells.

use std::path::Path;

use serde_json::Value;

use crate::plugins::library;
use crate::support::{Bench, SMALL};

/// Returns a spec of six cells of two shapes, with an analysis of each cell and these of the sweep.
fn spec(analyses: &str) -> String {
    let spec = SMALL
        .replace("modulus = 23", "modulus = [23, 19]")
        .replace("model = 2", "model = [2, 3, 4]");
    format!("{spec}[analysis.commutativity]\n{analyses}")
}

fn json(bench: &Bench, file: &str) -> Value {
    let text = std::fs::read(bench.path().join("runs/small").join(file)).expect(file);
    serde_json::from_slice(&text).expect("JSON")
}

#[test]
fn linked_ones_are_called_at_the_end_and_by_analyze() {
    let bench = Bench::new(&spec("[analysis.phase-diagram]\ngap = 10\n"));
    let trained = ["small.toml", "--backend", "cpu", "-q"];
    bench.run(&trained).exits(0);
    let phases = json(&bench, "sweep/phase-diagram/phases.table.json");
    assert_eq!(phases["rows"].as_array().map(Vec::len), Some(6));
    let index = json(&bench, "sweep/phase-diagram/findings.json");
    assert_eq!(index["cells"].as_array().map(Vec::len), Some(6));
    assert!(
        index["failure"].is_null() && index["parameters"]["gap"] == 10,
        "{index}"
    );
    assert!(bench.path().join("runs/small/cells.parquet").exists());
    let page = std::fs::read_to_string(bench.path().join("runs/small/report.html")).unwrap();
    assert!(page.contains("id=\"sweep-0\""), "a section");

    // Nothing is left to do, and nothing changes.
    let before = bench.files("small");
    bench.run(&trained).exits(0);
    assert!(before == bench.files("small"));

    let said = bench
        .run(&["analyze", "runs/small", "--only", "delay-law"])
        .exits(0);
    assert!(said.out().contains("delay-law"), "{}", said.out());
    let law = json(&bench, "sweep/delay-law/findings.json");
    // The small cells do not memorise: that is said.
    assert!(law["notes"].to_string().contains("no law"), "{law}");

    let shown = bench.run(&["show", "runs/small", "--json"]).exits(0).out();
    let shown: Value = serde_json::from_str(&shown).expect("JSON");
    assert_eq!(shown["groups"].as_array().map(Vec::len), Some(2), "{shown}");
    assert_eq!(shown["groups"][0]["grokked"]["curve"][0]["censored"], 3);
}

#[test]
fn loaded_and_isolated_ones_see_the_same_sweep() {
    let library = library();
    let library = library.to_str().expect("a path in UTF-8");
    let text = spec("[analysis.tally]\n");
    let of = |more: &[&str]| {
        let bench = Bench::new(&text);
        let base = ["small.toml", "--backend", "cpu", "-q", "--plugin", library];
        bench.run(&[&base[..], more].concat()).exits(0);
        bench.files("small")
    };
    let loaded = of(&[]);
    let seen = Path::new("sweep/tally/seen.table.json");
    let lines: Value = serde_json::from_slice(&loaded[seen]).expect("JSON");
    let first = lines["rows"][0][0].as_str().expect("a line");
    assert!(first.contains("mod 23, 300 epochs, last Some("), "{first}");
    assert!(first.contains("series true, tables true"), "{first}");
    if cfg!(unix) {
        assert!(
            of(&["--isolate"]) == loaded,
            "another process finds the same"
        );
    }
}

#[test]
fn one_that_panics_fails_alone() {
    let library = library();
    let library = library.to_str().expect("a path in UTF-8");
    let bench = Bench::new(&spec(
        "[analysis.tally]\nwhen = \"observe\"\n[analysis.phase-diagram]\n",
    ));
    bench
        .run(&["small.toml", "--backend", "cpu", "-q", "--plugin", library])
        .exits_with_panic_words(3)
        .says(&["analysis tally failed in the sweep", "panic in observe"]);
    let index = json(&bench, "sweep/phase-diagram/findings.json");
    assert!(index["failure"].is_null());
}
