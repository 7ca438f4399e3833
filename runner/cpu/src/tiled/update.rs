//! Runs the update stage: filters on gradients, rules, projections.
//!
//! Owns how the update runs over flat tables and threads. The formulas come from the program crate.

use grokrun_program::{
    ElementRule as _, Filter, MAX_SLOTS, Moved, Op, Settings, Sphere, TableId, move_matrix,
    orthogonal, with_rule,
};
use pulp::Simd;
use rayon::prelude::*;

use super::matrices::Kernels;
use crate::buffer::Buffer;
use crate::parallel::Bodies as _;

/// The number of entries that one task updates.
const PIECE: usize = 8192;

/// Runs an operation of the update stage of the step numbered `step`.
pub(super) fn run<S: Simd>(simd: S, op: &Op, step: u64, tables: &mut [Buffer]) {
    match op {
        Op::Filter { filter, moved } => filtered(filter, moved, step, tables),
        Op::Update { settings, moved } => {
            for one in moved {
                update(simd, settings, one, step, tables);
            }
        }
        Op::Project { sphere, moved } => project(sphere, moved, tables),
        // The plan puts no other operation into this stage.
        _ => {}
    }
}

fn filtered(filter: &Filter, moved: &[Moved], step: u64, tables: &mut [Buffer]) {
    if let Filter::Clip(clip) = filter {
        let gradients: Vec<TableId> = moved.iter().map(|m| m.gradient).collect();
        scale(
            &gradients,
            clip.factor(norm(&gradients, tables)) as f32,
            tables,
        );
        return;
    }
    for one in moved {
        let mut gradient = std::mem::take(&mut tables[one.gradient.0]);
        match (filter, one.slots.first()) {
            (Filter::GrokfastEma(filter), Some(slot)) => {
                filter.apply(step, &mut gradient[..], &mut tables[slot.0][..]);
            }
            (Filter::GrokfastMa(filter), Some(slot)) => {
                filter.apply(step, &mut gradient[..], &mut tables[slot.0][..]);
            }
            (Filter::Orthogonal, _) => {
                orthogonal(&tables[one.parameter.0][..], &mut gradient[..]);
            }
            // The program's check gives every moving average its slot.
            _ => {}
        }
        tables[one.gradient.0] = gradient;
    }
}

fn update<S: Simd>(simd: S, settings: &Settings, one: &Moved, step: u64, tables: &mut [Buffer]) {
    let coefficients = settings.coefficients(step).map(|c| c as f32);
    let mut weights = std::mem::take(&mut tables[one.parameter.0]);
    let mut slots: [Buffer; MAX_SLOTS] = std::array::from_fn(|slot| {
        one.slots
            .get(slot)
            .map(|id| std::mem::take(&mut tables[id.0]))
            .unwrap_or_default()
    });
    let gradient = &tables[one.gradient.0];
    let mut directions = if settings.rule.moves_matrices() {
        Buffer::zeros(weights.len())
    } else {
        Buffer::default()
    };
    let moved = if directions.is_empty() {
        &mut weights
    } else {
        &mut directions
    };
    with_rule!(settings.rule, rule => elements(simd, moved, gradient, &mut slots, |w, g, s| {
        rule.update(&coefficients, w, g, s)
    }));
    if let (false, Some(matrix)) = (directions.is_empty(), one.matrix) {
        move_matrix(
            &coefficients,
            matrix,
            &directions,
            &mut weights,
            &mut Kernels(simd),
        );
    }
    for (id, slot) in one.slots.iter().zip(slots) {
        tables[id.0] = slot;
    }
    tables[one.parameter.0] = weights;
}

/// Applies a rule to each element; a slot that the rule does not keep is empty.
fn elements<S: Simd>(
    simd: S,
    weights: &mut [f32],
    gradient: &[f32],
    slots: &mut [Buffer; MAX_SLOTS],
    rule: impl Fn(f32, f32, &mut [f32; MAX_SLOTS]) -> f32 + Sync,
) {
    let [first, second] = slots;
    let pieces = weights
        .par_chunks_mut(PIECE)
        .zip(gradient.par_chunks(PIECE));
    if first.is_empty() {
        pieces.each(&|(weights, gradient)| {
            vectorized!(simd, {
                for (w, g) in weights.iter_mut().zip(gradient) {
                    *w = rule(*w, *g, &mut [0.0; MAX_SLOTS]);
                }
            });
        });
    } else if second.is_empty() {
        let pieces = pieces.zip(first.par_chunks_mut(PIECE));
        pieces.each(&|((weights, gradient), first)| {
            vectorized!(simd, {
                for ((w, g), a) in weights.iter_mut().zip(gradient).zip(first) {
                    let mut slots = [*a, 0.0];
                    *w = rule(*w, *g, &mut slots);
                    [*a, _] = slots;
                }
            });
        });
    } else {
        let slots = first
            .par_chunks_mut(PIECE)
            .zip(second.par_chunks_mut(PIECE));
        pieces
            .zip(slots)
            .each(&|((weights, gradient), (first, second))| {
                vectorized!(simd, {
                    let slots = first.iter_mut().zip(second);
                    for ((w, g), (a, b)) in weights.iter_mut().zip(gradient).zip(slots) {
                        let mut slots = [*a, *b];
                        *w = rule(*w, *g, &mut slots);
                        [*a, *b] = slots;
                    }
                });
            });
    }
}

fn project(sphere: &Sphere, moved: &[Moved], tables: &mut [Buffer]) {
    let groups: Vec<&[Moved]> = if sphere.each {
        moved.chunks(1).collect()
    } else {
        vec![moved]
    };
    for group in groups {
        let parameters: Vec<TableId> = group.iter().map(|m| m.parameter).collect();
        let first = group.first().and_then(|m| m.slots.first());
        if let Some(slot) = first {
            let first = f64::from(tables[slot.0][0]);
            let factor = sphere.factor(first, norm(&parameters, tables));
            scale(&parameters, factor as f32, tables);
        }
    }
}

fn scale(of: &[TableId], factor: f32, tables: &mut [Buffer]) {
    for id in of {
        tables[id.0].iter_mut().for_each(|x| *x *= factor);
    }
}

/// Returns the norm of several tables taken as one vector.
fn norm(of: &[TableId], tables: &[Buffer]) -> f64 {
    let squares = of.iter().map(|id| {
        let squares = tables[id.0].iter().map(|x| f64::from(*x) * f64::from(*x));
        squares.sum::<f64>()
    });
    squares.sum::<f64>().sqrt()
}
