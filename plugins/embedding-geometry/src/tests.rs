//! Planted circles, planted symbols, and noise.

use grokrun_api::testing::{Expert, Recorder, add, analyse, mul, random, run, task};
use grokrun_api::{Numbers, SnapshotData};

use super::*;

/// Makes a snapshot whose W_E is `row(token, column)`; all else is noise.
fn planted(task: &Task, row: impl Fn(usize, usize) -> f64) -> SnapshotData {
    let mut data = random(task, 0, 7);
    let (p, d) = (task.modulus, task.model.d_model);
    let numbers = (0..(p + 1) * d).map(|i| {
        if i / d < p {
            row(i / d, i % d) as f32
        } else {
            0.0
        }
    });
    data.replace("weight.embed.W_E", Numbers::F32(numbers.collect()));
    data
}

/// Returns ±1 by Euler's criterion, 0 for 0.
fn symbol(a: usize, p: usize) -> f64 {
    let power = (0..(p - 1) / 2).fold(1, |power, _| power * a % p);
    match power {
        0 => 0.0,
        1 => 1.0,
        _ => -1.0,
    }
}

fn by_embedding() -> Config {
    Config {
        keys: "W_E".to_owned(),
        ..Config::default()
    }
}

#[test]
fn planted_circles_are_components_and_circles() {
    for (task, basis) in [
        (add(23), Basis::additive(23)),
        (mul(23), Basis::multiplicative(23).unwrap()),
    ] {
        // Frequency 3 is a circle of radius 2, frequency 5 an ellipse with axes 1 and 1/2.
        let data = planted(&task, |token, column| {
            let wave = |k, phase: f64| basis.angle(k, token).map_or(0.0, |x| (x - phase).cos());
            let quarter = std::f64::consts::FRAC_PI_2;
            match column {
                4 => 2.0 * wave(3, 0.0),
                9 => 2.0 * wave(3, quarter),
                10 => wave(5, 0.0),
                11 => 0.5 * wave(5, quarter),
                _ => 0.0,
            }
        });
        let found = analyse::<EmbeddingGeometry>(by_embedding(), &task, &[data]);
        let near = |got: f64, want: f64| assert!((got - want).abs() < 1e-6, "{got} {want}");
        // Variance by axis: 4, 4, 1, 1/4.
        for (i, share) in (1..).zip([4.0, 4.0, 1.0, 0.25, 0.0]) {
            let got = found.last(&format!("component {i} share")).unwrap();
            near(got, share / 9.25);
        }
        let number = 9.25f64.powi(2) / (16.0 + 16.0 + 1.0 + 1.0 / 16.0);
        near(found.last("effective components").unwrap(), number);
        let rows = found.table("components").unwrap();
        let frequencies: Vec<_> = rows.iter().take(4).map(|row| &row["frequency"]).collect();
        assert_eq!(frequencies, [3, 3, 5, 5]);
        near(rows[0]["fraction"].as_f64().unwrap(), 1.0);

        let of = |name: &str, k: usize| f64::from(found.tensor(name).unwrap().1[k - 1]);
        near(of("circle-share", 3), 8.0 / 9.25);
        near(of("circle-roundness", 3), 1.0);
        near(of("circle-roundness", 5), 0.5);
        near(of("circle-fit", 3), 1.0);
        near(of("circle-fit", 5), 1.0);
        // The rule is a quarter of the largest norm: √8 against √(5/4).
        assert_eq!(found.last("key frequencies"), Some(2.0));
        near(found.last("share in circles").unwrap(), 1.0);
        near(found.last("mean roundness").unwrap(), 0.75);
        let circles = found.table("circles").unwrap();
        assert_eq!((circles.len(), &circles[1]["frequency"]), (2, &json!(5)));

        // In the plane of frequency 3 the tokens of the group are 2 from its middle.
        let figure = &found.figure("circle-3").unwrap()["data"][0];
        let axis = |name: &str| -> Vec<f64> {
            let values = figure[name].as_array().unwrap().iter();
            values.map(|x| x.as_f64().unwrap()).collect()
        };
        let (x, y) = (axis("x"), axis("y"));
        assert_eq!(x.len(), basis.group());
        for (x, y) in x.iter().zip(&y) {
            assert!((x.hypot(*y) - 2.0).abs() < 2e-3, "{x} {y}");
        }
        let angle = basis.angle(3, basis.order()[1]).unwrap();
        assert!((x[1] - 2.0 * angle.cos()).abs() < 2e-3);
        assert!((y[1] - 2.0 * angle.sin()).abs() < 2e-3);
    }
}

#[test]
fn the_expert_is_made_of_circles() {
    for (task, expert) in [
        (add(23), Expert::additive(23, &[2, 5, 9])),
        (mul(23), Expert::multiplicative(23, 5, &[2, 5, 9])),
    ] {
        let found =
            analyse::<EmbeddingGeometry>(Config::default(), &task, &[expert.snapshot(&task, 0)]);
        for (series, want) in [
            ("key frequencies", 3.0),
            ("share in circles", 1.0),
            ("mean roundness", 1.0),
            ("mean fit", 1.0),
            ("effective components", 6.0),
        ] {
            let got = found.last(series).unwrap();
            assert!((got - want).abs() < 1e-5, "{series}: {got} {want}");
        }
        for figure in [
            "circle-2",
            "circle-9",
            "components-1-2-by-residue",
            "components-3-4-by-logarithm",
            "components-in-basis",
            "component-shares",
            "residue-probe",
        ] {
            assert!(found.figure(figure).is_some(), "{figure}");
        }
        // 0 has no logarithm.
        let by = |stem: &str| {
            let figure = found.figure(&format!("components-1-2-by-{stem}")).unwrap();
            figure["data"][0]["x"].as_array().unwrap().len()
        };
        assert_eq!((by("residue"), by("logarithm")), (23, 22));
    }
}

/// With as many dimensions as residues any labels can be separated: only what is held out tells.
#[test]
fn a_planted_symbol_is_read_where_it_was_not_fitted() {
    let p = 59;
    let task = task("mul", p, |a, b| Some(a * b % 59));
    let noise = gaussian(11, p * 32);
    let with = |signal: f64| {
        planted(&task, |token, column| {
            let own = if column == 3 {
                signal * symbol(token, p)
            } else {
                0.0
            };
            own + 0.2 * f64::from(noise[token * 32 + column])
        })
    };
    let found = analyse::<EmbeddingGeometry>(Config::default(), &task, &[with(2.0)]);
    assert_eq!(found.last("residue probe, held out"), Some(1.0));
    assert_eq!(found.last("residue probe, in sample"), Some(1.0));
    let shuffled = found.last("shuffled probe, held out").unwrap();
    assert!((0.3..0.7).contains(&shuffled), "{shuffled}");
    let found = analyse::<EmbeddingGeometry>(Config::default(), &task, &[with(0.0)]);
    let none = found.last("residue probe, held out").unwrap();
    assert!((0.25..0.75).contains(&none), "{none}");

    let mut wide = task.clone();
    wide.model.d_model = 64;
    let found = analyse::<EmbeddingGeometry>(Config::default(), &wide, &[random(&wide, 0, 3)]);
    assert_eq!(found.last("residue probe, in sample"), Some(1.0));
    assert_eq!(found.last("shuffled probe, in sample"), Some(1.0));
    let none = found.last("residue probe, held out").unwrap();
    assert!((0.25..0.75).contains(&none), "{none}");
}

#[test]
fn noise_has_neither_circles_nor_components() {
    let task = add(23);
    let found = analyse::<EmbeddingGeometry>(by_embedding(), &task, &[random(&task, 0, 5)]);
    assert!(found.last("component 1 share").unwrap() < 0.25);
    assert!(found.last("effective components").unwrap() > 10.0);
    // All frequencies are key, and the circles are no better than those of noise.
    let circles = found.table("circles").unwrap();
    assert_eq!(circles.len(), 11);
    let mean = |column: &str| -> f64 {
        let values = circles.iter().filter_map(|row| row[column].as_f64());
        values.sum::<f64>() / 11.0
    };
    let (fit, noise) = (mean("fit"), mean("fit of noise"));
    assert!(fit < 0.75 && noise < 0.75, "{fit} {noise}");
}

#[test]
fn what_has_no_meaning_is_said() {
    let composite = task("add", 24, |a, b| Some((a + b) % 24));
    let found =
        analyse::<EmbeddingGeometry>(Config::default(), &composite, &[random(&composite, 0, 5)]);
    let says = |found: &Recorder, text: &str| {
        let notes = found.notes();
        assert!(
            notes.iter().any(|note| note.contains(text)),
            "{text}: {notes:?}"
        );
    };
    says(&found, "24 is not prime");
    assert!(found.last("residue probe, held out").is_none());
    assert!(found.figure("components-1-2-by-logarithm").is_none());
    assert!(found.figure("residue-probe").is_none());

    let squares = task("square-sum", 13, |a, b| Some((a * a + b * b) % 13));
    let found =
        analyse::<EmbeddingGeometry>(Config::default(), &squares, &[random(&squares, 0, 5)]);
    says(&found, "no circles");
    assert!(found.last("mean fit").is_none() && found.table("circles").is_none());
    assert!(found.last("residue probe, held out").is_some());

    let found =
        analyse::<EmbeddingGeometry>(Config::default(), &add(23), &[random(&add(23), 0, 5)]);
    says(&found, "no part in this operation");
    let small = task("mul", 7, |a, b| Some(a * b % 7));
    let found = analyse::<EmbeddingGeometry>(Config::default(), &small, &[random(&small, 0, 5)]);
    says(&found, "too few residues");
}

#[test]
fn broken_and_empty_embeddings_do_not_break_it() {
    let task = mul(23);
    let snapshots = [
        planted(&task, |_, _| f64::NAN),
        planted(&task, |_, _| 0.0),
        planted(&task, |_, _| 1.0),
    ];
    let found = analyse::<EmbeddingGeometry>(Config::default(), &task, &snapshots);
    assert!(found.notes().iter().any(|note| note.contains("not finite")));
    assert_eq!(found.series("component 1 share"), [0.0, 0.0]);
    let probed = found.series("residue probe, held out");
    assert!(probed.iter().all(|x| x.is_nan()), "{probed:?}");
    let mut analysis = EmbeddingGeometry::new(Config::default(), &task).unwrap();
    let smaller = random(&self::task("add", 11, |a, b| Some((a + b) % 11)), 0, 1);
    assert!(run(&mut analysis, &[smaller]).is_err());
}

#[test]
fn parameters_are_judged() {
    let with = |change: fn(&mut Config)| {
        let mut config = Config::default();
        change(&mut config);
        config
    };
    for (wrong, name) in [
        (with(|c| c.components = 1), "components"),
        (with(|c| c.ridge = 0.0), "ridge"),
        (with(|c| c.shuffles = 0), "shuffles"),
        (with(|c| c.keys = "W_X".to_owned()), "keys"),
        (with(|c| c.basis = "fourier".to_owned()), "basis"),
    ] {
        let error = EmbeddingGeometry::check(&wrong).unwrap_err().to_string();
        assert!(error.contains(name), "{error}");
    }
    let off = with(|c| {
        c.probe = false;
        c.control = false;
    });
    let found = analyse::<EmbeddingGeometry>(off, &mul(23), &[random(&mul(23), 0, 1)]);
    assert!(found.table("probes").is_none() && found.table("components").is_some());
}

#[test]
fn the_smallest_moduli_do_not_break_it() {
    for p in 2..6 {
        let n = p as u32;
        for task in [
            task("add", p, |a, b| Some((a + b) % n)),
            task("mul", p, |a, b| Some(a * b % n)),
        ] {
            let found =
                analyse::<EmbeddingGeometry>(Config::default(), &task, &[random(&task, 0, 5)]);
            assert!(found.figure("component-shares").is_some(), "{}", task.cell);
        }
    }
}
