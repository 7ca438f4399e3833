//! Files for and from PyTorch: the structure of exports, by Python's standard library alone; the
//! round trip with real torch and TransformerLens, if they are installed; hostile files.
//!
//! The interpreter is `python3`, or what `GROKRUN_PYTHON` names. A test whose packages are missing
//! is skipped and says so, unless `GROKRUN_REQUIRE_TORCH=1` makes that a failure.

use std::path::Path;
use std::process::{Command, Output};

use grokrun_engine::{Activation, GridPass, Parameter, Shape, Wanted};
use safetensors::SafeTensors;

use crate::support::{Bench, SMALL};

const CELL: &str = "mul-p23-f0.5-d1-m2";

/// A run of [`SMALL`] with an analysis.
fn trained() -> Bench {
    let bench = Bench::new(&format!("{SMALL}\n[analysis.fourier-sparsity]\n"));
    bench
        .run(&["small.toml", "--backend", "cpu", "-q"])
        .exits(0);
    bench
}

fn python(script: &str, folder: &Path, args: &[&str]) -> Option<Output> {
    let interpreter = std::env::var("GROKRUN_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let script = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/python")
        .join(script);
    let output = Command::new(interpreter)
        .arg(script)
        .args(args)
        .current_dir(folder)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env(
            "PYTHONPATH",
            concat!(env!("CARGO_MANIFEST_DIR"), "/runner/python"),
        )
        .output();
    match output {
        Ok(output) => Some(output),
        Err(error) => {
            eprintln!("skipped: python3 cannot be started: {error}");
            None
        }
    }
}

/// Runs a script that has to succeed; returns false if it was skipped.
pub(crate) fn succeeds(script: &str, folder: &Path, args: &[&str]) -> bool {
    let required = std::env::var_os("GROKRUN_REQUIRE_TORCH").is_some_and(|value| value == "1");
    let Some(output) = python(script, folder, args) else {
        assert!(!required, "GROKRUN_REQUIRE_TORCH=1, and there is no Python");
        return false;
    };
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.code() == Some(77) {
        assert!(!required, "{}", said(&output.stdout));
        eprintln!("{script}: {}", said(&output.stdout).trim());
        return false;
    }
    assert!(
        output.status.success(),
        "{script} {args:?}\n{}\n{}",
        said(&output.stdout),
        said(&output.stderr)
    );
    eprint!("{}", said(&output.stdout));
    true
}

/// Returns our logits over the full grid, `(p², p)`, of a checkpoint.
fn logits(checkpoint: &Path, shape: Shape) -> Vec<f32> {
    let bytes = std::fs::read(checkpoint).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let mut parameters = Vec::new();
    for parameter in Parameter::ALL {
        let data = file.tensor(parameter.name()).unwrap().data();
        let (numbers, _) = data.as_chunks::<4>();
        parameters.extend(numbers.iter().map(|b| f32::from_le_bytes(*b)));
    }
    let wanted = Wanted {
        logits: true,
        ..Wanted::default()
    };
    GridPass::new(shape)
        .run(&parameters, wanted)
        .unwrap()
        .logits
}

fn write_logits(bench: &Bench, name: &str, logits: &[f32]) {
    let bytes: Vec<u8> = logits.iter().flat_map(|x| x.to_le_bytes()).collect();
    bench.write(name, bytes);
}

fn checkpoint(bench: &Bench, run: &str, cell: &str, epoch: u64) -> std::path::PathBuf {
    let name = format!("runs/{run}/cells/{cell}/checkpoints/{epoch:08}.safetensors");
    bench.path().join(name)
}

#[test]
fn an_exported_pth_has_the_published_structure() {
    let bench = trained();
    let export = |name: &str| {
        bench
            .run(&["export", "runs/small", "--format", "pth", "-o", name])
            .exits(0)
            .out()
    };
    assert_eq!(export("x.pth"), "x.pth\n");
    export("y.pth");
    let read = |name: &str| std::fs::read(bench.path().join(name)).unwrap();
    assert!(
        read("x.pth") == read("y.pth"),
        "the same run gives the same bytes"
    );
    // CI has a python3; on other machines without one this test is skipped.
    succeeds("check_pth.py", bench.path(), &["x.pth", "23", "4", "300"]);
}

/// Returns the tensors of a file, without the metadata of the header.
fn tensors(file: &[u8]) -> Vec<(String, Vec<usize>, Vec<u8>)> {
    let file = SafeTensors::deserialize(file).unwrap();
    let one = |(name, view): (&str, safetensors::tensor::TensorView<'_>)| {
        (name.to_owned(), view.shape().to_vec(), view.data().to_vec())
    };
    let mut all: Vec<_> = file.iter().map(one).collect();
    all.sort();
    all
}

fn history(bench: &Bench, run: &str) -> grokrun_store::Metrics {
    let view = grokrun_store::RunView::open(&bench.path().join("runs").join(run)).unwrap();
    view.cell(CELL).unwrap().read_history().0
}

#[test]
fn a_model_comes_back_in_each_format_and_can_be_analysed() {
    let bench = trained();
    for format in ["pth", "safetensors"] {
        let (file, into) = (format!("x.{format}"), format!("runs/{format}"));
        bench
            .run(&["export", "runs/small", "--format", format, "-o", &file])
            .exits(0);
        let operation = ["--operation", "mul", "--data-seed", "1"];
        bench
            .run(&[&["import", &file, "--into", &into], &operation[..]].concat())
            .exits(0);
        let ours = std::fs::read(checkpoint(&bench, "small", CELL, 300)).unwrap();
        let theirs = std::fs::read(checkpoint(&bench, format, CELL, 300)).unwrap();
        // The files differ in their metadata, which names the run of each.
        assert!(
            tensors(&ours) == tensors(&theirs),
            "{format}: the same weights"
        );
        bench
            .run(&["analyze", &into, "-q", "--only", "fourier-sparsity"])
            .exits(0);
        bench.run(&["show", &into]).exits(0);
        bench.run(&["report", &into]).exits(0);
    }
    let files = |run: &str| bench.files(run);
    let of = |run: &str, name: &str| files(run)[Path::new(&format!("cells/{CELL}/{name}"))].clone();
    for name in ["split.safetensors", "checkpoints/00000100.safetensors"] {
        let [ours, theirs] = ["small", "pth"].map(|run| tensors(&of(run, name)));
        assert!(ours == theirs, "{name}");
    }
    let [ours, theirs] = ["small", "pth"].map(|run| history(&bench, run));
    assert!(!ours.is_empty() && ours == theirs, "the same history");
    let findings = "analysis/fourier-sparsity/series.parquet";
    assert!(
        of("small", findings) == of("pth", findings),
        "the same findings"
    );
    assert!(bench.run(&["list"]).exits(0).out().contains("imported"));
}

#[test]
fn what_does_not_fit_is_refused_and_writes_nothing() {
    let bench = trained();
    let export = |args: &[&str]| bench.run(&[&["export", "runs/small"], args].concat());
    export(&["--format", "pth", "-o", "none/x.pth"])
        .exits(2)
        .says(&["none/x.pth"]);
    export(&["--format", "pth", "-o", "x.pth", "--cell", "other"])
        .exits(2)
        .says(&["no cell other", CELL]);
    export(&["--format", "onnx", "-o", "x"])
        .exits(2)
        .says(&["pth", "npz"]);
    export(&["--format", "pth", "-o", "x.pth"]).exits(0);

    let import = |args: &[&str]| bench.run(&[&["import"], args].concat());
    import(&["none.pth", "--into", "runs/a"])
        .exits(2)
        .says(&["none.pth"]);
    import(&["small.toml", "--into", "runs/a"])
        .exits(2)
        .says(&["a text that begins with"]);
    import(&["x.pth", "--into", "runs/a", "--modulus", "7"])
        .exits(2)
        .says(&["24 rows", "--modulus 23"]);
    import(&["x.pth", "--into", "runs/a", "--operation", "mull"])
        .exits(2)
        .says(&["mull"]);
    // The split has pairs on which a division is not defined.
    import(&["x.pth", "--into", "runs/a", "--operation", "div"])
        .exits(2)
        .says(&["is defined"]);
    import(&["x.pth", "--into", "runs/a", "--epoch", "3"])
        .exits(2)
        .says(&["4 checkpoints"]);
    import(&["x.pth", "--into", "runs/small"])
        .exits(2)
        .says(&["another spec"]);
    let bytes = std::fs::read(bench.path().join("x.pth")).unwrap();
    bench.write("cut.pth", &bytes[..bytes.len() / 2]);
    import(&["cut.pth", "--into", "runs/a"])
        .exits(2)
        .says(&["cut off"]);
    let mut evil = bytes.clone();
    let at = evil.windows(12).position(|w| w == b"torch._utils").unwrap();
    evil[at..at + 12].copy_from_slice(b"posix.system");
    bench.write("evil.pth", evil);
    import(&["evil.pth", "--into", "runs/a"])
        .exits(2)
        .says(&["check sum"]);
    assert!(!bench.path().join("runs/a").exists());

    // The wrong operation is noticed, though the file does not name the right one.
    import(&["x.pth", "--into", "runs/a", "--operation", "add"])
        .exits(0)
        .says(&["another --operation"]);
    // Imported weights are not trained on.
    std::fs::copy(
        bench.path().join("runs/a/resolved.toml"),
        bench.path().join("a.toml"),
    )
    .unwrap();
    bench
        .run(&["a.toml", "--backend", "cpu", "-q"])
        .exits(2)
        .says(&["another spec"]);
}

#[test]
fn torch_and_transformer_lens_agree_with_us() {
    const CELL: &str = "mul-p59-f0.5-d598-m999";
    let spec = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/specs/mult59.toml"));
    let spec = spec.unwrap();
    let bench = Bench::new(spec.split("[analysis").next().unwrap());
    if !succeeds("roundtrip.py", bench.path(), &["probe"]) {
        return;
    }
    let train = ["small.toml", "--backend", "cpu", "-q", "--set", "name=ours"];
    bench.run(&train).exits(0);
    let export = ["export", "runs/ours", "--format", "pth", "-o", "x.pth"];
    bench.run(&export).exits(0);
    let shape = |trained_biases| Shape {
        modulus: 59,
        d_model: 128,
        heads: 4,
        d_head: 32,
        d_mlp: 512,
        activation: Activation::Relu,
        trained_biases,
    };
    let ours = logits(&checkpoint(&bench, "ours", CELL, 1500), shape(false));
    write_logits(&bench, "x.f32", &ours);
    // 7 × 16, as on the published card.
    let load = ["load", "x.pth", "x.f32", "7", "16"];
    assert!(succeeds("roundtrip.py", bench.path(), &load));
    assert!(succeeds(
        "roundtrip.py",
        bench.path(),
        &["save", ".", "x.pth"]
    ));

    let flags = [
        "--operation",
        "mul",
        "--data-seed",
        "598",
        "--fraction",
        "0.5",
        "--stream",
        "torch",
    ];
    for name in ["plain", "wrapped", "demo", "full_run_data", "biased"] {
        let (file, into) = (format!("{name}.pth"), format!("runs/{name}"));
        bench
            .run(&[&["import", &file, "--into", &into], &flags[..]].concat())
            .exits(0);
        bench.run(&["analyze", &into, "-q"]).exits(0);
        bench.run(&["report", &into]).exits(0);
    }
    let weights = |run: &str, cell: &str, epoch: u64| {
        std::fs::read(checkpoint(&bench, run, cell, epoch)).unwrap()
    };
    let want = weights("ours", CELL, 1500);
    assert!(want == weights("plain", CELL, 40_000));
    assert!(want == weights("wrapped", CELL, 40_000));
    assert!(want == weights("demo", CELL, 1500));
    assert!(want == weights("full_run_data", "mul-p59-f0.5-d598-m0", 1500));
    let resolved = std::fs::read_to_string(bench.path().join("runs/biased/resolved.toml")).unwrap();
    assert!(resolved.contains("biases = \"trained\""), "{resolved}");
    let ours = logits(&checkpoint(&bench, "biased", CELL, 1500), shape(true));
    let theirs = std::fs::read(bench.path().join("biased.f32")).unwrap();
    let theirs = theirs
        .as_chunks::<4>()
        .0
        .iter()
        .map(|b| f32::from_le_bytes(*b));
    let largest = ours.iter().fold(1.0f32, |most, x| most.max(x.abs()));
    let apart = ours.iter().zip(theirs).map(|(a, b)| (a - b).abs());
    let apart = apart.fold(0.0, f32::max);
    eprintln!("trained biases: largest difference {apart:.2e}, largest logit {largest:.1}");
    assert!(apart <= f32::max(1e-5, 1e-6 * largest), "{apart}");
}

#[test]
fn pandas_polars_plotly_and_numpy_read_a_run() {
    let bench = trained();
    bench
        .run(&["export", "runs/small", "--format", "npz", "-o", "x.npz"])
        .exits(0);
    let args = ["runs/small", CELL, "fourier-sparsity", "gini", "x.npz"];
    succeeds("read_run.py", bench.path(), &args);
}
