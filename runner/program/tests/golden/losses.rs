//! Values and gradients of losses on 64 samples, for their labels and for wrong ones.

use grokrun_program::{Loss, LossKind, Precision};

use crate::Tensors;

const CLASSES: usize = 23;

/// The name, the formula, the precision, and how far values and gradients may be apart.
const LOSSES: [(&str, LossKind, Precision, f64, f64); 6] = [
    (
        "ce_f64",
        LossKind::CrossEntropy,
        Precision::F64,
        2e-14,
        1e-15,
    ),
    ("ce_f32", LossKind::CrossEntropy, Precision::F32, 4e-6, 2e-7),
    ("ce_f16", LossKind::CrossEntropy, Precision::F16, 0.0, 0.0),
    ("ce_bf16", LossKind::CrossEntropy, Precision::Bf16, 0.0, 0.0),
    ("mse", LossKind::Mse, Precision::F32, 1e-4, 1e-6),
    (
        "stablemax_f64",
        LossKind::Stablemax,
        Precision::F64,
        2e-14,
        1e-14,
    ),
];

#[test]
fn values_and_gradients_are_torchs() {
    let data = Tensors::read("losses");
    let logits = data.f32("logits");
    for (name, kind, precision, value_apart, gradient_apart) in LOSSES {
        let loss = Loss {
            kind,
            precision,
            temperature: 1.0,
        };
        for (folder, labels) in [("", "labels"), ("wrong/", "labels_wrong")] {
            let labels = data.i64(labels);
            let values = data.f64(&format!("{folder}{name}/value"));
            let gradients: Vec<f64> = match name {
                "ce_f64" | "stablemax_f64" => data.f64(&format!("{folder}{name}/grad_f64")),
                _ => {
                    let rounded = data.f32(&format!("{folder}{name}/grad"));
                    rounded.into_iter().map(f64::from).collect()
                }
            };
            let mut exact = 0;
            for (sample, row) in logits.chunks_exact(CLASSES).enumerate() {
                let mut row: Vec<f64> = row.iter().map(|x| f64::from(*x)).collect();
                let value = loss.sample(&mut row, labels[sample] as usize, 1.0);
                let apart = (value - values[sample]).abs();
                assert!(
                    apart <= value_apart,
                    "{folder}{name} {sample}: {value} {apart:e}"
                );
                let theirs = &gradients[sample * CLASSES..(sample + 1) * CLASSES];
                for (ours, theirs) in row.iter().zip(theirs) {
                    let apart = (ours - theirs).abs();
                    assert!(
                        apart <= gradient_apart,
                        "{folder}{name} {sample}: {ours} {theirs}"
                    );
                }
                exact += usize::from(value == 0.0);
            }
            // A coarse loss vanishes where a sample is certain; the loss in f64 never does here.
            let expected = match (name, folder) {
                ("ce_f32", "") => 35,
                ("ce_f16", "") => 48,
                ("ce_bf16", "") => 52,
                _ => 0,
            };
            assert_eq!(exact, expected, "{folder}{name}");
        }
    }
}
