//! Planted coset neurons, planted neurons of a representation, and noise.

use grokrun_api::testing::{Recorder, analyse, random, task};
use grokrun_api::{Numbers, SnapshotData};
use grokrun_measures::testing::{GroupExpert, group};

use super::*;

/// A snapshot whose neurons' inputs are f(a) + f(b), as are their outputs.
fn planted(task: &mut Task, functions: &[Vec<f64>]) -> SnapshotData {
    let (n, d) = (task.modulus, functions.len());
    task.model.d_mlp = d;
    let pre = (0..n * n * d).map(|i| {
        let f = &functions[i % d];
        (f[i / d / n] + f[i / d % n]) as f32
    });
    let pre: Vec<f32> = pre.collect();
    let mut data = SnapshotData::new(0);
    data.add(
        "blocks.0.mlp.hook_pre",
        &[n * n, d],
        Numbers::F32(pre.clone()),
    );
    data.add("blocks.0.mlp.hook_post", &[n * n, d], Numbers::F32(pre));
    data
}

fn indicator(cosets: &[usize], of: usize) -> Vec<f64> {
    cosets
        .iter()
        .map(|coset| f64::from(u8::from(*coset == of)))
        .collect()
}

fn counts(found: &Recorder) -> [f64; 4] {
    WAYS.map(|way| found.last(way).unwrap())
}

#[test]
fn cosets_and_representations_are_distinguished() {
    let mut task = group("S4");
    let table = GroupTable::named("S4").unwrap();
    let subgroups = Subgroups::of(&table, 1_000);
    let of_order = |order: usize| {
        let found = subgroups.list.iter().find(|s| s.elements.len() == order);
        found.unwrap()
    };
    let basis = space("auto", &task).unwrap().basis().clone();
    let matrix = basis.matrix();
    // Any combination of the entries of the standard representation, number 3.
    let rows = basis.rows_of(3);
    let mixed = (0..24).map(|g| {
        let weights = gaussian(5, rows.len()).into_iter().map(f64::from);
        rows.clone()
            .zip(weights)
            .map(|(row, w)| w * matrix[row * 24 + g])
            .sum()
    });
    let neurons = vec![
        // A coset of S3 is a function of the standard representation: both.
        indicator(&of_order(6).right, 1),
        // The cosets of a subgroup of two elements are in many representations.
        indicator(&of_order(2).left, 3),
        mixed.collect(),
        gaussian(6, 24).into_iter().map(f64::from).collect(),
    ];
    let data = planted(&mut task, &neurons);
    let found = analyse::<Cosets>(Config::default(), &task, &[data]);
    assert_eq!(counts(&found), [1.0, 1.0, 1.0, 1.0]);
    let rows = found.table("subgroups").unwrap();
    let sizes: Vec<u64> = rows
        .iter()
        .map(|row| row["order"].as_u64().unwrap())
        .collect();
    assert_eq!(sizes.len(), 2, "{rows:?}");
    assert!(sizes.contains(&6) && sizes.contains(&2), "{sizes:?}");
    let six = rows.iter().find(|row| row["order"] == 6).unwrap();
    assert_eq!(
        (six["cosets"].as_str(), six["neurons of a"].as_u64()),
        (Some("right"), Some(1))
    );
    let rows = found.table("representations").unwrap();
    let standard = rows
        .iter()
        .find(|row| row["representation"] == "standard")
        .unwrap();
    assert_eq!(standard["neurons of b"], 2);
    assert!(found.figure("explanations").is_some());
    assert!(
        found
            .notes()
            .iter()
            .any(|note| note.contains("28 proper subgroups"))
    );
}

/// Of the exact expert a neuron ρ_jm(a) ρ_ms(b) has no part of a or of b alone, but a third of it
/// is a function of ab.
#[test]
fn the_shares_of_an_expert_are_those_of_schurs_lemma() {
    let expert = GroupExpert::new(&[3]);
    let task = expert.task("S4");
    let found = analyse::<Cosets>(Config::default(), &task, &[expert.snapshot(&task, 0)]);
    let rows = found.table("representations").unwrap();
    for row in rows {
        let want = if row["representation"] == "standard" {
            1.0 / 3.0
        } else {
            0.0
        };
        let share = |name: &str| row[name].as_f64().unwrap();
        assert!((share("share of ab") - want).abs() < 1e-5, "{row:?}");
        assert!(share("share of a").abs() < 1e-9 && share("share of b").abs() < 1e-9);
    }
}

#[test]
fn noise_is_neither_and_its_adjusted_share_is_near_one() {
    let task = group("S4");
    let found = analyse::<Cosets>(Config::default(), &task, &[random(&task, 0, 3)]);
    assert_eq!(counts(&found)[..3], [0.0, 0.0, 0.0]);
    for series in [
        "within cosets, adjusted",
        "within cosets, adjusted, noise",
        "outside of the representation, adjusted",
        "outside of the representation, adjusted, noise",
    ] {
        // The best of 56 ways, and of 4.
        let got = found.last(series).unwrap();
        assert!((0.3..1.0).contains(&got), "{series}: {got}");
    }
}

#[test]
fn what_is_no_group_or_has_no_subgroup_says_so() {
    let add = task("add", 7, |a, b| Some((a + b) % 7));
    let found = analyse::<Cosets>(Config::default(), &add, &[random(&add, 0, 3)]);
    assert!(
        found.notes()[0].contains("no proper subgroup"),
        "{:?}",
        found.notes()
    );
    let mul = task("mul", 7, |a, b| Some(a * b % 7));
    let found = analyse::<Cosets>(Config::default(), &mul, &[random(&mul, 0, 3)]);
    assert!(
        found.notes()[0].contains("nothing was measured"),
        "{:?}",
        found.notes()
    );
    let config = Config {
        threshold: 0.0,
        ..Config::default()
    };
    assert!(Cosets::check(&config).is_err());
}
