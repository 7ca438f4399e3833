//! One process writes a run.
//!
//! The lock is the system's, on an empty file that stays: it ends with the process however that
//! ends, and removing the file would let a third process lock a new one beside it.

use std::fs::{File, TryLockError};
use std::path::Path;

use crate::{ErrorKind, StoreError};

pub(super) const NAME: &str = ".lock";

/// Whether a process holds the lock. Nothing is created, and nothing stays locked.
pub(crate) fn is_held(run: &Path) -> bool {
    let file = File::options().write(true).open(run.join(NAME));
    file.is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
}

/// Locks a run directory for as long as the file is open.
pub(super) fn acquire(run: &Path) -> Result<File, StoreError> {
    let path = run.join(NAME);
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(|error| StoreError::unwritable("cannot write", &path, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            let message = format!(
                "another process writes the run {}; wait for it or stop it, or give this run \
                 another name (--set name=...)",
                run.display()
            );
            Err(StoreError::new(ErrorKind::Busy, run, message))
        }
        Err(TryLockError::Error(error)) => {
            let message = format!(
                "cannot lock {}: {error}; use --out with a folder on a disk that can lock files",
                path.display()
            );
            Err(StoreError::new(ErrorKind::Unwritable, &path, message))
        }
    }
}
