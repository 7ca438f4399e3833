use std::f64::consts::TAU;

use grokrun_api::testing::{Recorder, random, run, task};
use grokrun_api::{Numbers, SnapshotData};

use super::*;

const P: usize = 13;

fn add() -> Task {
    task("add", P, |a, b| Some((a + b) % 13))
}

fn places(task: &Task) -> Places {
    Places::new(&space("auto", task).unwrap(), task).unwrap()
}

/// Makes logits `(p², p)` of the places of a, b and c.
fn logits(task: &Task, places: &Places, f: impl Fn(f64, f64, f64) -> f64) -> Vec<f32> {
    let p = task.modulus;
    let place = |token: usize| places.of[token].map_or(0.0, |place| place as f64);
    (0..p * p * p)
        .map(|i| f(place(i / p / p), place(i / p % p), place(i % p)) as f32)
        .collect()
}

fn weight(data: &mut SnapshotData, name: &str, shape: &[usize], numbers: Vec<f32>) {
    data.add(format!("weight.{name}"), shape, Numbers::F32(numbers));
}

/// Makes the pizza of the paper from weights: attention ⅓ to both and to '=', which has no effect,
/// so that the neurons get cos(θ_a + φ) + cos(θ_b + φ) = 2 cos((θ_a − θ_b)/2) cos((θ_a + θ_b)/2 +
/// φ); a ReLU of it, times cos(θ_c + 2φ), summed over φ, is |cos((θ_a − θ_b)/2)| cos(θ_a + θ_b −
/// θ_c) up to a factor.
fn pizza(places: &Places, task: &mut Task, k: usize) -> SnapshotData {
    let (p, d, f) = (task.modulus, 6, 48);
    task.model.d_model = d;
    task.model.heads = 1;
    task.model.d_head = 2;
    task.model.d_mlp = f;
    let angle = |t: usize| places.of[t].map(|place| TAU * (k * place) as f64 / places.n as f64);
    let mut data = SnapshotData::new(0);
    let mut w_e = vec![0.0; (p + 1) * d];
    let mut w_u = vec![0.0; d * p];
    for t in 0..p {
        if let Some(angle) = angle(t) {
            (w_e[t * d], w_e[t * d + 1]) = (angle.cos() as f32, angle.sin() as f32);
            (w_u[4 * p + t], w_u[5 * p + t]) = (angle.cos() as f32, angle.sin() as f32);
        }
    }
    weight(&mut data, "embed.W_E", &[p + 1, d], w_e);
    weight(&mut data, "pos_embed.W_pos", &[3, d], vec![0.0; 3 * d]);
    let one = |size: usize, ones: &[(usize, f32)]| {
        let mut numbers = vec![0.0; size];
        ones.iter().for_each(|(at, x)| numbers[*at] = *x);
        numbers
    };
    weight(&mut data, "blocks.0.attn.W_Q", &[1, d, 2], vec![0.0; 2 * d]);
    weight(&mut data, "blocks.0.attn.W_K", &[1, d, 2], vec![0.0; 2 * d]);
    weight(
        &mut data,
        "blocks.0.attn.W_V",
        &[1, d, 2],
        one(2 * d, &[(0, 1.0), (3, 1.0)]),
    );
    weight(
        &mut data,
        "blocks.0.attn.W_O",
        &[1, 2, d],
        one(2 * d, &[(0, 3.0), (d + 1, 3.0)]),
    );
    let phase = |n: usize| TAU * n as f64 / f as f64;
    let mut w_in = vec![0.0; d * f];
    let mut w_out = vec![0.0; f * d];
    for n in 0..f {
        w_in[n] = phase(n).cos() as f32;
        w_in[f + n] = -phase(n).sin() as f32;
        w_out[n * d + 4] = (2.0 * phase(n)).cos() as f32;
        w_out[n * d + 5] = -(2.0 * phase(n)).sin() as f32;
    }
    weight(&mut data, "blocks.0.mlp.W_in", &[d, f], w_in);
    weight(&mut data, "blocks.0.mlp.W_out", &[f, d], w_out);
    weight(&mut data, "unembed.W_U", &[d, p], w_u);
    let own = data.show(&grokrun_api::Needs::all(), |snapshot| {
        Forward::new(Model::of(snapshot, task).unwrap()).logits()
    });
    data.add("logits", &[p * p, p], Numbers::F32(own));
    // Without queries and keys attention is even.
    let even = Numbers::F32(vec![1.0 / 3.0; 3 * p * p]);
    data.add("blocks.0.attn.hook_pattern", &[p * p, 1, 3], even);
    data
}

/// Returns the share of a pizza's logits that a clock's explain: (mean |cos|)² / mean cos² over
/// distances, 8/π² = 0.81 if there are many.
fn overlap(n: usize, k: usize) -> f64 {
    let strength = |d: usize| (TAU * (k * d) as f64 / (2 * n) as f64).cos().abs();
    let sum: f64 = (0..n).map(strength).sum();
    let squares: f64 = (0..n).map(|d| strength(d).powi(2)).sum();
    sum * sum / (n as f64 * squares)
}

fn analyse(task: &Task, data: SnapshotData) -> Recorder {
    let mut analysis = ClockOrPizza::new(Config::default(), task).unwrap();
    run(&mut analysis, &[data]).unwrap()
}

#[test]
fn a_pizza_made_of_weights_is_one() {
    let mul = task("mul", P, |a, b| Some(a * b % 13));
    for (mut task, k) in [(add(), 3), (mul, 5)] {
        let places = places(&task);
        let data = pizza(&places, &mut task, k);
        let found = analyse(&task, data);
        let last = |name: &str| found.last(name).unwrap();
        assert!((last("gradient symmetricity") - 1.0).abs() < 1e-6);
        assert!(last("gradient symmetricity, standard error") < 1e-6);
        let q = last("distance irrelevance");
        assert!(q < 0.02, "{} {q}", task.operation);
        assert!((last("circularity") - 1.0).abs() < 1e-6);
        assert!(last("circularity, noise") < 0.8);
        let (clock, pizza) = (last("clock explained"), last("pizza explained"));
        assert!(pizza > 0.999, "{} {pizza}", task.operation);
        let want = overlap(places.n, k);
        assert!(
            (clock - want).abs() < 0.005,
            "{} {clock} {want}",
            task.operation
        );
        assert_eq!(found.table("circles").unwrap()[0]["frequency"], json!(k));
    }
}

#[test]
fn planted_logits_have_their_distance_irrelevance_and_fits() {
    let sub = task("sub", P, |a, b| Some((a + 13 - b) % 13));
    let mul = task("mul", P, |a, b| Some(a * b % 13));
    for (task, sign) in [(add(), 1.0), (sub, -1.0), (mul, 1.0)] {
        let places = places(&task);
        let w = TAU * 2.0 / places.n as f64;
        let of = |f: &dyn Fn(f64, f64, f64) -> f64| logits(&task, &places, f);
        let clock = of(&|a, b, c| (w * (a + sign * b - c)).cos());
        let pizza =
            of(&|a, b, c| (w * (a - sign * b) / 2.0).cos().abs() * (w * (a + sign * b - c)).cos());
        let fits = |logits: &[f32]| circles::fits(&places, logits, P, 2);
        let [as_clock, as_pizza] = fits(&clock);
        assert!((as_clock - 1.0).abs() < 1e-6 && (as_pizza - overlap(places.n, 2)).abs() < 1e-6);
        let [as_clock, as_pizza] = fits(&pizza);
        assert!((as_pizza - 1.0).abs() < 1e-6 && (as_clock - overlap(places.n, 2)).abs() < 1e-6);
        // The pizza's correct logits depend on the distance alone, the others here on the label
        // alone, which takes every value once at each distance of an odd group.
        let q = |logits: &[f32]| distance::irrelevance(&places, logits, P);
        assert!(q(&pizza) < 1e-6, "{}", task.operation);
        if places.n % 2 == 1 {
            let by_label = of(&|a, b, _| (w * (a + sign * b)).cos());
            assert!((q(&by_label) - 1.0).abs() < 1e-6, "{}", task.operation);
        }
        assert!(q(&of(&|_, _, _| 1.0)).is_nan());
    }
}

#[test]
fn gradients_are_those_of_differences() {
    for activation in ["relu", "gelu"] {
        let mut task = add();
        task.model.activation = activation.to_owned();
        let scaled = scaled(&task);
        let of = |data: &SnapshotData, pair: usize, class: usize| -> f64 {
            data.show(&grokrun_api::Needs::all(), |snapshot| {
                let logits = Forward::new(Model::of(snapshot, &task).unwrap()).logits();
                f64::from(logits[pair * P + class])
            })
        };
        let (pair, class) = (3 * P + 8, 6);
        let data = scaled(None);
        let exact = data.show(&grokrun_api::Needs::all(), |snapshot| {
            let m = Model::of(snapshot, &task).unwrap();
            let directions: Vec<_> = (0..m.heads).map(|h| m.score_direction(h)).collect();
            let attention: Vec<_> = (0..m.heads).map(|h| m.attention(h)).collect();
            gradient::gradients(&Forward::new(m), &directions, &attention, (pair, class))
        });
        for (place, gradient) in exact.iter().enumerate() {
            for i in [0, 7, 20] {
                let step = 2e-3;
                let at = |by: f32| of(&scaled(Some((place * 32 + i, by))), pair, class);
                let slope = (at(step) - at(-step)) / (2.0 * f64::from(step));
                let error = (slope - gradient[i]).abs();
                let bound = 0.02 * (1.0 + slope.abs());
                assert!(
                    error < bound,
                    "{activation} {place} {i}: {slope} {}",
                    gradient[i]
                );
            }
        }
    }
}

/// A random model with small weights, and something added to one entry of W_pos, which at the
/// positions of a and b is the same as to the embedding there.
fn scaled(task: &Task) -> impl Fn(Option<(usize, f32)>) -> SnapshotData + use<> {
    let mut all: Vec<(String, Vec<usize>, Vec<f32>)> = Vec::new();
    random(task, 0, 11).show(
        &grokrun_api::Needs::parse(["weight.*"]).unwrap(),
        |snapshot| {
            for view in snapshot.views() {
                if let grokrun_api::NumbersRef::F32(x) = view.data {
                    let small = x.iter().map(|x| 0.25 * x).collect();
                    all.push((view.name.to_owned(), view.shape.to_vec(), small));
                }
            }
        },
    );
    move |change| {
        let mut data = SnapshotData::new(0);
        for (name, shape, numbers) in &all {
            let mut numbers = numbers.clone();
            if let (Some((at, by)), "weight.pos_embed.W_pos") = (change, name.as_str()) {
                numbers[at] += by;
            }
            data.add(name.clone(), shape, Numbers::F32(numbers));
        }
        data
    }
}

#[test]
fn random_models_are_neither() {
    let task = add();
    let found = analyse(&task, random(&task, 0, 4));
    let last = |name: &str| found.last(name).unwrap();
    assert!(last("gradient symmetricity") < 0.9);
    assert!((last("distance irrelevance") - 1.0).abs() < 0.15);
    assert!(last("clock explained") < 0.1 && last("pizza explained") < 0.1);
    assert!(last("circularity") < 0.8);
}

#[test]
fn the_standard_error_is_that_of_the_draws() {
    // Values −1, 0 and 1 in turn: a deviation of √(2/3), with n − 1 in the place of n.
    let drawn: Vec<f64> = (0..90).map(|i| f64::from(i % 3 - 1)).collect();
    let [mean, error] = gradient::mean(&drawn);
    assert!(mean.abs() < 1e-12 && (error - (60.0f64 / 89.0 / 90.0).sqrt()).abs() < 1e-12);
    assert!(gradient::mean(&[0.5])[1].is_nan() && gradient::mean(&[])[0].is_nan());
    // Means of other draws of the same model lie as far from each other as it says.
    let task = add();
    let means: Vec<[f64; 2]> = (0..20)
        .map(|seed| {
            let config = Config {
                seed,
                circles: 0,
                ..Config::default()
            };
            let mut analysis = ClockOrPizza::new(config, &task).unwrap();
            let found = run(&mut analysis, &[random(&task, 0, 4)]).unwrap();
            let names = [
                "gradient symmetricity",
                "gradient symmetricity, standard error",
            ];
            names.map(|name| found.last(name).unwrap())
        })
        .collect();
    let spread = gradient::mean(&means.iter().map(|m| m[0]).collect::<Vec<f64>>())[1];
    let (spread, stated) = (spread * 20f64.sqrt(), means[0][1]);
    assert!((0.5..2.0).contains(&(spread / stated)), "{spread} {stated}");
}

#[test]
fn what_has_no_meaning_is_said() {
    let task = task("a^2 + b", P, |a, b| Some((a * a + b) % 13));
    let found = analyse(&task, random(&task, 0, 4));
    assert!(found.last("gradient symmetricity").is_some());
    assert!(found.last("distance irrelevance").is_none());
    let notes = found.notes().join("\n");
    assert!(
        notes.contains("no meaning") && notes.contains("not symmetric"),
        "{notes}"
    );
    assert_eq!(found.table("measures").unwrap().len(), 1);
}

#[test]
fn parameters_are_judged() {
    let wrong = [
        Config {
            samples: 0,
            ..Config::default()
        },
        Config {
            samples: 10_001,
            ..Config::default()
        },
        Config {
            components: 0,
            ..Config::default()
        },
        Config {
            keys: "W_X".to_owned(),
            ..Config::default()
        },
    ];
    for config in wrong {
        assert!(ClockOrPizza::check(&config).is_err());
    }
    ClockOrPizza::check(&Config::default()).unwrap();
}

/// Two heads, each looking at one position alone and reading another dimension of the embedding:
/// what a logit asks of E_a is orthogonal to what it asks of E_b, and so the cosine is 0 at every
/// question.
#[test]
fn gradients_of_parts_that_share_nothing_are_orthogonal() {
    let mut task = add();
    let (d, f) = (6, 4);
    (task.model.d_model, task.model.heads) = (d, 2);
    (task.model.d_head, task.model.d_mlp) = (1, f);
    let mut data = random(&task, 0, 2);
    let mut put = |name: &str, size: usize, ones: &[(usize, f32)]| {
        let mut numbers = vec![0.0; size];
        ones.iter().for_each(|(at, x)| numbers[*at] = *x);
        data.replace(&format!("weight.{name}"), Numbers::F32(numbers));
    };
    put("embed.W_E", (P + 1) * d, &[]);
    put(
        "pos_embed.W_pos",
        3 * d,
        &[(4, 1.0), (d + 5, 1.0), (2 * d + 3, 1.0)],
    );
    put("blocks.0.attn.W_Q", 2 * d, &[(3, 100.0), (d + 3, 100.0)]);
    put("blocks.0.attn.W_K", 2 * d, &[(4, 1.0), (d + 5, 1.0)]);
    put("blocks.0.attn.W_V", 2 * d, &[(0, 1.0), (d + 1, 1.0)]);
    put("blocks.0.attn.W_O", 2 * d, &[(2, 1.0), (d + 2, 1.0)]);
    put("blocks.0.mlp.W_in", d * f, &[]);
    let found = analyse(&task, data);
    let got = found.last("gradient symmetricity").unwrap();
    assert!(got.abs() < 1e-9, "{got}");
    let (shape, cosines) = found.tensor("gradient-cosines").unwrap();
    assert_eq!(shape, [100]);
    assert!(cosines.iter().all(|c| c.abs() < 1e-6));
}
