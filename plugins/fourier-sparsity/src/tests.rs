//! Planted frequencies in the right and the wrong basis, and noise.

use grokrun_api::testing::{Expert, Recorder, add, analyse, mul, random, task};

use grokrun_measures::testing::{GroupExpert, group};

use super::*;

fn rule(found: &Recorder, rule: &str) -> String {
    let rows = found.table("rules").unwrap();
    let row = rows.iter().find(|row| row["rule"] == rule).unwrap();
    row["frequencies"].as_str().unwrap().to_owned()
}

#[test]
fn planted_frequencies_are_the_keys_by_every_rule() {
    for (task, expert) in [
        (add(23), Expert::additive(23, &[2, 5, 9])),
        (mul(23), Expert::multiplicative(23, 5, &[2, 5, 9])),
    ] {
        let expert = Expert {
            noise: 0.02,
            ..expert
        };
        let found =
            analyse::<FourierSparsity>(Config::default(), &task, &[expert.snapshot(&task, 0)]);
        for name in ["max/4", "5 medians", "neurons", "W_L"] {
            assert_eq!(
                rule(&found, name),
                "2, 5, 9",
                "{name} of {}",
                task.operation
            );
        }
        let formula = found.formula().unwrap();
        assert_eq!(formula.keys, ["2", "5", "9"]);
        let (argument, period) = match task.operation.as_str() {
            "add" => ("a + b − c", 23),
            _ => ("log a + log b − log c", 22),
        };
        assert_eq!(
            (formula.argument.as_str(), formula.period),
            (argument, period)
        );
        let rooted = formula.explanation.contains("primitive root 5 modulo 23");
        assert_eq!(rooted, task.operation == "mul", "{formula:?}");
        let gini = found.last("W_E gini").unwrap();
        assert!(gini > 0.6, "{gini}");
        assert!(found.last("W_E gini, wrong basis").unwrap() < gini / 2.0);
        assert!(found.last("W_E gini, noise").unwrap() < 0.15);
        let number = found.last("W_E effective number").unwrap();
        assert!((number - 3.0).abs() < 0.2, "{number}");
        assert!(found.last("logits explained").unwrap() > 0.99);
        for figure in [
            "gini",
            "W_E-norms",
            "W_L-norms",
            "logit-shares",
            "W_E-in-basis",
        ] {
            assert!(found.figure(figure).is_some(), "{figure}");
        }
    }
}

#[test]
fn characters_carry_their_order_and_the_root_is_named() {
    let task = mul(23);
    let expert = Expert::multiplicative(23, 5, &[2, 11]);
    let found = analyse::<FourierSparsity>(Config::default(), &task, &[expert.snapshot(&task, 0)]);
    let keys = found.table("key-frequencies").unwrap();
    let order = |k: u64| keys.iter().find(|row| row["frequency"] == k).unwrap()["order"].clone();
    assert_eq!((order(2), order(11)), (json!(11), json!(2)));
    assert!(
        found.notes()[0].contains("primitive root 5"),
        "{:?}",
        found.notes()
    );
}

#[test]
fn noise_is_not_sparse() {
    let task = add(23);
    let found = analyse::<FourierSparsity>(Config::default(), &task, &[random(&task, 0, 3)]);
    for name in ["W_E gini", "W_U gini", "W_L gini"] {
        let gini = found.last(name).unwrap();
        assert!(gini < 0.15, "{name} {gini}");
    }
    assert!(found.last("logits explained").unwrap() < 0.2);
}

#[test]
fn the_wrong_basis_can_be_asked_for() {
    let task = mul(23);
    let config = Config {
        basis: "additive".to_owned(),
        wrong_basis: false,
        control: false,
    };
    let expert = Expert::multiplicative(23, 5, &[2, 5, 9]);
    let found = analyse::<FourierSparsity>(config, &task, &[expert.snapshot(&task, 0)]);
    assert!(found.last("W_E gini").unwrap() < 0.35);
    assert_eq!(found.last("W_E gini, noise"), None);
    assert!(found.notes()[0].contains("additive"));
}

#[test]
fn an_operation_without_angles_says_so() {
    let task = task("square-sum", 11, |a, b| Some((a * a + b * b) % 11));
    let found = analyse::<FourierSparsity>(Config::default(), &task, &[random(&task, 0, 3)]);
    assert!(found.notes()[0].contains("labels"), "{:?}", found.notes());
    if let Some(formula) = found.formula() {
        let words = formula.explanation.contains("f(a, b) = square-sum");
        assert!(words && formula.argument.contains("f(a, b)"), "{formula:?}");
    }
}

#[test]
fn parameters_are_judged() {
    let config = Config {
        basis: "fourier".to_owned(),
        ..Config::default()
    };
    let error = FourierSparsity::check(&config).unwrap_err().to_string();
    assert!(error.contains("basis"), "{error}");
    let composite = task("add", 12, |a, b| Some((a + b) % 12));
    let config = Config {
        basis: "multiplicative".to_owned(),
        ..Config::default()
    };
    assert!(FourierSparsity::new(config, &composite).is_err());
}

#[test]
fn a_planted_representation_is_the_key_by_every_rule() {
    for (name, components, keys) in [
        ("S4", vec![1, 3], "sign, standard"),
        ("D5", vec![2], "2d_1"),
        ("A5", vec![1], "3d_a"),
    ] {
        let expert = GroupExpert {
            noise: 0.005,
            ..GroupExpert::new(&components)
        };
        let task = expert.task(name);
        let found =
            analyse::<FourierSparsity>(Config::default(), &task, &[expert.snapshot(&task, 0)]);
        for by in ["max/4", "neurons", "W_L"] {
            assert_eq!(rule(&found, by), keys, "{by} of {name}");
        }
        assert!(found.last("logits explained").unwrap() > 0.99);
        let wrong = found.last("W_E gini, wrong basis").unwrap();
        let gini = found.last("W_E gini").unwrap();
        assert!(gini > wrong + 0.2, "{name}: {gini} {wrong}");
        let notes = found.notes();
        let basis = format!("irreducible representations of {name}");
        assert!(notes[0].contains(&basis), "{notes:?}");
        let table = found.table("key-frequencies").unwrap();
        assert_eq!(table.len(), components.len());
        assert_eq!(found.formula(), None);
        assert!(table[0]["order"].is_null() && table[0]["frequency"].is_string());
    }
}

#[test]
fn of_noise_no_representation_stands_out() {
    let task = group("S4");
    let found = analyse::<FourierSparsity>(Config::default(), &task, &[random(&task, 0, 3)]);
    // Norms grow with the degree: all but the one sign are above a quarter of the largest.
    assert!(rule(&found, "max/4").split(", ").count() >= 3);
    assert_eq!(rule(&found, "5 medians"), "");
    // A function of ab is one of 23 in 575 of a random logit.
    let explained = found.last("logits explained").unwrap();
    assert!((explained - 23.0 / 575.0).abs() < 0.01, "{explained}");
}
