//! What has become of a cell, as it is saved in its state and told in the summary.

use grokrun_spec::Plan;
use grokrun_store::{CellSummary, FAILED, FINISHED, INTERRUPTED, Metrics, State};
use serde_json::{Value, json};

use crate::stop::Stopping;

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
            Status::Training => INTERRUPTED,
            Status::Finished => FINISHED,
            Status::StoppedEarly => "stopped early",
            Status::Failed => FAILED,
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

    /// Whether nothing is left to train.
    pub(crate) fn ends(self) -> bool {
        self != Status::Training
    }

    /// The number of epochs of a history after which the weights were worth to be kept: all, but
    /// for the one that failed.
    pub(crate) fn kept(self, history: &Metrics) -> u64 {
        let failed = u64::from(self == Status::Failed);
        (history.len() as u64).saturating_sub(failed)
    }

    /// What has become, by this plan, of a cell that was saved as `self`: its spec may be longer
    /// than the one that it was trained by until now. `stopping` has seen all of its history.
    pub(crate) fn by(self, plan: &Plan, epoch: u64, stopping: &Stopping) -> Status {
        if self == Status::Failed {
            Status::Failed
        } else if stopping.epochs_left() == Some(0) {
            Status::StoppedEarly
        } else if epoch >= plan.epochs {
            Status::Finished
        } else {
            Status::Training
        }
    }

    /// What has become of a saved cell by this plan.
    ///
    /// # Errors
    /// As [`Status::from_json`].
    pub(crate) fn of_state(plan: &Plan, state: &State) -> Result<Status, String> {
        let stopping = Stopping::replay(&plan.stop, state.metrics.rows());
        Ok(Status::from_json(&state.extra)?.by(plan, state.epoch, &stopping))
    }

    /// As it is saved, with what the cell was trained on, if that is known. Anything that differs
    /// from run to run has no place here: states of one run are byte for byte the same.
    pub(crate) fn to_json(self, device: Option<&str>) -> Value {
        match device {
            None => json!({ "status": self.word() }),
            Some(device) => json!({ "status": self.word(), "device": device }),
        }
    }

    /// What was saved; the state's checksum has been verified, so an unknown word comes from
    /// another program.
    pub(crate) fn from_json(saved: &Value) -> Result<Status, String> {
        let word = saved["status"].as_str().unwrap_or_default();
        Status::of_word(word).ok_or_else(|| format!("its status is {}", saved["status"]))
    }
}

/// What a saved cell was trained on, if its state says so.
pub(crate) fn saved_device(saved: &Value) -> Option<String> {
    saved["device"].as_str().map(str::to_owned)
}

/// The kind of a device: its name without its number of threads, on which no result depends.
pub(crate) fn kind(device: &str) -> &str {
    match device.rsplit_once(", ") {
        Some((kind, threads)) if threads.ends_with("thread") || threads.ends_with("threads") => {
            kind
        }
        _ => device,
    }
}

/// Sums up a cell; its pace is left to the caller.
pub(crate) fn summarize(
    id: &str,
    status: Status,
    metrics: &Metrics,
    device: Option<String>,
) -> CellSummary {
    let mut summary = CellSummary::new(id, status.word(), metrics);
    if status == Status::Failed {
        let last = metrics.len().saturating_sub(1);
        summary.verdict = format!("failed: the loss of epoch {last} is not a finite number");
    }
    CellSummary { device, ..summary }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_comes_back_and_an_unknown_one_is_refused() {
        for status in Status::ALL {
            for device in [None, Some("CPU")] {
                let saved = status.to_json(device);
                assert_eq!(Status::from_json(&saved), Ok(status));
                assert_eq!(saved_device(&saved).as_deref(), device);
            }
        }
        assert!(
            Status::from_json(&json!({ "status": "asleep" }))
                .unwrap_err()
                .contains("asleep")
        );
        assert!(Status::from_json(&Value::Null).is_err());
    }

    #[test]
    fn a_kind_of_device_is_its_name_without_threads() {
        assert_eq!(kind("CPU, 2 threads"), kind("CPU, 1 thread"));
        let gpu = "A GPU (vulkan, discrete GPU)";
        assert_eq!(kind(gpu), gpu);
    }
}
