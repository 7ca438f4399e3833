//! The cells of a run with their settings, and the table of them that a run keeps.

use grokrun_store::{CellSummary, RunDir, RunView};
use grokrun_sweeps::Place;
use serde_json::Value;

use crate::SessionError;

/// The `config.json` of each of these cells; null where it cannot be read, which is logged.
pub fn settings_of(run: &RunView, cells: &[CellSummary]) -> Vec<Value> {
    let config = |recorded: &CellSummary| {
        let read = run.cell(&recorded.cell).map(|dir| dir.read_config_json());
        match read.transpose() {
            Ok(config) => config.flatten().unwrap_or_default(),
            Err(error) => {
                tracing::warn!(cell = recorded.cell, %error, "its settings are not known");
                Value::Null
            }
        }
    };
    cells.iter().map(config).collect()
}

/// Writes `cells.parquet`: what the summary tells of each cell, with its settings. Where another
/// process has written the summary meanwhile, the table is written again.
///
/// # Errors
/// The summary cannot be read, or the disk is full or cannot be written.
pub fn write_cells(run: &RunDir) -> Result<(), SessionError> {
    let mut summary = run.read_summary()?.unwrap_or_default();
    loop {
        let cells = &summary.cells;
        let configs = settings_of(&RunView::open(run.path())?, cells);
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
        run.write_cells(cells, &columns)?;
        let now = run.read_summary()?.unwrap_or_default();
        // NaN is not equal to itself: what the table has of a cell is compared.
        let recorded = |cells: &[CellSummary]| -> Vec<(String, String, u64)> {
            let one = |cell: &CellSummary| (cell.cell.clone(), cell.status.clone(), cell.epochs);
            cells.iter().map(one).collect()
        };
        if recorded(&now.cells) == recorded(&summary.cells) {
            return Ok(());
        }
        summary = now;
    }
}
