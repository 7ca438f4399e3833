//! Planted clusters, and noise.

use grokrun_api::testing::{Expert, Recorder, add, analyse, mul, random, task};

use grokrun_measures::testing::{GroupExpert, group};

use super::*;

fn counts(found: &Recorder) -> Vec<(u64, u64)> {
    let number = |value: &grokrun_api::serde_json::Value| value.as_u64().unwrap();
    let rows = found.table("clusters").unwrap();
    rows.iter()
        .map(|row| (number(&row["frequency"]), number(&row["neurons"])))
        .collect()
}

#[test]
fn planted_clusters_are_found_whole() {
    for (task, expert) in [
        (add(23), Expert::additive(23, &[2, 5, 9])),
        (mul(23), Expert::multiplicative(23, 5, &[2, 5, 9])),
    ] {
        let config = Config {
            wrong_basis: true,
            ..Config::default()
        };
        let found = analyse::<NeuronClustering>(config, &task, &[expert.snapshot(&task, 0)]);
        assert_eq!(
            counts(&found),
            [(2, 32), (5, 32), (9, 32)],
            "{}",
            task.operation
        );
        assert!((found.last("mean fraction").unwrap() - 1.0).abs() < 1e-6);
        assert_eq!(found.last("neurons in clusters, wrong basis"), Some(0.0));
        let noise = found.tensor("noise-fraction").unwrap().1;
        assert!(noise.iter().all(|x| *x < 0.3));
        for figure in [
            "clusters",
            "neurons",
            "fractions",
            "fractions-sorted",
            "losses",
        ] {
            assert!(found.figure(figure).is_some(), "{figure}");
        }
    }
}

#[test]
fn each_cluster_is_worth_its_loss() {
    // Noise in the neurons is what cleaning takes away; logits are made of all neurons, so that
    // only cleaning, and no bias correction, is between the two losses.
    let task = add(23);
    let expert = Expert {
        noise: 0.3,
        ..Expert::additive(23, &[2, 5, 9])
    };
    let config = Config {
        threshold: 0.5,
        ..Config::default()
    };
    let found = analyse::<NeuronClustering>(config, &task, &[expert.snapshot(&task, 0)]);
    let (clean, original) = (found.last("clean-neuron loss"), found.last("loss"));
    let (clean, original) = (clean.unwrap(), original.unwrap());
    assert!(clean < original, "{clean} {original}");
    for k in [2, 5, 9] {
        let without = found.last(&format!("loss without cluster {k}")).unwrap();
        assert!(without > 2.0 * clean, "{k}: {without} {clean}");
    }
}

#[test]
fn losses_of_clean_neurons_are_the_models_own() {
    let task = add(23);
    let expert = Expert::additive(23, &[2, 5, 9]);
    let found = analyse::<NeuronClustering>(Config::default(), &task, &[expert.snapshot(&task, 0)]);
    let (clean, original) = (found.last("clean-neuron loss"), found.last("loss"));
    assert!((clean.unwrap() / original.unwrap() - 1.0).abs() < 1e-3);
}

#[test]
fn noise_has_no_clusters_and_phases_none() {
    let task = add(23);
    let found = analyse::<NeuronClustering>(Config::default(), &task, &[random(&task, 0, 5)]);
    assert_eq!(found.last("neurons in clusters"), Some(0.0));
    assert_eq!(found.last("neurons in none"), Some(96.0));
    assert!(counts(&found).is_empty() && found.table("phases").unwrap().is_empty());
    // No cluster: cleaned neurons are the neurons.
    assert!(found.last("clean-neuron loss").unwrap().is_finite());
}

#[test]
fn phases_are_the_first_snapshots_with_so_many() {
    let task = add(23);
    let expert = Expert::additive(23, &[2, 5]);
    let snapshots = [
        random(&task, 0, 5),
        random(&task, 100, 6),
        expert.snapshot(&task, 200),
        expert.snapshot(&task, 300),
    ];
    let found = analyse::<NeuronClustering>(Config::default(), &task, &snapshots);
    for row in found.table("phases").unwrap() {
        assert_eq!(row["first epoch"], 200);
    }
    let figure = found.figure("neurons").unwrap();
    assert_eq!(figure["frames"].as_array().unwrap().len(), 4);
}

#[test]
fn operations_without_angles_cluster_by_label() {
    let task = task("square-sum", 13, |a, b| Some((a * a + b * b) % 13));
    let mut planted = random(&task, 0, 5);
    let wave = |i: usize| {
        let label = task.labels[i / 96].unwrap();
        (std::f64::consts::TAU * 4.0 * f64::from(label) / 13.0).cos() as f32
    };
    let post = (0..169 * 96).map(wave).collect();
    planted.replace("blocks.0.mlp.hook_post", grokrun_api::Numbers::F32(post));
    let found = analyse::<NeuronClustering>(Config::default(), &task, &[planted]);
    assert_eq!(counts(&found), [(4, 96)]);
}

#[test]
fn parameters_are_judged() {
    let config = Config {
        threshold: 1.5,
        ..Config::default()
    };
    let error = NeuronClustering::check(&config).unwrap_err().to_string();
    assert!(error.contains("threshold"), "{error}");
}

#[test]
fn neurons_of_a_group_are_in_the_clusters_of_their_representations() {
    // 1 neuron of the sign, 2³ of the representation of degree 2, 3³ of the standard one.
    let expert = GroupExpert::new(&[1, 2, 3]);
    let task = expert.task("S4");
    let config = Config {
        smallest: 1,
        wrong_basis: true,
        ..Config::default()
    };
    let found = analyse::<NeuronClustering>(config, &task, &[expert.snapshot(&task, 0)]);
    let rows = found.table("clusters").unwrap();
    let sizes: Vec<(&str, u64)> = rows
        .iter()
        .map(|row| {
            (
                row["frequency"].as_str().unwrap(),
                row["neurons"].as_u64().unwrap(),
            )
        })
        .collect();
    assert_eq!(sizes, [("sign", 1), ("2d", 8), ("standard", 27)]);
    assert!((found.last("mean fraction").unwrap() - 1.0).abs() < 1e-5);
    assert!(found.last("neurons in clusters, wrong basis").unwrap() < 2.0);
    // Cleaning takes nothing away; without a cluster the logits lack its character.
    let loss = found.last("loss").unwrap();
    assert!((found.last("clean-neuron loss").unwrap() / loss - 1.0).abs() < 1e-3);
    let without = |name: &str| found.last(&format!("loss without cluster {name}")).unwrap();
    assert!(
        without("standard") > 10.0 * loss && without("2d") > 2.0 * loss,
        "{loss}"
    );
    assert!(without("standard") > without("2d") && without("2d") > without("sign"));
}

#[test]
fn noise_on_a_group_has_no_clusters() {
    let task = group("S4");
    let found = analyse::<NeuronClustering>(Config::default(), &task, &[random(&task, 0, 5)]);
    assert_eq!(found.last("neurons in clusters"), Some(0.0));
    // The largest component has 99 of 575 terms.
    let noise = found.tensor("noise-fraction").unwrap().1;
    assert!(noise.iter().all(|x| *x < 0.4), "{noise:?}");
    assert!(counts(&found).is_empty());
}
