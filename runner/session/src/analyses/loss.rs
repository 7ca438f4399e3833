//! The train loss of a cell at any weights, for the analyses that ask for it.
//!
//! The program that trains the cell is run by the processor's executor, forward and backward,
//! without an update: on all training samples, in the precision of the cell's loss, without weight
//! decay. A folded cell, which fused passes train, has a program that computes the same function.
//! Owns which of the weights an analysis moves. Knows nothing of what is found out.

use std::fmt;
use std::ops::Range;
use std::sync::{Mutex, OnceLock, PoisonError};

use grokrun_api::{Ask, Failure, LossAt, Needs, Numbers, SnapshotData, TrainLoss};
use grokrun_engine::{ProgramCell, TiledExecutor};
use grokrun_program::{Parameter, Program};
use grokrun_spec::Cell;
use grokrun_store::Tensor;
use grokrun_task::Split;

use crate::SessionError;
use crate::cell_data::program_data;
use crate::model::{self, Model};
use crate::weights::Layout;

/// The train loss of one cell.
pub(crate) struct CellLoss {
    cell: Cell,
    split: Split,
    layout: Layout,
    program: Program,
    /// how many numbers the trained parameters have
    trained: usize,
    /// all parameters of the first checkpoint that was shown: those that are not trained stay so
    shown: OnceLock<Vec<f32>>,
    /// made when it is first asked for: most of what it takes is memory
    executor: Mutex<Option<TiledExecutor>>,
}

impl fmt::Debug for CellLoss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CellLoss")
            .field("cell", &self.cell.id)
            .field("trained", &self.trained)
            .finish_non_exhaustive()
    }
}

impl CellLoss {
    /// That of a cell on the training samples of this split.
    ///
    /// # Errors
    /// When the model is none, which the spec refuses before.
    pub(crate) fn new(cell: &Cell, split: Split) -> Result<CellLoss, SessionError> {
        let program = model::record(cell)?;
        Ok(CellLoss {
            split,
            layout: Layout::new(&Model::of(cell), None)?,
            cell: cell.clone(),
            trained: trained(&program).map(|(_, range)| range.len()).sum(),
            program,
            shown: OnceLock::new(),
            executor: Mutex::new(None),
        })
    }

    /// Adds what is needed of a checkpoint to its snapshot: the trained weights, the gradient by
    /// each of them, the losses of samples.
    ///
    /// # Errors
    /// When the checkpoint is not this cell's, or the loss cannot be computed.
    pub(crate) fn show(
        &self,
        needs: &Needs,
        checkpoint: &[Tensor],
        data: &mut SnapshotData,
    ) -> Result<(), SessionError> {
        let weights = self.layout.of_checkpoint(checkpoint).map_err(|why| {
            SessionError::Request(format!(
                "a checkpoint is not cell {}'s: {why}",
                self.cell.id
            ))
        })?;
        let mut show = |prefix: &str, all: &[f32]| {
            let mut rest = all;
            for (parameter, range) in trained(&self.program) {
                let (own, after) = rest.split_at(range.len());
                let name = format!("{prefix}{}", parameter.name);
                if needs.has(&name) {
                    data.add(name, &parameter.shape, Numbers::F32(own.to_vec()));
                }
                rest = after;
            }
        };
        let ranges = trained(&self.program).map(|(_, range)| range);
        let moved: Vec<f32> = ranges.flat_map(|range| &weights[range]).copied().collect();
        show("trained.", &moved);
        self.shown.get_or_init(|| weights);
        let ask = Ask {
            weights: &moved,
            gradient: needs.touches("grad.*"),
            samples: needs.has("loss.samples"),
        };
        if ask.gradient || ask.samples {
            let found = self.at(ask);
            let found = found.map_err(|why| SessionError::Failed(why.to_string()))?;
            if ask.gradient {
                show("grad.", &found.gradient);
            }
            if ask.samples {
                let count = found.samples.len();
                data.add("loss.samples", &[count], Numbers::F64(found.samples));
            }
        }
        Ok(())
    }

    /// Starts the executor of the cell's program.
    fn start(&self) -> Result<TiledExecutor, String> {
        let words = |error: SessionError| error.to_string();
        let program = self.program.clone();
        let [train, _] = program_data(&self.cell, &self.split, &program).map_err(words)?;
        let state = program
            .initial_state(vec![0.0; program.parameters.count()])
            .map_err(|error| error.to_string())?;
        // The training samples are the test samples as well: their loss alone costs a third.
        let cell = ProgramCell {
            train: train.clone(),
            test: train,
            state,
            program,
        };
        TiledExecutor::new(vec![cell], None).map_err(|error| error.to_string())
    }
}

impl TrainLoss for CellLoss {
    fn at(&self, ask: Ask<'_>) -> Result<LossAt, Failure> {
        let refused =
            |why: String| Failure::new(format!("the train loss of cell {}: {why}", self.cell.id));
        if ask.weights.len() != self.trained {
            return Err(refused(format!(
                "{} weights were given; expected {}, as many as the snapshot's trained weights",
                ask.weights.len(),
                self.trained
            )));
        }
        let shown = self.shown.get().cloned();
        let mut weights =
            shown.ok_or_else(|| refused("no checkpoint was shown before".to_owned()))?;
        let mut rest = ask.weights;
        for (_, range) in trained(&self.program) {
            let (own, after) = rest.split_at(range.len());
            weights[range].copy_from_slice(own);
            rest = after;
        }
        if rayon::current_num_threads() == 1 {
            return self.compute(&weights, ask).map_err(refused);
        }
        // On a thread of its own: a thread of a pool that waits for another pool takes up other
        // work of its own pool meanwhile, which may ask for this very loss.
        let computed = std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().name("train loss".to_owned());
            let thread = thread.spawn_scoped(scope, || self.compute(&weights, ask));
            let thread = thread.map_err(|error| format!("a thread cannot be started: {error}"))?;
            let panicked = |_| Err("its computation panicked".to_owned());
            thread.join().unwrap_or_else(panicked)
        });
        computed.map_err(refused)
    }
}

impl CellLoss {
    /// Computes what is asked for at these parameters, trained or not.
    fn compute(&self, parameters: &[f32], ask: Ask<'_>) -> Result<LossAt, String> {
        let mut place = self.executor.lock().unwrap_or_else(PoisonError::into_inner);
        let executor = match &mut *place {
            Some(executor) => executor,
            none => none.insert(self.start()?),
        };
        executor
            .set_parameters(0, parameters)
            .map_err(|error| error.to_string())?;
        let mut found = LossAt::default();
        let mut scores = Vec::new();
        if ask.samples {
            scores = executor.evaluate_each();
            found.samples = executor.losses(0).to_vec();
        }
        if ask.gradient {
            scores = executor.gradients();
            let gradient = executor.gradient(0);
            let ranges = trained(&self.program).map(|(_, range)| range);
            found.gradient = ranges.flat_map(|range| &gradient[range]).copied().collect();
        }
        if scores.is_empty() {
            scores = executor.evaluate();
        }
        if let Some(score) = scores.first() {
            (found.loss, found.accuracy) = (score.loss, score.accuracy);
        }
        Ok(found)
    }
}

/// The parameters that the optimizer moves, each with its place among all.
fn trained(program: &Program) -> impl Iterator<Item = (&Parameter, Range<usize>)> {
    let all = program.parameters.iter().zip(program.parameters.ranges());
    all.filter(|(parameter, _)| parameter.trained)
}

#[cfg(test)]
mod tests;
