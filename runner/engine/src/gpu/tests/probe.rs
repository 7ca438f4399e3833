//! Runs one kernel on its own, and makes up numbers for it.

use grokrun_shaders::Kernel;
use wgpu::Buffer;

use super::super::context::Context;
use super::super::recorder::Recorder;
use super::adapter;

/// An open device to run kernels on.
pub(super) struct Probe {
    pub(super) context: Context,
}

impl Probe {
    /// None, and the test says so, where there is no adapter and none is required.
    pub(super) fn open() -> Option<Probe> {
        let context = Context::open(&adapter()?).unwrap();
        Some(Probe { context })
    }

    pub(super) fn floats(&self, numbers: &[f64]) -> Buffer {
        let narrow: Vec<f32> = numbers.iter().map(|x| *x as f32).collect();
        self.context.filled("numbers", &narrow).unwrap()
    }

    pub(super) fn words(&self, words: &[u32]) -> Buffer {
        self.context.filled("words", words).unwrap()
    }

    /// A buffer whose every number is one that no kernel writes, so that what was left out shows.
    pub(super) fn blank(&self, numbers: usize) -> Buffer {
        self.context
            .filled("blank", &vec![f32::MIN; numbers])
            .unwrap()
    }

    pub(super) fn record(&self, record: impl FnOnce(&mut Recorder)) {
        let mut recorder = Recorder::default();
        record(&mut recorder);
        let dispatches = recorder.finish(&self.context).unwrap();
        let mut encoder = self
            .context
            .device
            .create_command_encoder(&Default::default());
        let mut pass = encoder.begin_compute_pass(&Default::default());
        dispatches.iter().for_each(|d| d.encode(&mut pass));
        drop(pass);
        let submission = self.context.submit(encoder.finish());
        self.context.wait(submission).unwrap();
    }

    pub(super) fn run(
        &self,
        kernel: &'static Kernel,
        words: &[usize],
        buffers: &[&Buffer],
        grid: [usize; 3],
    ) {
        let words: Vec<u32> = words.iter().map(|word| *word as u32).collect();
        self.record(|out| out.dispatch(kernel, &words, buffers, grid.map(|n| n as u64)));
    }

    pub(super) fn read(&self, buffer: &Buffer) -> Vec<f64> {
        let numbers = (buffer.size() / 4) as usize;
        let narrow: Vec<f32> = self.context.read(buffer, 0, numbers).unwrap();
        narrow.into_iter().map(f64::from).collect()
    }
}

/// `count` numbers between −1 and 1 that f32 holds exactly, others for each seed.
pub(super) fn numbers(seed: u64, count: usize) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    (0..count)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 40) as f64 / (1u64 << 23) as f64 - 1.0
        })
        .collect()
}

/// Fails unless all of `got` is within `share` of the largest of `want`.
#[track_caller]
pub(super) fn close(what: &str, got: &[f64], want: &[f64], share: f64) {
    assert_eq!(got.len(), want.len(), "{what}");
    let largest = want.iter().fold(1e-30f64, |m, x| m.max(x.abs()));
    for (i, (got, want)) in got.iter().zip(want).enumerate() {
        let apart = (got - want).abs() / largest;
        // Not a number is not close either.
        assert!(apart <= share, "{what}: {got} for {want} at {i}");
    }
}
