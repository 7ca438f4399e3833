//! Logits that are cubes by construction, with every measure known in closed form; noise; and what
//! operations without a group do.

use std::f64::consts::TAU;

use grokrun_api::testing::{Expert, Recorder, add, mul, random, run, task};
use grokrun_api::{Numbers, SnapshotData};

use grokrun_measures::testing::{GroupExpert, group};

use super::*;

const P: usize = 23;

/// With a history of `epochs` at which nothing happens.
fn dated(mut data: SnapshotData) -> SnapshotData {
    let epochs = data.epoch as usize;
    for name in ["train_loss", "test_loss", "train_accuracy", "test_accuracy"] {
        let numbers = Numbers::F64(vec![3.0; epochs]);
        data.add(format!("history.{name}"), &[epochs], numbers);
    }
    data
}

fn analyse(config: Config, task: &Task, snapshots: Vec<SnapshotData>) -> Recorder {
    let mut analysis = ProgressMeasures::new(config, task).unwrap();
    let snapshots: Vec<SnapshotData> = snapshots.into_iter().map(dated).collect();
    run(&mut analysis, &snapshots).unwrap()
}

fn given(frequencies: &[usize]) -> Config {
    Config {
        frequencies: frequencies.to_vec(),
        ..Config::default()
    }
}

/// The loss of logits Σ_k 16 cos(2πk c/n) over a group of n, the label at c = 0, and `other`
/// classes outside it whose logit is 0: those of the expert.
fn closed_form(frequencies: &[usize], n: usize, other: usize) -> f64 {
    let logit = |c: usize| -> f64 {
        let wave = |k: &usize| 16.0 * (TAU * (k * c) as f64 / n as f64).cos();
        frequencies.iter().map(wave).sum()
    };
    let own = logit(0);
    let others: f64 = (1..n).map(|c| (logit(c) - own).exp()).sum();
    (others + other as f64 * (-own).exp()).ln_1p()
}

fn close(found: &Recorder, series: &str, want: f64) {
    let got = found.last(series).unwrap();
    let off = (got - want).abs();
    assert!(off <= 1e-3 * want.abs() + 1e-9, "{series}: {got} {want}");
}

#[test]
fn an_expert_has_the_measures_of_its_cubes() {
    for (task, expert, n) in [
        (add(P), Expert::additive(P, &[2, 5, 9]), 23),
        (mul(P), Expert::multiplicative(P, 5, &[2, 5, 9]), 22),
    ] {
        let outside = P - n;
        let found = analyse(Config::default(), &task, vec![expert.snapshot(&task, 0)]);
        let loss = closed_form(&[2, 5, 9], n, outside);
        for series in [
            "trig loss",
            "trig loss, train",
            "restricted loss",
            "cube loss",
            "train loss, block",
            "test loss, block",
        ] {
            close(&found, series, loss);
        }
        close(&found, "test loss / trig loss", 1.0);
        // Nothing is left: a guess among 23 classes.
        close(&found, "excluded loss", 23f64.ln());
        close(&found, "excluded loss, neurons", 23f64.ln());
        close(&found, "trig ratio, logits", 1.0);
        // 2 cos x cos y = cos(x − y) + cos(x + y): half of a neuron's variance.
        close(&found, "trig ratio, pre", 0.5);
        close(&found, "trig ratio, post", 0.5);
        close(&found, "cubes explained", 1.0);
        close(&found, "logits explained", 1.0);
        assert!(found.last("cube residual").unwrap() < 1e-3);
        // Three equal norms of 11.
        close(&found, "gini, W_L", 1.0 - 3.0 / 11.0);
        close(&found, "key frequencies", 3.0);

        let (shape, without) = found.tensor("excluded-loss").unwrap();
        let (_, cosines) = found.tensor("cube-cosines").unwrap();
        assert_eq!(shape, [11]);
        for k in 1..=11 {
            let rest: Vec<usize> = [2, 5, 9].into_iter().filter(|q| *q != k).collect();
            let want = closed_form(&rest, n, outside);
            let got = f64::from(without[k - 1]);
            assert!((got / want - 1.0).abs() < 1e-3, "{k} {got} {want}");
            let want = if rest.len() == 2 {
                1.0 / 3f32.sqrt()
            } else {
                0.0
            };
            assert!(
                (cosines[k - 1] - want).abs() < 1e-4,
                "{k} {}",
                cosines[k - 1]
            );
        }
    }
}

#[test]
fn pairs_with_a_zero_are_apart() {
    let task = mul(P);
    let expert = Expert::multiplicative(P, 5, &[2, 5, 9]);
    // The expert gives all classes the same logit there: 0 gets one more.
    let mut data = expert.snapshot(&task, 0);
    let mut logits = data.show(&grokrun_api::Needs::all(), |snapshot| {
        snapshot.logits().unwrap().data().to_vec()
    });
    for pair in (0..P * P).filter(|pair| pair / P == 0 || pair % P == 0) {
        logits[pair * P] += 1.0;
    }
    data.replace("logits", Numbers::F32(logits));
    let found = analyse(Config::default(), &task, vec![data]);
    let outside = (22.0 * (-1f64).exp()).ln_1p();
    close(&found, "loss, outside", outside);
    close(&found, "train loss, outside", outside);
    close(&found, "accuracy, outside", 1.0);
    close(&found, "accuracy, block", 1.0);
    let inside = closed_form(&[2, 5, 9], 22, 1);
    close(&found, "loss", (inside * 484.0 + outside * 45.0) / 529.0);
    let notes = found.notes().join("\n");
    assert!(
        notes.contains("484 pairs") && notes.contains("other 45 pairs"),
        "{notes}"
    );
    // Addition has no such pairs.
    let task = add(P);
    let expert = Expert::additive(P, &[2]);
    let found = analyse(Config::default(), &task, vec![expert.snapshot(&task, 0)]);
    assert_eq!(found.last("loss, outside"), None);
}

#[test]
fn squared_weights_are_summed_by_parameter() {
    let task = add(P);
    let mut data = random(&task, 0, 3);
    let numbers = vec![0.5; 24 * 32];
    data.replace("weight.embed.W_E", Numbers::F32(numbers));
    data.replace("weight.blocks.0.mlp.b_in", Numbers::F32(vec![0.0; 96]));
    let mut total = 0.0;
    data.show(
        &grokrun_api::Needs::parse(["weight.*"]).unwrap(),
        |snapshot| {
            for view in snapshot.views() {
                if let grokrun_api::NumbersRef::F32(data) = view.data {
                    total += data.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>();
                }
            }
        },
    );
    let found = analyse(Config::default(), &task, vec![data]);
    close(&found, "squared weights, W_E", 0.25 * 24.0 * 32.0);
    close(&found, "squared weights", total);
    assert_eq!(found.last("squared weights, b_in"), None);
}

#[test]
fn noise_has_nothing_on_the_directions() {
    let task = add(P);
    let found = analyse(given(&[2, 5, 9]), &task, vec![random(&task, 0, 3)]);
    // Six directions of the 528 that vary.
    for part in ["pre", "post", "logits"] {
        let ratio = found.last(&format!("trig ratio, {part}")).unwrap();
        assert!((ratio - 6.0 / 528.0).abs() < 0.006, "{part} {ratio}");
    }
    assert!(found.last("cubes explained").unwrap() < 0.01);
    assert!(found.last("cube residual").unwrap() > 0.99);
    assert!(found.last("gini, W_E").unwrap() < 0.15);
    let (train, excluded) = (found.last("train loss, block"), found.last("excluded loss"));
    assert!((excluded.unwrap() / train.unwrap() - 1.0).abs() < 0.05);
    // The mean logits know nothing of the label.
    let trig = found.last("trig loss").unwrap();
    assert!((trig / 23f64.ln() - 1.0).abs() < 0.05, "{trig}");
}

#[test]
fn frozen_keys_are_those_of_the_last_checkpoint_at_all_of_them() {
    let task = mul(P);
    let expert = Expert::multiplicative(P, 5, &[2, 5, 9]);
    let snapshots = || {
        let mut all: Vec<SnapshotData> = (0..9).map(|i| random(&task, 100 * i, 5 + i)).collect();
        all.push(expert.snapshot(&task, 900));
        all
    };
    let few = Config {
        checkpoints: 3,
        ..Config::default()
    };
    let frozen = analyse(few, &task, snapshots());
    let named = analyse(given(&[9, 2, 5, 2]), &task, snapshots());
    assert!(named.table("frozen").is_none());
    let rows = frozen.table("frozen").unwrap();
    assert_eq!(rows.len(), 10);
    let mut measured = Vec::new();
    for (i, row) in rows.iter().enumerate() {
        assert_eq!(row["epoch"], 100 * i as u64);
        for (name, value) in row.iter().filter(|(name, _)| *name != "epoch") {
            let want = named.series(name)[i];
            match value.as_f64() {
                // The same numbers, not merely close ones.
                Some(value) => assert_eq!(value, want, "{name} {i}"),
                None => assert!(name.starts_with("excluded"), "{name} {i}"),
            }
        }
        if !row["excluded loss"].is_null() {
            measured.push(i);
        }
    }
    assert_eq!(measured, [0, 4, 8, 9]);
    // What is let go of is let go of on the disk too.
    let waiting: Vec<&str> = frozen.kept.keys().map(String::as_str).collect();
    assert_eq!(waiting.len(), 2 * 10 + 4, "{waiting:?}");
    assert!(waiting.contains(&"train pairs 800") && !waiting.contains(&"train pairs 700"));
    // The series have each checkpoint's own: noise has all of them.
    assert_eq!(frozen.series("key frequencies")[..2], [11.0, 11.0]);
    assert_ne!(frozen.series("trig loss")[0], named.series("trig loss")[0]);
}

#[test]
fn keys_of_each_checkpoint_keep_nothing() {
    let task = add(P);
    let config = Config {
        keys: "each".to_owned(),
        rule: "W_E".to_owned(),
        ..Config::default()
    };
    let expert = Expert::additive(P, &[3, 7]);
    let snapshots = vec![random(&task, 0, 1), expert.snapshot(&task, 100)];
    let found = analyse(config, &task, snapshots);
    assert!(found.table("frozen").is_none());
    assert_eq!(found.series("key frequencies"), [11.0, 2.0]);
    let keys = found.table("key-frequencies").unwrap();
    assert_eq!(
        (&keys[0]["frequency"], &keys[1]["frequency"]),
        (&json!(3), &json!(7))
    );
    let notes = found.notes().join("\n");
    assert!(
        notes.contains("at each checkpoint, by a norm in W_E"),
        "{notes}"
    );
}

#[test]
fn phases_are_a_table_of_four_columns_and_notes() {
    let task = add(P);
    let mut data = Expert::additive(P, &[2]).snapshot(&task, 2000);
    // Memorised at 200, test loss largest at 501, an eighth of it at 1001, as low as train at 1501.
    let loss = |e: usize| match e {
        0..500 => 3.0,
        500 => 8.0,
        501..1000 => 4.0,
        1000..1500 => 0.9,
        _ => 1e-4,
    };
    let columns: [(&str, Vec<f64>); 4] = [
        ("train_loss", vec![1e-4; 2000]),
        ("test_loss", (0..2000).map(loss).collect()),
        (
            "train_accuracy",
            (0..2000).map(|e| f64::from(u8::from(e >= 200))).collect(),
        ),
        ("test_accuracy", vec![0.0; 2000]),
    ];
    for (name, numbers) in columns {
        data.add(format!("history.{name}"), &[2000], Numbers::F64(numbers));
    }
    let mut analysis = ProgressMeasures::new(Config::default(), &task).unwrap();
    let found = run(&mut analysis, &[data]).unwrap();
    let rows = found.table("phases").unwrap();
    let ends: Vec<_> = rows
        .iter()
        .map(|row| {
            (
                row["phase"].as_str().unwrap(),
                row["from"].as_u64(),
                row["to"].as_u64(),
            )
        })
        .collect();
    assert_eq!(
        ends,
        [
            ("memorisation", Some(0), Some(501)),
            ("circuit formation", Some(501), Some(1001)),
            ("cleanup", Some(1001), Some(1501)),
            ("stable", Some(1501), None),
        ]
    );
    let columns: Vec<&str> = rows[0].keys().map(String::as_str).collect();
    assert_eq!(columns, ["from", "phase", "rule", "to"]);
    assert!(found.notes()[0].contains("an eighth") || found.notes()[0].contains("0.125"));
    for figure in [
        "losses",
        "excluded-by-frequency",
        "cubes",
        "ratios",
        "trig-ratio",
        "squared-weights",
        "gini",
    ] {
        let drawn = found.figure(figure).unwrap();
        assert_eq!(
            drawn["layout"]["xaxis"]["title"]["text"], "epoch",
            "{figure}"
        );
    }
}

mod odd;

/// The loss of logits Σ_k 4 χ_k(g) with the neutral element right, from characters of S4 by the
/// number of fixed points and the parity.
fn loss_of_characters(characters: &[fn(f64, f64) -> f64]) -> f64 {
    // Elements by class: how many, fixed points, parity.
    let classes = [
        (1.0, 4.0, 1.0),
        (6.0, 2.0, -1.0),
        (3.0, 0.0, 1.0),
        (8.0, 1.0, 1.0),
        (6.0, 0.0, -1.0),
    ];
    let logit = |fixed: f64, parity: f64| -> f64 {
        characters.iter().map(|chi| 4.0 * chi(fixed, parity)).sum()
    };
    let own = logit(4.0, 1.0);
    let others = classes[1..]
        .iter()
        .map(|(count, fixed, parity)| count * (logit(*fixed, *parity) - own).exp());
    others.sum::<f64>().ln_1p()
}

#[test]
fn a_groups_expert_has_the_measures_of_its_characters() {
    let sign: fn(f64, f64) -> f64 = |_, parity| parity;
    let standard: fn(f64, f64) -> f64 = |fixed, _| fixed - 1.0;
    let expert = GroupExpert::new(&[1, 3]);
    let task = expert.task("S4");
    let found = analyse(Config::default(), &task, vec![expert.snapshot(&task, 0)]);
    let loss = loss_of_characters(&[sign, standard]);
    for series in [
        "trig loss",
        "trig loss, train",
        "restricted loss",
        "cube loss",
    ] {
        close(&found, series, loss);
    }
    close(&found, "excluded loss", 24f64.ln());
    close(&found, "excluded loss, neurons", 24f64.ln());
    close(&found, "trig ratio, logits", 1.0);
    // By Schur's lemma a third of the variance of ρ_jm(a) ρ_ms(b) is a function of ab; all of the
    // sign's one neuron is.
    close(&found, "trig ratio, post", (27.0 / 3.0 + 1.0) / 28.0);
    assert!(found.last("cube residual").unwrap() < 1e-3);
    close(&found, "character cosine, standard", 0.5f64.sqrt());
    assert!(found.last("character cosine, 2d").unwrap().abs() < 1e-6);
    let cosines = found.tensor("cube-cosines").unwrap().1;
    // ‖χ_ρ(a b c⁻¹)‖² is the same for each of them.
    for (component, cosine) in (1..).zip(cosines) {
        let want = if [1, 3].contains(&component) {
            0.5f64.sqrt()
        } else {
            0.0
        };
        assert!(
            (f64::from(*cosine) - want).abs() < 1e-3,
            "{component}: {cosine}"
        );
    }
    let without = found.tensor("excluded-loss").unwrap().1;
    let left = loss_of_characters(&[standard]);
    assert!(
        (f64::from(without[0]) / left - 1.0).abs() < 1e-3,
        "{} {left}",
        without[0]
    );
    let keys = found.table("key-frequencies").unwrap();
    assert_eq!(
        (keys[0]["frequency"].as_str(), keys[1]["frequency"].as_str()),
        (Some("sign"), Some("standard"))
    );
    assert!(
        found
            .notes()
            .iter()
            .any(|note| note.contains("sign, standard"))
    );
}

#[test]
fn noise_on_a_group_has_no_cube() {
    let task = group("S4");
    let found = analyse(Config::default(), &task, vec![random(&task, 0, 3)]);
    for cosine in found.tensor("cube-cosines").unwrap().1 {
        assert!(cosine.abs() < 0.05, "{cosine}");
    }
    assert!(found.last("cube residual").unwrap() > 0.99);
}
