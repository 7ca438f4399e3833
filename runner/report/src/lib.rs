//! `report.html` of a run directory: one file that opens offline, in which to see whether and how a
//! model grokked.
//!
//! Reads what the store keeps and nothing else: it needs no device and no plugin. Figures are
//! Plotly's JSON, drawn by Plotly's own bundle (vendored, MIT); text is escaped by the template,
//! and data stands in a script of type JSON in which no `<` is left, so that nothing a spec, a
//! plugin or a note says becomes markup.

mod curves;
mod facts;
mod gather;
mod groups;
mod numbers;
mod pack;
mod page;
mod phases;
mod picture;
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
    /// a picture
    #[error("{} cannot be written: {_1}", _0.display())]
    Picture(PathBuf, std::io::Error),
    /// the template
    #[error("the report cannot be written: {0}")]
    Template(#[from] askama::Error),
}

/// Writes the report of the run in this folder, whatever state it is in; returns where it is. While
/// a process writes the run, the report says that training goes on.
///
/// # Errors
/// When the folder holds no run, or cannot be read or written.
pub fn write(run: &Path) -> Result<PathBuf, ReportError> {
    written(run, false)
}

/// The same at the end of a session, for the process that still holds the run's lock: nothing goes
/// on.
///
/// # Errors
/// When the folder holds no run, or cannot be read or written.
pub fn write_ended(run: &Path) -> Result<PathBuf, ReportError> {
    written(run, true)
}

fn written(run: &Path, ended: bool) -> Result<PathBuf, ReportError> {
    let view = RunView::open(run)?;
    let page = page(std::slice::from_ref(&view), ended)?;
    Ok(view.write_report(&page)?)
}

fn page(views: &[RunView], ended: bool) -> Result<String, ReportError> {
    let names = gather::labels(views);
    let gathered = gather::gather(views, ended)?;
    Ok(page::Page::of(&names, &gathered).render()?)
}

/// Writes every figure of the run in this folder to `folder` as SVG: the curves of each cell, and
/// those of its analyses as they stand at the end. Returns the files, and the figures that could
/// not be drawn.
///
/// # Errors
/// When the folder holds no run or cannot be read, or a file cannot be written.
pub fn pictures(run: &Path, folder: &Path) -> Result<(Vec<PathBuf>, Vec<String>), ReportError> {
    let view = RunView::open(run)?;
    let (mut files, mut left_out) = (Vec::new(), Vec::new());
    let gathered = gather::gather(std::slice::from_ref(&view), false)?;
    for (name, figure) in page::figures(&gathered) {
        let Some(svg) = picture::svg(&figure) else {
            left_out.push(name);
            continue;
        };
        let path = folder.join(format!("{name}.svg"));
        let written = path.parent().map_or(Ok(()), std::fs::create_dir_all);
        written
            .and_then(|()| std::fs::write(&path, svg))
            .map_err(|error| ReportError::Picture(path.clone(), error))?;
        files.push(path);
    }
    Ok((files, left_out))
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
    page(&views, false)
}
