//! Holds the buffers of cells that train together, and fills them before the first step.

use grokrun_executor::{EngineError, RecordedCell};
use grokrun_program::ModelState;

use super::lowered::{Counts, Lowered};
use crate::gpu::metrics::{RECORD, WINDOW};
use crate::gpu::recorder::Recorder;
use crate::gpu::recording::Contents;

/// The number of words of minibatches in one window, unless an epoch has more: 16 MB.
const BATCH_WORDS: usize = 1 << 22;

/// The buffers of a group, by their indices; all but the last three are bound by name.
pub(crate) struct Buffers {
    pub(crate) arena: usize,
    /// the samples of a step, and the test samples
    pub(crate) samples: [usize; 2],
    /// the coefficients of a step
    pub(crate) step: usize,
    /// the records, one for each replica
    pub(crate) records: usize,
    /// the coefficients, and the minibatches, of a window's steps
    pub(crate) steps: usize,
    pub(crate) batches: Option<usize>,
    pub(crate) ring: usize,
}

impl Buffers {
    /// Records the buffers of cells that train together, with their samples. States are written
    /// later.
    pub(crate) fn new(
        out: &mut Recorder,
        lowered: &Lowered,
        counts: &Counts,
        cells: &[RecordedCell],
    ) -> Buffers {
        let replicas = cells.len();
        let numbers = lowered.numbers.saturating_mul(replicas);
        let arena = out.zeros("the batch's tables", numbers);
        let [of_step, of_test] = lowered.words;
        let [mut train, mut test] = [Vec::new(), Vec::new()];
        for RecordedCell { cell, batches } in cells {
            of_test.pack(&cell.test, &mut test);
            match batches {
                None => of_step.pack(&cell.train, &mut train),
                // A minibatch is copied to this place before its step.
                Some(_) => train.resize(train.len() + of_step.len(), 0),
            }
        }
        let window = window(lowered, counts, replicas);
        let steps = counts.steps().count();
        let batched = cells.iter().any(|cell| cell.batches.is_some());
        let words = window * steps * replicas * of_step.len();
        let each = lowered.coefficients * replicas;
        let records = RECORD * replicas;
        Buffers {
            arena,
            samples: [
                out.filled("training samples", train),
                out.filled("test samples", test),
            ],
            batches: batched.then(|| out.copied("minibatches", words)),
            step: out.zeros("coefficients of a step", each),
            records: out.zeros("records", records),
            steps: out.zeros("coefficients", window * steps * each),
            ring: out.zeros("metrics", window * (steps + 1) * records),
        }
    }
}

/// Returns the largest number of epochs of a submission.
pub(crate) fn window(lowered: &Lowered, counts: &Counts, replicas: usize) -> usize {
    let steps = counts.steps().count().max(1);
    let by_steps = WINDOW / steps;
    let words = lowered.words[0].len().saturating_mul(steps * replicas);
    let by_words = match steps {
        1 => WINDOW,
        _ => BATCH_WORDS / words.max(1),
    };
    by_steps.min(by_words).max(1)
}

/// Returns a replica's state as contents: the parameters, and the slots.
///
/// # Errors
/// When the state is not the program's.
pub(crate) fn state(
    lowered: &Lowered,
    arena: usize,
    replica: usize,
    state: &ModelState,
) -> Result<Vec<Contents>, EngineError> {
    let layout = &lowered.layout;
    let (slots, given) = (layout.slots(), state.slots.len());
    if slots.len() != given {
        return Err(EngineError::Data(format!(
            "the state has {given} slots; expected {}",
            slots.len()
        )));
    }
    let parameters = std::iter::once(([0, layout.parameters()], &state.parameters));
    let parts = parameters.chain(slots.iter().copied().zip(&state.slots));
    let contents = parts.map(|([first, count], numbers)| {
        if numbers.len() != count {
            return Err(EngineError::Data(format!(
                "a part of the state has {} numbers; expected {count}",
                numbers.len()
            )));
        }
        let first = replica * lowered.numbers + first;
        Ok(Contents::of_numbers(arena, first, numbers))
    });
    contents.collect()
}
