//! The buffers of a batch of cells on the device.

use grokrun_executor::{CellInput, EngineError, Shape, moments};
use wgpu::Buffer;

use super::arena::{SLACK, Tables};
use super::context::Context;
use super::metrics::{RECORD, WINDOW};

/// The numbers of a batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    pub(crate) shape: Shape,
    pub(crate) replicas: usize,
    /// training pairs of each replica
    pub(crate) train: usize,
    /// test pairs of each replica
    pub(crate) test: usize,
}

impl Sizes {
    /// # Errors
    /// When the cells do not fit together.
    pub(crate) fn new(shape: Shape, cells: &[CellInput]) -> Result<Sizes, EngineError> {
        let Some(first) = cells.first() else {
            return Err(EngineError::Data(
                "a batch needs at least one cell".to_owned(),
            ));
        };
        let (train, test) = (first.pairs.train().len(), first.pairs.test().len());
        for cell in cells {
            let state = &cell.state;
            let [moment, square] = moments(state)?;
            let parts = [&state.parameters, moment, square];
            let fits = parts.iter().all(|part| part.len() == shape.parameters())
                && cell.pairs.modulus() == shape.modulus
                && (cell.pairs.train().len(), cell.pairs.test().len()) == (train, test)
                && state.step == first.state.step;
            if !fits {
                return Err(EngineError::Data(
                    "cells of one batch need one shape, as many pairs, and the same epoch"
                        .to_owned(),
                ));
            }
        }
        Ok(Sizes {
            shape,
            replicas: cells.len(),
            train,
            test,
        })
    }
}

/// Where the parts of [`Buffers::data`] start, in words.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Data {
    /// `(replicas, train, 3)`: a, b, label
    pub(crate) train: usize,
    /// `(replicas, test, 3)`
    pub(crate) test: usize,
    /// `(replicas, 2p + 1)`: where the list of each token row starts
    pub(crate) starts: usize,
    /// `(replicas, 2 train)`: the training pairs of each token row
    pub(crate) lists: usize,
}

/// The buffers.
pub(crate) struct Buffers {
    /// every table: `(replicas, stride)` vec4s
    pub(crate) arena: Buffer,
    /// the pairs, see [`Data`]
    pub(crate) data: Buffer,
    pub(crate) places: Data,
    /// of the window's steps: `(WINDOW, replicas, 8)`
    pub(crate) coefficients: Buffer,
    /// the epoch's number in the window, `(replicas)`
    pub(crate) clock: Buffer,
    /// `(WINDOW, replicas, 2, RECORD)`
    pub(crate) ring: Buffer,
}

impl Buffers {
    /// Loads the cells.
    ///
    /// # Errors
    /// When they do not fit the device's memory.
    pub(crate) fn new(
        context: &Context,
        sizes: &Sizes,
        tables: &Tables,
        cells: &[CellInput],
    ) -> Result<Buffers, EngineError> {
        let replicas = sizes.replicas;
        let vec4s = tables.stride.saturating_mul(replicas);
        // New buffers are all zeros, as the padding must be.
        let arena = context.storage(
            "the batch's tables",
            vec4s.saturating_add(SLACK).saturating_mul(4),
        )?;
        let ones = [1.0f32, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0];
        for (replica, cell) in cells.iter().enumerate() {
            let state = &cell.state;
            let [first, second] = moments(state)?;
            let vectors = [
                (tables.parameters, &state.parameters[..]),
                (tables.first, first),
                (tables.second, second),
            ];
            let at = |first: usize| 16 * (replica * tables.stride + first) as u64;
            for (place, flat) in vectors {
                let padded = tables.vector.pad(flat);
                let bytes = bytemuck::cast_slice(&padded);
                context.queue.write_buffer(&arena, at(place.first), bytes);
            }
            let bytes = bytemuck::cast_slice(&ones);
            context
                .queue
                .write_buffer(&arena, at(tables.ones.first), bytes);
        }
        let (data, places) = Buffers::data(cells);
        Ok(Buffers {
            arena,
            data: context.filled("the pairs", &data)?,
            places,
            coefficients: context.storage("coefficients", WINDOW * 8 * replicas)?,
            clock: context.storage("clock", replicas)?,
            ring: context.storage("metrics", WINDOW * 2 * RECORD * replicas)?,
        })
    }

    /// The pairs and their lists, part by part, each for all replicas.
    fn data(cells: &[CellInput]) -> (Vec<u32>, Data) {
        let mut words: Vec<u32> = Vec::new();
        let mut part = |pick: fn(&CellInput) -> &[u32]| {
            let start = words.len();
            words.extend(cells.iter().flat_map(pick));
            start
        };
        let places = Data {
            train: part(|cell| bytemuck::cast_slice(cell.pairs.train())),
            test: part(|cell| bytemuck::cast_slice(cell.pairs.test())),
            starts: part(|cell| &cell.pairs.lists().starts),
            lists: part(|cell| &cell.pairs.lists().samples),
        };
        (words, places)
    }
}
