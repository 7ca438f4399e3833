//! Runs any program in f32 or f64: one operation after another, in plain loops.
//!
//! The interpreter is the reference that executors and kernels are compared with. Owns the numbers
//! of the tables. Knows nothing of threads, tiles or devices.

mod data;
mod forward;
mod real;
mod rows;
mod state;
mod update;

pub use data::{Data, DataError};
pub use real::Real;

use crate::check::ProgramError;
use crate::op::Op;
use crate::program::{Program, Samples, Stage};
use crate::table::{Extent, Part, TableId, View};

/// A program with numbers in its tables.
pub struct Interpreter<'p, T> {
    program: &'p Program,
    tables: Vec<Vec<T>>,
    train: Data,
    test: Data,
    scores: [Score; 2],
    step: u64,
}

/// The loss and the accuracy of a part when its samples were last run.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Score {
    /// The mean loss.
    pub loss: f64,
    /// The share of samples whose largest logit is the label's; of equal logits the first counts.
    pub accuracy: f64,
}

impl<'p, T: Real> Interpreter<'p, T> {
    /// Checks the program and allocates its tables, which hold zeros until a state is loaded.
    ///
    /// # Errors
    /// Names the first operation that is not well formed, or the part whose samples were made for
    /// another program.
    pub fn new(program: &'p Program, train: Data, test: Data) -> Result<Self, ProgramError> {
        program.check()?;
        train.fits(program)?;
        test.fits(program)?;
        let mut interpreter = Interpreter {
            program,
            tables: vec![Vec::new(); program.tables.len()],
            train,
            test,
            scores: [Score::default(); 2],
            step: 0,
        };
        interpreter.allocate();
        Ok(interpreter)
    }

    /// Replaces the training samples of the next step by a minibatch.
    ///
    /// # Errors
    /// Fails if the samples were checked against another program.
    pub fn set_train(&mut self, train: Data) -> Result<(), ProgramError> {
        train.fits(self.program)?;
        self.train = train;
        self.allocate();
        Ok(())
    }

    fn allocate(&mut self) {
        for place in 0..self.tables.len() {
            let table = &self.program.tables[place];
            let len = self.rows(table.rows) * table.cols;
            self.tables[place].resize(len, T::ZERO);
        }
    }

    /// Runs one stage.
    pub fn run(&mut self, stage: Stage) {
        let program = self.program;
        for op in program.stage(stage) {
            self.op(op);
        }
        if stage == Stage::Update {
            self.step += 1;
        }
    }

    /// Trains one step on the training samples, and returns their score before the step.
    pub fn train(&mut self) -> Score {
        for stage in [
            Stage::Shared,
            Stage::Forward(Part::Train),
            Stage::Backward,
            Stage::Update,
        ] {
            self.run(stage);
        }
        self.score(Part::Train)
    }

    /// Returns the score of the test samples under the present parameters.
    pub fn evaluate(&mut self) -> Score {
        self.run(Stage::Shared);
        self.run(Stage::Forward(Part::Test));
        self.score(Part::Test)
    }

    /// Returns the score of a part when its samples were last run.
    pub fn score(&self, part: Part) -> Score {
        self.scores[part as usize]
    }

    /// Returns the entries of a table, row-major.
    pub fn table(&self, id: TableId) -> &[T] {
        &self.tables[id.0]
    }

    /// Returns the entries of a table for writing; tests change parameters and set gradients.
    pub fn table_mut(&mut self, id: TableId) -> &mut [T] {
        &mut self.tables[id.0]
    }

    fn rows(&self, extent: Extent) -> usize {
        self.program.rows(
            extent,
            &Samples {
                train: self.train.len(),
                test: self.test.len(),
            },
        )
    }

    fn data(&self, part: Part) -> &Data {
        match part {
            Part::Train => &self.train,
            Part::Test => &self.test,
        }
    }

    /// Returns the number of the row of `of` that row r of `over` belongs to.
    fn row_of(&self, of: Extent, over: Extent, r: usize) -> usize {
        match (of, over) {
            _ if of == over => r,
            (Extent::Token(position), Extent::Sample(part)) => self.data(part).token(r, position),
            // `check` lets nothing but a single row through.
            _ => 0,
        }
    }

    fn block(&self, view: View) -> Block {
        let stride = self.program.tables[view.table.0].cols;
        let (row, col) = if view.transposed {
            (1, stride)
        } else {
            (stride, 1)
        };
        Block {
            first: view.rows.first * stride + view.cols.first,
            row,
            col,
        }
    }

    fn op(&mut self, op: &Op) {
        match op {
            Op::Filter { filter, moved } => self.filter(filter, moved),
            Op::Update { settings, moved } => self.update(settings, moved),
            Op::Project { sphere, moved } => self.project(sphere, moved),
            _ => self.forward_or_adjoint(op),
        }
    }
}

/// Says where the entries of a view lie in its table.
#[derive(Clone, Copy)]
struct Block {
    first: usize,
    row: usize,
    col: usize,
}

impl Block {
    fn at(self, row: usize, col: usize) -> usize {
        self.first + row * self.row + col * self.col
    }
}

#[cfg(test)]
mod tests;
