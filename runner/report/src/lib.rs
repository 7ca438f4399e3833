//! Makes `report.html` of a run directory: one file that opens offline and shows whether and how a
//! model grokked.
//!
//! Owns the page, its figures and its words. Reads what the store keeps, and the claims of the spec
//! as the claims crate judges them; knows nothing of devices and plugins. Figures are Plotly's
//! JSON, drawn by Plotly's own bundle (vendored, MIT). Text is escaped by the template, and data
//! stands in a script of type JSON in which no `<` is left, so that nothing in a spec, a plugin or
//! a note becomes markup.
//!
//! A file that is damaged, or belongs to another cell, is left out: the page says so, and so does
//! the result.

pub mod assets;
mod axes;
mod claims;
mod components;
mod curves;
mod facts;
mod gather;
mod groups;
pub mod live;
mod numbers;
mod order;
mod overlay;
mod pack;
mod page;
mod phase_map;
mod phases;
mod picture;
mod provenance;
mod story;
mod survival;
mod texts;
mod unshown;

use std::path::{Path, PathBuf};

use askama::Template;
use grokrun_store::{Output, RunView, StoreError};

use crate::gather::Flaws;

/// Says why there is no report.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// the run directory cannot be used
    #[error(transparent)]
    Store(#[from] StoreError),
    /// a picture cannot be written
    #[error("{} cannot be written: {_1}", _0.display())]
    Picture(PathBuf, std::io::Error),
    /// the template failed
    #[error("the report cannot be written: {0}")]
    Template(#[from] askama::Error),
}

/// A report, and the flaws of the runs: files that are damaged, or belong to another cell, and are
/// not in it, each with what to do.
#[derive(Debug)]
pub struct Made<T> {
    /// the report, or its path
    pub what: T,
    /// the flaws, in sentences
    pub flaws: Vec<String>,
}

/// Lists the figures of a run that were drawn as pictures.
#[derive(Debug)]
pub struct Pictures {
    /// the files
    pub files: Vec<PathBuf>,
    /// figures that could not be drawn
    pub left_out: Vec<String>,
}

/// Writes the report of the run in this folder, whatever its state, and returns its path. While a
/// process writes the run, the report says that training goes on.
///
/// # Errors
/// If the folder holds no run, or cannot be read or written.
pub fn write(run: &Path) -> Result<Made<PathBuf>, ReportError> {
    written(run, false)
}

/// Writes the report at the end of a session, for the process that still holds the run's lock: the
/// report says that training has ended.
///
/// # Errors
/// If the folder holds no run, or cannot be read or written.
pub fn write_ended(run: &Path) -> Result<Made<PathBuf>, ReportError> {
    written(run, true)
}

fn written(run: &Path, ended: bool) -> Result<Made<PathBuf>, ReportError> {
    let view = RunView::open(run)?;
    let Made { what, flaws } = page(std::slice::from_ref(&view), ended)?;
    let what = view.write_report(&what)?;
    Ok(Made { what, flaws })
}

fn page(views: &[RunView], ended: bool) -> Result<Made<String>, ReportError> {
    let names = gather::labels(views);
    let mut flaws = Flaws::default();
    let gathered = gather::gather(views, ended, &mut flaws)?;
    let about = page::About {
        claims: claims::claims(views, &names, &mut flaws),
        sweep: gather::sweep(views, &mut flaws),
        provenance: provenance::provenance(views, &names, &gathered, &mut flaws),
    };
    let what = page::Page::of(&names, &gathered, about, &mut flaws).render()?;
    let Flaws(flaws) = flaws;
    Ok(Made { what, flaws })
}

/// Writes every figure of the run in this folder to `folder` as SVG: the curves of each cell, and
/// those of its analyses with their last frame.
///
/// # Errors
/// If the folder holds no run or cannot be read, or a file cannot be written.
pub fn pictures(run: &Path, folder: &Path) -> Result<Made<Pictures>, ReportError> {
    let view = RunView::open(run)?;
    let (mut files, mut left_out, mut flaws) = (Vec::new(), Vec::new(), Flaws::default());
    let gathered = gather::gather(std::slice::from_ref(&view), false, &mut flaws)?;
    for (name, figure) in page::figures(&gathered, &mut flaws) {
        let Some(svg) = picture::svg(&figure) else {
            left_out.push(name);
            continue;
        };
        let path = folder.join(format!("{name}.svg"));
        path.parent()
            .map_or(Ok(()), std::fs::create_dir_all)
            .map_err(|error| ReportError::Picture(path.clone(), error))?;
        Output::write(&path, svg.as_bytes())?;
        files.push(path);
    }
    let Flaws(flaws) = flaws;
    let what = Pictures { files, left_out };
    Ok(Made { what, flaws })
}

/// Makes one page of the cells of several runs.
///
/// # Errors
/// If a folder holds no run, or cannot be read.
pub fn compare(runs: &[PathBuf]) -> Result<Made<String>, ReportError> {
    let views = runs
        .iter()
        .map(|run| RunView::open(run))
        .collect::<Result<Vec<_>, _>>()?;
    page(&views, false)
}
