//! Sorts a program into operations on whole tables and operations that run tile by tile.
//!
//! Owns which operations of the recorded stages belong to a tile's pass, which sums over samples
//! the pass computes, and which matrices are packed before the pass. Knows nothing of numbers.

use std::collections::HashMap;

use grokrun_program::{Extent, Factors, Loss, Op, Part, Program, Stage, TableId, View, Write};

/// Why this executor cannot run a program.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the CPU executor cannot run operation {number} of the program: {problem}")]
pub(super) struct Unsupported {
    number: usize,
    problem: String,
}

/// A product of the rows of a tile with a matrix that all tiles share.
pub(super) struct Multiplied {
    /// `(samples, k)`
    pub(super) left: View,
    /// The index of the right operand in [`Plan::packed`].
    pub(super) right: usize,
}

/// One operation of a tile's pass.
pub(super) enum TileOp {
    /// `out ← Σ left · right` over the terms, row by row.
    Multiply {
        out: View,
        write: Write,
        terms: Vec<Multiplied>,
    },
    /// `sum += leftᵀ · right` over the samples of the tile, for [`Plan::sums`].
    Outer { sum: usize, left: View, right: View },
    /// `sum[row of r] += …` for the rows r of the tile; the operation is an [`Op::Sum`].
    Spread { sum: usize, op: Op },
    /// The losses, and their gradients if there is a view for them.
    Loss {
        logits: View,
        loss: Loss,
        gradient: Option<View>,
    },
    /// An operation row by row, into a table of the tile.
    Rows(Op),
}

/// A sum over samples: every chunk has its own sum, and the sums are added in the order of the
/// chunks.
pub(super) struct Reduction {
    /// The view that receives the total.
    pub(super) out: View,
    pub(super) write: Write,
    /// The number of rows and of columns of the output.
    pub(super) size: [usize; 2],
    /// The factor of the total.
    pub(super) scale: f32,
}

/// A computation that follows the tiles of the training samples.
pub(super) enum After {
    /// Adds up the total of one of [`Plan::sums`].
    Total(usize),
    /// Runs an operation on tables that do not depend on samples.
    Whole(Box<Op>),
}

/// A program, sorted.
pub(super) struct Plan {
    pub(super) shared: Vec<Op>,
    pub(super) train: Vec<TileOp>,
    pub(super) after: Vec<After>,
    pub(super) test: Vec<TileOp>,
    pub(super) update: Vec<Op>,
    pub(super) sums: Vec<Reduction>,
    /// Right operands that do not depend on samples, each with the factor that is multiplied into
    /// it.
    pub(super) packed: Vec<(View, f32)>,
}

impl Plan {
    pub(super) fn new(program: &Program) -> Result<Plan, Unsupported> {
        let mut sorter = Sorter {
            program,
            sums: Vec::new(),
            packed: Vec::new(),
            places: HashMap::new(),
            late: Vec::new(),
        };
        let shared = numbered(program, Stage::Shared)
            .map(|(number, op)| whole(number, op))
            .collect::<Result<_, _>>()?;
        let mut train = Vec::new();
        let mut after = Vec::new();
        for op in numbered(program, Stage::Forward(Part::Train)) {
            train.push(sorter.tile(op)?);
        }
        for (number, op) in numbered(program, Stage::Backward) {
            if of_samples(program, op) {
                let sums = sorter.sums.len();
                train.push(sorter.tile((number, op))?);
                after.extend((sums..sorter.sums.len()).map(After::Total));
            } else {
                after.push(After::Whole(Box::new(whole(number, op)?)));
            }
            sorter.late.extend(written(op).into_iter().filter(|id| {
                // A table of the tile is written before a later operation reads it.
                !program.table(*id).rows.is_sample()
            }));
        }
        let mut test = Vec::new();
        sorter.late.clear();
        for op in numbered(program, Stage::Forward(Part::Test)) {
            test.push(sorter.tile(op)?);
        }
        Ok(Plan {
            shared,
            train,
            after,
            test,
            update: program.stage(Stage::Update).to_vec(),
            sums: sorter.sums,
            packed: sorter.packed,
        })
    }
}

/// Returns the operations of a stage with their indices in the program.
fn numbered(program: &Program, stage: Stage) -> impl Iterator<Item = (usize, &Op)> {
    let found = program.stages.iter().find(|(name, _)| *name == stage);
    let range = found.map_or(0..0, |(_, range)| range.clone());
    range.clone().zip(&program.ops[range])
}

/// Returns an operation on tables without samples, if the operation can run while its outputs
/// cannot be read.
fn whole(number: usize, op: &Op) -> Result<Op, Unsupported> {
    let written = written(op);
    if op
        .operands()
        .iter()
        .any(|view| written.contains(&view.table))
    {
        Err(Unsupported {
            number,
            problem: READS_ITS_OUTPUT.to_owned(),
        })
    } else {
        Ok(op.clone())
    }
}

const READS_ITS_OUTPUT: &str = "it reads the table that it writes";

fn written(op: &Op) -> Vec<TableId> {
    match op {
        Op::Clear { table } => vec![*table],
        _ => op.writes().iter().map(|view| view.table).collect(),
    }
}

fn of_samples(program: &Program, op: &Op) -> bool {
    match op {
        Op::Clear { table } => program.table(*table).rows.is_sample(),
        _ => op.extent().is_some_and(Extent::is_sample),
    }
}

struct Sorter<'p> {
    program: &'p Program,
    sums: Vec<Reduction>,
    packed: Vec<(View, f32)>,
    places: HashMap<(View, u32), usize>,
    /// tables without samples that the backward stage has written
    late: Vec<TableId>,
}

impl Sorter<'_> {
    fn tile(&mut self, (number, op): (usize, &Op)) -> Result<TileOp, Unsupported> {
        let fail = |problem: &str| Unsupported {
            number,
            problem: problem.to_owned(),
        };
        let operands = op.operands();
        if operands.iter().any(|view| self.late.contains(&view.table)) {
            return Err(fail(
                "it works on samples and reads what the backward stage has summed over them",
            ));
        }
        let written = written(op);
        if operands.iter().any(|view| written.contains(&view.table)) {
            return Err(fail(READS_ITS_OUTPUT));
        }
        match op {
            Op::Product {
                out,
                write,
                scale,
                terms,
            } => {
                if out.height().is_sample() {
                    self.multiply(*out, *write, *scale as f32, terms)
                        .ok_or_else(|| {
                            fail("a product over samples whose right operand depends on samples")
                        })
                } else {
                    self.outer(*out, *write, *scale as f32, terms)
                        .ok_or_else(|| fail("a sum of products over samples of another form"))
                }
            }
            Op::Sum { out, write, .. } => {
                if out.height().is_sample() || out.transposed {
                    return Err(fail("a sum over samples that has a row for each sample"));
                }
                let sum = self.reduction(*out, *write, 1.0);
                Ok(TileOp::Spread {
                    sum,
                    op: op.clone(),
                })
            }
            Op::Loss {
                logits,
                loss,
                gradient,
                ..
            } => Ok(TileOp::Loss {
                logits: *logits,
                loss: *loss,
                gradient: *gradient,
            }),
            Op::Filter { .. } | Op::Update { .. } | Op::Project { .. } => {
                Err(fail("it moves parameters before the update stage"))
            }
            _ if operands.iter().any(|view| view.transposed) => {
                Err(fail("it reads a transposed view row by row"))
            }
            _ => Ok(TileOp::Rows(op.clone())),
        }
    }

    fn multiply(
        &mut self,
        out: View,
        write: Write,
        scale: f32,
        terms: &[Factors],
    ) -> Option<TileOp> {
        let plain = |view: &View| view.height().is_sample() && !view.transposed;
        let fits = plain(&out)
            && terms
                .iter()
                .all(|term| plain(&term.left) && !samples(&term.right));
        let terms = terms.iter().map(|term| Multiplied {
            left: term.left,
            right: self.pack(term.right, scale),
        });
        let terms = terms.collect();
        fits.then_some(TileOp::Multiply { out, write, terms })
    }

    fn outer(&mut self, out: View, write: Write, scale: f32, terms: &[Factors]) -> Option<TileOp> {
        let [term] = terms else { return None };
        let (left, right) = (term.left.t(), term.right);
        let fits = !out.transposed
            && [left, right]
                .iter()
                .all(|view| view.height().is_sample() && !view.transposed);
        let sum = self.reduction(out, write, scale);
        fits.then_some(TileOp::Outer { sum, left, right })
    }

    fn pack(&mut self, right: View, scale: f32) -> usize {
        let packed = &mut self.packed;
        *self
            .places
            .entry((right, scale.to_bits()))
            .or_insert_with(|| {
                packed.push((right, scale));
                packed.len() - 1
            })
    }

    fn reduction(&mut self, out: View, write: Write, scale: f32) -> usize {
        let size = [out.height(), out.width()].map(|extent| match extent {
            Extent::Once(rows) => rows,
            // A sum over samples has no row for each sample; `tile` checks that.
            Extent::Token(_) | Extent::Sample(_) => self.program.tokens,
        });
        self.sums.push(Reduction {
            out,
            write,
            size,
            scale,
        });
        self.sums.len() - 1
    }
}

fn samples(view: &View) -> bool {
    view.height().is_sample() || view.width().is_sample()
}
