//! Models, optimizers, losses and batches of every kind, from the spec to the files of the run: the
//! program trains what the interpreter trains in f64, and a run that was stopped has the same bytes
//! as one that was not.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use grokrun_program::{
    Batches, Data, Interpreter, Program, folded, initial_parameters, plain, train,
};
use grokrun_spec::{Batch, Catalog, Plan};
use grokrun_store::{Metrics, RunView};

use crate::support::{Bench, assert_same};

/// Tables of a spec, and how far a loss may be from the interpreter's after ten epochs: rounding
/// grows with the depth, and a sign of Lion or a ReLU near 0 may fall on another side.
pub(crate) const KINDS: [(&str, f64); 9] = [
    (
        "[model]\nlayers = 2\nnorm = \"pre\"\nd_model = 16\nheads = 2\nd_head = 8\nd_mlp = 32\n",
        1e-4,
    ),
    (
        "[model]\nlayers = 2\nnorm = \"post\"\nmask = \"none\"\nseparator = false\nbiases = \"all\"\nactivation = \"silu\"\nd_model = 16\nheads = 2\nd_head = 8\nd_mlp = 32\n",
        1e-4,
    ),
    (
        "[model]\nattention = { rate = 0.5 }\ntied = true\nactivation = { power = 3 }\ninit = \"pizza\"\nd_model = 16\nheads = 2\nd_head = 8\nd_mlp = 32\n[train]\nloss = { kind = \"cross-entropy\", precision = \"f32\" }\n",
        1e-4,
    ),
    (
        "[model]\nmlp = false\nattention = \"uniform\"\nlayers = 2\nd_model = 16\nheads = 2\nd_head = 8\n[train]\noptimizer = \"muon\"\nlearning_rate = 0.02\n",
        1e-4,
    ),
    (
        "[model]\nkind = \"mlp\"\ninput = \"two-hot\"\nhidden = [24]\nactivation = \"quadratic\"\ninit = \"gromov\"\n[train]\nloss = \"mse\"\noptimizer = \"sgd\"\nmomentum = 0.9\nnesterov = true\nlearning_rate = 0.1\nweight_decay = 0.0\n",
        1e-4,
    ),
    (
        "[model]\nkind = \"mlp\"\ninput = \"embedding-concat\"\nembeddings = \"separate\"\nd_model = 12\nhidden = [24, 16]\nbiases = \"trained\"\ninit_scale = 2.0\n[train]\nsphere = 0.8\nweight_decay = 0.0\ngradient = [{ grokfast = \"ma\", window = 3 }, { clip = 1.0 }]\n",
        1e-4,
    ),
    (
        "[data]\nbatch = { size = 16, seed = 3 }\n[model]\nkind = \"mlp\"\nd_model = 12\nhidden = 24\nactivation = \"gelu-tanh\"\n[train]\nloss = \"stablemax\"\nwarmup = 12\ngradient = { orthogonal = true }\noptimizer = \"adam\"\nweight_decay = 0.01\n",
        1e-4,
    ),
    // The published model with another recipe: it folds, and is run by its program all the same.
    (
        "[model]\nd_model = 16\nheads = 2\nd_head = 8\nd_mlp = 32\n[train]\noptimizer = \"lion\"\nlearning_rate = 1e-4\n",
        1e-3,
    ),
    (
        "[model]\nd_model = 16\nheads = 2\nd_head = 8\nd_mlp = 32\n[train]\ngradient = { grokfast = \"ema\" }\n[[train.group]]\nmatch = \"embed.*\"\nfrozen = true\n[[train.group]]\nmatch = \"*.W_in\"\nlearning_rate = 3e-3\nweight_decay = 0.0\n",
        1e-4,
    ),
];

/// Returns a spec with these tables; `[train]` gets its epochs.
pub(crate) fn spec(tables: &str, epochs: u64) -> String {
    let top = "name = \"small\"\noperation = \"add\"\nmodulus = 11\nfraction = 0.5\nseeds = { data = 1, model = 2 }\n";
    let checkpoints = "[checkpoints]\nevery = 20\n";
    if tables.contains("[train]\n") {
        let train = format!("[train]\nepochs = {epochs}\n");
        format!("{top}{}{checkpoints}", tables.replace("[train]\n", &train))
    } else {
        format!("{top}{tables}[train]\nepochs = {epochs}\n{checkpoints}")
    }
}

const CPU: &[&str] = &["small.toml", "--backend", "cpu", "--quiet"];

fn history(bench: &Bench, run: &str) -> Metrics {
    let view = RunView::open(&bench.path().join("runs").join(run)).unwrap();
    let (history, flaw) = view.cell("add-p11-f0.5-d1-m2").unwrap().read_history();
    assert_eq!(flaw, None);
    history
}

/// Returns both parts of the plan's only cell, in the order in which they were drawn.
pub(crate) fn data(plan: &Plan, program: &Program) -> [Data; 2] {
    let cell = &plan.cells[0];
    let all = grokrun_task::Dataset::new(&cell.operation, cell.modulus).unwrap();
    let split = all
        .split(cell.fraction, cell.data_seed, cell.stream)
        .unwrap();
    [split.train, split.test].map(|part| {
        let tokens = part.iter().flat_map(|i| [i / 11, i % 11]).collect();
        let labels = part.iter().map(|i| all.label(*i).unwrap()).collect();
        Data::new(program, tokens, labels).unwrap()
    })
}

/// Returns the plan of a spec with one cell.
pub(crate) fn plan(text: &str) -> Plan {
    grokrun_spec::load(text, Path::new("x.toml"), &[], &Catalog::empty()).unwrap()
}

/// Returns the minibatches of a plan's only cell, if it has any.
pub(crate) fn batches(plan: &Plan, train: &Data) -> Option<Batches> {
    match plan.cells[0].settings.batch {
        Batch::Full => None,
        Batch::Size { size, seed } => Some(Batches::new(seed, train.len() as u32, size).unwrap()),
    }
}

/// Returns the initial weights of a plan's only cell.
pub(crate) fn initial(plan: &Plan, program: &Program) -> Vec<f32> {
    let cell = &plan.cells[0];
    initial_parameters(
        &cell.architecture(),
        &program.parameters,
        cell.init(),
        plan.cells[0].settings.model.init_scale,
        cell.model_seed,
    )
    .unwrap()
}

/// Returns train and test losses of `epochs` epochs by the interpreter in f64. It runs the plain
/// program even if the fold is what runs: the function is the same.
pub(crate) fn interpreted(plan: &Plan, epochs: usize) -> Vec<[f64; 2]> {
    let cell = &plan.cells[0];
    let forward = plain(&cell.architecture(), &plan.cells[0].settings.train.loss).unwrap();
    let program = train(forward, &cell.recipe()).unwrap();
    let [train_data, test_data] = data(plan, &program);
    let mut model = Interpreter::<f64>::new(&program, train_data.clone(), test_data).unwrap();
    let state = program.initial_state(initial(plan, &program)).unwrap();
    model.load(&state).unwrap();
    let mut batches = batches(plan, &train_data);
    let mut epoch = |_| {
        let train_loss = match &mut batches {
            None => model.train().loss,
            Some(batches) => batches
                .epoch()
                .iter()
                .map(|places| {
                    let batch = train_data.pick(places);
                    let share = batch.len() as f64 / train_data.len() as f64;
                    model.set_train(batch).unwrap();
                    share * model.train().loss
                })
                .sum(),
        };
        [train_loss, model.evaluate().loss]
    };
    (0..epochs).map(&mut epoch).collect()
}

#[test]
fn every_kind_trains_as_the_interpreter_does_in_f64() {
    for (tables, tolerance) in KINDS {
        let text = spec(tables, 10);
        let bench = Bench::new(&text);
        bench.run(CPU).exits(0);
        let found = history(&bench, "small");
        for (row, wanted) in found.rows().zip(interpreted(&plan(&text), 10)) {
            for (ours, wanted) in [row.train_loss, row.test_loss].into_iter().zip(wanted) {
                let apart = (ours / wanted - 1.0).abs();
                assert!(
                    apart < tolerance,
                    "{tables}epoch {}: {ours} for {wanted}",
                    row.epoch
                );
            }
        }
        assert_eq!(found.len(), 10, "{tables}");
    }
}

#[test]
fn every_kind_goes_on_byte_for_byte_with_any_number_of_threads() {
    for (tables, _) in KINDS {
        let (whole, parts) = (Bench::new(&spec(tables, 60)), Bench::new(&spec(tables, 30)));
        whole.run(CPU).exits(0);
        parts
            .command(CPU)
            .env("RAYON_NUM_THREADS", "1")
            .output()
            .unwrap();
        parts.write("small.toml", spec(tables, 60));
        parts.run(CPU).exits(0);
        assert_same(&whole.files("small"), &parts.files("small"));
    }
}

#[test]
fn what_is_not_folded_is_said_by_check_report_and_analyses() {
    let (tables, _) = KINDS[0];
    let bench = Bench::new(&format!(
        "{}[analysis.fourier-sparsity]\n[analysis.commutativity]\n",
        spec(tables, 30)
    ));
    let checked = bench.run(&["check", "small.toml", "--backend", "cpu"]);
    let checked = checked.exits(0);
    assert!(
        checked
            .err()
            .contains("what analyses of this model cost is not known")
    );
    let run = bench.run(CPU).exits(0);
    assert!(!run.err().contains("failed"), "{}", run.err());
    let cell = bench.path().join("runs/small/cells/add-p11-f0.5-d1-m2");
    let found = |analysis: &str| {
        let index = cell.join("analysis").join(analysis).join("findings.json");
        std::fs::read_to_string(index).unwrap()
    };
    let declined = found("commutativity");
    assert!(declined.contains("nothing was measured"), "{declined}");
    let looked = found("fourier-sparsity");
    assert!(
        looked.contains("W_E gini") && !looked.contains("nothing was measured"),
        "{looked}"
    );
    let report = std::fs::read_to_string(bench.path().join("runs/small/report.html")).unwrap();
    assert!(
        report.contains("2 layers, 2 heads of 8"),
        "the report tells of the model"
    );
    let config = std::fs::read_to_string(cell.join("config.json")).unwrap();
    assert!(
        config.contains("\"normalization_type\": \"LN\"")
            || config.contains("\"normalization_type\":\"LN\"")
    );
    // Done is done.
    let before = bench.files("small");
    bench.run(CPU).exits(0);
    assert_same(&before, &bench.files("small"));
}

/// Tests that each analysis runs on each kind of model, or says why not; none fails. Findings
/// during training are those of `grokrun analyze`.
#[test]
fn no_analysis_fails_on_any_kind_of_model() {
    let names = [
        "activations",
        "clock-or-pizza",
        "commutativity",
        "circulant",
        "cosets",
        "rqi",
        "edge",
        "complexity",
        "effective-weights",
        "embedding-geometry",
        "fourier-sparsity",
        "norm-path",
        "phase-relation",
        "interventions",
        "logit-directions",
        "neuron-clustering",
        "progress-measures",
        "quadratic-fit",
        "singular-values",
    ];
    let analyses = names.map(|name| format!("[analysis.{name}]\n")).concat();
    // Those that take many gradients are asked for few.
    let short = "[analysis.curvature]\nproducts = 4\nprobes = 2\n\
         [analysis.local-learning-coefficient]\ndraws = 4\nburn_in = 2\n";
    for (tables, _) in KINDS {
        let bench = Bench::new(&format!("{}{analyses}{short}", spec(tables, 10)));
        bench.run(CPU).exits(0);
        let files = bench.files("small");
        bench.run(&["analyze", "runs/small", "--quiet"]).exits(0);
        let findings = |files: &BTreeMap<PathBuf, Vec<u8>>| {
            let mut files = files.clone();
            files.retain(|name, _| name.components().any(|part| part.as_os_str() == "analysis"));
            files
        };
        assert_same(&findings(&files), &findings(&bench.files("small")));
        let indices = files
            .iter()
            .filter(|(name, _)| name.ends_with("findings.json"));
        for (name, bytes) in indices {
            let name = name.display();
            let index: serde_json::Value = serde_json::from_slice(bytes).unwrap();
            assert!(index["failure"].is_null(), "{tables}: {name}: {index}");
            let spoke = !index["notes"].as_array().unwrap().is_empty();
            let measured = !index["series"].as_array().unwrap().is_empty();
            assert!(spoke || measured, "{tables}: {name} says nothing");
        }
    }
}

#[test]
fn folded_and_plain_programs_are_one_function() {
    // So that the first test's comparison with the plain program says something of the fold.
    let text = spec(KINDS[7].0, 10);
    let plan = plan(&text);
    let architecture = plan.cells[0].architecture();
    assert!(
        folded(&architecture, &plan.cells[0].settings.train.loss)
            .unwrap()
            .is_some()
    );
}

#[test]
fn exports_have_every_layer_and_say_what_has_no_words() {
    let bench = Bench::new(&spec(KINDS[0].0, 20));
    bench.run(CPU).exits(0);
    let two = [
        "export",
        "runs/small",
        "--format",
        "safetensors",
        "-o",
        "two.safetensors",
    ];
    bench.run(&two).exits(0);
    let bytes = std::fs::read(bench.path().join("two.safetensors")).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    for name in [
        "blocks.1.attn.mask",
        "blocks.0.attn.IGNORE",
        "blocks.1.ln2.w",
        "ln_final.b",
    ] {
        assert!(file.tensor(name).is_ok(), "{name}");
    }
    assert_eq!(file.tensor("blocks.1.attn.mask").unwrap().shape(), [3, 3]);
    let pth = ["export", "runs/small", "--format", "pth", "-o", "two.pth"];
    bench.run(&pth).exits(0);

    let bench = Bench::new(&spec(KINDS[4].0, 20));
    bench.run(CPU).exits(0);
    bench
        .run(&["export", "runs/small", "--format", "pth", "-o", "x.pth"])
        .exits(2)
        .says(&[
            "TransformerLens has no model like that",
            "safetensors or npz",
        ]);
    bench
        .run(&["export", "runs/small", "--format", "npz", "-o", "x.npz"])
        .exits(0);
}

/// specs/gromov97.toml, whose accuracies and losses the published notebook and torch 2.15 have.
#[test]
fn the_quadratic_network_groks_as_published() {
    let bench = Bench::new("");
    let spec = Path::new(env!("CARGO_MANIFEST_DIR")).join("specs/gromov97.toml");
    let run = [spec.to_str().unwrap(), "--backend", "cpu", "--quiet"];
    bench.run(&run).exits(0);
    let view = RunView::open(&bench.path().join("runs/gromov97")).unwrap();
    let cell = view.cell("add-p97-f0.5-d420-m0-python").unwrap();
    let rows: Vec<_> = cell.read_history().0.rows().collect();
    // Test accuracies of torch, in pairs of 4,705. The published log counts epochs from 1.
    for (epoch, accuracy) in [
        (12, 0.000638),
        (24, 0.031031),
        (36, 0.890542),
        (42, 0.998937),
    ] {
        let apart = rows[epoch].test_accuracy - accuracy;
        assert!(apart.abs() < 2.5 / 4705.0, "epoch {epoch}: {apart}");
    }
    assert_eq!(rows[48].test_accuracy, 1.0);
    let last = rows[99];
    assert!(
        (last.train_loss / 8.115e-4 - 1.0).abs() < 0.01,
        "{}",
        last.train_loss
    );
    assert!(
        (last.test_loss / 1.011e-3 - 1.0).abs() < 0.01,
        "{}",
        last.test_loss
    );
    // What the spec claims is the published log itself.
    let verified = bench.run(&["verify", "runs/gromov97"]).exits(0);
    let out = verified.out();
    assert!(out.contains("5 of 5 claims hold"), "{out}");
    let wide = out.lines().filter(|line| line.chars().count() > 80);
    assert_eq!(wide.collect::<Vec<_>>(), Vec::<&str>::new());
}
