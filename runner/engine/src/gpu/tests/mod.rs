//! Compares the executor with the CPU's, stage by stage, and with itself.
//!
//! Any adapter suffices here, a software one too. Without one a test is skipped and says so, unless
//! `GROKRUN_REQUIRE_GPU=1` makes that a failure.

mod forward;
mod kernels;
mod lanes;
mod probe;
mod products;

use super::*;
use grokrun_cpu::CpuExecutor;
use grokrun_executor::{
    Activation, InitScheme, Pairs, Sample, Shape, initial_parameters, initial_state,
};
pub(crate) use lanes::Lanes;

/// Returns the first adapter of any kind.
pub(super) fn adapter() -> Option<Adapter> {
    let found = adapters()
        .into_iter()
        .find(|adapter| adapter.lacks().is_none());
    if found.is_none() {
        let required = std::env::var_os("GROKRUN_REQUIRE_GPU").is_some_and(|value| value == "1");
        assert!(!required, "GROKRUN_REQUIRE_GPU=1, and there is no adapter");
        eprintln!("skipped: there is no adapter");
    }
    found
}

/// Opens an executor as [`GpuExecutor::new`] does, but keeps no kernels in the user's folder.
fn open(
    adapter: &Adapter,
    program: Program,
    cells: Vec<CellInput>,
) -> Result<GpuExecutor, EngineError> {
    let context = Context::open(adapter, None)?;
    GpuExecutor::on(context, Variant::of(adapter.kind), program, cells)
}

/// Trains two cells in one batch; returns their rows and states.
fn train_two(
    context: Context,
    variant: Variant,
    shape: Shape,
    cells: [CellInput; 2],
    epochs: u64,
) -> (Vec<Vec<EpochRow>>, [ModelState; 2]) {
    let program = Program::folded(shape);
    let mut gpu = GpuExecutor::on(context, variant, program, cells.into()).unwrap();
    let rows = gpu.run(epochs).unwrap();
    (rows, [0, 1].map(|replica| gpu.state(replica).unwrap()))
}

pub(super) const PLAIN: Shape = Shape {
    modulus: 23,
    d_model: 32,
    heads: 4,
    d_head: 8,
    d_mlp: 64,
    activation: Activation::Relu,
    trained_biases: false,
};

/// No dimension is a multiple of a tile, and every option is on.
pub(super) const ODD: Shape = Shape {
    modulus: 13,
    d_model: 19,
    heads: 3,
    d_head: 5,
    d_mlp: 37,
    activation: Activation::Gelu,
    trained_biases: true,
};

/// Returns a cell of a × b + shift, with half of the pairs for training, spread by the seed.
pub(super) fn cell(shape: &Shape, seed: i64, shift: u32) -> CellInput {
    let p = shape.modulus as u32;
    let samples: Vec<Sample> = (0..p * p)
        .map(|i| Sample {
            a: i / p,
            b: i % p,
            label: ((i / p) * (i % p) + shift) % p,
        })
        .collect();
    let early = |s: &Sample| (s.a * 7 + s.b * 11 + seed as u32) % 5 < 2;
    let (train, test): (Vec<Sample>, Vec<Sample>) = samples.iter().partition(|s| early(s));
    // The number of pairs is the same in every cell, whatever the seed.
    let count = (p * p) as usize / 3;
    let mut parameters = initial_parameters(shape, InitScheme::TransformerLens, seed);
    if shape.trained_biases {
        for (i, bias) in parameters[shape.parameters() - shape.d_mlp - shape.d_model..]
            .iter_mut()
            .enumerate()
        {
            *bias = 0.01 * (i % 7) as f32 - 0.02;
        }
    }
    CellInput {
        pairs: Pairs::new(
            shape.modulus,
            train[..count].to_vec(),
            test[..count].to_vec(),
        )
        .unwrap(),
        recipe: Recipe {
            learning_rate: 1e-3 * (1 + shift) as f64,
            weight_decay: 1.0,
            betas: [0.9, 0.98],
            epsilon: 1e-8,
            warmup: 2,
        },
        state: initial_state(parameters),
    }
}

const TABLES: [Table; 16] = [
    Table::Scores,
    Table::NeuronRows,
    Table::LogitRows,
    Table::NeuronBase,
    Table::LogitBase,
    Table::NeuronLogit,
    Table::ScoreGradients,
    Table::NeuronRowGradients,
    Table::LogitRowGradients,
    Table::NeuronBaseGradient,
    Table::LogitBaseGradient,
    Table::NeuronLogitGradient,
    Table::Gradients,
    Table::Parameters,
    Table::FirstMoments,
    Table::SecondMoments,
];

/// Returns the largest difference, as a share of the largest entry.
fn difference(shape: &Shape, table: Table, left: &[f32], right: &[f32]) -> f64 {
    let trained = if table == Table::Gradients {
        shape.trained()
    } else {
        left.len()
    };
    let largest = left.iter().fold(0.0f32, |m, x| m.max(x.abs()));
    let apart = left[..trained]
        .iter()
        .zip(&right[..trained])
        .fold(0.0f32, |m, (a, b)| m.max((a - b).abs()));
    f64::from(apart) / f64::from(largest.max(1e-30))
}

#[test]
fn every_stage_agrees_with_the_cpu() {
    let Some(adapter) = adapter() else { return };
    for shape in [PLAIN, ODD] {
        let cells = vec![cell(&shape, 3, 0), cell(&shape, 4, 1)];
        let mut gpu = open(&adapter, Program::folded(shape), cells.clone()).unwrap();
        let mut cpu = CpuExecutor::new(Program::folded(shape), cells, Some(2)).unwrap();
        for stage in [Stage::Learn, Stage::Unfold, Stage::Step, Stage::Fold] {
            gpu.run_stage(stage).unwrap();
            cpu.run_stage(stage).unwrap();
            for replica in 0..2 {
                for table in TABLES {
                    let (g, c) = (
                        gpu.table(replica, table).unwrap(),
                        cpu.table(replica, table).unwrap(),
                    );
                    let apart = difference(&shape, table, &c, &g);
                    assert!(
                        apart < 2e-5,
                        "{table:?} of replica {replica} after {stage:?}: {apart:e}"
                    );
                }
            }
        }
    }
}

#[test]
fn metrics_agree_with_the_cpu_for_twenty_epochs() {
    let Some(adapter) = adapter() else { return };
    for shape in [PLAIN, ODD] {
        let cells = vec![cell(&shape, 3, 0), cell(&shape, 4, 1)];
        let mut gpu = open(&adapter, Program::folded(shape), cells.clone()).unwrap();
        let mut cpu = CpuExecutor::new(Program::folded(shape), cells, Some(1)).unwrap();
        let (g, c) = (gpu.run(20).unwrap(), cpu.run(20).unwrap());
        for (epoch, (g, c)) in g.iter().zip(&c).enumerate() {
            for (g, c) in g.iter().zip(c) {
                for (g, c) in [(g.train_loss, c.train_loss), (g.test_loss, c.test_loss)] {
                    assert!((g / c - 1.0).abs() < 2e-6, "epoch {epoch}: {g} {c}");
                }
                assert_eq!(
                    (g.train_accuracy, g.test_accuracy),
                    (c.train_accuracy, c.test_accuracy)
                );
            }
        }
    }
}

#[test]
fn the_same_bytes_whatever_the_batch_and_the_window() {
    let Some(adapter) = adapter() else { return };
    let program = || Program::folded(PLAIN);
    let mut alone = open(&adapter, program(), vec![cell(&PLAIN, 4, 1)]).unwrap();
    let cells = vec![cell(&PLAIN, 3, 0), cell(&PLAIN, 4, 1), cell(&PLAIN, 5, 2)];
    let mut both = open(&adapter, program(), cells).unwrap();
    let mut apart = Vec::new();
    for _ in 0..5 {
        apart.extend(alone.run(3).unwrap());
    }
    let joined = both.run(15).unwrap();
    for (apart, joined) in apart.iter().zip(&joined) {
        assert_eq!(apart[0], joined[1]);
    }
    assert_eq!(alone.state(0).unwrap(), both.state(1).unwrap());
    assert_eq!(alone.state(0).unwrap().step, 15);
}

#[test]
fn a_state_continues_where_it_was() {
    let Some(adapter) = adapter() else { return };
    let first = cell(&ODD, 3, 0);
    let mut whole = open(&adapter, Program::folded(ODD), vec![first.clone()]).unwrap();
    let mut rows = whole.run(12).unwrap();
    let mut before = open(&adapter, Program::folded(ODD), vec![first.clone()]).unwrap();
    before.run(5).unwrap();
    let state = before.state(0).unwrap();
    let again = CellInput { state, ..first };
    let mut after = open(&adapter, Program::folded(ODD), vec![again]).unwrap();
    assert_eq!(after.run(7).unwrap(), rows.split_off(5));
    assert_eq!(after.state(0).unwrap(), whole.state(0).unwrap());
}

#[test]
fn both_variants_give_the_same_bytes() {
    let Some(adapter) = adapter() else { return };
    for shape in [PLAIN, ODD] {
        let train = |variant| {
            let context = Context::open(&adapter, None).unwrap();
            let cells = [cell(&shape, 3, 0), cell(&shape, 4, 1)];
            train_two(context, variant, shape, cells, 6)
        };
        assert_eq!(train(Variant::Registers), train(Variant::Tiles));
    }
}

/// Tests that it makes no difference whether kernels were compiled, came from a file, or the file
/// is damaged.
#[test]
fn kept_kernels_give_the_same_bytes() {
    let Some(adapter) = adapter() else { return };
    let folder = std::env::temp_dir().join(format!("grokrun-kernels-{}", std::process::id()));
    let train = |folder: Option<&std::path::Path>| {
        let context = Context::open(&adapter, folder).unwrap();
        let (program, variant) = (Program::folded(PLAIN), Variant::of(adapter.kind));
        let mut gpu = GpuExecutor::on(context, variant, program, vec![cell(&PLAIN, 3, 0)]).unwrap();
        gpu.run(3).unwrap()
    };
    let rows = train(None);
    assert_eq!(train(Some(&folder)), rows, "kept for the first time");
    assert_eq!(train(Some(&folder)), rows, "taken from the file");
    let files = std::fs::read_dir(&folder).into_iter().flatten().flatten();
    let files: Vec<_> = files.map(|file| file.path()).collect();
    let able = adapter
        .raw
        .features()
        .contains(wgpu::Features::PIPELINE_CACHE);
    assert_eq!(files.len(), usize::from(able), "{files:?}");
    for file in files {
        std::fs::write(file, "not kernels").unwrap();
        assert_eq!(train(Some(&folder)), rows, "from a damaged file");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}

#[test]
fn an_epoch_is_at_most_fifteen_dispatches() {
    let Some(adapter) = adapter() else { return };
    let gpu = open(&adapter, Program::folded(ODD), vec![cell(&ODD, 3, 0)]).unwrap();
    let count = gpu.epoch_dispatches().count();
    assert!(count <= 15, "{count} dispatches");
    // Each dispatch is one of those that were recorded, so no dispatch is missing from an epoch.
    assert_eq!(count, gpu.loaded.dispatches.len());
}

#[test]
fn results_do_not_depend_on_how_epochs_are_submitted() {
    let Some(adapter) = adapter() else { return };
    let train = |seconds: Option<f64>| {
        let program = Program::folded(PLAIN);
        let mut gpu = open(&adapter, program, vec![cell(&PLAIN, 3, 0)]).unwrap();
        gpu.seconds_per_epoch = seconds;
        (gpu.run(21).unwrap(), gpu.state(0).unwrap())
    };
    // The runs have one epoch a submission, five, and all at once.
    let one = train(None);
    assert_eq!(one, train(Some(CALL_SECONDS / (5 * SUBMISSIONS) as f64)));
    assert_eq!(one, train(Some(1e-6)));
}

#[test]
fn more_heads_than_a_workgroup_holds_are_refused() {
    let Some(adapter) = adapter() else { return };
    let shape = Shape {
        modulus: 5,
        d_model: 4,
        heads: 1024,
        d_head: 1,
        d_mlp: 4,
        ..PLAIN
    };
    let error = open(&adapter, Program::folded(shape), vec![cell(&shape, 3, 0)]);
    let message = error.err().map(|e| e.to_string()).unwrap_or_default();
    assert!(message.contains("1024 heads"), "{message}");
}

#[test]
fn cells_that_do_not_fit_together_are_refused() {
    let Some(adapter) = adapter() else { return };
    let mut cells = vec![cell(&PLAIN, 3, 0), cell(&PLAIN, 4, 1)];
    cells[1].state.step = 7;
    assert!(matches!(
        open(&adapter, Program::folded(PLAIN), cells),
        Err(EngineError::Data(_))
    ));
    assert!(matches!(
        open(&adapter, Program::folded(PLAIN), vec![]),
        Err(EngineError::Data(_))
    ));
}

#[test]
fn an_adapter_that_is_not_there_is_named_with_those_that_are() {
    let error = choose(Some("no such adapter")).unwrap_err().to_string();
    assert!(error.contains("no such adapter"), "{error}");
    for adapter in adapters() {
        assert!(error.contains(&adapter.name), "{error}");
    }
}
