//! Tasks other than pairs of residues: groups, tables, more operands, noisy labels. Training from a
//! spec gives torch's numbers (the settings and numbers of `group_S4`, `group_D5` and
//! `quad_p23_noise` of runner/program/tests/golden).

use grokrun_store::{Metrics, RunView};

use crate::support::{Bench, adapter, assert_same};

/// The analyses that come with grokrun, besides fourier-sparsity, which [`TABLES`] has.
const ANALYSES: [&str; 17] = [
    "activations",
    "clock-or-pizza",
    "commutativity",
    "circulant",
    "cosets",
    "rqi",
    "edge",
    "effective-weights",
    "embedding-geometry",
    "interventions",
    "logit-directions",
    "neuron-clustering",
    "norm-path",
    "phase-relation",
    "progress-measures",
    "quadratic-fit",
    "singular-values",
];

/// A parity, split and learned as torch does it: `randint`, `randperm`, `nn.Linear` and AdamW.
const PARITY: &str = r#"
operation = { parity = 3, bits = 10, samples = 64, seed = 7 }
fraction = 0.5
seeds = { data = 5, model = 3 }
[model]
kind = "mlp"
input = "signs"
hidden = [16]
activation = "relu"
biases = "trained"
[train]
epochs = 40
learning_rate = 1e-2
weight_decay = 0.1
betas = [0.9, 0.98]
[analysis.norm-path]
"#;

/// Losses that torch 2.15 has in these epochs: train, test.
const PARITY_LOSSES: [(usize, f64, f64); 4] = [
    (0, 0.694_734_452_797_466_5, 0.785_069_091_025_528_8),
    (1, 0.677_387_656_416_703_7, 0.783_067_013_046_896_3),
    (9, 0.551_830_447_378_787, 0.812_033_202_481_773_9),
    (39, 0.086_430_178_772_561_82, 1.621_425_055_691_689),
];

const CPU: &[&str] = &["small.toml", "--backend", "cpu", "--quiet"];

/// Returns the history of the only cell of a run.
fn history(bench: &Bench) -> Metrics {
    let view = RunView::open(&bench.path().join("runs/small")).unwrap();
    let summary = view.summary().unwrap();
    let [only] = summary.cells.as_slice() else {
        panic!("one cell");
    };
    let (history, flaw) = view.cell(&only.cell).unwrap().read_history();
    assert_eq!(flaw, None);
    history
}

/// A spec, and torch's train loss, test loss and train accuracy after epochs.
struct Golden {
    spec: &'static str,
    rows: &'static [(usize, f64, f64, f64)],
}

const GROUP: &str = "name = \"small\"\nfraction = 0.5\n[model]\nkind = \"mlp\"\ninput = \"embedding-concat\"\nembeddings = \"separate\"\nbiases = \"none\"\ninit = \"rep-theory\"\n";

const GOLDEN: [Golden; 3] = [
    Golden {
        spec: "operation = { group = \"S4\" }\nseeds = { data = 3, model = 4 }\nD_MODEL = 16\nHIDDEN = 32",
        rows: &[
            (
                0,
                3.206_331_248_333_555,
                3.193_109_466_685_22,
                0.024_305_555_555_555_556,
            ),
            (
                1,
                3.176_839_541_393_884,
                3.208_182_636_492_139,
                0.052_083_333_333_333_336,
            ),
            (
                10,
                3.003_919_163_998_115,
                3.366_921_677_365_521,
                0.100_694_444_444_444_45,
            ),
            (50, 1.775_360_189_090_045_2, 5.743_943_019_744_513, 0.5),
            (
                99,
                0.487_959_840_303_017_3,
                9.368_153_359_098_908,
                0.989_583_333_333_333_4,
            ),
        ],
    },
    Golden {
        spec: "operation = { group = \"D5\" }\nseeds = { data = 3, model = 2 }\nD_MODEL = 8\nHIDDEN = 16",
        rows: &[
            (0, 2.342_954_958_681_953_6, 2.334_063_849_053_240_6, 0.08),
            (10, 2.161_999_132_953_527, 2.428_368_551_416_508, 0.32),
            (99, 0.424_166_144_182_795_86, 6.315_945_197_735_458, 1.0),
        ],
    },
    Golden {
        spec: "",
        rows: &[
            (
                0,
                0.044_833_242_893_218_994,
                0.043_650_295_585_393_906,
                0.053_030_303_030_303_03,
            ),
            (
                1,
                0.043_151_140_213_012_695,
                0.043_051_682_412_624_36,
                0.075_757_575_757_575_76,
            ),
            (
                10,
                0.039_641_201_496_124_27,
                0.042_369_097_471_237_18,
                0.496_212_121_212_121_2,
            ),
            (
                50,
                0.026_624_446_734_786_034,
                0.048_389_416_188_001_63,
                0.977_272_727_272_727_3,
            ),
            (
                99,
                0.020_499_927_923_083_305,
                0.051_108_796_149_492_264,
                1.0,
            ),
        ],
    },
];

const NOISE: &str = "name = \"small\"\noperation = \"add\"\nmodulus = 23\nfraction = 0.5\nseeds = { data = 420, model = 2, stream = \"python\" }\n[data]\nlabel_noise = 0.35\n[model]\nkind = \"mlp\"\ninput = \"two-hot\"\nhidden = 48\nactivation = \"quadratic\"\nbiases = \"none\"\ninit = \"gromov\"\n[train]\nepochs = 100\nloss = { kind = \"mse\", precision = \"f32\" }\nlearning_rate = 1e-2\nweight_decay = 5.0\n";

fn spec(golden: &Golden) -> String {
    if golden.spec.is_empty() {
        return NOISE.to_owned();
    }
    let (top, sizes) = golden.spec.split_once("\nD_MODEL").unwrap();
    let sizes = format!("D_MODEL{sizes}").to_lowercase();
    let train = "[train]\nepochs = 100\nlearning_rate = 1e-2\nweight_decay = 1.0\n";
    format!(
        "{}\n{sizes}\n{train}",
        GROUP.replacen('\n', &format!("\n{top}\n"), 1)
    )
}

#[test]
fn groups_and_noise_train_as_torch_does() {
    for golden in &GOLDEN {
        let bench = Bench::new(&spec(golden));
        bench.run(CPU).exits(0);
        let history = history(&bench);
        for &(epoch, train_loss, test_loss, train_accuracy) in golden.rows {
            let row = history.rows().nth(epoch).unwrap();
            let near = |ours: f64, torch: f64| (ours / torch - 1.0).abs() < 1e-4;
            assert!(
                near(row.train_loss, train_loss) && near(row.test_loss, test_loss),
                "{}epoch {epoch}: {} and {}",
                spec(golden),
                row.train_loss,
                row.test_loss
            );
            assert!(
                (row.train_accuracy - train_accuracy).abs() < 1e-9,
                "epoch {epoch}"
            );
        }
    }
}

const TABLES: &str = "[model]\nd_model = 16\nheads = 2\nd_head = 8\nd_mlp = 32\n[train]\nepochs = 40\n[analysis.fourier-sparsity]\n";

#[test]
fn tables_and_operands_train_go_on_and_are_reported() {
    for (top, notation) in [
        ("operation = { table = \"v4.csv\" }", "table v4"),
        ("operation = { group = \"A4\" }", "A4"),
        ("operation = \"a + b*c\"\nmodulus = 5", "a + bc"),
        (
            "operation = \"add\"\nmodulus = 11\npairs = \"nonzero\"",
            "a + b (a, b ≠ 0)",
        ),
    ] {
        let spec = |epochs: &str| {
            format!(
                "name = \"small\"\n{top}\nfraction = 0.6\nseeds = {{ data = 0, model = 0 }}\n{}",
                TABLES.replace("40", epochs)
            )
        };
        let benches = [spec("40"), spec("20")].map(|spec| {
            let bench = Bench::new(&spec);
            bench.write("v4.csv", "0,1,2,3\n1,0,3,2\n2,3,0,1\n3,2,1,\n");
            bench
        });
        let [whole, parts] = &benches;
        whole.run(CPU).exits(0);
        parts.run(CPU).exits(0);
        // The spec is read with its table.
        whole
            .run(&["verify", "small.toml"])
            .exits(2)
            .says(&["its spec has no claims"]);
        // The table is in the run: its file may go.
        std::fs::remove_file(parts.path().join("v4.csv")).unwrap();
        parts
            .run(&["extend", "runs/small", "--epochs", "40", "--quiet"])
            .exits(0);
        let cells = |bench: &Bench| {
            let mut files = bench.files("small");
            files.retain(|name, _| name.starts_with("cells"));
            assert!(!files.is_empty());
            files
        };
        assert_same(&cells(whole), &cells(parts));
        let page = std::fs::read_to_string(benches[0].path().join("runs/small/report.html"));
        assert!(page.unwrap().contains(notation), "{notation}");
        let check = benches[0].run(&["check", "small.toml"]);
        check.exits(0);
    }
}

#[test]
fn every_analysis_looks_at_groups_in_their_own_basis() {
    let spec = format!(
        "name = \"small\"\noperation = {{ group = \"D4\" }}\nfraction = 0.6\nseeds = {{ data = 0, model = 0 }}\n{TABLES}{}",
        ANALYSES.map(|name| format!("[analysis.{name}]\n")).concat()
    );
    let bench = Bench::new(&spec);
    bench.run(CPU).exits(0);
    let cell = bench
        .path()
        .join("runs/small/cells/group-d4-p8-f0.6-d0-m0/analysis");
    for folder in std::fs::read_dir(&cell).unwrap() {
        let folder = folder.unwrap().path();
        let index = std::fs::read_to_string(folder.join("findings.json")).unwrap();
        let found: serde_json::Value = serde_json::from_str(&index).unwrap();
        assert!(found["failure"].is_null(), "{index}");
        // Two are of angles, which the elements of this group have not.
        let angles = ["circulant", "phase-relation"].map(|name| folder.ends_with(name));
        let declines = index.contains("nothing was measured");
        assert_eq!(declines, angles.contains(&true), "{index}");
    }
    let index = cell.join("neuron-clustering/findings.json");
    let index = std::fs::read_to_string(index).unwrap();
    assert!(
        index.contains("irreducible representations of D4"),
        "{index}"
    );
    assert!(index.contains("2d_1"), "{index}");
}

/// On both executors; no analysis looks at samples that are no pairs.
#[test]
fn a_parity_is_learned_as_torch_learns_it() {
    let bench = Bench::new(PARITY);
    let mut devices = vec![vec!["--backend", "cpu"]];
    let adapter = adapter();
    if let Some(adapter) = &adapter {
        devices.push(vec!["--backend", "gpu", "--adapter", adapter]);
    }
    for device in devices {
        let args = [&["small.toml", "--quiet", "--fresh"], device.as_slice()];
        bench.run(&args.concat()).exits(0);
        let history = history(&bench);
        for (epoch, train, test) in PARITY_LOSSES {
            let row = history.rows().nth(epoch).unwrap();
            let off = (row.train_loss / train - 1.0)
                .abs()
                .max((row.test_loss / test - 1.0).abs());
            assert!(off < 1e-6, "{epoch}: {row:?}");
        }
        let view = RunView::open(&bench.path().join("runs/small")).unwrap();
        let cell = view.summary().unwrap().cells.remove(0).cell;
        let note = bench.path().join(format!(
            "runs/small/cells/{cell}/analysis/norm-path/findings.json"
        ));
        let note = std::fs::read_to_string(note).unwrap();
        assert!(note.contains("nothing was measured"), "{note}");
    }
}
