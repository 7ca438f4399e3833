//! Tests what specs mean: defaults, cells, the resolved spec and the fingerprint.

use grokrun_task::{Operation, Stream};

use super::*;
use grokrun_program::{Activation, AdamW, Architecture, Init, Loss, Rule};

use crate::{Biases, Checkpoints, Compression, Model, Precision, Spacing, Stop, Success, Train};

/// A spec that sets every key to another value than its default.
const FULL: &str = r#"
name = "all keys"
operation = ["mul", "a^2 + a*b + b^2 + 7"]
modulus = [59, 113]
fraction = [0.25, 0.5]
seeds = { data = { start = -1, count = 3 }, model = [5, 7], stream = "torch-legacy" }

[model]
heads = 2
d_model = 64
d_head = 16
d_mlp = 256
activation = "gelu"
biases = "trained"
init = "paper"

[train]
epochs = 5_000
learning_rate = [1e-3, 3e-4]
weight_decay = [0, 1]
betas = [0.8, 0.99]
epsilon = 1e-6
warmup = 10
stop = { test_accuracy = 0.99, patience = 1000 }

[checkpoints]
every = 50
precision = "f16"
compression = "lossless"
"#;

#[test]
fn the_defaults_are_the_published_experiments() {
    let plan = plan_with(&[]);
    assert_eq!(plan.name, "x");
    assert_eq!(
        plan.cells[0].settings.model,
        Model {
            kind: Architecture::published(113).model,
            biases: Biases::Frozen,
            init: Init::TransformerLens,
            init_scale: 1.0,
        }
    );
    assert_eq!((plan.epochs, &plan.stop), (40_000, &Stop::default()));
    assert_eq!(
        plan.cells[0].settings.train,
        Train {
            rule: Rule::AdamW(AdamW::PUBLISHED),
            warmup: 0,
            loss: Loss::PUBLISHED,
            filters: Vec::new(),
            sphere: None,
            groups: Vec::new(),
            changes: Vec::new(),
        }
    );
    assert_eq!(
        plan.checkpoints,
        Checkpoints {
            spacing: Spacing::every(100),
            precision: Precision::F32,
            compression: Compression::None,
        }
    );
    assert_eq!(plan.analyses, []);
    let [cell] = plan.cells.as_slice() else {
        panic!("one cell")
    };
    assert_eq!(cell.id, "mul-p113-f0.3-d598-m999");
    assert_eq!(cell.operation.slug(), "mul");
    assert_eq!((cell.modulus, cell.fraction), (113, 0.3));
    assert_eq!(
        (cell.data_seed, cell.model_seed, cell.stream),
        (598, 999, Stream::Torch)
    );
    assert_eq!((cell.learning_rate, cell.weight_decay), (1e-3, 1.0));
}

/// Returns the published model with GELU neurons, trained biases and these widths.
fn kind(d_model: usize, heads: usize, d_head: usize, d_mlp: usize) -> grokrun_program::Model {
    let mut model = Architecture::published(113).model;
    let grokrun_program::Model::Transformer(transformer) = &mut model else {
        panic!("the published model is a transformer");
    };
    transformer.d_model = d_model;
    transformer.mlp_biases = grokrun_program::Bias::Trained;
    let block = &mut transformer.blocks[0];
    let attention = block.attention.as_mut().expect("it has attention");
    (attention.heads, attention.d_head) = (heads, d_head);
    let neurons = block.mlp.as_mut().expect("it has neurons");
    (neurons.width, neurons.activation) = (d_mlp, Activation::Gelu);
    model
}

#[test]
fn every_key_is_read() {
    let plan = good(load_with(FULL, &[]));
    assert_eq!(plan.name, "all keys");
    assert_eq!(
        plan.cells[0].settings.model,
        Model {
            kind: kind(64, 2, 16, 256),
            biases: Biases::Trained,
            init: Init::Paper,
            init_scale: 1.0,
        }
    );
    assert_eq!(
        (plan.epochs, plan.stop.clone()),
        (
            5_000,
            Stop {
                success: Some(Success {
                    test_accuracy: 0.99,
                    patience: 1000
                }),
                ..Stop::default()
            }
        )
    );
    assert_eq!(
        plan.cells[0].settings.train,
        Train {
            rule: Rule::AdamW(AdamW {
                betas: [0.8, 0.99],
                epsilon: 1e-6,
            }),
            warmup: 10,
            loss: Loss::PUBLISHED,
            filters: Vec::new(),
            sphere: None,
            groups: Vec::new(),
            changes: Vec::new(),
        }
    );
    assert_eq!(
        plan.checkpoints,
        Checkpoints {
            spacing: Spacing::every(50),
            precision: Precision::F16,
            compression: Compression::Lossless,
        }
    );
    assert_eq!(plan.cells.len(), 2 * 2 * 2 * 3 * 2 * 2 * 2);
}

#[test]
fn cells_vary_the_model_seed_fastest_and_the_operation_slowest() {
    let plan = good(load_with(FULL, &[]));
    let first: Vec<&str> = plan.cells[..3]
        .iter()
        .map(|cell| cell.id.as_str())
        .collect();
    assert_eq!(
        first,
        [
            "mul-p59-f0.25-d-1-m5-lr0.001-wd0-torch-legacy",
            "mul-p59-f0.25-d-1-m7-lr0.001-wd0-torch-legacy",
            "mul-p59-f0.25-d0-m5-lr0.001-wd0-torch-legacy",
        ]
    );
    let last = plan.cells.last().expect("there are cells");
    assert_eq!(
        last.operation,
        Operation::parse("a^2 + a*b + b^2 + 7").expect("an operation")
    );
    assert!(
        last.id
            .ends_with("-p113-f0.5-d1-m7-lr0.0003-wd1-torch-legacy"),
        "{}",
        last.id
    );
    assert_eq!((last.learning_rate, last.weight_decay), (3e-4, 1.0));
}

#[test]
fn no_two_cells_have_one_id() {
    let plan = good(load_with(FULL, &["fraction=[0.1, 0.25, 0.1000000001]"]));
    let mut ids: Vec<&str> = plan.cells.iter().map(|cell| cell.id.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), plan.cells.len());
    for id in ids {
        assert!(
            id.chars()
                .all(|c| c.is_ascii_alphanumeric() || "-.".contains(c)),
            "{id}"
        );
    }
}

#[test]
fn a_list_of_one_is_no_axis() {
    let one = plan_with(&["train.learning_rate=[0.001]", "modulus=[113]"]);
    assert_eq!(one, plan_with(&[]));
}

#[test]
fn numbers_in_ids_are_short() {
    let id = |sets: &[&str]| plan_with(sets).cells.swap_remove(0).id;
    assert_eq!(id(&["fraction=3e-1"]), "mul-p113-f0.3-d598-m999");
    assert_eq!(id(&["fraction=0.50"]), "mul-p113-f0.5-d598-m999");
    let rates = [
        "train.learning_rate=[1e-6, 1]",
        "train.weight_decay=[1.0, 0.5]",
    ];
    assert_eq!(id(&rates), "mul-p113-f0.3-d598-m999-lr1e-6-wd1");
    assert_eq!(
        id(&["seeds.stream=python"]),
        "mul-p113-f0.3-d598-m999-python"
    );
}

#[test]
fn the_resolved_spec_gives_the_same_plan() {
    for plan in [plan_with(&[]), good(load_with(FULL, &[]))] {
        let resolved = plan.resolved_toml();
        assert_eq!(good(load_with(&resolved, &[])), plan, "{resolved}");
    }
}

#[test]
fn the_resolved_spec_reads_well() {
    let resolved =
        plan_with(&["seeds.model={ start = 10, count = 4 }", "modulus=[5, 7]"]).resolved_toml();
    let expected = r#"name = "x"
operation = "mul"
modulus = [5, 7]
pairs = "all"
fraction = 0.3

[seeds]
data = 598
model = { start = 10, count = 4 }
stream = "torch"

[data]
batch = "full"
label_noise = 0.0

[model]
kind = "transformer"
layers = 1
heads = 4
d_model = 128
d_head = 32
d_mlp = 512
mlp = true
activation = "relu"
biases = "frozen"
init = "transformer-lens"
norm = "none"
mask = "causal"
attention = "softmax"
separator = true
tied = false
init_scale = 1.0

[train]
epochs = 40000
evaluate = 1
optimizer = "adamw"
learning_rate = 0.001
weight_decay = 1.0
betas = [0.9, 0.98]
epsilon = 1e-8
warmup = 0
loss = "cross-entropy"
# gradient is not set: gradients are used as they are
# sphere is not set: weights are not rescaled
# group is not set: all parameters have the same settings
# at is not set: nothing changes on the way
# stop is not set: all epochs are trained

[checkpoints]
every = 100
at = "multiples"
ring = 0
precision = "f32"
compression = "none"
"#;
    assert_eq!(resolved, expected);
}

#[test]
fn numbers_of_every_size_survive_resolving() {
    let seeds = format!("seeds.model=[{}, {}, 0]", i64::MIN, i64::MAX);
    let last = format!("seeds.data={{ start = {}, count = 3 }}", i64::MAX - 2);
    for set in [
        seeds.as_str(),
        last.as_str(),
        "train.learning_rate=[1e-30, 1e30, 0.1, 123456789.123]",
        "train.weight_decay=[0, 1e-300, 5e-324]",
        "train.betas=[0, 0.9999999]",
        "train.epsilon=1e-37",
        "fraction=[0.9999, 0.0001]",
        r#"name="α 'β' 💥""#,
    ] {
        let Ok(plan) = load_with(SMALLEST, &[set]) else {
            panic!("{set}")
        };
        assert_eq!(good(load_with(&plan.resolved_toml(), &[])), plan, "{set}");
    }
}

/// The value is pinned, since run directories contain fingerprints: if this test fails, old runs
/// will be refused. An intended change has to raise the number at the head of the canonical form.
#[test]
fn the_fingerprint_is_stable() {
    assert_eq!(
        plan_with(&[]).fingerprint(),
        "2cc1dea2a712b931d564d09b2b4c972e203b5861836e63816e9a8443af06cb1e"
    );
}

#[test]
fn the_fingerprint_sees_what_changes_results_and_nothing_else() {
    let base = "seeds={ data = 1, model = [2, 3] }";
    let fingerprint = |set: &str| plan_with(&[base, set]).fingerprint();
    let original = fingerprint("modulus=113");
    for same in [
        "name=other",
        "seeds.model=[3, 2]",
        "seeds.model={ start = 2, count = 2 }",
        "operation=a * b",
        "fraction=[0.30]",
        "train.weight_decay=1",
        "checkpoints.compression=none",
    ] {
        assert_eq!(fingerprint(same), original, "{same}");
    }
    let changes = [
        "operation=add",
        "modulus=59",
        "fraction=0.31",
        "seeds.data=2",
        "seeds.model=[2, 4]",
        "seeds.stream=python",
        "model.heads=2",
        "model.d_model=64",
        "model.d_head=16",
        "model.d_mlp=256",
        "model.activation=gelu",
        "model.biases=trained",
        "model.init=paper",
        "train.epochs=39_999",
        "train.learning_rate=0.002",
        "train.weight_decay=0.5",
        "train.betas=[0.9, 0.99]",
        "train.epsilon=1e-7",
        "train.warmup=1",
        "train.stop={ test_accuracy = 0.9, patience = 5 }",
        "checkpoints.every=99",
        "checkpoints.precision=f16",
        "checkpoints.compression=lossless",
    ];
    let mut seen = std::collections::HashSet::from([original]);
    for change in changes {
        assert!(seen.insert(fingerprint(change)), "{change}");
    }
}

/// The value is pinned, since states and checkpoints contain it.
#[test]
fn the_fingerprint_of_a_cell_is_stable() {
    let plan = plan_with(&[]);
    assert_eq!(
        plan.cell_fingerprint(&plan.cells[0]),
        "2cb54fd9e638076a59d4f9dcd978c7c38e8cab83bba1a28ec5438a690c947e76"
    );
}

#[test]
fn the_fingerprint_of_a_cell_is_that_of_its_weights() {
    let base = "seeds={ data = 1, model = [2, 3] }";
    let fingerprints = |set: &str| {
        let plan = plan_with(&[base, set]);
        let of = |cell| plan.cell_fingerprint(cell);
        plan.cells.iter().map(of).collect::<Vec<_>>()
    };
    let original = fingerprints("modulus=113");
    assert_ne!(original[0], original[1]);
    for same in [
        "name=other",
        "operation=a * b",
        "train.epochs=39_999",
        "train.stop={ test_accuracy = 0.9, patience = 5 }",
        "checkpoints.every=99",
        "checkpoints.precision=f16",
        "checkpoints.compression=lossless",
    ] {
        assert_eq!(fingerprints(same), original, "{same}");
    }
    // A cell alone has the same fingerprint as in a sweep.
    assert_eq!(fingerprints("seeds.model=3"), original[1..]);
    let mut seen: std::collections::HashSet<String> = original.into_iter().collect();
    for change in [
        "operation=add",
        "modulus=59",
        "fraction=0.31",
        "seeds.data=2",
        "seeds.stream=python",
        "model.heads=2",
        "model.d_model=64",
        "model.activation=gelu",
        "model.biases=trained",
        "model.init=paper",
        "train.learning_rate=0.002",
        "train.weight_decay=0.5",
        "train.betas=[0.9, 0.99]",
        "train.epsilon=1e-7",
        "train.warmup=1",
    ] {
        for fingerprint in fingerprints(change) {
            assert!(seen.insert(fingerprint), "{change}");
        }
    }
}

#[test]
fn files_of_other_systems_load() {
    let windows = format!("\u{feff}{}", SMALLEST.replace('\n', "\r\n"));
    assert_eq!(good(load_with(&windows, &[])), plan_with(&[]));
    let mistakes = load_with(&windows.replace("113", "1"), &[]).expect_err("1 is too small");
    let place: Vec<_> = mistakes
        .iter()
        .map(|m| (m.line, m.column, m.text))
        .collect();
    assert_eq!(place, [(3, 11, "1")]);
}

#[test]
fn the_name_is_the_files_stem_unless_given() {
    let name = |path: &str, sets: &[String]| {
        good(load(SMALLEST, Path::new(path), sets, &Catalog::empty())).name
    };
    assert_eq!(name("specs/mult113.toml", &[]), "mult113");
    assert_eq!(name("no-extension", &[]), "no-extension");
    assert_eq!(name("a.b.toml", &[]), "a.b");
    assert_eq!(
        name("specs/mult113.toml", &["name=other".to_owned()]),
        "other"
    );
    assert!(load(SMALLEST, Path::new(".."), &[], &Catalog::empty()).is_err());
}
