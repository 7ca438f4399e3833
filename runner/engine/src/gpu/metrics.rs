//! The ring of metrics: what the device leaves of each epoch of a window, and how it gets to the
//! host. Two staging buffers, so that one window is read while the next one runs.

use wgpu::{Buffer, BufferUsages, CommandEncoder, SubmissionIndex};

use super::buffers::Sizes;
use super::context::{Context, Mapping};
use crate::EngineError;
use crate::executor::EpochRow;

/// Epochs whose metrics the ring holds: the most that one submission runs.
pub(crate) const WINDOW: usize = 256;
/// What the ring holds of one part of one epoch: partial sums of losses, then right answers.
pub(crate) const PARTIALS: usize = 32;
pub(crate) const RECORD: usize = PARTIALS + 1;

/// Submissions on their way at once.
const IN_FLIGHT: usize = 2;

/// A window that was submitted and not read yet.
struct Window {
    staging: usize,
    submission: SubmissionIndex,
    mapping: Mapping,
    bytes: u64,
}

/// Windows on their way to the host.
pub(crate) struct Readback {
    staging: [Buffer; IN_FLIGHT],
    windows: std::collections::VecDeque<Window>,
    /// windows so far
    count: usize,
}

impl Readback {
    /// # Errors
    /// When the device's memory is full.
    pub(crate) fn new(context: &Context, replicas: usize) -> Result<Readback, EngineError> {
        let size = 4 * (WINDOW * 2 * RECORD * replicas) as u64;
        let usage = BufferUsages::MAP_READ | BufferUsages::COPY_DST;
        let staging = || context.buffer("metrics on their way", size, usage);
        Ok(Readback {
            staging: [staging()?, staging()?],
            windows: Default::default(),
            count: 0,
        })
    }

    /// Whether a window must be taken before another one is sent.
    pub(crate) fn is_full(&self) -> bool {
        self.windows.len() == IN_FLIGHT
    }

    /// Submits a window of `epochs` epochs, whose commands are in `encoder`.
    pub(crate) fn send(
        &mut self,
        context: &Context,
        mut encoder: CommandEncoder,
        ring: &Buffer,
        epochs: usize,
        replicas: usize,
    ) {
        let staging = self.count % IN_FLIGHT;
        self.count += 1;
        let buffer = &self.staging[staging];
        let bytes = 4 * (epochs * replicas * 2 * RECORD) as u64;
        encoder.copy_buffer_to_buffer(ring, 0, buffer, 0, bytes);
        let submission = context.submit(encoder.finish());
        self.windows.push_back(Window {
            staging,
            submission,
            mapping: Mapping::start(buffer, bytes),
            bytes,
        });
    }

    /// Waits for the oldest window: for each of its epochs a row for each replica. None where no
    /// window is on its way.
    ///
    /// # Errors
    /// When the device failed or does not answer in time.
    pub(crate) fn take(
        &mut self,
        context: &Context,
        sizes: &Sizes,
    ) -> Result<Option<Vec<Vec<EpochRow>>>, EngineError> {
        let Some(window) = self.windows.pop_front() else {
            return Ok(None);
        };
        context.wait(window.submission)?;
        let buffer = &self.staging[window.staging];
        let ring: Vec<f32> = window.mapping.finish(context, buffer, window.bytes)?;
        let cells: Vec<EpochRow> = ring
            .chunks_exact(2 * RECORD)
            .map(|records| row(records, sizes))
            .collect();
        let epochs = cells.chunks_exact(sizes.replicas);
        Ok(Some(epochs.map(<[EpochRow]>::to_vec).collect()))
    }
}

/// The row of one replica from its two records.
fn row(records: &[f32], sizes: &Sizes) -> EpochRow {
    let (train, test) = (sizes.train as f64, sizes.test as f64);
    let sum = |part: &[f32]| part.iter().copied().map(f64::from).sum::<f64>();
    let (of_train, of_test) = records.split_at(RECORD);
    EpochRow {
        train_loss: sum(&of_train[..PARTIALS]) / train,
        test_loss: sum(&of_test[..PARTIALS]) / test,
        train_accuracy: f64::from(of_train[PARTIALS]) / train,
        test_accuracy: f64::from(of_test[PARTIALS]) / test,
    }
}
