//! Tests that neither the number of threads, nor how they divide a cell, nor how epochs are grouped
//! into calls changes a bit.

use grokrun_cpu::{CpuExecutor, Sharing};
use grokrun_executor::{
    Activation, CellInput, EpochRow, Executor as _, InitScheme, Pairs, Program, Recipe, Sample,
    Shape, initial_parameters, initial_state,
};
use grokrun_program::ModelState;

const EPOCHS: u64 = 3;

fn shape(modulus: usize, activation: Activation) -> Shape {
    Shape {
        modulus,
        d_model: 32,
        heads: 3,
        d_head: 8,
        d_mlp: 72,
        activation,
        trained_biases: false,
    }
}

fn cell(shape: &Shape, seed: i64) -> CellInput {
    let p = shape.modulus as u32;
    let sample = |i: u32| Sample {
        a: i / p,
        b: i % p,
        label: (i / p) * (i % p) % p,
    };
    let (train, test) = (0..p * p).map(sample).partition(|s| (s.a + s.b) % 2 == 0);
    CellInput {
        pairs: Pairs::new(shape.modulus, train, test).unwrap(),
        recipe: Recipe::PUBLISHED,
        state: initial_state(initial_parameters(shape, InitScheme::TransformerLens, seed)),
    }
}

/// Returns the metrics of all epochs and the states of `cells` cells, and how the threads divided
/// them.
fn run(
    shape: &Shape,
    cells: i64,
    threads: usize,
    calls: &[u64],
) -> (Sharing, Vec<Vec<EpochRow>>, Vec<ModelState>) {
    let inputs = (0..cells).map(|seed| cell(shape, seed)).collect();
    let program = Program::folded(*shape);
    let mut executor = CpuExecutor::new(program, inputs, Some(threads)).unwrap();
    let rows = calls.iter().flat_map(|n| executor.run(*n).unwrap());
    let rows = rows.collect();
    let states = (0..cells as usize).map(|i| executor.state(i).unwrap());
    let states = states.collect();
    (executor.sharing(), rows, states)
}

#[test]
fn the_same_bits_however_cells_are_shared() {
    // 98 tiles of training pairs, more than one group in a chunk; and a cell of two threads.
    for (modulus, many) in [(97, Sharing::Everything), (23, Sharing::Pairs)] {
        for activation in [Activation::Relu, Activation::Gelu] {
            let shape = shape(modulus, activation);
            let (share, rows, states) = run(&shape, 1, 1, &[EPOCHS]);
            assert_eq!(share, Sharing::Nothing);
            for threads in [2, 3, 8] {
                for calls in [&[EPOCHS][..], &[1, 0, 1, 1]] {
                    let (share, other_rows, other_states) = run(&shape, 1, threads, calls);
                    assert_eq!(share, many);
                    assert_eq!(other_rows, rows, "{shape:?}, {threads} threads");
                    assert!(other_states == states, "{shape:?}, {threads} threads");
                }
            }
        }
    }
}

#[test]
fn the_same_bits_for_cells_in_turn_and_side_by_side() {
    let shape = shape(97, Activation::Relu);
    let (share, rows, states) = run(&shape, 2, 2, &[EPOCHS]);
    assert_eq!(share, Sharing::Nothing);
    let (share, in_turn, states_in_turn) = run(&shape, 2, 5, &[EPOCHS]);
    assert_eq!(share, Sharing::Everything);
    assert_eq!(rows, in_turn);
    assert!(states == states_in_turn);
    let (_, alone, _) = run(&shape, 1, 2, &[EPOCHS]);
    assert!(rows.iter().zip(&alone).all(|(two, one)| two[0] == one[0]));
    assert!(rows.iter().all(|row| row[0] != row[1]));
}
