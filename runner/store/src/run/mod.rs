//! The run directory as a whole: who may open it, what happens to an earlier run in it, and the
//! files that belong to no cell.

mod access;
pub(crate) mod contents;
pub(crate) mod lock;
mod manifest;
mod whole;

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::path::{Component, Path, PathBuf};

pub use self::access::{Access, Judge, SpecText};
use self::access::{Step, Stranger, other_spec, step};
pub use self::lock::Claim;
use self::lock::Hold;
pub(crate) use self::manifest::Manifest;
pub(crate) use self::whole::{read_spec, read_summary};
use crate::cell::CellDir;
use crate::{ErrorKind, RunView, StoreError, Summary, atomic};

pub(crate) const SPEC: &str = "spec.toml";
pub(crate) const RESOLVED: &str = "resolved.toml";
pub(crate) const SUMMARY: &str = "summary.json";
const LOG: &str = "log.jsonl";
const LOG_STEM: &str = "log.";
const LOG_EXTENSION: &str = ".jsonl";
const CELLS: &str = "cells";

/// A run directory that this process may write, alone or with others that share it, until it is
/// dropped.
#[derive(Debug)]
pub struct RunDir {
    path: PathBuf,
    fingerprint: String,
    hold: Hold,
    /// Open, and so locked, as long as this lives; the system unlocks it even after a kill.
    lock: Option<File>,
}

impl RunDir {
    /// Opens `out/name` for writing, as [`RunDir::open_judged`] does, where a run of another spec
    /// can in no case go on as one of this.
    ///
    /// # Errors
    /// As [`RunDir::open_judged`].
    pub fn open(
        out: &Path,
        name: &str,
        spec: &str,
        resolved: &str,
        fingerprint: &str,
        access: Access,
    ) -> Result<RunDir, StoreError> {
        let spec = SpecText {
            given: spec,
            resolved,
            fingerprint,
        };
        RunDir::open_judged(out, name, spec, access, &Stranger)
    }

    /// Opens `out/name` for writing: creates it, continues it, makes it longer or starts it over as
    /// `access` and `judge` say, locks it, removes what killed processes left half written, and
    /// puts `spec.toml` (the spec as given, after a line with its digest) and `resolved.toml` into
    /// it unless they are there with just this text.
    ///
    /// Two specs are the same if their fingerprints are. Whether a folder is a run is told by its
    /// `run.json`; a folder with other things in it is never touched. Starting over replaces
    /// `run.json` first, so that a disk that cannot be written costs nothing; from then on the old
    /// run is given up, its cells, log, summary and report are deleted, and files that grokrun did
    /// not write stay. A process killed between leaves a mark in `run.json`, and the next one
    /// deletes the rest before it does anything else. So it is while a run is made longer.
    ///
    /// # Errors
    /// With [`StoreError::is_request`], and nothing changed: the name is not a folder's, something
    /// else is at that place, the folder cannot be created or written, it holds another spec's run
    /// or one of a newer format, or another process writes it. Otherwise: a damaged `run.json`, a
    /// full disk, or a failure of the system.
    pub fn open_judged(
        out: &Path,
        name: &str,
        spec: SpecText<'_>,
        access: Access,
        judge: &dyn Judge,
    ) -> Result<RunDir, StoreError> {
        let path = out.join(folder_name(name, "run", out)?);
        create(out, &path)?;
        // Held to the end: only who has it changes whose run this is.
        let _opening = lock::wait(&path, lock::OPENING)?;
        let mut run = RunDir::settle(path, name, spec, access, judge)?;
        whole::write_spec(&run.path, SPEC, spec.given, spec.fingerprint)?;
        whole::write_spec(&run.path, RESOLVED, spec.resolved, spec.fingerprint)?;
        if let Some(found) = Manifest::read(&run.path)?.filter(Manifest::is_lengthening) {
            found.lengthened().write(&run.path)?;
        }
        if run.hold != access.hold() {
            drop(run.lock.take());
            run.lock = Some(lock::acquire(&run.path, access.hold())?);
            run.hold = access.hold();
        }
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
        let manifest = Manifest::read(path)?.ok_or_else(missing)?;
        let hold = Hold::Alone;
        let lock = lock::acquire(path, hold)?;
        atomic::sweep(path)?;
        let path = path.to_owned();
        Ok(RunDir {
            path,
            fingerprint: manifest.fingerprint,
            hold,
            lock: Some(lock),
        })
    }

    /// Deletes the run: every file that grokrun has written, and the folder. Returns whether the
    /// folder is gone: what somebody else has put there stays. A run of which a part is deleted, by
    /// a process that was killed, is still a run, and the rest can be deleted.
    ///
    /// # Errors
    /// A file cannot be deleted.
    pub fn remove(self) -> Result<bool, StoreError> {
        if let Some(manifest) = Manifest::read(&self.path)? {
            manifest.clearing().write(&self.path)?;
        }
        contents::clear(&self.path)?;
        contents::remove_rest(&self.path)
    }

    /// Makes a cell this process's own for as long as it trains it, so that whoever looks at the
    /// run sees which cells are being trained ([`CellDir::is_claimed`]).
    ///
    /// # Errors
    /// Another process has claimed it, or it cannot be locked.
    pub fn claim(&self, id: &str) -> Result<Claim, StoreError> {
        let cell = self.cell(id)?;
        let lock = lock::acquire_cell(cell.path())?;
        if self.hold == Hold::Shared {
            atomic::sweep(cell.path())?;
        }
        Ok(Claim { _lock: lock })
    }

    /// The spec with every default written out.
    ///
    /// # Errors
    /// The file is truncated or altered, or cannot be read.
    pub fn resolved(&self) -> Result<String, StoreError> {
        read_spec(&self.path, RESOLVED)
    }

    /// Of the spec's meaning: equal for two runs of the same cells.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Makes the folder a run of this spec, without an older one's files; holds it alone where it
    /// is not one already.
    fn settle(
        path: PathBuf,
        name: &str,
        spec: SpecText<'_>,
        access: Access,
        judge: &dyn Judge,
    ) -> Result<RunDir, StoreError> {
        let step = step(&path, spec, access, judge)?;
        let hold = match step {
            Step::Lengthen => Hold::Alone,
            Step::Create | Step::Continue | Step::StartOver => access.hold(),
        };
        let lock = Some(lock::acquire(&path, hold)?);
        atomic::probe(&path)
            .map_err(|error| StoreError::unwritable("cannot write into", &path, &error))?;
        let run = RunDir {
            path,
            fingerprint: spec.fingerprint.to_owned(),
            hold,
            lock,
        };
        let ours = Manifest::new(name, spec.fingerprint);
        match step {
            Step::Create => ours.write(&run.path)?,
            Step::Continue => {
                // A process was killed while it made the run longer.
                let found = Manifest::read(&run.path)?;
                if found.is_some_and(|found| found.is_lengthening())
                    && let Some(summary) = whole::any_summary(&run.path)
                {
                    run.take_over(&summary)?;
                }
            }
            Step::Lengthen => {
                // Who held the run until now may have gone on with it since it was looked at.
                judge
                    .judge(&RunView::open(&run.path)?)
                    .map_err(|why| other_spec(&run.path, access, &why))?;
                judge.prepare(&run)?;
                // A damaged one, or another run's, is told of later.
                let summary = run.read_summary().unwrap_or_default();
                let found = Manifest::read(&run.path)?.unwrap_or(ours);
                found.lengthening(spec.fingerprint).write(&run.path)?;
                if let Some(summary) = summary {
                    run.take_over(&summary)?;
                }
            }
            Step::StartOver => {
                ours.clearing().write(&run.path)?;
                contents::clear(&run.path)?;
                // A loss of power must not bring the old files back under the new manifest.
                atomic::sync_folder(&run.path)
                    .map_err(|error| StoreError::io("cannot write", &run.path, &error))?;
                ours.write(&run.path)?;
            }
        }
        if hold == Hold::Alone {
            // What a shared run has half written may be another process's, at work: each sweeps the
            // cells it claims.
            atomic::sweep(&run.path)?;
        }
        Ok(run)
    }

    /// Makes the shorter run's summary this one's: what it tells is good until the cells go on.
    fn take_over(&self, summary: &Summary) -> Result<(), StoreError> {
        let _held = lock::wait(&self.path, lock::SUMMARY)?;
        whole::write_summary(&self.path, summary, &self.fingerprint)
    }

    /// The logs that there are: of one process after the other, and of those that shared the run.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn logs(&self) -> Result<Vec<PathBuf>, StoreError> {
        contents::logs(&self.path)
    }

    /// Puts the script of a cluster's engine into the folder; returns where it is.
    ///
    /// # Errors
    /// The disk is full or cannot be written.
    pub fn write_script(&self, text: &str) -> Result<PathBuf, StoreError> {
        let path = self.path.join(contents::SCRIPT);
        atomic::write(&path, text.as_bytes())?;
        Ok(path)
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
    /// It is truncated or altered, cannot be read, or is not what this version writes.
    pub fn read_summary(&self) -> Result<Option<Summary>, StoreError> {
        read_summary(&self.path)
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
        whole::write_summary(&self.path, &merged, &self.fingerprint)
    }
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
        let message = format!("{} {found}; nothing was changed", path.display());
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

#[cfg(test)]
mod tests;
