//! Planted weights whose products are known exactly, and noise.

use grokrun_api::testing::{add, analyse, mul, random, run, task};
use grokrun_api::{Numbers, SnapshotData};

use grokrun_basis::Basis;

use super::*;

/// Height of the planted waves.
const HIGH: f64 = 1.5;

/// Returns θ of a token; none if it is outside of the group.
fn angle(basis: &Basis, k: usize, token: usize) -> f64 {
    basis.angle(k, token).map_or(0.0, |angle| angle.cos())
}

/// Plants weights: head h scores a token with HIGH cos(k_h θ) and writes cos(k_h θ) times 1, 2, …
/// to the neurons; W_L is cos(2θ) of the class.
fn planted(task: &Task, frequencies: [usize; 4]) -> SnapshotData {
    let basis = space("auto", task).unwrap().basis().clone();
    let (p, m) = (task.modulus, &task.model);
    let (d, e) = (m.d_model, m.d_head);
    let mut data = random(task, 0, 3);
    let mut put = |name: &str, shape: &[usize], ones: &[(usize, f64)]| {
        let mut numbers = vec![0.0f32; shape.iter().product()];
        for (at, value) in ones {
            numbers[*at] = *value as f32;
        }
        data.replace(&format!("weight.{name}"), Numbers::F32(numbers));
    };
    let token = |t: usize| {
        let waves = frequencies.iter().enumerate();
        waves.map(move |(column, k)| (t, column, *k))
    };
    let mut w_e: Vec<(usize, f64)> = (0..p)
        .flat_map(token)
        .map(|(t, column, k)| (t * d + column, angle(&basis, k, t)))
        .collect();
    w_e.push((p * d + 10, 1.0));
    put("embed.W_E", &[p + 1, d], &w_e);
    // '=' as key: nothing; as query: half of it comes from the position.
    put("pos_embed.W_pos", &[3, d], &[(2 * d + 10, 1.0)]);
    let by_head = |at: fn(usize, usize, usize) -> usize, value: f64| -> Vec<(usize, f64)> {
        (0..4).map(|h| (at(h, d, e), value)).collect()
    };
    let w_q = by_head(|h, d, e| h * d * e + 10 * e, 0.5);
    let w_k = by_head(|h, d, e| h * d * e + h * e, HIGH * (e as f64).sqrt());
    let w_v = by_head(|h, d, e| h * d * e + h * e, 1.0);
    let w_o = by_head(|h, d, e| h * d * e + 20, 1.0);
    put("blocks.0.attn.W_Q", &[4, d, e], &w_q);
    put("blocks.0.attn.W_K", &[4, d, e], &w_k);
    put("blocks.0.attn.W_V", &[4, d, e], &w_v);
    put("blocks.0.attn.W_O", &[4, e, d], &w_o);
    let w_in: Vec<(usize, f64)> = (0..m.d_mlp)
        .map(|n| (20 * m.d_mlp + n, (n + 1) as f64))
        .collect();
    put("blocks.0.mlp.W_in", &[d, m.d_mlp], &w_in);
    let w_out: Vec<(usize, f64)> = (0..m.d_mlp).map(|n| (n * d + 5, 1.0)).collect();
    put("blocks.0.mlp.W_out", &[m.d_mlp, d], &w_out);
    let w_u: Vec<(usize, f64)> = (0..p).map(|c| (5 * p + c, angle(&basis, 2, c))).collect();
    put("unembed.W_U", &[d, p], &w_u);
    data
}

#[test]
fn planted_heads_are_read_exactly() {
    for task in [add(23), mul(23)] {
        let frequencies = [2, 5, 9, 7];
        let data = planted(&task, frequencies);
        let found = analyse::<EffectiveWeights>(Config::default(), &task, &[data]);
        let basis = space("auto", &task).unwrap().basis().clone();
        let (shape, scores) = found.tensor("W_attn").unwrap();
        assert_eq!(shape, [4, 23]);
        for (head, k) in frequencies.into_iter().enumerate() {
            for name in ["W_attn", "W_OV", "W_neur"] {
                let k_found = found.last(&format!("{name} frequency, head {head}"));
                assert_eq!(k_found, Some(k as f64), "{name} {head}");
                let fraction = found.last(&format!("{name} fraction, head {head}"));
                assert!((fraction.unwrap() - 1.0).abs() < 1e-9, "{name} {head}");
            }
            // With the division by √d_head: without it these would be √8 as large.
            for token in 0..23 {
                let want = HIGH * angle(&basis, k, token);
                let got = f64::from(scores[head * 23 + token]);
                assert!((got - want).abs() < 1e-6, "{head} {token}: {got} {want}");
            }
            // Norm of W_neur: √(n/2) of the wave, √Σ(1, 2, …)² over neurons.
            let norms = found.tensor("W_neur-norms").unwrap().1;
            let sum: f64 = (1..=96).map(|x| f64::from(x * x)).sum();
            let want = (basis.group() as f64 / 2.0 * sum).sqrt();
            let got = f64::from(norms[head * basis.count() + k - 1]);
            assert!((got / want - 1.0).abs() < 1e-6, "{got} {want}");
        }
        // Only W_L's frequency is key: a quarter of all heads' energy.
        assert!((found.last("W_L in keys").unwrap() - 1.0).abs() < 1e-9);
        assert!((found.last("W_attn in keys").unwrap() - 0.25).abs() < 1e-9);
        assert!((found.last("W_neur in keys").unwrap() - 0.25).abs() < 1e-9);
        let row = &found.table("heads").unwrap()[1];
        assert_eq!(row["W_attn frequency"], 5);
        for figure in [
            "W_attn",
            "attention-by-token",
            "W_attn-in-basis",
            "W_OV-in-basis",
            "W_neur-in-basis",
            "W_L-in-basis",
            "mean-attention",
            "W_attn-fraction",
        ] {
            assert!(found.figure(figure).is_some(), "{figure}");
        }
        let map = found.figure("W_attn-in-basis").unwrap();
        let names = map["data"][0]["x"].as_array().unwrap();
        assert!(names.contains(&json!("cos 9")), "{names:?}");
    }
}

#[test]
fn attention_is_the_softmax_of_the_planted_scores() {
    // Division has pairs without label: they do not count.
    let tasks = [
        add(23),
        task("some", 23, |a, b| (b != 0).then_some((a + b) % 23)),
    ];
    for task in tasks {
        let config = Config {
            basis: "additive".to_owned(),
            ..Config::default()
        };
        let found = analyse::<EffectiveWeights>(config, &task, &[planted(&task, [2, 5, 9, 7])]);
        let basis = Basis::additive(23);
        let score = |token: usize| (HIGH * angle(&basis, 5, token)).exp();
        // planted() chooses the angles by the operation: the same for both of these.
        assert_eq!(space("auto", &add(23)).unwrap().to_string(), "additive");
        let counted = |pair: &usize| task.labels[*pair].is_some();
        let pairs: Vec<usize> = (0..529).filter(counted).collect();
        let to = |pick: &dyn Fn(f64, f64) -> f64| -> f64 {
            let of = |pair: &usize| {
                let (a, b) = (score(pair / 23), score(pair % 23));
                pick(a, b) / (a + b + 1.0)
            };
            pairs.iter().map(of).sum::<f64>() / pairs.len() as f64
        };
        let want = [to(&|a, _| a), to(&|_, b| b), to(&|_, _| 1.0)];
        for (name, want) in ["a", "b", "="].into_iter().zip(want) {
            let got = found.last(&format!("attention to {name}, head 1")).unwrap();
            assert!((got - want).abs() < 1e-6, "{name}: {got} {want}");
        }
        // As a function of a = 4, by hand.
        let with: Vec<f64> = pairs
            .iter()
            .filter(|pair| *pair / 23 == 4)
            .map(|pair| score(4) / (score(4) + score(pair % 23) + 1.0))
            .collect();
        let want = with.iter().sum::<f64>() / with.len() as f64;
        let got = f64::from(found.tensor("attention-to-a").unwrap().1[23 + 4]);
        assert!((got - want).abs() < 1e-6, "{got} {want}");
        assert_eq!(found.last("attention frequency, head 1"), Some(5.0));
        let fraction = found.last("attention fraction, head 1").unwrap();
        assert!((0.8..1.0).contains(&fraction), "{fraction}");
    }
}

#[test]
fn a_query_bias_counts_and_a_key_bias_does_not() {
    let task = add(23);
    let plain = planted(&task, [2, 5, 9, 7]);
    let before =
        analyse::<EffectiveWeights>(Config::default(), &task, std::slice::from_ref(&plain));
    let mut biased = plain;
    let mut b_q = vec![0.0f32; 4 * 8];
    b_q[8] = 1.0;
    biased.add("weight.blocks.0.attn.b_Q", &[4, 8], Numbers::F32(b_q));
    biased.add(
        "weight.blocks.0.attn.b_K",
        &[4, 8],
        Numbers::F32(vec![3.0; 32]),
    );
    let after = analyse::<EffectiveWeights>(Config::default(), &task, &[biased]);
    let (before, after) = (before.tensor("W_attn"), after.tensor("W_attn"));
    let ratio = |at: usize| after.unwrap().1[at] / before.unwrap().1[at];
    // The query was (1/2 + 1/2) and is 1 more for head 1 alone.
    assert!((ratio(1) - 1.0).abs() < 1e-6 && (ratio(24) - 2.0).abs() < 1e-6);
}

#[test]
fn noise_explains_nothing() {
    let task = add(23);
    let found = analyse::<EffectiveWeights>(Config::default(), &task, &[random(&task, 0, 5)]);
    for head in 0..4 {
        let wide = found
            .last(&format!("W_neur fraction, head {head}"))
            .unwrap();
        let one = found
            .last(&format!("W_attn fraction, head {head}"))
            .unwrap();
        assert!(wide < 0.25 && one < 0.7, "{wide} {one}");
        let sum: f64 = ["a", "b", "="]
            .iter()
            .filter_map(|to| found.last(&format!("attention to {to}, head {head}")))
            .sum();
        assert!((sum - 1.0).abs() < 1e-12);
    }
    // Every frequency of noise is key, and then the share is all.
    assert!((found.last("noise in keys").unwrap() - 1.0).abs() < 1e-12);
    let planted =
        analyse::<EffectiveWeights>(Config::default(), &task, &[planted(&task, [2, 5, 9, 7])]);
    let noise = planted.last("noise in keys").unwrap();
    assert!((noise - 1.0 / 11.0).abs() < 0.03, "{noise}");
    let row = &planted.table("heads").unwrap()[0];
    assert!(row["W_attn fraction of noise"].as_f64().unwrap() < 0.7);
}

#[test]
fn operations_without_angles_are_said_to_have_none() {
    let task = task("square-sum", 13, |a, b| Some((a * a + b * b) % 13));
    let found = analyse::<EffectiveWeights>(Config::default(), &task, &[random(&task, 0, 5)]);
    assert!(found.notes().iter().any(|note| note.contains("no angle")));
    assert!(found.last("W_attn fraction, head 0").is_some());
}

#[test]
fn wrong_parameters_and_shapes_are_refused() {
    let wrong = Config {
        keys: "W_X".to_owned(),
        ..Config::default()
    };
    let error = EffectiveWeights::check(&wrong).unwrap_err().to_string();
    assert!(error.contains("keys"), "{error}");
    let wrong = Config {
        basis: "fourier".to_owned(),
        ..Config::default()
    };
    assert!(EffectiveWeights::check(&wrong).is_err());
    let mut analysis = EffectiveWeights::new(Config::default(), &add(23)).unwrap();
    let other = random(&mul(23), 0, 1);
    assert!(run(&mut analysis, &[other]).is_ok());
    let smaller = random(&task("add", 11, |a, b| Some((a + b) % 11)), 0, 1);
    let error = run(&mut analysis, &[smaller]).unwrap_err().to_string();
    assert!(error.contains("embed.W_E"), "{error}");
}

#[test]
fn the_smallest_moduli_do_not_break_it() {
    for p in 2..6 {
        let n = p as u32;
        for task in [
            task("add", p, |a, b| Some((a + b) % n)),
            task("mul", p, |a, b| Some(a * b % n)),
            task("div", p, |a, b| (b != 0).then_some(a % n)),
        ] {
            let found =
                analyse::<EffectiveWeights>(Config::default(), &task, &[random(&task, 0, 5)]);
            assert!(found.figure("W_attn").is_some(), "{}", task.cell);
        }
    }
}
