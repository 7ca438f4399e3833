//! A recorded program: tables, operations over them, and the stages that they fall into.
//!
//! Owns the order of the stages and what a state is. Knows nothing of how a model is written down
//! (`plain`, `folded`) or computed (`interpret`, executors).

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::op::Op;
use crate::parameters::Parameters;
use crate::table::{Extent, Part, Table, TableId, View};

/// A run of operations that an executor replays as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Everything that both parts share: tables once and by token, from the parameters.
    Shared,
    /// The samples of a part, from tokens to loss.
    Forward(Part),
    /// Gradients of the trained parameters, from those of the training samples' logits.
    Backward,
    /// Filters on the gradients, the update, and projections after it.
    Update,
}

/// What the optimizer keeps from step to step: one slot in tables of several parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Slot {
    /// `first_moment`, `second_moment`, `momentum` and so on; unique in a program.
    pub name: String,
    /// Its tables, in the order of the parameters.
    pub tables: Vec<TableId>,
    /// What it holds before the first step.
    pub initial: SlotInitial,
}

/// What a slot holds before the first step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SlotInitial {
    /// Zeros.
    Zeros,
    /// In each table, the norm of the parameter at the same place of the slot.
    Norms,
    /// In its only table, the norm of all trained parameters together.
    Norm,
}

/// Tables and the operations over them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Program {
    /// The tokens that each operand can be, the rows of `Token` tables.
    pub tokens: usize,
    /// The number of operands of a sample.
    pub operands: usize,
    /// The classes, the columns of logits.
    pub classes: usize,
    /// The parameters; table i holds parameter i.
    pub parameters: Parameters,
    /// All tables, the parameters' first.
    pub tables: Vec<Table>,
    /// All operations, in an order in which each reads what others have written before.
    pub ops: Vec<Op>,
    /// The stages, in order of their operations; one that is not recorded is missing.
    pub stages: Vec<(Stage, Range<usize>)>,
    /// What the optimizer keeps.
    pub slots: Vec<Slot>,
}

/// Everything that training changes.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelState {
    /// The steps taken.
    pub step: u64,
    /// The flat parameter vector, in the order of [`Parameters`].
    pub parameters: Vec<f32>,
    /// The slots of [`Program::slots`], each its tables one after the other.
    pub slots: Vec<Vec<f32>>,
}

/// A state that is not the program's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} has {given} numbers; expected {expected}")]
pub struct StateError {
    pub(crate) what: String,
    pub(crate) given: usize,
    pub(crate) expected: usize,
}

impl Program {
    /// Returns the operations of a stage; none if it is not recorded.
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

    /// Returns a table; ids come from this program.
    pub fn table(&self, id: TableId) -> &Table {
        &self.tables[id.0]
    }

    /// Returns the view of a whole table.
    pub fn whole(&self, id: TableId) -> View {
        View::whole(id, self.table(id))
    }

    /// Returns the table of a name.
    pub fn find(&self, name: &str) -> Option<TableId> {
        self.tables.iter().position(|t| t.name == name).map(TableId)
    }

    /// Returns the tables of the trained parameters, in order.
    pub fn trained(&self) -> impl Iterator<Item = TableId> {
        let all = self.parameters.iter().enumerate();
        all.filter(|(_, p)| p.trained)
            .map(|(place, _)| TableId(place))
    }

    /// Returns the number of rows of an extent for so many samples.
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
    /// Fails if the parameters are not as many as the program's.
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

    /// Returns the entries of a table that does not depend on samples.
    pub fn entries(&self, id: TableId) -> usize {
        let table = self.table(id);
        self.rows(table.rows, &Samples::default()) * table.cols
    }
}

/// How many samples each part has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Samples {
    /// The training samples of one step.
    pub train: usize,
    /// The test samples.
    pub test: usize,
}
