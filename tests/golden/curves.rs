//! Compares loss curves with torch's, as closely as f32 allows (the README's table).

use grokrun_engine::reference::train_reference;
use grokrun_engine::{CpuExecutor, EpochRow, Executor, Program};

use super::{Golden, published, small};
use crate::support::software_or_hardware_gpu;

/// Returns the largest relative difference of a loss over the first `epochs`.
fn apart(golden: &Golden, rows: &[Vec<EpochRow>], epochs: usize) -> f64 {
    let (train, test) = (golden.series("train_loss"), golden.series("test_loss"));
    let pairs = rows.iter().zip(train.iter().zip(&test)).take(epochs);
    pairs
        .flat_map(|(row, (train, test))| {
            [
                row[0].train_loss / train - 1.0,
                row[0].test_loss / test - 1.0,
            ]
        })
        .fold(0.0, |worst: f64, x| worst.max(x.abs()))
}

#[track_caller]
fn follows(golden: &Golden, executor: &mut dyn Executor, table: &[(usize, f64)]) {
    let rows = executor.run(longest(table) as u64).expect("it trains");
    rows_follow(golden, &rows, &executor.device(), table);
}

fn longest(table: &[(usize, f64)]) -> usize {
    table.iter().map(|(epochs, _)| *epochs).max().unwrap_or(0)
}

#[track_caller]
fn rows_follow(golden: &Golden, rows: &[Vec<EpochRow>], who: &str, table: &[(usize, f64)]) {
    for (epochs, tolerance) in table {
        let apart = apart(golden, rows, *epochs);
        assert!(apart < *tolerance, "{who}: {apart:e} over {epochs} epochs");
    }
    let accuracies = golden
        .series("train_acc")
        .into_iter()
        .zip(golden.series("test_acc"));
    let few = golden.shape.modulus == 23;
    for (row, want) in rows.iter().zip(accuracies).take(if few { 50 } else { 4 }) {
        assert_eq!((row[0].train_accuracy, row[0].test_accuracy), want);
    }
}

const SMALL: &[(usize, f64)] = &[(10, 1e-6), (20, 1e-6), (50, 1e-6), (100, 1e-3)];
/// At the fifth epoch one input of a ReLU lies 8e-9 from 0: which side it is on depends on the
/// order of sums, and so on the width of vectors. On torch's side losses stay within 6e-9 over ten
/// epochs; on the other they are 7e-8 apart at once and 3.4e-6 at the tenth. Both are right, so the
/// first four epochs are held to half of what the golden README suggests, and those from there on
/// have room for it.
const PUBLISHED: &[(usize, f64)] = &[(4, 5e-8), (10, 1e-5), (20, 5e-5), (50, 2e-3)];

#[test]
fn the_cpu_follows_torch_on_the_small_setting() {
    let golden = small();
    let cells = vec![golden.cell()];
    let mut cpu = CpuExecutor::new(Program::folded(golden.shape), cells, None).unwrap();
    follows(&golden, &mut cpu, SMALL);
}

#[test]
fn the_cpu_follows_torch_on_the_published_setting() {
    let golden = published();
    let cells = vec![golden.cell()];
    let mut cpu = CpuExecutor::new(Program::folded(golden.shape), cells, None).unwrap();
    follows(&golden, &mut cpu, PUBLISHED);
}

#[test]
fn the_gpu_follows_torch_on_the_small_setting() {
    let golden = small();
    let Some(mut gpu) = software_or_hardware_gpu(golden.shape, vec![golden.cell()]) else {
        return;
    };
    follows(&golden, &mut *gpu, SMALL);
}

/// Four epochs on a software adapter, which takes seconds for each: more of them are followed on
/// the CPU and on the small setting, and kernels are compared one by one.
#[test]
fn the_gpu_follows_torch_on_the_published_setting() {
    let golden = published();
    let Some(mut gpu) = software_or_hardware_gpu(golden.shape, vec![golden.cell()]) else {
        return;
    };
    let software = gpu.device().contains("software");
    follows(
        &golden,
        &mut *gpu,
        &PUBLISHED[..if software { 1 } else { 4 }],
    );
}

#[test]
fn the_interpreter_follows_torch_in_f64_on_both() {
    for (golden, table) in [(small(), SMALL), (published(), &[(2, 1e-8)][..])] {
        let rows = train_reference::<f64>(&golden.shape, &golden.cell(), longest(table));
        let rows: Vec<_> = rows
            .expect("it trains")
            .into_iter()
            .map(|row| vec![row])
            .collect();
        rows_follow(&golden, &rows, "the interpreter", table);
    }
}
