//! Planted singular values, with the exact answer, and noise.

use grokrun_api::testing::{Expert, Recorder, random, run, task};
use grokrun_api::{Numbers, SnapshotData};

use super::*;

fn analyse(task: &Task, snapshots: &[SnapshotData]) -> Recorder {
    let mut analysis = SingularValues::new(Config::default(), task).unwrap();
    run(&mut analysis, snapshots).unwrap()
}

fn add() -> Task {
    task("add", 23, |a, b| Some((a + b) % 23))
}

/// Makes a matrix with known singular values: a diagonal between two reflections.
fn planted(rows: usize, columns: usize, values: &[f64]) -> Vec<f32> {
    let reflect = |n: usize, seed: i64| -> Vec<Vec<f64>> {
        let v: Vec<f64> = gaussian(seed, n).iter().map(|x| f64::from(*x)).collect();
        let square: f64 = v.iter().map(|x| x * x).sum();
        let entry = |i: usize, j: usize| f64::from(u8::from(i == j)) - 2.0 * v[i] * v[j] / square;
        (0..n)
            .map(|i| (0..n).map(|j| entry(i, j)).collect())
            .collect()
    };
    let (left, right) = (reflect(rows, 3), reflect(columns, 4));
    let mut out = Vec::new();
    for row in &left {
        for column in &right {
            let sum: f64 = (0..values.len())
                .map(|i| row[i] * values[i] * column[i])
                .sum();
            out.push(sum as f32);
        }
    }
    out
}

#[test]
fn planted_values_come_back() {
    let values = [5.0, 3.0, 3.0, 1.0, 0.25];
    for (rows, columns) in [(23, 32), (32, 23), (7, 96), (96, 7), (5, 5), (20, 21)] {
        let table = planted(rows, columns, &values);
        let found = Singular::of(&table, columns);
        assert_eq!(found.values.len(), rows.min(columns));
        for (i, got) in found.values.iter().enumerate() {
            let want = values.get(i).copied().unwrap_or(0.0);
            assert!((got - want).abs() < 1e-5, "{rows} {columns} {i}: {got}");
        }
        let (vectors, same) = left_vectors(&table, columns).unwrap();
        assert!((same.values[0] - 5.0).abs() < 1e-5);
        let length: f64 = vectors[0].iter().map(|x| x * x).sum();
        assert!((length - 1.0).abs() < 1e-9);
    }
}

#[test]
fn effective_ranks_are_the_formulas() {
    let equal = Singular::of(&planted(20, 30, &[2.0; 6]), 30);
    assert!((equal.effective_rank() - 6.0).abs() < 1e-3);
    assert!((equal.participation() - 6.0).abs() < 1e-3);
    // Entropy of (2/3, 1/3), by hand: ln 3 − (2/3) ln 2.
    let two = Singular {
        values: vec![2.0, 1.0, 0.0],
    };
    let want = (3f64.ln() - 2.0 / 3.0 * 2f64.ln()).exp();
    assert!((two.effective_rank() - want).abs() < 1e-12);
    assert!((two.participation() - 25.0 / 17.0).abs() < 1e-12);
    let nothing = Singular::of(&[0.0; 12], 4);
    assert_eq!(
        (nothing.effective_rank(), nothing.participation()),
        (0.0, 0.0)
    );
}

/// The expert's W_E is a circle for each of three frequencies: six equal values of √(p/2), and
/// nothing else, for addition and, with 22 residues in the group, for multiplication.
#[test]
fn circles_are_two_equal_values_each() {
    let mul = task("mul", 23, |a, b| Some(a * b % 23));
    for (task, expert, group) in [
        (add(), Expert::additive(23, &[2, 5, 9]), 23.0f64),
        (mul, Expert::multiplicative(23, 5, &[2, 5, 9]), 22.0),
    ] {
        let found = analyse(&task, &[expert.snapshot(&task, 0)]);
        let (shape, values) = found.tensor("W_E-values").unwrap();
        assert_eq!(shape, [23]);
        let want = (group / 2.0).sqrt();
        for (i, got) in values.iter().enumerate() {
            let want = if i < 6 { want } else { 0.0 };
            assert!((f64::from(*got) - want).abs() < 1e-4, "{i}: {got}");
        }
        let rank = found.last("effective rank W_E").unwrap();
        assert!((rank - 6.0).abs() < 1e-2, "{rank}");
        let circle = found.last("circle of the largest frequency").unwrap();
        assert!((circle - 1.0).abs() < 1e-5);
        let (_, pairs) = found.tensor("W_E-frequency-values").unwrap();
        for (k, pair) in (1..).zip(pairs.chunks_exact(2)) {
            let planted = expert.frequencies.contains(&k);
            assert_eq!(f64::from(pair[1]) > 0.99 * want, planted, "{k}: {pair:?}");
        }
        // Six singular vectors, each within a key frequency or a mix of several of equal size: all
        // that is certain is that nothing of them is in another.
        let vectors = found.table("W_E-vectors").unwrap();
        for row in &vectors[..6] {
            let k = row["frequency"].as_u64().unwrap() as usize;
            assert!(expert.frequencies.contains(&k), "{k}");
        }
        // W_L has two directions a frequency too.
        let (_, w_l) = found.tensor("W_L-values").unwrap();
        assert!(w_l[5] > 100.0 * w_l[6], "{w_l:?}");
        assert!(found.figure("W_L-values").is_some() && found.figure("effective-rank").is_some());
    }
}

/// A frequency of which there is only the cosine is a line.
#[test]
fn a_line_has_one_value() {
    let task = add();
    let mut data = random(&task, 0, 1);
    let wave = |i: usize| match i / 32 {
        23 => 7.0,
        token => {
            let angle = std::f64::consts::TAU * 3.0 * token as f64 / 23.0;
            (angle.cos() * (1.0 + (i % 32) as f64)) as f32
        }
    };
    let w_e = (0..24 * 32).map(wave).collect();
    data.replace("weight.embed.W_E", Numbers::F32(w_e));
    let found = analyse(&task, &[data]);
    assert!(found.last("circle of the largest frequency").unwrap() < 1e-3);
    let rank = found.last("effective rank W_E").unwrap();
    assert!(
        (rank - 1.0).abs() < 1e-3,
        "the row of '=' is not in it: {rank}"
    );
    let rows = found.table("W_E-vectors").unwrap();
    assert_eq!(rows[0]["frequency"], 3);
    assert!((rows[0]["share"].as_f64().unwrap() - 1.0).abs() < 1e-6);
    assert!(rows[0]["share of noise"].as_f64().unwrap() < 0.6);
}

/// Noise is its own control, but for the draw.
#[test]
fn noise_has_the_controls_rank() {
    let task = add();
    let found = analyse(&task, &[random(&task, 0, 5), random(&task, 100, 6)]);
    let rows = found.table("matrices").unwrap();
    assert_eq!(rows.len(), 9);
    for row in rows {
        let of = |name: &str| row[name].as_f64().unwrap();
        let ratio = of("effective rank") / of("effective rank of noise");
        // W_L is a product here, and of rank 23, so that its spectrum is wider than noise's.
        let bound = if row["matrix"] == "W_L" { 0.4 } else { 0.1 };
        assert!((ratio - 1.0).abs() < bound, "{row:?}");
    }
    let heads = found.tensor("W_OV-head-3-values").unwrap().1;
    assert!(heads[7] > 1.0 && heads[8] < 1e-3, "rank d_head: {heads:?}");
    let frames = found.figure("W_E-values").unwrap()["frames"].clone();
    assert_eq!(frames.as_array().unwrap().len(), 2);
}

#[test]
fn a_model_that_diverged_has_no_values() {
    let task = add();
    let mut broken = random(&task, 0, 5);
    broken.replace(
        "weight.embed.W_E",
        Numbers::F32(vec![f32::INFINITY; 24 * 32]),
    );
    let found = analyse(&task, &[broken]);
    assert!(found.last("effective rank W_E").unwrap().is_nan());
    assert!(found.last("effective rank W_U").unwrap() > 1.0);
    assert!(found.notes().iter().any(|note| note.contains("not finite")));
}

#[test]
fn parameters_are_judged() {
    let config = Config {
        basis: "cosines".to_owned(),
        ..Config::default()
    };
    let error = SingularValues::check(&config).unwrap_err().to_string();
    assert!(error.contains("basis"), "{error}");
}
