//! The one way in which this crate writes a file of a run: staged, synced, put into its place.
//!
//! A reader sees the old file or the new one. What a process that is killed on the way may leave
//! beside it ([`crate::staged`]) goes the next time the run is opened.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

pub(crate) use crate::staged::{is_leftover, sync_folder};

use crate::StoreError;
use crate::staged::{self, StagedFile};

/// Makes `bytes` the content of the file.
///
/// # Errors
/// The disk is full or the folder cannot be written; the old file, if there is one, is untouched.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    fill(path, |file| file.write_all(bytes))
}

/// Makes what `fill` writes the content of the file; returns what it returns.
///
/// # Errors
/// As [`write()`], or what `fill` says.
pub(crate) fn fill<T>(
    path: &Path,
    fill: impl FnOnce(&mut File) -> io::Result<T>,
) -> Result<T, StoreError> {
    replace(path, fill).map_err(|error| StoreError::io("cannot write", path, &error))
}

/// Puts what `fill` writes in the place of the file, once it is on the disk.
fn replace<T>(path: &Path, fill: impl FnOnce(&mut File) -> io::Result<T>) -> io::Result<T> {
    let mut staged = StagedFile::new_in(path.parent().unwrap_or(Path::new(".")))?;
    let filled = fill(staged.file())?;
    staged.persist(path)?;
    Ok(filled)
}

/// Finds out whether files can be created in a folder, before an hour was spent on one.
pub(crate) fn probe(folder: &Path) -> io::Result<()> {
    StagedFile::new_in(folder).map(|_| ())
}

/// Makes a folder with all files below `from`, but for those named `except`, appear as `to` whole,
/// in the place of what is there. Files of the folder before for which `stays` holds, by their path
/// in it, are in the new one too.
pub(crate) fn copy_folder(
    from: &Path,
    to: &Path,
    except: &str,
    stays: &dyn Fn(&Path) -> bool,
) -> Result<(), StoreError> {
    let parent = to.parent().unwrap_or(Path::new("."));
    let failed = |error| StoreError::io("cannot write", to, &error);
    let staged = staged::builder(0o777).tempdir_in(parent).map_err(failed)?;
    copy_into(from, staged.path(), except)?;
    if to.exists() {
        carry(to, staged.path(), Path::new(""), stays).map_err(failed)?;
    }
    put(staged.path(), to).map_err(failed)?;
    // What was there before is where the new one was; it goes with `staged`.
    sync_folder(parent).map_err(failed)
}

/// Links what `stays` of a folder into another one, in the place of what has its name there; a copy
/// where it cannot be linked.
fn carry(from: &Path, to: &Path, inside: &Path, stays: &dyn Fn(&Path) -> bool) -> io::Result<()> {
    for entry in fs::read_dir(from.join(inside))? {
        let entry = entry?;
        let inside = inside.join(entry.file_name());
        let target = to.join(&inside);
        if entry.file_type()?.is_dir() {
            carry(from, to, &inside, stays)?;
        } else if stays(&inside) {
            fs::create_dir_all(target.parent().unwrap_or(to))?;
            match fs::remove_file(&target) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            fs::hard_link(entry.path(), &target)
                .or_else(|_| fs::copy(entry.path(), &target).map(drop))?;
        }
    }
    Ok(())
}

/// Puts a folder into the place of another one, if there is one. Where the system can, they change
/// places at once; elsewhere there is a moment without either.
fn put(folder: &Path, to: &Path) -> io::Result<()> {
    if to.exists() {
        #[cfg(target_os = "linux")]
        {
            use rustix::fs::{CWD, RenameFlags, renameat_with};
            // Some file systems do not know how.
            if renameat_with(CWD, folder, CWD, to, RenameFlags::EXCHANGE).is_ok() {
                return Ok(());
            }
        }
        fs::remove_dir_all(to)?;
    }
    fs::rename(folder, to)
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

/// Removes what killed processes left behind in a folder and below it. Links are not followed; a
/// file that another process is writing (a report needs no lock of the run) stays.
pub(crate) fn sweep(folder: &Path) -> Result<(), StoreError> {
    let failed = |error| StoreError::io("cannot read the folder", folder, &error);
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let path = entry.path();
        let leftover = is_leftover(&entry.file_name());
        if entry.file_type().map_err(failed)?.is_dir() {
            if leftover {
                fs::remove_dir_all(&path)
                    .map_err(|error| StoreError::io("cannot remove", &path, &error))?
            } else {
                sweep(&path)?
            }
        } else if leftover {
            staged::remove_unless_written(&path)
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

    #[cfg(unix)]
    #[test]
    fn a_folder_in_the_place_of_another_has_its_files_and_what_stays_of_that() {
        use std::os::unix::fs::symlink;
        let out = tempfile::tempdir().unwrap();
        let [from, to] = ["from", "to"].map(|name| out.path().join(name));
        let put = |path: &Path| {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, path.as_os_str().as_encoded_bytes()).unwrap();
        };
        for name in ["state", ".lock", "deep/a", "mine/both"] {
            put(&from.join(name));
        }
        for name in ["state", "old", "deep/old", "mine/both", "mine/deep/x"] {
            put(&to.join(name));
        }
        symlink(out.path(), to.join("mine/link")).unwrap();
        for round in 0..2 {
            let stays = |inside: &Path| inside.starts_with("mine");
            copy_folder(&from, &to, ".lock", &stays).unwrap();
            assert_eq!(names(&to), ["deep", "mine", "state"], "{round}");
            assert_eq!(names(&to.join("deep")), ["a"]);
            assert_eq!(names(&to.join("mine")), ["both", "deep", "link"]);
            let is_of = |name: &str, folder: &Path| {
                let text = fs::read(to.join(name)).unwrap();
                text == folder.join(name).as_os_str().as_encoded_bytes()
            };
            assert!(is_of("state", &from) && is_of("mine/deep/x", &to));
            assert!(is_of("mine/both", &to), "one's own is not written over");
            assert_eq!(fs::read_link(to.join("mine/link")).unwrap(), out.path());
            assert_eq!(names(out.path()), ["from", "to"]);
        }
        let new = out.path().join("new");
        copy_folder(&from, &new, ".lock", &|_| true).unwrap();
        assert_eq!(names(&new), ["deep", "mine", "state"]);
    }

    #[test]
    fn a_write_that_fails_halfway_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        write(&path, b"old").unwrap();
        let error = replace(&path, |file| -> io::Result<()> {
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
        let (_, killed) = staged::builder(0o666)
            .tempfile_in(&deep)
            .unwrap()
            .keep()
            .unwrap();
        assert!(killed.exists());
        sweep(folder.path()).unwrap();
        assert_eq!(names(&deep), [".grokrun-notes", "state", "x.tmp"]);
    }
}
