use grokrun_api::testing::{Recorder, swept};

use super::*;

const EPOCHS: usize = 1200;
const COMPONENTS: usize = 20;

/// Numbers that look random, 0 to 1, the same ones every time.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> f64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// Cells whose three key components are those that `choose` takes from the initial norms.
fn cells(count: usize, choose: impl Fn(&[f64], usize) -> Vec<usize>) -> Vec<SweepCell> {
    let mut noise = Noise(7);
    let mut cell = |i: usize| {
        let first: Vec<f64> = (0..COMPONENTS).map(|_| 1.0 + 0.1 * noise.next()).collect();
        let keys = choose(&first, i);
        let row = |k: usize| {
            let (key, last) = (
                keys.contains(&k),
                if keys.first() == Some(&k) { 9.0 } else { 0.1 },
            );
            json!([k + 1, 0, first[k], last, key])
        };
        let columns = ["component", "first epoch", "W_E first", "W_E last", "key"];
        let rows: Vec<Value> = (0..COMPONENTS).map(row).collect();
        let table = json!({ "columns": columns, "rows": rows });
        SweepCell {
            id: format!("m{i}"),
            status: "finished".to_owned(),
            epochs: EPOCHS as u64,
            tables: [(READ.to_owned(), [("components".to_owned(), table)].into())].into(),
            ..SweepCell::default()
        }
    };
    (0..count).map(&mut cell).collect()
}

fn run(cells: &[SweepCell], groks: impl Fn(usize) -> bool) -> Recorder {
    let history = |i: usize| {
        let test = (0..EPOCHS).map(|e| f64::from(u8::from(groks(i) && e >= 100)));
        [
            vec![0.1; EPOCHS],
            vec![0.1; EPOCHS],
            vec![1.0; EPOCHS],
            test.collect(),
        ]
    };
    let histories: Vec<_> = (0..cells.len()).map(history).collect();
    swept::<KeyFrequencies>(json!({}), cells, &histories).unwrap()
}

/// The three largest, the largest first.
fn largest(first: &[f64], _: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..first.len()).collect();
    order.sort_by(|a, b| first[*b].total_cmp(&first[*a]));
    order.truncate(3);
    order
}

#[test]
fn planted_winners_are_predicted_by_their_norms_and_the_control_is_not() {
    let found = run(&cells(24, largest), |_| true);
    let prediction = &found.table("prediction").unwrap()[0];
    assert_eq!(
        (&prediction["norm"], &prediction["AUC"]),
        (&json!("W_E"), &json!(1.0))
    );
    assert!(prediction["p"].as_f64().unwrap() < 1e-20, "{prediction:?}");
    assert_eq!(prediction["winner was largest"], 24);
    assert!((prediction["by chance"].as_f64().unwrap() - 1.2).abs() < 1e-9);
    let control = prediction["AUC of the next cell's"].as_f64().unwrap();
    assert!((control - 0.5).abs() < 0.12, "{control}");
    assert!(prediction["p of it"].as_f64().unwrap() > 0.01);
    assert!(found.figure("winners").is_some() && found.figure("start").is_some());
    let start = &found.figure("start").unwrap()["data"];
    // The three largest of twenty have 17, 18 and 19 below them.
    assert!(
        (start[0]["y"][9].as_f64().unwrap() - 2.0 / 3.0).abs() < 1e-9,
        "{start}"
    );
    assert_eq!(found.table("winners").unwrap().len(), 24);
}

#[test]
fn winners_at_random_are_not_predicted() {
    let random = |_: &[f64], i: usize| vec![(7 * i) % COMPONENTS, (7 * i + 5) % COMPONENTS];
    let found = run(&cells(40, random), |_| true);
    let prediction = &found.table("prediction").unwrap()[0];
    let area = prediction["AUC"].as_f64().unwrap();
    assert!((area - 0.5).abs() < 0.1, "{prediction:?}");
    assert!(prediction["p"].as_f64().unwrap() > 0.05);
    let (from, to) = (
        prediction["from"].as_f64().unwrap(),
        prediction["to"].as_f64().unwrap(),
    );
    assert!(from < 0.5 && 0.5 < to, "{from} {to}");
    // Each of twenty is key in four of forty cells: none is favoured.
    let counts = found.table("components").unwrap();
    assert!(
        counts
            .iter()
            .all(|row| row["cells in which it is key"] == 4),
        "{counts:?}"
    );
    assert!((counts[0]["by chance"].as_f64().unwrap() - 4.0).abs() < 1e-9);
}

/// A component that wins in every cell is told by its count, and by norms alone if they are alike.
#[test]
fn a_component_that_is_favoured_in_every_cell_is_seen() {
    let found = run(&cells(10, |_, _| vec![4]), |_| true);
    let counts = found.table("components").unwrap();
    assert_eq!(
        (
            &counts[4]["component"],
            &counts[4]["cells in which it is key"]
        ),
        (&json!("5"), &json!(10))
    );
    assert_eq!(counts[3]["cells in which it is key"], 0);
    let map = &found.figure("winners").unwrap()["data"][0];
    assert_eq!(
        (&map["z"][0][4], map["z"].as_array().unwrap().len()),
        (&json!(1.0), 10)
    );
}

#[test]
fn what_does_not_count_is_said() {
    let mut all = cells(6, largest);
    all[0].status = "failed".to_owned();
    all[1].tables.clear();
    let rows = all[2]
        .tables
        .get_mut(READ)
        .unwrap()
        .get_mut("components")
        .unwrap();
    rows["rows"][0][1] = json!(100);
    let found = run(&all, |i| i != 3);
    let note = found.notes()[0];
    for words in [
        "2 of 6 cells count",
        "1 failed",
        "1 without a table of components",
        "1 not seen at epoch 0",
        "1 did not grok",
    ] {
        assert!(note.contains(words), "{note}");
    }
    let none = run(&all[..1], |_| true);
    assert!(none.notes()[1].contains("nothing is compared"));
    assert!(none.table("prediction").is_none());
    // One cell alone has no control, and no interval.
    let one = run(&cells(1, largest), |_| true);
    let prediction = &one.table("prediction").unwrap()[0];
    assert!(prediction["from"].is_null() && prediction["AUC of the next cell's"].is_null());
}
