//! Records the backward stage of a program: one rule for each operation, in the opposite order.
//!
//! Owns the rules, and which tables have gradients. Knows nothing of models: a program is
//! differentiated as it is recorded.

mod blocks;

use std::collections::HashMap;

use blocks::{area, contains, disjoint};

use crate::op::{Factors, Op, Term, Write};
use crate::program::{Program, Stage};
use crate::table::{Extent, Part, TableId, View};

/// Names an operation that has no rule.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("the forward part cannot be differentiated: {0}")]
pub struct AdjointError(String);

/// The gradient of a table, and the blocks of it that have been written.
struct Gradient {
    id: TableId,
    written: Vec<View>,
    /// whether a block of the gradient was added to before it was set
    cleared: bool,
}

/// A backward stage that is being recorded.
struct Adjoint<'a> {
    program: &'a mut Program,
    /// whether a table depends on a trained parameter
    moving: Vec<bool>,
    gradients: HashMap<TableId, Gradient>,
    ops: Vec<Op>,
}

impl Program {
    /// Records the backward stage: after it, the table `d.NAME` holds the gradient of the mean
    /// training loss by the trained parameter NAME.
    ///
    /// # Errors
    /// Names an operation that is no forward one.
    pub fn differentiate(&mut self) -> Result<(), AdjointError> {
        let forward = [Stage::Shared, Stage::Forward(Part::Train)];
        let forward: Vec<Op> = forward
            .iter()
            .flat_map(|stage| self.stage(*stage).to_vec())
            .collect();
        let mut adjoint = Adjoint {
            moving: moving(self, &forward),
            gradients: HashMap::new(),
            ops: Vec::new(),
            program: self,
        };
        for op in forward.iter().rev() {
            adjoint.op(op)?;
        }
        adjoint.finish();
        Ok(())
    }

    /// Returns the gradient of a table, if the program has one.
    pub fn gradient(&self, of: TableId) -> Option<TableId> {
        self.find(&format!("d.{}", self.table(of).name))
    }
}

/// Returns, for each table, whether the table depends on a trained parameter.
fn moving(program: &Program, forward: &[Op]) -> Vec<bool> {
    let mut moving = vec![false; program.tables.len()];
    for id in program.trained() {
        moving[id.0] = true;
    }
    for op in forward {
        let depends = op.operands().iter().any(|view| moving[view.table.0]);
        for out in op.writes() {
            moving[out.table.0] |= depends;
        }
    }
    moving
}

impl Adjoint<'_> {
    /// Records what the gradient of an operation's output adds to those of its operands.
    fn op(&mut self, op: &Op) -> Result<(), AdjointError> {
        match op {
            Op::Loss {
                logits,
                part: Part::Train,
                ..
            } => {
                self.loss(*logits);
                Ok(())
            }
            Op::Product {
                out, scale, terms, ..
            } => {
                if let Some(dout) = self.of_output(*out) {
                    for term in terms {
                        self.factors(term, dout, *scale);
                    }
                }
                Ok(())
            }
            Op::Add {
                out, heads, terms, ..
            } => {
                let Some(dout) = self.of_output(*out) else {
                    return Ok(());
                };
                terms
                    .iter()
                    .try_for_each(|term| self.term(term, *heads, dout, out.height()))
            }
            Op::Dot {
                out,
                heads,
                left,
                right,
                scale,
                ..
            } => {
                if let Some(dout) = self.of_output(*out) {
                    for (of, other) in [(*left, *right), (*right, *left)] {
                        let term = Term {
                            values: other,
                            weights: Some(dout),
                            scale: *scale,
                        };
                        self.spread(of, *heads, term, out.height());
                    }
                }
                Ok(())
            }
            Op::Softmax { out, scores, heads } => {
                if let Some(gradient) = self.of_output(*out) {
                    self.into(*scores, |out, write| Op::SoftmaxGradient {
                        out,
                        write,
                        weights: op.writes()[0],
                        gradient,
                        heads: *heads,
                    });
                }
                Ok(())
            }
            Op::Activate {
                out,
                input,
                activation,
            } => {
                if let Some(gradient) = self.of_output(*out) {
                    self.into(*input, |out, write| Op::ActivateGradient {
                        out,
                        write,
                        input: *input,
                        gradient,
                        activation: *activation,
                    });
                }
                Ok(())
            }
            Op::Norm {
                out: normed,
                inverse,
                input,
                ..
            } => {
                if let Some(gradient) = self.of_output(*normed) {
                    self.into(*input, |out, write| Op::NormGradient {
                        out,
                        write,
                        normed: *normed,
                        inverse: *inverse,
                        gradient,
                    });
                }
                Ok(())
            }
            other => Err(AdjointError(format!("it has {other:?}"))),
        }
    }

    /// Makes the loss operation write its gradient too: one pass computes both.
    fn loss(&mut self, logits: View) {
        if !self.moving[logits.table.0] {
            return;
        }
        let name = format!("d.{}", self.program.table(logits.table).name);
        let table = self.program.table(logits.table).clone();
        let id = self.program.push_table(name, table.rows, table.cols);
        let gradient = Gradient {
            id,
            written: vec![logits],
            cleared: false,
        };
        self.gradients.insert(logits.table, gradient);
        for op in &mut self.program.ops {
            if let Op::Loss {
                logits: of,
                gradient,
                part: Part::Train,
                ..
            } = op
                && *of == logits
            {
                *gradient = Some(logits.of(id));
            }
        }
    }

    /// Returns the gradient of an output, if a later operation has given it one.
    fn of_output(&self, out: View) -> Option<View> {
        let gradient = self.gradients.get(&out.table)?;
        Some(out.of(gradient.id))
    }

    /// Records dA += scale dC Bᵀ and dB += scale Aᵀ dC.
    fn factors(&mut self, term: &Factors, dout: View, scale: f64) {
        let Factors { left, right } = *term;
        self.product(left, dout, right.t(), scale);
        self.product(right, left.t(), dout, scale);
    }

    /// Records d`of` += scale A B, in the orientation in which `of` lies in memory.
    fn product(&mut self, of: View, a: View, b: View, scale: f64) {
        let (of, left, right) = if of.transposed {
            (of.t(), b.t(), a.t())
        } else {
            (of, a, b)
        };
        self.into(of, |out, write| Op::Product {
            out,
            write,
            scale,
            terms: vec![Factors { left, right }],
        });
    }

    /// Records the adjoint of one summand of [`Op::Add`].
    fn term(
        &mut self,
        term: &Term,
        heads: usize,
        dout: View,
        over: Extent,
    ) -> Result<(), AdjointError> {
        let back = Term {
            values: dout,
            ..*term
        };
        self.spread(term.values, heads, back, over);
        let Some(weights) = term.weights else {
            return Ok(());
        };
        if weights.height() == over {
            self.into(weights, |out, write| Op::Dot {
                out,
                write,
                heads,
                left: dout,
                right: term.values,
                scale: term.scale,
            });
        } else if term.values.width() == weights.width() {
            // With one column for each head, values and weights may be exchanged.
            let back = Term {
                values: term.values,
                weights: Some(dout),
                scale: term.scale,
            };
            self.spread(weights, heads, back, over);
        } else {
            let problem = "weights of fewer rows than the sum have heads of several columns";
            return Err(AdjointError(problem.into()));
        }
        Ok(())
    }

    /// Records `d of[r] += the term`, summed over the rows of `over` that belong to row r.
    fn spread(&mut self, of: View, heads: usize, term: Term, over: Extent) {
        self.into(of, |out, write| {
            if of.height() == over {
                Op::Add {
                    out,
                    write,
                    heads,
                    terms: vec![term],
                    constant: 0.0,
                }
            } else {
                Op::Sum {
                    out,
                    write,
                    heads,
                    term,
                    over,
                }
            }
        });
    }

    /// Records an operation that writes into the gradient of a view, if the view has a gradient.
    /// The first operation that writes into a block sets the block; later ones add to it.
    fn into(&mut self, of: View, op: impl FnOnce(View, Write) -> Op) {
        if !self.moving[of.table.0] {
            return;
        }
        if !self.gradients.contains_key(&of.table) {
            let table = self.program.table(of.table).clone();
            let name = format!("d.{}", table.name);
            let id = self.program.push_table(name, table.rows, table.cols);
            let gradient = Gradient {
                id,
                written: Vec::new(),
                cleared: false,
            };
            self.gradients.insert(of.table, gradient);
        }
        let tokens = self.program.tokens;
        if let Some(gradient) = self.gradients.get_mut(&of.table) {
            let inside = gradient
                .written
                .iter()
                .any(|old| contains(old, &of, tokens));
            let apart = gradient
                .written
                .iter()
                .all(|old| disjoint(old, &of, tokens));
            let write = if apart { Write::Set } else { Write::Add };
            gradient.cleared |= !inside && !apart;
            if !inside {
                gradient.written.push(of);
            }
            self.ops.push(op(of.of(gradient.id), write));
        }
    }

    /// Gives every trained parameter a gradient, clears the gradients that are not written as a
    /// whole, and adds the stage.
    fn finish(mut self) {
        let trained: Vec<TableId> = self.program.trained().collect();
        for id in trained {
            // A parameter that the loss does not depend on has a gradient of zero.
            if !self.gradients.contains_key(&id) {
                let table = self.program.table(id).clone();
                let name = format!("d.{}", table.name);
                let gradient = Gradient {
                    id: self.program.push_table(name, table.rows, table.cols),
                    written: Vec::new(),
                    cleared: true,
                };
                self.gradients.insert(id, gradient);
            }
        }
        let tokens = self.program.tokens;
        let mut clear: Vec<TableId> = Vec::new();
        for (of, gradient) in &self.gradients {
            let table = self.program.table(*of);
            let all = area(&View::whole(*of, table), tokens);
            let written: usize = gradient.written.iter().map(|v| area(v, tokens)).sum();
            if gradient.cleared || written < all {
                clear.push(gradient.id);
            }
        }
        // The map has no order, but the stage needs one.
        clear.sort();
        let clear = clear.into_iter().map(|table| Op::Clear { table });
        let ops = clear.chain(self.ops).collect();
        self.program.push_stage(Stage::Backward, ops);
    }
}

#[cfg(test)]
mod tests;
