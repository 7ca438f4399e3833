//! Executes programs on a GPU: the folded program here, and any recorded program in `programs`, as
//! WGSL kernels on any adapter that wgpu reaches. All uses of wgpu in the project are in this
//! folder.
//!
//! A program is recorded once: every stage is a list of dispatches with their buffers bound, and an
//! epoch replays the lists. The device keeps the index of the step and a ring of metrics, so the
//! host does nothing between the first epoch of a submission and its last, and the next submission
//! is sent while one runs.

mod adapter;
mod arena;
pub(crate) mod bench;
mod buffers;
mod context;
mod folded;
mod instance;
mod kept;
mod loaded;
mod lower;
mod metrics;
mod plan;
mod playback;
mod programs;
mod recorder;
mod recording;
#[cfg(test)]
mod tests;
mod variant;

use std::ops::Range;
use std::time::Instant;

use grokrun_executor::{
    CellInput, EngineError, EpochRow, Evaluation, Executor, Program, Recipe, Stage, Staged, Table,
};

pub(crate) use adapter::{Adapter, Kind, adapters, choose};
pub(crate) use arena::replica_bytes;
pub use metrics::RECORD;
pub use playback::{Playback, Tensor};
pub(crate) use programs::{Counts, GpuPrograms, program_bytes};
pub use recording::{
    Command, Contents, Dispatch, Memory, Place as RecordedPlace, Recording, Specialised, Window,
};

use crate::cache::cache_folder;
use arena::{Place, Tables};
use buffers::{Buffers, Sizes};
use context::Context;
use folded::Folded;
use grokrun_program::ModelState;
use loaded::Loaded;
use metrics::{Readback, WINDOW};
pub use variant::Variant;

/// The duration of one call in seconds, so that Ctrl-C and progress stay prompt, and so that each
/// submission is short enough for watchdogs.
const CALL_SECONDS: f64 = 0.24;
const SUBMISSIONS: usize = 4;

/// Returns the number of epochs of one call, of which at most `window` go into a submission; 1
/// until the duration of an epoch is known.
fn epochs_in_a_call(seconds_per_epoch: Option<f64>, window: usize) -> usize {
    match seconds_per_epoch {
        None => 1,
        Some(seconds) => ((CALL_SECONDS / seconds) as usize).clamp(1, SUBMISSIONS * window),
    }
}

/// Trains cells of the folded model on a GPU.
pub struct GpuExecutor {
    context: Context,
    sizes: Sizes,
    tables: Tables,
    buffers: Buffers,
    recipes: Vec<Recipe>,
    loaded: Loaded,
    /// the dispatches of each stage
    stages: Vec<(Stage, Range<usize>)>,
    readback: Readback,
    /// number of steps taken
    epoch: u64,
    seconds_per_epoch: Option<f64>,
}

impl GpuExecutor {
    /// Opens the adapter, loads the cells and runs the program's prologue.
    ///
    /// # Errors
    /// When the adapter cannot be opened, a kernel is refused, or the cells are not alike or do not
    /// fit into memory.
    pub(crate) fn new(
        adapter: &Adapter,
        program: Program,
        cells: Vec<CellInput>,
    ) -> Result<GpuExecutor, EngineError> {
        let context = Context::open(adapter, cache_folder().as_deref())?;
        GpuExecutor::on(context, Variant::of(adapter.kind), program, cells)
    }

    pub(crate) fn on(
        context: Context,
        variant: Variant,
        program: Program,
        cells: Vec<CellInput>,
    ) -> Result<GpuExecutor, EngineError> {
        let mut folded = Folded::new(&program, &cells, variant)?;
        let loaded = Loaded::new(&context, std::mem::take(&mut folded.recording))?;
        // One state is written at a time, so that no batch is in memory twice.
        for (replica, cell) in cells.iter().enumerate() {
            for contents in folded.state(replica, cell)? {
                loaded.write(&context, &contents);
            }
        }
        loaded.run(&context, &loaded.prologue)?;
        Ok(GpuExecutor {
            recipes: cells.iter().map(|cell| cell.recipe).collect(),
            epoch: cells[0].state.step,
            readback: Readback::new(&context, WINDOW * 2 * folded.sizes.replicas)?,
            context,
            sizes: folded.sizes,
            tables: folded.tables,
            buffers: folded.buffers,
            loaded,
            stages: folded.stages,
            seconds_per_epoch: None,
        })
    }

    /// Sets the clocks to 0, and writes the coefficients of the next `count` steps.
    fn begin_window(&self, count: usize) {
        let steps = self.epoch..self.epoch + count as u64;
        let coefficients = folded::coefficients(&self.recipes, steps);
        self.loaded.begin_window(&self.context, &coefficients);
    }

    /// Runs these dispatches `times` times in one submission, and waits for it.
    fn replay(&self, range: Range<usize>, times: usize) -> Result<(), EngineError> {
        self.begin_window(times);
        let device = &self.context.device;
        let mut encoder = device.create_command_encoder(&Default::default());
        let commands = [Command::Run(range)];
        self.loaded.encode(&mut encoder, &commands, times);
        let submission = self.context.submit(encoder.finish());
        self.context.wait(submission)
    }

    fn range(&self, stage: Stage) -> Range<usize> {
        folded::range(&self.stages, stage)
    }

    /// Submits `count` epochs.
    fn submit(&mut self, count: usize, evaluation: Evaluation) {
        self.begin_window(count);
        let mut encoder = self
            .context
            .device
            .create_command_encoder(&Default::default());
        self.loaded.encode_epochs(&mut encoder, count, evaluation);
        let (ring, records) = (self.loaded.ring(), count * 2 * self.sizes.replicas);
        self.readback.send(&self.context, encoder, ring, records);
        self.epoch += count as u64;
    }

    /// Returns the dispatches of an epoch, in their order.
    fn epoch_dispatches(&self) -> impl Iterator<Item = usize> {
        let runs = self
            .loaded
            .epoch
            .iter()
            .filter_map(|command| match command {
                Command::Run(range) => Some(range.clone()),
                Command::Copy { .. } => None,
            });
        runs.flatten()
    }

    /// Returns the number of epochs of one call.
    fn call(&self) -> usize {
        epochs_in_a_call(self.seconds_per_epoch, WINDOW)
    }

    /// Returns a table's numbers, padding included.
    fn padded(&self, replica: usize, place: Place) -> Result<Vec<f32>, EngineError> {
        let first = replica * self.tables.stride + place.first;
        self.context.read(
            &self.loaded.buffers[self.buffers.arena],
            4 * first,
            4 * place.len(),
        )
    }
}

impl Executor for GpuExecutor {
    fn run_evaluating(
        &mut self,
        epochs: u64,
        evaluation: Evaluation,
    ) -> Result<Vec<Vec<EpochRow>>, EngineError> {
        let started = Instant::now();
        let window = self.call().div_ceil(SUBMISSIONS);
        let total = usize::try_from(epochs).unwrap_or(usize::MAX);
        let mut left = total;
        let mut rows = Vec::new();
        loop {
            while left > 0 && !self.readback.is_full() {
                let count = window.min(left);
                self.submit(count, evaluation.after(total - left));
                left -= count;
            }
            match self.readback.take(&self.context)? {
                Some(window) => rows.extend(metrics::rows(&window, &self.sizes)),
                None => break,
            }
        }
        if epochs > 0 {
            self.seconds_per_epoch = Some(started.elapsed().as_secs_f64() / epochs as f64);
        }
        metrics::without_evaluation(&mut rows, evaluation);
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
        self.call() as u64
    }

    fn device(&self) -> String {
        self.context.name.clone()
    }
}

impl Staged for GpuExecutor {
    fn run_stage(&mut self, stage: Stage) -> Result<(), EngineError> {
        self.replay(self.range(stage), 1)?;
        if stage == Stage::Step {
            self.epoch += 1;
        }
        Ok(())
    }

    fn table(&mut self, replica: usize, table: Table) -> Result<Vec<f32>, EngineError> {
        let t = &self.tables;
        let place = match table {
            Table::Parameters => t.parameters,
            Table::Gradients => t.gradient,
            Table::FirstMoments => t.first,
            Table::SecondMoments => t.second,
            Table::Scores => t.scores,
            Table::NeuronRows => t.neuron_rows,
            Table::LogitRows => t.logit_rows,
            Table::NeuronBase => t.neuron_base,
            Table::LogitBase => t.logit_base,
            Table::NeuronLogit => t.m,
            Table::ScoreGradients => t.d_scores,
            Table::NeuronRowGradients => t.d_neuron_rows,
            Table::LogitRowGradients => t.d_logit_rows,
            Table::NeuronBaseGradient => t.d_neuron_base,
            Table::LogitBaseGradient => t.d_logit_base,
            Table::NeuronLogitGradient => t.d_m,
        };
        let padded = self.padded(replica, place)?;
        Ok(match table {
            Table::Parameters | Table::Gradients | Table::FirstMoments | Table::SecondMoments => {
                t.vector.strip(&padded)
            }
            _ => {
                let mut numbers = place.strip(&padded);
                numbers.truncate(table.len(&self.sizes.shape));
                numbers
            }
        })
    }
}
