use grokrun_store::{Row, Tally};

use super::*;
use crate::curve::Curve;

fn row(epoch: u64) -> Row {
    Row {
        epoch,
        train_loss: 0.5,
        test_loss: epoch as f64,
        train_accuracy: 1.0,
        test_accuracy: 0.25,
    }
}

/// A page's part of the bargain: puts points behind those that it has.
#[derive(Default)]
struct Page {
    x: Vec<u64>,
    y: Vec<Vec<f64>>,
}

impl Page {
    fn take(&mut self, data: &Value) {
        let from = data["from"].as_u64().unwrap() as usize;
        self.x.truncate(from);
        let x = data["x"].as_array().unwrap();
        self.x.extend(x.iter().map(|x| x.as_u64().unwrap()));
        self.y.resize(4, Vec::new());
        for (column, new) in self.y.iter_mut().zip(data["y"].as_array().unwrap()) {
            column.truncate(from);
            column.extend(new.as_array().unwrap().iter().map(|y| y.as_f64().unwrap()));
        }
    }
}

fn snapshot(revision: u64, cells: usize, curve: &Curve, tally: &Tally) -> Arc<Snapshot> {
    let run = RunNow {
        name: "r".to_owned(),
        heading: "a + b mod 5".to_owned(),
        facts: Vec::new(),
        activity: Activity::Training,
        counts: Counts {
            training: cells,
            ..Counts::default()
        },
        report: true,
        problem: None,
    };
    let cell = |place: usize| {
        Arc::new(CellNow {
            id: format!("c{place}"),
            state: State::Training,
            outcome: tally.summary("c", "interrupted"),
            epochs: 9000,
            pace: None,
            left: None,
            stale: None,
            small: Default::default(),
            flaw: None,
        })
    };
    let mut now = Snapshot::of(run, (0..cells).map(cell).collect());
    now.revision = revision;
    let config = json!({ "train": { "epochs": 9000 } });
    let drawn = CurveNow {
        curve: curve.clone(),
        config,
    };
    now.curves.insert(0, Arc::new(drawn));
    Arc::new(now)
}

fn names(events: &[Event]) -> Vec<&'static str> {
    events.iter().map(|event| event.name).collect()
}

#[test]
fn all_is_sent_once_and_then_what_changes() {
    let (mut curve, mut tally) = (Curve::new(100), Tally::default());
    let mut push = |curve: &mut Curve, range: std::ops::Range<u64>| {
        for epoch in range {
            curve.push(row(epoch));
            tally.see(row(epoch));
        }
        tally.clone()
    };
    let mut sent = Sent::default();
    let tally_then = push(&mut curve, 0..30);
    let first = snapshot(1, 2, &curve, &tally_then);
    let events = sent.events(&first, None);
    assert_eq!(names(&events), ["run", "cells", "curve"]);
    assert_eq!(events[1].data["rows"].as_array().map(Vec::len), Some(2));
    assert_eq!(sent.revision(), Some(1));
    let mut page = Page::default();
    page.take(&events[2].data);
    assert!(sent.events(&first, None).is_empty(), "nothing has changed");

    // In small and in large steps, over which points are left out again.
    let mut bytes = Vec::new();
    for step in 1..60 {
        let tally_then = push(&mut curve, 30 * step..30 * (step + 1));
        let events = sent.events(&snapshot(1 + step, 2, &curve, &tally_then), None);
        assert_eq!(names(&events), ["cells", "curve"]);
        bytes.push(events[1].data["x"].as_array().unwrap().len());
        page.take(&events[1].data);
        let (x, y) = curve.points(0);
        assert_eq!(page.x, x.iter().map(|x| *x as u64).collect::<Vec<_>>());
        assert_eq!(page.y[1], y[1]);
    }
    let small = bytes.iter().filter(|points| **points <= 31).count();
    assert!(
        small > 40,
        "most of the time only new points are sent: {bytes:?}"
    );
}

#[test]
fn a_viewer_who_chose_a_cell_is_sent_that_one() {
    let (mut curve, mut tally) = (Curve::new(100), Tally::default());
    curve.push(row(0));
    tally.see(row(0));
    let one = snapshot(1, 3, &curve, &tally);
    let mut two = (*one).clone();
    let other = two.curves.remove(&0).unwrap();
    two.curves.insert(2, other);
    let two = Arc::new(two);
    let mut sent = Sent::default();
    let events = sent.events(&two, Some(2));
    let of = events.iter().find(|event| event.name == "curve").unwrap();
    assert_eq!(
        (&of.data["cell"], &of.data["id"]),
        (&json!(2), &json!("c2"))
    );
    // A place that there is not stands for the leading cell.
    let mut sent = Sent::default();
    let events = sent.events(&one, Some(99));
    let of = events.iter().find(|event| event.name == "curve").unwrap();
    assert_eq!(of.data["cell"], 0);
}

#[test]
fn the_end_is_said_and_how_a_run_stands() {
    let (curve, tally) = (Curve::new(100), Tally::default());
    let mut now = (*snapshot(1, 1, &curve, &tally)).clone();
    now.closing = true;
    let events = Sent::default().events(&Arc::new(now.clone()), None);
    assert_eq!(names(&events).last(), Some(&"closing"));
    let counts = Counts {
        done: 1200,
        failed: 1,
        ..Counts::default()
    };
    for (kind, counts, state) in [
        (Activity::Done, counts, "failed"),
        (Activity::Done, Counts::default(), "done"),
        (Activity::Stopped, Counts::default(), "stopped"),
        (Activity::Busy, Counts::default(), "busy"),
    ] {
        now.run.activity = kind;
        now.run.counts = counts;
        assert_eq!(activity(&now.run, 1201).0, state);
    }
    now.run.counts = counts;
    now.run.activity = Activity::Done;
    assert!(activity(&now.run, 1201).1.contains("1,200 done, 1 failed"));
    assert_eq!(activity(&now.run, 1).1.split(',').next(), Some("ended"));
}
