//! One cell on the CPU: its numbers, its tables, and what each stage does with them.

use pulp::Simd;

use super::Score;
use super::buffer::Buffer;
use super::dims::{Dims, Tensors};
use super::evaluate::Evaluator;
use super::fold::fold;
use super::learn::Learner;
use super::step::step;
use super::tables::{Folded, Tables};
use super::unfold::{Folds, Unfolder};
use crate::EngineError;
use crate::data::Pairs;
use crate::executor::{CellInput, EpochRow, ModelState};
use crate::program::{Stage, Table};
use crate::schedule::{Recipe, StepCoefficients};
use crate::shape::Shape;

pub(crate) struct Replica {
    shape: Shape,
    dims: Dims,
    pairs: Pairs,
    recipe: Recipe,
    /// steps taken
    epoch: u64,
    parameters: Buffer,
    first: Buffer,
    second: Buffer,
    gradient: Buffer,
    tables: Tables,
    folded: Folded,
    learner: Learner,
    unfolder: Unfolder,
    evaluator: Evaluator,
    train: Score,
    test: Score,
}

fn buffer(values: &[f32]) -> Buffer {
    let mut buffer = Buffer::zeros(values.len());
    buffer.copy_from_slice(values);
    buffer
}

impl Replica {
    /// # Errors
    /// When data or state do not fit the shape.
    pub(crate) fn new(shape: &Shape, cell: CellInput) -> Result<Replica, EngineError> {
        let CellInput {
            pairs,
            recipe,
            state,
        } = cell;
        let want = shape.parameters();
        for part in [
            &state.parameters,
            &state.first_moments,
            &state.second_moments,
        ] {
            if part.len() != want {
                let got = part.len();
                return Err(EngineError::Data(format!(
                    "a state of {got} numbers does not fit a model of {want}"
                )));
            }
        }
        if pairs.modulus() != shape.modulus {
            return Err(EngineError::Data(format!(
                "pairs modulo {} do not fit a model of modulus {}",
                pairs.modulus(),
                shape.modulus
            )));
        }
        let dims = Dims::new(shape);
        Ok(Replica {
            shape: *shape,
            dims,
            epoch: state.epoch,
            parameters: buffer(&state.parameters),
            first: buffer(&state.first_moments),
            second: buffer(&state.second_moments),
            gradient: Buffer::zeros(want),
            tables: Tables::new(&dims),
            folded: Folded::new(&dims),
            learner: Learner::new(&dims, pairs.train().len()),
            unfolder: Unfolder::new(&dims),
            evaluator: Evaluator::new(&dims, pairs.test().len()),
            train: Score::default(),
            test: Score::default(),
            pairs,
            recipe,
        })
    }

    /// Multiply-adds of one epoch.
    pub(crate) fn work(&self) -> usize {
        self.dims
            .work(self.pairs.train().len(), self.pairs.test().len())
    }

    /// The coefficients of the next `count` steps.
    pub(crate) fn coefficients(&self, count: u64) -> Vec<StepCoefficients> {
        self.recipe.coefficients(self.epoch..self.epoch + count)
    }

    /// Runs one stage; `c` are the coefficients of this epoch's step.
    pub(crate) fn run<S: Simd>(
        &mut self,
        simd: S,
        stage: Stage,
        c: StepCoefficients,
        grain: usize,
    ) {
        let Replica {
            dims,
            shape,
            tables,
            folded,
            pairs,
            ..
        } = self;
        let weights = Tensors::of(shape, &self.parameters);
        match stage {
            Stage::Fold => fold(simd, dims, &weights, tables, grain),
            Stage::Learn => {
                self.train = self.learner.learn(simd, dims, tables, pairs, folded, grain);
            }
            Stage::Unfold => {
                let mut gradient = Tensors::of_mut(shape, &mut self.gradient);
                let from = Folds {
                    dims,
                    w: &weights,
                    t: tables,
                    folded,
                };
                self.unfolder.unfold(simd, from, &mut gradient, grain);
            }
            Stage::Step => {
                let trained = ..shape.trained();
                let gradient = &self.gradient[trained];
                let numbers = [
                    &mut self.parameters[trained],
                    &mut self.first[trained],
                    &mut self.second[trained],
                ];
                step(simd, c, gradient, numbers, grain);
                self.epoch += 1;
            }
            Stage::Evaluate => {
                self.test = self
                    .evaluator
                    .evaluate(simd, dims, tables, pairs.test(), grain);
            }
        }
    }

    /// The metrics of the epoch just run.
    pub(crate) fn row(&self) -> EpochRow {
        let share = |score: &Score, n: usize| score.correct as f64 / n as f64;
        EpochRow {
            train_loss: self.train.loss,
            test_loss: self.test.loss,
            train_accuracy: share(&self.train, self.pairs.train().len()),
            test_accuracy: share(&self.test, self.pairs.test().len()),
        }
    }

    pub(crate) fn state(&self) -> ModelState {
        ModelState {
            epoch: self.epoch,
            parameters: self.parameters.to_vec(),
            first_moments: self.first.to_vec(),
            second_moments: self.second.to_vec(),
        }
    }

    /// A table without its padding.
    pub(crate) fn table(&self, table: Table) -> Vec<f32> {
        let Replica {
            tables: t,
            folded: g,
            dims,
            ..
        } = self;
        let (f, fp, p, cp) = (dims.f, dims.fp, dims.p, dims.cp);
        let trim = |data: &[f32], width: usize, keep: usize| {
            data.chunks_exact(width)
                .flat_map(|row| &row[..keep])
                .copied()
                .collect()
        };
        match table {
            Table::Parameters => self.parameters.to_vec(),
            Table::Gradients => self.gradient.to_vec(),
            Table::FirstMoments => self.first.to_vec(),
            Table::SecondMoments => self.second.to_vec(),
            Table::Scores => t.scores.to_vec(),
            Table::NeuronRows => trim(&t.neuron_rows, dims.fr, f),
            Table::LogitRows => trim(&t.logit_rows, dims.cr, p),
            Table::NeuronBase => trim(&t.neuron_base, fp, f),
            Table::LogitBase => trim(&t.logit_base, cp, p),
            Table::NeuronLogit => trim(&t.m, cp, p),
            Table::ScoreGradients => g.scores.to_vec(),
            Table::NeuronRowGradients => trim(&g.neuron_rows, fp, f),
            Table::LogitRowGradients => trim(&g.logit_rows, cp, p),
            Table::NeuronBaseGradient => trim(&g.neuron_base, fp, f),
            Table::LogitBaseGradient => trim(&g.logit_base, cp, p),
            Table::NeuronLogitGradient => trim(&g.m, cp, p),
        }
    }
}
