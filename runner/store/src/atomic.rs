//! The one way in which this crate writes a file: aside, synced, renamed.
//!
//! A reader sees the old file or the new one. A process that is killed on the way leaves a file of
//! the form `.grokrun-*.tmp` beside it, which [`sweep`] removes the next time the run is opened.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use tempfile::Builder;

use crate::StoreError;

const PREFIX: &str = ".grokrun-";
const SUFFIX: &str = ".tmp";
/// Permissions of a new file, before the process's mask.
const FILE: u32 = 0o666;

/// Makes `bytes` the content of the file.
///
/// # Errors
/// The disk is full or the folder cannot be written; the old file, if there is one, is untouched.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    fill(path, |file| file.write_all(bytes))
}

/// Makes what `fill` writes the content of the file.
///
/// # Errors
/// As [`write()`], or what `fill` says.
pub(crate) fn fill(
    path: &Path,
    fill: impl FnOnce(&mut File) -> io::Result<()>,
) -> Result<(), StoreError> {
    replace(path, fill).map_err(|error| StoreError::io("cannot write", path, &error))
}

/// Puts what `fill` writes in the place of the file, once it is on the disk.
fn replace(path: &Path, fill: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut aside = builder(FILE).tempfile_in(folder)?;
    fill(aside.as_file_mut())?;
    aside.as_file().sync_all()?;
    aside.persist(path).map_err(|error| error.error)?;
    sync_folder(folder)
}

/// Temporary files as they are named here, with the permissions any new file would get; the
/// default of `tempfile`, for the owner only, would stay on the final file.
#[cfg_attr(not(unix), allow(unused_variables))]
fn builder(mode: u32) -> Builder<'static, 'static> {
    let mut builder = Builder::new();
    builder.prefix(PREFIX).suffix(SUFFIX);
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(mode));
    builder
}

/// Makes what was created, renamed or removed in a folder outlive a loss of power. Windows has no
/// such call.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) {
        File::open(folder)?.sync_all()
    } else {
        Ok(())
    }
}

/// Finds out whether files can be created in a folder, before an hour was spent on one.
pub(crate) fn probe(folder: &Path) -> io::Result<()> {
    builder(FILE).tempfile_in(folder)?.close()
}

/// Makes a folder with all files below `from`, but for those named `except`, appear as `to` whole,
/// in the place of what is there.
pub(crate) fn copy_folder(from: &Path, to: &Path, except: &str) -> Result<(), StoreError> {
    let parent = to.parent().unwrap_or(Path::new("."));
    let failed = |error| StoreError::io("cannot write", to, &error);
    let aside = builder(0o777).tempdir_in(parent).map_err(failed)?;
    copy_into(from, aside.path(), except)?;
    if to.exists() {
        fs::remove_dir_all(to).map_err(failed)?;
    }
    fs::rename(aside.path(), to).map_err(failed)?;
    sync_folder(parent).map_err(failed)
}

fn copy_into(from: &Path, to: &Path, except: &str) -> Result<(), StoreError> {
    let unreadable = |error| StoreError::io("cannot read the folder", from, &error);
    for entry in fs::read_dir(from).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let name = entry.file_name();
        if name == except || is_leftover(&name) {
            continue;
        }
        let target = to.join(&name);
        let failed = |error| StoreError::io("cannot write", &target, &error);
        if entry.file_type().map_err(unreadable)?.is_dir() {
            fs::create_dir(&target).map_err(failed)?;
            copy_into(&entry.path(), &target, except)?;
        } else {
            fs::copy(entry.path(), &target).map_err(failed)?;
            File::open(&target)
                .and_then(|f| f.sync_all())
                .map_err(failed)?;
        }
    }
    sync_folder(to).map_err(|error| StoreError::io("cannot write", to, &error))
}

/// Whether a file is one that [`write()`] left behind.
pub(crate) fn is_leftover(name: &OsStr) -> bool {
    name.to_str()
        .is_some_and(|name| name.starts_with(PREFIX) && name.ends_with(SUFFIX))
}

/// Removes what killed processes left behind in a folder and below it. Links are not followed.
pub(crate) fn sweep(folder: &Path) -> Result<(), StoreError> {
    let failed = |error| StoreError::io("cannot read the folder", folder, &error);
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let path = entry.path();
        let leftover = is_leftover(&entry.file_name());
        if entry.file_type().map_err(failed)?.is_dir() {
            match leftover {
                true => fs::remove_dir_all(&path)
                    .map_err(|error| StoreError::io("cannot remove", &path, &error))?,
                false => sweep(&path)?,
            }
        } else if leftover {
            fs::remove_file(&path)
                .map_err(|error| StoreError::io("cannot remove", &path, &error))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<_> = entries
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_write_that_fails_halfway_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        write(&path, b"old").unwrap();
        let error = replace(&path, |file| {
            file.write_all(b"ne")?;
            Err(io::ErrorKind::StorageFull.into())
        })
        .unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(names(folder.path()), ["state"]);
    }

    #[test]
    fn a_rename_that_fails_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("taken");
        fs::create_dir(&path).unwrap();
        fs::write(path.join("inside"), b"").unwrap();
        let error = write(&path, b"new").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io);
        assert!(error.to_string().contains("taken"), "{error}");
        assert_eq!(names(folder.path()), ["taken"]);
    }

    #[test]
    fn a_folder_that_is_gone_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let error = write(&folder.path().join("gone/state"), b"new").unwrap_err();
        assert!(error.to_string().contains("gone/state"), "{error}");
        assert!(!error.is_request());
    }

    #[test]
    fn the_sweep_takes_leftovers_and_only_those() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("cells/a");
        fs::create_dir_all(&deep).unwrap();
        let keep = [".grokrun-notes", "x.tmp", "state"];
        for name in keep {
            fs::write(deep.join(name), b"").unwrap();
        }
        let (_, killed) = builder(FILE).tempfile_in(&deep).unwrap().keep().unwrap();
        assert!(killed.exists());
        sweep(folder.path()).unwrap();
        assert_eq!(names(&deep), [".grokrun-notes", "state", "x.tmp"]);
    }

    #[cfg(unix)]
    #[test]
    fn files_are_as_readable_as_any_other() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let mode = |name: &str| {
            fs::metadata(folder.path().join(name))
                .unwrap()
                .permissions()
                .mode()
                & 0o777
        };
        write(&folder.path().join("ours"), b"").unwrap();
        fs::write(folder.path().join("plain"), b"").unwrap();
        assert_eq!(mode("ours"), mode("plain"));
    }
}
