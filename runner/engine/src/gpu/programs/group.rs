//! Trains cells of one program on a device, replaying the recording epoch by epoch.
//!
//! Owns what the host writes before a window of epochs, coefficients and minibatches, and what it
//! reads after it. Knows nothing of how operations became dispatches.

use grokrun_executor::{EngineError, EpochRow, Evaluation, RecordedCell};
use grokrun_program::{Batches, Data, ModelState, Program};

use super::buffers::Buffers;
use super::coefficients;
use super::lowered::{Counts, Lowered};
use super::recorded::Recorded;
use crate::gpu::context::Context;
use crate::gpu::loaded::Loaded;
use crate::gpu::metrics::{RECORD, Readback, sums, without_evaluation};
use crate::gpu::recording::Contents;
use crate::gpu::variant::Variant;

/// The data of one cell of a group.
struct Own {
    program: Program,
    /// all training samples and their order, if an epoch has several steps
    batches: Option<(Data, Batches)>,
    /// number of steps taken
    step: u64,
}

/// Cells that the same dispatches train.
pub(super) struct Group {
    cells: Vec<Own>,
    counts: Counts,
    lowered: Lowered,
    buffers: Buffers,
    loaded: Loaded,
    readback: Readback,
}

/// Returns the numbers of samples of a cell.
pub(crate) fn counts(cell: &RecordedCell) -> Counts {
    let train = cell.cell.train.len();
    Counts {
        train,
        step: cell.batches.as_ref().map_or(train, Batches::size),
        test: cell.cell.test.len(),
    }
}

impl Group {
    /// Loads cells with like programs and equal numbers of samples, and runs the stage that depends
    /// on the parameters alone.
    ///
    /// # Errors
    /// When a program or a state is not valid, when the device's memory is full, or when the driver
    /// refuses a kernel.
    pub(super) fn new(
        context: &Context,
        variant: Variant,
        cells: Vec<RecordedCell>,
    ) -> Result<Group, EngineError> {
        let counts = cells.first().map(counts).unwrap_or_default();
        let mut recorded = Recorded::new(&cells, counts, variant)?;
        let loaded = Loaded::new(context, std::mem::take(&mut recorded.recording))?;
        for (replica, cell) in cells.iter().enumerate() {
            for contents in recorded.state(replica, cell)? {
                loaded.write(context, &contents);
            }
        }
        loaded.run(context, &loaded.prologue)?;
        let records = loaded.window.epochs * loaded.window.ring_words / RECORD;
        let own = |cell: RecordedCell| Own {
            step: cell.cell.state.step,
            batches: cell.batches.map(|batches| (cell.cell.train, batches)),
            program: cell.cell.program,
        };
        Ok(Group {
            readback: Readback::new(context, records)?,
            cells: cells.into_iter().map(own).collect(),
            counts: recorded.counts,
            lowered: recorded.lowered,
            buffers: recorded.buffers,
            loaded,
        })
    }

    /// Returns the largest number of epochs of a submission.
    pub(super) fn window(&self) -> usize {
        self.loaded.window.epochs
    }

    /// Submits `count` epochs.
    fn submit(&mut self, context: &Context, count: usize, evaluation: Evaluation) {
        let sizes: Vec<usize> = self.counts.steps().collect();
        let (mut numbers, mut words) = (Vec::new(), Vec::new());
        for _ in 0..count {
            let orders: Vec<Option<Vec<Vec<u32>>>> = self
                .cells
                .iter_mut()
                .map(|cell| cell.batches.as_mut().map(|(_, batches)| batches.epoch()))
                .collect();
            for (number, size) in sizes.iter().enumerate() {
                for (cell, order) in self.cells.iter_mut().zip(&orders) {
                    coefficients::push(&cell.program, cell.step, &mut numbers);
                    cell.step += 1;
                    if let (Some((all, _)), Some(order)) = (&cell.batches, order) {
                        let places = self.lowered.words[0].with(*size);
                        places.pack(&all.pick(&order[number]), &mut words);
                    }
                }
            }
        }
        self.loaded.begin_window(context, &numbers);
        if let Some(buffer) = self.buffers.batches {
            let batches = Contents {
                buffer,
                first: 0,
                words,
            };
            self.loaded.write(context, &batches);
        }
        let mut encoder = context.device.create_command_encoder(&Default::default());
        self.loaded.encode_epochs(&mut encoder, count, evaluation);
        let records = count * (sizes.len() + 1) * self.cells.len();
        self.readback
            .send(context, encoder, self.loaded.ring(), records);
    }

    /// Trains `epochs` epochs, `window` of them in a submission. Returns a row for each replica,
    /// for each epoch.
    ///
    /// # Errors
    /// When the device fails or does not answer in time.
    pub(super) fn run(
        &mut self,
        context: &Context,
        epochs: usize,
        window: usize,
        evaluation: Evaluation,
    ) -> Result<Vec<Vec<EpochRow>>, EngineError> {
        let mut left = epochs;
        let mut rows = Vec::new();
        loop {
            while left > 0 && !self.readback.is_full() {
                let count = window.clamp(1, self.window()).min(left);
                self.submit(context, count, evaluation.after(epochs - left));
                left -= count;
            }
            match self.readback.take(context)? {
                Some(records) => self.rows(&records, &mut rows),
                None => break,
            }
        }
        without_evaluation(&mut rows, evaluation);
        Ok(rows)
    }

    /// Adds the rows of a window. An epoch has a record for each step and one for its evaluation,
    /// for each replica.
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

    /// Copies the state of a replica to the host.
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
        let all: Vec<f32> = context.read(&self.loaded.buffers[self.buffers.arena], first, count)?;
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
        context
            .read(&self.loaded.buffers[self.buffers.arena], first, count)
            .unwrap()
    }
}
