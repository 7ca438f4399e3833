//! The course's published numbers, planted polynomials and waves with the exact answer, and noise.

use std::f64::consts::TAU;

use grokrun_api::testing::{Expert, Recorder, random, run, task};
use grokrun_api::{Numbers, SnapshotData};
use grokrun_measures::{Rows, Shift};

use super::textbook::Textbook;
use grokrun_basis::Basis;

use super::*;

fn analyse(config: Config, task: &Task, snapshots: &[SnapshotData]) -> Recorder {
    let mut analysis = QuadraticFit::new(config, task).unwrap();
    run(&mut analysis, snapshots).unwrap()
}

fn add() -> Task {
    task("add", 23, |a, b| Some((a + b) % 23))
}

/// Makes a noisy model with these inputs and outputs of the neurons, from the angles of frequency 1
/// of a and of b, and the neuron's number.
fn planted(
    task: &Task,
    pre: impl Fn(f64, f64, usize) -> f64,
    post: impl Fn(f64, f64, usize) -> f64,
) -> SnapshotData {
    let mut data = random(task, 0, 5);
    let table = |f: &dyn Fn(f64, f64, usize) -> f64| {
        let value = |i: usize| {
            let (pair, neuron) = (i / 96, i % 96);
            let angle = |x: usize| TAU * x as f64 / 23.0;
            f(angle(pair / 23), angle(pair % 23), neuron) as f32
        };
        Numbers::F32((0..23 * 23 * 96).map(value).collect())
    };
    data.replace("blocks.0.mlp.hook_pre", table(&pre));
    data.replace("blocks.0.mlp.hook_post", table(&post));
    data
}

fn close(found: &Recorder, name: &str, want: f64, within: f64) {
    let got = found.last(name).unwrap();
    assert!((got - want).abs() <= within, "{name}: {got}, not {want}");
}

#[test]
fn the_courses_numbers_are_the_published_ones() {
    let textbook = Textbook::new(&Basis::additive(113), 42, 0.5).unwrap();
    for (got, want) in [
        (textbook.constant, 9.190),
        (textbook.cos_a, 6.807),
        (textbook.cos_b, 6.807),
        (textbook.product, 3.566),
        (textbook.r2, 0.966),
        (textbook.linear, 0.849),
    ] {
        assert!((got - want).abs() < 6e-4, "{got} {want}");
    }
    // No frequency differs from another where the modulus is prime; low orders do.
    let other = Textbook::new(&Basis::additive(113), 3, 0.5).unwrap();
    assert!((other.r2 - textbook.r2).abs() < 1e-12);
    let characters = Basis::multiplicative(113).unwrap();
    let low = Textbook::new(&characters, 28, 0.5).unwrap();
    assert!((low.r2 - textbook.r2).abs() > 1e-3, "order 4: {}", low.r2);
    assert!(Textbook::new(&characters, 57, 0.5).is_none());
    // ReLU of what is never below 0 is no ReLU: nothing is left for the product.
    let straight = Textbook::new(&Basis::additive(23), 4, 10.0).unwrap();
    assert!((straight.linear - 1.0).abs() < 1e-12 && straight.product.abs() < 1e-12);
}

/// Polynomials of frequency 4: all of them is explained, and replacing them changes nothing.
#[test]
fn planted_polynomials_are_their_own_fit() {
    let task = add();
    let waves = |a: f64, b: f64, j: usize| {
        let phase = j as f64 * 0.3;
        0.25 + 1.5 * (4.0 * a + phase).cos() + 0.5 * (4.0 * b - phase).cos()
    };
    let data = planted(&task, waves, |a, b, j| {
        let phase = j as f64 * 0.3;
        3.0 + waves(a, b, j) + (4.0 * a + phase).cos() * (4.0 * b - phase).sin()
    });
    let found = analyse(Config::default(), &task, &[data]);
    close(&found, "r2", 1.0, 1e-5);
    // Energies 1.5² and 0.5² over 2, and a quarter for the product.
    close(&found, "r2 without quadratic", 1.25 / 1.5, 1e-5);
    close(&found, "input in waves", 1.0, 1e-5);
    close(&found, "neurons explained", 96.0, 0.0);
    let loss = found.last("loss").unwrap();
    close(&found, "loss of polynomials", loss, 1e-3 * loss);
    close(&found, "loss of explained polynomials", loss, 1e-3 * loss);
    let (shape, amplitudes) = found.tensor("amplitudes").unwrap();
    assert_eq!(shape, [96, 3]);
    for own in amplitudes.chunks_exact(3) {
        for (got, want) in own.iter().zip([0.25, 1.5, 0.5]) {
            assert!((got - want).abs() < 1e-4, "{own:?}");
        }
    }
    let rows = found.table("frequencies").unwrap();
    assert_eq!((rows.len(), &rows[0]["frequency"]), (1, &json!(4)));
    for figure in ["r2", "explained", "losses", "neurons"] {
        assert!(found.figure(figure).is_some(), "{figure}");
    }
}

/// Neurons that are the course's: ReLU of the two cosines, whatever the frequency; the regression
/// on nine terms is that on four, as the function is even.
#[test]
fn neurons_of_two_cosines_are_the_courses() {
    let task = add();
    let scale = (2.0f64 / 23.0).sqrt();
    let waves = |a: f64, b: f64, j: usize| {
        let k = [2.0, 5.0, 9.0][j % 3];
        0.5 / 23f64.sqrt() + scale * ((k * a).cos() + (k * b).cos())
    };
    let data = planted(&task, waves, |a, b, j| waves(a, b, j).max(0.0));
    let found = analyse(Config::default(), &task, &[data]);
    let textbook = Textbook::new(&Basis::additive(23), 5, 0.5).unwrap();
    for (name, want) in [
        ("r2", textbook.r2),
        ("r2 without quadratic", textbook.linear),
        ("r2 of waves", textbook.r2),
        ("r2 of waves without quadratic", textbook.linear),
        ("input in waves", 1.0),
    ] {
        close(&found, name, want, 1e-5);
    }
    let rows = found.table("course").unwrap();
    assert_eq!(rows.len(), 3);
    assert_eq!(rows[1]["cos a cos b"], json!(textbook.product));
}

/// Half of the neurons are polynomials and half have a part beyond: the logits without it, made by
/// hand, have the loss of polynomials.
#[test]
fn what_is_beyond_the_polynomial_is_taken_from_the_logits() {
    let task = add();
    let beyond = |a: f64, j: usize| {
        if j.is_multiple_of(2) {
            0.5 * (7.0 * a).cos()
        } else {
            0.0
        }
    };
    let polynomial = |a: f64, b: f64| (3.0 * a).cos() * (3.0 * b).cos() + (3.0 * b).sin();
    let data = planted(
        &task,
        |a, b, _| polynomial(a, b),
        |a, b, j| polynomial(a, b) + beyond(a, j),
    );
    let by_hand = data.show(&grokrun_api::Needs::all(), |snapshot| {
        let w_l = neuron_logit_map(snapshot, 23).unwrap();
        let mut logits = snapshot.logits().unwrap().data().to_vec();
        for (pair, row) in logits.chunks_exact_mut(23).enumerate() {
            for (neuron, weights) in w_l.chunks_exact(23).enumerate() {
                let extra = beyond(TAU * (pair / 23) as f64 / 23.0, neuron) as f32;
                row.iter_mut()
                    .zip(weights)
                    .for_each(|(l, w)| *l -= extra * w);
            }
        }
        Rows::all(&task).score(&logits, &Shift::none(23)).loss
    });
    // 0.75 of energy, and 0.125 beyond.
    let config = |threshold: f64| Config {
        threshold,
        ..Config::default()
    };
    let found = analyse(config(0.9), &task, std::slice::from_ref(&data));
    close(&found, "r2", (1.0 + 0.75 / 0.875) / 2.0, 1e-5);
    close(&found, "neurons explained", 48.0, 0.0);
    let loss = found.last("loss").unwrap();
    assert!((by_hand - loss).abs() > 0.1, "it matters: {by_hand} {loss}");
    close(&found, "loss of polynomials", by_hand, 1e-4 * by_hand);
    close(&found, "loss of explained polynomials", loss, 1e-4 * loss);
    let all = analyse(config(0.8), &task, &[data]);
    close(
        &all,
        "loss of explained polynomials",
        by_hand,
        1e-4 * by_hand,
    );
}

/// The multiplicative expert's neurons are products of its waves: no wave alone, all explained.
#[test]
fn multiplication_is_fitted_in_its_characters() {
    let task = task("mul", 23, |a, b| Some(a * b % 23));
    let expert = Expert::multiplicative(23, 5, &[2, 5, 9]);
    let found = analyse(Config::default(), &task, &[expert.snapshot(&task, 0)]);
    close(&found, "r2", 1.0, 1e-5);
    close(&found, "r2 without quadratic", 0.0, 1e-5);
    let loss = found.last("loss").unwrap();
    close(&found, "loss of polynomials", loss, 1e-3 * loss);
    assert!(found.notes()[1].contains("484 of the 529"));
    let config = Config {
        basis: "additive".to_owned(),
        ..Config::default()
    };
    let wrong = analyse(config, &task, &[expert.snapshot(&task, 0)]);
    assert!(wrong.last("r2").unwrap() < 0.5);
    close(&wrong, "neurons explained", 0.0, 0.0);
}

#[test]
fn noise_is_no_polynomial() {
    let task = add();
    let found = analyse(Config::default(), &task, &[random(&task, 0, 5)]);
    assert!(found.last("r2").unwrap() < 0.1);
    assert!(found.last("input in waves").unwrap() < 0.1);
    close(&found, "neurons explained", 0.0, 0.0);
    let loss = found.last("loss").unwrap();
    close(&found, "loss of explained polynomials", loss, 0.0);
    assert!((found.last("loss of polynomials").unwrap() - loss).abs() > 0.1);
    assert!(found.notes().iter().any(|note| note.contains("control")));
}

#[test]
fn constant_neurons_stay_as_they_are() {
    let task = add();
    let data = planted(&task, |_, _, _| -1.0, |_, _, j| j as f64);
    let found = analyse(Config::default(), &task, &[data]);
    close(&found, "constant neurons", 96.0, 0.0);
    assert!(found.last("r2").unwrap().is_nan());
    close(
        &found,
        "loss of polynomials",
        found.last("loss").unwrap(),
        0.0,
    );
}

#[test]
fn operations_without_angles_are_left_alone() {
    let task = task("square-sum", 13, |a, b| Some((a * a + b * b) % 13));
    let found = analyse(Config::default(), &task, &[random(&task, 0, 5)]);
    assert!(found.last("r2").is_none());
    assert!(found.notes()[0].contains("no angle"));
}

#[test]
fn what_is_not_finite_is_no_number() {
    let task = add();
    let data = planted(
        &task,
        |_, _, _| f64::NAN,
        |a, _, _| if a > 1.0 { f64::NAN } else { a },
    );
    let found = analyse(Config::default(), &task, &[data]);
    close(&found, "constant neurons", 96.0, 0.0);
    assert!(found.last("r2").unwrap().is_nan());
}

#[test]
fn parameters_are_judged() {
    let base = Config::default;
    for (config, name) in [
        (
            Config {
                threshold: 0.0,
                ..base()
            },
            "threshold",
        ),
        (
            Config {
                offset: f64::NAN,
                ..base()
            },
            "offset",
        ),
        (
            Config {
                basis: "cosines".to_owned(),
                ..base()
            },
            "basis",
        ),
    ] {
        let error = QuadraticFit::check(&config).unwrap_err().to_string();
        assert!(error.contains(name), "{error}");
    }
}
