//! Loads analyses from shared libraries. The exports of a file are looked up before it is opened,
//! its entries are checked before any function in them is called, and the library is never closed.

#![expect(
    unsafe_code,
    reason = "shared libraries and the C ABI: each place says why it holds"
)]

mod call;
mod callbacks;
mod calls;
mod ends;
mod entry;
mod inspect;
#[cfg(test)]
mod tests;

use std::env::consts::DLL_PREFIX;
use std::error::Error;
use std::path::{Path, PathBuf};

use grokrun_api::abi::{ENTRY_PREFIX, Entry};
use grokrun_api::{Failure, Instance, SweepCell, Task};
use serde_json::{Map, Value};

pub(crate) use callbacks::{emit, listening, relay_log};
pub(crate) use calls::{Call, begin_in_memory};
pub use calls::{CallNotes, calls_left_in, take_calls_left_in};
pub use ends::Ending;
#[cfg(unix)]
pub(crate) use ends::{empty_input, ignore_requests_to_end, leave};
pub(crate) use ends::{expect_libraries, watch};
pub use inspect::exports;
pub(crate) use inspect::why_no_plugin;

#[cfg(test)]
pub(crate) use calls::each as each_call;

use crate::described::Described;

/// Says why a file's analyses cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {why}", path.display())]
pub struct LoadError {
    /// the file
    pub path: PathBuf,
    /// a sentence fragment: what is wrong, and what to do
    pub why: String,
}

/// An analysis in a shared library.
#[derive(Clone, Debug)]
pub struct LoadedAnalysis {
    /// its description
    pub about: Described,
    library: PathBuf,
    entry: CheckedEntry,
    index: u32,
}

/// An entry that passed the checks, complete to the fields of minor 0.
#[derive(Clone, Copy)]
pub(crate) struct CheckedEntry(Entry);

impl std::fmt::Debug for CheckedEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CheckedEntry")
    }
}

impl LoadedAnalysis {
    /// Names the analysis and where it is from.
    fn words(&self) -> String {
        format!("analysis {} of {}", self.about.name, self.library.display())
    }

    /// Checks parameters.
    ///
    /// # Errors
    /// The first parameter that the analysis refuses.
    pub fn check(&self, parameters: &Map<String, Value>) -> Result<(), Failure> {
        call::check(self, parameters)
    }

    /// Starts the analysis on a cell.
    ///
    /// # Errors
    /// If the analysis refuses the parameters or the task.
    pub fn create(
        &self,
        parameters: &Map<String, Value>,
        task: &Task,
    ) -> Result<Box<dyn Instance>, Failure> {
        call::create(self, parameters, task)
    }

    /// Starts the analysis on a sweep.
    ///
    /// # Errors
    /// If the analysis refuses the parameters or the sweep.
    pub fn create_sweep(
        &self,
        parameters: &Map<String, Value>,
        cells: &[SweepCell],
    ) -> Result<Box<dyn Instance>, Failure> {
        call::create_sweep(self, parameters, cells)
    }
}

/// Selects the file's own entry: a plugin that depends on another exports that one's entry too; its
/// own has the name of the file.
fn own(symbols: Vec<String>, path: &Path) -> Vec<String> {
    let stem = path
        .file_stem()
        .and_then(|stem| stem.to_str())
        .unwrap_or_default();
    let stem = stem.strip_prefix(DLL_PREFIX).unwrap_or(stem);
    let named = |symbol: &String| symbol.strip_prefix(ENTRY_PREFIX) == Some(stem);
    match symbols.iter().find(|symbol| named(symbol)) {
        Some(own) => vec![own.clone()],
        None => symbols,
    }
}

/// Opens a library and describes its analyses; none if it is no plugin.
///
/// # Errors
/// If the file cannot be read or opened, or an entry does not fit this host.
pub fn open(path: &Path) -> Result<Vec<LoadedAnalysis>, LoadError> {
    let failed = |why: String| LoadError {
        path: path.to_owned(),
        why,
    };
    let symbols = inspect::exports(path).map_err(failed)?;
    if symbols.is_empty() {
        return Ok(Vec::new());
    }
    let absolute = std::path::absolute(path).map_err(|e| failed(e.to_string()))?;
    let opening = calls::begin(&format!("the opening of {}", absolute.display()));
    // SAFETY: opening runs the library's constructors. It was found to export a plugin's entry;
    // that its constructors are harmless is what whoever put it there vouches for.
    let library = unsafe { libloading::Library::new(&absolute) }
        .map_err(|error| failed(format!("cannot be opened: {}", with_source(&error))))?;
    drop(opening);
    // Never closed: threads and pointers of the plugin may outlive every use of it.
    let library: &'static libloading::Library = Box::leak(Box::new(library));
    let mut all = Vec::new();
    for symbol in own(symbols, path) {
        // SAFETY: the symbol is a static; only its address is taken here, and nothing is read.
        let entry = unsafe { library.get::<*const Entry>(symbol.as_bytes()) }.map_err(|error| {
            failed(format!(
                "has no {symbol} after all: {}",
                with_source(&error)
            ))
        })?;
        // SAFETY: the address is that of the static, in a library that stays open.
        let entry = unsafe { entry::check(entry.try_as_raw_ptr().unwrap_or_default().cast()) };
        let entry = entry.map_err(failed)?;
        all.extend(call::describe_all(entry, &absolute).map_err(failed)?);
    }
    Ok(all)
}

/// Joins an error with its causes: for a library that cannot be opened, the system's reason.
fn with_source(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}
