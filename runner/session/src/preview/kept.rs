//! What was measured, kept in the user's cache folder for the next time: one JSON file.
//!
//! It is written whole or not at all. One that cannot be read, is of another format or was altered
//! is left aside with a word on why, and made again; a folder that cannot be written is no error.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use grokrun_engine::{CACHE_FOLDER, cache_folder, keep_file};
use serde::{Deserialize, Serialize};

use super::files::Files;
use super::observations::Observation;
use super::probe::Speed;

const FILE: &str = "calibration.json";
/// Of the file; one of another is not read.
const FORMAT: u32 = 3;
/// So many machines and builds are kept, the latest, and so many observations of each.
const MOST: usize = 16;
const MOST_OBSERVATIONS: usize = 300;

/// What one build of this program measured on one device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Calibration {
    /// what it holds for
    pub(super) key: String,
    /// seconds since 1970
    pub(super) made: u64,
    /// programs that ran or wanted to run when it was made, in the mean of a minute before
    pub(super) load: Option<f64>,
    pub(super) speed: Speed,
    /// none where no file could be written
    pub(super) files: Option<Files>,
    /// of analyses and snapshots, each with what it holds for
    pub(super) observations: Vec<(String, Observation)>,
}

impl Calibration {
    /// Seconds since it was made.
    pub(super) fn age(&self) -> u64 {
        now().saturating_sub(self.made)
    }

    /// The cost of an observation that is kept under this name.
    pub(super) fn observation(&self, name: &str) -> Option<&Observation> {
        self.observations
            .iter()
            .find_map(|(known, observation)| (known == name).then_some(observation))
    }
}

/// Seconds since 1970.
pub(super) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

/// The system's load average of the last minute; none where it has none.
pub(super) fn load() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/loadavg").ok()?;
    text.split_whitespace().next()?.parse().ok()
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Contents {
    format: u32,
    calibrations: Vec<Calibration>,
}

/// The file, and what is in it.
pub(super) struct Kept {
    folder: Option<PathBuf>,
    calibrations: Vec<Calibration>,
    /// whether the file could not be written
    lost: bool,
    /// why something was not read or written, in words
    pub(super) notes: Vec<String>,
}

impl Kept {
    /// Reads the file in the user's cache folder.
    pub(super) fn read() -> Kept {
        match cache_folder() {
            Some(folder) => Kept::read_in(&folder),
            None => Kept {
                folder: None,
                calibrations: Vec::new(),
                lost: true,
                notes: vec![format!(
                    "nothing is kept: there is no home folder; {CACHE_FOLDER} names another"
                )],
            },
        }
    }

    fn read_in(folder: &Path) -> Kept {
        let path = folder.join(FILE);
        let mut kept = Kept {
            folder: Some(folder.to_owned()),
            calibrations: Vec::new(),
            lost: false,
            notes: Vec::new(),
        };
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return kept,
            Err(error) => {
                let shown = path.display();
                kept.notes.push(format!("{shown} is not used: {error}"));
                return kept;
            }
        };
        match serde_json::from_str::<Contents>(&text) {
            Ok(contents) if contents.format == FORMAT => kept.calibrations = contents.calibrations,
            Ok(contents) => kept.notes.push(format!(
                "{} is not used: it has format {}; expected {FORMAT}",
                path.display(),
                contents.format
            )),
            Err(error) => kept.notes.push(format!(
                "{} is not used: it is damaged: {error}",
                path.display()
            )),
        }
        kept
    }

    /// The file, where all that was measured is in it.
    pub(super) fn written(&self) -> Option<PathBuf> {
        self.path().filter(|_| !self.lost)
    }

    /// Where it is, or would be.
    fn path(&self) -> Option<PathBuf> {
        Some(self.folder.as_ref()?.join(FILE))
    }

    /// The folder of the file, made if it is not there; none where it cannot be.
    pub(super) fn folder(&self) -> Option<&Path> {
        let folder = self.folder.as_deref()?;
        std::fs::create_dir_all(folder).ok()?;
        Some(folder)
    }

    /// What was measured under this key.
    pub(super) fn find(&self, key: &str) -> Option<Calibration> {
        self.calibrations.iter().find(|c| c.key == key).cloned()
    }

    /// Keeps it for the next time, in the place of another of its key.
    pub(super) fn keep(&mut self, mut calibration: Calibration) {
        let surplus = calibration
            .observations
            .len()
            .saturating_sub(MOST_OBSERVATIONS);
        calibration.observations.drain(..surplus);
        self.calibrations.retain(|c| c.key != calibration.key);
        self.calibrations.push(calibration);
        let surplus = self.calibrations.len().saturating_sub(MOST);
        self.calibrations.drain(..surplus);
        let contents = Contents {
            format: FORMAT,
            calibrations: self.calibrations.clone(),
        };
        let Some(path) = self.path() else { return };
        if let Err(error) = write(&path, &contents) {
            let shown = path.display();
            self.lost = true;
            self.notes.push(format!(
                "the calibration is not kept: {shown} cannot be written: {error}"
            ));
        }
    }
}

fn write(path: &Path, contents: &Contents) -> std::io::Result<()> {
    let mut text = serde_json::to_vec_pretty(contents)?;
    text.push(b'\n');
    keep_file(path, &text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn calibration(key: &str) -> Calibration {
        let growth = json!({ "at_anchor": 8.0, "by_modulus": 3.0, "by_neurons": 0.5, "by_width": 1.0, "wider": 1.0 });
        let costs = json!([1e-11, 1e-11, 2e-11, 0.0, 3e-10, 1e-10, 2.5e-5]);
        let value = json!({
            "key": key, "made": now(), "load": 0.25,
            "speed": { "shared": costs, "alone": costs, "quiet": 0.75, "paired": 0.7 },
            "files": { "each": 0.001, "byte": 1e-9, "core": 5e-10 },
            "observations": [["x 1.0 {}", { "seconds": growth, "numbers": growth, "frames": growth, "once": growth, "estimated": false }]],
        });
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn what_was_kept_comes_back_under_its_key_alone() {
        let folder = tempfile::tempdir().unwrap();
        let cache = folder.path().join("made/on/the/way");
        let mut kept = Kept::read_in(&cache);
        assert_eq!((kept.find("a"), kept.notes.len()), (None, 0));
        kept.keep(calibration("a"));
        kept.keep(calibration("b"));
        assert_eq!(kept.notes, Vec::<String>::new());
        assert_eq!(kept.written(), Some(cache.join(FILE)));

        let again = Kept::read_in(&cache);
        assert_eq!(again.find("a").map(|c| c.key), Some("a".to_owned()));
        assert_eq!(again.find("b"), kept.find("b"));
        assert_eq!(again.find("c"), None);
        // Nothing but the file is left.
        assert_eq!(std::fs::read_dir(&cache).unwrap().count(), 1);
    }

    #[test]
    fn the_oldest_make_room() {
        let folder = tempfile::tempdir().unwrap();
        let mut kept = Kept::read_in(folder.path());
        for i in 0..MOST + 3 {
            kept.keep(calibration(&i.to_string()));
        }
        let mut wide = calibration("wide");
        wide.observations = vec![wide.observations[0].clone(); MOST_OBSERVATIONS + 5];
        wide.observations[4].0 = "old".to_owned();
        wide.observations[MOST_OBSERVATIONS + 4].0 = "new".to_owned();
        let again = Kept::read_in(folder.path());
        assert_eq!(again.calibrations.len(), MOST);
        kept.keep(wide);
        let found = Kept::read_in(folder.path()).find("wide").unwrap();
        assert_eq!(found.observations.len(), MOST_OBSERVATIONS);
        assert!(found.observation("old").is_none() && found.observation("new").is_some());
        assert!(again.find("2").is_none() && again.find("3").is_some());
    }

    #[test]
    fn a_damaged_file_is_left_aside_with_a_reason_and_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        let mut whole = Kept::read_in(folder.path());
        whole.keep(calibration("a"));
        let text = std::fs::read_to_string(&path).unwrap();
        let mut other: Value = serde_json::from_str(&text).unwrap();
        other["format"] = json!(FORMAT + 1);
        let foreign = format!("format {}; expected {FORMAT}", FORMAT + 1);
        let half = text[..text.len() / 2].to_owned();
        for (bad, reason) in [
            (half, "damaged"),
            (String::new(), "damaged"),
            ("[1, 2]".to_owned(), "damaged"),
            (text.replace("quiet", "quite"), "damaged"),
            (other.to_string(), foreign.as_str()),
        ] {
            std::fs::write(&path, bad).unwrap();
            let mut kept = Kept::read_in(folder.path());
            assert_eq!(kept.find("a"), None);
            assert!(kept.notes[0].contains(reason), "{:?}", kept.notes);
            kept.keep(calibration("a"));
            assert!(Kept::read_in(folder.path()).find("a").is_some());
        }
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_said_and_no_error() {
        let folder = tempfile::tempdir().unwrap();
        // A file stands where the folder would be: no permission bit stops root.
        let taken = folder.path().join("taken");
        std::fs::write(&taken, "").unwrap();
        let mut kept = Kept::read_in(&taken.join("cache"));
        assert!(kept.folder().is_none());
        kept.notes.clear();
        kept.keep(calibration("a"));
        assert!(
            kept.notes[0].contains("cannot be written"),
            "{:?}",
            kept.notes
        );
        assert!(kept.find("a").is_some());
        // What was measured holds for now, and nobody is told that it is kept.
        assert_eq!(kept.written(), None);
    }
}
