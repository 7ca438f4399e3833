//! Holds operations that are given by a table of their results. Owns the table, its content hash
//! and the reading of both file formats from bytes. Knows nothing of files.

mod csv;
mod npy;

use std::fmt;

use crate::group::MAX_ELEMENTS;

/// The content of a cell without a result; no element has this number.
const NONE: u16 = u16::MAX;

/// The beginning of the hashed bytes of a table, so that the hash of anything else differs.
const HASHED_AS: &[u8] = b"grokrun table 1\n";

/// A function of two elements of 0..n, given by its results.
///
/// The function may be partial: a pair without a result lies outside the domain.
#[derive(Clone, PartialEq, Eq)]
pub struct TableOperation {
    size: u32,
    /// The results, `a` slow, `(size, size)`; [`NONE`] where there is no result.
    cells: Vec<u16>,
    defined: u64,
    hash: blake3::Hash,
}

/// Why a file is not a table.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}{message}; expected {expected}")]
pub struct TableError {
    /// The place in the file.
    pub place: Place,
    /// What was found: a lower-case sentence fragment.
    pub message: String,
    /// What would have been right: a noun phrase.
    pub expected: String,
}

/// A place in a table file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The file as a whole.
    File,
    /// A line of a text, counted from 1.
    Line(usize),
    /// A cell of a text: line and column of the table, counted from 1.
    Cell(usize, usize),
    /// An entry of an array: row and column, counted from 0.
    Entry(usize, usize),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::File => Ok(()),
            Place::Line(line) => write!(f, "line {line}: "),
            Place::Cell(line, column) => write!(f, "line {line}, column {column}: "),
            Place::Entry(row, column) => write!(f, "entry [{row}, {column}]: "),
        }
    }
}

impl TableError {
    fn new(place: Place, message: impl Into<String>, expected: impl Into<String>) -> TableError {
        TableError {
            place,
            message: message.into(),
            expected: expected.into(),
        }
    }
}

/// Numbers in rows and columns, as in a file; `None` for an empty cell.
struct Grid {
    columns: usize,
    values: Vec<Option<i64>>,
    /// Whether the file says that its columns are a, b and the result.
    named_columns: bool,
    /// Maps a row and a column to their place in the file.
    place: Box<dyn Fn(usize, usize) -> Place>,
}

impl TableOperation {
    /// Makes a table of all n² results, `a` slow, `b` fast.
    ///
    /// # Errors
    /// When n is not in 2..=[`MAX_ELEMENTS`], when there are not n² results, or when a result is
    /// not below n.
    pub fn from_square(results: &[u32], n: u32) -> Result<TableOperation, TableError> {
        check_size(u64::from(n))?;
        let columns = n as usize;
        if results.len() != columns * columns {
            let message = format!("a table of {n} elements has {} results", results.len());
            let expected = format!("{} results", columns * columns);
            return Err(TableError::new(Place::File, message, expected));
        }
        Grid {
            columns,
            values: results.iter().map(|r| Some(i64::from(*r))).collect(),
            named_columns: false,
            place: Box::new(Place::Entry),
        }
        .table()
    }

    /// Makes a table of rows a, b, result; pairs without a row have no result. The elements are
    /// 0..n, where n − 1 is the largest number that occurs.
    ///
    /// # Errors
    /// When n is not in 2..=[`MAX_ELEMENTS`], or when a pair has two rows.
    pub fn from_columns(rows: &[[u32; 3]]) -> Result<TableOperation, TableError> {
        Grid {
            columns: 3,
            values: rows.iter().flatten().map(|r| Some(i64::from(*r))).collect(),
            named_columns: true,
            place: Box::new(Place::Entry),
        }
        .table()
    }

    /// Reads a table from the bytes of a file: an array that NumPy wrote (`.npy`), or else a text
    /// (`.csv`).
    ///
    /// Both hold either a square, in which row a and column b hold the result, or three columns: a,
    /// b, result. A square array is taken for a square, unless a line of names is above it. An
    /// empty cell of a text and a −1 in an array mean that there is no result.
    ///
    /// # Errors
    /// When the bytes are not a table; the error says where, and what was expected.
    pub fn read(bytes: &[u8]) -> Result<TableOperation, TableError> {
        if bytes.starts_with(npy::MAGIC) {
            TableOperation::read_npy(bytes)
        } else {
            TableOperation::read_csv(bytes)
        }
    }

    /// Reads a table from a text with commas between the cells.
    ///
    /// # Errors
    /// Those of [`TableOperation::read`].
    pub fn read_csv(bytes: &[u8]) -> Result<TableOperation, TableError> {
        csv::grid(bytes)?.table()
    }

    /// Reads a table from an array that NumPy wrote: of integers, in two dimensions.
    ///
    /// # Errors
    /// Those of [`TableOperation::read`].
    pub fn read_npy(bytes: &[u8]) -> Result<TableOperation, TableError> {
        npy::grid(bytes)?.table()
    }

    /// Returns the number of elements n: operands and results are below it.
    pub fn size(&self) -> u32 {
        self.size
    }

    /// Returns the number of pairs that have a result.
    pub fn defined(&self) -> u64 {
        self.defined
    }

    /// Returns the result for a pair; `None` if there is no result, or if a or b is not an element.
    pub fn value(&self, a: u32, b: u32) -> Option<u32> {
        if a >= self.size || b >= self.size {
            return None;
        }
        let cell = self.cells.get((a * self.size + b) as usize)?;
        (*cell != NONE).then_some(u32::from(*cell))
    }

    /// Returns the hash of the content. The hash is the same for a square and for three columns
    /// with the same content, in every version and on every machine.
    pub fn hash(&self) -> blake3::Hash {
        self.hash
    }

    /// Makes a table of results that have been checked.
    fn of(size: u32, cells: Vec<u16>) -> Result<TableOperation, TableError> {
        let defined = cells.iter().filter(|cell| **cell != NONE).count() as u64;
        if defined == 0 {
            return Err(TableError::new(
                Place::File,
                "the table has no result",
                "at least one pair with a result",
            ));
        }
        let mut hasher = blake3::Hasher::new();
        hasher.update(HASHED_AS);
        hasher.update(&size.to_le_bytes());
        for row in cells.chunks(size as usize) {
            let bytes: Vec<u8> = row.iter().flat_map(|cell| cell.to_le_bytes()).collect();
            hasher.update(&bytes);
        }
        Ok(TableOperation {
            size,
            cells,
            defined,
            hash: hasher.finalize(),
        })
    }
}

impl fmt::Debug for TableOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TableOperation")
            .field("size", &self.size)
            .field("defined", &self.defined)
            .field("hash", &self.hash.to_hex())
            .finish_non_exhaustive()
    }
}

fn check_size(n: u64) -> Result<(), TableError> {
    if (2..=u64::from(MAX_ELEMENTS)).contains(&n) {
        return Ok(());
    }
    let message = format!("the table has {n} element{}", if n == 1 { "" } else { "s" });
    let expected = format!("2 to {MAX_ELEMENTS} elements");
    Err(TableError::new(Place::File, message, expected))
}

impl Grid {
    fn rows(&self) -> usize {
        self.values.len() / self.columns.max(1)
    }

    /// Returns the table with these numbers.
    fn table(self) -> Result<TableOperation, TableError> {
        match (self.rows(), self.columns) {
            (0, _) => Err(TableError::new(
                Place::File,
                "the table is empty",
                "a square table, or three columns a, b, result",
            )),
            (_, 3) if self.named_columns => self.three_columns(),
            (rows, columns) if rows == columns => self.square(),
            (_, 3) => self.three_columns(),
            (rows, columns) => {
                let message = format!(
                    "the table has {rows} row{} and {columns} column{}",
                    if rows == 1 { "" } else { "s" },
                    if columns == 1 { "" } else { "s" },
                );
                let expected = "as many rows as columns, or three columns a, b, result";
                Err(TableError::new(Place::File, message, expected))
            }
        }
    }

    fn square(self) -> Result<TableOperation, TableError> {
        check_size(self.columns as u64)?;
        let size = self.columns as u32;
        let cells = self.values.iter().enumerate().map(|(index, value)| {
            let Some(value) = value else { return Ok(NONE) };
            if (0..i64::from(size)).contains(value) {
                return Ok(*value as u16);
            }
            let place = (self.place)(index / self.columns, index % self.columns);
            Err(TableError::new(
                place,
                format!("{value} is no element"),
                format!("an integer from 0 to {}, for {size} elements", size - 1),
            ))
        });
        let cells = cells.collect::<Result<Vec<u16>, TableError>>()?;
        TableOperation::of(size, cells)
    }

    fn three_columns(self) -> Result<TableOperation, TableError> {
        for (index, value) in self.values.iter().enumerate() {
            let at = || (self.place)(index / 3, index % 3);
            let expected = format!("an integer from 0 to {}", MAX_ELEMENTS - 1);
            match value {
                Some(value) if (0..i64::from(MAX_ELEMENTS)).contains(value) => {}
                Some(value) => {
                    let message = format!("{value} is no element");
                    return Err(TableError::new(at(), message, expected));
                }
                None => {
                    let message = "a number is missing";
                    let expected = format!("{expected}; leave out the row of an undefined pair");
                    return Err(TableError::new(at(), message, expected));
                }
            }
        }
        let largest = self.values.iter().flatten().max().copied().unwrap_or(0);
        let size = largest as u32 + 1;
        check_size(u64::from(size))?;
        let mut cells = vec![NONE; (size * size) as usize];
        let (rows, _) = self.values.as_chunks::<3>();
        for (row, numbers) in rows.iter().enumerate() {
            let [a, b, result] = numbers.map(|number| number.unwrap_or(0) as u32);
            let cell = &mut cells[(a * size + b) as usize];
            if *cell != NONE {
                return Err(TableError::new(
                    (self.place)(row, 0),
                    format!("the pair ({a}, {b}) has a second row"),
                    "one row for each pair",
                ));
            }
            *cell = result as u16;
        }
        TableOperation::of(size, cells)
    }
}

#[cfg(test)]
mod tests;
