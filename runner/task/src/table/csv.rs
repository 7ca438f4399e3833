//! Reads numbers from the text of a table: lines of cells with commas between them.

use super::{Grid, Place, TableError};

/// Reads all cells. A first line that begins with a word names three columns.
pub(super) fn grid(bytes: &[u8]) -> Result<Grid, TableError> {
    let text = text(bytes)?;
    let mut lines = (1..)
        .zip(text.lines())
        .filter(|(_, line)| !line.trim().is_empty())
        .peekable();
    let named_columns = lines.next_if(|(_, line)| is_header(line)).is_some();
    let mut columns = if named_columns { 3 } else { 0 };
    let (mut values, mut numbers) = (Vec::new(), Vec::new());
    for (number, line) in lines {
        let before = values.len();
        for (column, cell) in (1..).zip(line.split(',')) {
            values.push(value(cell, Place::Cell(number, column))?);
        }
        let found = values.len() - before;
        if columns == 0 {
            columns = found;
        }
        if found != columns {
            let message = format!("{found} cell{}", if found == 1 { "" } else { "s" });
            let expected = if named_columns {
                "3, as the line of names has".to_owned()
            } else {
                format!("{columns}, as the first line has, with commas between them")
            };
            return Err(TableError::new(Place::Line(number), message, expected));
        }
        numbers.push(number);
    }
    Ok(Grid {
        columns,
        values,
        named_columns,
        place: Box::new(move |row, column| match numbers.get(row) {
            Some(line) => Place::Cell(*line, column + 1),
            None => Place::File,
        }),
    })
}

fn text(bytes: &[u8]) -> Result<&str, TableError> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let lines = bytes[..error.valid_up_to()].iter();
        let line = lines.filter(|byte| **byte == b'\n').count() + 1;
        let expected = "a text in UTF-8, or an array that NumPy wrote";
        TableError::new(Place::Line(line), "the table is no text", expected)
    })?;
    // Some spreadsheets begin their files with this character.
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

/// Returns whether a line names the columns: three cells that begin with a letter.
fn is_header(line: &str) -> bool {
    let mut cells = line.split(',');
    cells.clone().count() == 3
        && cells.all(|cell| {
            cell.trim()
                .trim_start_matches('"')
                .starts_with(char::is_alphabetic)
        })
}

fn value(cell: &str, place: Place) -> Result<Option<i64>, TableError> {
    let cell = cell.trim();
    if cell.is_empty() {
        return Ok(None);
    }
    cell.parse().map(Some).map_err(|_| {
        let shown: String = cell.chars().take(20).collect();
        let expected = if cell.contains([';', '\t', ' ']) {
            "an integer, and commas between the cells"
        } else {
            "an integer; only a table of three columns may begin with a line of names"
        };
        let message = format!("`{}` is no integer", shown.escape_debug());
        TableError::new(place, message, expected)
    })
}
