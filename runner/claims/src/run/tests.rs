use std::path::PathBuf;

use grokrun_store::{Access, CellSummary, FindingFiles, FindingsIndex, Row, RunDir};
use serde_json::json;

use super::*;
use crate::Measured;

/// Two cells of 100 epochs, with two weight decays.
const SPEC: &str = "operation = \"mul\"\nmodulus = 5\nfraction = 0.5\nseeds = { data = 1, model = 1 }\n\
                    [train]\nepochs = 100\nweight_decay = [0.0, 1.0]\n[analysis.sparsity]\n";

const CELLS: [&str; 2] = ["mul-p5-f0.5-d1-m1-wd0", "mul-p5-f0.5-d1-m1-wd1"];

/// A run in a folder that goes away with it.
struct Bench {
    folder: tempfile::TempDir,
    plan: Plan,
}

impl Bench {
    /// A run whose claims have these lines each, below their source.
    fn new(claims: &[&str]) -> Bench {
        let mut text = SPEC.to_owned();
        for claim in claims {
            text.push_str(&format!("[[claim]]\nsource = \"x\"\n{claim}\n"));
        }
        let plan = load_training(&text, Path::new("r.toml"));
        let plan = plan.unwrap_or_else(|mistakes| panic!("{mistakes}"));
        let folder = tempfile::tempdir().unwrap();
        Bench { folder, plan }
    }

    fn open(&self) -> RunDir {
        let (resolved, fingerprint) = (self.plan.resolved_toml(), self.plan.fingerprint());
        let (out, access) = (self.folder.path(), Access::Continue);
        RunDir::open(out, "r", SPEC, &resolved, &fingerprint, access).unwrap()
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("r")
    }

    /// Leaves a history of so many epochs in each cell, with a status.
    fn train(&self, cells: [(u64, &str); 2]) {
        let run = self.open();
        let mut summary = Summary::default();
        for (id, (epochs, status)) in CELLS.into_iter().zip(cells) {
            let mut metrics = Metrics::default();
            for epoch in 0..epochs {
                metrics.push(Row {
                    epoch,
                    train_loss: 1.0,
                    test_loss: 2.0,
                    train_accuracy: 1.0,
                    test_accuracy: if id == CELLS[0] { 0.25 } else { 0.5 },
                });
            }
            let dir = run.cell(id).unwrap();
            dir.write_metrics(&metrics).unwrap();
            summary.set(CellSummary::new(id, status, &metrics));
        }
        run.write_summary(&summary, &CELLS).unwrap();
    }

    fn verify(&self) -> Vec<Verified> {
        of_run(&RunView::open(&self.path()).unwrap()).unwrap()
    }
}

fn reason(verified: &Verified) -> &str {
    match &verified.verdict {
        Verdict::NotEvaluated(why) => why,
        verdict => panic!("{verdict:?}"),
    }
}

const LAST: &str = "quantity = { metric = \"test_accuracy\", at = \"last\" }";

#[test]
fn claims_speak_of_the_cells_that_they_choose() {
    let of = |rest: &str| format!("{LAST}\n{rest}");
    let claims = [
        of("at_least = 0.25"),
        of("at_least = 0.3"),
        of("where = { \"train.weight_decay\" = 1 }\npublished = 0.5\ntolerance = 0"),
        of("where = { train.weight_decay = [0, 1], operation = \"a*b\" }\nat_least = 0.25"),
        of("where = { train.weight_decay = 1 }\nagainst = { train.weight_decay = 0 }\npublished = 2\ntolerance = 0"),
        "quantity = { share = { metric = \"test_accuracy\", at = \"last\", at_least = 0.5 } }\npublished = 0.5\ntolerance = 0".to_owned(),
        of("where = { train.weight_decay = 3 }\nat_least = 0"),
        of("against = { seeds.data = 3 }\nat_least = 0"),
    ];
    let bench = Bench::new(&claims.each_ref().map(String::as_str));
    bench.train([(100, "finished"), (100, "finished")]);
    let found = bench.verify();
    let verdicts: Vec<_> = found.iter().map(|v| v.verdict.word()).collect();
    assert_eq!(
        verdicts,
        [
            "holds",
            "does not hold",
            "holds",
            "holds",
            "holds",
            "holds",
            "not evaluated",
            "not evaluated"
        ]
    );
    let cells: Vec<_> = found.iter().map(|v| v.cells).collect();
    assert_eq!(cells, [2, 2, 1, 2, 1, 2, 0, 2]);
    assert_eq!(found[0].measured(), "0.25 … 0.5");
    assert_eq!(found[4].measured, Some(Measured::One(Known::exactly(2.0))));
    assert_eq!(
        found[4].title(),
        "median of the test accuracy at the end, where train.weight_decay = 1, divided by that where \
         train.weight_decay = 0"
    );
    assert!(reason(&found[6]).contains("no cell of the spec has train.weight_decay = 3"));
    assert!(reason(&found[7]).contains("no cell of the spec has seeds.data = 3"));
    let json = found[2].to_json();
    assert_eq!(json["measured"], json!([0.5, 0.5]));
    assert_eq!(
        (&json["verdict"], &json["cells"]),
        (&json!("holds"), &json!(1))
    );
    assert_eq!(found[6].to_json()["measured"], Value::Null);
}

#[test]
fn cells_that_are_not_over_decide_nothing() {
    let first = format!("{LAST}\nwhere = {{ train.weight_decay = 0 }}\nat_least = 0");
    let both = format!("{LAST}\nat_least = 0");
    let reasons = |cells: Option<[(u64, &str); 2]>| {
        let bench = Bench::new(&[&first, &both]);
        drop(bench.open());
        if let Some(cells) = cells {
            bench.train(cells);
        }
        let found = bench.verify();
        assert_eq!(found.len(), 2);
        found
    };
    let found = reasons(None);
    assert!(reason(&found[0]).contains("it was not trained yet"));
    let found = reasons(Some([(100, "finished"), (40, "interrupted")]));
    assert_eq!(found[0].verdict, Verdict::Holds);
    let why = reason(&found[1]);
    assert!(
        why.starts_with(CELLS[1]) && why.contains("40 of 100 epochs"),
        "{why}"
    );
    let found = reasons(Some([(40, "stopped early"), (40, "failed")]));
    assert_eq!(found[0].verdict, Verdict::Holds);
    assert!(reason(&found[1]).contains("its training did not grok"));
    // Finished by a spec that was shorter.
    let found = reasons(Some([(40, "finished"), (100, "finished")]));
    assert!(reason(&found[0]).contains("40 of 100 epochs"));
}

#[test]
fn series_are_read_and_damage_is_reported() {
    let series = "quantity = { series = \"sparsity\", name = \"gini\", epoch = 100 }\nat_least = 0.2\n\
                  where = { train.weight_decay = 0 }";
    let bench = Bench::new(&[series]);
    bench.train([(100, "finished"), (100, "finished")]);
    let why = bench.verify();
    assert!(
        reason(&why[0]).contains("sparsity has not concluded"),
        "{why:?}"
    );
    let files = |failure: Option<&str>| FindingFiles {
        index: FindingsIndex {
            series: vec!["gini".to_owned()],
            failure: failure.map(str::to_owned),
            ..FindingsIndex::default()
        },
        epochs: vec![0, 100],
        series: vec![("gini".to_owned(), vec![0.1, 0.25])],
        ..FindingFiles::default()
    };
    let write = |failure| {
        let dir = bench.open().cell(CELLS[0]).unwrap();
        dir.write_findings("sparsity", files(failure)).unwrap();
    };
    write(None);
    assert_eq!(bench.verify()[0].verdict, Verdict::Holds);
    write(Some("at epoch 100: no reason"));
    assert!(reason(&bench.verify()[0]).contains("sparsity failed at epoch 100"));
    let metrics = bench
        .path()
        .join("cells")
        .join(CELLS[0])
        .join("metrics.parquet");
    std::fs::write(metrics, "PAR1").unwrap();
    // The state is not there either: the history is empty, and nothing is made up.
    assert!(reason(&bench.verify()[0]).contains("metrics.parquet"));
}

#[test]
fn a_run_without_claims_has_none() {
    let bench = Bench::new(&[]);
    drop(bench.open());
    assert_eq!(bench.verify(), []);
}
