//! The buffers of cells that train together, and what is in them before the first step.

use grokrun_executor::{EngineError, RecordedCell};
use grokrun_program::ModelState;
use wgpu::{Buffer, BufferUsages};

use super::lowered::{Counts, Lowered};
use crate::gpu::context::Context;
use crate::gpu::metrics::{RECORD, WINDOW};

/// Words of minibatches that one window holds, if an epoch has not more: 16 MB.
const BATCH_WORDS: usize = 1 << 22;

/// The buffers of a group; all but the last three are bound by name.
pub(super) struct Buffers {
    pub(super) arena: Buffer,
    /// the samples of a step, and the test samples
    pub(super) samples: [Buffer; 2],
    /// the coefficients of a step
    pub(super) step: Buffer,
    /// a record a replica
    pub(super) records: Buffer,
    /// the coefficients, and the minibatches, of a window's steps
    pub(super) steps: Buffer,
    pub(super) batches: Option<Buffer>,
    pub(super) ring: Buffer,
}

impl Buffers {
    /// Loads the samples of cells that train together; states are yet to be loaded.
    ///
    /// # Errors
    /// When they do not fit the device's memory.
    pub(super) fn new(
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

/// Epochs of a submission at most.
pub(super) fn window(lowered: &Lowered, counts: &Counts, replicas: usize) -> usize {
    let steps = counts.steps().count().max(1);
    let by_steps = WINDOW / steps;
    let words = lowered.words[0].len().saturating_mul(steps * replicas);
    let by_words = match steps {
        1 => WINDOW,
        _ => BATCH_WORDS / words.max(1),
    };
    by_steps.min(by_words).max(1)
}

/// Loads a replica's state.
///
/// # Errors
/// When it is not the program's.
pub(super) fn load(
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
