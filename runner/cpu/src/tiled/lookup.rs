//! Finds the rows of a view while an operation runs.
//!
//! Owns the way from the index of a row to its entries: rows of the same extent, the row of the
//! token that a sample has at a position, or the single row that all share. Knows nothing of
//! operations.

use grokrun_program::{Data, Extent, View};

use crate::buffer::Buffer;

/// The tables as an operation over the rows of one extent reads them.
#[derive(Clone, Copy)]
pub(super) struct Lookup<'a> {
    /// Tables that do not depend on samples, by their index in the program.
    pub(super) whole: &'a [Buffer],
    /// Tables of the tile's samples, by their index in the program.
    pub(super) tile: &'a [Buffer],
    /// The stride of each table.
    pub(super) strides: &'a [usize],
    /// The rows that the operation runs over.
    pub(super) over: Extent,
    /// The data set, and the index of the tile's first sample in the data set.
    pub(super) samples: Option<(&'a Data, usize)>,
}

impl<'a> Lookup<'a> {
    /// Returns the entries of a table.
    #[inline(always)]
    pub(super) fn table(&self, view: &View) -> &'a [f32] {
        let place = view.table.0;
        if view.rows.extent.is_sample() || view.cols.extent.is_sample() {
            &self.tile[place]
        } else {
            &self.whole[place]
        }
    }

    /// Returns the index, in its table, of the first entry of row r of a view that is not
    /// transposed.
    #[inline(always)]
    pub(super) fn start(&self, view: &View, r: usize) -> usize {
        let row = self.row_of(view.rows.extent, r);
        (view.rows.first + row) * self.strides[view.table.0] + view.cols.first
    }

    /// Returns the index of the row of `of` that row r belongs to.
    #[inline(always)]
    pub(super) fn row_of(&self, of: Extent, r: usize) -> usize {
        match (of, self.samples) {
            _ if of == self.over => r,
            (Extent::Token(position), Some((data, first))) => data.token(first + r, position),
            // `Program::check` lets nothing but a single row through.
            _ => 0,
        }
    }

    /// Returns the first `width` entries of row r of a view.
    #[inline(always)]
    pub(super) fn row(&self, view: &View, r: usize, width: usize) -> &'a [f32] {
        &self.table(view)[self.start(view, r)..][..width]
    }
}

/// Returns the number of columns of a view whose columns are neither tokens nor samples.
pub(super) fn columns(view: &View) -> usize {
    match view.width() {
        Extent::Once(columns) => columns,
        // Only products have other columns, and they do not call this function.
        Extent::Token(_) | Extent::Sample(_) => 0,
    }
}
