//! Tests the specs in `specs/`.

use super::*;
use crate::AnalysisKind;

/// Returns the analyses that the program links, with the parameters that the specs here name. The
/// program's own tests check the ranges of these parameters.
fn linked() -> Catalog {
    let names = [
        "fourier-sparsity",
        "neuron-clustering",
        "commutativity",
        "progress-measures",
        "effective-weights",
        "activations",
        "logit-directions",
        "singular-values",
        "quadratic-fit",
        "interventions",
        "clock-or-pizza",
        "embedding-geometry",
        "cosets",
        "delay-law",
        "phase-diagram",
        "phase-relation",
    ];
    let parameters =
        serde_json::json!({ "properties": { "keys": {}, "neurons": {}, "threshold": {} } });
    Catalog::new(names.map(|name| AnalysisKind::new(name, &parameters, |_| Ok(()))))
}

/// Returns all specs that are shipped, each as its path and its plan.
fn shipped() -> Vec<(PathBuf, Plan)> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(repository("specs"))
        .expect("the repository has specs")
        .map(|entry| entry.expect("the folder can be read").path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "toml")
        })
        .collect();
    paths.sort();
    paths
        .into_iter()
        .map(|path| {
            let text = std::fs::read_to_string(&path).expect("the spec can be read");
            let plan = good(load(&text, &path, &[], &linked()));
            (path, plan)
        })
        .collect()
}

#[test]
fn all_load_under_their_own_names() {
    let names: Vec<String> = shipped().into_iter().map(|(_, plan)| plan.name).collect();
    assert_eq!(
        names,
        [
            "add113",
            "course",
            "fractions",
            "gromov97",
            "mult113",
            "mult59",
            "paper",
            "phases",
            "seeds32",
            "tiny"
        ]
    );
}

#[test]
fn all_name_their_schema_and_say_what_they_are() {
    for (path, _) in shipped() {
        let text = std::fs::read_to_string(&path).expect("the spec can be read");
        let mut lines = text.lines();
        assert_eq!(
            lines.next(),
            Some("#:schema ./grokrun.schema.json"),
            "{path:?}"
        );
        let header = lines.take_while(|line| line.starts_with('#')).count();
        assert!(header >= 4, "{path:?} has no header");
    }
}

#[test]
fn mult113_is_the_published_experiment() {
    let (_, plan) = shipped().swap_remove(4);
    assert_eq!(plan.cells.len(), 1);
    assert_eq!(plan.cells[0].id, "mul-p113-f0.3-d598-m999");
    assert_eq!(plan.epochs, 40_000);
    assert_eq!(plan.checkpoints.spacing.every, 100);
    // Nothing in the file differs from the defaults.
    assert_eq!(plan.fingerprint(), plan_with(&[]).fingerprint());
}

#[test]
fn the_specs_of_the_gallery_are_valid() {
    let folder = repository("specs/gallery");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).expect("there is a gallery") {
        let path = entry.expect("the folder can be read").path();
        let text = std::fs::read_to_string(&path).expect("the spec can be read");
        let plan = good(load(&text, &path, &[], &linked()));
        assert_eq!(
            Some(plan.name.as_str()),
            path.file_stem().and_then(|s| s.to_str())
        );
        count += 1;
    }
    assert!(count >= 5, "{count}");
}
