//! Trains one cell on the CPU: holds its numbers and its tables, and runs the stages on them.

use std::sync::{Arc, Mutex, RwLock};

use grokrun_executor::{
    CellInput, EngineError, EpochRow, Evaluation, Pairs, Recipe, Shape, Stage, StepCoefficients,
    Table, moments,
};
use pulp::Simd;

use super::buffer::Buffer;
use super::dims::{Dims, Tensors};
use super::evaluate::Evaluator;
use super::fold::fold;
use super::learn::Learner;
use super::overlap::Overlap;
use super::sharing::Sharing;
use super::step::step;
use super::tables::{TableGradients, Tables};
use super::unfold::{UnfoldInput, Unfolder};
use super::workspace::{Threads, Workspaces};
use super::{Score, guarded};
use grokrun_program::ModelState;

pub(crate) struct Replica {
    given: Given,
    /// read by training and testing, and written by the fold between them
    tables: RwLock<Tables>,
    trainer: Trainer,
    tester: Mutex<Tester>,
}

/// The data that training and testing read and that no epoch changes.
struct Given {
    shape: Shape,
    dims: Dims,
    pairs: Pairs,
    workspaces: Arc<Workspaces>,
}

struct Trainer {
    recipe: Recipe,
    /// number of steps taken
    epoch: u64,
    parameters: Buffer,
    first: Buffer,
    second: Buffer,
    gradient: Buffer,
    gradients: TableGradients,
    learner: Learner,
    unfolder: Unfolder,
    score: Score,
}

/// The scores of an epoch.
#[derive(Clone, Copy)]
struct Scores {
    train: Score,
    /// none where the test pairs were not evaluated
    test: Option<Score>,
}

struct Tester {
    evaluator: Evaluator,
    score: Score,
}

fn buffer(values: &[f32]) -> Buffer {
    let mut buffer = Buffer::zeros(values.len());
    buffer.copy_from_slice(values);
    buffer
}

impl Replica {
    /// Loads a cell. `workspaces` holds one workspace for each thread of the pool that trains the
    /// cell.
    ///
    /// # Errors
    /// When the data or the state do not fit the shape.
    pub(crate) fn new(
        shape: &Shape,
        cell: CellInput,
        workspaces: Arc<Workspaces>,
    ) -> Result<Replica, EngineError> {
        let CellInput {
            pairs,
            recipe,
            state,
        } = cell;
        let want = shape.parameters();
        let [first, second] = moments(&state)?;
        for part in [&state.parameters, first, second] {
            if part.len() != want {
                let got = part.len();
                return Err(EngineError::Data(format!(
                    "the state has {got} numbers; expected {want}, as many as the model"
                )));
            }
        }
        if pairs.modulus() != shape.modulus {
            return Err(EngineError::Data(format!(
                "the pairs have the modulus {}; expected {}, the modulus of the model",
                pairs.modulus(),
                shape.modulus
            )));
        }
        let dims = Dims::new(shape);
        Ok(Replica {
            trainer: Trainer {
                recipe,
                epoch: state.step,
                parameters: buffer(&state.parameters),
                first: buffer(first),
                second: buffer(second),
                gradient: Buffer::zeros(want),
                gradients: TableGradients::new(&dims),
                learner: Learner::new(&dims, pairs.train().len()),
                unfolder: Unfolder::new(&dims),
                score: Score::default(),
            },
            tester: Mutex::new(Tester {
                evaluator: Evaluator::new(pairs.test().len()),
                score: Score::default(),
            }),
            tables: RwLock::new(Tables::new(&dims)),
            given: Given {
                shape: *shape,
                dims,
                workspaces,
                pairs,
            },
        })
    }

    /// Runs one stage; the step is the next epoch's.
    pub(crate) fn run<S: Simd>(&mut self, simd: S, stage: Stage, share: Sharing) {
        let Replica {
            given,
            tables,
            trainer,
            tester,
        } = self;
        let tables = guarded(tables.get_mut());
        match stage {
            Stage::Fold => trainer.fold(simd, given, tables, share),
            Stage::Learn => trainer.learn(simd, given, tables, share),
            Stage::Unfold => trainer.unfold(simd, given, tables, share),
            Stage::Step => {
                for c in trainer.coefficients(1) {
                    trainer.step(simd, given, c, share);
                }
            }
            Stage::Evaluate => guarded(tester.get_mut()).evaluate(simd, given, tables, share),
        }
    }

    /// Runs `count` epochs of the folded program: its stages in the order of
    /// [`Program::folded`](grokrun_executor::Program::folded), except that the last stage overlaps
    /// with the next epoch.
    ///
    /// The test pairs of one epoch are evaluated while the next epoch trains, which reads the same
    /// tables: after the learn stage, one thread unfolds and steps and another one evaluates.
    pub(crate) fn epochs<S: Simd>(
        &mut self,
        simd: S,
        count: u64,
        evaluation: Evaluation,
        share: Sharing,
    ) -> Vec<EpochRow> {
        let Replica {
            given,
            tables,
            trainer,
            tester,
        } = self;
        let (given, tables, tester) = (&*given, &*tables, &*tester);
        let coefficients = trainer.coefficients(count);
        let mut scores: Vec<Scores> = Vec::with_capacity(coefficients.len());
        let overlap = Overlap::default();
        let test = || {
            let known = guarded(tables.read());
            guarded(tester.lock()).evaluate(simd, given, &known, share);
        };
        let is_due = |scores: &[Scores]| match scores.len().checked_sub(1) {
            Some(last) => evaluation.is_due(last as u64),
            None => false,
        };
        let offer = |scores: &[Scores]| {
            if is_due(scores) {
                overlap.offer();
            }
        };
        let settle = |scores: &mut [Scores]| {
            if is_due(scores)
                && let Some(last) = scores.last_mut()
            {
                overlap.settle(test);
                last.test = Some(guarded(tester.lock()).score);
            }
        };
        let train = || {
            for c in coefficients {
                let known = guarded(tables.read());
                trainer.learn(simd, given, &known, share);
                offer(&scores);
                trainer.unfold(simd, given, &known, share);
                trainer.step(simd, given, c, share);
                drop(known);
                settle(&mut scores);
                scores.push(Scores {
                    train: trainer.score,
                    test: None,
                });
                let mut next = guarded(tables.write());
                trainer.fold(simd, given, &mut next, share);
            }
            offer(&scores);
            settle(&mut scores);
        };
        match share {
            Sharing::Nothing => train(),
            Sharing::Pairs | Sharing::Everything => overlap.run(train, test),
        }
        scores.into_iter().map(|each| self.row(each)).collect()
    }

    /// Returns the metrics of an epoch from the scores of the train and test pairs.
    fn row(&self, Scores { train, test }: Scores) -> EpochRow {
        let share = |score: Score, n: usize| score.correct as f64 / n as f64;
        let pairs = &self.given.pairs;
        let row = EpochRow {
            train_loss: train.loss,
            test_loss: test.unwrap_or_default().loss,
            train_accuracy: share(train, pairs.train().len()),
            test_accuracy: share(test.unwrap_or_default(), pairs.test().len()),
        };
        match test {
            Some(_) => row,
            None => row.untested(),
        }
    }

    pub(crate) fn state(&self) -> ModelState {
        let trainer = &self.trainer;
        ModelState {
            step: trainer.epoch,
            parameters: trainer.parameters.to_vec(),
            slots: vec![trainer.first.to_vec(), trainer.second.to_vec()],
        }
    }

    /// Returns a table without its padding.
    pub(crate) fn table(&self, table: Table) -> Vec<f32> {
        let dims = &self.given.dims;
        let (t, trainer) = (guarded(self.tables.read()), &self.trainer);
        let g = &trainer.gradients;
        let (f, fp, p, cp) = (dims.f, dims.fp, dims.p, dims.cp);
        let trim = |data: &[f32], width: usize, keep: usize| {
            data.chunks_exact(width)
                .flat_map(|row| &row[..keep])
                .copied()
                .collect()
        };
        match table {
            Table::Parameters => trainer.parameters.to_vec(),
            Table::Gradients => trainer.gradient.to_vec(),
            Table::FirstMoments => trainer.first.to_vec(),
            Table::SecondMoments => trainer.second.to_vec(),
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

impl Trainer {
    /// Returns the coefficients of the next `count` steps.
    fn coefficients(&self, count: u64) -> Vec<StepCoefficients> {
        self.recipe.coefficients(self.epoch..self.epoch + count)
    }

    fn fold<S: Simd>(&self, simd: S, given: &Given, tables: &mut Tables, share: Sharing) {
        let weights = Tensors::of(&given.shape, &self.parameters);
        fold(simd, &given.dims, &weights, tables, share.table_grain());
    }

    fn learn<S: Simd>(&mut self, simd: S, given: &Given, tables: &Tables, share: Sharing) {
        let Given {
            dims,
            pairs,
            workspaces,
            ..
        } = given;
        let threads = Threads {
            workspaces: workspaces.as_ref(),
            share,
        };
        self.score = self
            .learner
            .learn(simd, dims, tables, pairs, &mut self.gradients, threads);
    }

    fn unfold<S: Simd>(&mut self, simd: S, given: &Given, tables: &Tables, share: Sharing) {
        let Given { shape, dims, .. } = given;
        let from = UnfoldInput {
            dims,
            w: &Tensors::of(shape, &self.parameters),
            t: tables,
            gradients: &self.gradients,
        };
        let mut gradient = Tensors::of_mut(shape, &mut self.gradient);
        self.unfolder
            .unfold(simd, from, &mut gradient, share.table_grain());
    }

    fn step<S: Simd>(&mut self, simd: S, given: &Given, c: StepCoefficients, share: Sharing) {
        let trained = ..given.shape.trained();
        let gradient = &self.gradient[trained];
        let numbers = [
            &mut self.parameters[trained],
            &mut self.first[trained],
            &mut self.second[trained],
        ];
        step(simd, c, gradient, numbers, share.table_grain());
        self.epoch += 1;
    }
}

impl Tester {
    fn evaluate<S: Simd>(&mut self, simd: S, given: &Given, tables: &Tables, share: Sharing) {
        let samples = given.pairs.test();
        let threads = Threads {
            workspaces: given.workspaces.as_ref(),
            share,
        };
        self.score = self
            .evaluator
            .evaluate(simd, &given.dims, tables, samples, threads);
    }
}
