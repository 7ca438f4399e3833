//! Records the buffers of a batch of cells, and their contents before the first epoch.

use grokrun_executor::{CellInput, EngineError, Shape, moments};
use grokrun_program::ModelState;

use super::arena::{Place, SLACK, Tables};
use super::metrics::{RECORD, WINDOW};
use super::recorder::Recorder;
use super::recording::Contents;

/// The numbers of replicas and pairs of a batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    pub(crate) shape: Shape,
    pub(crate) replicas: usize,
    /// number of training pairs of each replica
    pub(crate) train: usize,
    /// number of test pairs of each replica
    pub(crate) test: usize,
}

impl Sizes {
    /// # Errors
    /// When the cells differ in their numbers of pairs or in their modulus.
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

/// The starts of the parts of [`Buffers::data`], in words.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Data {
    /// `(replicas, train, 3)`: a, b, label
    pub(crate) train: usize,
    /// `(replicas, test, 3)`: a, b, label
    pub(crate) test: usize,
    /// `(replicas, 2p + 1)`: the start of the list of each token row
    pub(crate) starts: usize,
    /// `(replicas, 2 train)`: the training pairs of each token row
    pub(crate) lists: usize,
}

/// The buffers of a recording, by their indices.
pub(crate) struct Buffers {
    /// every table: `(replicas, stride)` vec4s
    pub(crate) arena: usize,
    /// the pairs, see [`Data`]
    pub(crate) data: usize,
    pub(crate) places: Data,
    /// the coefficients of the window's steps: `(WINDOW, replicas, 8)`
    pub(crate) coefficients: usize,
    /// the index of the epoch in the window, `(replicas)`
    pub(crate) clock: usize,
    /// the records of the window's epochs, `(WINDOW, replicas, 2, RECORD)`
    pub(crate) ring: usize,
}

impl Buffers {
    /// Records the buffers of the cells, with all contents but the cells' states.
    pub(crate) fn new(
        out: &mut Recorder,
        sizes: &Sizes,
        tables: &Tables,
        cells: &[CellInput],
    ) -> Buffers {
        let replicas = sizes.replicas;
        let vec4s = tables.stride.saturating_mul(replicas);
        // New buffers hold zeros, as the padding must.
        let numbers = vec4s.saturating_add(SLACK).saturating_mul(4);
        let arena = out.zeros("the batch's tables", numbers);
        let ones = [1.0f32, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0];
        for replica in 0..replicas {
            let first = word(tables, replica, tables.ones);
            out.write(Contents::of_numbers(arena, first, &ones));
        }
        let (data, places) = Buffers::data(cells);
        Buffers {
            arena,
            data: out.filled("the pairs", data),
            places,
            coefficients: out.zeros("coefficients", WINDOW * 8 * replicas),
            clock: out.zeros("clock", replicas),
            ring: out.zeros("metrics", WINDOW * 2 * RECORD * replicas),
        }
    }

    /// Returns the state of a cell as contents: its parameters, m and v.
    ///
    /// # Errors
    /// When the state does not have two slots.
    pub(crate) fn state<'a>(
        &self,
        tables: &'a Tables,
        replica: usize,
        state: &'a ModelState,
    ) -> Result<impl Iterator<Item = Contents> + use<'a>, EngineError> {
        let [first, second] = moments(state)?;
        let vectors = [
            (tables.parameters, &state.parameters[..]),
            (tables.first, first),
            (tables.second, second),
        ];
        let arena = self.arena;
        Ok(vectors.into_iter().map(move |(place, flat)| {
            let padded = tables.vector.pad(flat);
            Contents::of_numbers(arena, word(tables, replica, place), &padded)
        }))
    }

    /// Returns the pairs and their lists, part by part, each for all replicas.
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

/// Returns the index of the first word of a table of a replica.
fn word(tables: &Tables, replica: usize, place: Place) -> usize {
    4 * (replica * tables.stride + place.first)
}
