//! What the run's logs say of cells whose training has ended: device and pace.
//!
//! A state is byte for byte the same however often the run was stopped, so it cannot hold wall
//! times; the summary, which does, is written after it. The line [`ENDS`] is logged before the
//! state is saved: where a kill falls between state and summary, the summary is filled from it. Of
//! a cell that comes from another run by merging it is logged too. Knows no other line.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;

use grokrun_store::{CellSummary, open_file};
use serde::Deserialize;

/// The message of the line that tells of a cell's end.
pub(crate) const ENDS: &str = "cell ends";

/// Logs how a cell was trained, if all of it is known.
pub(crate) fn log(epoch: u64, recorded: &CellSummary) {
    let (Some(device), Some(seconds), Some(epochs_per_second)) = (
        &recorded.device,
        recorded.seconds,
        recorded.epochs_per_second,
    ) else {
        return;
    };
    let (cell, verdict) = (&recorded.cell, &recorded.verdict);
    tracing::info!(
        cell,
        epoch,
        verdict,
        device,
        seconds,
        epochs_per_second,
        "{ENDS}"
    );
}

/// How a cell was trained in the session that ended its training.
#[derive(Clone, Debug, Deserialize, PartialEq)]
struct End {
    cell: String,
    /// in steps, as its state has it
    epoch: u64,
    device: String,
    seconds: f64,
    epochs_per_second: f64,
}

/// A line of a log, as far as it matters here.
#[derive(Deserialize)]
struct Line {
    timestamp: String,
    fields: End,
}

/// The ends of cells, by cell; of several the latest.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    ends: BTreeMap<String, (String, End)>,
}

impl Journal {
    /// Reads these logs. A log is no result: what cannot be read of one is left out.
    pub(crate) fn read(logs: &[PathBuf]) -> Journal {
        let mut journal = Journal::default();
        for path in logs {
            if let Ok(file) = open_file(path) {
                journal.take(BufReader::new(file));
            }
        }
        journal
    }

    fn take(&mut self, log: impl BufRead) {
        // Bytes rather than text: a damaged line takes only itself with it.
        for line in log.split(b'\n').map_while(Result::ok) {
            let Ok(text) = std::str::from_utf8(&line) else {
                continue;
            };
            if !text.contains(ENDS) {
                continue;
            }
            let Ok(Line { timestamp, fields }) = serde_json::from_str(text) else {
                continue;
            };
            let earlier = self.ends.get(&fields.cell);
            if earlier.is_none_or(|(at, _)| *at <= timestamp) {
                self.ends.insert(fields.cell.clone(), (timestamp, fields));
            }
        }
    }

    fn end(&self, cell: &str, epoch: u64) -> Option<&End> {
        let (_, end) = self.ends.get(cell)?;
        (end.epoch == epoch).then_some(end)
    }

    /// Whether it tells of this cell after `epoch` steps.
    pub(crate) fn tells(&self, cell: &str, epoch: u64) -> bool {
        self.end(cell, epoch).is_some()
    }

    /// Fills in what is known of a cell whose state has taken `epoch` steps.
    pub(crate) fn fill(&self, epoch: u64, recorded: &mut CellSummary) {
        if let Some(end) = self.end(&recorded.cell, epoch) {
            recorded.device = Some(end.device.clone());
            recorded.seconds = Some(end.seconds);
            recorded.epochs_per_second = Some(end.epochs_per_second);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use grokrun_store::Metrics;

    fn line(at: &str, cell: &str, epoch: u64, seconds: f64) -> String {
        format!(
            r#"{{"timestamp":"{at}","level":"INFO","fields":{{"message":"{ENDS}","cell":"{cell}","epoch":{epoch},"device":"CPU, 2 threads","seconds":{seconds},"epochs_per_second":10.0}},"target":"t"}}"#
        )
    }

    #[test]
    fn the_latest_end_counts_and_only_for_the_state_it_tells_of() {
        let mut journal = Journal::default();
        let log = [
            line("2026-01-01T00:00:02Z", "a", 300, 2.0),
            line("2026-01-01T00:00:01Z", "a", 300, 1.0),
            r#"{"timestamp":"x","fields":{"message":"cell ends","cell":"b"}}"#.to_owned(),
            line("2026-01-01T00:00:03Z", "b", 100, 3.0)[..60].to_owned(),
        ]
        .join("\n");
        journal.take(log.as_bytes());
        let recorded = |cell: &str, epoch| {
            let mut recorded = CellSummary::new(cell, "finished", &Metrics::default());
            journal.fill(epoch, &mut recorded);
            (recorded.seconds, recorded.device)
        };
        assert_eq!(
            recorded("a", 300),
            (Some(2.0), Some("CPU, 2 threads".to_owned()))
        );
        assert_eq!(recorded("a", 400), (None, None), "of another state");
        assert_eq!(recorded("b", 100), (None, None), "a line that is cut off");
    }
}
