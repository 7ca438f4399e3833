//! Reads numbers from the bytes of an array that NumPy wrote: format versions 1 to 3, integers, two
//! dimensions.

use super::{Grid, Place, TableError};

/// The beginning of such a file.
pub(super) const MAGIC: &[u8] = b"\x93NUMPY";

const EXPECTED: &str = "an array that NumPy wrote: integers, in two dimensions";

/// Reads all entries.
pub(super) fn grid(bytes: &[u8]) -> Result<Grid, TableError> {
    let (header, data) = parts(bytes).ok_or_else(|| refused("the header is cut off"))?;
    let kind = field(header, "descr").and_then(quoted).unwrap_or_default();
    let Some((signed, width)) = integers(kind) else {
        let message = format!("the entries are `{}`", kind.escape_debug());
        let expected = "integers, the lowest byte first, such as <i8";
        return Err(TableError::new(Place::File, message, expected));
    };
    let [rows, columns] = shape(header).ok_or_else(|| refused("the array has another shape"))?;
    let fortran = field(header, "fortran_order").is_some_and(|v| v.starts_with("True"));
    let needed = rows
        .checked_mul(columns)
        .and_then(|entries| entries.checked_mul(width));
    if needed != Some(data.len()) {
        return Err(refused("the file is shorter or longer than its array"));
    }
    let entry = |row: usize, column: usize| {
        let index = if fortran {
            column * rows + row
        } else {
            row * columns + column
        };
        number(&data[index * width..][..width], signed)
    };
    // An empty array may claim any number of rows.
    let rows = if columns == 0 { 0 } else { rows };
    let values = (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column)));
    Ok(Grid {
        columns,
        values: values.map(|(row, column)| entry(row, column)).collect(),
        named_columns: false,
        place: Box::new(Place::Entry),
    })
}

fn refused(message: &str) -> TableError {
    TableError::new(Place::File, message, EXPECTED)
}

/// Returns the header and the bytes that follow it.
fn parts(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let rest = bytes.strip_prefix(MAGIC)?;
    let ([version, _], rest) = rest.split_first_chunk()?;
    let (length, rest) = match version {
        1 => {
            let (length, rest) = rest.split_first_chunk()?;
            (usize::from(u16::from_le_bytes(*length)), rest)
        }
        _ => {
            let (length, rest) = rest.split_first_chunk()?;
            (u32::from_le_bytes(*length) as usize, rest)
        }
    };
    let (header, data) = rest.split_at_checked(length)?;
    Some((std::str::from_utf8(header).ok()?, data))
}

/// Returns the text after a key of the header, which is a Python dictionary.
fn field<'h>(header: &'h str, key: &str) -> Option<&'h str> {
    let (_, rest) = header.split_once(&format!("'{key}'"))?;
    Some(rest.trim_start().strip_prefix(':')?.trim_start())
}

fn quoted(value: &str) -> Option<&str> {
    value.strip_prefix('\'')?.split('\'').next()
}

/// Returns whether the integers of a kind have a sign, and their width in bytes.
fn integers(kind: &str) -> Option<(bool, usize)> {
    let (order, kind) = kind.split_at_checked(1)?;
    let (sign, width) = kind.split_at_checked(1)?;
    let width = match (order, width) {
        ("<" | "|", "1") => 1,
        ("<", "2") => 2,
        ("<", "4") => 4,
        ("<", "8") => 8,
        _ => return None,
    };
    match sign {
        "i" => Some((true, width)),
        "u" => Some((false, width)),
        _ => None,
    }
}

/// Returns the two numbers of the shape; `None` if the shape has another number of dimensions.
fn shape(header: &str) -> Option<[usize; 2]> {
    let inside = field(header, "shape")?.strip_prefix('(')?;
    let (inside, _) = inside.split_once(')')?;
    let numbers: Vec<usize> = inside
        .split(',')
        .map(str::trim)
        .filter(|number| !number.is_empty())
        .map(|number| number.parse().ok())
        .collect::<Option<_>>()?;
    numbers.try_into().ok()
}

/// Returns the number in up to eight bytes, the lowest first; −1 means no result. A number that
/// does not fit is not an element in any case.
fn number(bytes: &[u8], signed: bool) -> Option<i64> {
    let negative = signed && bytes.last().is_some_and(|byte| *byte >= 0x80);
    let mut padded = [if negative { 0xff } else { 0 }; 8];
    for (place, byte) in padded.iter_mut().zip(bytes) {
        *place = *byte;
    }
    match i64::from_le_bytes(padded) {
        -1 if negative => None,
        number if signed => Some(number),
        number => Some(if number < 0 { i64::MAX } else { number }),
    }
}
