//! Changes while a cell is trained: decay off, frozen parameters, a norm that is kept. The training
//! follows the spec, and a run that was stopped has the same bytes as one that was not.

use grokrun_store::{Metrics, RunView};

use crate::support::{Bench, assert_same};

const CPU: &[&str] = &["small.toml", "--backend", "cpu", "--quiet"];
const CELL: &str = "add-p11-f0.5-d1-m2";

/// Returns a spec of a small model with these further tables.
fn spec(epochs: u64, tables: &str) -> String {
    format!(
        "name = \"small\"\noperation = \"add\"\nmodulus = 11\nfraction = 0.5\nseeds = {{ data = 1, model = 2 }}\n[model]\nd_model = 16\nheads = 2\nd_head = 8\nd_mlp = 32\n[checkpoints]\nevery = 10\n[train]\nepochs = {epochs}\nlearning_rate = 0.03\n{tables}"
    )
}

fn trained(spec: &str) -> Bench {
    let bench = Bench::new(spec);
    bench.run(CPU).exits(0);
    bench
}

fn history(bench: &Bench, cell: &str) -> Metrics {
    let view = RunView::open(&bench.path().join("runs/small")).unwrap();
    let (history, flaw) = view.cell(cell).unwrap().read_history();
    assert_eq!(flaw, None);
    history
}

/// Returns a tensor of a checkpoint.
fn weights(bench: &Bench, epoch: u64, name: &str) -> Vec<f32> {
    let path = format!("runs/small/cells/{CELL}/checkpoints/{epoch:08}.safetensors");
    let bytes = std::fs::read(bench.path().join(path)).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let data = file.tensor(name).unwrap().data().to_vec();
    data.chunks_exact(4)
        .map(|x| f32::from_le_bytes(x.try_into().unwrap()))
        .collect()
}

/// Changes of every kind: of numbers, which the fused passes run, and of settings that need a
/// program.
const CHANGES: [&str; 5] = [
    "[[train.at]]\nepoch = 17\nset = { weight_decay = 0.0, learning_rate = 0.005 }\n",
    "[[train.at]]\nwhen = \"memorised\"\nset = { weight_decay = 0.0 }\n",
    "[[train.at]]\nwhen = { train_loss = 1.5 }\nset = { group = [{ match = \"embed.*\", frozen = true }] }\n[[train.at]]\nepoch = 40\nset = { group = [] }\n",
    "[[train.at]]\nepoch = 17\nset = { sphere = 1.0 }\n",
    "[[train.at]]\nepoch = 17\nset = { fraction = 0.3 }\n[[train.at]]\nepoch = 40\nset = { fraction = 0.8 }\n",
];

#[test]
fn a_changed_training_goes_on_byte_for_byte() {
    for changes in CHANGES {
        let whole = trained(&spec(60, changes));
        // The run is stopped before the change, at the change, and after it.
        let parts = Bench::new("");
        for epochs in [12, 17, 33, 60] {
            parts.write("small.toml", spec(epochs, changes));
            parts.run(CPU).exits(0);
        }
        assert_same(&whole.files("small"), &parts.files("small"));
    }
}

#[test]
fn until_the_change_it_is_the_run_without_and_from_then_on_another() {
    let without = history(&trained(&spec(60, "")), CELL);
    let with = history(&trained(&spec(60, CHANGES[0])), CELL);
    let same = |epoch: usize| {
        let rows = [&without, &with].map(|history| history.rows().nth(epoch).unwrap());
        rows[0] == rows[1]
    };
    // Epoch 17 is the first step with the new settings; its train metrics come before the step.
    assert!((0..17).all(same) && !(17..60).any(same));
}

/// With the same split but another fraction, weights that do not move have the losses of that
/// fraction.
#[test]
fn another_fraction_is_another_cut_of_the_same_order() {
    let still = "learning_rate = 1e-30\nweight_decay = 0.0\n";
    let at = |fraction: &str, changes: &str| {
        let spec = spec(6, changes).replace("learning_rate = 0.03\n", still);
        let spec = spec.replace(
            "fraction = 0.5",
            &format!("name = \"small\"\nfraction = {fraction}"),
        );
        let bench = trained(&spec.replacen("name = \"small\"\n", "", 1));
        let cell = CELL.replace("0.5", fraction);
        history(&bench, &cell).rows().last().unwrap()
    };
    let changed = "[[train.at]]\nepoch = 3\nset = { fraction = 0.3 }\n";
    let (less, other) = (at("0.5", changed), at("0.3", ""));
    assert!(
        (less.train_loss - other.train_loss).abs() < 1e-6,
        "{less:?} {other:?}"
    );
    assert!(
        (less.test_loss - other.test_loss).abs() < 1e-6,
        "{less:?} {other:?}"
    );
    let same = at("0.5", "");
    assert!(
        (less.train_loss - same.train_loss).abs() > 1e-4,
        "{less:?} {same:?}"
    );
}

/// Analyses see the parts of the beginning, even in a run that was stopped after the change.
#[test]
fn analyses_of_another_fraction_are_the_same_however_the_run_was_stopped() {
    let changes = format!("{}[analysis.progress-measures]\n", CHANGES[4]);
    let whole = trained(&spec(60, &changes));
    let parts = Bench::new("");
    for epochs in [33, 60] {
        parts.write("small.toml", spec(epochs, &changes));
        parts.run(CPU).exits(0);
    }
    assert_same(&whole.files("small"), &parts.files("small"));
    let before = whole.files("small");
    whole.run(&["analyze", "runs/small"]).exits(0);
    assert_same(&before, &whole.files("small"));
}

/// Tests stops that end a cell without success, and a stop that lengthens a cell.
#[test]
fn a_cell_ends_when_it_is_confused_and_later_when_it_has_memorised() {
    let epochs = |stop: &str| history(&trained(&spec(300, stop)), CELL).rows().count();
    let confused = |bound: f64| {
        epochs(&format!(
            "stop = {{ confused = {{ train_accuracy = {bound}, by = 20 }} }}\n"
        ))
    };
    assert_eq!(confused(1.0), 20, "not memorised in so few epochs");
    assert_eq!(confused(0.01), 300);
    let whole = history(&trained(&spec(300, "")), CELL);
    let first = |accuracy: fn(&grokrun_store::Row) -> f64| {
        let mut rows = whole.rows();
        rows.position(|row| accuracy(&row) >= 0.99)
            .map(|epoch| epoch + 1)
    };
    let memorised = first(|row| row.train_accuracy).expect("it memorises");
    assert!(memorised < 200, "{memorised}");
    assert_eq!(first(|row| row.test_accuracy), None, "it does not grok");
    let budget =
        |epochs: usize| format!("stop = {{ budget = {{ epochs = {epochs}, times = 1.25 }} }}\n");
    assert_eq!(epochs(&budget(memorised - 1)), memorised - 1);
    assert_eq!(epochs(&budget(memorised)), memorised * 5 / 4);
}

#[test]
fn an_event_is_the_epoch_at_which_it_happened() {
    let event = trained(&spec(200, CHANGES[1]));
    let memorised = history(&event, CELL)
        .rows()
        .position(|row| row.train_accuracy >= 0.99)
        .expect("it memorises");
    assert!(memorised < 190, "{memorised}");
    let output = CHANGES[1].replace(
        "when = \"memorised\"",
        &format!("epoch = {}", memorised + 1),
    );
    let at = trained(&spec(200, &output));
    assert_eq!(history(&event, CELL), history(&at, CELL));
}

#[test]
fn frozen_parameters_rest_and_a_kept_norm_stays() {
    let changes = "[[train.at]]\nepoch = 20\nset = { group = [{ match = \"embed.*\", frozen = true }] }\n[[train.at]]\nepoch = 40\nset = { group = [] }\n";
    let bench = trained(&spec(60, changes));
    let embed = |epoch| weights(&bench, epoch, "embed.W_E");
    assert_ne!(embed(10), embed(20));
    assert_eq!(embed(20), embed(40));
    assert_ne!(embed(40), embed(50));
    assert_ne!(
        weights(&bench, 20, "unembed.W_U"),
        weights(&bench, 40, "unembed.W_U")
    );

    let bench = trained(&spec(
        60,
        "[[train.at]]\nepoch = 20\nset = { sphere = 1.0 }\n",
    ));
    let names = [
        "embed.W_E",
        "pos_embed.W_pos",
        "blocks.0.attn.W_Q",
        "blocks.0.attn.W_K",
        "blocks.0.attn.W_V",
        "blocks.0.attn.W_O",
        "blocks.0.mlp.W_in",
        "blocks.0.mlp.W_out",
        "unembed.W_U",
    ];
    let norm = |epoch| {
        let all = names.iter().flat_map(|name| weights(&bench, epoch, name));
        all.map(|w| f64::from(w).powi(2)).sum::<f64>().sqrt()
    };
    assert!((norm(10) / norm(20) - 1.0).abs() > 1e-3);
    for epoch in [30, 40, 60] {
        assert!((norm(epoch) / norm(20) - 1.0).abs() < 1e-5);
    }
}

#[test]
fn a_sweep_over_models_and_optimizers_trains_each_as_alone() {
    let axes =
        "optimizer = [\"adamw\", \"sgd\"]\n[data]\nbatch = [\"full\", { size = 16, seed = 0 }]\n";
    let sweep = trained(&spec(30, axes).replace("d_mlp = 32", "d_mlp = 32\nlayers = [1, 2]"));
    let mut cells = 0;
    for (optimizer, layers, batch) in [
        ("adamw", 1, "\"full\""),
        ("sgd", 2, "\"full\""),
        ("adamw", 2, "{ size = 16, seed = 0 }"),
        ("sgd", 1, "{ size = 16, seed = 0 }"),
    ] {
        let tables = format!("optimizer = \"{optimizer}\"\n[data]\nbatch = {batch}\n");
        let model = format!("d_mlp = 32\nlayers = {layers}");
        let alone = trained(&spec(30, &tables).replace("d_mlp = 32", &model));
        let suffix = match batch {
            "\"full\"" => "full",
            _ => "seed0-size16",
        };
        let id = format!("{CELL}-batch-{suffix}-layers{layers}-optimizer-{optimizer}");
        assert_eq!(history(&sweep, &id), history(&alone, CELL), "{id}");
        cells += 1;
    }
    assert_eq!(cells, 4);
}

#[test]
fn checkpoints_may_begin_logarithmically() {
    let log = "[checkpoints]\nat = \"log\"\nevery = 20\n";
    let text = |epochs| spec(epochs, "").replace("[checkpoints]\nevery = 10\n", log);
    let bench = trained(&text(50));
    let kept = |bench: &Bench| {
        let view = RunView::open(&bench.path().join("runs/small")).unwrap();
        view.cell(CELL).unwrap().checkpoints().unwrap()
    };
    assert_eq!(kept(&bench), [0, 1, 2, 4, 8, 16, 20, 32, 40, 50]);
    // A run that is made longer keeps what it has.
    bench.write("small.toml", text(70));
    bench.run(CPU).exits(0);
    assert_eq!(kept(&bench), [0, 1, 2, 4, 8, 16, 20, 32, 40, 60, 64, 70]);
    assert_same(&bench.files("small"), &trained(&text(70)).files("small"));
}

#[test]
fn a_cell_may_begin_with_the_weights_of_another_run() {
    let bench = trained(&spec(40, ""));
    let transfer = |start: &str| {
        let text = spec(40, "").replace("name = \"small\"", "name = \"next\"");
        let text = text.replace("operation = \"add\"", "operation = \"sub\"");
        bench.write("next.toml", format!("{text}[start]\n{start}\n"));
        bench.run(&["next.toml", "--backend", "cpu", "--quiet", "--force"])
    };
    let first = |run: &str, cell: &str, epoch: u64| {
        let path = format!("runs/{run}/cells/{cell}/checkpoints/{epoch:08}.safetensors");
        let bytes = std::fs::read(bench.path().join(path)).unwrap();
        let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        file.tensor("blocks.0.mlp.W_in").unwrap().data().to_vec()
    };
    let next = CELL.replace("add", "sub");
    for (start, epoch) in [
        ("run = \"runs/small\"\nepoch = 20", 20),
        ("run = \"runs/small\"", 40),
        (
            "file = \"runs/small/cells/add-p11-f0.5-d1-m2/checkpoints/00000010.safetensors\"",
            10,
        ),
    ] {
        transfer(start).exits(0);
        assert_eq!(first("next", &next, 0), first("small", CELL, epoch));
        assert_ne!(first("next", &next, 10), first("small", CELL, epoch));
    }
    transfer("run = \"runs/none\"")
        .exits(2)
        .says(&["its [start] cannot be used"]);
    transfer("run = \"runs/small\"\ncell = \"x\"")
        .exits(2)
        .says(&["has no cell x; expected one of add-p11"]);
    let wide = spec(40, "").replace("d_mlp = 32", "d_mlp = 64");
    bench.write(
        "wide.toml",
        format!("{wide}[start]\nrun = \"runs/small\"\n"),
    );
    bench
        .run(&["wide.toml", "--backend", "cpu", "--set", "name=wide"])
        .exits(2)
        .says(&[
            "is of another model: its tensor blocks.0.mlp.W_in is [16, 32]; expected [16, 64]",
        ]);
}
