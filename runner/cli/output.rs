//! What is printed: results on standard output, errors on standard error, and exit statuses.

use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

use grokrun_session::SessionError;

/// Why a command did not do what it was asked to.
pub(crate) struct Failure {
    /// the exit status: 1 failed while running, 2 the request was wrong
    status: u8,
    /// for the person who asked; may have several lines
    message: String,
}

impl Failure {
    /// The request was wrong.
    pub(crate) fn request(message: impl Display) -> Failure {
        Failure {
            status: 2,
            message: message.to_string(),
        }
    }

    /// Something failed on the way.
    pub(crate) fn running(message: impl Display) -> Failure {
        Failure {
            status: 1,
            message: message.to_string(),
        }
    }

    /// Prints the message; the status to exit with.
    pub(crate) fn report(self) -> ExitCode {
        // Diagnostics of a spec come rendered, each with its own "error:".
        let rendered = self.message.starts_with("error") || self.message.starts_with('\u{1b}');
        let prefix = if rendered { "" } else { "error: " };
        // Where standard error is closed there is nobody left to tell.
        let _ = writeln!(io::stderr(), "{prefix}{}", self.message.trim_end());
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

/// Says a line on standard error, while a run goes on. Where nobody can hear it, the run goes on
/// too.
pub(crate) fn say(line: impl Display) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Prints a result. A reader that has gone away (`| head`) is not an error.
///
/// # Errors
/// When standard output cannot be written, a full disk for instance.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::running(format!(
            "standard output cannot be written: {error}"
        ))),
        _ => Ok(()),
    }
}

/// Columns, each as wide as its widest entry, the first row a heading.
pub(crate) fn table(rows: &[Vec<String>]) -> String {
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
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(&format!("{cell:width$}  "));
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}
