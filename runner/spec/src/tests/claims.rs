//! Tests what claims mean, how they are written down again, and which claims are refused. The
//! messages are pinned word by word in `reports/claims.txt`.

use serde_json::json;

use super::*;
use crate::{
    AnalysisKind, At, Claim, Condition, Event, Expected, Measure, Metric, Over, Quantity, Range,
    Tolerance,
};

fn load_claims(tables: &str) -> Result<Plan, Diagnostics> {
    let kinds = ["progress-measures"].map(|name| AnalysisKind::new(name, &json!({}), |_| Ok(())));
    let text = format!("{SMALLEST}{tables}");
    load(&text, Path::new("x.toml"), &[], &Catalog::new(kinds))
}

/// Returns the only claim of [`SMALLEST`] with these lines below `source`.
fn claim(lines: &str) -> Claim {
    let text = format!("[[claim]]\nsource = \"x\"\n{lines}\n[analysis.progress-measures]\n");
    let plan = good(load_claims(&text));
    let resolved = plan.resolved_toml();
    let kinds = Catalog::empty().and_others();
    let again = good(load(&resolved, Path::new("x.toml"), &[], &kinds));
    assert_eq!(again.claims, plan.claims, "{resolved}");
    assert_eq!(plan.claims.len(), 1);
    plan.claims[0].clone()
}

const LAST: &str = "quantity = { metric = \"test_accuracy\", at = \"last\" }";

fn event(event: Event) -> Measure {
    Measure::Event {
        event,
        accuracy: 0.99,
        hold: 500,
    }
}

#[test]
fn every_kind_of_quantity_is_read_and_written() {
    let metric = |metric, at| Quantity::Of(Measure::Metric { metric, at });
    let share = |measure, at_least, at_most| {
        let range = Range { at_least, at_most };
        let range = (at_least.is_some() || at_most.is_some()).then_some(range);
        Quantity::Share(Condition { measure, range })
    };
    let series = Measure::Series {
        analysis: "progress-measures".to_owned(),
        name: "restricted loss".to_owned(),
        at: At::Max,
    };
    let accurate = Measure::Metric {
        metric: Metric::TestAccuracy,
        at: At::Epoch(0),
    };
    let early = Measure::Event {
        event: Event::Grokked,
        accuracy: 0.95,
        hold: 0,
    };
    let cases = [
        (
            "{ metric = \"train_loss\", epoch = 42 }",
            metric(Metric::TrainLoss, At::Epoch(42)),
        ),
        (
            "{ metric = \"test_loss\", at = \"min\" }",
            metric(Metric::TestLoss, At::Min),
        ),
        (
            "{ metric = \"train_accuracy\", at = \"last\" }",
            metric(Metric::TrainAccuracy, At::Last),
        ),
        (
            "{ event = \"memorised\" }",
            Quantity::Of(event(Event::Memorised)),
        ),
        ("{ event = \"delay\" }", Quantity::Of(event(Event::Delay))),
        (
            "{ event = \"grokked\", accuracy = 0.95, hold = 0 }",
            Quantity::Of(early.clone()),
        ),
        (
            "{ series = \"progress-measures\", name = \"restricted loss\", at = \"max\" }",
            Quantity::Of(series.clone()),
        ),
        (
            "{ share = \"memorised\" }",
            share(event(Event::Memorised), None, None),
        ),
        (
            "{ share = \"grokked\", accuracy = 0.95, hold = 0 }",
            share(early.clone(), None, None),
        ),
        (
            "{ share = { event = \"grokked\", accuracy = 0.95, hold = 0 } }",
            share(early.clone(), None, None),
        ),
        (
            "{ share = { event = \"grokked\", accuracy = 0.95, hold = 0, at_most = 1000 } }",
            share(early, None, Some(1000.0)),
        ),
        (
            "{ share = { metric = \"test_accuracy\", epoch = 0, at_least = 0.5, at_most = 1 } }",
            share(accurate, Some(0.5), Some(1.0)),
        ),
        (
            "{ share = { series = \"progress-measures\", name = \"restricted loss\", at = \"max\", at_least = -1 } }",
            share(series, Some(-1.0), None),
        ),
    ];
    for (text, quantity) in cases {
        let found = claim(&format!("quantity = {text}\nat_least = 0"));
        assert_eq!(found.quantity, quantity, "{text}");
    }
}

#[test]
fn what_is_expected_is_a_tolerance_or_bounds() {
    let cases = [
        ("published = 2\ntolerance = 0.5", [1.5, 2.5]),
        ("published = -2\nrelative = 0.25", [-2.5, -1.5]),
        ("published = 1e-300\ntolerance = 0", [1e-300, 1e-300]),
        ("at_least = 0.1", [0.1, f64::INFINITY]),
        ("at_most = -0.1", [f64::NEG_INFINITY, -0.1]),
        ("at_least = 1\nat_most = 1", [1.0, 1.0]),
        ("published = 9\nat_least = 1\nat_most = 2", [1.0, 2.0]),
    ];
    for (lines, ends) in cases {
        let found = claim(&format!("{LAST}\n{lines}")).expected;
        assert_eq!(found.ends(), ends, "{lines}");
    }
    let found = claim(&format!("{LAST}\npublished = 2\nrelative = 0.25")).expected;
    let want = Expected::Near {
        published: 2.0,
        tolerance: Tolerance::Relative(0.25),
    };
    assert_eq!(found, want);
}

#[test]
fn cells_are_chosen_by_any_key_of_the_spec() {
    let sweep = "operation = [\"mul\", \"add\"]\nmodulus = 113\nfraction = [0.3, 0.4]\nseeds = { data = 598, \
                 model = [0, 1, 2] }\n[train]\nstop = { test_accuracy = 0.99, patience = 7 }\n";
    let count = |cells: &str| {
        let claim = format!(
            "[[claim]]\nsource = \"x\"\nquantity = {{ share = \"grokked\" }}\nat_least = 0\nwhere = {{ {cells} }}\n"
        );
        let plan = good(load_with(&format!("{sweep}{claim}"), &[]));
        let again = good(load_with(&plan.resolved_toml(), &[]));
        assert_eq!(again, plan, "{cells}");
        let chosen = plan.claims[0].cells.clone().unwrap();
        let has = |cell: &&crate::Cell| chosen.has(&plan.cell_values(cell));
        plan.cells.iter().filter(has).count()
    };
    for (cells, want) in [
        ("operation = \"a * b\"", 6),
        ("operation = [\"a * b\", \"add\"]", 12),
        ("fraction = 0.3", 6),
        ("\"seeds.model\" = 1, fraction = 0.4", 2),
        ("seeds.model = [1, 2]", 8),
        ("seeds.model = 7", 0),
        ("modulus = 113.0", 12),
        ("train.stop.patience = 7", 12),
        ("train.betas = [0.9, 0.98]", 12),
        ("train.betas = [0.9, 0.99]", 0),
        ("train.loss = \"cross-entropy\"", 12),
        ("train.loss = { kind = \"mse\" }", 0),
        ("model.kind = \"mlp\"", 0),
        ("model.heads = 4", 12),
        // No cell has a value of this key, since the rule has no momentum.
        ("train.momentum = 0", 0),
    ] {
        assert_eq!(count(cells), want, "{cells}");
    }
}

#[test]
fn several_cells_are_each_unless_the_claim_says_otherwise() {
    let over = |lines: &str| claim(&format!("{LAST}\nat_least = 0\n{lines}")).over;
    assert_eq!(over(""), Over::Each);
    assert_eq!(over("over = \"mean\""), Over::Mean);
    assert_eq!(over("against = { fraction = 0.3 }"), Over::Median);
    assert_eq!(
        over("against = { fraction = 0.3 }\nover = \"min\""),
        Over::Min
    );
}

#[test]
fn claims_change_nothing_that_is_trained() {
    let text = format!("[[claim]]\nsource = \"x\"\n{LAST}\nat_least = 0.9\n");
    let (with, without) = (good(load_claims(&text)), good(load_claims("")));
    assert_ne!(with.resolved_toml(), without.resolved_toml());
    assert_eq!(with.fingerprint(), without.fingerprint());
    let fingerprints = |plan: &Plan| plan.cell_fingerprint(&plan.cells[0]);
    assert_eq!(fingerprints(&with), fingerprints(&without));
    assert_eq!(with.changes_from(&without), []);
}

#[test]
fn a_series_is_of_an_analysis_that_the_spec_asks_for() {
    let text = "[[claim]]\nsource = \"x\"\nquantity = { series = \"progres-measures\", name = \"y\", at = \
                \"last\" }\nat_most = 1\n";
    let said = load_claims(&format!("{text}[analysis.progress-measures]\n")).unwrap_err();
    let mistake = said.iter().next().unwrap();
    assert_eq!(
        (mistake.line, mistake.text),
        (8, "\"progres-measures\""),
        "{said}"
    );
    assert_eq!(mistake.help, ["did you mean `progress-measures`?"]);
    let said = load_claims(text).unwrap_err();
    let help = ["add the table [analysis.progres-measures]"];
    assert_eq!(said.iter().next().unwrap().help, help);
    // Code that reads a spec without its analyses cannot know.
    let text = format!("{SMALLEST}{text}");
    assert!(crate::load_training(&text, Path::new("x.toml")).is_ok());
}
