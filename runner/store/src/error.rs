//! What can go wrong with files, told so that the reader knows what to do.

use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};

/// An error of the run directory: its kind, the path it is about, and one sentence that names the
/// path, the cause and the remedy.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct StoreError {
    kind: ErrorKind,
    path: PathBuf,
    message: String,
}

/// What kind of thing went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A name that cannot name a folder.
    BadName,
    /// Something that is not a run directory is where the run directory should be.
    NotARun,
    /// The directory holds the run of another spec.
    OtherSpec,
    /// The directory was written by a newer grokrun.
    NewerFormat,
    /// The output folder cannot be created or written.
    Unwritable,
    /// Another process writes the run.
    Busy,
    /// A file is truncated, altered, or belongs to something else.
    Altered,
    /// A checkpoint, or a file of findings, that does not exist was asked for.
    Missing,
    /// What was to be written cannot be written in this format.
    Unstorable,
    /// The disk is full, or the system refused to read or write.
    Io,
}

/// Where an altered or missing checkpoint comes from is unknown, so nothing is deleted unasked.
pub(crate) const START_OVER: &str = "restore it from a copy, or delete the cell's state.safetensors to train that cell again from the \
     start, or start the whole run over with `grokrun SPEC --fresh` (an imported run: import it again with --force)";
/// The same of a state.
pub(crate) const TRAIN_AGAIN: &str = "restore it from a copy, or delete the file to train this cell again \
     from the start, or start the whole run over with `grokrun SPEC --fresh` (an imported run: import it again with --force)";
/// Of what describes a cell.
pub(crate) const WRITTEN_AGAIN: &str =
    "`grokrun SPEC` writes it again (an imported run: import it again with --force)";

impl StoreError {
    pub(crate) fn new(kind: ErrorKind, path: &Path, message: impl Into<String>) -> Self {
        StoreError {
            kind,
            path: path.to_owned(),
            message: message.into(),
        }
    }

    /// A system call failed: `what` is a verb phrase that ends before the path ("cannot write").
    pub(crate) fn io(what: &str, path: &Path, error: &io::Error) -> Self {
        let remedy = match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                "; free some space and run the same command again: it continues"
            }
            io::ErrorKind::PermissionDenied => {
                "; check the permissions of the folder and its files"
            }
            io::ErrorKind::ReadOnlyFilesystem => "; use --out with a folder on a writable disk",
            io::ErrorKind::NotFound => "; the folder was moved or deleted meanwhile",
            _ => "",
        };
        Self::new(
            ErrorKind::Io,
            path,
            format!("{what} {}: {error}{remedy}", path.display()),
        )
    }

    /// The same failure while the output folder is being prepared: unless the disk is full, it is
    /// the folder that was badly chosen.
    pub(crate) fn unwritable(what: &str, path: &Path, error: &io::Error) -> Self {
        if matches!(
            error.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
        ) {
            return Self::io(what, path, error);
        }
        let message = format!(
            "{what} {}: {error}; use --out with a folder that can be written",
            path.display()
        );
        Self::new(ErrorKind::Unwritable, path, message)
    }

    /// A file is not what was written.
    pub(crate) fn altered(path: &Path, why: impl Display, remedy: &str) -> Self {
        let message = format!("{} is damaged: {why}; {remedy}", path.display());
        Self::new(ErrorKind::Altered, path, message)
    }

    /// A file is whole, but another's than the one of its place.
    pub(crate) fn misplaced(path: &Path, why: impl Display, remedy: &str) -> Self {
        let message = format!(
            "{} is not where it belongs: {why}; {remedy}",
            path.display()
        );
        Self::new(ErrorKind::Altered, path, message)
    }

    /// The same error, met on the way to another file.
    pub(crate) fn needed_by(self, path: &Path) -> Self {
        let name = path.file_name().unwrap_or_default().display();
        let message = format!("{}; {name} is unpacked by it", self.message);
        StoreError { message, ..self }
    }

    /// What kind of thing went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The file or folder it is about.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether what was asked for cannot be done (exit status 2; nothing was changed), rather than
    /// something failed on the way (exit status 1).
    pub fn is_request(&self) -> bool {
        match self.kind {
            ErrorKind::BadName
            | ErrorKind::NotARun
            | ErrorKind::OtherSpec
            | ErrorKind::NewerFormat
            | ErrorKind::Unwritable
            | ErrorKind::Busy => true,
            ErrorKind::Altered | ErrorKind::Missing | ErrorKind::Unstorable | ErrorKind::Io => {
                false
            }
        }
    }
}
