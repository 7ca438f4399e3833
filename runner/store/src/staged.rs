//! A file on its way into its place: written whole before anybody sees it under its name.
//!
//! Where the system can, it has no name at first, so that a process that is killed leaves nothing.
//! Elsewhere, and for the moment in which it takes the place of another, its name is of the form
//! `.grokrun-*.tmp`, and it is locked: [`sweep`] removes such files once nobody writes them any
//! more.

use std::ffi::OsStr;
use std::fs::{self, File, TryLockError};
use std::io::{self, Seek as _};
use std::path::{Path, PathBuf};

use tempfile::{Builder, NamedTempFile};

use crate::regular;

const PREFIX: &str = ".grokrun-";
const SUFFIX: &str = ".tmp";
/// Permissions of a new file, before the process's mask.
const FILE: u32 = 0o666;

/// A file that is being written.
#[derive(Debug)]
pub(crate) struct StagedFile {
    folder: PathBuf,
    file: Kind,
}

#[derive(Debug)]
enum Kind {
    /// it is gone with its last handle, unless it is given a name
    Nameless(File),
    Named(NamedTempFile),
}

impl StagedFile {
    /// Begins a file that is to be put somewhere into this folder.
    pub(crate) fn new_in(folder: &Path) -> io::Result<StagedFile> {
        let file = match nameless(folder) {
            Some(file) => Kind::Nameless(file),
            None => Kind::Named(named(folder)?),
        };
        let folder = folder.to_owned();
        Ok(StagedFile { folder, file })
    }

    pub(crate) fn file(&mut self) -> &mut File {
        match &mut self.file {
            Kind::Nameless(file) => file,
            Kind::Named(file) => file.as_file_mut(),
        }
    }

    /// Puts the file, synced, into the place of `path`, of which it keeps the permissions.
    pub(crate) fn persist(mut self, path: &Path) -> io::Result<()> {
        self.file().sync_all()?;
        let before = fs::symlink_metadata(path).ok().filter(|m| m.is_file());
        if let Some(before) = &before {
            self.file().set_permissions(before.permissions())?;
        }
        match self.file {
            Kind::Named(file) => file.persist(path).map_err(|error| error.error)?,
            Kind::Nameless(file) => link(file, &self.folder, path)?,
        };
        sync_folder(&self.folder)
    }
}

/// Gives a nameless file the name `path`; it is closed with what is returned.
#[cfg(target_os = "linux")]
fn link(mut file: File, folder: &Path, path: &Path) -> io::Result<File> {
    let linked = |to: &Path| link_to(&file, to);
    match linked(path) {
        Ok(()) => return Ok(file),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        // Some file systems make nameless files and do not let them be linked.
        Err(_) => {
            let mut copy = named(folder)?;
            copy.as_file()
                .set_permissions(file.metadata()?.permissions())?;
            file.rewind()?;
            io::copy(&mut file, copy.as_file_mut())?;
            copy.as_file().sync_all()?;
            return copy.persist(path).map_err(|error| error.error);
        }
    }
    // A name can be taken from another file by renaming alone. Locked before it has one.
    lock(&file);
    let beside = builder(FILE).make_in(folder, linked)?;
    beside.persist(path).map_err(|error| error.error)?;
    Ok(file)
}

#[cfg(not(target_os = "linux"))]
fn link(_: File, _: &Path, _: &Path) -> io::Result<File> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(target_os = "linux")]
fn link_to(file: &File, to: &Path) -> io::Result<()> {
    use rustix::fs::{AtFlags, CWD, linkat};
    let from = descriptor(file);
    Ok(linkat(CWD, &from, CWD, to, AtFlags::SYMLINK_FOLLOW)?)
}

/// Where the system shows an open file.
#[cfg(target_os = "linux")]
fn descriptor(file: &File) -> PathBuf {
    use std::os::fd::AsRawFd as _;
    PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

/// A file without a name; none where the system has no such thing, or could not name it later.
#[cfg(target_os = "linux")]
fn nameless(folder: &Path) -> Option<File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let file = File::options()
        .read(true)
        .write(true)
        .mode(FILE)
        .custom_flags(rustix::fs::OFlags::TMPFILE.bits().cast_signed())
        .open(folder)
        .ok()?;
    fs::symlink_metadata(descriptor(&file))
        .is_ok()
        .then_some(file)
}

#[cfg(not(target_os = "linux"))]
fn nameless(_: &Path) -> Option<File> {
    None
}

fn named(folder: &Path) -> io::Result<NamedTempFile> {
    let file = builder(FILE).tempfile_in(folder)?;
    lock(file.as_file());
    Ok(file)
}

/// Says that a file is being written. On a disk without locks, nobody can ask.
fn lock(file: &File) {
    let _nobody_asks = file.try_lock();
}

/// Temporary files as they are named here, with the permissions any new file would get; the
/// default of `tempfile`, for the owner only, would stay on the final file.
#[cfg_attr(not(unix), allow(unused_variables))]
pub(crate) fn builder(mode: u32) -> Builder<'static, 'static> {
    let mut builder = Builder::new();
    builder.prefix(PREFIX).suffix(SUFFIX);
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(mode));
    builder
}

/// Makes what was created, renamed or removed in a folder outlive a loss of power. Windows has no
/// such call, and a folder that may only be written cannot be opened for it.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    if !cfg!(unix) {
        return Ok(());
    }
    match File::open(folder) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        opened => opened?.sync_all(),
    }
}

/// Whether a name is one that a file has on its way.
pub(crate) fn is_leftover(name: &OsStr) -> bool {
    name.to_str()
        .is_some_and(|name| name.starts_with(PREFIX) && name.ends_with(SUFFIX))
}

/// Removes what killed processes left in a folder, not below it. What is being written stays, and
/// so do folders.
pub(crate) fn sweep(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if is_leftover(&entry.file_name()) && !entry.file_type()?.is_dir() {
            remove_unless_written(&entry.path())?;
        }
    }
    Ok(())
}

/// Removes a file that is on its way, unless a process is at it.
pub(crate) fn remove_unless_written(path: &Path) -> io::Result<()> {
    if let Ok(file) = regular::open_file(path)
        && matches!(file.try_lock(), Err(TryLockError::WouldBlock))
    {
        return Ok(());
    }
    match fs::remove_file(path) {
        // It came into its place meanwhile.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<_> = entries
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// Both kinds of file, where the system has both.
    fn both(folder: &Path) -> Vec<StagedFile> {
        let named = StagedFile {
            folder: folder.to_owned(),
            file: Kind::Named(named(folder).unwrap()),
        };
        vec![StagedFile::new_in(folder).unwrap(), named]
    }

    #[test]
    fn a_file_comes_into_its_place_whether_or_not_there_is_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        for round in 0..4 {
            let mut staged = both(folder.path()).swap_remove(round % 2);
            write!(staged.file(), "{round}").unwrap();
            staged.persist(&path).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), round.to_string());
            assert_eq!(names(folder.path()), ["file"]);
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_file_without_a_name_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let Some(mut file) = nameless(folder.path()) else {
            eprintln!("skipped: this file system has no nameless files");
            return;
        };
        file.write_all(b"much").unwrap();
        assert_eq!(names(folder.path()), [""; 0]);
    }

    #[cfg(unix)]
    #[test]
    fn permissions_are_those_of_the_file_before_else_of_any_new_one() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        fs::write(folder.path().join("plain"), "").unwrap();
        let usual = mode(&folder.path().join("plain"));
        for (round, staged) in both(folder.path()).into_iter().enumerate() {
            let path = folder.path().join(round.to_string());
            staged.persist(&path).unwrap();
            assert_eq!(mode(&path), usual);
            fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
            both(folder.path())
                .swap_remove(round)
                .persist(&path)
                .unwrap();
            assert_eq!(mode(&path), 0o600);
        }
    }

    #[test]
    fn the_sweep_spares_what_is_being_written() {
        let folder = tempfile::tempdir().unwrap();
        let at_work = named(folder.path()).unwrap();
        let (_, killed) = builder(FILE)
            .tempfile_in(folder.path())
            .unwrap()
            .keep()
            .unwrap();
        fs::write(folder.path().join("x.tmp"), "").unwrap();
        sweep(folder.path()).unwrap();
        assert!(at_work.path().exists() && !killed.exists());
        assert_eq!(names(folder.path()).len(), 2);
        drop(at_work);
        assert_eq!(names(folder.path()), ["x.tmp"]);
    }
}
