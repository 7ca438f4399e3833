use grokrun_api::testing::{Recorder, swept};

use super::*;

const EPOCHS: usize = 2000;

/// Cells that grok where their train loss is low from the start; the test loss tells nothing.
fn cells(count: usize) -> (Vec<SweepCell>, Vec<[Vec<f64>; 4]>) {
    let cell = |i: usize| SweepCell {
        id: format!("m{i}"),
        status: "finished".to_owned(),
        epochs: EPOCHS as u64,
        ..SweepCell::default()
    };
    let history = |i: usize| {
        let groks = i.is_multiple_of(2);
        let at = 600 + i;
        let test = (0..EPOCHS)
            .map(|e| f64::from(u8::from(groks && e >= at)))
            .collect();
        let loss = if groks { 0.1 } else { 0.2 } + 0.001 * i as f64;
        // The same numbers in the same order among both kinds.
        let nothing = (i / 2 % 3) as f64;
        [
            vec![loss; EPOCHS],
            vec![nothing; EPOCHS],
            vec![1.0; EPOCHS],
            test,
        ]
    };
    (
        (0..count).map(cell).collect(),
        (0..count).map(history).collect(),
    )
}

fn run(count: usize) -> Recorder {
    let (cells, histories) = cells(count);
    swept::<EarlyPrediction>(json!({}), &cells, &histories).unwrap()
}

#[test]
fn a_planted_predictor_is_found_and_a_control_is_not() {
    let found = run(24);
    let table = found.table("predictors").unwrap();
    let row = |name: &str, epoch: u64| {
        let is = |row: &&BTreeMap<String, Value>| row["number"] == name && row["epoch"] == epoch;
        table.iter().find(is).unwrap().clone()
    };
    let planted = row("train loss", 100);
    assert_eq!(
        (&planted["AUC"], &planted["groks with"]),
        (&json!(0.0), &json!("smaller"))
    );
    assert_eq!(
        (&planted["grok later"], &planted["do not"]),
        (&json!(12), &json!(12))
    );
    // Half of 600, 602 … 622 grok by 610.
    assert_eq!(planted["lead"], 510.0);
    let control = row("test loss", 100);
    assert!(
        (control["AUC"].as_f64().unwrap() - 0.5).abs() < 1e-9,
        "{control:?}"
    );
    assert!(control["from"].as_f64().unwrap() < 0.5 && control["to"].as_f64().unwrap() > 0.5);
    assert!(found.figure("area").is_some());
    assert!(
        found.notes()[0].contains("12 of 24 cells grokked"),
        "{:?}",
        found.notes()
    );
}

#[test]
fn what_cannot_be_predicted_is_left_out_and_said() {
    let few = run(4);
    assert!(few.table("predictors").is_none());
    assert!(
        few.notes()[1].contains("nothing is compared"),
        "{:?}",
        few.notes()
    );
    let (mut cells, histories) = cells(24);
    cells[1].status = "interrupted".to_owned();
    cells[3].status = "failed".to_owned();
    let found = swept::<EarlyPrediction>(json!({ "shares": [0.05] }), &cells, &histories).unwrap();
    assert!(
        found.notes()[0].contains("1 that are open"),
        "{:?}",
        found.notes()
    );
    assert!(
        found.notes()[0].contains("1 that failed"),
        "{:?}",
        found.notes()
    );
    assert_eq!(found.table("predictors").unwrap()[0]["do not"], 10);
    // All that grok have done so by 70 % of the training.
    let late = swept::<EarlyPrediction>(json!({ "shares": [0.7] }), &cells, &histories).unwrap();
    assert!(late.table("predictors").is_none());
    let wrong = Config {
        shares: vec![1.0],
        ..Config::default()
    };
    assert!(EarlyPrediction::check(&wrong).is_err());
}
