//! Defines tables and views: where the numbers of a program lie.
//!
//! Owns the extents, which say what the rows of a table stand for. Knows nothing of operations, and
//! holds no numbers.

use serde::{Deserialize, Serialize};

/// A part of the data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// The samples that are trained on; with minibatches, the samples of one step.
    Train,
    /// The samples that are held out.
    Test,
}

/// What the rows or the columns of a table stand for.
///
/// Extents save computation: a value that depends on one token alone has a row for each token, not
/// a row for each sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Extent {
    /// A fixed number of rows, which depend on the parameters alone.
    Once(usize),
    /// One row for each token that can be at this position.
    Token(usize),
    /// One row for each sample of a part.
    Sample(Part),
}

impl Extent {
    /// Returns the extent of a value that depends on two others. A single row depends on no token;
    /// values of two different positions depend on the sample.
    pub fn join(self, other: Extent, part: Part) -> Extent {
        match (self, other) {
            (Extent::Once(1), x) | (x, Extent::Once(1)) => x,
            (x, y) if x == y => x,
            _ => Extent::Sample(part),
        }
    }

    /// Tells whether the rows are samples.
    pub fn is_sample(self) -> bool {
        matches!(self, Extent::Sample(_))
    }
}

/// The index of a table in a program's list of tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TableId(pub usize);

/// A row-major matrix of floating-point numbers.
///
/// Heads lie side by side in the columns of an activation, and one below another in the rows of a
/// weight.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// The table's name, for instance `blocks.0.attn.q.2`; unique in a program.
    pub name: String,
    /// What the rows stand for.
    pub rows: Extent,
    /// The number of columns.
    pub cols: usize,
}

/// Some rows or columns of a table: those from `first` on, as many as `extent` has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Span {
    /// The first row or column.
    pub first: usize,
    /// The number of rows or columns, and what they stand for in this view.
    pub extent: Extent,
}

/// A block of a table, perhaps transposed.
///
/// The rows of a view may stand for something else than the rows of the table: rows 0 to n of an
/// embedding, which is `Once(n + 1)` as a table, are `Token(0)` where the first operand is looked
/// up and `Token(1)` where the second is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct View {
    /// The table that holds the numbers.
    pub table: TableId,
    /// The rows of the table, before transposition.
    pub rows: Span,
    /// The columns of the table, before transposition.
    pub cols: Span,
    /// Whether the block is read with rows and columns exchanged.
    pub transposed: bool,
}

impl View {
    /// Returns the view of a whole table.
    pub fn whole(table: TableId, of: &Table) -> View {
        View {
            table,
            rows: Span {
                first: 0,
                extent: of.rows,
            },
            cols: Span {
                first: 0,
                extent: Extent::Once(of.cols),
            },
            transposed: false,
        }
    }

    /// Returns the columns `first..first + count` of this view, which is not transposed.
    pub fn columns(self, first: usize, count: usize) -> View {
        let cols = Span {
            first: self.cols.first + first,
            extent: Extent::Once(count),
        };
        View { cols, ..self }
    }

    /// Returns the rows `first..first + count` of this view, which is not transposed.
    pub fn rows(self, first: usize, count: usize) -> View {
        self.rows_as(first, Extent::Once(count))
    }

    /// Returns the rows of this view from `first` on, standing for `extent`.
    pub fn rows_as(self, first: usize, extent: Extent) -> View {
        let rows = Span {
            first: self.rows.first + first,
            extent,
        };
        View { rows, ..self }
    }

    /// Returns the transposed view.
    pub fn t(self) -> View {
        View {
            transposed: !self.transposed,
            ..self
        }
    }

    /// Returns the same block of another table of the same dimensions.
    pub fn of(self, table: TableId) -> View {
        View { table, ..self }
    }

    /// Returns what the rows of the view stand for, after transposition.
    pub fn height(&self) -> Extent {
        if self.transposed {
            self.cols.extent
        } else {
            self.rows.extent
        }
    }

    /// Returns what the columns of the view stand for, after transposition.
    pub fn width(&self) -> Extent {
        if self.transposed {
            self.rows.extent
        } else {
            self.cols.extent
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_positions_meet_in_a_sample_and_a_single_row_changes_nothing() {
        let [once, a, b] = [Extent::Once(1), Extent::Token(0), Extent::Token(1)];
        let sample = Extent::Sample(Part::Train);
        assert_eq!(once.join(once, Part::Train), once);
        assert_eq!(once.join(a, Part::Train), a);
        assert_eq!(a.join(a, Part::Train), a);
        assert_eq!(a.join(b, Part::Train), sample);
        assert_eq!(sample.join(a, Part::Train), sample);
    }

    #[test]
    fn views_of_views_add_their_offsets() {
        let table = Table {
            name: "w".into(),
            rows: Extent::Once(12),
            cols: 8,
        };
        let block = View::whole(TableId(3), &table)
            .rows(4, 6)
            .rows(1, 2)
            .columns(2, 4)
            .columns(1, 3);
        assert_eq!((block.rows.first, block.cols.first), (5, 3));
        assert_eq!(block.t().height(), Extent::Once(3));
        assert_eq!(block.t().t(), block);
    }
}
