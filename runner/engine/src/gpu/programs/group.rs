//! Cells of one program on a device: their buffers, and the dispatches of an epoch.
//!
//! Owns what is copied where between steps: coefficients, minibatches, records. Knows nothing of
//! how operations became dispatches.

use std::ops::Range;

use grokrun_program::{Batches, Data, ModelState, Program, Stage};
use grokrun_shaders::program::Params;
use grokrun_shaders::{Binding, Words};
use wgpu::{Buffer, BufferUsages, CommandEncoder};

use super::coefficients;
use super::lowered::{Counts, Lowered};
use super::schedule::Call;
use crate::EngineError;
use crate::cpu::tiled::RecordedCell;
use crate::executor::EpochRow;
use crate::gpu::context::Context;
use crate::gpu::metrics::{RECORD, Readback, WINDOW, sums};
use crate::gpu::recorder::{Dispatch, Recorder};
use crate::gpu::variant::Variant;

/// Words of minibatches that one window holds, if an epoch has not more: 16 MB.
const BATCH_WORDS: usize = 1 << 22;
/// Workgroups in a row of a grid.
const ROW: usize = 65_535;

/// What is a cell's own.
struct Own {
    program: Program,
    /// all training samples and their order, where an epoch is several steps
    batches: Option<(Data, Batches)>,
    /// steps taken
    step: u64,
}

/// The buffers of a group; all but the last three are bound by name.
struct Buffers {
    arena: Buffer,
    /// the samples of a step, and the test samples
    samples: [Buffer; 2],
    /// the coefficients of a step
    step: Buffer,
    /// a record a replica
    records: Buffer,
    /// the coefficients, and the minibatches, of a window's steps
    steps: Buffer,
    batches: Option<Buffer>,
    ring: Buffer,
}

/// Which dispatches are what.
struct Lists {
    shared: Range<usize>,
    step: Range<usize>,
    last: Range<usize>,
    evaluation: Range<usize>,
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
        let (dispatches, lists) = record(context, &lowered, &buffers, &counts, cells.len())?;
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

/// Epochs of a submission at most.
fn window(lowered: &Lowered, counts: &Counts, replicas: usize) -> usize {
    let steps = counts.steps().count().max(1);
    let by_steps = WINDOW / steps;
    let words = lowered.words[0].len().saturating_mul(steps * replicas);
    let by_words = match steps {
        1 => WINDOW,
        _ => BATCH_WORDS / words.max(1),
    };
    by_steps.min(by_words).max(1)
}

fn load(
    context: &Context,
    lowered: &Lowered,
    buffers: &Buffers,
    replica: usize,
    state: &ModelState,
) -> Result<(), EngineError> {
    let layout = &lowered.layout;
    let (slots, given) = (layout.slots(), state.slots.len());
    if slots.len() != given {
        return Err(EngineError::Data(format!(
            "the state has {given} slots; expected {}",
            slots.len()
        )));
    }
    let parameters = std::iter::once(([0, layout.parameters()], &state.parameters));
    for ([first, count], numbers) in parameters.chain(slots.iter().copied().zip(&state.slots)) {
        if numbers.len() != count {
            return Err(EngineError::Data(format!(
                "a part of the state has {} numbers; expected {count}",
                numbers.len()
            )));
        }
        let at = 4 * (replica * lowered.numbers + first) as u64;
        let bytes = bytemuck::cast_slice(numbers);
        context.queue.write_buffer(&buffers.arena, at, bytes);
    }
    Ok(())
}

impl Buffers {
    fn new(
        context: &Context,
        lowered: &Lowered,
        counts: &Counts,
        cells: &[RecordedCell],
    ) -> Result<Buffers, EngineError> {
        let replicas = cells.len();
        let numbers = lowered.numbers.saturating_mul(replicas);
        let arena = context.storage("the batch's tables", numbers)?;
        let [of_step, of_test] = lowered.words;
        let [mut train, mut test] = [Vec::new(), Vec::new()];
        for RecordedCell { cell, batches } in cells {
            of_test.pack(&cell.test, &mut test);
            match batches {
                None => of_step.pack(&cell.train, &mut train),
                // A minibatch is copied here before its step.
                Some(_) => train.resize(train.len() + of_step.len(), 0),
            }
        }
        let window = window(lowered, counts, replicas);
        let steps = counts.steps().count();
        let batched = cells.iter().any(|cell| cell.batches.is_some());
        let words = window * steps * replicas * of_step.len();
        let usage = BufferUsages::COPY_SRC | BufferUsages::COPY_DST;
        let batches = match batched {
            true => Some(context.buffer("minibatches", 4 * words as u64, usage)?),
            false => None,
        };
        let each = lowered.coefficients * replicas;
        let records = RECORD * replicas;
        Ok(Buffers {
            arena,
            samples: [
                context.filled("training samples", &train)?,
                context.filled("test samples", &test)?,
            ],
            step: context.storage("coefficients of a step", each)?,
            records: context.storage("records", records)?,
            steps: context.storage("coefficients", window * steps * each)?,
            batches,
            ring: context.storage("metrics", window * (steps + 1) * records)?,
        })
    }
}

/// Binds the dispatches of all lists.
fn record(
    context: &Context,
    lowered: &Lowered,
    buffers: &Buffers,
    counts: &Counts,
    replicas: usize,
) -> Result<(Vec<Dispatch>, Lists), EngineError> {
    let recording = &lowered.recording;
    let mut jobs = std::collections::HashMap::new();
    for (name, words) in &recording.jobs {
        let terms = recording.terms.get(name).map_or(&[][..], Vec::as_slice);
        let pair = [
            context.filled("jobs", words)?,
            context.filled("terms", terms)?,
        ];
        jobs.insert(*name, pair);
    }
    let mut out = Recorder::default();
    let last_samples = counts.steps().last().unwrap_or(counts.step);
    let mut list = |calls: &Range<usize>, samples: &Buffer, words: usize| {
        for call in &recording.calls[calls.clone()] {
            let Some([jobs, terms]) = jobs.get(call.kernel.name) else {
                continue;
            };
            let named = [
                ("jobs", jobs),
                ("terms", terms),
                ("data", samples),
                ("step", &buffers.step),
                ("arena", &buffers.arena),
                ("records", &buffers.records),
            ];
            let bound = call.kernel.bindings.iter().zip(call.kernel.names);
            let bound = bound.filter(|(kind, _)| **kind != Binding::Uniform);
            let bound = bound.filter_map(|(_, name)| {
                let found = named.iter().find(|(known, _)| known == name);
                found.map(|(_, buffer)| *buffer)
            });
            let bound: Vec<&Buffer> = bound.collect();
            let parameters = parameters(call, lowered, words);
            let rows = call.tiles.div_ceil(ROW).max(1);
            let grid = [call.tiles.div_ceil(rows), rows, replicas].map(|n| n as u64);
            out.dispatch(call.kernel, &parameters, &bound, grid);
        }
    };
    let [train, test] = &buffers.samples;
    let [of_step, of_test] = lowered.words.map(|words| words.len());
    list(&lowered.shared, train, of_step);
    list(&lowered.step, train, of_step);
    let of_last = lowered.words[0].with(last_samples).len();
    let last = lowered.last.clone().unwrap_or(0..0);
    list(&last, train, of_last);
    list(&lowered.evaluation, test, of_test);
    let mut end = 0;
    let mut take = |calls: &Range<usize>| {
        let start = end;
        end += calls.len();
        start..end
    };
    let lists = Lists {
        shared: take(&lowered.shared),
        step: take(&lowered.step),
        last: take(&last),
        evaluation: take(&lowered.evaluation),
    };
    Ok((out.finish(context)?, lists))
}

fn parameters(call: &Call, lowered: &Lowered, samples: usize) -> Vec<u32> {
    let params = Params {
        first: call.first as u32,
        count: call.count as u32,
        tiles: call.tiles as u32,
        stride: lowered.numbers as u32,
        samples: samples as u32,
        steps: lowered.coefficients as u32,
    };
    let mut words = Vec::new();
    params.push(&mut words);
    words
}
