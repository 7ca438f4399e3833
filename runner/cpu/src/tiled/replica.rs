//! Trains one cell: holds its tables and samples, and takes its steps.
//!
//! Owns the order of the stages of a step, and how a part's samples are divided into chunks. Knows
//! nothing of other cells.

use std::ops::Range;
use std::sync::Arc;

use grokrun_executor::EngineError;
use grokrun_program::{Data, ModelState, Part, Program, Stage, TableId};
use pulp::Simd;
use rayon::prelude::*;

use super::pass::{self, Shared, Sums};
use super::plan::{After, Plan, TileOp};
use super::whole::Whole;
use super::workspace::{Layout, Workspaces};
use super::{PartScore, ProgramCell, update};
use crate::buffer::Buffer;
use crate::parallel::Bodies as _;
use crate::product::Right;
use crate::{CHUNKS, Score};

pub(super) struct Replica {
    program: Program,
    plan: Plan,
    layout: Layout,
    whole: Vec<Buffer>,
    right_operands: Vec<Right>,
    train: Data,
    test: Data,
    /// the sums of each chunk of the training samples
    sums: Vec<Sums>,
    step: u64,
    /// whether the shared stage has run with the present parameters
    current: bool,
    spaces: Option<Arc<Workspaces>>,
    /// the losses of the test samples when they were last asked for
    losses: Vec<f64>,
}

impl Replica {
    pub(super) fn new(cell: ProgramCell) -> Result<Replica, EngineError> {
        let ProgramCell {
            program,
            train,
            test,
            state,
        } = cell;
        let refuse = |problem: String| EngineError::Data(problem);
        program.check().map_err(|e| refuse(e.to_string()))?;
        let plan = Plan::new(&program).map_err(|e| refuse(e.to_string()))?;
        for (part, data) in [("train", &train), ("test", &test)] {
            if data.is_empty() {
                return Err(refuse(format!(
                    "the {part} part is empty; expected at least one sample"
                )));
            }
        }
        let layout = Layout::new(&program, &plan);
        let whole = program.tables.iter().enumerate().map(|(place, table)| {
            let entries = if table.rows.is_sample() {
                0
            } else {
                program.entries(TableId(place))
            };
            Buffer::zeros(entries)
        });
        let mut replica = Replica {
            whole: whole.collect(),
            right_operands: vec![Right::default(); plan.packed.len()],
            sums: Vec::new(),
            step: 0,
            current: false,
            spaces: None,
            losses: Vec::new(),
            program,
            plan,
            layout,
            train,
            test,
        };
        replica.set_train_sums();
        replica.load(&state)?;
        Ok(replica)
    }

    pub(super) fn layout(&self) -> &Layout {
        &self.layout
    }

    pub(super) fn share(&mut self, spaces: Arc<Workspaces>) {
        self.spaces = Some(spaces);
    }

    /// Replaces the training samples by a minibatch.
    pub(super) fn set_train(&mut self, train: Data) -> Result<(), EngineError> {
        if train.is_empty() {
            return Err(EngineError::Data(
                "the train part is empty; expected at least one sample".to_owned(),
            ));
        }
        self.train = train;
        self.set_train_sums();
        Ok(())
    }

    fn set_train_sums(&mut self) {
        let sums = |_| -> Sums {
            let all = self.plan.sums.iter();
            all.map(|sum| Buffer::zeros(sum.size[0] * sum.size[1]))
                .collect()
        };
        let count = chunks(self.train.len(), self.layout.tile).count();
        if self.sums.len() != count {
            self.sums = (0..count).map(sums).collect();
        }
    }

    /// Replaces the parameters; slots and steps stay.
    pub(super) fn set_parameters(&mut self, parameters: &[f32]) -> Result<(), EngineError> {
        let expected = self.program.parameters.count();
        if parameters.len() != expected {
            return Err(EngineError::Data(format!(
                "the list of parameters has {} numbers; expected {expected}",
                parameters.len()
            )));
        }
        for (place, range) in self.program.parameters.ranges().enumerate() {
            self.whole[place].copy_from_slice(&parameters[range]);
        }
        self.current = false;
        Ok(())
    }

    /// Returns the gradient that was computed last, in the order of the parameters; zeros where a
    /// parameter is not trained.
    pub(super) fn gradient(&self) -> Vec<f32> {
        let mut all = vec![0.0; self.program.parameters.count()];
        for (place, range) in self.program.parameters.ranges().enumerate() {
            if let Some(table) = self.program.gradient(TableId(place)) {
                all[range].copy_from_slice(&self.whole[table.0]);
            }
        }
        all
    }

    fn load(&mut self, state: &ModelState) -> Result<(), EngineError> {
        let parameters: Vec<TableId> = (0..self.program.parameters.len()).map(TableId).collect();
        let mut all = vec![("the list of parameters".to_owned(), parameters)];
        for slot in &self.program.slots {
            all.push((slot.name.clone(), slot.tables.clone()));
        }
        let given = std::iter::once(&state.parameters).chain(&state.slots);
        if state.slots.len() + 1 != all.len() {
            return Err(EngineError::Data(format!(
                "the state has {} slots; expected {}",
                state.slots.len(),
                all.len() - 1
            )));
        }
        for ((name, tables), values) in all.into_iter().zip(given) {
            let expected: usize = tables.iter().map(|id| self.whole[id.0].len()).sum();
            if values.len() != expected {
                return Err(EngineError::Data(format!(
                    "{name} has {} numbers; expected {expected}",
                    values.len()
                )));
            }
            let mut rest = &values[..];
            for id in tables {
                let (own, after) = rest.split_at(self.whole[id.0].len());
                self.whole[id.0].copy_from_slice(own);
                rest = after;
            }
        }
        self.step = state.step;
        self.current = false;
        Ok(())
    }

    pub(super) fn state(&self) -> ModelState {
        let flat = |tables: &[TableId]| -> Vec<f32> {
            let all = tables.iter().flat_map(|id| self.whole[id.0].iter());
            all.copied().collect()
        };
        let parameters: Vec<TableId> = (0..self.program.parameters.len()).map(TableId).collect();
        ModelState {
            step: self.step,
            parameters: flat(&parameters),
            slots: self.program.slots.iter().map(|s| flat(&s.tables)).collect(),
        }
    }

    /// Returns the entries of a table that does not depend on samples; an empty vector for other
    /// tables.
    pub(super) fn table(&self, id: TableId) -> Vec<f32> {
        self.whole.get(id.0).map_or(Vec::new(), |t| t.to_vec())
    }

    fn refresh<S: Simd>(&mut self, simd: S) {
        if self.current {
            return;
        }
        let mut whole = Whole {
            tables: &mut self.whole,
            strides: &self.layout.strides,
            tokens: self.program.tokens,
        };
        for op in &self.plan.shared {
            whole.run(simd, op);
        }
        for ((view, scale), right) in self.plan.packed.iter().zip(&mut self.right_operands) {
            whole.pack(simd, view, *scale, right);
        }
        self.current = true;
    }

    /// Computes the gradients of the training samples; returns the score of the samples.
    pub(super) fn gradients<S: Simd>(&mut self, simd: S) -> PartScore {
        self.refresh(simd);
        let score = self.pass(simd, Part::Train, None);
        let mut whole = Whole {
            tables: &mut self.whole,
            strides: &self.layout.strides,
            tokens: self.program.tokens,
        };
        for after in &self.plan.after {
            match after {
                After::Total(sum) => whole.total(*sum, &self.plan.sums[*sum], &self.sums),
                After::Whole(op) => whole.run(simd, op),
            }
        }
        score
    }

    /// Takes one step on the training samples; returns their score before the step.
    pub(super) fn train<S: Simd>(&mut self, simd: S) -> PartScore {
        let score = self.gradients(simd);
        for op in &self.plan.update {
            update::run(simd, op, self.step, &mut self.whole);
        }
        self.step += 1;
        self.current = false;
        score
    }

    /// Returns the score of the test samples.
    pub(super) fn evaluate<S: Simd>(&mut self, simd: S) -> PartScore {
        self.refresh(simd);
        self.pass(simd, Part::Test, None)
    }

    /// Returns the score of the test samples, and keeps the loss of each.
    pub(super) fn evaluate_each<S: Simd>(&mut self, simd: S) -> PartScore {
        self.refresh(simd);
        let mut losses = std::mem::take(&mut self.losses);
        losses.resize(self.test.len(), 0.0);
        let score = self.pass(simd, Part::Test, Some(&mut losses));
        self.losses = losses;
        score
    }

    /// Returns the losses that [`Replica::evaluate_each`] has kept.
    pub(super) fn losses(&self) -> &[f64] {
        &self.losses
    }

    /// Runs the samples of a part; `losses` receives the loss of each test sample.
    fn pass<S: Simd>(&mut self, simd: S, part: Part, losses: Option<&mut [f64]>) -> PartScore {
        let (ops, data): (&[TileOp], &Data) = match part {
            Part::Train => (&self.plan.train, &self.train),
            Part::Test => (&self.plan.test, &self.test),
        };
        let shared = Shared {
            ops,
            part,
            data,
            whole: &self.whole,
            right_operands: &self.right_operands,
            reductions: &self.plan.sums,
            layout: &self.layout,
        };
        let Some(spaces) = &self.spaces else {
            return PartScore::default();
        };
        let n = data.len();
        let run = |range: Range<usize>, sums: &mut Sums, losses: Option<&mut [f64]>| {
            let space = &mut *spaces.mine();
            vectorized!(simd, pass::chunk(simd, shared, range, sums, losses, space))
        };
        let ranges: Vec<Range<usize>> = chunks(n, self.layout.tile).collect();
        let scores: Vec<Score> = match part {
            Part::Train => ranges
                .into_par_iter()
                .zip(&mut self.sums)
                .with_max_len(1)
                .results(&|(range, sums)| run(range, sums, None)),
            Part::Test => {
                let mut parts: Vec<Option<&mut [f64]>> = match losses {
                    Some(all) => {
                        let len = ranges.first().map_or(1, ExactSizeIterator::len);
                        all.chunks_mut(len).map(Some).collect()
                    }
                    None => ranges.iter().map(|_| None).collect(),
                };
                ranges
                    .into_par_iter()
                    .zip(&mut parts)
                    .with_max_len(1)
                    .results(&|(range, losses)| run(range, &mut Vec::new(), losses.take()))
            }
        };
        let total = Score::mean(scores.into_iter(), n);
        PartScore {
            loss: total.loss,
            accuracy: total.correct as f64 / n as f64,
        }
    }
}

/// Returns the chunks of n samples: whole tiles, and the same on every machine.
fn chunks(n: usize, tile: usize) -> impl Iterator<Item = Range<usize>> {
    let len = n.div_ceil(tile).div_ceil(CHUNKS).max(1) * tile;
    (0..n)
        .step_by(len)
        .map(move |first| first..(first + len).min(n))
}

/// Tells whether a program can be trained, that is, has gradients and an update.
pub(super) fn trains(program: &Program) -> bool {
    [Stage::Backward, Stage::Update]
        .iter()
        .all(|stage| !program.stage(*stage).is_empty())
}
