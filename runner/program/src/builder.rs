//! Records the forward part of a program: tables and operations by name, then stages.
//!
//! Owns how extents spread from operands to results, and how the training samples' operations are
//! recorded again for the test samples. Knows nothing of a model.

use std::collections::HashMap;

use crate::architecture::{Activation, Architecture, ArchitectureError};
use crate::loss::Loss;
use crate::op::{Factors, Op, Term, Write};
use crate::parameters::Parameters;
use crate::program::{Program, Stage};
use crate::table::{Extent, Part, TableId, View};

/// A forward program that is being recorded, for the training samples.
pub(crate) struct Builder {
    program: Program,
    ops: Vec<Op>,
}

impl Builder {
    /// Starts with the tables of the parameters.
    pub(crate) fn new(architecture: &Architecture) -> Result<Builder, ArchitectureError> {
        let parameters = Parameters::new(architecture)?;
        let mut program = Program {
            tokens: architecture.tokens,
            operands: architecture.operands,
            classes: architecture.classes,
            parameters: parameters.clone(),
            tables: Vec::new(),
            ops: Vec::new(),
            stages: Vec::new(),
            slots: Vec::new(),
        };
        for parameter in parameters.iter() {
            let [rows, cols] = parameter.table();
            program.push_table(parameter.name.clone(), Extent::Once(rows), cols);
        }
        Ok(Builder {
            program,
            ops: Vec::new(),
        })
    }

    /// Adds a table, and returns the view of all of it.
    pub(crate) fn table(&mut self, name: String, rows: Extent, cols: usize) -> View {
        let id = self.program.push_table(name, rows, cols);
        self.program.whole(id)
    }

    /// Returns a parameter if the architecture has it.
    pub(crate) fn optional(&self, name: &str) -> Option<View> {
        let place = self.program.parameters.position(name)?;
        Some(self.program.whole(TableId(place)))
    }

    /// Returns a parameter that the architecture must have.
    pub(crate) fn parameter(&self, name: &str) -> View {
        // The names are written in `parameters`; a test records every kind of architecture.
        self.optional(name)
            .unwrap_or_else(|| panic!("the architecture has a parameter {name}"))
    }

    /// Records an operation.
    pub(crate) fn push(&mut self, op: Op) {
        self.ops.push(op);
    }

    /// Records a table for x W, and adds each of `others` to it.
    pub(crate) fn product(&mut self, name: String, x: View, w: View, others: &[View]) -> View {
        let out = self.table(name, x.height(), cols(w));
        self.multiply(out, 1.0, vec![Factors { left: x, right: w }]);
        self.accumulate(out, others);
        out
    }

    /// Records out = scale Σ A B.
    pub(crate) fn multiply(&mut self, out: View, scale: f64, terms: Vec<Factors>) {
        self.push(Op::Product {
            out,
            write: Write::Set,
            scale,
            terms,
        });
    }

    /// Records out += each of `others`. A view of a smaller extent is looked up.
    pub(crate) fn accumulate(&mut self, out: View, others: &[View]) {
        if !others.is_empty() {
            self.push(Op::Add {
                out,
                write: Write::Add,
                heads: 1,
                terms: others.iter().map(|v| term(*v)).collect(),
                constant: 0.0,
            });
        }
    }

    /// Records out = Σ of the terms + constant.
    pub(crate) fn add(&mut self, out: View, heads: usize, terms: Vec<Term>, constant: f64) {
        self.push(Op::Add {
            out,
            write: Write::Set,
            heads,
            terms,
            constant,
        });
    }

    /// Records a table for act(x).
    pub(crate) fn activate(&mut self, name: String, input: View, activation: Activation) -> View {
        let out = self.table(name, input.height(), cols(input));
        self.push(Op::Activate {
            out,
            input,
            activation,
        });
        out
    }

    /// Sorts the operations into stages, records those of the test samples, and ends with the
    /// losses of both.
    pub(crate) fn finish(mut self, logits: View, loss: Loss) -> Program {
        self.push(Op::Loss {
            logits,
            part: Part::Train,
            loss,
            gradient: None,
        });
        let (train, shared): (Vec<Op>, Vec<Op>) = self
            .ops
            .into_iter()
            .partition(|op| op.extent().is_some_and(Extent::is_sample));
        let test = of_test_samples(&mut self.program, &train);
        self.program.push_stage(Stage::Shared, shared);
        self.program.push_stage(Stage::Forward(Part::Train), train);
        self.program.push_stage(Stage::Forward(Part::Test), test);
        self.program
    }
}

/// Records operations of training samples again, on tables of test samples.
fn of_test_samples(program: &mut Program, train: &[Op]) -> Vec<Op> {
    let (from, to) = (Extent::Sample(Part::Train), Extent::Sample(Part::Test));
    let mut tables = HashMap::new();
    for place in 0..program.tables.len() {
        let table = program.tables[place].clone();
        if table.rows == from {
            let name = format!("test.{}", table.name);
            tables.insert(TableId(place), program.push_table(name, to, table.cols));
        }
    }
    let mut test = train.to_vec();
    for op in &mut test {
        for view in op.views_mut() {
            view.table = *tables.get(&view.table).unwrap_or(&view.table);
            for span in [&mut view.rows, &mut view.cols] {
                if span.extent == from {
                    span.extent = to;
                }
            }
        }
        if let Op::Loss { part, .. } = op {
            *part = Part::Test;
        }
    }
    test
}

/// Returns a term with neither weights nor a factor.
pub(crate) fn term(values: View) -> Term {
    Term {
        values,
        weights: None,
        scale: 1.0,
    }
}

/// Returns the number of columns of a view whose columns are not samples.
pub(crate) fn cols(view: View) -> usize {
    match view.width() {
        Extent::Once(cols) => cols,
        // In a forward program only rows stand for tokens or samples.
        other => panic!("columns are {other:?}; expected a fixed number"),
    }
}
