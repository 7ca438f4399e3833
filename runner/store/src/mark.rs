//! What tells one version of a file from the next without reading it: when it was changed, and its
//! length. For whoever looks again and again.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::time::SystemTime;

use crate::cell::{METRICS, STATE};
use crate::run::SUMMARY;
use crate::run::contents::REPORT;
use crate::{CellDir, Metrics, RunView, regular};

/// The versions of some files; those that are not there count too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark(Vec<Option<(SystemTime, u64)>>);

impl Mark {
    fn of<const N: usize>(paths: [&Path; N]) -> Mark {
        let one = |path: &Path| {
            let found = fs::metadata(path).ok()?;
            Some((found.modified().ok()?, found.len()))
        };
        Mark(paths.into_iter().map(one).collect())
    }
}

impl RunView {
    /// The version of the summary.
    pub fn summary_mark(&self) -> Mark {
        Mark::of([&self.path().join(SUMMARY)])
    }

    /// The report, open for reading.
    ///
    /// # Errors
    /// There is none, or it cannot be read.
    pub fn open_report(&self) -> io::Result<File> {
        regular::open_file(&self.path().join(REPORT))
    }

    /// Whether there is a report.
    pub fn has_report(&self) -> bool {
        self.path().join(REPORT).is_file()
    }
}

impl CellDir {
    /// The version of the saved history.
    pub fn saved_mark(&self) -> Mark {
        let [state, metrics] = [STATE, METRICS].map(|name| self.path().join(name));
        Mark::of([&state, &metrics])
    }

    /// The saved history, from the smaller of two files that have it where that is the later one:
    /// `metrics.parquet`, which a session writes after its last state. Empty if there is neither;
    /// with a word on what is damaged.
    pub fn read_saved_history(&self) -> (Metrics, Option<String>) {
        let Mark(versions) = self.saved_mark();
        if let [state, Some(metrics)] = versions.as_slice()
            && state.is_none_or(|state| state.0 <= metrics.0)
            && let Ok(Some(metrics)) = self.read_metrics()
        {
            return (metrics, None);
        }
        self.read_history()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::Value;

    use super::*;
    use crate::State;
    use crate::metrics::tests::history;

    #[test]
    fn the_later_of_two_histories_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let dir = CellDir::create(folder.path().join("c")).unwrap();
        let none = dir.saved_mark();
        let epochs = || dir.read_saved_history().0.len();
        assert_eq!(epochs(), 0);
        let save = |epochs| {
            let (tensors, extra) = (Vec::new(), Value::Null);
            let metrics = history(epochs);
            dir.write_state(&State {
                epoch: epochs,
                tensors,
                metrics,
                extra,
            })
            .unwrap();
        };
        let later = |name: &str, seconds: u64| {
            let file = File::options()
                .write(true)
                .open(dir.path().join(name))
                .unwrap();
            let at = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            file.set_modified(at).unwrap();
        };
        save(3);
        later(STATE, 10);
        assert_ne!(dir.saved_mark(), none);
        assert_eq!(epochs(), 3, "the state alone");
        dir.write_metrics(&history(5)).unwrap();
        later(METRICS, 11);
        let mark = dir.saved_mark();
        assert_eq!(epochs(), 5);
        assert_eq!(dir.saved_mark(), mark, "a look changes nothing");
        save(9);
        later(STATE, 12);
        assert_ne!(dir.saved_mark(), mark);
        assert_eq!(epochs(), 9, "a session that was killed goes further");
    }
}
