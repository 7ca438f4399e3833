//! Computes the numbers that change from step to step, for the kernels of the update stage.
//!
//! Owns the order of the numbers. They are computed in f64 and rounded once.

use grokrun_program::{Filter, Op, Program, Stage};

/// Returns the number of coefficients of an operation for a step.
pub(crate) fn count(op: &Op) -> usize {
    match op {
        Op::Update { .. } => 8,
        Op::Filter { filter, .. } => match filter {
            Filter::GrokfastEma(_) => 3,
            Filter::GrokfastMa(_) => 2,
            Filter::Orthogonal | Filter::Clip(_) => 0,
        },
        _ => 0,
    }
}

/// Returns the number of coefficients of all operations of a program's update stage.
pub(crate) fn count_all(program: &Program) -> usize {
    program.stage(Stage::Update).iter().map(count).sum()
}

/// Appends the coefficients of the step numbered `step`, from 0, of all operations in their order.
pub(crate) fn push(program: &Program, step: u64, numbers: &mut Vec<f32>) {
    for op in program.stage(Stage::Update) {
        match op {
            Op::Update { settings, .. } => {
                numbers.extend(settings.coefficients(step).map(|c| c as f32));
            }
            Op::Filter { filter, .. } => match filter {
                Filter::GrokfastEma(filter) => {
                    numbers.extend(filter.coefficients(step).map(|c| c as f32));
                }
                Filter::GrokfastMa(filter) => {
                    // A factor of 0 tells the kernel that the window is not full.
                    let (row, factor) = filter.place_and_factor(step);
                    numbers.extend([row as f32, factor.unwrap_or(0.0) as f32]);
                }
                Filter::Orthogonal | Filter::Clip(_) => {}
            },
            _ => {}
        }
    }
}
