//! What has become of a cell, as it is saved in its state and told in the summary.

use grokrun_store::{CellSummary, Metrics};
use serde_json::{Value, json};

/// Where a cell's training stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// epochs are left
    Training,
    /// all epochs are done
    Finished,
    /// the spec's rule for an early stop was met
    StoppedEarly,
    /// a loss was not a finite number
    Failed,
}

impl Status {
    const ALL: [Status; 4] = [
        Status::Training,
        Status::Finished,
        Status::StoppedEarly,
        Status::Failed,
    ];

    /// In the summary; a cell that is still training when a session ends was interrupted.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Status::Training => "interrupted",
            Status::Finished => "finished",
            Status::StoppedEarly => "stopped early",
            Status::Failed => "failed",
        }
    }

    /// What a word of the summary says; none where it is another's, of an import for instance.
    pub(crate) fn of_word(word: &str) -> Option<Status> {
        Status::ALL.into_iter().find(|status| status.word() == word)
    }

    /// Whether a word of the summary says that nothing of the cell is left to train.
    pub(crate) fn is_end(word: &str) -> bool {
        word != Status::Training.word()
    }

    /// As it is saved.
    pub(crate) fn to_json(self) -> Value {
        json!({ "status": self.word() })
    }

    /// What was saved; the state's checksum has been verified, so an unknown word comes from
    /// another program.
    pub(crate) fn from_json(saved: &Value) -> Result<Status, String> {
        let word = saved["status"].as_str().unwrap_or_default();
        Status::of_word(word).ok_or_else(|| format!("its status is {}", saved["status"]))
    }
}

/// Sums up a cell.
pub(crate) fn summarize(
    id: &str,
    status: Status,
    metrics: &Metrics,
    seconds: Option<f64>,
    device: Option<String>,
) -> CellSummary {
    let mut summary = CellSummary::new(id, status.word(), metrics);
    if status == Status::Failed {
        let last = metrics.len().saturating_sub(1);
        summary.verdict = format!("failed: the loss of epoch {last} is not a finite number");
    }
    CellSummary {
        seconds,
        device,
        ..summary
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_comes_back_and_an_unknown_one_is_refused() {
        for status in Status::ALL {
            assert_eq!(Status::from_json(&status.to_json()), Ok(status));
        }
        assert!(
            Status::from_json(&json!({ "status": "asleep" }))
                .unwrap_err()
                .contains("asleep")
        );
        assert!(Status::from_json(&Value::Null).is_err());
    }
}
