//! Runs any recorded program on the processor's cores. Operations on samples, forward and adjoint,
//! run tile by tile in the cache; the others run on whole tables, by rows over threads.
//!
//! Gradients are summed by chunks whose borders depend on the program and the number of samples
//! alone, and added in the order of the chunks: results are the same for any number of threads.
//! Owns no schedule: the caller decides on every step. A program that cannot be run is refused, and
//! the error names the operation.

mod epochs;
mod lookup;
mod matrices;
mod pass;
mod plan;
mod replica;
mod rows;
mod update;
mod whole;
mod workspace;

use std::sync::Arc;

use grokrun_executor::{EngineError, ProgramCell};
use grokrun_program::{Data, ModelState, TableId};
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::parallel::Bodies as _;
use crate::{default_threads, device};
use replica::Replica;
use workspace::Workspaces;

pub use epochs::ProgramExecutor;

/// The loss and the accuracy of a part when its samples were last run.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PartScore {
    /// The mean loss.
    pub loss: f64,
    /// The share of samples whose largest logit is the label's; of equal logits the first counts.
    pub accuracy: f64,
}

/// Trains cells of one architecture side by side.
pub struct TiledExecutor {
    replicas: Vec<Replica>,
    pool: ThreadPool,
    arch: Arch,
}

impl TiledExecutor {
    /// Checks the programs and loads the states. `threads` is the number of threads; `None` stands
    /// for `RAYON_NUM_THREADS` or one for each core.
    ///
    /// # Errors
    /// When a program is not well formed or cannot be run by this executor, when a state does not
    /// fit its program, when cells have different architectures, and when the threads cannot be
    /// started.
    pub fn new(
        cells: Vec<ProgramCell>,
        threads: Option<usize>,
    ) -> Result<TiledExecutor, EngineError> {
        let threads = threads.unwrap_or_else(default_threads).max(1);
        let mut replicas = Vec::new();
        for cell in cells {
            if !replica::trains(&cell.program) {
                let problem = "the program has no backward or no update stage";
                return Err(EngineError::Data(problem.to_owned()));
            }
            replicas.push(Replica::new(cell)?);
        }
        if let [first, rest @ ..] = &mut replicas[..] {
            let spaces = Arc::new(Workspaces::new(first.layout(), threads));
            for other in rest {
                if !first.layout().shares_tiles_with(other.layout()) {
                    let problem = "cells of different architectures cannot train together";
                    return Err(EngineError::Data(problem.to_owned()));
                }
                other.share(spaces.clone());
            }
            first.share(spaces);
        }
        let pool = ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|i| format!("grokrun-cpu-{i}"))
            .build()
            .map_err(|e| {
                EngineError::Device(format!("the worker threads cannot be started: {e}"))
            })?;
        Ok(TiledExecutor {
            replicas,
            pool,
            arch: Arch::new(),
        })
    }

    /// Takes one step with every cell; returns the scores of the training samples before the step.
    pub fn train(&mut self) -> Vec<PartScore> {
        self.each(Job::Train)
    }

    /// Returns the scores of the test samples under the present parameters.
    pub fn evaluate(&mut self) -> Vec<PartScore> {
        self.each(Job::Evaluate)
    }

    /// Computes the gradients without a step; returns the scores of the training
    /// samples.
    pub fn gradients(&mut self) -> Vec<PartScore> {
        self.each(Job::Gradients)
    }

    /// Returns the scores of the test samples, and keeps the loss of each sample.
    pub fn evaluate_each(&mut self) -> Vec<PartScore> {
        self.each(Job::EvaluateEach)
    }

    /// Returns the loss of each test sample of a cell when [`TiledExecutor::evaluate_each`] ran
    /// last, in the precision of the program's loss.
    ///
    /// # Panics
    /// Panics if there is no such cell.
    pub fn losses(&self, cell: usize) -> &[f64] {
        self.replicas[cell].losses()
    }

    /// Returns the gradient of a cell's mean training loss when [`TiledExecutor::gradients`] ran
    /// last: a number for each parameter, zero where a parameter is not trained.
    ///
    /// # Panics
    /// Panics if there is no such cell.
    pub fn gradient(&self, cell: usize) -> Vec<f32> {
        self.replicas[cell].gradient()
    }

    /// Replaces the parameters of a cell by this flat vector.
    ///
    /// # Errors
    /// When there are more or fewer than the program has.
    ///
    /// # Panics
    /// Panics if there is no such cell.
    pub fn set_parameters(&mut self, cell: usize, parameters: &[f32]) -> Result<(), EngineError> {
        self.replicas[cell].set_parameters(parameters)
    }

    /// Replaces the training samples of a cell: the minibatch of the next step.
    ///
    /// # Errors
    /// When `train` has no samples.
    ///
    /// # Panics
    /// Panics if there is no such cell.
    pub fn set_train(&mut self, cell: usize, train: Data) -> Result<(), EngineError> {
        self.replicas[cell].set_train(train)
    }

    /// Returns a cell's state.
    ///
    /// # Panics
    /// Panics if there is no such cell.
    pub fn state(&self, cell: usize) -> ModelState {
        self.replicas[cell].state()
    }

    /// Returns the entries of a cell's table, row-major; an empty vector if the table depends on
    /// samples.
    ///
    /// # Panics
    /// Panics if there is no such cell.
    pub fn table(&self, cell: usize, table: TableId) -> Vec<f32> {
        self.replicas[cell].table(table)
    }

    /// Returns a description of the device.
    fn device(&self) -> String {
        device(&self.pool)
    }

    fn each(&mut self, job: Job) -> Vec<PartScore> {
        let TiledExecutor {
            replicas,
            pool,
            arch,
        } = self;
        pool.install(|| arch.dispatch(Jobs { job, replicas }))
    }
}

#[derive(Clone, Copy)]
enum Job {
    Train,
    Gradients,
    Evaluate,
    EvaluateEach,
}

struct Jobs<'a> {
    job: Job,
    replicas: &'a mut [Replica],
}

impl WithSimd for Jobs<'_> {
    type Output = Vec<PartScore>;

    fn with_simd<S: Simd>(self, simd: S) -> Vec<PartScore> {
        let run = |replica: &mut Replica| match self.job {
            Job::Train => replica.train(simd),
            Job::Gradients => replica.gradients(simd),
            Job::Evaluate => replica.evaluate(simd),
            Job::EvaluateEach => replica.evaluate_each(simd),
        };
        self.replicas.par_iter_mut().with_max_len(1).results(&run)
    }
}
