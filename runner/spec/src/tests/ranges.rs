//! Tests both ends of every range.

use super::*;

/// Asserts that the smallest spec loads with `key` set to each of `good` and to none of `bad`.
#[track_caller]
fn range(key: &str, good: &[&str], bad: &[&str]) {
    for value in good {
        let set = format!("{key}={value}");
        if let Err(mistakes) = load_with(SMALLEST, &[&set]) {
            panic!("{mistakes}");
        }
    }
    for value in bad {
        let set = format!("{key}={value}");
        let Err(mistakes) = load_with(SMALLEST, &[&set]) else {
            panic!("{set} is taken")
        };
        let found: Vec<_> = mistakes.iter().collect();
        let [mistake] = found.as_slice() else {
            panic!("{mistakes}")
        };
        assert_eq!(mistake.file, "--set");
        assert!(mistake.message.contains(key), "{mistakes}");
        assert!(!mistake.label.is_empty(), "{mistakes}");
    }
}

const HUGE: &str = "99999999999999999999999999999999999999999999999999";

#[test]
fn moduli() {
    range(
        "modulus",
        &["2", "65535", "0x71", "113"],
        &[
            "1",
            "0",
            "-1",
            "65536",
            HUGE,
            "-99999999999999999999999999999999999999999999",
            "113.0",
            "'113'",
            "true",
            "[]",
        ],
    );
}

#[test]
fn fractions() {
    range(
        "fraction",
        &["0.0001", "0.9999"],
        &[
            "0", "1", "0.0", "1.0", "-0.0", "-0.5", "1.5", "nan", "inf", "-inf", "[]",
        ],
    );
}

#[test]
fn seeds() {
    for key in ["seeds.data", "seeds.model"] {
        range(
            key,
            &[
                "0",
                "-1",
                "9223372036854775807",
                "-9223372036854775808",
                "{ start = 9223372036854775807, count = 1 }",
            ],
            &[
                "9223372036854775808",
                "-9223372036854775809",
                HUGE,
                "1.0",
                "[]",
                "{ start = 9223372036854775807, count = 2 }",
                "{ start = 0, count = 0 }",
                "{ start = 0, count = 100_001 }",
                "{ start = 0, count = -1 }",
            ],
        );
    }
}

#[test]
fn widths() {
    range("model.heads", &["1", "1024"], &["0", "1025", "-4", "4.0"]);
    for key in ["model.d_model", "model.d_head", "model.d_mlp"] {
        range(key, &["1", "65536"], &["0", "65537", HUGE]);
    }
}

#[test]
fn words() {
    range(
        "model.activation",
        &["relu", "gelu", "tanh", "{ power = 3 }"],
        &["ReLU", "softmax", "''", "1", "{ power = 9 }", "{}"],
    );
    range(
        "model.biases",
        &["frozen", "trained", "all", "none"],
        &["true", "some"],
    );
    range(
        "model.init",
        &["transformer-lens", "paper"],
        &["transformer_lens"],
    );
    range(
        "seeds.stream",
        &["torch", "torch-legacy", "python"],
        &["numpy", "[\"torch\"]"],
    );
    range(
        "checkpoints.precision",
        &["f32", "f16"],
        &["bf16", "F16", "16"],
    );
    range(
        "checkpoints.ring",
        &["0", "1", "20", "1000"],
        &["-1", "1001", "2.5", "true", "[10, 20]"],
    );
    range(
        "checkpoints.compression",
        &["none", "lossless"],
        &["zstd", "true", "None"],
    );
}

#[test]
fn epochs() {
    range(
        "train.epochs",
        &["1", "1_000_000_000"],
        &["0", "1_000_000_001", "-1", "1e3"],
    );
    range(
        "train.warmup",
        &["0", "1_000_000_000"],
        &["-1", "1_000_000_001"],
    );
    range(
        "checkpoints.every",
        &["0", "1", "1_000_000_000"],
        &["-1", "1_000_000_001"],
    );
}

#[test]
fn optimizer() {
    range(
        "train.learning_rate",
        &["1.2e-38", "1", "1e38"],
        &["0", "-1e-3", "nan", "inf", "1.1e-38", "1e-50", "1e39"],
    );
    range(
        "train.weight_decay",
        &["0", "-0.0", "1e38"],
        &["-1e-9", "nan", "inf", "1e39"],
    );
    range(
        "train.epsilon",
        &["1.2e-38", "1"],
        &["0", "-1e-8", "1.1e-38", "1e-60", "nan", "inf"],
    );
    range(
        "train.betas",
        &["[0, 0]", "[0.9, 0.9999999]"],
        &[
            "[1, 0.9]",
            "[0.9, 1.0]",
            "[0.9, 0.99999999]",
            "[-0.1, 0.9]",
            "[0.9]",
            "[]",
            "[0.9, 0.9, 0.9]",
            "0.9",
            "[nan, 0]",
            "['0.9', 0]",
        ],
    );
}

#[test]
fn stops() {
    let with_patience =
        |accuracy: &str| format!("train.stop={{ test_accuracy = {accuracy}, patience = 1 }}");
    for accuracy in ["0.5", "1", "1.0", "1e-9"] {
        plan_with(&[&with_patience(accuracy)]);
    }
    for accuracy in ["0", "1.0001", "-1", "nan", "'x'"] {
        assert_eq!(
            messages(load_with(SMALLEST, &[&with_patience(accuracy)])).len(),
            1
        );
    }
    range(
        "train.stop",
        &[
            "{ test_accuracy = 1, patience = 1_000_000_000 }",
            "{ confused = { train_accuracy = 1, by = 1 } }",
            "{ budget = { epochs = 1, times = 1 } }",
            "{ test_accuracy = 0.9, patience = 1, budget = { epochs = 9, times = 2.5 } }",
        ],
        &[
            "true",
            "{}",
            "{ confused = {} }",
            "{ confused = 0.5 }",
            "{ confused = { train_accuracy = 0, by = 9 } }",
            "{ confused = { train_accuracy = 0.5, by = 0 } }",
            "{ confused = { train_accuracy = 0.5 } }",
            "{ budget = { epochs = 9, times = 0.9 } }",
            "{ budget = { epochs = 0, times = 2 } }",
            "{ budget = { times = 2 } }",
            "{ patience = 1, budget = { epochs = 9, times = 2 } }",
            "{ test_accuracy = 1, patience = 0 }",
            "{ test_accuracy = 1 }",
            "{ patience = 1 }",
        ],
    );
}

#[test]
fn names() {
    range(
        "name",
        &["x", "'.x'", "a b", "2024-run"],
        &[
            "''",
            "' '",
            ".",
            "..",
            "a/b",
            r"a\b",
            r#""a\nb""#,
            "5",
            "true",
            "2024-01-01",
            "['x']",
        ],
    );
}

#[test]
fn cells() {
    plan_with(&[
        "seeds.model={ start = 0, count = 1_000 }",
        "seeds.data={ start = 0, count = 100 }",
    ]);
    let sets = [
        "seeds.model={ start = 0, count = 1_000 }",
        "seeds.data={ start = 0, count = 101 }",
    ];
    assert_eq!(
        messages(load_with(SMALLEST, &sets)),
        ["the spec has 101_000 cells; at most 100_000 are possible"]
    );
}

/// Tests that floor(p² f) pairs are trained on; with p = 10 a fraction of 0.01 gives one pair.
#[test]
fn parts() {
    plan_with(&["modulus=10", "fraction=0.01"]);
    plan_with(&["modulus=10", "fraction=0.999"]);
    plan_with(&["modulus=2", "fraction=0.25"]);
    let parts = |sets: &[&str]| messages(load_with(SMALLEST, sets));
    assert_eq!(
        parts(&["modulus=10", "fraction=0.0099"]),
        ["no pair is left to train on"]
    );
    // With the largest double below 1 there is still a pair to test on.
    let almost_one = format!("fraction={:?}", 1.0_f64.next_down());
    for modulus in ["modulus=2", "modulus=128", "modulus=65535"] {
        plan_with(&[modulus, &almost_one]);
    }
}
