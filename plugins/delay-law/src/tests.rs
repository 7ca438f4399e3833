use grokrun_api::testing::{Recorder, swept};

use super::*;

/// Epochs of every planted cell, of which some grok later.
const EPOCHS: usize = 3000;
/// When every planted cell memorises.
const MEMORISED: usize = 50;

/// A cell that groks by the law 100 / decay after it memorised, times what its seed adds.
fn planted(decay: f64, fraction: f64, seed: usize, status: &str) -> (SweepCell, [Vec<f64>; 4]) {
    let noise = [1.0, 1.1, 0.92][seed % 3];
    let grokked = MEMORISED + (100.0 / decay / fraction * noise).round() as usize;
    let steps = |at: usize| {
        (0..EPOCHS)
            .map(|e| f64::from(u8::from(e >= at)))
            .collect::<Vec<f64>>()
    };
    let cell = SweepCell {
        id: format!("wd{decay}-f{fraction}-m{seed}"),
        status: status.to_owned(),
        epochs: EPOCHS as u64,
        settings: json!({ "task": { "fraction": fraction }, "seeds": { "model": seed },
            "train": { "weight_decay": decay } }),
        ..SweepCell::default()
    };
    let losses = vec![0.5; EPOCHS];
    (
        cell,
        [losses.clone(), losses, steps(MEMORISED), steps(grokked)],
    )
}

fn run(cells: Vec<(SweepCell, [Vec<f64>; 4])>) -> Recorder {
    let (cells, histories): (Vec<SweepCell>, Vec<[Vec<f64>; 4]>) = cells.into_iter().unzip();
    swept::<DelayLaw>(json!({}), &cells, &histories).unwrap()
}

#[test]
fn a_planted_law_comes_back_with_its_censored_cells() {
    let mut cells = Vec::new();
    for decay in [0.03, 0.1, 0.3, 1.0, 3.0] {
        cells.extend((0..3).map(|seed| planted(decay, 1.0, seed, "finished")));
    }
    cells.push(planted(1.0, 1.0, 7, "failed"));
    let found = run(cells);
    let laws = found.table("laws").unwrap();
    assert_eq!(laws.len(), 1);
    let number = |key: &str| laws[0][key].as_f64().unwrap();
    assert_eq!(laws[0]["key"], "train.weight_decay");
    // 100 / 0.03 is beyond the end of the training.
    assert_eq!((number("grokked"), number("not yet (later)")), (12.0, 3.0));
    assert!((number("γ") - 1.0).abs() < 0.1, "{laws:?}");
    assert!(number("γ from") < 1.0 && 1.0 < number("γ to"), "{laws:?}");
    assert!(
        (number("a") / 100.0 - 1.0).abs() < 0.25 && number("R²") > 0.98,
        "{laws:?}"
    );
    let notes = found.notes().join("\n");
    assert!(
        notes.contains("12 grokked, 3 had not and count as later"),
        "{notes}"
    );
    assert!(notes.contains("failed, without a delay: 1"), "{notes}");
    let figure = found.figure("over-train-weight-decay").unwrap();
    assert_eq!(figure["data"][1]["marker"]["symbol"], "arrow-up");
}

#[test]
fn every_value_of_another_key_has_a_law_of_its_own() {
    let mut cells = Vec::new();
    for fraction in [0.25, 0.5, 1.0] {
        for decay in [0.3, 1.0, 3.0, 10.0] {
            cells.extend((0..2).map(|seed| planted(decay, fraction, seed, "finished")));
        }
    }
    let laws = run(cells).table("laws").unwrap();
    // Three fractions over the decay, four decays over the fraction.
    assert_eq!(laws.len(), 7);
    let half = laws
        .iter()
        .find(|law| law["cells with"] == "fraction 0.5")
        .unwrap();
    assert!(
        (half["a"].as_f64().unwrap() / 200.0 - 1.0).abs() < 0.25,
        "{half:?}"
    );
    for law in laws.iter().filter(|law| law["γ"].is_number()) {
        assert!((law["γ"].as_f64().unwrap() - 1.0).abs() < 0.25, "{law:?}");
    }
}

#[test]
fn what_has_no_law_is_said() {
    let found = run((0..4)
        .map(|seed| planted(1.0, 1.0, seed, "finished"))
        .collect());
    assert!(
        found.notes()[0].contains("differ in no number"),
        "{:?}",
        found.notes()
    );
    assert_eq!(found.table("delays").unwrap().len(), 4);
    let two = [0.3, 1.0].map(|decay| planted(decay, 1.0, 0, "finished"));
    let notes = run(two.into()).notes().join("\n");
    assert!(notes.contains("no law: 2 delays are known"), "{notes}");
    let wrong = Config {
        accuracy: 1.5,
        ..Config::default()
    };
    assert!(DelayLaw::check(&wrong).is_err());
}
