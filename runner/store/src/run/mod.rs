//! The run directory as a whole: who may open it, what happens to an earlier run in it, and the
//! files that belong to no cell.

pub(crate) mod lock;
mod manifest;

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::path::{Component, Path, PathBuf};

pub use self::lock::Claim;
use self::lock::Hold;
pub(crate) use self::manifest::Manifest;
use crate::cell::CellDir;
use crate::{ErrorKind, StoreError, Summary, atomic};

const SPEC: &str = "spec.toml";
const RESOLVED: &str = "resolved.toml";
const SUMMARY: &str = "summary.json";
const LOG: &str = "log.jsonl";
const LOG_STEM: &str = "log.";
const LOG_EXTENSION: &str = ".jsonl";
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
    /// `--shard`: continue it beside other processes that do the same, each on cells of its own,
    /// which it claims ([`RunDir::claim`]); refuse if it is another spec's.
    Share,
}

impl Access {
    fn hold(self) -> Hold {
        match self {
            Access::Share => Hold::Shared,
            Access::Continue | Access::Force | Access::Fresh => Hold::Alone,
        }
    }
}

/// A run directory that this process may write, alone or with others that share it, until it is
/// dropped.
#[derive(Debug)]
pub struct RunDir {
    path: PathBuf,
    hold: Hold,
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
        let hold = access.hold();
        let lock = lock::acquire(&path, hold)?;
        let _opening = lock::wait(&path, lock::OPENING)?;
        atomic::probe(&path)
            .map_err(|error| StoreError::unwritable("cannot write into", &path, &error))?;
        let run = RunDir {
            path,
            hold,
            _lock: lock,
        };
        run.settle(Manifest::new(name, fingerprint), access)?;
        if hold == Hold::Alone {
            // What a shared run has half written may be another process's, at work: each sweeps the
            // cells it claims.
            atomic::sweep(&run.path)?;
        }
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
        let hold = Hold::Alone;
        let lock = lock::acquire(path, hold)?;
        atomic::sweep(path)?;
        let path = path.to_owned();
        Ok(RunDir {
            path,
            hold,
            _lock: lock,
        })
    }

    /// Makes a cell this process's own. Where the run is, so is every cell.
    ///
    /// # Errors
    /// Another process has claimed it, or it cannot be locked.
    pub fn claim(&self, id: &str) -> Result<Claim, StoreError> {
        if self.hold == Hold::Alone {
            return Ok(Claim { _lock: None });
        }
        let cell = self.cell(id)?;
        let lock = lock::acquire_cell(cell.path())?;
        atomic::sweep(cell.path())?;
        Ok(Claim { _lock: Some(lock) })
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
                if found.clearing && self.hold == Hold::Shared {
                    return Err(self.half_cleared());
                }
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
        self.remove_logs()?;
        // A loss of power must not bring the old files back under the new manifest.
        atomic::sync_folder(&self.path)
            .map_err(|error| StoreError::io("cannot write", &self.path, &error))?;
        ours.write(&self.path)
    }

    /// The logs of processes that shared the run.
    fn remove_logs(&self) -> Result<(), StoreError> {
        let failed = |error| StoreError::io("cannot read the folder", &self.path, &error);
        for entry in fs::read_dir(&self.path).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let of_part = |name: &str| name.starts_with(LOG_STEM) && name.ends_with(LOG_EXTENSION);
            if entry.file_name().to_str().is_some_and(of_part) {
                remove(&entry.path())?;
            }
        }
        Ok(())
    }

    fn half_cleared(&self) -> StoreError {
        let message = format!(
            "{} was being started over when that process ended; run the spec once without --shard, \
             or with --fresh, before shards share it",
            self.path.display()
        );
        StoreError::new(ErrorKind::Busy, &self.path, message)
    }

    fn other_spec(&self, access: Access) -> StoreError {
        let hint = match access {
            Access::Fresh => " (--fresh starts over only the same spec)",
            Access::Continue | Access::Force | Access::Share => "",
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

    /// Where the logger appends: `log.jsonl`, or, of a process that shares the run,
    /// `log.<part>.jsonl`, since lines of several machines would tear each other.
    pub fn log_path(&self, part: Option<&str>) -> PathBuf {
        match part {
            None => self.path.join(LOG),
            Some(part) => self.path.join(format!("{LOG_STEM}{part}{LOG_EXTENSION}")),
        }
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

    /// Puts these cells into `summary.json`, in the place of what it said of them; the rest of it,
    /// by processes that share the run, stays. The cells come in the order of `ids`, others after
    /// them. A summary that is damaged is made anew from these cells.
    ///
    /// # Errors
    /// The disk is full or cannot be written.
    pub fn write_summary(&self, cells: &Summary, ids: &[&str]) -> Result<(), StoreError> {
        let _held = lock::wait(&self.path, lock::SUMMARY)?;
        let known = match self.hold {
            Hold::Alone => Summary::default(),
            Hold::Shared => self.read_summary().unwrap_or_default().unwrap_or_default(),
        };
        let merged = known.with(cells).in_order(ids);
        write_json(&self.path.join(SUMMARY), &merged)
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
        let locks = [lock::NAME, lock::OPENING, lock::SUMMARY];
        let ours = locks.iter().any(|lock| name == *lock) || name == manifest::NAME;
        if !ours && !atomic::is_leftover(&name) {
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
