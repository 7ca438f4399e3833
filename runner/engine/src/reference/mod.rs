//! The oracle: the model as it is written down (doc/model.md#the-published-model), unfolded, in
//! plain loops, in f32 or f64. Slow, short, and meant to be read beside the formulas; the other
//! executors are tested against it.

mod model;
mod real;
#[cfg(test)]
mod tests;

pub use model::{Gradients, Reference};
pub use real::Real;

use crate::EngineError;
use grokrun_program::ModelState;

use crate::executor::{CellInput, EpochRow, Executor, Staged, moments};
use crate::program::{Program, Stage, Table};
use crate::schedule::Recipe;
use model::Scores;

/// Trains one cell with the unfolded program, all of it in `T`.
pub struct ReferenceExecutor<T> {
    model: Reference<T>,
    cell: CellInput,
    recipe: Recipe,
    epoch: u64,
    first: Vec<T>,
    second: Vec<T>,
    gradient: Vec<T>,
    train: Scores,
    test: Scores,
}

impl<T: Real> ReferenceExecutor<T> {
    /// Loads a cell.
    ///
    /// # Errors
    /// When the program is not the unfolded one, or the cell does not fit its shape.
    pub fn new(program: Program, cell: CellInput) -> Result<ReferenceExecutor<T>, EngineError> {
        if program != Program::unfolded(program.shape) {
            let what = "the reference runs the unfolded program only";
            return Err(EngineError::Data(what.to_owned()));
        }
        let (want, state) = (program.shape.parameters(), &cell.state);
        let [first, second] = moments(state)?;
        let parts = [&state.parameters, first, second];
        if parts.iter().any(|part| part.len() != want)
            || cell.pairs.modulus() != program.shape.modulus
        {
            let what = "the cell does not fit the program's shape";
            return Err(EngineError::Data(what.to_owned()));
        }
        let wide = |part: &[f32]| part.iter().map(|x| T::from_f32(*x)).collect::<Vec<T>>();
        Ok(ReferenceExecutor {
            model: Reference::new(program.shape, wide(&state.parameters)),
            first: wide(first),
            second: wide(second),
            gradient: vec![T::ZERO; want],
            recipe: cell.recipe,
            epoch: state.step,
            train: Scores::default(),
            test: Scores::default(),
            cell,
        })
    }

    /// AdamW as torch writes it, in `T`, from the recipe itself rather than from rounded
    /// coefficients.
    fn step(&mut self) {
        let Recipe {
            learning_rate,
            weight_decay,
            betas: [b1, b2],
            epsilon,
            warmup,
        } = self.recipe;
        let t = self.epoch;
        let warm = if t < warmup {
            t as f64 / warmup as f64
        } else {
            1.0
        };
        let rate = learning_rate * warm;
        let corrected = |beta: f64| 1.0 - beta.powf((t + 1) as f64);
        let of = T::from_f64;
        let (decay, size) = (of(1.0 - rate * weight_decay), of(rate / corrected(b1)));
        let (root, epsilon) = (of(corrected(b2).sqrt()), of(epsilon));
        for i in 0..self.model.shape().trained() {
            let g = self.gradient[i];
            let w = &mut self.model.parameters_mut()[i];
            let (m, v) = (&mut self.first[i], &mut self.second[i]);
            *w = *w * decay;
            *m = *m + (g - *m) * of(1.0 - b1);
            *v = *v * of(b2) + g * g * of(1.0 - b2);
            *w = *w - size * *m / (v.sqrt() / root + epsilon);
        }
        self.epoch += 1;
    }
}

impl<T: Real> Executor for ReferenceExecutor<T> {
    fn run(&mut self, epochs: u64) -> Result<Vec<Vec<EpochRow>>, EngineError> {
        let mut rows = Vec::new();
        for _ in 0..epochs {
            for stage in Program::unfolded(*self.model.shape()).epoch {
                self.run_stage(stage)?;
            }
            rows.push(vec![EpochRow {
                train_loss: self.train.loss,
                test_loss: self.test.loss,
                train_accuracy: self.train.accuracy,
                test_accuracy: self.test.accuracy,
            }]);
        }
        Ok(rows)
    }

    fn state(&mut self, replica: usize) -> Result<ModelState, EngineError> {
        Ok(ModelState {
            step: self.epoch,
            parameters: self.table(replica, Table::Parameters)?,
            slots: vec![
                self.table(replica, Table::FirstMoments)?,
                self.table(replica, Table::SecondMoments)?,
            ],
        })
    }

    fn epochs_per_call(&self) -> u64 {
        1
    }

    fn device(&self) -> String {
        format!("reference, {}", T::NAME)
    }
}

impl<T: Real> Staged for ReferenceExecutor<T> {
    fn run_stage(&mut self, stage: Stage) -> Result<(), EngineError> {
        match stage {
            Stage::Learn => {
                let Gradients { gradient, scores } = self.model.gradients(self.cell.pairs.train());
                (self.gradient, self.train) = (gradient, scores);
            }
            Stage::Step => self.step(),
            Stage::Evaluate => self.test = self.model.evaluate(self.cell.pairs.test()),
            Stage::Fold | Stage::Unfold => {
                return Err(EngineError::Data(format!(
                    "the unfolded program has no stage {stage:?}"
                )));
            }
        }
        Ok(())
    }

    fn table(&mut self, _replica: usize, table: Table) -> Result<Vec<f32>, EngineError> {
        let numbers = match table {
            Table::Parameters => self.model.parameters(),
            Table::Gradients => &self.gradient,
            Table::FirstMoments => &self.first,
            Table::SecondMoments => &self.second,
            _ => {
                return Err(EngineError::Data(format!(
                    "the unfolded program has no table {table:?}"
                )));
            }
        };
        Ok(numbers.iter().map(|x| x.to_f64() as f32).collect())
    }
}
