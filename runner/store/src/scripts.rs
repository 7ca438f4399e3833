//! `python/<analysis>.py`: the files of Python that the spec names as analyses, as they were when
//! the run was last trained. `grokrun analyze` calls them where the files that they were are gone.

use std::fs;
use std::path::{Path, PathBuf};

use crate::{RunDir, RunView, StoreError, atomic};

/// The folder in a run's.
pub(crate) const FOLDER: &str = "python";
const EXTENSION: &str = "py";

/// Returns whether a name in the folder is that of such a file.
pub(crate) fn is_name(name: &str) -> bool {
    Path::new(name).extension() == Some(EXTENSION.as_ref())
}

fn path(run: &Path, analysis: &str) -> PathBuf {
    run.join(FOLDER).join(format!("{analysis}.{EXTENSION}"))
}

impl RunDir {
    /// Keeps the text of an analysis; `analysis` is one part of a path.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn keep_python(&self, analysis: &str, text: &[u8]) -> Result<(), StoreError> {
        let path = path(self.path(), analysis);
        let folder = self.path().join(FOLDER);
        fs::create_dir_all(&folder)
            .map_err(|error| StoreError::io("cannot make the folder", &folder, &error))?;
        // Shards of one run keep the same text at the same time.
        if fs::read(&path).is_ok_and(|kept| kept == text) {
            return Ok(());
        }
        atomic::write(&path, text)
    }
}

impl RunView {
    /// Returns the file with the kept text of an analysis, if there is one.
    pub fn python(&self, analysis: &str) -> Option<PathBuf> {
        Some(path(self.path(), analysis)).filter(|path| path.is_file())
    }
}

/// Takes the texts of another run that this one has none of.
pub(crate) fn take(run: &RunDir, other: &RunView) -> Result<(), StoreError> {
    let folder = other.path().join(FOLDER);
    let Ok(entries) = fs::read_dir(&folder) else {
        return Ok(());
    };
    for entry in entries.flatten() {
        let (from, name) = (entry.path(), entry.file_name());
        let analysis = name.to_str().and_then(|name| name.strip_suffix(".py"));
        let Some(analysis) = analysis.filter(|name| !path(run.path(), name).exists()) else {
            continue;
        };
        let text = fs::read(&from).map_err(|error| StoreError::io("cannot read", &from, &error))?;
        run.keep_python(analysis, &text)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Access;

    #[test]
    fn a_text_is_kept_until_the_run_starts_over() {
        let folder = tempfile::tempdir().unwrap();
        let open =
            |access| RunDir::open(folder.path(), "r", "a = 1", "a = 1", "f", access).unwrap();
        let run = open(Access::Continue);
        for text in ["x = 1", "x = 2", "x = 2"] {
            run.keep_python("mine", text.as_bytes()).unwrap();
            let view = RunView::open(run.path()).unwrap();
            let kept = fs::read(view.python("mine").unwrap()).unwrap();
            assert_eq!((kept, view.python("other")), (text.into(), None));
        }
        let file = path(run.path(), "mine");
        drop(run);
        drop(open(Access::Fresh));
        assert!(!file.exists() && !file.parent().unwrap().exists());
    }
}
