//! Records which calls into analyses are in progress, for the message about the end of the process.
//!
//! A call may end the process in ways that nothing catches. So each call is recorded before it
//! begins: in memory, where [`ends`](super::ends) finds it when a signal or `exit` comes, and, for
//! a loaded plugin, in a file of the run, which a killed process leaves behind and the next command
//! reads. The file is locked as long as its process lives, so a file that can be locked is a dead
//! process's. It is made at the first call, and removed with [`CallNotes`].

use std::cell::Cell;
use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use tempfile::NamedTempFile;

/// The most calls that are recorded at a time; further calls are made all the same.
const MOST: usize = 256;
/// The longest description of a call, in bytes: a line of the file.
const LONGEST: usize = 511;
/// The beginning of the files' names.
const PREFIX: &str = ".plugin-calls-";

const FREE: usize = 0;
const TAKEN: usize = usize::MAX;

static SLOTS: [Slot; MOST] = [const { Slot::new() }; MOST];
static NOTES: Mutex<Option<Notes>> = Mutex::new(None);
/// The working directory before the first call.
static HOME: OnceLock<Option<PathBuf>> = OnceLock::new();

thread_local! {
    /// The slot of the call that this thread makes.
    static MINE: Cell<Option<usize>> = const { Cell::new(None) };
}

/// Holds the description of one call, readable at any moment, from a signal handler too.
struct Slot {
    /// [`FREE`], [`TAKEN`] while the description is written, else its length in bytes
    state: AtomicUsize,
    text: [AtomicU8; LONGEST],
}

impl Slot {
    const fn new() -> Slot {
        Slot {
            state: AtomicUsize::new(FREE),
            text: [const { AtomicU8::new(0) }; LONGEST],
        }
    }

    /// Takes the slot for this description; returns false if another call has it.
    fn take(&self, words: &str) -> bool {
        let (acquire, relaxed) = (Ordering::Acquire, Ordering::Relaxed);
        if self
            .state
            .compare_exchange(FREE, TAKEN, acquire, relaxed)
            .is_err()
        {
            return false;
        }
        for (place, byte) in self.text.iter().zip(words.bytes()) {
            place.store(byte, relaxed);
        }
        let len = words.len().clamp(1, LONGEST);
        self.state.store(len, Ordering::Release);
        true
    }

    /// Copies the description and returns its length; none if there is no call.
    fn read(&self, into: &mut [u8; LONGEST]) -> Option<usize> {
        match self.state.load(Ordering::Acquire) {
            FREE | TAKEN => None,
            len => {
                for (byte, place) in into.iter_mut().zip(&self.text) {
                    *byte = place.load(Ordering::Relaxed);
                }
                Some(len.min(LONGEST))
            }
        }
    }
}

/// A call in progress. Dropping it ends the record.
pub(crate) struct Call {
    slot: Option<usize>,
    /// whether the call is in the file too
    written: bool,
    /// the call around this one: a thread of a pool may begin one while it waits in another
    around: Option<usize>,
}

/// Records a call, whose description goes on from "at …".
pub(super) fn begin(words: &str) -> Call {
    let words = one_line(words);
    let mut call = begin_in_memory(&words);
    if let Some(slot) = call.slot
        && let Some(notes) = &mut *notes()
    {
        notes.put(slot, &words);
    }
    call.written = true;
    call
}

/// Records a call in memory alone, for linked analyses, which are this program's own.
pub(crate) fn begin_in_memory(words: &str) -> Call {
    HOME.get_or_init(|| std::env::current_dir().ok());
    let words = one_line(words);
    let slot = SLOTS.iter().position(|slot| slot.take(&words));
    Call {
        around: MINE.replace(slot),
        written: false,
        slot,
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        MINE.set(self.around);
        if let Some(slot) = self.slot {
            if self.written
                && let Some(notes) = &mut *notes()
            {
                notes.put(slot, "");
            }
            SLOTS[slot].state.store(FREE, Ordering::Release);
        }
        go_home();
    }
}

/// Restores the working directory, which a plugin may have changed for the whole process.
fn go_home() {
    let home = HOME.get().and_then(Option::as_deref);
    if let Some(home) = home
        && std::env::current_dir().is_ok_and(|now| now != home)
    {
        tracing::warn!("a plugin has changed the working directory; it is changed back");
        if let Err(error) = std::env::set_current_dir(home) {
            tracing::warn!(%error, "the working directory cannot be changed back");
        }
    }
}

/// Shortens the description of a call to one line that fits.
fn one_line(words: &str) -> String {
    let mut line: String = words
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let mut end = line.len().min(LONGEST);
    while !line.is_char_boundary(end) {
        end -= 1;
    }
    line.truncate(end);
    line
}

/// Says whether this thread is in a call.
pub(super) fn is_mine() -> bool {
    MINE.try_with(Cell::get).ok().flatten().is_some()
}

/// Passes on the description of this thread's call, or, if it makes none, those of all calls in
/// progress.
pub(crate) fn each(mut tell: impl FnMut(&[u8])) {
    let mut words = [0; LONGEST];
    let mine = MINE.try_with(Cell::get).ok().flatten();
    for (index, slot) in SLOTS.iter().enumerate() {
        if mine.is_none_or(|mine| mine == index)
            && let Some(len) = slot.read(&mut words)
        {
            tell(&words[..len]);
        }
    }
}

/// The file of this process's calls.
struct Notes {
    folder: PathBuf,
    /// made at the first call
    file: Option<NamedTempFile>,
}

fn notes() -> MutexGuard<'static, Option<Notes>> {
    NOTES.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Notes {
    /// Writes the description of a call, or an empty one. If the file cannot be written, only the
    /// description is lost.
    fn put(&mut self, slot: usize, words: &str) {
        if let Err(error) = self.write(slot, words) {
            tracing::debug!(%error, "the calls of plugins cannot be put down");
        }
    }

    fn write(&mut self, slot: usize, words: &str) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => {
                let file = tempfile::Builder::new()
                    .prefix(PREFIX)
                    .tempfile_in(&self.folder)?;
                file.as_file().lock()?;
                none.insert(file)
            }
        };
        file.seek(SeekFrom::Start((slot * (LONGEST + 1)) as u64))?;
        let mut line = [b' '; LONGEST + 1];
        line[..words.len()].copy_from_slice(words.as_bytes());
        line[LONGEST] = b'\n';
        file.write_all(&line)
    }
}

/// Records the calls of this process in a run's folder, until it is dropped.
#[derive(Debug)]
#[must_use]
pub struct CallNotes(());

impl CallNotes {
    /// Begins to record; nothing is written before the first call.
    pub fn keep_in(folder: &Path) -> CallNotes {
        *notes() = Some(Notes {
            folder: folder.to_owned(),
            file: None,
        });
        CallNotes(())
    }
}

impl Drop for CallNotes {
    fn drop(&mut self) {
        *notes() = None;
    }
}

/// Removes this process's file before an intended end, unless a call is being recorded just now.
pub(super) fn forget() {
    if let Ok(mut notes) = NOTES.try_lock() {
        *notes = None;
    }
}

/// Returns the calls in which processes ended that wrote to the run in this folder.
pub fn calls_left_in(folder: &Path) -> Vec<String> {
    let left = left(folder).into_iter();
    left.flat_map(|(_, _, words)| words).collect()
}

/// Returns the same as [`calls_left_in`], and removes the files.
pub fn take_calls_left_in(folder: &Path) -> Vec<String> {
    let mut all = Vec::new();
    for (path, _locked, words) in left(folder) {
        if let Err(error) = fs::remove_file(&path) {
            tracing::debug!(%error, path = %path.display(), "what a plugin's end left stays");
        }
        all.extend(words);
    }
    all
}

/// Returns the files of dead processes, locked, with the calls that they made last.
fn left(folder: &Path) -> Vec<(PathBuf, File, Vec<String>)> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let named = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str());
        path.is_file() && name.is_some_and(|name| name.starts_with(PREFIX))
    };
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(named)
        .collect();
    files.sort();
    files
        .into_iter()
        .filter_map(|path| {
            let file = File::open(&path).ok()?;
            file.try_lock().ok()?;
            let bytes = fs::read(&path).ok()?;
            let text = String::from_utf8_lossy(&bytes);
            let lines = text.lines().map(|line| line.trim_matches(['\0', ' ']));
            let words = lines.filter(|line| !line.is_empty()).map(one_line);
            let words = words.collect();
            Some((path, file, words))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_progress() -> Vec<String> {
        let mut all = Vec::new();
        each(|words| all.push(String::from_utf8_lossy(words).into_owned()));
        all
    }

    #[test]
    fn calls_are_reported_while_they_last_and_left_by_whoever_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let kept = CallNotes::keep_in(folder.path());
        let outer = begin("observe of\none");
        {
            let _inner = begin("observe of two");
            assert_eq!(in_progress(), ["observe of two"]);
        }
        assert_eq!(in_progress(), ["observe of one"]);
        // Another thread makes no call, so any call may be its own.
        let elsewhere = std::thread::scope(|scope| scope.spawn(in_progress).join().unwrap());
        assert!(elsewhere.contains(&"observe of one".to_owned()));
        assert!(is_mine());
        // The file belongs to this process, which is alive; a copy of it belongs to none.
        let files = || -> Vec<PathBuf> {
            let entries = fs::read_dir(folder.path()).unwrap();
            entries.map(|entry| entry.unwrap().path()).collect()
        };
        let file = files().remove(0);
        assert!(calls_left_in(folder.path()).is_empty());
        let gone = folder.path().join(format!("{PREFIX}gone"));
        fs::copy(&file, &gone).unwrap();
        let left = calls_left_in(folder.path());
        assert!(left.contains(&"observe of one".to_owned()), "{left:?}");
        assert_eq!(take_calls_left_in(folder.path()), left);
        assert!(!gone.exists() && file.exists());
        drop(outer);
        assert!(!is_mine());
        fs::copy(&file, &gone).unwrap();
        let left = take_calls_left_in(folder.path());
        assert!(!left.contains(&"observe of one".to_owned()), "{left:?}");
        drop(kept);
        assert!(files().is_empty());
    }

    #[test]
    fn long_words_are_cut_at_a_letter() {
        let long = "ö".repeat(LONGEST);
        let line = one_line(&long);
        assert!(line.len() <= LONGEST && line.chars().all(|c| c == 'ö'));
        let folder = tempfile::tempdir().unwrap();
        let mut notes = Notes {
            folder: folder.path().to_owned(),
            file: None,
        };
        for (slot, words) in [(0, line.as_str()), (1, "next"), (0, "ä"), (2, "")] {
            notes.write(slot, words).unwrap();
        }
        let text = fs::read_to_string(notes.file.unwrap().path()).unwrap();
        let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
        assert_eq!(lines, ["ä", "next", ""]);
        let call = begin(&long);
        assert_eq!(in_progress(), [line]);
        drop(call);
    }
}
