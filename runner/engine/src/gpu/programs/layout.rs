//! Lays out the tables of a program in a replica's part of the arena.
//!
//! Owns every place in the part: parameters and slots first, each in the state's order and without
//! gaps, then tables that do not depend on samples, then tables that do. Tables of training and of
//! test samples share their places, since no step needs both. Knows nothing of operations.

use grokrun_program::{Extent, Part, Program, Samples, TableId, View};
use grokrun_shaders::program::Block;

/// Tables start at multiples of this number of entries, so that their rows are read in few
/// transactions.
const LINE: usize = 32;

/// The places of the tables, as numbers of entries from the start of a replica's part. They
/// saturate.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    firsts: Vec<usize>,
    strides: Vec<usize>,
    /// the first loss and the first correct answer of each part; there is one of each for every
    /// sample
    scores: [[usize; 2]; 2],
    /// the first entry and the count of each slot of a state
    slots: Vec<[usize; 2]>,
    parameters: usize,
    /// the first entry after all tables
    end: usize,
}

/// The next free entry.
struct Next(usize);

impl Next {
    fn take(&mut self, numbers: usize) -> usize {
        let first = self.0;
        self.0 = self.0.saturating_add(numbers);
        first
    }

    fn lines(&mut self, numbers: usize) -> usize {
        self.take(numbers.checked_next_multiple_of(LINE).unwrap_or(numbers))
    }
}

impl Layout {
    /// Lays out the tables for these numbers of samples.
    pub(crate) fn new(program: &Program, samples: &Samples) -> Layout {
        let entries = |id: usize| {
            let table = &program.tables[id];
            let rows = program.rows(table.rows, samples);
            rows.saturating_mul(table.cols)
        };
        let mut next = Next(0);
        let mut firsts: Vec<Option<usize>> = vec![None; program.tables.len()];
        for (id, first) in firsts.iter_mut().enumerate().take(program.parameters.len()) {
            *first = Some(next.take(entries(id)));
        }
        let parameters = next.0;
        let mut slots = Vec::with_capacity(program.slots.len());
        for slot in &program.slots {
            let start = next.0;
            for id in &slot.tables {
                firsts[id.0] = Some(next.take(entries(id.0)));
            }
            slots.push([start, next.0 - start]);
        }
        next.0 = next.0.checked_next_multiple_of(LINE).unwrap_or(next.0);
        let of = |extent: Option<Part>| {
            let tables = program.tables.iter().enumerate();
            tables.filter_map(move |(id, table)| {
                let part = match table.rows {
                    Extent::Sample(part) => Some(part),
                    Extent::Once(_) | Extent::Token(_) => None,
                };
                (part == extent).then_some(id)
            })
        };
        for id in of(None) {
            if firsts[id].is_none() {
                firsts[id] = Some(next.lines(entries(id)));
            }
        }
        let start = next.0;
        let (mut end, mut scores) = (start, [[0; 2]; 2]);
        for (part, count) in [(Part::Train, samples.train), (Part::Test, samples.test)] {
            let mut next = Next(start);
            for id in of(Some(part)) {
                firsts[id] = Some(next.lines(entries(id)));
            }
            scores[part as usize] = [next.lines(count), next.lines(count)];
            end = end.max(next.0);
        }
        Layout {
            firsts: firsts.into_iter().map(|first| first.unwrap_or(0)).collect(),
            strides: program.tables.iter().map(|table| table.cols).collect(),
            scores,
            slots,
            parameters,
            end,
        }
    }

    /// Returns the index of the first entry of a table.
    pub(crate) fn first(&self, table: TableId) -> usize {
        self.firsts[table.0]
    }

    /// Returns where the entries of a view lie.
    pub(crate) fn block(&self, view: View) -> Block {
        let stride = self.strides[view.table.0];
        let first = self.firsts[view.table.0]
            .saturating_add(view.rows.first.saturating_mul(stride))
            .saturating_add(view.cols.first);
        let (row, col) = if view.transposed {
            (1, stride)
        } else {
            (stride, 1)
        };
        // An arena of more than 2³² entries is refused before anything is run.
        Block {
            first: first as u32,
            row: row as u32,
            col: col as u32,
        }
    }

    /// Returns the places of the losses and of the correct answers of a part's samples.
    pub(crate) fn scores(&self, part: Part) -> [usize; 2] {
        self.scores[part as usize]
    }

    /// Returns the number of entries of the parameters, which come first.
    pub(crate) fn parameters(&self) -> usize {
        self.parameters
    }

    /// Returns the first entry and the count of each slot of a state.
    pub(crate) fn slots(&self) -> &[[usize; 2]] {
        &self.slots
    }

    /// Returns the index of the first entry after all tables.
    pub(crate) fn end(&self) -> usize {
        self.end
    }
}
