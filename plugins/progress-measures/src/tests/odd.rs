//! Operations with other groups or none, models that have diverged, wrong parameters.

use super::*;

/// Logits 10 cos w_4(f − c) of any operation, and neurons that are zero.
fn waves(task: &Task) -> SnapshotData {
    let p = task.modulus;
    let mut data = random(task, 0, 5);
    let logit = |i: usize| {
        let label = task.labels[i / p].map_or(0.0, f64::from);
        (10.0 * (TAU * 4.0 * (label - (i % p) as f64) / p as f64).cos()) as f32
    };
    data.replace("logits", Numbers::F32((0..p * p * p).map(logit).collect()));
    data.replace(
        "blocks.0.mlp.hook_post",
        Numbers::F32(vec![0.0; p * p * task.model.d_mlp]),
    );
    data
}

#[test]
fn operations_with_other_groups_or_none_are_measured_by_their_label() {
    let subtract = task("sub", P, |a, b| Some((a + 23 - b) % 23));
    let found = analyse(given(&[4]), &subtract, vec![waves(&subtract)]);
    close(&found, "trig loss", found.last("loss").unwrap());
    close(&found, "excluded loss", 23f64.ln());
    close(&found, "cubes explained", 1.0);
    // Dead neurons have no share of anything.
    assert!(found.last("trig ratio, post").unwrap().is_nan());

    // The directions of a² + b² are cos and sin of the label made orthonormal: all of them together
    // hold every function of the label.
    let squares = task("a^2 + b^2", P, |a, b| Some((a * a + b * b) % 23));
    let all: Vec<usize> = (1..=11).collect();
    let found = analyse(given(&all), &squares, vec![waves(&squares)]);
    close(&found, "trig loss", found.last("loss").unwrap());
    close(&found, "logits explained", 1.0);
    // One label is as often as no other, so that the mean logits are not quite flat.
    let excluded = found.last("excluded loss").unwrap();
    assert!((excluded / 23f64.ln() - 1.0).abs() < 0.05, "{excluded}");

    let divide = task("div", P, |a, b| {
        (b != 0).then(|| (0..23).find(|q| q * b % 23 == a).unwrap())
    });
    let expert = Expert::multiplicative(P, 5, &[4]);
    let found = analyse(
        Config::default(),
        &divide,
        vec![expert.snapshot(&divide, 0)],
    );
    // a = 0 has a label and no angle.
    let notes = found.notes().join("\n");
    assert!(
        notes.contains("484 pairs") && notes.contains("other 22 pairs"),
        "{notes}"
    );
    // The expert multiplies: what it knows of a b says nothing of a / b.
    assert!(found.last("trig ratio, logits").unwrap() < 0.01);
}

#[test]
fn what_has_no_directions_says_so_and_small_tasks_work() {
    let constant = task("0*a", 5, |_, _| Some(3));
    let found = analyse(Config::default(), &constant, vec![random(&constant, 0, 1)]);
    assert!(
        found
            .notes()
            .iter()
            .any(|note| note.contains("no directions"))
    );
    assert_eq!(found.last("trig ratio, logits"), Some(0.0));
    let undefined = task("none", 5, |_, _| None);
    let found = analyse(
        Config::default(),
        &undefined,
        vec![random(&undefined, 0, 1)],
    );
    assert!(found.last("trig loss").unwrap().is_nan());
    for p in [2, 3, 4] {
        let small = task("mul", p, |a, b| Some(a * b % p as u32));
        let found = analyse(Config::default(), &small, vec![random(&small, 0, 1)]);
        assert!(found.last("trig loss").unwrap() >= 0.0, "{p}");
    }
}

#[test]
fn too_many_key_frequencies_are_remarked_on() {
    let task = add(P);
    let expert = Expert::additive(P, &[2, 5, 9]);
    for (data, many) in [
        (random(&task, 0, 3), true),
        (expert.snapshot(&task, 0), false),
    ] {
        let found = analyse(Config::default(), &task, vec![data]);
        let remarked = |note: &&str| note.contains("11 of 11 frequencies are key");
        assert_eq!(found.notes().iter().any(remarked), many);
    }
}

#[test]
fn a_model_that_has_diverged_is_not_hidden() {
    let task = add(P);
    let mut data = random(&task, 0, 1);
    data.replace("logits", Numbers::F32(vec![f32::NAN; P * P * P]));
    let found = analyse(given(&[2]), &task, vec![data]);
    for series in [
        "loss",
        "trig loss",
        "excluded loss",
        "cube residual",
        "trig ratio, logits",
    ] {
        assert!(found.last(series).unwrap().is_nan(), "{series}");
    }
}

#[test]
fn parameters_are_judged() {
    let base = Config::default;
    let cases: [(&str, Config); 9] = [
        (
            "basis",
            Config {
                basis: "x".to_owned(),
                ..base()
            },
        ),
        (
            "keys",
            Config {
                keys: "x".to_owned(),
                ..base()
            },
        ),
        (
            "rule",
            Config {
                rule: "x".to_owned(),
                ..base()
            },
        ),
        ("frequencies", given(&[1, 0])),
        (
            "checkpoints",
            Config {
                checkpoints: 0,
                ..base()
            },
        ),
        (
            "memorised",
            Config {
                memorised: f64::NAN,
                ..base()
            },
        ),
        (
            "cleanup",
            Config {
                cleanup: 0.0,
                ..base()
            },
        ),
        (
            "stable",
            Config {
                stable: 0.5,
                ..base()
            },
        ),
        ("hold", Config { hold: 0, ..base() }),
    ];
    assert_eq!(ProgressMeasures::check(&base()), Ok(()));
    for (parameter, config) in cases {
        let error = ProgressMeasures::check(&config).unwrap_err().to_string();
        assert!(error.contains(parameter), "{error}");
    }
    let error = ProgressMeasures::new(given(&[12]), &add(P)).err().unwrap();
    assert!(error.to_string().contains("at most 11"), "{error}");
}
