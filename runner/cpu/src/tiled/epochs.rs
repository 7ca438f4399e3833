//! Trains cells by their programs, epoch by epoch, as the session drives any executor.
//!
//! Owns what an epoch is: one step on all training samples or one on each minibatch, then an
//! evaluation. Knows nothing of how a step is computed.

use std::time::Instant;

use grokrun_executor::{EngineError, EpochRow, Evaluation, Executor, RecordedCell};
use grokrun_program::{Batches, Data, ModelState};

use super::{PartScore, TiledExecutor};

/// The score of samples that are not evaluated.
const NO_SCORE: PartScore = PartScore {
    loss: f64::NAN,
    accuracy: f64::NAN,
};

/// Trains programs on the processor's cores.
pub struct ProgramExecutor {
    steps: TiledExecutor,
    /// the training samples of each cell that has minibatches, and the order of its minibatches
    batches: Vec<Option<(Data, Batches)>>,
    /// the number of steps of an epoch
    count: usize,
    seconds_per_epoch: Option<f64>,
}

impl ProgramExecutor {
    /// Loads the cells. `threads` is as for [`TiledExecutor::new`].
    ///
    /// # Errors
    /// When this executor cannot run a program, and when cells have different numbers of steps in
    /// an epoch.
    pub fn new(
        cells: Vec<RecordedCell>,
        threads: Option<usize>,
    ) -> Result<ProgramExecutor, EngineError> {
        let steps = |cell: &RecordedCell| cell.batches.as_ref().map_or(1, Batches::steps);
        let count = cells.first().map_or(1, steps);
        if cells.iter().any(|cell| steps(cell) != count) {
            let problem = "cells with different numbers of minibatches cannot train together";
            return Err(EngineError::Data(problem.to_owned()));
        }
        let mut batches = Vec::with_capacity(cells.len());
        let mut programs = Vec::with_capacity(cells.len());
        for RecordedCell { cell, batches: own } in cells {
            batches.push(own.map(|own| (cell.train.clone(), own)));
            programs.push(cell);
        }
        Ok(ProgramExecutor {
            steps: TiledExecutor::new(programs, threads)?,
            batches,
            count,
            seconds_per_epoch: None,
        })
    }

    /// Takes the steps of an epoch. Returns each cell's score of its training samples; the score of
    /// each sample is from before the step that trains on it.
    fn train(&mut self) -> Result<Vec<PartScore>, EngineError> {
        if self.batches.iter().all(Option::is_none) {
            return Ok(self.steps.train());
        }
        let orders: Vec<Option<Vec<Vec<u32>>>> = self
            .batches
            .iter_mut()
            .map(|own| own.as_mut().map(|(_, batches)| batches.epoch()))
            .collect();
        let mut totals = vec![PartScore::default(); self.batches.len()];
        for step in 0..self.count {
            let mut shares = vec![1.0; self.batches.len()];
            for (cell, (own, order)) in self.batches.iter().zip(&orders).enumerate() {
                if let (Some((all, _)), Some(order)) = (own, order) {
                    let batch = all.pick(&order[step]);
                    shares[cell] = batch.len() as f64 / all.len() as f64;
                    self.steps.set_train(cell, batch)?;
                }
            }
            for ((total, score), share) in totals.iter_mut().zip(self.steps.train()).zip(shares) {
                total.loss += share * score.loss;
                total.accuracy += share * score.accuracy;
            }
        }
        Ok(totals)
    }
}

impl Executor for ProgramExecutor {
    fn run_evaluating(
        &mut self,
        epochs: u64,
        evaluation: Evaluation,
    ) -> Result<Vec<Vec<EpochRow>>, EngineError> {
        let started = Instant::now();
        let mut rows = Vec::with_capacity(epochs as usize);
        for epoch in 0..epochs {
            let train = self.train()?;
            let test = if evaluation.is_due(epoch) {
                self.steps.evaluate()
            } else {
                vec![NO_SCORE; train.len()]
            };
            let both = train.into_iter().zip(test);
            rows.push(
                both.map(|(train, test)| EpochRow {
                    train_loss: train.loss,
                    test_loss: test.loss,
                    train_accuracy: train.accuracy,
                    test_accuracy: test.accuracy,
                })
                .collect(),
            );
        }
        if epochs > 0 {
            self.seconds_per_epoch = Some(started.elapsed().as_secs_f64() / epochs as f64);
        }
        Ok(rows)
    }

    fn state(&mut self, replica: usize) -> Result<ModelState, EngineError> {
        Ok(self.steps.state(replica))
    }

    fn epochs_per_call(&self) -> u64 {
        crate::epochs_in_a_call(self.seconds_per_epoch)
    }

    fn device(&self) -> String {
        self.steps.device()
    }
}
