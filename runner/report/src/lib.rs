//! `report.html` of a run directory: one file that opens offline, in which to see whether and how a
//! model grokked.
//!
//! Reads what the store keeps and nothing else: it needs no device and no plugin. Figures are Plotly's
//! JSON, drawn by Plotly's own bundle (vendored, MIT); text is escaped by the template, and data stands
//! in a script of type JSON in which no `<` is left, so that nothing a spec, a plugin or a note says
//! becomes markup.

mod curves;
mod numbers;
mod page;
mod story;

use std::path::{Path, PathBuf};

use askama::Template;
use grokrun_store::{RunView, StoreError};

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// the run directory
    #[error(transparent)]
    Store(#[from] StoreError),
    /// the template
    #[error("the report cannot be written: {0}")]
    Template(#[from] askama::Error),
}

/// Writes the report of the run in this folder, whatever state it is in; returns where it is.
///
/// # Errors
/// When the folder holds no run, or cannot be read or written.
pub fn write(run: &Path) -> Result<PathBuf, ReportError> {
    let view = RunView::open(run)?;
    let page = page::Page::of(std::slice::from_ref(&view))?;
    Ok(view.write_report(&page.render()?)?)
}

/// One page of the cells of several runs.
///
/// # Errors
/// When a folder holds no run, or cannot be read.
pub fn compare(runs: &[PathBuf]) -> Result<String, ReportError> {
    let views = runs
        .iter()
        .map(|run| RunView::open(run))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(page::Page::of(&views)?.render()?)
}
