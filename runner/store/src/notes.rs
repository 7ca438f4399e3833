//! `notes.json`: what a person says of a run: tags, by which `grokrun list` finds it, and a note.
//!
//! No result depends on it, and no other command writes it. It stays when the run starts over.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::cell::write_json;
use crate::run::lock;
use crate::{RunView, StoreError, format, regular, seal};

pub(crate) const NAME: &str = "notes.json";
/// The number of the format that is written, and the largest that is read.
const FORMAT: u32 = 1;
const REMEDY: &str = "restore the file, or delete it";

/// The tags and the note of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notes {
    /// Words without white space.
    pub tags: BTreeSet<String>,
    /// Any text; empty if there is none.
    pub note: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    format: u32,
    tags: BTreeSet<String>,
    note: String,
}

impl RunView {
    /// Returns the tags and the note; none where nobody has said anything.
    ///
    /// # Errors
    /// When the file is damaged, of a newer format, or cannot be read.
    pub fn notes(&self) -> Result<Notes, StoreError> {
        read(&self.path().join(NAME))
    }

    /// Changes the tags and the note, one process after the other; returns what they are then. The
    /// run may be training meanwhile.
    ///
    /// # Errors
    /// When the file is damaged, or the disk cannot be written.
    pub fn change_notes(&self, change: impl FnOnce(&mut Notes)) -> Result<Notes, StoreError> {
        let _held = lock::wait(self.path(), lock::SUMMARY)?;
        let path = self.path().join(NAME);
        let mut notes = read(&path)?;
        change(&mut notes);
        let file = File {
            format: FORMAT,
            tags: notes.tags.clone(),
            note: notes.note.clone(),
        };
        write_json(&path, &file)?;
        Ok(notes)
    }
}

fn read(path: &Path) -> Result<Notes, StoreError> {
    let text = match regular::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Notes::default()),
        Err(error) => return Err(StoreError::io("cannot read", path, &error)),
    };
    let damaged = |why: String| StoreError::altered(path, why, REMEDY);
    let json = seal::from_json(&text).map_err(damaged)?;
    format::check(&json, FORMAT).map_err(damaged)?;
    let file: File = serde_json::from_value(json).map_err(|error| damaged(error.to_string()))?;
    Ok(Notes {
        tags: file.tags,
        note: file.note,
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::{Access, RunDir};

    #[test]
    fn notes_come_back_stay_when_the_run_starts_over_and_go_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let open = |access| RunDir::open(folder.path(), "r", "a = 1", "a = 1", "f", access);
        drop(open(Access::Continue).unwrap());
        let view = RunView::open(&folder.path().join("r")).unwrap();
        assert_eq!(view.notes().unwrap(), Notes::default());
        let said = view.change_notes(|notes| {
            notes.tags.insert("paper".to_owned());
            notes.note = "the one of figure 3".to_owned();
        });
        assert_eq!(view.notes().unwrap(), said.unwrap());
        drop(open(Access::Fresh).unwrap());
        assert!(view.notes().unwrap().tags.contains("paper"));

        let run = RunDir::existing(view.path()).unwrap();
        assert!(run.remove().unwrap());
        assert!(!view.path().exists());
    }

    #[test]
    fn a_run_that_holds_files_of_others_is_removed_but_for_them() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunDir::open(folder.path(), "r", "a = 1", "a = 1", "f", Access::Continue);
        let run = run.unwrap();
        let path = run.path().to_owned();
        fs::write(path.join("mine.txt"), "x").unwrap();
        assert!(!run.remove().unwrap());
        let left: Vec<_> = fs::read_dir(&path).unwrap().collect();
        assert_eq!(left.len(), 1, "{left:?}");
        assert!(RunView::open(&path).is_err());
    }

    #[test]
    fn damage_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunDir::open(folder.path(), "r", "a = 1", "a = 1", "f", Access::Continue);
        let view = RunView::open(run.unwrap().path()).unwrap();
        view.change_notes(|notes| notes.note = "abc".to_owned())
            .unwrap();
        let path = view.path().join(NAME);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replace("abc", "abd")).unwrap();
        let error = view.notes().unwrap_err().to_string();
        assert!(error.contains(NAME) && error.contains(REMEDY), "{error}");
        fs::write(&path, r#"{"format": 9, "tags": [], "note": ""}"#).unwrap();
        assert!(view.notes().unwrap_err().to_string().contains("format 9"));
    }
}
