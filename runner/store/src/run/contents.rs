//! Which files in a run's folder are grokrun's: those that go when a run starts over, and that
//! nothing else may be written over. Whatever else lies there is somebody's own.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use super::{CELLS, LOG, LOG_EXTENSION, LOG_STEM, RESOLVED, SPEC, SUMMARY, lock, manifest};
use crate::{StoreError, atomic, cells_table, checkpoint, findings, live, notes, scripts, sweep};

pub(crate) const REPORT: &str = "report.html";
/// What `grokrun submit` writes for a cluster's engine.
pub(super) const SCRIPT: &str = "slurm.sh";

/// Whether a name is that of a log: of one process after the other, or of one that shares the run.
pub(super) fn is_log(name: &str) -> bool {
    // `log.jsonl` has the stem's dot and the extension's in one.
    name == LOG || (name.starts_with(LOG_STEM) && name.ends_with(LOG_EXTENSION))
}

/// The run that has this file as one of its own, by its name; the folder that it would be in is
/// there.
pub(crate) fn run_of(path: &Path) -> Option<PathBuf> {
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    let folder = fs::canonicalize(folder.unwrap_or(Path::new("."))).ok()?;
    let path = folder.join(path.file_name()?);
    // A folder that is no run yet has no files of its own.
    let run = folder
        .ancestors()
        .find(|folder| folder.join(manifest::NAME).exists())?;
    is_own(path.strip_prefix(run).ok()?).then(|| run.to_owned())
}

/// Whether a path inside a run is that of a file that grokrun writes.
fn is_own(path: &Path) -> bool {
    let parts: Option<Vec<&str>> = path
        .components()
        .map(|part| match part {
            Component::Normal(name) => name.to_str(),
            _ => None,
        })
        .collect();
    let Some(parts) = parts else {
        return false;
    };
    if parts
        .last()
        .is_some_and(|name| atomic::is_leftover(name.as_ref()))
    {
        return true;
    }
    match parts.as_slice() {
        [name] => {
            let names = [
                manifest::NAME,
                SPEC,
                RESOLVED,
                SUMMARY,
                cells_table::NAME,
                notes::NAME,
                REPORT,
                SCRIPT,
                lock::NAME,
                lock::OPENING,
                lock::SUMMARY,
            ];
            names.contains(name) || is_log(name)
        }
        [CELLS, _, name] => {
            let names = [
                "config.json",
                "split.safetensors",
                "metrics.parquet",
                "state.safetensors",
                live::NAME,
                lock::NAME,
            ];
            names.contains(name)
        }
        [CELLS, _, "checkpoints", name] => checkpoint::is_name(name),
        [scripts::FOLDER, name] => scripts::is_name(name),
        [CELLS, _, "analysis", _, name] | [sweep::FOLDER, _, name] => findings::is_name(name),
        _ => false,
    }
}

/// Whether a path inside a cell's folder is that of a file or a folder that grokrun makes.
pub(crate) fn is_own_of_cell(id: &str, inside: &Path) -> bool {
    let path = Path::new(CELLS).join(id).join(inside);
    is_own(&path) || is_own_folder(&path)
}

/// Whether a path inside a run is that of a folder that grokrun makes.
fn is_own_folder(path: &Path) -> bool {
    let parts: Vec<&str> = path.iter().filter_map(|part| part.to_str()).collect();
    matches!(
        parts.as_slice(),
        [CELLS]
            | [CELLS, _]
            | [CELLS, _, "checkpoints" | "analysis"]
            | [CELLS, _, "analysis", _]
            | [sweep::FOLDER]
            | [scripts::FOLDER]
            | [sweep::FOLDER, _]
    )
}

/// Removes what a run has left, but for its manifest and its locks: a file that grokrun did not
/// write stays, with the folders it is in. Links are removed, not followed.
pub(super) fn clear(run: &Path) -> Result<(), StoreError> {
    for name in [SUMMARY, cells_table::NAME, REPORT, SPEC, RESOLVED] {
        remove(&run.join(name))?;
    }
    for log in logs(run)? {
        remove(&log)?;
    }
    clear_folder(run, Path::new(sweep::FOLDER))?;
    clear_folder(run, Path::new(scripts::FOLDER))?;
    clear_folder(run, Path::new(CELLS))
}

/// Removes a run whose other files are cleared: what a person has said of it, its locks and, last,
/// what makes the folder a run; then the folder. Returns whether it is gone: something else may be
/// in it.
pub(super) fn remove_rest(run: &Path) -> Result<bool, StoreError> {
    let locks = [lock::OPENING, lock::SUMMARY, lock::NAME];
    for name in [notes::NAME, SCRIPT].into_iter().chain(locks) {
        remove(&run.join(name))?;
    }
    remove(&run.join(manifest::NAME))?;
    match fs::remove_dir(run) {
        Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(false),
        Err(error) => Err(StoreError::io("cannot delete", run, &error)),
        Ok(()) => Ok(true),
    }
}

/// The logs of a run.
pub(crate) fn logs(run: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let failed = |error| StoreError::io("cannot read the folder", run, &error);
    let mut logs = Vec::new();
    for entry in fs::read_dir(run).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if entry.file_name().to_str().is_some_and(is_log) {
            logs.push(entry.path());
        }
    }
    Ok(logs)
}

/// Removes grokrun's files of this folder of the run and below it, then the folder, unless
/// something else is left in it.
fn clear_folder(run: &Path, inside: &Path) -> Result<(), StoreError> {
    let folder = run.join(inside);
    match fs::symlink_metadata(&folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Ok(found) if found.is_dir() => {}
        _ => return remove(&folder),
    }
    let failed = |error| StoreError::io("cannot read the folder", &folder, &error);
    for entry in fs::read_dir(&folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let path = inside.join(entry.file_name());
        // Followed: a link to a folder takes the place of one.
        if is_own_folder(&path) && entry.path().is_dir() {
            clear_folder(run, &path)?;
        } else if is_own(&path) {
            remove(&entry.path())?;
        }
    }
    match fs::remove_dir(&folder) {
        Err(error) if error.kind() != io::ErrorKind::DirectoryNotEmpty => {
            Err(StoreError::io("cannot delete", &folder, &error))
        }
        _ => Ok(()),
    }
}

/// Removes a file; links are removed, not followed. A folder of its name is nothing that grokrun
/// wrote.
fn remove(path: &Path) -> Result<(), StoreError> {
    let removed = match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => Ok(()),
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
mod tests {
    use super::*;

    #[test]
    fn files_of_a_run_are_distinguished_from_others() {
        for own in [
            "run.json",
            "log.jsonl",
            "log.1-of-2.jsonl",
            ".lock",
            "cells/c/.lock",
            "cells/c/live.rows",
            "cells/c/checkpoints/00000100.packed",
            "cells/c/checkpoints/.grokrun-x.tmp",
            "cells/c/analysis/a/x.figure.json",
            "sweep/a/findings.json",
            "cells.parquet",
            "notes.json",
            "python/mine.py",
        ] {
            assert!(is_own(Path::new(own)), "{own}");
        }
        for other in [
            "notes.txt",
            "notes.jsonl",
            "cells/notes.txt",
            "cells/c/model.pth",
            "cells/c/run.json",
            "cells/c/checkpoints/best.safetensors",
            "cells/c/checkpoints/100.safetensors",
            "cells/c/analysis/a/plot.png",
            "cells/c/plots/findings.json",
            "sweep/findings.json",
            "python/notes.txt",
        ] {
            assert!(!is_own(Path::new(other)), "{other}");
        }
    }
}
