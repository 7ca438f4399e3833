//! Loads and reads the state of an interpreter.

use super::{Interpreter, Real};
use crate::program::{ModelState, SlotInitial, StateError};
use crate::table::TableId;

impl<T: Real> Interpreter<'_, T> {
    /// Loads a state.
    ///
    /// # Errors
    /// Fails if the lengths of the state are not the program's.
    pub fn load(&mut self, state: &ModelState) -> Result<(), StateError> {
        let parameters: Vec<TableId> = (0..self.program.parameters.len()).map(TableId).collect();
        self.fill("the list of parameters", &parameters, &state.parameters)?;
        let program = self.program;
        if state.slots.len() != program.slots.len() {
            return Err(StateError {
                what: "the list of slots".into(),
                given: state.slots.len(),
                expected: program.slots.len(),
            });
        }
        for (slot, values) in program.slots.iter().zip(&state.slots) {
            self.fill(&slot.name, &slot.tables, values)?;
        }
        self.step = state.step;
        if state.step == 0 {
            self.first_norms();
        }
        Ok(())
    }

    /// Computes the norms of the initial weights again, in the precision of this interpreter.
    fn first_norms(&mut self) {
        let trained: Vec<TableId> = self.program.trained().collect();
        for slot in &self.program.slots {
            match slot.initial {
                SlotInitial::Zeros => {}
                SlotInitial::Norm => {
                    let norm = self.norm(&trained);
                    for table in &slot.tables {
                        self.tables[table.0].fill(T::from_f64(norm));
                    }
                }
                SlotInitial::Norms => {
                    for (table, parameter) in slot.tables.iter().zip(&trained) {
                        let norm = self.norm(&[*parameter]);
                        self.tables[table.0].fill(T::from_f64(norm));
                    }
                }
            }
        }
    }

    fn fill(&mut self, what: &str, tables: &[TableId], values: &[f32]) -> Result<(), StateError> {
        let expected = tables.iter().map(|id| self.tables[id.0].len()).sum();
        if values.len() != expected {
            return Err(StateError {
                what: what.into(),
                given: values.len(),
                expected,
            });
        }
        let mut rest = values.iter();
        for id in tables {
            for (x, value) in self.tables[id.0].iter_mut().zip(&mut rest) {
                *x = T::from_f32(*value);
            }
        }
        Ok(())
    }

    /// Returns the state, rounded to f32.
    pub fn state(&self) -> ModelState {
        let slots = self.program.slots.iter();
        let parameters: Vec<TableId> = (0..self.program.parameters.len()).map(TableId).collect();
        ModelState {
            step: self.step,
            parameters: self.flat(&parameters),
            slots: slots.map(|slot| self.flat(&slot.tables)).collect(),
        }
    }

    fn flat(&self, tables: &[TableId]) -> Vec<f32> {
        let values = tables.iter().flat_map(|id| &self.tables[id.0]);
        values.map(|x| x.to_f64() as f32).collect()
    }
}
