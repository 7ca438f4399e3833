//! Adds backward and update stages to a forward program.
//!
//! Owns which slots there are, and the order of filters, updates and projections. Knows nothing of
//! the model.

use super::{Recipe, RecipeError, Settings};
use crate::adjoint::AdjointError;
use crate::op::{Moved, Op};
use crate::program::{Program, Slot, SlotInitial, Stage};
use crate::table::{Extent, TableId};

/// Why a program cannot be trained.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum TrainError {
    /// The recipe is not valid.
    #[error(transparent)]
    Recipe(#[from] RecipeError),
    /// The program cannot be differentiated.
    #[error(transparent)]
    Adjoint(#[from] AdjointError),
}

/// Returns a forward program with its backward stage and the recipe's update stage.
///
/// # Errors
/// Returns what is wrong with the recipe, or the operation that cannot be differentiated.
pub fn train(mut program: Program, recipe: &Recipe) -> Result<Program, TrainError> {
    recipe.check(&program.parameters)?;
    program.parameters.freeze(|p| recipe.settings(p).is_none());
    program.differentiate()?;
    update(&mut program, recipe);
    Ok(program)
}

/// Adds the update stage: filters in the recipe's order, one update for each set of settings, and
/// the projection.
fn update(program: &mut Program, recipe: &Recipe) {
    let all: Vec<(Moved, Settings)> = trained(program, recipe);
    let mut ops = Vec::new();
    for filter in &recipe.filters {
        let mut moved: Vec<Moved> = all.iter().map(|(moved, _)| moved.clone()).collect();
        if let Some((name, copies)) = filter.slot() {
            slot(program, name, copies, &mut moved);
        }
        ops.push(Op::Filter {
            filter: *filter,
            moved,
        });
    }
    let mut groups: Vec<(Settings, Vec<Moved>)> = Vec::new();
    for (moved, settings) in &all {
        match groups.iter_mut().find(|(of, _)| of == settings) {
            Some((_, group)) => group.push(moved.clone()),
            None => groups.push((*settings, vec![moved.clone()])),
        }
    }
    for (settings, mut moved) in groups {
        for name in settings.rule.slots() {
            slot(program, name, 1, &mut moved);
        }
        ops.push(Op::Update { settings, moved });
    }
    if let Some(sphere) = recipe.sphere {
        let mut moved: Vec<Moved> = all.into_iter().map(|(moved, _)| moved).collect();
        let count = if sphere.each { moved.len() } else { 1 };
        let tables: Vec<TableId> = (0..count)
            .map(|i| program.push_table(format!("norm.{i}"), Extent::Once(1), 1))
            .collect();
        for (one, table) in moved.iter_mut().zip(tables.iter().cycle()) {
            one.slots.push(*table);
        }
        let initial = if sphere.each {
            SlotInitial::Norms
        } else {
            SlotInitial::Norm
        };
        program.slots.push(Slot {
            name: "norm".into(),
            tables,
            initial,
        });
        ops.push(Op::Project { sphere, moved });
    }
    program.push_stage(Stage::Update, ops);
}

/// Returns what the update needs of each trained parameter, without slots.
fn trained(program: &Program, recipe: &Recipe) -> Vec<(Moved, Settings)> {
    let all = program.parameters.iter().enumerate();
    all.filter_map(|(place, parameter)| {
        let settings = recipe.settings(parameter)?;
        let moved = Moved {
            parameter: TableId(place),
            gradient: program.gradient(TableId(place))?,
            slots: Vec::new(),
            matrix: parameter.matrix(),
        };
        Some((moved, settings))
    })
    .collect()
}

/// Adds a slot of `copies` rows for each parameter; the rules of one program share a slot by its
/// name.
fn slot(program: &mut Program, name: &str, copies: usize, moved: &mut [Moved]) {
    let mut tables = Vec::new();
    for one in moved {
        let parameter = program.table(one.parameter);
        let name = format!("{name}.{}", parameter.name);
        let (rows, cols) = if copies == 1 {
            (parameter.rows, parameter.cols)
        } else {
            (Extent::Once(copies), program.entries(one.parameter))
        };
        let table = program.push_table(name, rows, cols);
        one.slots.push(table);
        tables.push(table);
    }
    match program.slots.iter_mut().find(|slot| slot.name == name) {
        Some(slot) => slot.tables.extend(tables),
        None => program.slots.push(Slot {
            name: name.into(),
            tables,
            initial: SlotInitial::Zeros,
        }),
    }
}
