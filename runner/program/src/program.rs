//! A recorded program: tables, operations over them, and the stages that they fall into.
//!
//! Owns the order of the stages and what a state is. Knows nothing of how a model is written down
//! (`plain`, `folded`) or computed (`interpret`, executors).

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::op::Op;
use crate::parameters::Parameters;
use crate::table::{Extent, Part, Table, TableId, View};

/// A sequence of operations that an executor runs as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Everything that both parts share: tables of a single row or a row for each token.
    Shared,
    /// The samples of a part, from their tokens to the loss.
    Forward(Part),
    /// The gradients of the trained parameters, from the gradients of the training logits.
    Backward,
    /// Filters of the gradients, the update, and the projections after it.
    Update,
}

/// One table, or several, that the optimizer keeps of the parameters from step to step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Slot {
    /// The name, for instance `first_moment` or `momentum`; unique in a program.
    pub name: String,
    /// The slot's tables, in the order of the parameters.
    pub tables: Vec<TableId>,
    /// The slot's contents before the first step.
    pub initial: SlotInitial,
}

/// The contents of a slot before the first step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SlotInitial {
    /// All entries are zero.
    Zeros,
    /// Each table holds the norm of its parameter.
    Norms,
    /// The only table holds the norm of the vector of all trained parameters.
    Norm,
}

/// Tables and the operations over them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Program {
    /// The number of tokens that an operand can be, which is the number of rows of `Token` tables.
    pub tokens: usize,
    /// The number of operands of a sample.
    pub operands: usize,
    /// The number of classes, which is the number of columns of the logits.
    pub classes: usize,
    /// The parameters; table i holds parameter i.
    pub parameters: Parameters,
    /// All tables, the parameters' first.
    pub tables: Vec<Table>,
    /// All operations; each reads only what earlier ones have written.
    pub ops: Vec<Op>,
    /// The stages, in the order of their operations; a stage that is not recorded is missing.
    pub stages: Vec<(Stage, Range<usize>)>,
    /// The slots of the optimizer.
    pub slots: Vec<Slot>,
}

/// Everything that training changes.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelState {
    /// The number of steps taken.
    pub step: u64,
    /// The flat parameter vector, in the order of [`Parameters`].
    pub parameters: Vec<f32>,
    /// The slots of [`Program::slots`]; in each, the tables lie one after another.
    pub slots: Vec<Vec<f32>>,
}

/// Why a state is not one of the program's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} has {given} numbers; expected {expected}")]
pub struct StateError {
    pub(crate) what: String,
    pub(crate) given: usize,
    pub(crate) expected: usize,
}

impl Program {
    /// Returns the operations of a stage; an empty slice if the stage is not recorded.
    pub fn stage(&self, stage: Stage) -> &[Op] {
        let found = self.stages.iter().find(|(name, _)| *name == stage);
        found.map_or(&[], |(_, range)| &self.ops[range.clone()])
    }

    /// Adds a stage after the others.
    pub(crate) fn push_stage(&mut self, stage: Stage, ops: Vec<Op>) {
        let start = self.ops.len();
        self.ops.extend(ops);
        self.stages.push((stage, start..self.ops.len()));
    }

    /// Adds a table.
    pub(crate) fn push_table(&mut self, name: String, rows: Extent, cols: usize) -> TableId {
        self.tables.push(Table { name, rows, cols });
        TableId(self.tables.len() - 1)
    }

    /// Returns a table; `id` must come from this program.
    pub fn table(&self, id: TableId) -> &Table {
        &self.tables[id.0]
    }

    /// Returns the view of a whole table.
    pub fn whole(&self, id: TableId) -> View {
        View::whole(id, self.table(id))
    }

    /// Returns the table with a name, if there is one.
    pub fn find(&self, name: &str) -> Option<TableId> {
        self.tables.iter().position(|t| t.name == name).map(TableId)
    }

    /// Returns the tables of the trained parameters, in order.
    pub fn trained(&self) -> impl Iterator<Item = TableId> {
        let all = self.parameters.iter().enumerate();
        all.filter(|(_, p)| p.trained)
            .map(|(place, _)| TableId(place))
    }

    /// Returns the number of rows of an extent, given the numbers of samples.
    pub fn rows(&self, extent: Extent, samples: &Samples) -> usize {
        match extent {
            Extent::Once(rows) => rows,
            Extent::Token(_) => self.tokens,
            Extent::Sample(Part::Train) => samples.train,
            Extent::Sample(Part::Test) => samples.test,
        }
    }

    /// Returns the state of step 0 with these parameters.
    ///
    /// # Errors
    /// Fails if the number of parameters is not the program's.
    pub fn initial_state(&self, parameters: Vec<f32>) -> Result<ModelState, StateError> {
        if parameters.len() != self.parameters.count() {
            return Err(StateError {
                what: "the flat vector".into(),
                given: parameters.len(),
                expected: self.parameters.count(),
            });
        }
        let ranges: Vec<Range<usize>> = self.parameters.ranges().collect();
        let squares = |places: &[TableId]| -> f64 {
            let values = places
                .iter()
                .flat_map(|id| &parameters[ranges[id.0].clone()]);
            values.map(|w| f64::from(*w) * f64::from(*w)).sum()
        };
        let trained: Vec<TableId> = self.trained().collect();
        let slots = self.slots.iter().map(|slot| match slot.initial {
            SlotInitial::Zeros => {
                let entries = slot.tables.iter().map(|id| self.entries(*id));
                vec![0.0; entries.sum()]
            }
            SlotInitial::Norm => vec![squares(&trained).sqrt() as f32],
            SlotInitial::Norms => trained
                .iter()
                .map(|id| squares(&[*id]).sqrt() as f32)
                .collect(),
        });
        let slots = slots.collect();
        Ok(ModelState {
            step: 0,
            parameters,
            slots,
        })
    }

    /// Returns the number of entries of a table that does not depend on samples.
    pub fn entries(&self, id: TableId) -> usize {
        let table = self.table(id);
        self.rows(table.rows, &Samples::default()) * table.cols
    }
}

/// The number of samples of each part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Samples {
    /// The number of training samples of one step.
    pub train: usize,
    /// The number of test samples.
    pub test: usize,
}
