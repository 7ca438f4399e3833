//! What a file of a run costs: staged, synced and renamed, each with a check sum.

use std::path::Path;

use grokrun_store::{Access, RunDir, Tensor};
use serde::{Deserialize, Serialize};

use super::clock::Clock;
use crate::SessionError;

/// Numbers in the large file: as in a checkpoint of the published model.
const LARGE: usize = 250_000;
/// How often each size is written; the fastest counts.
const TIMES: u64 = 3;

/// Seconds for a file.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Files {
    /// whatever is in it
    each: f64,
    /// for each byte
    byte: f64,
    /// core-seconds for each byte: a part of that
    core: f64,
}

impl Files {
    /// Writes some into a folder that is removed again, inside `folder`.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn measure(folder: &Path) -> Result<Files, SessionError> {
        let unwritable = |error| {
            let shown = folder.display();
            SessionError::Failed(format!("no file can be written to {shown}: {error}"))
        };
        let folder = tempfile::tempdir_in(folder).map_err(unwritable)?;
        let run = RunDir::open(folder.path(), "probe", "", "", "", Access::Continue)?;
        let cell = run.cell("probe")?;
        let mut epoch = 0;
        let mut fastest = |numbers: usize| {
            let tensors = [Tensor {
                name: "probe".to_owned(),
                shape: vec![numbers],
                data: vec![0.5; numbers],
            }];
            let mut best = [f64::INFINITY; 2];
            for _ in 0..TIMES {
                epoch += 1;
                let clock = Clock::start();
                cell.write_checkpoint(epoch, &tensors)?;
                best = [best[0].min(clock.wall()), best[1].min(clock.cores())];
            }
            Ok::<_, SessionError>(best)
        };
        let ([each, few], [large, many]) = (fastest(1)?, fastest(LARGE)?);
        let a_byte = |more: f64, less: f64| (more - less).max(0.0) / (4 * LARGE) as f64;
        Ok(Files {
            each,
            byte: a_byte(large, each),
            core: a_byte(many, few),
        })
    }

    /// Seconds for so many files of so many bytes together.
    pub(super) fn seconds(&self, count: f64, bytes: f64) -> f64 {
        self.each * count + self.byte * bytes
    }

    /// Core-seconds for so many bytes.
    pub(super) fn cores(&self, bytes: f64) -> f64 {
        self.core * bytes
    }

    /// Whether these can be costs: what was kept may have been altered.
    pub(super) fn is_sound(&self) -> bool {
        let sound = |cost: f64| cost.is_finite() && cost >= 0.0;
        sound(self.each) && sound(self.byte) && sound(self.core)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_cost_something_and_nothing_of_the_probe_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let files = Files::measure(folder.path()).unwrap();
        assert!(
            files.is_sound() && files.seconds(1.0, 0.0) > 0.0,
            "{files:?}"
        );
        assert!(files.seconds(2.0, 1e6) > files.seconds(1.0, 1e6));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let error = Files::measure(Path::new("/nonexistent/grokrun")).unwrap_err();
        assert!(
            error.to_string().contains("/nonexistent/grokrun"),
            "{error}"
        );
    }
}
