//! Planted directions, with the exact answer, and noise.

use grokrun_api::testing::{Expert, analyse, random, task};

use super::*;

fn cases() -> [(Task, Expert); 3] {
    [
        (
            task("add", 23, |a, b| Some((a + b) % 23)),
            Expert::additive(23, &[2, 5, 9]),
        ),
        (
            task("mul", 23, |a, b| Some(a * b % 23)),
            Expert::multiplicative(23, 5, &[2, 5, 9]),
        ),
        // A composite modulus, where a frequency alone does not have all residues.
        (
            task("add", 12, |a, b| Some((a + b) % 12)),
            Expert::additive(12, &[1, 4, 5]),
        ),
    ]
}

/// Every number of the expert's is known: its u_k and v_k are the label's cosine and sine and
/// nothing else, in four coefficients of equal size.
#[test]
fn planted_directions_are_the_labels() {
    for (task, expert) in cases() {
        let found =
            analyse::<LogitDirections>(Config::default(), &task, &[expert.snapshot(&task, 0)]);
        let of = |name: &str| found.last(name).unwrap();
        assert_eq!(of("keys"), 3.0);
        for name in ["u explained", "v explained", "logits explained"] {
            assert!((of(name) - 1.0).abs() < 1e-5, "{name}: {}", of(name));
        }
        assert!(of("residual") < 1e-3, "{}", of("residual"));
        assert_eq!(found.table("directions").unwrap().len(), 3);
        let k = expert.frequencies[1];
        assert!(found.figure(&format!("u-{k}-spectrum")).is_some());

        let p = task.modulus;
        let (shape, spectra) = found.tensor("spectra").unwrap();
        assert_eq!(shape, [6, p, p]);
        for (at, spectrum) in spectra.chunks_exact(p * p).enumerate() {
            let largest = spectrum.iter().fold(0.0f32, |m, x| m.max(x.abs()));
            let mut here: Vec<usize> = (0..p * p)
                .filter(|i| spectrum[*i].abs() > 1e-3 * largest)
                .collect();
            // The neurons' constant says nothing in a sum over all phases; two products are left:
            // cos cos and sin sin of u, cos sin and sin cos of v.
            here.retain(|i| (spectrum[*i].abs() / largest - 1.0).abs() < 1e-3);
            assert_eq!(here.len(), 2, "{} {at}", task.operation);
        }
    }
}

/// The expert's logits are the directions of its three keys: keeping them changes nothing, and
/// without them nothing is left but the mean.
#[test]
fn ablations_of_the_expert_are_exact() {
    for (task, expert) in cases() {
        let found =
            analyse::<LogitDirections>(Config::default(), &task, &[expert.snapshot(&task, 0)]);
        let of = |name: &str| found.last(name).unwrap();
        for name in ["keep directions", "keep terms", "keep W_L directions"] {
            let ratio = of(name) / of("loss");
            assert!((ratio - 1.0).abs() < 2e-2, "{name}: {ratio}");
        }
        let uniform = (task.modulus as f64).ln();
        for name in ["drop directions", "drop terms", "null space"] {
            let ratio = of(name) / uniform;
            assert!((ratio - 1.0).abs() < 2e-2, "{name}: {ratio}");
        }
        // As many random directions of the neurons are not those: most of the signal stays.
        assert!(of("null space of random") < 0.5 * uniform);
        assert!(of("keep random directions") > of("keep W_L directions") + 0.1);
        let rows = found.table("ablations").unwrap();
        assert_eq!(rows.len(), 9);
        assert_eq!(rows[0]["loss"].as_f64(), found.last("loss"));
    }
}

/// One key frequency planted, and left out: what it was worth is gone, and the other stays.
#[test]
fn frequencies_can_be_fixed() {
    let (task, expert) = cases()[0].clone();
    let config = Config {
        frequencies: vec![5],
        ..Config::default()
    };
    let found = analyse::<LogitDirections>(config, &task, &[expert.snapshot(&task, 0)]);
    let of = |name: &str| found.last(name).unwrap();
    assert_eq!(of("keys"), 1.0);
    // A third of the energy of each, as all three frequencies have the same.
    assert!((of("logits explained") - 1.0 / 3.0).abs() < 1e-5);
    assert!((of("residual") - (2.0f64 / 3.0).sqrt()).abs() < 1e-5);
    assert!(of("drop directions") > of("loss"));
    assert!(of("drop directions") < 23f64.ln());

    let config = Config {
        frequencies: vec![12],
        ..Config::default()
    };
    let error = LogitDirections::new(config, &task).err().unwrap();
    assert!(error.to_string().contains("largest"), "{error}");
}

#[test]
fn noise_has_no_directions() {
    let task = task("add", 23, |a, b| Some((a + b) % 23));
    let found = analyse::<LogitDirections>(Config::default(), &task, &[random(&task, 0, 5)]);
    let of = |name: &str| found.last(name).unwrap();
    assert_eq!(of("keys"), 11.0);
    // A direction has 1 of 528 dimensions, two have 2, and the best of 11 pairs some more.
    assert!(of("u explained") < 0.02 && of("v explained") < 0.02);
    assert!(of("random explained") < 0.05);
    assert!(of("logits explained") < 0.1);
    assert!(found.notes().iter().any(|note| note.contains("no spectra")));
}

#[test]
fn operations_without_angles_use_the_label() {
    let task = task("square-sum", 13, |a, b| Some((a * a + b * b) % 13));
    let mut planted = random(&task, 0, 5);
    // Every neuron is a wave of the label, W_out picks them, and W_U has the class's wave.
    let wave = |x: u32, j: usize| {
        let angle = std::f64::consts::TAU * f64::from(x) / 13.0;
        if j == 0 { angle.cos() } else { angle.sin() }
    };
    let post = (0..169 * 96).map(|i| wave(task.labels[i / 96].unwrap(), (i % 96) % 2) as f32);
    planted.replace(
        "blocks.0.mlp.hook_post",
        grokrun_api::Numbers::F32(post.collect()),
    );
    let w_out = (0..96 * 32).map(|i| f32::from(u8::from(i % 32 == (i / 32) % 2)));
    planted.replace(
        "weight.blocks.0.mlp.W_out",
        grokrun_api::Numbers::F32(w_out.collect()),
    );
    let w_u = (0..32 * 13).map(|i| match i / 13 {
        j @ 0..2 => wave((i % 13) as u32, j) as f32,
        _ => 0.0,
    });
    planted.replace(
        "weight.unembed.W_U",
        grokrun_api::Numbers::F32(w_u.collect()),
    );
    let found = analyse::<LogitDirections>(Config::default(), &task, &[planted]);
    assert_eq!(found.last("keys"), Some(1.0));
    // Labels are not balanced, but the first frequency comes first in QR: it is itself but for its
    // mean.
    for name in ["u explained", "v explained"] {
        let share = found.last(name).unwrap();
        assert!((share - 1.0).abs() < 1e-5, "{name}: {share}");
    }
    assert!(found.notes().iter().any(|note| note.contains("no angle")));
}

#[test]
fn what_is_not_finite_is_no_number() {
    let task = task("add", 7, |a, b| Some((a + b) % 7));
    let mut broken = random(&task, 0, 5);
    broken.replace(
        "blocks.0.mlp.hook_post",
        grokrun_api::Numbers::F32(vec![f32::NAN; 49 * 96]),
    );
    broken.replace("logits", grokrun_api::Numbers::F32(vec![f32::NAN; 343]));
    let found = analyse::<LogitDirections>(Config::default(), &task, &[broken]);
    for name in ["u explained", "loss", "keep directions", "null space"] {
        assert!(found.last(name).unwrap().is_nan(), "{name}");
    }
}

#[test]
fn an_operation_without_pairs_does_not_fail() {
    let task = task("never", 5, |_, _| None);
    let found = analyse::<LogitDirections>(Config::default(), &task, &[random(&task, 0, 5)]);
    assert!(found.last("loss").unwrap().is_nan());
}

#[test]
fn parameters_are_judged() {
    for (config, name) in [
        (
            Config {
                keys: "W_X".to_owned(),
                ..Config::default()
            },
            "keys",
        ),
        (
            Config {
                basis: "cosines".to_owned(),
                ..Config::default()
            },
            "basis",
        ),
        (
            Config {
                frequencies: vec![0],
                ..Config::default()
            },
            "frequencies",
        ),
    ] {
        let error = LogitDirections::check(&config).unwrap_err().to_string();
        assert!(error.contains(name), "{error}");
    }
}
