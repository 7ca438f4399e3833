//! The cells of a run with their settings, and the table of them that a run keeps.

use grokrun_store::{CellSummary, RunDir, RunView};
use grokrun_sweeps::Place;
use serde_json::Value;

use crate::SessionError;

/// The `config.json` of each of these cells; null where it cannot be read, which is logged.
pub fn settings_of(run: &RunView, cells: &[CellSummary]) -> Vec<Value> {
    let config = |told: &CellSummary| {
        let read = run.cell(&told.cell).map(|dir| dir.read_config_json());
        match read.transpose() {
            Ok(config) => config.flatten().unwrap_or_default(),
            Err(error) => {
                tracing::warn!(cell = told.cell, %error, "its settings are not known");
                Value::Null
            }
        }
    };
    cells.iter().map(config).collect()
}

/// Writes `cells.parquet`: what the summary tells of each cell, with its settings.
///
/// # Errors
/// The summary cannot be read, or the disk is full or cannot be written.
pub fn write_cells(run: &RunDir) -> Result<(), SessionError> {
    let cells = run.read_summary()?.unwrap_or_default().cells;
    let configs = settings_of(&RunView::open(run.path())?, &cells);
    let settings = grokrun_sweeps::settings(&configs.iter().collect::<Vec<_>>());
    let columns: Vec<(String, Vec<Place>)> = settings
        .iter()
        .map(|axis| {
            (
                axis.key.clone(),
                configs.iter().map(|c| axis.of(c)).collect(),
            )
        })
        .collect();
    Ok(run.write_cells(&cells, &columns)?)
}
