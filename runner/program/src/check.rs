//! Checks a program before it is run, since a program may come from a file.
//!
//! Owns which views an operation accepts. A program that passes makes no executor panic.

use crate::op::{Moved, Op, Term};
use crate::program::{Program, SlotInitial};
use crate::table::{Extent, TableId, View};

/// Why a program is not well formed, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {problem}")]
pub struct ProgramError {
    /// The table, the operation or the slot that is wrong.
    pub place: String,
    /// What is wrong there, and what was expected.
    pub problem: String,
}

/// The largest number of entries of a table; a file cannot ask for more memory than that.
const MAX_ENTRIES: usize = 1 << 31;

impl Program {
    /// Checks tables, operations and slots.
    ///
    /// # Errors
    /// Names the first place that is not well formed.
    pub fn check(&self) -> Result<(), ProgramError> {
        self.check_tables()?;
        let mut end = 0;
        for (stage, range) in &self.stages {
            let fits = range.start == end && range.start <= range.end;
            let problem = "its operations do not follow those of the stage before";
            expect(fits, || format!("stage {stage:?}"), problem)?;
            end = range.end;
        }
        let problem = "they do not end with the last operation";
        expect(end == self.ops.len(), || "the stages".into(), problem)?;
        for (number, op) in self.ops.iter().enumerate() {
            self.check_op(op).map_err(|problem| ProgramError {
                place: format!("operation {number}"),
                problem,
            })?;
        }
        self.check_slots()
    }

    fn check_tables(&self) -> Result<(), ProgramError> {
        let place = || "the program".to_string();
        let fits = self.tokens > 0 && self.operands > 0 && self.classes > 0;
        expect(
            fits,
            place,
            "tokens, operands and classes must be at least 1",
        )?;
        let count = self.parameters.len();
        expect(
            count <= self.tables.len(),
            place,
            "parameters without a table",
        )?;
        for (number, table) in self.tables.iter().enumerate() {
            let place = || format!("table {number} {:?}", table.name);
            let rows = match table.rows {
                Extent::Once(rows) => rows,
                Extent::Token(_) => self.tokens,
                Extent::Sample(_) => 1,
            };
            let entries = rows.checked_mul(table.cols);
            let fits = entries.is_some_and(|entries| (1..=MAX_ENTRIES).contains(&entries));
            expect(fits, place, "expected 1 to 2^31 entries")?;
            let position = match table.rows {
                Extent::Token(position) => position,
                _ => 0,
            };
            expect(position < self.operands, place, "there is no such position")?;
        }
        for (parameter, table) in self.parameters.iter().zip(&self.tables) {
            let [rows, cols] = parameter.table();
            let fits = table.rows == Extent::Once(rows) && table.cols == cols;
            let place = || format!("table {:?}", table.name);
            expect(fits, place, "its dimensions are not the parameter's")?;
        }
        Ok(())
    }

    fn check_slots(&self) -> Result<(), ProgramError> {
        for slot in &self.slots {
            let place = || format!("slot {:?}", slot.name);
            let known = slot.tables.iter().all(|id| id.0 < self.tables.len());
            expect(known, place, "it has a table that does not exist")?;
            let counted = match slot.initial {
                SlotInitial::Zeros => true,
                SlotInitial::Norm => slot.tables.len() == 1,
                SlotInitial::Norms => slot.tables.len() == self.trained().count(),
            };
            expect(counted, place, "it has not as many tables as norms")?;
            let samples = slot
                .tables
                .iter()
                .any(|id| self.table(*id).rows.is_sample());
            expect(!samples, place, "a state cannot depend on samples")?;
        }
        Ok(())
    }

    fn check_op(&self, op: &Op) -> Result<(), String> {
        let written = op.writes();
        for view in op.operands().iter().chain(&written) {
            self.check_view(view)?;
        }
        let aliased = op
            .operands()
            .iter()
            .any(|read| written.iter().any(|out| out.table == read.table));
        if aliased {
            return Err("it reads the table that it writes".into());
        }
        let gradient = written
            .iter()
            .any(|out| out.table.0 < self.parameters.len());
        if gradient {
            return Err("it writes a parameter outside the update".into());
        }
        self.check_shapes(op)
    }

    fn check_view(&self, view: &View) -> Result<(), String> {
        let Some(table) = self.tables.get(view.table.0) else {
            return Err(format!("there is no table {}", view.table.0));
        };
        let spans = [
            (view.rows, table.rows),
            (view.cols, Extent::Once(table.cols)),
        ];
        for (span, all) in spans {
            let inside = match (self.fixed(span.extent), self.fixed(all)) {
                (Some(len), Some(all)) => span.first.checked_add(len).is_some_and(|end| end <= all),
                // Either all samples are read or none.
                _ => span.first == 0 && span.extent == all,
            };
            let position = match span.extent {
                Extent::Token(position) => position,
                _ => 0,
            };
            // Rows by token are the tokens of that position, or plain rows that are looked up.
            let named = match (span.extent, all) {
                (Extent::Token(a), Extent::Token(b)) => a == b,
                (Extent::Once(_), Extent::Token(_)) => false,
                _ => true,
            };
            if !inside || !named || position >= self.operands {
                return Err(format!("a view leaves table {:?}", table.name));
            }
        }
        Ok(())
    }

    /// Returns the number of rows of an extent that does not depend on samples.
    fn fixed(&self, extent: Extent) -> Option<usize> {
        match extent {
            Extent::Once(rows) => Some(rows),
            Extent::Token(_) => Some(self.tokens),
            Extent::Sample(_) => None,
        }
    }

    fn check_shapes(&self, op: &Op) -> Result<(), String> {
        match op {
            Op::Clear { table } => self.check_table(*table),
            Op::Product { out, terms, .. } => {
                let fits = terms.iter().all(|t| {
                    t.left.height() == out.height()
                        && t.right.width() == out.width()
                        && t.left.width() == t.right.height()
                });
                shapes(fits)
            }
            Op::Add {
                out, heads, terms, ..
            } => terms
                .iter()
                .try_for_each(|t| self.grouped(*out, *heads, t, out.height())),
            Op::Sum {
                out,
                heads,
                term,
                over,
                ..
            } => {
                shapes(looked_up(out.height(), *over))?;
                self.grouped(*out, *heads, term, *over)
            }
            Op::Dot {
                out,
                heads,
                left,
                right,
                ..
            } => {
                let over = out.height();
                let rows = looked_up(left.height(), over) && looked_up(right.height(), over);
                let width = self.columns(*left)?;
                let cols = self.columns(*right)? == width && self.columns(*out)? == *heads;
                shapes(rows && cols && *heads > 0 && width.is_multiple_of(*heads))
            }
            Op::Softmax { heads, .. } | Op::SoftmaxGradient { heads, .. } => {
                let mut views = op.operands();
                views.extend(op.writes());
                shapes(self.alike(&views))?;
                shapes(*heads > 0 && self.columns(views[0])?.is_multiple_of(*heads))
            }
            Op::Activate { .. } | Op::ActivateGradient { .. } => {
                let mut views = op.operands();
                views.extend(op.writes());
                shapes(self.alike(&views))
            }
            Op::Norm {
                out,
                inverse,
                input,
                ..
            } => {
                let one = self.columns(*inverse)? == 1 && inverse.height() == out.height();
                shapes(one && self.alike(&[*out, *input]))
            }
            Op::NormGradient {
                out,
                normed,
                inverse,
                gradient,
                ..
            } => {
                let one = self.columns(*inverse)? == 1 && inverse.height() == out.height();
                shapes(one && self.alike(&[*out, *normed, *gradient]))
            }
            Op::Loss {
                logits,
                part,
                loss,
                gradient,
            } => {
                loss.check().map_err(|error| error.to_string())?;
                let samples = logits.height() == Extent::Sample(*part);
                let classes = self.columns(*logits)? == self.classes;
                shapes(samples && classes && gradient.is_none_or(|g| self.alike(&[*logits, g])))
            }
            Op::Filter { filter, moved } => {
                filter.check().map_err(|error| error.to_string())?;
                let kept = filter.slot().map_or(0, |(_, copies)| copies);
                moved.iter().try_for_each(|m| {
                    let own = self.check_moved(m, usize::from(kept > 0))?;
                    let entries = m.slots.first().map_or(0, |id| self.entries(*id));
                    shapes(entries == kept * own)
                })
            }
            Op::Update { settings, moved } => {
                settings.rule.check().map_err(|error| error.to_string())?;
                let slots = settings.rule.slots().len();
                let matrices = settings.rule.others().is_some();
                moved.iter().try_for_each(|m| {
                    let own = self.check_moved(m, slots)?;
                    shapes(m.slots.iter().all(|id| self.entries(*id) == own))?;
                    let dimensions = m.matrix.map(|x| {
                        let block = x.inputs.checked_mul(x.outputs)?;
                        (block > 0).then_some(block.checked_mul(x.heads)?)
                    });
                    shapes(!matrices || dimensions == Some(Some(own)))
                })
            }
            Op::Project { moved, .. } => {
                shapes(!moved.is_empty())?;
                moved.iter().try_for_each(|m| {
                    self.check_moved(m, 1)?;
                    shapes(self.entries(m.slots[0]) == 1)
                })
            }
        }
    }

    /// Checks the tables of a moved parameter and returns the parameter's number of entries.
    fn check_moved(&self, moved: &Moved, slots: usize) -> Result<usize, String> {
        if moved.parameter.0 >= self.parameters.len() || moved.slots.len() != slots {
            return Err("it moves what is no parameter, or with other slots than its own".into());
        }
        for id in moved.slots.iter().chain([&moved.gradient]) {
            self.check_table(*id)?;
            if id.0 < self.parameters.len() || self.table(*id).rows.is_sample() {
                return Err("a gradient or a slot is a parameter, or depends on samples".into());
            }
        }
        let mut own: Vec<TableId> = moved.slots.clone();
        own.push(moved.gradient);
        own.sort();
        if own.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err("a gradient and a slot are the same table".into());
        }
        let own = self.entries(moved.parameter);
        shapes(self.entries(moved.gradient) == own)?;
        Ok(own)
    }

    fn check_table(&self, id: TableId) -> Result<(), String> {
        if id.0 < self.tables.len() {
            Ok(())
        } else {
            Err(format!("there is no table {}", id.0))
        }
    }

    /// Checks `out` (rows, heads · width), values with the same columns, and weights (rows, heads).
    fn grouped(&self, out: View, heads: usize, term: &Term, over: Extent) -> Result<(), String> {
        let Term {
            values, weights, ..
        } = *term;
        let cols = self.columns(out)?;
        shapes(heads > 0 && cols.is_multiple_of(heads) && self.columns(values)? == cols)?;
        shapes(looked_up(values.height(), over))?;
        match weights {
            Some(w) => shapes(self.columns(w)? == heads && looked_up(w.height(), over)),
            None => Ok(()),
        }
    }

    fn columns(&self, view: View) -> Result<usize, String> {
        let columns = self.fixed(view.width());
        columns.ok_or_else(|| "columns cannot be samples here".to_string())
    }

    fn alike(&self, views: &[View]) -> bool {
        let same = |v: &View| (v.height(), v.width()) == (views[0].height(), views[0].width());
        views.iter().all(same)
    }
}

/// Tells whether a row of `over` determines a row of `of`.
fn looked_up(of: Extent, over: Extent) -> bool {
    of == over
        || of == Extent::Once(1)
        || matches!((of, over), (Extent::Token(_), Extent::Sample(_)))
}

fn shapes(fit: bool) -> Result<(), String> {
    if fit {
        Ok(())
    } else {
        Err("the shapes of its views do not fit each other".into())
    }
}

fn expect(fits: bool, place: impl FnOnce() -> String, problem: &str) -> Result<(), ProgramError> {
    if fits {
        Ok(())
    } else {
        Err(ProgramError {
            place: place(),
            problem: problem.into(),
        })
    }
}
