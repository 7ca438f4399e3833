//! What analyses of a whole sweep found: `sweep/<name>/` in the run's folder, with the files that
//! an analysis of a cell leaves, of the run's fingerprint.

use std::path::{Path, PathBuf};

use crate::found::read_all;
use crate::owner::Owner;
use crate::{FindingFiles, FindingsIndex, FoundFiles, RunDir, RunView, StoreError, findings};

/// The folder in a run's.
pub(crate) const FOLDER: &str = "sweep";

fn owner(fingerprint: &str) -> Owner {
    Owner {
        fingerprint: Some(fingerprint.to_owned()),
        ..Owner::default()
    }
}

fn folder(run: &Path, name: &str) -> PathBuf {
    run.join(FOLDER).join(name)
}

impl RunDir {
    /// Puts these files in the place of all that the analysis `name` left of the sweep before.
    /// `name` is one part of a path.
    ///
    /// # Errors
    /// As [`CellDir::write_findings`](crate::CellDir::write_findings).
    pub fn write_sweep_findings(&self, name: &str, files: FindingFiles) -> Result<(), StoreError> {
        let owner = owner(self.fingerprint());
        findings::write_into(&folder(self.path(), name), &owner, files)
    }

    /// What `findings.json` of an analysis of the sweep holds; none if it did not conclude.
    ///
    /// # Errors
    /// The file is truncated, altered or another run's, or cannot be read.
    pub fn read_sweep_findings(&self, name: &str) -> Result<Option<FindingsIndex>, StoreError> {
        findings::read_index(&folder(self.path(), name), &owner(self.fingerprint()))
    }

    /// Gives up what analyses of the sweep have found: its cells are trained on.
    ///
    /// # Errors
    /// A folder cannot be read, or a file removed.
    pub fn discard_sweep_findings(&self) -> Result<(), StoreError> {
        findings::discard(&self.path().join(FOLDER))
    }
}

impl RunView {
    /// What each analysis of the sweep left, by name. What cannot be used is left out, and told
    /// of.
    pub fn sweep_analyses(&self) -> (Vec<FoundFiles>, Vec<StoreError>) {
        read_all(&self.path().join(FOLDER), &owner(self.fingerprint()))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::json;

    use super::*;
    use crate::Access;

    #[test]
    fn findings_of_a_sweep_are_the_runs_and_go_with_it() {
        let out = tempfile::tempdir().unwrap();
        let open = |fingerprint: &str, access| {
            RunDir::open(out.path(), "r", "", "", fingerprint, access).unwrap()
        };
        let run = open("one", Access::Continue);
        let files = FindingFiles {
            index: FindingsIndex {
                analysis: "law".to_owned(),
                tables: vec!["fits".to_owned()],
                ..FindingsIndex::default()
            },
            json: vec![(
                "fits.table.json".to_owned(),
                b"{\"rows\":[]}".to_vec().into(),
            )],
            ..FindingFiles::default()
        };
        run.write_sweep_findings("law", files).unwrap();
        let index = run.read_sweep_findings("law").unwrap().unwrap();
        assert_eq!(index.analysis, "law");
        let text = fs::read_to_string(run.path().join("sweep/law/findings.json")).unwrap();
        assert!(text.contains("\"fingerprint\": \"one\""), "{text}");
        let view = RunView::open(run.path()).unwrap();
        let (found, flaws) = view.sweep_analyses();
        assert_eq!((found.len(), flaws.len()), (1, 0));
        assert_eq!(found[0].tables[0].1, json!({ "rows": [] }));
        // A file that was changed is named.
        let table = run.path().join("sweep/law/fits.table.json");
        fs::write(&table, "{}").unwrap();
        assert_eq!(view.sweep_analyses().1.len(), 1);
        let path = run.path().to_owned();
        drop(run);
        let other = open("two", Access::Force);
        assert!(!path.join("sweep").exists());
        assert_eq!(other.read_sweep_findings("law").unwrap(), None);
        other.discard_sweep_findings().unwrap();
    }
}
