//! Tests in which keys two specs differ, and which of these changes only make a run longer.

use std::path::Path;

use super::*;
use crate::load_training;

/// Returns key and verdict of each change from [`SMALLEST`] to [`SMALLEST`] with these overrides.
fn changes(from: &[&str], to: &[&str]) -> Vec<(&'static str, bool)> {
    let changes = plan_with(to).changes_from(&plan_with(from));
    changes.iter().map(|c| (c.key, c.lengthens)).collect()
}

const STOP: &str = "train.stop={ test_accuracy = 0.99, patience = 500 }";

#[test]
fn longer_runs_are_distinguished_from_others() {
    type Row = (
        &'static [&'static str],
        &'static [&'static str],
        &'static [(&'static str, bool)],
    );
    let table: &[Row] = &[
        (&[], &[], &[]),
        (&[], &["train.epochs=50000"], &[("train.epochs", true)]),
        (&[], &["train.epochs=30000"], &[("train.epochs", false)]),
        (
            &[],
            &["checkpoints.every=50"],
            &[("checkpoints.every", true)],
        ),
        (
            &[STOP],
            &[],
            &[
                ("train.stop.test_accuracy", true),
                ("train.stop.patience", true),
            ],
        ),
        (
            &[],
            &["fraction=0.4", "train.epochs=50000", "model.heads=2"],
            &[
                ("fraction", false),
                ("model.heads", false),
                ("train.epochs", true),
            ],
        ),
        (&[], &["train.warmup=10"], &[("train.warmup", false)]),
        (&[], &["seeds.model=[999,1000]"], &[("seeds.model", false)]),
        (&["seeds.model=[1,2]"], &["seeds.model=[2,1]"], &[]),
        (&[], &["name=other"], &[]),
    ];
    for (from, to, want) in table {
        assert_eq!(changes(from, to), *want, "{from:?} to {to:?}");
    }
}

#[test]
fn a_change_is_reported_with_both_values() {
    let changed = |from: &[&str], to: &[&str]| {
        let changes = plan_with(to).changes_from(&plan_with(from));
        changes.iter().map(|c| c.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(
        changed(&[], &["fraction=0.4"]),
        ["fraction: 0.3 there, 0.4 here"]
    );
    assert_eq!(
        changed(&[STOP], &[]),
        [
            "train.stop.test_accuracy: 0.99 there, not set here",
            "train.stop.patience: 500 there, not set here"
        ]
    );
}

#[test]
fn what_is_trained_is_known_without_the_analyses() {
    let text = format!("{SMALLEST}[analysis.of-somebody-else]\nlimit = 3\n");
    let plan = load_training(&text, Path::new("x.toml")).unwrap();
    assert_eq!(plan.analyses, []);
    assert_eq!(plan.fingerprint(), plan_with(&[]).fingerprint());
    assert!(load_training("modulus = 1", Path::new("x.toml")).is_err());
}
