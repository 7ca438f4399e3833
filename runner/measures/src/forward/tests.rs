use grokrun_api::testing::{random, task};
use grokrun_api::{Needs, Numbers, SnapshotData, Task};

use super::*;

/// Returns random weights, all smaller than those of [`random`] so that no softmax is one-sided,
/// and every bias.
fn small(task: &Task) -> SnapshotData {
    let mut data = SnapshotData::new(0);
    let m = &task.model;
    let mut all = Vec::new();
    random(task, 0, 5).show(&Needs::parse(["weight.*"]).unwrap(), |snapshot| {
        for view in snapshot.views() {
            let grokrun_api::NumbersRef::F32(x) = view.data else {
                continue;
            };
            let scaled = x.iter().map(|x| 0.3 * x).collect::<Vec<f32>>();
            all.push((view.name.to_owned(), view.shape.to_vec(), scaled));
        }
    });
    for (name, shape, numbers) in all {
        data.add(name, &shape, Numbers::F32(numbers));
    }
    let biases = [
        ("attn.b_Q", vec![m.heads, m.d_head]),
        ("attn.b_V", vec![m.heads, m.d_head]),
        ("attn.b_O", vec![m.d_model]),
        ("mlp.b_out", vec![m.d_model]),
    ];
    for (i, (name, shape)) in biases.into_iter().enumerate() {
        let count: usize = shape.iter().product();
        let numbers = (0..count).map(|j| ((i + 3 * j) as f32).sin()).collect();
        data.add(
            format!("weight.blocks.0.{name}"),
            &shape,
            Numbers::F32(numbers),
        );
    }
    let b_u = (0..task.modulus).map(|c| (c as f32).cos()).collect();
    data.add("weight.unembed.b_U", &[task.modulus], Numbers::F32(b_u));
    data
}

/// Returns the logits of a pair as doc/model.md#the-published-model defines them, one example at a
/// time, in f64.
fn plain(m: &Model<'_>, pair: usize) -> Vec<f64> {
    let wide = |x: &[f32]| x.iter().map(|x| f64::from(*x)).collect::<Vec<f64>>();
    let times = |x: &[f64], w: &[f32], n: usize| -> Vec<f64> {
        (0..n)
            .map(|j| {
                x.iter()
                    .enumerate()
                    .map(|(i, x)| x * f64::from(w[i * n + j]))
                    .sum()
            })
            .collect()
    };
    let plus = |x: &mut Vec<f64>, b: Option<&[f32]>| {
        if let Some(b) = b {
            x.iter_mut().zip(b).for_each(|(x, b)| *x += f64::from(*b));
        }
    };
    let x: Vec<Vec<f64>> = [(pair / m.p, 0), (pair % m.p, 1), (m.p, 2)]
        .map(|(token, at)| wide(&m.input(token, at)))
        .to_vec();
    let mut mid = x[2].clone();
    for h in 0..m.heads {
        let part = |b: Option<&'_ [f32]>| b.map(|b| b[h * m.d_head..(h + 1) * m.d_head].to_vec());
        let mut q = times(&x[2], m.of_head(m.w_q, h), m.d_head);
        plus(&mut q, part(m.b_q).as_deref());
        let scores: Vec<f64> = x
            .iter()
            .map(|x| {
                let k = times(x, m.of_head(m.w_k, h), m.d_head);
                let dot: f64 = q.iter().zip(&k).map(|(q, k)| q * k).sum();
                (dot / (m.d_head as f64).sqrt()).exp()
            })
            .collect();
        let sum: f64 = scores.iter().sum();
        let mut z = vec![0.0; m.d_head];
        for (x, score) in x.iter().zip(&scores) {
            let mut v = times(x, m.of_head(m.w_v, h), m.d_head);
            plus(&mut v, part(m.b_v).as_deref());
            z.iter_mut().zip(v).for_each(|(z, v)| *z += score / sum * v);
        }
        let added = times(&z, m.of_head(m.w_o, h), m.d_model);
        mid.iter_mut().zip(added).for_each(|(x, y)| *x += y);
    }
    plus(&mut mid, m.b_o);
    let mut pre = times(&mid, m.w_in, m.d_mlp);
    plus(&mut pre, m.b_in);
    let post: Vec<f64> = pre
        .iter()
        .map(|x| {
            if m.gelu {
                x * 0.5 * libm::erfc(-x / std::f64::consts::SQRT_2)
            } else {
                x.max(0.0)
            }
        })
        .collect();
    let mut out = times(&post, m.w_out, m.d_model);
    plus(&mut out, m.b_out);
    out.iter_mut().zip(&mid).for_each(|(x, y)| *x += y);
    let mut logits = times(&out, m.w_u, m.p);
    plus(&mut logits, m.b_u);
    logits
}

#[test]
fn logits_are_those_of_the_plain_pass() {
    for activation in ["relu", "gelu"] {
        let mut task = task("add", 7, |a, b| Some((a + b) % 7));
        task.model.activation = activation.to_owned();
        let all = &Needs::all();
        small(&task).show(all, |snapshot| {
            let model = Model::of(snapshot, &task).unwrap();
            let logits = Forward::new(model.clone()).logits();
            for (pair, row) in logits.chunks_exact(7).enumerate() {
                for (got, want) in row.iter().zip(plain(&model, pair)) {
                    let error = (f64::from(*got) - want).abs();
                    assert!(
                        error < 1e-4 * (1.0 + want.abs()),
                        "{activation} {got} {want}"
                    );
                }
            }
        });
    }
}

#[test]
fn without_heads_every_pair_is_the_same() {
    let task = task("add", 7, |a, b| Some((a + b) % 7));
    small(&task).show(&grokrun_api::Needs::all(), |snapshot| {
        let forward = Forward::new(Model::of(snapshot, &task).unwrap());
        let base = forward.base();
        let fast = forward.neurons(&base, &[]);
        let mode = HeadMode {
            head: 0,
            fixed: Some([0.0, 0.0]),
        };
        let slow = forward.neurons(&base, &[mode]);
        for (x, y) in fast.iter().zip(&slow) {
            assert!((x - y).abs() < 1e-4, "{x} {y}");
        }
    });
}

#[test]
fn weights_of_another_shape_are_refused() {
    let right = task("add", 7, |a, b| Some((a + b) % 7));
    let wrong = task("add", 5, |a, b| Some((a + b) % 5));
    small(&right).show(&grokrun_api::Needs::all(), |snapshot| {
        let error = Model::of(snapshot, &wrong).unwrap_err().to_string();
        assert!(error.contains("embed.W_E"), "{error}");
    });
}
