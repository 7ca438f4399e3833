use grokrun_spec::Range;
use grokrun_store::{ACCURACY, HOLD, Row};

use super::*;

/// A history with these accuracies, whose losses fall by one each epoch.
fn planted(train: &[f64], test: &[f64]) -> History {
    let mut metrics = Metrics::default();
    for (epoch, (&train_accuracy, &test_accuracy)) in (0..).zip(train.iter().zip(test)) {
        let loss = 1000.0 - epoch as f64;
        metrics.push(Row {
            epoch,
            train_loss: loss,
            test_loss: 2.0 * loss,
            train_accuracy,
            test_accuracy,
        });
    }
    History {
        metrics,
        series: BTreeMap::new(),
    }
}

/// Low until `from`, then high for so many epochs.
fn step(from: usize, epochs: usize) -> Vec<f64> {
    [vec![0.1; from], vec![1.0; epochs]].concat()
}

fn of_column(metric: Metric, at: At) -> Measure {
    Measure::Metric { metric, at }
}

fn event(event: Event) -> Measure {
    Measure::Event {
        event,
        accuracy: ACCURACY,
        hold: HOLD,
    }
}

fn at_once(event: Event, accuracy: f64) -> Measure {
    Measure::Event {
        event,
        accuracy,
        hold: 0,
    }
}

fn measured(of: Measure, cell: &History) -> Result<Known, String> {
    quantity(&Quantity::Of(of), cell)
}

#[test]
fn metrics_are_those_of_their_epoch() {
    let mut cell = planted(&[0.1, 0.5, 1.0], &[0.3, 0.2, 0.25]);
    let cases = [
        (Metric::TrainLoss, At::Epoch(2), 998.0),
        (Metric::TestLoss, At::Epoch(0), 2000.0),
        (Metric::TrainAccuracy, At::Epoch(1), 0.5),
        (Metric::TestAccuracy, At::Last, 0.25),
        (Metric::TestAccuracy, At::Min, 0.2),
        (Metric::TestAccuracy, At::Max, 0.3),
    ];
    for (metric, at, want) in cases {
        let found = measured(of_column(metric, at), &cell);
        assert_eq!(found, Ok(Known::exactly(want)), "{metric:?} {at:?}");
    }
    let why = measured(of_column(Metric::TestLoss, At::Epoch(3)), &cell).unwrap_err();
    assert!(
        why.contains("epoch 3 was not trained: the last one is 2"),
        "{why}"
    );
    assert!(why.contains("--epochs 4"), "{why}");
    // What is no number is passed over, but for the epoch itself.
    cell.metrics.push(Row {
        epoch: 3,
        train_loss: f64::NAN,
        test_loss: f64::INFINITY,
        train_accuracy: 1.0,
        test_accuracy: f64::NAN,
    });
    let last = measured(of_column(Metric::TestLoss, At::Last), &cell);
    assert_eq!(last, Ok(Known::exactly(1996.0)));
    let why = measured(of_column(Metric::TrainLoss, At::Epoch(3)), &cell).unwrap_err();
    assert!(why.contains("train loss in epoch 3 is no number"), "{why}");
    let none = measured(of_column(Metric::TrainLoss, At::Last), &History::default());
    assert!(none.is_err());
}

#[test]
fn events_are_those_of_the_summary_and_open_ones_have_a_lower_bound() {
    let cell = planted(&step(100, 1400), &step(700, 800));
    assert_eq!(
        measured(event(Event::Memorised), &cell),
        Ok(Known::exactly(100.0))
    );
    assert_eq!(
        measured(event(Event::Grokked), &cell),
        Ok(Known::exactly(700.0))
    );
    assert_eq!(
        measured(event(Event::Delay), &cell),
        Ok(Known::exactly(600.0))
    );
    // Reached at 1200, and the history ends before it was held.
    let open = planted(&step(100, 1400), &step(1200, 300));
    assert_eq!(
        measured(event(Event::Grokked), &open),
        Ok(Known::at_least(1200.0))
    );
    assert_eq!(
        measured(event(Event::Delay), &open),
        Ok(Known::at_least(1100.0))
    );
    let once = measured(at_once(Event::Grokked, 0.99), &open);
    assert_eq!(once, Ok(Known::exactly(1200.0)));
    // Never reached: not in any epoch that was trained.
    let never = planted(&step(100, 1400), &step(1500, 0));
    assert_eq!(
        measured(event(Event::Grokked), &never),
        Ok(Known::at_least(1500.0))
    );
    let low = measured(at_once(Event::Grokked, 0.05), &never);
    assert_eq!(low, Ok(Known::exactly(0.0)));
    // Without memorising there is nothing to count from.
    let nothing = planted(&step(1500, 0), &step(1500, 0));
    let why = measured(event(Event::Delay), &nothing).unwrap_err();
    assert!(why.contains("did not memorise"), "{why}");
}

#[test]
fn series_are_those_of_their_epoch() {
    let mut cell = planted(&[1.0], &[1.0]);
    let found = FoundSeries {
        epochs: vec![0, 100, 200],
        series: vec![
            ("gini".to_owned(), vec![0.5, 0.25, f64::NAN]),
            ("empty".to_owned(), vec![f64::NAN; 3]),
        ],
    };
    let failed = Err("the analysis broken failed".to_owned());
    cell.series = BTreeMap::from([
        ("sparsity".to_owned(), Ok(found)),
        ("broken".to_owned(), failed),
        ("blind".to_owned(), Ok(FoundSeries::default())),
    ]);
    let series = |analysis: &str, name: &str, at| {
        let (analysis, name) = (analysis.to_owned(), name.to_owned());
        measured(Measure::Series { analysis, name, at }, &cell)
    };
    for (at, want) in [
        (At::Epoch(100), 0.25),
        (At::Last, 0.25),
        (At::Max, 0.5),
        (At::Min, 0.25),
    ] {
        assert_eq!(series("sparsity", "gini", at), Ok(Known::exactly(want)));
    }
    for (analysis, name, at, part) in [
        (
            "sparsity",
            "gini",
            At::Epoch(50),
            "expected one of the epochs 0, 100",
        ),
        ("sparsity", "gini", At::Epoch(200), "no number in epoch 200"),
        (
            "sparsity",
            "gin",
            At::Last,
            "expected one of \"gini\", \"empty\"",
        ),
        ("sparsity", "empty", At::Last, "has no numbers"),
        ("broken", "gini", At::Last, "broken failed"),
        ("blind", "gini", At::Last, "has no series in it"),
    ] {
        let why = series(analysis, name, at).unwrap_err();
        assert!(why.contains(part), "{why}");
    }
}

#[test]
fn a_cell_counts_in_a_share_does_not_or_may() {
    let grokked = planted(&step(100, 1400), &step(700, 800));
    let open = planted(&step(100, 1400), &step(1200, 300));
    let never = planted(&step(100, 1400), &step(1500, 0));
    let share = |measure: Measure, range| Quantity::Share(Condition { measure, range });
    let counts = |of: &Quantity, cell| quantity(of, cell).unwrap();
    let (yes, no) = (Known::exactly(1.0), Known::exactly(0.0));
    let may = Known {
        low: 0.0,
        high: 1.0,
    };
    let reached = share(event(Event::Grokked), None);
    assert_eq!(counts(&reached, &grokked), yes);
    assert_eq!(counts(&reached, &open), may);
    assert_eq!(counts(&reached, &never), no);
    let by = |epoch| {
        let range = Range {
            at_least: None,
            at_most: Some(epoch),
        };
        share(event(Event::Grokked), Some(range))
    };
    assert_eq!(counts(&by(800.0), &grokked), yes);
    assert_eq!(counts(&by(600.0), &grokked), no);
    assert_eq!(counts(&by(800.0), &never), no);
    assert_eq!(counts(&by(2000.0), &never), may);
    let good = Range {
        at_least: Some(0.9),
        at_most: None,
    };
    let last = share(of_column(Metric::TestAccuracy, At::Last), Some(good));
    assert_eq!((counts(&last, &open), counts(&last, &never)), (yes, no));
    // What cannot be measured is no cell that does not count.
    let beyond = share(of_column(Metric::TestAccuracy, At::Epoch(5000)), Some(good));
    assert!(quantity(&beyond, &grokked).is_err());
}

#[test]
fn long_lists_are_cut() {
    let words: Vec<String> = (0..20).map(|i| i.to_string()).collect();
    assert_eq!(some(&words), "0, 1, 2, 3, 4, 5, 6, …, 19");
    assert_eq!(some(&words[..3]), "0, 1, 2");
}
