//! The GPU executor: the folded program as WGSL kernels on any adapter that wgpu reaches. All wgpu
//! of the project is in this folder.
//!
//! Recorded once: every stage is a list of dispatches with their buffers bound. An epoch replays
//! the lists; the device keeps the step's number and a ring of metrics, so the host does nothing
//! between the first epoch of a submission and its last.

mod adapter;
mod buffers;
mod context;
mod lower;
mod product;
mod recorder;
#[cfg(test)]
mod tests;

use std::ops::Range;
use std::time::Instant;

use wgpu::{BufferUsages, CommandEncoder};

pub(crate) use adapter::{Adapter, Kind, adapters, choose};

use crate::EngineError;
use crate::executor::{CellInput, EpochRow, Executor, ModelState};
use crate::program::{Program, Stage, Table};
use crate::schedule::Recipe;
use buffers::{Buffers, PARTIALS, RECORD, Sizes, WINDOW};
use context::Context;
use lower::Lowering;
use recorder::{Dispatch, Recorder};

/// How long one submission should take: short enough for watchdogs and Ctrl-C.
const SUBMISSION_SECONDS: f64 = 0.2;

/// Trains cells on a GPU.
pub struct GpuExecutor {
    context: Context,
    program: Program,
    sizes: Sizes,
    buffers: Buffers,
    recipes: Vec<Recipe>,
    dispatches: Vec<Dispatch>,
    /// the dispatches of each stage
    stages: Vec<(Stage, Range<usize>)>,
    /// the dispatch that moves the clock on
    tick: usize,
    /// steps taken
    epoch: u64,
    seconds_per_epoch: Option<f64>,
}

impl GpuExecutor {
    /// Opens the adapter, loads the cells and runs the program's prologue.
    ///
    /// # Errors
    /// When the adapter cannot be opened, a kernel is refused, or the cells do not fit together or
    /// into memory.
    pub(crate) fn new(
        adapter: &Adapter,
        program: Program,
        cells: Vec<CellInput>,
    ) -> Result<GpuExecutor, EngineError> {
        let sizes = Sizes::new(program.shape, &cells)?;
        let context = Context::open(adapter)?;
        let buffers = Buffers::new(&context, &sizes, &cells)?;
        let mut out = Recorder::default();
        let mut stages = Vec::new();
        for stage in Stage::ALL {
            let first = out.len();
            let (context, sizes, buffers) = (&context, &sizes, &buffers);
            Lowering {
                context,
                sizes,
                buffers,
                out: &mut out,
            }
            .stage(stage)?;
            stages.push((stage, first..out.len()));
        }
        let tick = out.len();
        out.dispatch(&grokrun_shaders::TICK, &[], &[&buffers.clock], [1, 1, 1]);
        let dispatches = out.finish(&context)?;
        let mut executor = GpuExecutor {
            recipes: cells.iter().map(|cell| cell.recipe).collect(),
            epoch: cells[0].state.epoch,
            context,
            program,
            sizes,
            buffers,
            dispatches,
            stages,
            tick,
            seconds_per_epoch: None,
        };
        for stage in executor.program.prologue.clone() {
            executor.run_stage(stage)?;
        }
        Ok(executor)
    }

    /// Epochs in one submission.
    fn window(&self) -> usize {
        match self.seconds_per_epoch {
            None => 1,
            Some(seconds) => ((SUBMISSION_SECONDS / seconds) as usize).clamp(1, WINDOW),
        }
    }

    /// Puts the clock to 0 and the coefficients of the next `count` steps in their place.
    fn set_clock(&self, count: usize) {
        let steps = self.epoch..self.epoch + count as u64;
        let columns: Vec<_> = self
            .recipes
            .iter()
            .map(|recipe| recipe.coefficients(steps.clone()))
            .collect();
        let rows: Vec<_> = (0..count)
            .flat_map(|step| columns.iter().map(move |column| column[step]))
            .collect();
        self.context
            .queue
            .write_buffer(&self.buffers.coefficients, 0, bytemuck::cast_slice(&rows));
        self.context
            .queue
            .write_buffer(&self.buffers.clock, 0, bytemuck::bytes_of(&0u32));
    }

    fn encode(&self, encoder: &mut CommandEncoder, ranges: &[Range<usize>], times: usize) {
        let mut pass = encoder.begin_compute_pass(&Default::default());
        for _ in 0..times {
            for dispatch in ranges
                .iter()
                .flat_map(|range| &self.dispatches[range.clone()])
            {
                dispatch.encode(&mut pass);
            }
        }
    }

    fn range(&self, stage: Stage) -> Range<usize> {
        let found = self.stages.iter().find(|(known, _)| *known == stage);
        found.map_or(0..0, |(_, range)| range.clone())
    }

    /// One submission of `count` epochs.
    fn submit(&mut self, count: usize) -> Result<Vec<Vec<EpochRow>>, EngineError> {
        self.set_clock(count);
        let mut ranges: Vec<Range<usize>> = self
            .program
            .epoch
            .iter()
            .map(|stage| self.range(*stage))
            .collect();
        ranges.push(self.tick..self.tick + 1);
        let numbers = count * self.sizes.replicas * 2 * RECORD;
        let size = 4 * numbers as u64;
        let usage = BufferUsages::MAP_READ | BufferUsages::COPY_DST;
        let staging = self.context.buffer("metrics", size, usage)?;
        let mut encoder = self
            .context
            .device
            .create_command_encoder(&Default::default());
        self.encode(&mut encoder, &ranges, count);
        encoder.copy_buffer_to_buffer(&self.buffers.ring, 0, &staging, 0, size);
        let submission = self.context.submit(encoder.finish());
        let ring: Vec<f32> = self.context.mapped(&staging, size, submission)?;
        self.epoch += count as u64;
        let (train, test) = (self.sizes.train as f64, self.sizes.test as f64);
        let sum = |part: &[f32]| part.iter().copied().map(f64::from).sum::<f64>();
        let row = |records: &[f32]| {
            let (of_train, of_test) = records.split_at(RECORD);
            EpochRow {
                train_loss: sum(&of_train[..PARTIALS]) / train,
                test_loss: sum(&of_test[..PARTIALS]) / test,
                train_accuracy: f64::from(of_train[PARTIALS]) / train,
                test_accuracy: f64::from(of_test[PARTIALS]) / test,
            }
        };
        let cells: Vec<EpochRow> = ring.chunks_exact(2 * RECORD).map(row).collect();
        Ok(cells
            .chunks_exact(self.sizes.replicas)
            .map(<[EpochRow]>::to_vec)
            .collect())
    }
}

impl Executor for GpuExecutor {
    fn run(&mut self, epochs: u64) -> Result<Vec<Vec<EpochRow>>, EngineError> {
        let mut rows = Vec::new();
        while (rows.len() as u64) < epochs {
            let left = usize::try_from(epochs - rows.len() as u64).unwrap_or(usize::MAX);
            let count = self.window().min(left);
            let started = Instant::now();
            rows.extend(self.submit(count)?);
            self.seconds_per_epoch = Some(started.elapsed().as_secs_f64() / count as f64);
        }
        Ok(rows)
    }

    fn state(&mut self, replica: usize) -> Result<ModelState, EngineError> {
        Ok(ModelState {
            epoch: self.epoch,
            parameters: self.table(replica, Table::Parameters)?,
            first_moments: self.table(replica, Table::FirstMoments)?,
            second_moments: self.table(replica, Table::SecondMoments)?,
        })
    }

    fn run_stage(&mut self, stage: Stage) -> Result<(), EngineError> {
        self.set_clock(1);
        let mut encoder = self
            .context
            .device
            .create_command_encoder(&Default::default());
        self.encode(&mut encoder, &[self.range(stage)], 1);
        let submission = self.context.submit(encoder.finish());
        self.context.wait(submission)?;
        if stage == Stage::Step {
            self.epoch += 1;
        }
        Ok(())
    }

    fn table(&mut self, replica: usize, table: Table) -> Result<Vec<f32>, EngineError> {
        let b = &self.buffers;
        let buffer = match table {
            Table::Parameters => &b.parameters,
            Table::Gradients => &b.gradient,
            Table::FirstMoments => &b.first,
            Table::SecondMoments => &b.second,
            Table::Scores => &b.scores,
            Table::NeuronRows => &b.neuron_rows,
            Table::LogitRows => &b.logit_rows,
            Table::NeuronBase => &b.neuron_base,
            Table::LogitBase => &b.logit_base,
            Table::NeuronLogit => &b.m,
            Table::ScoreGradients => &b.d_scores,
            Table::NeuronRowGradients => &b.d_neuron_rows,
            Table::LogitRowGradients => &b.d_logit_rows,
            Table::NeuronBaseGradient => &b.d_neuron_base,
            Table::LogitBaseGradient => &b.d_logit_base,
            Table::NeuronLogitGradient => &b.d_m,
        };
        let len = table.len(&self.sizes.shape);
        self.context.read(buffer, replica * len, len)
    }

    fn epochs_per_call(&self) -> u64 {
        self.window() as u64
    }

    fn device(&self) -> String {
        self.context.name.clone()
    }
}
