//! Who may write a run: one process alone, or several that share it and own their cells.
//!
//! All locks are the system's, on empty files that stay: a lock ends with its process however that
//! ends, so there are no stale ones, and removing a file would let a third process lock a new one
//! beside it.
//!
//! - `.lock`: held alone by a process that writes the whole run, shared by those that write some of
//!   its cells (shards).
//! - `.opening`: held by whoever opens the run, while it makes or checks what belongs to no cell.
//! - `.summary`: held while `summary.json` is read, changed and written.
//! - `cells/<cell>/.lock`: held by the process that trains the cell.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::Duration;

use crate::{ErrorKind, StoreError, regular};

/// Of the run, and of a cell in its folder.
pub(crate) const NAME: &str = ".lock";
/// Of what belongs to no cell, while a process opens the run.
pub(super) const OPENING: &str = ".opening";
/// Of the summary.
pub(crate) const SUMMARY: &str = ".summary";

/// How many processes may hold a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hold {
    /// one
    Alone,
    /// any number, while none holds it alone
    Shared,
}

/// How the lock of this run or cell is held, if it is. Nothing is created, and nothing stays
/// locked.
pub(crate) fn holder(folder: &Path) -> Option<Hold> {
    let file = regular::open_with(File::options().write(true), &folder.join(NAME)).ok()?;
    let blocked = |tried| matches!(tried, Err(TryLockError::WouldBlock));
    if blocked(file.try_lock_shared()) {
        return Some(Hold::Alone);
    }
    // Locks that this process has are changed, not added to.
    blocked(file.try_lock()).then_some(Hold::Shared)
}

/// Locks a run directory for as long as the file is open.
pub(super) fn acquire(run: &Path, hold: Hold) -> Result<File, StoreError> {
    try_hold(&run.join(NAME), hold, || {
        let message = format!(
            "another process writes the run {}; wait for it or stop it",
            run.display()
        );
        StoreError::new(ErrorKind::Busy, run, message)
    })
}

/// Locks a cell of a shared run for as long as the file is open.
pub(super) fn acquire_cell(cell: &Path) -> Result<File, StoreError> {
    try_hold(&cell.join(NAME), Hold::Alone, || {
        let message = format!(
            "another process writes the cell {}; is the same shard running twice?",
            cell.display()
        );
        StoreError::new(ErrorKind::Busy, cell, message)
    })
}

/// Waits for one of the short locks of a run, [`OPENING`] or [`SUMMARY`], and holds it for as long
/// as the file is open.
pub(crate) fn wait(run: &Path, name: &str) -> Result<File, StoreError> {
    let path = run.join(name);
    let file = open(&path)?;
    file.lock().map_err(|error| cannot_lock(&path, &error))?;
    Ok(file)
}

/// How often a lock is tried for, and the time between: whoever asks [`holder`] has it for a
/// moment.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(40);

fn try_hold(
    path: &Path,
    hold: Hold,
    busy: impl FnOnce() -> StoreError,
) -> Result<File, StoreError> {
    let file = open(path)?;
    for left in (0..TRIES).rev() {
        let held = match hold {
            Hold::Alone => file.try_lock(),
            Hold::Shared => file.try_lock_shared(),
        };
        match held {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if left > 0 => std::thread::sleep(PAUSE),
            Err(TryLockError::WouldBlock) => break,
            Err(TryLockError::Error(error)) => return Err(cannot_lock(path, &error)),
        }
    }
    Err(busy())
}

fn open(path: &Path) -> Result<File, StoreError> {
    let mut options = File::options();
    options.create(true).truncate(false).write(true);
    regular::open_with(&mut options, path)
        .map_err(|error| StoreError::unwritable("cannot lock", path, &error))
}

fn cannot_lock(path: &Path, error: &std::io::Error) -> StoreError {
    let message = format!(
        "cannot lock {}: {error}; use --out with a folder on a disk that can lock files",
        path.display()
    );
    StoreError::new(ErrorKind::Unwritable, path, message)
}

/// A cell that this process alone writes, until it is dropped.
#[derive(Debug)]
pub struct Claim {
    pub(super) _lock: File,
}
