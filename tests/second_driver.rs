//! A second native driver: the SwiftShader that is inside Debian's package `chromium`. It compiles
//! and rounds in other ways than Mesa's, so that what holds on both is no accident of one.

use std::path::Path;

use crate::support::{Bench, SMALL};

/// Where Debian's package puts the driver's manifest.
const MANIFEST: &str = "/usr/lib/chromium/vk_swiftshader_icd.json";

/// Each takes seconds there, on two cores.
const EPOCHS: usize = 6;

#[test]
fn swiftshader_trains_as_the_cpu_does() {
    if !Path::new(MANIFEST).exists() {
        eprintln!("skipped: there is no {MANIFEST}; Debian's package chromium has it");
        return;
    }
    // The fused kernels, and those of recorded programs.
    let two_layers = "[model]\nlayers = 2\nnorm = \"pre\"\nd_model = 32\nd_head = 8\nd_mlp = 64\n";
    let (head, _) = SMALL.split_once("[model]").expect("a model");
    let train = format!("[train]\nepochs = {EPOCHS}\n[checkpoints]\nevery = 0\n");
    let specs = [
        SMALL.replace("epochs = 300", &format!("epochs = {EPOCHS}")),
        format!("{head}{two_layers}{train}"),
    ];
    for spec in specs {
        let (cpu, gpu) = (Bench::new(&spec), Bench::new(&spec));
        cpu.run(&["small.toml", "--backend", "cpu"]).exits(0);
        let mut command = gpu.command(&["small.toml", "--backend", "gpu"]);
        command.args(["--adapter", "SwiftShader"]);
        let output = command.env("VK_DRIVER_FILES", MANIFEST).output();
        let output = output.expect("the program starts");
        assert!(output.status.success(), "{output:?}");
        let (ours, theirs) = (gpu.history(), cpu.history());
        assert_eq!((ours.len(), theirs.len()), (EPOCHS, EPOCHS));
        for (row, wanted) in ours.rows().zip(theirs.rows()) {
            let apart = |one: f64, other: f64| (one / other - 1.0).abs();
            let losses = [
                apart(row.train_loss, wanted.train_loss),
                apart(row.test_loss, wanted.test_loss),
            ];
            assert!(
                losses.iter().all(|apart| *apart < 1e-5),
                "{row:?} {wanted:?}"
            );
        }
    }
}
