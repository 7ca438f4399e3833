//! Prints results on standard output and errors on standard error, and chooses the exit status.

use std::borrow::Cow;
use std::fmt::Display;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use grokrun_session::SessionError;
use grokrun_store::{ErrorKind, StoreError, is_stream};

use crate::visible::{coloured, in_line, visible};

/// Says why a command did not do what it was asked to.
pub(crate) struct Failure {
    /// the exit status: 1 failed while running, 2 the request was wrong
    status: u8,
    /// the message for the user; may have several lines
    message: String,
    /// whether it holds colours of our own renderer
    coloured: bool,
}

impl Failure {
    /// Reports that the request was wrong.
    pub(crate) fn request(message: impl Display) -> Failure {
        Failure {
            status: 2,
            message: message.to_string(),
            coloured: false,
        }
    }

    /// Reports that something failed on the way.
    pub(crate) fn running(message: impl Display) -> Failure {
        Failure {
            status: 1,
            message: message.to_string(),
            coloured: false,
        }
    }

    /// Reports that the request was wrong, with diagnostics that are rendered for a terminal.
    pub(crate) fn diagnosed(rendered: String) -> Failure {
        Failure {
            coloured: true,
            ..Failure::request(rendered)
        }
    }

    /// Reports a run directory that cannot be used, with how to name another one to this command.
    pub(crate) fn of_place(error: StoreError, another: &str) -> Failure {
        let occupied = matches!(
            error.kind(),
            ErrorKind::Busy | ErrorKind::NotARun | ErrorKind::OtherSpec | ErrorKind::NewerFormat
        );
        let mut failure = Failure::from(error);
        if occupied {
            failure.message = format!("{}; {another}", failure.message);
        }
        failure
    }

    /// Prints the message and returns the exit status.
    pub(crate) fn report(self) -> ExitCode {
        // Diagnostics of a spec are rendered already, each with its own "error:".
        let rendered = self.coloured || self.message.starts_with("error");
        let prefix = if rendered { "" } else { "error: " };
        let message = if self.coloured {
            coloured(&self.message)
        } else {
            visible(&self.message)
        };
        // If standard error is closed nobody can read the message.
        let _ = writeln!(io::stderr(), "{prefix}{}", message.trim_end());
        ExitCode::from(self.status)
    }
}

impl From<SessionError> for Failure {
    fn from(error: SessionError) -> Failure {
        if error.is_request() {
            Failure::request(error)
        } else {
            Failure::running(error)
        }
    }
}

/// Prints a line on standard error while a run goes on. If that fails, the run goes on too.
pub(crate) fn say(line: impl Display) {
    let _ = writeln!(io::stderr(), "{}", visible(&line.to_string()));
}

/// Reports which files of a run are damaged, or belong to another cell; returns the status of a
/// command that shows the rest.
///
/// # Errors
/// None: commands that show a run end with this value.
pub(crate) fn whole(flaws: &[String]) -> Result<ExitCode, Failure> {
    for flaw in flaws {
        say(format!("error: {flaw}"));
    }
    Ok(if flaws.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Prints a result. A reader that has gone away (`| head`) is not an error.
///
/// # Errors
/// If standard output cannot be written, for instance since a disk is full.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    match io::stdout().write_all(visible(text).as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::running(format!(
            "standard output cannot be written: {error}"
        ))),
        _ => Ok(()),
    }
}

/// Prints the path of a file that was written. If the file is standard output itself, or a pipe,
/// nothing may follow it there, so the path goes to standard error.
///
/// # Errors
/// Those of [`print()`].
pub(crate) fn written(path: &Path) -> Result<(), Failure> {
    if is_stream(path) {
        say(format!("written to {}", path.display()))
    } else {
        print(&format!("{}\n", path.display()))?
    }
    Ok(())
}

/// Formats columns, each as wide as its widest entry; the first row is a heading.
pub(crate) fn table(rows: &[Vec<String>]) -> String {
    let rows: Vec<Vec<Cow<'_, str>>> = rows
        .iter()
        .map(|row| row.iter().map(|cell| in_line(cell)).collect())
        .collect();
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut out = String::new();
    for row in &rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(&format!("{cell:width$}  "));
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// Breaks a text between words into lines of so many columns; a longer word has a line of its own.
pub(crate) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_broken_between_words() {
        assert_eq!(wrapped("one two  three", 7), ["one two", "three"]);
        assert_eq!(wrapped("seventeen it is", 5), ["seventeen", "it is"]);
        assert!(wrapped(" ", 5).is_empty());
    }

    #[test]
    fn a_cell_of_a_table_stays_on_its_line_and_in_its_column() {
        let row = |cells: [&str; 2]| cells.map(str::to_owned).to_vec();
        let text = table(&[row(["run", "verdict"]), row(["a\nb", "\u{1b}[2Jgrokked"])]);
        assert_eq!(text, "run   verdict\na\\nb  \\u{1b}[2Jgrokked\n");
    }
}
