//! Reads the ring of metrics, which holds the metrics of each epoch of a window. There are two
//! staging buffers, so that one window is read while the next one runs.

use grokrun_executor::{EngineError, EpochRow, Evaluation};
use wgpu::{Buffer, BufferUsages, CommandEncoder, SubmissionIndex};

use super::buffers::Sizes;
use super::context::{Context, Mapping};

/// The number of epochs whose metrics the ring holds, which is the largest number of one
/// submission.
pub(crate) const WINDOW: usize = 256;
/// The number of partial sums of losses in a record, which the number of correct answers follows. A
/// record is of one part of one epoch.
pub(crate) const PARTIALS: usize = 32;
/// The length of a record: partial sums of losses, then the number of correct answers.
pub const RECORD: usize = PARTIALS + 1;

/// The number of submissions in flight.
const IN_FLIGHT: usize = 2;

/// A window that was submitted and has not been read.
struct Window {
    staging: usize,
    submission: SubmissionIndex,
    mapping: Mapping,
    bytes: u64,
}

/// The windows that are being computed or copied to the host.
pub(crate) struct Readback {
    staging: [Buffer; IN_FLIGHT],
    windows: std::collections::VecDeque<Window>,
    /// number of windows so far
    count: usize,
}

impl Readback {
    /// Makes the staging buffers for windows of at most `records` records.
    ///
    /// # Errors
    /// When the device's memory is full.
    pub(crate) fn new(context: &Context, records: usize) -> Result<Readback, EngineError> {
        let size = 4 * (records * RECORD) as u64;
        let usage = BufferUsages::MAP_READ | BufferUsages::COPY_DST;
        let staging = || context.buffer("metrics on their way", size, usage);
        Ok(Readback {
            staging: [staging()?, staging()?],
            windows: Default::default(),
            count: 0,
        })
    }

    /// Returns whether a window must be taken before another one is sent.
    pub(crate) fn is_full(&self) -> bool {
        self.windows.len() == IN_FLIGHT
    }

    /// Submits a window with `records` records, whose commands are in `encoder`.
    pub(crate) fn send(
        &mut self,
        context: &Context,
        mut encoder: CommandEncoder,
        ring: &Buffer,
        records: usize,
    ) {
        let staging = self.count % IN_FLIGHT;
        self.count += 1;
        let buffer = &self.staging[staging];
        let bytes = 4 * (records * RECORD) as u64;
        encoder.copy_buffer_to_buffer(ring, 0, buffer, 0, bytes);
        let submission = context.submit(encoder.finish());
        self.windows.push_back(Window {
            staging,
            submission,
            mapping: Mapping::start(buffer, bytes),
            bytes,
        });
    }

    /// Waits for the oldest window, and returns its records; `None` if no window was sent.
    ///
    /// # Errors
    /// When the device fails or does not answer in time.
    pub(crate) fn take(&mut self, context: &Context) -> Result<Option<Vec<f32>>, EngineError> {
        let Some(window) = self.windows.pop_front() else {
            return Ok(None);
        };
        context.wait(window.submission)?;
        let buffer = &self.staging[window.staging];
        let records = window.mapping.finish(context, buffer, window.bytes)?;
        Ok(Some(records))
    }
}

/// Returns the rows of a window's epochs, each with a row for each replica.
pub(crate) fn rows(records: &[f32], sizes: &Sizes) -> Vec<Vec<EpochRow>> {
    let cells = records.chunks_exact(2 * RECORD);
    let cells: Vec<EpochRow> = cells.map(|records| row(records, sizes)).collect();
    let epochs = cells.chunks_exact(sizes.replicas);
    epochs.map(<[EpochRow]>::to_vec).collect()
}

/// Takes out the test metrics of a call's epochs whose evaluation was not due: their records hold
/// those of an earlier epoch.
pub(crate) fn without_evaluation(rows: &mut [Vec<EpochRow>], evaluation: Evaluation) {
    for (epoch, rows) in (0..).zip(rows) {
        if !evaluation.is_due(epoch) {
            rows.iter_mut().for_each(|row| *row = row.untested());
        }
    }
}

/// Returns the sum of the losses in a record, and the number of correct answers.
pub(crate) fn sums(record: &[f32]) -> [f64; 2] {
    let losses = record.iter().take(PARTIALS).copied().map(f64::from);
    let correct = record.get(PARTIALS).copied().unwrap_or(0.0);
    [losses.sum(), f64::from(correct)]
}

/// Returns the row of one replica from its two records.
fn row(records: &[f32], sizes: &Sizes) -> EpochRow {
    let (train, test) = (sizes.train as f64, sizes.test as f64);
    let (of_train, of_test) = records.split_at(RECORD);
    let ([train_loss, train_right], [test_loss, test_right]) = (sums(of_train), sums(of_test));
    EpochRow {
        train_loss: train_loss / train,
        test_loss: test_loss / test,
        train_accuracy: train_right / train,
        test_accuracy: test_right / test,
    }
}
