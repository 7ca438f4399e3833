use std::path::Path;

use grokrun_spec::load_training;

use super::*;

/// The claim with these lines.
fn claim(lines: &str) -> Claim {
    let text = format!(
        "operation = \"mul\"\nmodulus = 5\nfraction = 0.5\nseeds = {{ data = 1, model = 1 }}\n\
         [[claim]]\nsource = \"x\"\nquantity = {{ event = \"grokked\" }}\n{lines}"
    );
    let plan = load_training(&text, Path::new("x.toml"));
    plan.unwrap_or_else(|mistakes| panic!("{mistakes}")).claims[0].clone()
}

fn exactly(numbers: &[f64]) -> Vec<Known> {
    numbers.iter().copied().map(Known::exactly).collect()
}

/// What is measured, as its bounds, and the verdict.
fn verdict(lines: &str, cells: &[Known]) -> (Option<[f64; 2]>, Verdict) {
    let (measured, verdict) = judge(&claim(lines), cells, None);
    let bounds = measured.map(|measured| match measured {
        Measured::One(one) => [one.low, one.high],
        Measured::Each(least, most) => [least.low, most.high],
    });
    (bounds, verdict)
}

fn is_open(verdict: &Verdict, part: &str) -> bool {
    matches!(verdict, Verdict::NotEvaluated(why) if why.contains(part))
}

#[test]
fn a_published_value_holds_within_its_tolerance() {
    let cases = [
        ("published = 100\ntolerance = 5", 105.0, Verdict::Holds),
        ("published = 100\ntolerance = 5", 94.9, Verdict::DoesNotHold),
        ("published = 100\ntolerance = 0", 100.0, Verdict::Holds),
        ("published = -100\nrelative = 0.01", -101.0, Verdict::Holds),
        (
            "published = 100\nrelative = 0.01",
            101.1,
            Verdict::DoesNotHold,
        ),
        ("at_least = 100", 100.0, Verdict::Holds),
        ("at_least = 100", 99.0, Verdict::DoesNotHold),
        ("at_most = 100\npublished = 80", 100.0, Verdict::Holds),
        ("at_least = 90\nat_most = 100", 101.0, Verdict::DoesNotHold),
    ];
    for (lines, measured, want) in cases {
        let found = verdict(lines, &[Known::exactly(measured)]);
        assert_eq!(found, (Some([measured; 2]), want), "{lines}");
    }
}

#[test]
fn each_cell_has_to_hold_by_itself() {
    let all = exactly(&[10.0, 30.0, 20.0]);
    let found = verdict("at_most = 30", &all);
    assert_eq!(found, (Some([10.0, 30.0]), Verdict::Holds));
    let found = verdict("at_most = 29", &all);
    assert_eq!(found, (Some([10.0, 30.0]), Verdict::DoesNotHold));
    let open = [Known::exactly(10.0), Known::at_least(900.0)];
    let (bounds, found) = verdict("at_least = 950", &open[1..]);
    assert_eq!(bounds, Some([900.0, f64::INFINITY]));
    assert!(is_open(&found, "900 or more"), "{found:?}");
    // One cell that does not keep it decides.
    assert_eq!(verdict("at_least = 950", &open).1, Verdict::DoesNotHold);
    let (_, found) = verdict("at_most = 2000", &open);
    assert!(is_open(&found, "of 1 of 2 cells: not reached"), "{found:?}");
}

#[test]
fn several_cells_become_one_number() {
    let all = exactly(&[10.0, 30.0, 20.0, 60.0]);
    for (over, want) in [
        ("median", 20.0),
        ("mean", 30.0),
        ("min", 10.0),
        ("max", 60.0),
    ] {
        let lines = format!("over = \"{over}\"\npublished = {want}\ntolerance = 0");
        assert_eq!(
            verdict(&lines, &all),
            (Some([want; 2]), Verdict::Holds),
            "{over}"
        );
    }
}

/// Cells that did not get there count as later than their last epoch.
#[test]
fn cells_that_did_not_get_there_are_censored() {
    let mut cells = exactly(&[10.0, 20.0]);
    cells.extend([Known::at_least(900.0); 3]);
    let over = |over: &str, bound: &str| verdict(&format!("over = \"{over}\"\n{bound}"), &cells).1;
    assert_eq!(over("median", "at_least = 500"), Verdict::Holds);
    assert_eq!(over("median", "at_most = 500"), Verdict::DoesNotHold);
    assert_eq!(
        over("median", "published = 30\ntolerance = 5"),
        Verdict::DoesNotHold
    );
    let needs = over("median", "published = 1000\ntolerance = 5");
    assert!(is_open(&needs, "not reached by the end"), "{needs:?}");
    assert_eq!(over("min", "at_most = 10"), Verdict::Holds);
    assert_eq!(over("max", "at_most = 899"), Verdict::DoesNotHold);
    assert!(is_open(&over("max", "at_most = 1000"), "or more"));
    assert_eq!(over("mean", "at_least = 500"), Verdict::Holds);
    assert!(is_open(&over("mean", "at_least = 600"), "or more"));
}

#[test]
fn ratios_are_of_one_number_by_another() {
    let ratio = |cells: &[Known], others: &[Known], bound: &str| {
        let against = "against = { fraction = 0.5 }";
        judge(&claim(&format!("{against}\n{bound}")), cells, Some(others))
    };
    let (ours, theirs) = (exactly(&[40.0, 50.0, 60.0]), exactly(&[400.0, 500.0]));
    let (measured, verdict) = ratio(&ours, &theirs, "published = 0.125\ntolerance = 0");
    assert_eq!(measured, Some(Measured::One(Known::exactly(0.125))));
    assert_eq!(verdict, Verdict::Holds);
    // Ten times earlier than cells that never got there.
    let never = [Known::at_least(5000.0)];
    assert_eq!(ratio(&ours, &never, "at_most = 0.1").1, Verdict::Holds);
    assert!(is_open(
        &ratio(&ours, &never, "at_most = 0.001").1,
        "from 0 to 0.01"
    ));
    let (measured, verdict) = ratio(&ours, &exactly(&[0.0]), "at_most = 0.1");
    assert_eq!(measured, None);
    assert!(is_open(&verdict, "nothing can be divided"), "{verdict:?}");
}

#[test]
fn events_are_those_of_the_summary_unless_the_claim_says_otherwise() {
    use grokrun_spec::{Event, Measure, Quantity};
    let event = Measure::Event {
        event: Event::Grokked,
        accuracy: grokrun_store::ACCURACY,
        hold: grokrun_store::HOLD,
    };
    assert_eq!(claim("at_most = 1").quantity, Quantity::Of(event));
}
