//! Cells of one program on a device: their buffers, and the dispatches of an epoch.
//!
//! Owns what is copied where between steps: coefficients, minibatches, records. Knows nothing of
//! how operations became dispatches.

use std::ops::Range;

use grokrun_executor::{EngineError, EpochRow, RecordedCell};
use grokrun_program::{Batches, Data, ModelState, Program, Stage};
use wgpu::CommandEncoder;

use super::bind::{Lists, bind};
use super::buffers::{Buffers, load, window};
use super::coefficients;
use super::lowered::{Counts, Lowered};
use crate::gpu::context::Context;
use crate::gpu::metrics::{RECORD, Readback, sums};
use crate::gpu::recorder::Dispatch;
use crate::gpu::variant::Variant;

/// What is a cell's own.
struct Own {
    program: Program,
    /// all training samples and their order, where an epoch is several steps
    batches: Option<(Data, Batches)>,
    /// steps taken
    step: u64,
}

/// Cells that are trained by the same dispatches.
pub(super) struct Group {
    cells: Vec<Own>,
    counts: Counts,
    lowered: Lowered,
    buffers: Buffers,
    dispatches: Vec<Dispatch>,
    lists: Lists,
    readback: Readback,
    /// epochs of a submission at most
    window: usize,
}

/// Returns the numbers of samples of a cell.
pub(super) fn counts(cell: &RecordedCell) -> Counts {
    let train = cell.cell.train.len();
    Counts {
        train,
        step: cell.batches.as_ref().map_or(train, Batches::size),
        test: cell.cell.test.len(),
    }
}

impl Group {
    /// Loads cells whose programs are alike, with as many samples each, and runs what depends on
    /// the parameters alone.
    ///
    /// # Errors
    /// When a program or a state is none, when the device has no room, or refuses a kernel.
    pub(super) fn new(
        context: &Context,
        variant: Variant,
        cells: Vec<RecordedCell>,
    ) -> Result<Group, EngineError> {
        let Some(first) = cells.first() else {
            return Err(EngineError::Data("a group needs a cell".to_owned()));
        };
        for cell in &cells {
            check(cell)?;
        }
        let counts = counts(first);
        let lowered = Lowered::new(&first.cell.program, &counts, variant);
        let buffers = Buffers::new(context, &lowered, &counts, &cells)?;
        for (replica, cell) in cells.iter().enumerate() {
            load(context, &lowered, &buffers, replica, &cell.cell.state)?;
        }
        let (dispatches, lists) = bind(context, &lowered, &buffers, &counts, cells.len())?;
        let window = window(&lowered, &counts, cells.len());
        let records = window * (counts.steps().count() + 1) * cells.len();
        let own = |cell: RecordedCell| Own {
            step: cell.cell.state.step,
            batches: cell.batches.map(|batches| (cell.cell.train, batches)),
            program: cell.cell.program,
        };
        let group = Group {
            readback: Readback::new(context, records)?,
            cells: cells.into_iter().map(own).collect(),
            counts,
            lowered,
            buffers,
            dispatches,
            lists,
            window,
        };
        let mut encoder = context.device.create_command_encoder(&Default::default());
        group.encode(&mut encoder, &group.lists.shared);
        let submission = context.submit(encoder.finish());
        context.wait(submission)?;
        Ok(group)
    }

    /// Epochs of a submission at most.
    pub(super) fn window(&self) -> usize {
        self.window
    }

    fn encode(&self, encoder: &mut CommandEncoder, list: &Range<usize>) {
        let mut pass = encoder.begin_compute_pass(&Default::default());
        for dispatch in &self.dispatches[list.clone()] {
            dispatch.encode(&mut pass);
        }
    }

    /// Sends `count` epochs on their way.
    fn submit(&mut self, context: &Context, count: usize) {
        let sizes: Vec<usize> = self.counts.steps().collect();
        let (mut numbers, mut words) = (Vec::new(), Vec::new());
        // Where the minibatch of each step starts in the words, and how many they are.
        let mut places = Vec::new();
        for _ in 0..count {
            let orders: Vec<Option<Vec<Vec<u32>>>> = self
                .cells
                .iter_mut()
                .map(|cell| cell.batches.as_mut().map(|(_, batches)| batches.epoch()))
                .collect();
            for (number, size) in sizes.iter().enumerate() {
                let start = words.len();
                for (cell, order) in self.cells.iter_mut().zip(&orders) {
                    coefficients::push(&cell.program, cell.step, &mut numbers);
                    cell.step += 1;
                    if let (Some((all, _)), Some(order)) = (&cell.batches, order) {
                        let places = self.lowered.words[0].with(*size);
                        places.pack(&all.pick(&order[number]), &mut words);
                    }
                }
                places.push(start..words.len());
            }
        }
        let (queue, b) = (&context.queue, &self.buffers);
        queue.write_buffer(&b.steps, 0, bytemuck::cast_slice(&numbers));
        if let Some(batches) = &b.batches {
            queue.write_buffer(batches, 0, bytemuck::cast_slice(&words));
        }
        let mut encoder = context.device.create_command_encoder(&Default::default());
        let each = 4 * (self.lowered.coefficients * self.cells.len()) as u64;
        let record = 4 * (RECORD * self.cells.len()) as u64;
        let mut steps = places.into_iter().zip(0u64..);
        let mut at = 0;
        let mut keep = |encoder: &mut CommandEncoder| {
            encoder.copy_buffer_to_buffer(&b.records, 0, &b.ring, at, record);
            at += record;
        };
        for _ in 0..count {
            for size in &sizes {
                let Some((place, step)) = steps.next() else {
                    break;
                };
                encoder.copy_buffer_to_buffer(&b.steps, step * each, &b.step, 0, each);
                if let Some(batches) = &b.batches {
                    let [from, len] = [place.start, place.len()].map(|words| 4 * words as u64);
                    encoder.copy_buffer_to_buffer(batches, from, &b.samples[0], 0, len);
                }
                let list = match *size == self.counts.step {
                    true => &self.lists.step,
                    false => &self.lists.last,
                };
                self.encode(&mut encoder, list);
                keep(&mut encoder);
            }
            self.encode(&mut encoder, &self.lists.evaluation);
            keep(&mut encoder);
        }
        let records = count * (sizes.len() + 1) * self.cells.len();
        let ring = &self.buffers.ring;
        self.readback.send(context, encoder, ring, records);
    }

    /// Trains `epochs` epochs, `window` of them in a submission. Returns for each a row for each
    /// replica.
    ///
    /// # Errors
    /// When the device fails or does not answer in time.
    pub(super) fn run(
        &mut self,
        context: &Context,
        epochs: usize,
        window: usize,
    ) -> Result<Vec<Vec<EpochRow>>, EngineError> {
        let mut left = epochs;
        let mut rows = Vec::new();
        loop {
            while left > 0 && !self.readback.is_full() {
                let count = window.clamp(1, self.window).min(left);
                self.submit(context, count);
                left -= count;
            }
            match self.readback.take(context)? {
                Some(records) => self.rows(&records, &mut rows),
                None => return Ok(rows),
            }
        }
    }

    /// Adds the rows of a window: an epoch has a record for each step and one for its evaluation,
    /// of each replica.
    fn rows(&self, records: &[f32], rows: &mut Vec<Vec<EpochRow>>) {
        let (replicas, steps) = (self.cells.len(), self.counts.steps().count());
        for epoch in records.chunks_exact((steps + 1) * replicas * RECORD) {
            let record = |step: usize, replica: usize| {
                let first = (step * replicas + replica) * RECORD;
                sums(&epoch[first..first + RECORD])
            };
            let row = |replica: usize| {
                let train = (0..steps).map(|step| record(step, replica));
                let [loss, right] = train.fold([0.0; 2], |[a, b], [c, d]| [a + c, b + d]);
                let [test_loss, test_right] = record(steps, replica);
                let (train, test) = (self.counts.train as f64, self.counts.test as f64);
                EpochRow {
                    train_loss: loss / train,
                    test_loss: test_loss / test,
                    train_accuracy: right / train,
                    test_accuracy: test_right / test,
                }
            };
            rows.push((0..replicas).map(row).collect());
        }
    }

    /// Copies a replica's state out.
    ///
    /// # Errors
    /// When the device fails or does not answer in time.
    pub(super) fn state(
        &self,
        context: &Context,
        replica: usize,
    ) -> Result<ModelState, EngineError> {
        let layout = &self.lowered.layout;
        let end = layout.slots().last().map(|[first, count]| first + count);
        let count = end.unwrap_or(layout.parameters());
        let first = replica * self.lowered.numbers;
        let all: Vec<f32> = context.read(&self.buffers.arena, first, count)?;
        let slot = |[first, count]: &[usize; 2]| all[*first..first + count].to_vec();
        Ok(ModelState {
            step: self.cells[replica].step,
            parameters: all[..layout.parameters()].to_vec(),
            slots: layout.slots().iter().map(slot).collect(),
        })
    }

    /// Returns the numbers of a replica's table that does not depend on samples, for tests.
    #[cfg(test)]
    pub(super) fn table(
        &self,
        context: &Context,
        replica: usize,
        table: grokrun_program::TableId,
    ) -> Vec<f32> {
        let first = replica * self.lowered.numbers + self.lowered.layout.first(table);
        let count = self.cells[replica].program.entries(table);
        context.read(&self.buffers.arena, first, count).unwrap()
    }
}

fn check(cell: &RecordedCell) -> Result<(), EngineError> {
    let refuse = |problem: String| EngineError::Data(problem);
    let program = &cell.cell.program;
    program.check().map_err(|e| refuse(e.to_string()))?;
    for stage in [Stage::Backward, Stage::Update] {
        if program.stage(stage).is_empty() {
            let problem = "the program has no backward or no update stage";
            return Err(refuse(problem.to_owned()));
        }
    }
    for (part, data) in [("train", &cell.cell.train), ("test", &cell.cell.test)] {
        if data.is_empty() {
            return Err(refuse(format!("the {part} part is empty")));
        }
        data.fits(program).map_err(|e| refuse(e.to_string()))?;
    }
    Ok(())
}
