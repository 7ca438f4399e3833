//! Tests keys of model, training and data as axes, and samples.

use super::*;

/// Returns the ids of the cells, without the part that all of [`SMALLEST`]'s have.
fn suffixes(plan: &Plan) -> Vec<&str> {
    let stem = "mul-p113-f0.3-d598-m999";
    let cells = plan.cells.iter();
    cells
        .map(|cell| cell.id.strip_prefix(stem).expect("the stem is the same"))
        .collect()
}

/// Overrides that make axes, and the ends of the ids.
const AXES: [(&[&str], &[&str]); 12] = [
    (&["model.layers=[1, 2]"], &["-layers1", "-layers2"]),
    (
        &["model.norm=[\"none\", \"pre\"]", "model.d_mlp=[64, 128]"],
        &[
            "-dmlp64-norm-none",
            "-dmlp64-norm-pre",
            "-dmlp128-norm-none",
            "-dmlp128-norm-pre",
        ],
    ),
    (
        &["train.optimizer=[\"adamw\", \"sgd\", \"muon\"]"],
        &["-optimizer-adamw", "-optimizer-sgd", "-optimizer-muon"],
    ),
    (
        &["train.betas=[[0.9, 0.98], [0.9, 0.999]]"],
        &["-betas0.9-0.98", "-betas0.9-0.999"],
    ),
    (
        &["train.gradient=[[], [{ grokfast = \"ema\" }]]"],
        &["-gradient-none", "-gradient-alpha0.98-grokfast-ema-lambda2"],
    ),
    (
        &["train.gradient={ grokfast = \"ema\", lambda = [1, 2] }"],
        &["-gradient-lambda1", "-gradient-lambda2"],
    ),
    (
        &["train.loss={ precision = [\"f32\", \"f64\"], temperature = [1, 2] }"],
        &[
            "-loss-precision-f32-temperature1",
            "-loss-precision-f32-temperature2",
            "-loss-cross-entropy",
            "-loss-precision-f64-temperature2",
        ],
    ),
    (
        &["model.attention=[{ rate = 0 }, { rate = 0.5 }, { rate = 1 }]"],
        &["-attention-rate0", "-attention-rate0.5", "-attention-rate1"],
    ),
    (
        &["model.kind=\"mlp\"", "model.hidden=[[64], [64, 64]]"],
        &["-hidden64", "-hidden64-64"],
    ),
    (
        &["train.sphere=[0.5, 1]", "train.weight_decay=[0, 1]"],
        &[
            "-wd0-sphere0.5",
            "-wd0-sphere1",
            "-wd1-sphere0.5",
            "-wd1-sphere1",
        ],
    ),
    (
        &["train.group=[[], [{ match = \"embed.*\", frozen = true }]]"],
        &["-group-none", "-group-frozen-true-match-embed.-"],
    ),
    (
        &[
            "data.batch=[\"full\", { size = 512, seed = 0 }]",
            "model.tied=[true, false]",
        ],
        &[
            "-batch-full-tied-true",
            "-batch-full-tied-false",
            "-batch-seed0-size512-tied-true",
            "-batch-seed0-size512-tied-false",
        ],
    ),
];

#[test]
fn any_key_of_model_and_training_can_be_an_axis() {
    for (sets, ends) in AXES {
        let plan = plan_with(sets);
        assert_eq!(suffixes(&plan), ends, "{sets:?}");
    }
}

#[test]
fn a_resolved_spec_with_axes_is_the_plan_again() {
    let mut fingerprints = std::collections::HashSet::new();
    for (sets, _) in AXES {
        let plan = plan_with(sets);
        let resolved = plan.resolved_toml();
        assert_eq!(good(load_with(&resolved, &[])), plan, "{resolved}");
        assert!(fingerprints.insert(plan.fingerprint()), "{sets:?}");
        // A cell of a sweep is the same as the cell alone.
        for cell in &plan.cells {
            assert_eq!(plan.cell_values(cell)["seeds"]["data"], 598, "{resolved}");
        }
    }
}

#[test]
fn a_cell_of_an_axis_is_the_cell_of_a_spec_without() {
    let sweep = plan_with(&[
        "model.layers=[1, 2]",
        "train.optimizer=[\"adamw\", \"lion\"]",
    ]);
    let alone = plan_with(&["model.layers=2", "train.optimizer=lion"]);
    let cell = sweep.cells.last().expect("there are cells");
    assert_eq!(
        sweep.cell_fingerprint(cell),
        alone.cell_fingerprint(&alone.cells[0])
    );
    assert_eq!(sweep.cell_values(cell), alone.cell_values(&alone.cells[0]));
}

#[test]
fn the_order_of_an_axis_decides_nothing() {
    let one = plan_with(&["model.layers=[1, 2]"]);
    let other = plan_with(&["model.layers=[2, 1]"]);
    assert_eq!(one.fingerprint(), other.fingerprint());
}

#[test]
fn a_setting_that_one_optimizer_has_may_stand_beside_others() {
    let plan = plan_with(&["train.optimizer=[\"adamw\", \"sgd\"]", "train.momentum=0.9"]);
    assert_eq!(good(load_with(&plan.resolved_toml(), &[])), plan);
    let idle = load_with(
        SMALLEST,
        &[
            "train.optimizer=[\"adamw\", \"lion\"]",
            "train.momentum=0.9",
        ],
    );
    assert_eq!(
        messages(idle),
        ["`train.momentum` is a setting of other optimizers than adamw"]
    );
}

#[test]
fn what_is_wrong_with_axes_is_said_once() {
    for (sets, expected) in [
        (
            &["model.layers=[1, 9]"][..],
            "`model.layers` must be an integer from 1 to 4",
        ),
        (&["model.layers=[]"], "`model.layers` is an empty list"),
        (&["model.layers=[2, 1, 2]"], "`model.layers` has 2 twice"),
        (
            &["train.loss=[\"mse\", { kind = \"mse\" }]"],
            "`train.loss` has { kind = \"mse\" } twice",
        ),
        (
            // An axis that has no effect in some of its cells.
            &[
                "train.optimizer=[\"adamw\", \"sgd\"]",
                "train.momentum=[0.9, 0.95]",
            ],
            "`train.momentum` is a setting of other optimizers than adamw",
        ),
        (
            &["train.epochs=[100, 200]"],
            "`train.epochs` must be an integer from 1 to 1_000_000_000",
        ),
        (
            &["train.learning_rate={ log = [1e-4, 1e-2] }"],
            "`train.learning_rate` must be a finite number above 0",
        ),
    ] {
        let found = messages(load_with(SMALLEST, sets));
        assert_eq!(
            found.first().map(String::as_str),
            Some(expected),
            "{found:?}"
        );
        assert!(found.len() <= 2, "{found:?}");
    }
    let many = |key: &str, count: usize| {
        let items: Vec<String> = (1..=count).map(|i| i.to_string()).collect();
        format!("{key}=[{}]", items.join(", "))
    };
    let sets = [many("model.d_mlp", 400), many("model.d_model", 400)];
    let sets: Vec<&str> = sets.iter().map(String::as_str).collect();
    let found = messages(load_with(SMALLEST, &sets));
    assert_eq!(
        found,
        ["the spec has 160_000 cells; at most 100_000 are possible"]
    );
}

const SAMPLE: [&str; 6] = [
    "sample={ count = 8, seed = 3 }",
    "train.learning_rate={ log = [1e-4, 1e-2] }",
    "fraction={ uniform = [0.25, 0.75] }",
    "model.d_mlp={ uniform = [64, 512] }",
    "model.norm=[\"none\", \"pre\"]",
    "seeds.model={ start = 0, count = 1000 }",
];

#[test]
fn a_sample_draws_from_ranges_and_lists() {
    let plan = plan_with(&SAMPLE);
    assert_eq!(plan.cells.len(), 8);
    let mut ids: Vec<&str> = plan.cells.iter().map(|cell| cell.id.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 8);
    for cell in &plan.cells {
        assert!((1e-4..=1e-2).contains(&cell.learning_rate));
        assert!((0.25..=0.75).contains(&cell.fraction));
        assert!((0..1000).contains(&cell.model_seed));
        let values = plan.cell_values(cell);
        let neurons = values["model"]["d_mlp"].as_u64().expect("an integer");
        assert!((64..=512).contains(&neurons));
    }
    let norms: Vec<bool> = plan.cells.iter().map(|c| c.id.contains("pre")).collect();
    assert!(norms.contains(&true) && norms.contains(&false));
    assert_eq!(good(load_with(&plan.resolved_toml(), &[])), plan);
}

#[test]
fn a_longer_sample_begins_with_the_shorter_one() {
    let with = |last: &str| {
        let mut sets = SAMPLE.to_vec();
        sets.push(last);
        plan_with(&sets)
    };
    let (short, long) = (with("sample.count=8"), with("sample.count=80"));
    assert_eq!(long.cells[..8], short.cells);
    // The median of a log range is its geometric mean.
    let mut rates: Vec<f64> = with("sample.count=400")
        .cells
        .iter()
        .map(|cell| cell.learning_rate)
        .collect();
    rates.sort_by(f64::total_cmp);
    assert!((7e-4..1.4e-3).contains(&rates[200]), "{}", rates[200]);
    let other = with("sample.seed=4");
    assert_ne!(other.cells, short.cells);
    assert_ne!(other.fingerprint(), short.fingerprint());
}

#[test]
fn what_is_wrong_with_a_sample_is_said() {
    let sample = "sample={ count = 8, seed = 3 }";
    for (sets, expected) in [
        (&[sample][..], "nothing to sample from"),
        (
            &[sample, "train.weight_decay={ log = [0, 1] }"],
            "`train.weight_decay` has no such range",
        ),
        (
            &[sample, "train.weight_decay={ uniform = [2, 1] }"],
            "`train.weight_decay` has no such range",
        ),
        (
            &[sample, "fraction={ uniform = [0.5, 1.5] }"],
            "`fraction` must be a number strictly between 0 and 1",
        ),
        (
            &[sample, "model.layers=[1, 2]"],
            "the lists of the spec have only 2 different cells",
        ),
        (
            &["sample={ seed = 3 }", "model.layers=[1, 2]"],
            "missing key `sample.count`",
        ),
    ] {
        let found = messages(load_with(SMALLEST, sets));
        assert_eq!(
            found.first().map(String::as_str),
            Some(expected),
            "{found:?}"
        );
    }
}
