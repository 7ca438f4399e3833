//! Planted phases, noise, and operations without angles.

use std::f64::consts::{FRAC_PI_2, TAU};

use grokrun_api::testing::{Recorder, analyse, random, task};
use grokrun_api::{Numbers, SnapshotData};

use super::*;

const P: usize = 23;

fn of(f: fn(u32, u32) -> u32) -> Task {
    task("f", P, move |a, b| Some(f(a, b) % P as u32))
}

/// Neurons cos(kθ(a) + φ) + cos(kθ(b) + φ'), with rows of W_L cos(kθ(c) + ψ) through W_U = 1.
fn planted(task: &mut Task, psi: impl Fn(f64, f64) -> f64) -> SnapshotData {
    let d = 24;
    task.model.d_mlp = d;
    let neuron = |j: usize| (2 + 3 * (j % 3), 0.7 * j as f64, 1.1 * j as f64 + 0.4);
    let wave = |k: usize, x: usize, phase: f64| (TAU * (k * x) as f64 / P as f64 + phase).cos();
    let pre = (0..P * P * d).map(|i| {
        let (k, one, two) = neuron(i % d);
        (wave(k, i / d / P, one) + wave(k, i / d % P, two)) as f32
    });
    let w_out = (0..d * P).map(|i| {
        let (k, one, two) = neuron(i / P);
        wave(k, i % P, psi(one, two)) as f32
    });
    let identity = (0..P * P).map(|i| f32::from(u8::from(i / P == i % P)));
    let mut data = SnapshotData::new(0);
    data.add(
        "blocks.0.mlp.hook_pre",
        &[P * P, d],
        Numbers::F32(pre.collect()),
    );
    data.add(
        "weight.blocks.0.mlp.W_out",
        &[d, P],
        Numbers::F32(w_out.collect()),
    );
    data.add(
        "weight.unembed.W_U",
        &[P, P],
        Numbers::F32(identity.collect()),
    );
    data
}

fn found(mut task: Task, psi: impl Fn(f64, f64) -> f64) -> Recorder {
    let data = planted(&mut task, psi);
    analyse::<PhaseRelation>(Config::default(), &task, &[data])
}

#[test]
fn the_sum_of_the_phases_is_found_whatever_the_signs() {
    let minus = TAU * 4.0 / P as f64;
    for sign in [1.0, -1.0] {
        let task = if sign > 0.0 {
            of(|a, b| a + b)
        } else {
            of(|a, b| a + 23 - b)
        };
        let found = found(task, |x, y| x + sign * y);
        assert_eq!(found.last("neurons"), Some(24.0));
        assert!(
            found.last("deviation").unwrap() < 1e-5,
            "{:?}",
            found.last("deviation")
        );
        assert!(found.last("resultant").unwrap() > 1.0 - 1e-9);
        assert_eq!(found.last("frequencies agree"), Some(1.0));
        let rows = found.table("frequencies").unwrap();
        let of = |row: usize| {
            (
                rows[row]["frequency"].as_u64(),
                rows[row]["neurons"].as_u64(),
            )
        };
        assert_eq!([of(0), of(1), of(2)], [2, 5, 8].map(|k| (Some(k), Some(8))));
    }
    // A constant of the operation turns each frequency by its own angle.
    let mut shifted = of(|a, b| a + b + 4);
    let mut data = planted(&mut shifted, |x, y| x + y);
    let w_out = (0..24 * P).map(|i| {
        let (j, c) = (i / P, (i % P) as f64);
        let (k, one, two) = (2 + 3 * (j % 3), 0.7 * j as f64, 1.1 * j as f64 + 0.4);
        (k as f64 * (TAU * c / P as f64 - minus) + one + two).cos() as f32
    });
    data.replace("weight.blocks.0.mlp.W_out", Numbers::F32(w_out.collect()));
    let found = analyse::<PhaseRelation>(Config::default(), &shifted, &[data]);
    assert!(found.last("deviation").unwrap() < 1e-5);
}

#[test]
fn a_constant_error_of_the_phase_is_the_deviation() {
    let found = found(of(|a, b| a + b), |x, y| x + y + 0.5);
    assert!((found.last("deviation").unwrap() - 0.5).abs() < 1e-5);
    assert!(found.last("resultant").unwrap() > 1.0 - 1e-9);
    for figure in ["deviation", "phases"] {
        assert!(found.figure(figure).is_some(), "{figure}");
    }
}

#[test]
fn unrelated_phases_are_a_right_angle_off() {
    let task = of(|a, b| a + b);
    let config = Config {
        threshold: 0.0,
        ..Config::default()
    };
    let found = analyse::<PhaseRelation>(config, &task, &[random(&task, 0, 3)]);
    for series in ["deviation", "deviation, noise"] {
        let got = found.last(series).unwrap();
        // 96 neurons: a standard error of 0.09.
        assert!((got - FRAC_PI_2).abs() < 0.4, "{series}: {got}");
    }
    assert!(found.last("resultant").unwrap() < 0.35);
    assert!(found.last("frequencies agree").unwrap() < 0.4);
}

#[test]
fn operations_without_angles_say_so() {
    for task in [
        of(|a, b| a * a + b * b),
        grokrun_measures::testing::group("S3"),
    ] {
        let found = analyse::<PhaseRelation>(Config::default(), &task, &[random(&task, 0, 3)]);
        assert!(found.notes()[0].contains("no phase"), "{:?}", found.notes());
    }
    let wrong = Config {
        threshold: 1.5,
        ..Config::default()
    };
    assert!(PhaseRelation::check(&wrong).is_err());
}
