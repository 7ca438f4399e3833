//! Models in the layouts of published code: what an import computes is compared with formulas in
//! f64 that are written here from that code, and an export has the numbers of the file again.

mod files;
mod formulas;
mod perceptrons;
mod refused;

use grokrun_exchange::{Array, Numbers};
use safetensors::SafeTensors;
use serde_json::{Value, json};

use self::files::{PLAIN, transformer_lens, transposed, write};
use self::formulas::Transformer;
use crate::support::Bench;

const TRAIN: [usize; 8] = [0, 3, 8, 11, 17, 20, 33, 47];

/// Imports a file with more flags and compares the losses with those of `logits`; returns what was
/// said.
fn imported(
    bench: &Bench,
    file: &str,
    flags: &[&str],
    p: usize,
    logits: impl Fn(usize, usize) -> Vec<f64>,
) -> String {
    bench.write("train.json", json!(TRAIN).to_string());
    let fixed = [
        "import",
        file,
        "--into",
        "runs/x",
        "--force",
        "--operation",
        "add",
        "--train-indices",
        "train.json",
        "--epoch",
        "100",
    ];
    let output = bench.run(&[&fixed[..], flags].concat()).exits(0);
    let mut sums = [(0.0, 0.0); 2];
    for pair in 0..p * p {
        let (a, b) = (pair / p, pair % p);
        let logits = logits(a, b);
        let most = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let all: f64 = logits.iter().map(|x| (x - most).exp()).sum();
        let loss = most + all.ln() - logits[(a + b) % p];
        let (sum, count) = &mut sums[usize::from(!TRAIN.contains(&pair))];
        *sum += loss;
        *count += 1.0;
    }
    let summary = std::fs::read(bench.path().join("runs/x/summary.json")).unwrap();
    let summary: Value = serde_json::from_slice(&summary).unwrap();
    let last = &summary[0]["last"];
    for ((sum, count), key) in sums.iter().zip(["train_loss", "test_loss"]) {
        let found = last[key].as_f64().unwrap_or(f64::NAN);
        let wanted = sum / count;
        assert!(
            (found - wanted).abs() < 2e-5 * wanted,
            "{file} {flags:?} {key}: {found}, and {wanted} by the formulas"
        );
    }
    output.err()
}

/// Exports the run in a layout, and looks for every number of the file in it.
fn comes_back(bench: &Bench, file: &[Array], layout: &str) {
    for format in ["safetensors", "pth"] {
        let name = format!("back.{format}");
        let fixed = [
            "export", "runs/x", "--layout", layout, "--format", format, "-o", &name,
        ];
        // TransformerLens's pth is the published dictionary, which other tests read.
        if (layout, format) == ("transformer-lens", "pth") {
            continue;
        }
        bench.run(&fixed).exits(0);
    }
    let bytes = std::fs::read(bench.path().join("back.safetensors")).unwrap();
    let back = SafeTensors::deserialize(&bytes).unwrap();
    for array in file {
        let found = back.tensor(&array.name).unwrap();
        assert_eq!(found.shape(), array.shape, "{}", array.name);
        let Numbers::F32(numbers) = &array.numbers else {
            panic!("{} is float32", array.name);
        };
        let wanted: Vec<u8> = numbers.iter().flat_map(|x| x.to_le_bytes()).collect();
        assert_eq!(found.data(), wanted, "{layout}: {}", array.name);
    }
    // Beside the file's own tensors there are buffers and zeros alone.
    for (name, tensor) in back.tensors() {
        let known = file.iter().any(|array| array.name == name);
        let buffer = name.ends_with("attn.mask") || name.ends_with("attn.IGNORE");
        let plain_norm = name.contains("ln");
        let zero = tensor.data().iter().all(|byte| *byte == 0);
        assert!(known || buffer || plain_norm || zero, "{layout}: {name}");
    }
}

/// Lets analyses of weights, neurons and logits look at the run.
fn analysed(bench: &Bench) {
    let fixed = ["analyze", "runs/x"];
    let only = [
        "--only",
        "fourier-sparsity",
        "--only",
        "neuron-clustering",
        "--only",
        "singular-values",
    ];
    bench.run(&[&fixed[..], &only].concat()).exits(0);
    let cells = bench.path().join("runs/x/cells");
    let cell = std::fs::read_dir(cells).unwrap().next().unwrap().unwrap();
    for name in ["fourier-sparsity", "singular-values"] {
        let findings = cell
            .path()
            .join("analysis")
            .join(name)
            .join("findings.json");
        let findings = std::fs::read_to_string(findings).unwrap();
        let findings: Value = serde_json::from_str(&findings).unwrap();
        assert!(findings.to_string().contains("W_E"), "{name}: {findings}");
    }
}

#[test]
fn deeper_models_of_transformer_lens_compute_what_they_did() {
    let bench = Bench::new("");
    for (t, config) in [
        (
            Transformer {
                norm: Some(true),
                biases: true,
                ..PLAIN
            },
            json!({"n_layers": 2, "n_ctx": 3, "d_head": 3, "act_fn": "relu",
                "normalization_type": "LN", "eps": 1e-5, "attention_dir": "causal"}),
        ),
        (
            Transformer {
                layers: 3,
                causal: false,
                gelu: true,
                ..PLAIN
            },
            json!({"n_layers": 3, "d_head": 3, "act_fn": "gelu", "normalization_type": null,
                "attention_dir": "bidirectional"}),
        ),
        (
            Transformer {
                layers: 4,
                norm: Some(false),
                biases: true,
                neurons: None,
                ..PLAIN
            },
            json!({"n_layers": 4, "d_head": 3, "attn_only": true, "normalization_type": "LNPre",
                "attention_dir": "causal"}),
        ),
        (
            Transformer {
                norm: Some(true),
                biases: true,
                separator: false,
                causal: false,
                ..PLAIN
            },
            json!({"d_head": 3, "act_fn": "relu", "normalization_type": "LN", "n_ctx": 2,
                "attention_dir": "bidirectional"}),
        ),
        (
            // One layer whose attention and outputs have biases, which were refused once.
            Transformer {
                layers: 1,
                biases: true,
                ..PLAIN
            },
            json!({"n_layers": 1, "d_head": 3, "act_fn": "relu", "normalization_type": null}),
        ),
    ] {
        let arrays = transformer_lens(&t);
        write(&bench, "x.safetensors", &arrays, Some(config));
        imported(&bench, "x.safetensors", &[], t.p, |a, b| t.logits(a, b));
        comes_back(&bench, &arrays, "transformer-lens");
        if t.norm.is_some() {
            let fixed = [
                "export", "runs/x", "--format", "npz", "-o", "y.npz", "--layout",
            ];
            let found = bench.run(&[&fixed[..], &["native"]].concat()).exits(2);
            found.says(&["without layer norm"]);
        }
        analysed(&bench);
    }
    // What the file does not tell, the flags do.
    let t = Transformer {
        causal: false,
        norm: Some(false),
        ..PLAIN
    };
    write(&bench, "bare.pt", &transformer_lens(&t), None);
    let flags = [
        "--mask",
        "none",
        "--normalization",
        "LNPre",
        "--activation",
        "relu",
        "--attention-scale",
        "sqrt",
    ];
    let said = imported(&bench, "bare.pt", &flags, t.p, |a, b| t.logits(a, b));
    assert!(said.contains("here they are 1 and 0"), "{said}");
}

#[test]
fn clock_and_pizza_transformers_compute_what_they_did() {
    let bench = Bench::new("");
    for (t, config) in [
        (
            Transformer {
                separator: false,
                causal: false,
                rate: 0.63,
                biases: true,
                ..PLAIN
            },
            json!({"C": 7, "n_layers": 2, "act_fn": "ReLU", "attn_coeff": 0.63,
                "attention_dir": "casual", "diff_vocab": false, "eqn_sign": false}),
        ),
        (
            Transformer {
                layers: 1,
                causal: false,
                rate: 0.0,
                gelu: true,
                biases: true,
                ..PLAIN
            },
            json!({"C": 7, "act_fn": "GeLU", "attn_coeff": 0, "diff_vocab": 0, "eqn_sign": 1}),
        ),
        (
            Transformer {
                separator: false,
                causal: false,
                biases: true,
                ..PLAIN
            },
            json!({"C": 7, "act_fn": "ReLU", "attn_coeff": 1, "diff_vocab": 0}),
        ),
    ] {
        // Attention and outputs have no biases there.
        let arrays = transposed(&t);
        write(&bench, "x.pt", &arrays, None);
        bench.write("x.json", config.to_string());
        let t = Transformer {
            attention_biases_are_zero: true,
            ..t
        };
        imported(&bench, "x.pt", &["--config", "x.json"], t.p, |a, b| {
            t.logits(a, b)
        });
        comes_back(&bench, &arrays, "pizza");
        let flags = ["--config", "x.json"];
        imported(&bench, "back.pth", &flags, t.p, |a, b| t.logits(a, b));
        analysed(&bench);
    }
    // The file alone does not say how attention is mixed.
    let t = Transformer {
        separator: false,
        ..PLAIN
    };
    write(&bench, "x.pt", &transposed(&t), None);
    let import = ["import", "x.pt", "--into", "runs/y"];
    bench
        .run(&import)
        .exits(2)
        .says(&["--attention-rate", "--config"]);
    for (config, says) in [
        (
            json!({"attn_coeff": 0.5, "diff_vocab": 1}).to_string(),
            "one embedding for both",
        ),
        (
            json!({"attn_coeff": 0.5, "C": 59}).to_string(),
            "C = 59, and its tensors have 7",
        ),
        ("{".to_owned(), "no JSON"),
    ] {
        bench.write("y.json", config);
        let more = [&import[..], &["--config", "y.json"]].concat();
        bench.run(&more).exits(2).says(&[says]);
    }
    assert!(!bench.path().join("runs/y").exists());
}
