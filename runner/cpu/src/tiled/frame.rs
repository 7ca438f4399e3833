//! Where the rows of a view lie while an operation runs.
//!
//! Owns the way from a row's number to its numbers: rows of the same extent, the token that a
//! sample has at a position, or the single row of what all share. Knows nothing of operations.

use grokrun_program::{Data, Extent, View};

use crate::buffer::Buffer;

/// The tables as an operation over the rows of one extent sees them.
#[derive(Clone, Copy)]
pub(super) struct Frame<'a> {
    /// Tables that do not depend on samples, by their place in the program.
    pub(super) whole: &'a [Buffer],
    /// Tables of the tile's samples, by their place in the program.
    pub(super) tile: &'a [Buffer],
    /// The stride of each table.
    pub(super) strides: &'a [usize],
    /// The rows that the operation runs over.
    pub(super) over: Extent,
    /// The samples that those of the tile are, from the first one on.
    pub(super) samples: Option<(&'a Data, usize)>,
}

impl<'a> Frame<'a> {
    /// The numbers of a table.
    #[inline(always)]
    pub(super) fn table(&self, view: &View) -> &'a [f32] {
        let place = view.table.0;
        if view.rows.extent.is_sample() || view.cols.extent.is_sample() {
            &self.tile[place]
        } else {
            &self.whole[place]
        }
    }

    /// The place in its table of row r of a view that is not transposed.
    #[inline(always)]
    pub(super) fn start(&self, view: &View, r: usize) -> usize {
        let row = self.row_of(view.rows.extent, r);
        (view.rows.first + row) * self.strides[view.table.0] + view.cols.first
    }

    /// The number of the row of `of` that row r belongs to.
    #[inline(always)]
    pub(super) fn row_of(&self, of: Extent, r: usize) -> usize {
        match (of, self.samples) {
            _ if of == self.over => r,
            (Extent::Token(position), Some((data, first))) => data.token(first + r, position),
            // A single row: `Program::check` lets nothing else through.
            _ => 0,
        }
    }

    /// `width` numbers of row r of a view.
    #[inline(always)]
    pub(super) fn row(&self, view: &View, r: usize, width: usize) -> &'a [f32] {
        &self.table(view)[self.start(view, r)..][..width]
    }
}

/// The number of columns of a view whose columns are neither tokens nor samples.
pub(super) fn columns(view: &View) -> usize {
    match view.width() {
        Extent::Once(columns) => columns,
        // Only products have other columns, and they ask for none.
        Extent::Token(_) | Extent::Sample(_) => 0,
    }
}
