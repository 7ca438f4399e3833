//! Planted maps with known spectra, and noise.

use grokrun_api::testing::{Expert, add, analyse, mul, random, run, task};
use grokrun_api::{Numbers, SnapshotData};
use grokrun_basis::Basis;

use super::*;

fn wave(basis: &Basis, k: usize, token: usize, phase: f64) -> f64 {
    basis
        .angle(k, token)
        .map_or(0.0, |angle| (angle + phase).cos())
}

/// Plants maps: head h attends to a with 1/2 + 0.3 cos(k_h θ(a)); neuron 0 is cos 2θ(a) cos 5θ(b),
/// neuron 1 cos 7θ(b) + 1, neuron 2 the product of sin 3θ(a) and cos 3θ(b), the others are 0.
fn planted(task: &Task) -> SnapshotData {
    let basis = space("auto", task).unwrap().basis().clone();
    let mut data = random(task, 0, 3);
    let mut attention = Vec::new();
    let mut post = vec![0.0f32; 529 * 96];
    for pair in 0..529 {
        let (a, b) = (pair / 23, pair % 23);
        for k in [2, 5, 9, 7] {
            let to_a = 0.5 + 0.3 * wave(&basis, k, a, 0.4);
            attention.extend([to_a as f32, (1.0 - to_a) as f32, 0.0]);
        }
        let sin = |k, token| wave(&basis, k, token, -std::f64::consts::FRAC_PI_2);
        let row = &mut post[pair * 96..];
        row[0] = (wave(&basis, 2, a, 0.0) * wave(&basis, 5, b, 0.0)) as f32;
        row[1] = (wave(&basis, 7, b, 0.0) + 1.0) as f32;
        row[2] = (sin(3, a) * wave(&basis, 3, b, 0.0)) as f32;
    }
    data.replace("blocks.0.attn.hook_pattern", Numbers::F32(attention));
    data.replace("blocks.0.mlp.hook_post", Numbers::F32(post));
    data
}

#[test]
fn planted_maps_have_their_spectra() {
    for task in [add(23), mul(23)] {
        let found = analyse::<Activations>(Config::default(), &task, &[planted(&task)]);
        let basis = space("auto", &task).unwrap().basis().clone();
        let near = |series: &str, want: f64| {
            let got = found.last(series).unwrap();
            assert!((got - want).abs() < 1e-5, "{series}: {got} {want}");
        };
        for (head, k) in [2.0, 5.0, 9.0, 7.0].into_iter().enumerate() {
            near(&format!("head {head} frequency"), k);
            for what in ["fraction", "linear", "one wave"] {
                near(&format!("head {head} {what}"), 1.0);
            }
        }
        near("neuron 0 fraction", 0.0);
        near("neuron 0 linear", 0.0);
        near("neuron 1 frequency", 7.0);
        near("neuron 1 linear", 1.0);
        near("neuron 2 frequency", 3.0);
        near("neuron 2 fraction", 1.0);
        near("neuron 2 one wave", 0.0);

        // Over the group of n: neuron 0 has n²/4, neuron 1 n²/2, neuron 2 n²/4.
        near("neurons linear", 0.5);
        near("neurons same frequency", 0.25);
        near("neurons two frequencies", 0.25);
        // Three terms of n²/4 · (1, 2, 1): (1 + 2 + 1)²/(1 + 4 + 1).
        near("neurons effective terms", 16.0 / 6.0);
        let n = basis.group() as f64;
        let (shape, mean) = found.tensor("mean-spectrum").unwrap();
        assert_eq!(shape, [23, 23]);
        let row = |name: &str| (0..23).find(|row| basis.name(*row) == name).unwrap();
        for (a, b, quarters) in [
            ("cos 2", "cos 5", 1.0),
            ("const", "cos 7", 2.0),
            ("sin 3", "cos 3", 1.0),
            ("const", "const", 0.0),
            ("cos 5", "cos 2", 0.0),
        ] {
            let want = n * n / 4.0 * quarters / 96.0;
            let got = f64::from(mean[row(a) * 23 + row(b)]);
            assert!((got - want).abs() < 1e-5, "{a} {b}: {got} {want}");
        }
        let by_frequency = found.tensor("mean-spectrum-by-frequency").unwrap().1;
        let want = n * n / 2.0 / 96.0;
        assert!((f64::from(by_frequency[6]) - want).abs() < 1e-5);
        let largest = &found.table("largest-terms").unwrap()[0];
        assert_eq!(
            (&largest["a"], &largest["b"]),
            (&json!("const"), &json!("cos 7"))
        );
        // The six functions that have something are among those with readable names.
        let figure = &found.figure("mean-spectrum-largest").unwrap()["data"][0];
        for name in ["const", "cos 2", "cos 3", "sin 3", "cos 5", "cos 7"] {
            assert!(figure["x"].as_array().unwrap().contains(&json!(name)));
        }
        let spectrum = found.tensor("neuron-0-spectrum").unwrap().1;
        let got = f64::from(spectrum[row("cos 2") * 23 + row("cos 5")]);
        assert!((got - n / 2.0).abs() < 1e-5, "{got}");
    }
}

#[test]
fn the_expert_has_products_of_a_frequency_alone() {
    for (task, expert) in [
        (add(23), Expert::additive(23, &[2, 5, 9])),
        (mul(23), Expert::multiplicative(23, 5, &[2, 5, 9])),
    ] {
        let found = analyse::<Activations>(Config::default(), &task, &[expert.snapshot(&task, 0)]);
        assert!((found.last("neurons same frequency").unwrap() - 1.0).abs() < 1e-6);
        // 2 cos(kθ(a) + φ) cos(kθ(b) + φ) has n² over the group, in a third of the neurons each.
        let n = if task.operation == "add" { 23.0 } else { 22.0 };
        let by_frequency = found.tensor("mean-spectrum-by-frequency").unwrap().1;
        for (k, got) in (1..).zip(by_frequency) {
            let want = if [2, 5, 9].contains(&k) {
                n * n / 3.0
            } else {
                0.0
            };
            assert!((f64::from(*got) - want).abs() < 1e-3, "{k}: {got} {want}");
        }
        // Attention that is 1/2 everywhere has no wave.
        assert_eq!(found.last("head 0 frequency"), Some(0.0));
        assert_eq!(found.last("head 0 one wave"), Some(0.0));
    }
}

#[test]
fn both_ways_to_a_spectrum_agree() {
    for task in [add(23), mul(23)] {
        let basis = space("auto", &task).unwrap().basis().clone();
        let table = gaussian(4, 529 * 70);
        let matrix: Vec<f32> = basis.matrix().iter().map(|x| *x as f32).collect();
        let got = mean_squared(&basis, &matrix, &table);
        let mut want = vec![0.0; 529];
        for spectrum in by_column(&basis, &table) {
            let squares = want.iter_mut().zip(spectrum);
            squares.for_each(|(w, x)| *w += x * x / 70.0);
        }
        for (got, want) in got.iter().zip(&want) {
            assert!((got - want).abs() < 1e-5 * (1.0 + want), "{got} {want}");
        }
    }
}

#[test]
fn noise_is_flat() {
    let task = add(23);
    let found = analyse::<Activations>(Config::default(), &task, &[random(&task, 0, 5)]);
    let shares = found.table("shares").unwrap();
    // Of 528 terms 44 are linear, 44 products of a frequency with itself.
    for (row, within) in [(&shares[0], 0.02), (&shares[1], 0.03)] {
        for (column, terms) in [("linear", 44.0), ("same frequency", 44.0)] {
            let got = row[column].as_f64().unwrap();
            let want = terms / 528.0;
            assert!((got - want).abs() < within, "{row:?}");
        }
        assert!(row["effective terms"].as_f64().unwrap() > 400.0, "{row:?}");
    }
    for name in ["head 0", "neuron 0"] {
        let fraction = found.last(&format!("{name} fraction")).unwrap();
        assert!(fraction < 0.2, "{name} {fraction}");
    }
}

#[test]
fn maps_move_in_few_frames_and_their_axes_can_be_read() {
    let task = mul(23);
    let snapshots: Vec<SnapshotData> = (0..9).map(|i| random(&task, 100 * i, i)).collect();
    let config = Config {
        neurons: vec![95, 4],
        frames: 4,
        ..Config::default()
    };
    let found = analyse::<Activations>(config, &task, &snapshots);
    for name in ["attention-head-3", "neuron-95-spectrum", "mean-spectrum"] {
        let figure = found.figure(name).unwrap();
        let frames = figure["frames"].as_array().unwrap();
        assert!((2..=4).contains(&frames.len()), "{name}");
        assert_eq!(frames[frames.len() - 1]["name"], "800", "{name}");
    }
    let labels = &found.figure("neuron-4-spectrum").unwrap()["data"][0]["x"];
    assert_eq!(labels[4], "cos 2");
    let labels = &found.figure("neuron-4").unwrap()["data"][0]["x"];
    // 0, then 1, 5, 5², …
    assert_eq!(labels.as_array().unwrap()[..4], ["0", "1", "5", "2"]);
    let map = found.tensor("neuron-95").unwrap().1;
    let post = |snapshot: &SnapshotData| {
        snapshot.show(&grokrun_api::Needs::all(), |s| {
            s.post().unwrap().row(30)[95]
        })
    };
    assert_eq!(map[30], post(&snapshots[8]));
    for name in [
        "noise-spectrum",
        "spectrum-shares",
        "fractions",
        "effective-terms",
    ] {
        assert!(found.figure(name).is_some(), "{name}");
    }
}

#[test]
fn operations_without_angles_are_taken_along_the_label() {
    let task = task("square-sum", 13, |a, b| Some((a * a + b * b) % 13));
    let mut planted = random(&task, 0, 5);
    let wave = |i: usize| {
        let label = f64::from(task.labels[i / 96].unwrap());
        (std::f64::consts::TAU * 4.0 * label / 13.0).cos() as f32
    };
    let post = (0..169 * 96).map(wave).collect();
    planted.replace("blocks.0.mlp.hook_post", Numbers::F32(post));
    let found = analyse::<Activations>(Config::default(), &task, &[planted]);
    assert_eq!(found.last("neuron 0 frequency"), Some(4.0));
    assert!(found.notes().iter().any(|note| note.contains("no angle")));
}

#[test]
fn parameters_are_judged() {
    let with = |change: fn(&mut Config)| {
        let mut config = Config::default();
        change(&mut config);
        config
    };
    for (wrong, name) in [
        (with(|c| c.neurons = vec![1, 1]), "neurons"),
        (with(|c| c.neurons = (0..17).collect()), "neurons"),
        (with(|c| c.frames = 1), "frames"),
        (with(|c| c.basis = "fourier".to_owned()), "basis"),
    ] {
        let error = Activations::check(&wrong).unwrap_err().to_string();
        assert!(error.contains(name), "{error}");
    }
    let beyond = with(|c| c.neurons = vec![96]);
    let error = Activations::new(beyond, &add(23))
        .err()
        .unwrap()
        .to_string();
    assert!(error.contains("96"), "{error}");
    let mut small = add(23);
    small.model.d_mlp = 2;
    let found = analyse::<Activations>(Config::default(), &small, &[random(&small, 0, 1)]);
    assert!(found.figure("neuron-1").is_some() && found.figure("neuron-2").is_none());
    let none = with(|c| c.neurons = vec![]);
    assert!(Activations::check(&none).is_ok());
    let task = add(23);
    let found = analyse::<Activations>(none, &task, &[random(&task, 0, 1)]);
    assert!(found.figure("neuron-0").is_none() && found.figure("mean-spectrum").is_some());
    let mut analysis = Activations::new(Config::default(), &add(23)).unwrap();
    let smaller = random(&self::task("add", 11, |a, b| Some((a + b) % 11)), 0, 1);
    assert!(run(&mut analysis, &[smaller]).is_err());
}

#[test]
fn the_smallest_moduli_do_not_break_it() {
    for p in 2..6 {
        let n = p as u32;
        for task in [
            task("add", p, |a, b| Some((a + b) % n)),
            task("mul", p, |a, b| Some(a * b % n)),
        ] {
            let found = analyse::<Activations>(Config::default(), &task, &[random(&task, 0, 5)]);
            assert!(found.figure("mean-spectrum").is_some(), "{}", task.cell);
        }
    }
}
