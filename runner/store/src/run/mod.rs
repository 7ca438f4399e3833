//! The run directory as a whole: who may open it, what happens to an earlier run in it, and the
//! files that belong to no cell.

pub(crate) mod lock;
mod manifest;

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::path::{Component, Path, PathBuf};

pub(crate) use self::manifest::Manifest;
use crate::cell::CellDir;
use crate::{ErrorKind, StoreError, Summary, atomic};

const SPEC: &str = "spec.toml";
const RESOLVED: &str = "resolved.toml";
const SUMMARY: &str = "summary.json";
const LOG: &str = "log.jsonl";
const CELLS: &str = "cells";

/// What goes when a run starts over: all that grokrun writes beside `run.json`, and nothing that
/// somebody else put there.
const CONTENTS: [&str; 6] = [CELLS, SUMMARY, "report.html", SPEC, RESOLVED, LOG];

/// What to do if the directory holds a run already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Continue it; refuse if it is another spec's.
    Continue,
    /// `--force`: continue it; delete it and start over if it is another spec's.
    Force,
    /// `--fresh`: delete it and start over; refuse if it is another spec's.
    Fresh,
}

/// A run directory that this process alone may write, until it is dropped.
#[derive(Debug)]
pub struct RunDir {
    path: PathBuf,
    /// Open, and so locked, as long as this lives; the system unlocks it even after a kill.
    _lock: File,
}

impl RunDir {
    /// Opens `out/name` for writing: creates it, continues it or starts it over as `access` says,
    /// locks it, removes what killed processes left half written, and puts `spec.toml` (the spec as
    /// given) and `resolved.toml` into it unless they are there with just this text.
    ///
    /// Two specs are the same if their fingerprints are. Whether a folder is a run is told by its
    /// `run.json`; a folder with other things in it is never touched. Starting over replaces
    /// `run.json` first, so that a disk that cannot be written costs nothing; from then on the old
    /// run is given up, its cells, log, summary and report are deleted, and files that grokrun did
    /// not write stay. A process killed between leaves a mark in `run.json`, and the next one
    /// deletes the rest before it does anything else.
    ///
    /// # Errors
    /// With [`StoreError::is_request`], and nothing changed: the name is not a folder's, something
    /// else is at that place, the folder cannot be created or written, it holds another spec's run
    /// or one of a newer format, or another process writes it. Otherwise: a damaged `run.json`, a
    /// full disk, or a failure of the system.
    pub fn open(
        out: &Path,
        name: &str,
        spec: &str,
        resolved: &str,
        fingerprint: &str,
        access: Access,
    ) -> Result<RunDir, StoreError> {
        let path = out.join(folder_name(name, "run", out)?);
        create(out, &path)?;
        let lock = lock::acquire(&path)?;
        atomic::probe(&path)
            .map_err(|error| StoreError::unwritable("cannot write into", &path, &error))?;
        let run = RunDir { path, _lock: lock };
        run.settle(Manifest::new(name, fingerprint), access)?;
        atomic::sweep(&run.path)?;
        run.write_if_new(SPEC, spec)?;
        run.write_if_new(RESOLVED, resolved)?;
        Ok(run)
    }

    /// Opens the run in this folder for writing, whatever its spec.
    ///
    /// # Errors
    /// It holds no run, one of a newer format, or another process writes it.
    pub fn existing(path: &Path) -> Result<RunDir, StoreError> {
        let missing = || {
            let message = format!(
                "{} holds no run; expected a folder with a run.json, runs/mult59 for instance",
                path.display()
            );
            StoreError::new(ErrorKind::NotARun, path, message)
        };
        if !path.is_dir() {
            return Err(missing());
        }
        Manifest::read(path)?.ok_or_else(missing)?;
        let lock = lock::acquire(path)?;
        atomic::sweep(path)?;
        let path = path.to_owned();
        Ok(RunDir { path, _lock: lock })
    }

    /// The spec with every default written out.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn resolved(&self) -> Result<String, StoreError> {
        let path = self.path.join(RESOLVED);
        fs::read_to_string(&path).map_err(|error| StoreError::io("cannot read", &path, &error))
    }

    /// Makes the folder a run with this manifest, without an older one's files.
    fn settle(&self, ours: Manifest, access: Access) -> Result<(), StoreError> {
        let start_over = match Manifest::read(&self.path)? {
            None => return ours.write(&self.path),
            Some(found) if found.fingerprint == ours.fingerprint => {
                access == Access::Fresh || found.clearing
            }
            Some(_) if access == Access::Force => true,
            Some(_) => return Err(self.other_spec(access)),
        };
        if !start_over {
            return Ok(());
        }
        ours.clearing().write(&self.path)?;
        for name in CONTENTS {
            remove(&self.path.join(name))?;
        }
        // A loss of power must not bring the old files back under the new manifest.
        atomic::sync_folder(&self.path)
            .map_err(|error| StoreError::io("cannot write", &self.path, &error))?;
        ours.write(&self.path)
    }

    fn other_spec(&self, access: Access) -> StoreError {
        let hint = match access {
            Access::Fresh => " (--fresh starts over only the same spec)",
            Access::Continue | Access::Force => "",
        };
        let message = format!(
            "{} holds the run of another spec, see {} there; give this one another name \
             (--set name=...) or another folder (--out), or delete that run with --force{hint}",
            self.path.display(),
            RESOLVED,
        );
        StoreError::new(ErrorKind::OtherSpec, &self.path, message)
    }

    fn write_if_new(&self, name: &str, text: &str) -> Result<(), StoreError> {
        let path = self.path.join(name);
        if fs::read(&path).is_ok_and(|old| old == text.as_bytes()) {
            return Ok(());
        }
        atomic::write(&path, text.as_bytes())
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the logger appends: `log.jsonl`.
    pub fn log_path(&self) -> PathBuf {
        self.path.join(LOG)
    }

    /// The folder of one cell, created if need be.
    ///
    /// # Errors
    /// The id cannot name a folder, or the folder cannot be created.
    pub fn cell(&self, id: &str) -> Result<CellDir, StoreError> {
        let cells = self.path.join(CELLS);
        CellDir::create(cells.join(folder_name(id, "cell", &cells)?))
    }

    /// Reads `summary.json`; `None` if it was not written yet.
    ///
    /// # Errors
    /// It cannot be read, or is not what this version writes.
    pub fn read_summary(&self) -> Result<Option<Summary>, StoreError> {
        let path = self.path.join(SUMMARY);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StoreError::io("cannot read", &path, &error)),
        };
        serde_json::from_slice(&text).map(Some).map_err(|error| {
            StoreError::altered(
                &path,
                error,
                "delete the file: it is made again from the cells",
            )
        })
    }

    /// Writes `summary.json`.
    ///
    /// # Errors
    /// The disk is full or cannot be written.
    pub fn write_summary(&self, summary: &Summary) -> Result<(), StoreError> {
        write_json(&self.path.join(SUMMARY), summary)
    }
}

fn write_json(path: &Path, value: &impl serde::Serialize) -> Result<(), StoreError> {
    let mut text = serde_json::to_vec_pretty(value).map_err(|error| {
        let message = format!("cannot write {}: {error}", path.display());
        StoreError::new(ErrorKind::Unstorable, path, message)
    })?;
    text.push(b'\n');
    atomic::write(path, &text)
}

/// Checks that a name is one folder's, so that no name leads out of the run.
fn folder_name<'a>(name: &'a str, what: &str, parent: &Path) -> Result<&'a str, StoreError> {
    let mut parts = Path::new(name).components();
    match (parts.next(), parts.next()) {
        (Some(Component::Normal(only)), None) if only == OsStr::new(name) => Ok(name),
        _ => {
            let message = format!(
                "{name:?} cannot be the name of a {what}: expected a folder's name, without a path"
            );
            Err(StoreError::new(ErrorKind::BadName, parent, message))
        }
    }
}

/// Creates the output folder and the run's, or makes sure that what is there is a run's.
fn create(out: &Path, run: &Path) -> Result<(), StoreError> {
    if out.exists() && !out.is_dir() {
        let message = format!(
            "{} is not a folder; use --out with one that is",
            out.display()
        );
        return Err(StoreError::new(ErrorKind::Unwritable, out, message));
    }
    fs::create_dir_all(out)
        .map_err(|error| StoreError::unwritable("cannot create the folder", out, &error))?;
    match fs::create_dir(run) {
        Ok(()) => atomic::sync_folder(out)
            .map_err(|error| StoreError::unwritable("cannot create the folder", run, &error)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => check_is_run(run),
        Err(error) => Err(StoreError::unwritable(
            "cannot create the folder",
            run,
            &error,
        )),
    }
}

/// A folder with a manifest is a run; one that is empty, but for what a process killed before it
/// wrote the manifest leaves, may become one.
fn check_is_run(path: &Path) -> Result<(), StoreError> {
    let not_a_run = |found: &str| {
        let message = format!(
            "{} {found}; nothing was changed: give the run another name (--set name=...) or \
             another folder (--out)",
            path.display()
        );
        StoreError::new(ErrorKind::NotARun, path, message)
    };
    if !path.is_dir() {
        return Err(not_a_run("is not a folder"));
    }
    let failed = |error| StoreError::unwritable("cannot read the folder", path, &error);
    if path.join(manifest::NAME).try_exists().map_err(failed)? {
        return Ok(());
    }
    for entry in fs::read_dir(path).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        if name != lock::NAME && name != manifest::NAME && !atomic::is_leftover(&name) {
            return Err(not_a_run(
                "is not a run directory: it has files but no run.json",
            ));
        }
    }
    Ok(())
}

/// Removes a file or a folder with all that is in it; links are removed, not followed.
fn remove(path: &Path) -> Result<(), StoreError> {
    let removed = match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(StoreError::io("cannot delete", path, &error))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
