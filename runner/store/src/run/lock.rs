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
//! - `cells/<cell>/.lock`: held by the process that writes the cell of a shared run.

use std::fs::{File, TryLockError};
use std::path::Path;

use crate::{ErrorKind, StoreError};

/// Of the run, and of a cell in its folder.
pub(super) const NAME: &str = ".lock";
/// Of what belongs to no cell, while a process opens the run.
pub(super) const OPENING: &str = ".opening";
/// Of the summary.
pub(super) const SUMMARY: &str = ".summary";

/// How many processes may hold a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hold {
    /// one
    Alone,
    /// any number, while none holds it alone
    Shared,
}

/// Whether a process holds the lock of this run or cell, alone or shared. Nothing is created, and
/// nothing stays locked.
pub(crate) fn is_held(folder: &Path) -> bool {
    let file = File::options().write(true).open(folder.join(NAME));
    file.is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
}

/// Locks a run directory for as long as the file is open.
pub(super) fn acquire(run: &Path, hold: Hold) -> Result<File, StoreError> {
    try_hold(&run.join(NAME), hold, || {
        let message = format!(
            "another process writes the run {}; wait for it or stop it, or give this run another \
             name (--set name=...)",
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

/// Waits for one of the short locks of a run, [`OPENING`] or [`SUMMARY`], and holds it for as long as
/// the file is open.
pub(super) fn wait(run: &Path, name: &str) -> Result<File, StoreError> {
    let path = run.join(name);
    let file = open(&path)?;
    file.lock().map_err(|error| cannot_lock(&path, &error))?;
    Ok(file)
}

fn try_hold(
    path: &Path,
    hold: Hold,
    busy: impl FnOnce() -> StoreError,
) -> Result<File, StoreError> {
    let file = open(path)?;
    let held = match hold {
        Hold::Alone => file.try_lock(),
        Hold::Shared => file.try_lock_shared(),
    };
    match held {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(busy()),
        Err(TryLockError::Error(error)) => Err(cannot_lock(path, &error)),
    }
}

fn open(path: &Path) -> Result<File, StoreError> {
    File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .map_err(|error| StoreError::unwritable("cannot write", path, &error))
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
    /// none where the whole run is this process's
    pub(super) _lock: Option<File>,
}
