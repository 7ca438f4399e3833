//! Claims from the spec to the verdict: on the terminal, as JSON and in the report, with the exit
//! status. Claims can be added to a run that is done.

use serde_json::{Value, json};

use crate::support::{Bench, CELL, SMALL, assert_same};

/// A claim that holds, one that does not, one on a series that holds.
const DECIDED: &str = r#"
[[claim]]
source = "Nobody 2026, table 1"
says = "it memorises"
quantity = { metric = "train_accuracy", at = "max" }
at_least = 0.9
[[claim]]
source = "Nobody 2026, table 1"
quantity = { metric = "test_loss", epoch = 299 }
where = { train.weight_decay = 1 }
published = 1e-9
relative = 0.01
[[claim]]
source = "Nobody 2026, <figure 2>"
quantity = { series = "fourier-sparsity", name = "W_E gini", epoch = 300 }
at_least = 0.0
at_most = 1.0
[analysis.fourier-sparsity]
"#;

/// Claims that cannot be evaluated.
const OPEN: &str = r#"
[[claim]]
source = "Nobody 2026, table 3"
quantity = { metric = "test_accuracy", epoch = 5000 }
at_least = 0.9
[[claim]]
source = "Nobody 2026, table 3"
quantity = { share = "grokked" }
where = { train.weight_decay = 2.0 }
at_least = 0.9
"#;

fn verified(bench: &Bench, code: i32) -> Vec<Value> {
    let done = bench.run(&["verify", "runs/small", "--json"]).exits(code);
    serde_json::from_str(&done.out()).expect("a list")
}

#[test]
fn claims_are_verified_and_shown() {
    let bench = Bench::new(SMALL);
    let run = ["small.toml", "--backend", "cpu", "--quiet"];
    bench.run(&run).exits(0);
    bench
        .run(&["verify", "runs/small"])
        .exits(2)
        .says(&["its spec has no claims", "nothing to verify"]);
    bench.run(&["verify", "runs/other"]).exits(2);
    let before = bench.files("small");

    // A file that was edited is verified before it is run again, and only on its own run.
    bench.write("small.toml", format!("{SMALL}{DECIDED}"));
    let shown = bench.run(&["verify", "small.toml"]).exits(1);
    let out = shown.out();
    assert!(
        out.contains("1 of 3 claims hold, 1 does not, 1 cannot be"),
        "{out}"
    );
    assert!(out.contains("`grokrun analyze RUN --only"), "{out}");
    let other = SMALL.replace("fraction = 0.5", "fraction = 0.4");
    bench.write("small.toml", format!("{other}{DECIDED}"));
    let refused = bench.run(&["verify", "small.toml"]).exits(2);
    refused.says(&["a run of another spec", "fraction: 0.5 there, 0.4 here"]);
    assert_same(&before, &bench.files("small"));

    // When it is run again, the spec adds its claims and trains nothing.
    bench.write("small.toml", format!("{SMALL}{DECIDED}"));
    bench.run(&run).exits(0);
    let shown = bench.run(&["verify", "runs/small"]).exits(1);
    let out = shown.out();
    assert!(
        out.contains("runs/small: 2 of 3 claims hold, 1 does not"),
        "{out}"
    );
    assert!(
        out.contains("does not hold") && out.contains("1e-9 ± 1 %"),
        "{out}"
    );
    assert!(out.contains("1, 2: Nobody 2026, table 1"), "{out}");
    assert!(out.lines().all(|line| line.chars().count() <= 80), "{out}");
    let claims = verified(&bench, 1);
    let verdicts: Vec<&Value> = claims.iter().map(|claim| &claim["verdict"]).collect();
    assert_eq!(verdicts, ["holds", "does not hold", "holds"]);
    assert_eq!(claims[0]["claim"], "it memorises");
    assert_eq!(claims[0]["allowed"], json!([0.9, null]));
    assert_eq!(claims[1]["run"], "runs/small");
    let report = std::fs::read_to_string(bench.path().join("runs/small/report.html")).unwrap();
    assert!(report.contains("<h2>Claims</h2>") && report.contains("does not hold"));
    assert!(!report.contains("<figure 2>") && report.contains("figure 2"));

    // All claims hold.
    let good = DECIDED.replace("published = 1e-9\nrelative = 0.01", "at_most = 100");
    bench.write("small.toml", format!("{SMALL}{good}"));
    bench.run(&run).exits(0);
    verified(&bench, 0);

    bench.write("small.toml", format!("{SMALL}{good}{OPEN}"));
    bench.run(&run).exits(0);
    let claims = verified(&bench, 1);
    for (at, part) in [
        (3, "epoch 5000 was not trained: the last one is 299"),
        (4, "no cell of the spec has train.weight_decay = 2.0"),
    ] {
        assert_eq!(claims[at]["verdict"], "not evaluated");
        let reason = claims[at]["reason"].as_str().unwrap();
        assert!(reason.contains(part), "{reason}");
    }
    let shown = bench.run(&["verify", "runs/small"]).exits(1);
    let out = shown.out();
    assert!(out.contains("error: claim 4 cannot be evaluated"), "{out}");
    assert!(out.contains(CELL), "{out}");
    // The training is unchanged.
    let after = bench.files("small");
    for (path, bytes) in before.iter().filter(|(path, _)| path.starts_with("cells")) {
        assert!(bytes == &after[path], "{}", path.display());
    }
}
