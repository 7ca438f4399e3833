//! Runs single kernels, and makes numbers for them.

use wgpu::Buffer;

use super::super::arena::{Place, SLACK};
use super::super::context::Context;
use super::super::loaded::bind;
use super::super::recorder::Recorder;
use super::super::recording::Specialised;
use super::adapter;

pub(super) const REPLICAS: usize = 2;

/// Holds an open device to run kernels on.
pub(super) struct Probe {
    pub(super) context: Context,
}

impl Probe {
    /// Opens a device. Returns `None`, and says so, if there is no adapter and none is required.
    pub(super) fn open() -> Option<Probe> {
        let context = Context::open(&adapter()?, None).unwrap();
        Some(Probe { context })
    }

    pub(super) fn words(&self, words: &[u32]) -> Buffer {
        self.context.filled("words", words).unwrap()
    }

    /// Returns a buffer filled with a number that no kernel writes, so that an omitted entry shows.
    pub(super) fn blank(&self, numbers: usize) -> Buffer {
        self.context
            .filled("blank", &vec![f32::MIN; numbers])
            .unwrap()
    }

    pub(super) fn run(
        &self,
        kernel: impl Into<Specialised>,
        words: &[usize],
        buffers: &[&Buffer],
        grid: [usize; 3],
    ) {
        let words: Vec<u32> = words.iter().map(|word| *word as u32).collect();
        let mut recorder = Recorder::default();
        let places: Vec<usize> = (0..buffers.len()).collect();
        recorder.dispatch(kernel, &words, &places, grid.map(|n| n as u64));
        let recording = recorder.finish(Vec::new(), Vec::new()).unwrap();
        let buffers: Vec<Buffer> = buffers.iter().map(|buffer| (*buffer).clone()).collect();
        let dispatches = bind(
            &self.context,
            &recording.kernels,
            &recording.dispatches,
            &buffers,
        );
        let dispatches = dispatches.unwrap();
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

    /// Returns the shelf as a buffer, followed by the entries that tiles may read beyond it.
    pub(super) fn arena(&self, shelf: &Shelf) -> Buffer {
        let mut all = shelf.replicas.concat();
        all.resize(all.len() + 4 * SLACK, 0.0);
        self.context.filled("arena", &all).unwrap()
    }

    /// Returns the tables at a place, of each replica, and whether their padding is zeros.
    pub(super) fn tables(&self, arena: &Buffer, shelf: &Shelf, place: Place) -> Vec<Vec<f64>> {
        let all: Vec<f32> = self
            .context
            .read(arena, 0, 4 * REPLICAS * shelf.stride())
            .unwrap();
        let of = |replica: usize| {
            let first = 4 * (replica * shelf.stride() + place.first);
            let padded = &all[first..][..4 * place.len()];
            let padding = |row: &[f32]| row[place.cols..].iter().all(|x| *x == 0.0);
            assert!(
                padded.chunks_exact(4 * place.vec4s()).all(padding),
                "the padding of {place:?} is zeros"
            );
            let numbers = place.strip(padded);
            numbers.into_iter().map(f64::from).collect()
        };
        (0..REPLICAS).map(of).collect()
    }

    pub(super) fn read(&self, buffer: &Buffer) -> Vec<f64> {
        let numbers = (buffer.size() / 4) as usize;
        let narrow: Vec<f32> = self.context.read(buffer, 0, numbers).unwrap();
        narrow.into_iter().map(f64::from).collect()
    }
}

/// Tables one after another as in an arena, for two replicas with different numbers.
#[derive(Clone, Default)]
pub(super) struct Shelf {
    replicas: [Vec<f32>; REPLICAS],
}

impl Shelf {
    /// Adds a table `(rows, cols)`, padded with zeros.
    pub(super) fn put(&mut self, [rows, cols]: [usize; 2], numbers: &[Vec<f64>]) -> Place {
        let first = self.stride();
        let place = Place { first, rows, cols };
        for (replica, numbers) in self.replicas.iter_mut().zip(numbers) {
            let narrow: Vec<f32> = numbers.iter().map(|x| *x as f32).collect();
            assert_eq!(narrow.len(), rows * cols);
            let mut padded = vec![0.0; 4 * place.len()];
            place.pad(&narrow, &mut padded);
            replica.extend(padded);
        }
        place
    }

    /// Adds a table filled with a number that no kernel writes, so that an omitted entry shows.
    pub(super) fn blank(&mut self, [rows, cols]: [usize; 2]) -> Place {
        let first = self.stride();
        let place = Place { first, rows, cols };
        for replica in &mut self.replicas {
            replica.resize(4 * (first + place.len()), f32::MIN);
        }
        place
    }

    /// Returns the number of vec4s of a replica.
    pub(super) fn stride(&self) -> usize {
        self.replicas[0].len() / 4
    }
}

/// Returns the result of `make` for each replica.
pub(super) fn both(make: impl Fn(usize) -> Vec<f64>) -> Vec<Vec<f64>> {
    (0..REPLICAS).map(make).collect()
}

/// Returns `count` numbers between −1 and 1 that are exact in f32, different for each seed.
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

/// Fails unless each of `got` differs from `want` by at most `share` of the largest of `want`.
#[track_caller]
pub(super) fn close(what: &str, got: &[f64], want: &[f64], share: f64) {
    assert_eq!(got.len(), want.len(), "{what}");
    let largest = want.iter().fold(1e-30f64, |m, x| m.max(x.abs()));
    for (i, (got, want)) in got.iter().zip(want).enumerate() {
        let apart = (got - want).abs() / largest;
        // A number that is not one is not close either.
        assert!(apart <= share, "{what}: {got} for {want} at {i}");
    }
}
