//! Writing where somebody asked for it, outside what grokrun names itself: a file appears whole or
//! not at all, a pipe or a device is written into, and no run's own file is written over.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::run::contents;
use crate::staged::{self, StagedFile};
use crate::{ErrorKind, StoreError};

/// So many links in a row are followed, as the system does.
const MOST_LINKS: usize = 40;

/// Bytes on their way to a path that was asked for.
#[derive(Debug)]
pub struct Output {
    /// as it was asked for
    asked: PathBuf,
    to: To,
}

#[derive(Debug)]
enum To {
    /// a file, put into its place at the end
    File { staged: StagedFile, path: PathBuf },
    /// a pipe, a device, or what is open already
    Stream(File),
}

/// Where a path leads.
enum Place {
    /// to a file, or to none yet: past all links
    File(PathBuf),
    /// into something that is written into
    Stream,
}

impl Output {
    /// Begins to write to this path. Links are followed, a file that is there keeps its
    /// permissions, and what killed processes left beside it is removed.
    ///
    /// # Errors
    /// With [`StoreError::is_request`]: it is a folder, or a run's own file, or its folder is not
    /// there or cannot be written. Otherwise: the disk is full, or the system fails.
    pub fn create(path: &Path) -> Result<Output, StoreError> {
        let to = match place(path)? {
            Place::Stream => To::Stream(open_stream(path).map_err(|e| failed(path, &e))?),
            Place::File(target) => {
                if let Some(run) = contents::run_of(&target) {
                    return Err(own_file(path, &run));
                }
                let folder = match target.parent() {
                    Some(folder) if folder != Path::new("") => folder,
                    _ => Path::new("."),
                };
                let staged = StagedFile::new_in(folder).map_err(|e| failed(path, &e))?;
                // A folder may be written and not listed; then nobody can see what is left in it.
                let _unlisted = staged::sweep(folder);
                To::File {
                    staged,
                    path: target,
                }
            }
        };
        let asked = path.to_owned();
        Ok(Output { asked, to })
    }

    /// What to write into, from its beginning to its end.
    pub fn file(&mut self) -> &mut File {
        match &mut self.to {
            To::File { staged, .. } => staged.file(),
            To::Stream(file) => file,
        }
    }

    /// Puts what was written into its place.
    ///
    /// # Errors
    /// The disk is full or cannot be written; the file before, if there is one, is untouched.
    pub fn finish(self) -> Result<(), StoreError> {
        match self.to {
            To::File { staged, path } => staged.persist(&path).map_err(|e| failed(&self.asked, &e)),
            // Its reader, or its device, has it.
            To::Stream(_) => Ok(()),
        }
    }

    /// Makes `bytes` all that is written to this path.
    ///
    /// # Errors
    /// As [`Output::create`] and [`Output::finish`].
    pub fn write(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
        let mut output = Output::create(path)?;
        io::Write::write_all(output.file(), bytes).map_err(|e| failed(path, &e))?;
        output.finish()
    }
}

/// Whether what is written to this path goes into a pipe, a device or an open file, such as the
/// standard output, rather than into a file of that name.
pub fn is_stream(path: &Path) -> bool {
    matches!(place(path), Ok(Place::Stream))
}

/// Finds out where a path leads.
fn place(path: &Path) -> Result<Place, StoreError> {
    let mut target = path.to_owned();
    for _ in 0..MOST_LINKS {
        if descriptor(&target).is_some() {
            return Ok(Place::Stream);
        }
        match fs::read_link(&target) {
            Ok(next) => target = target.parent().unwrap_or(Path::new("")).join(next),
            Err(_) => break,
        }
    }
    match fs::metadata(&target) {
        Ok(found) if found.is_file() => Ok(Place::File(target)),
        Ok(found) if found.is_dir() => {
            let message = format!("{} is a folder; expected a file", path.display());
            Err(StoreError::new(ErrorKind::Unwritable, path, message))
        }
        Ok(_) => Ok(Place::Stream),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Place::File(target)),
        Err(error) => Err(failed(path, &error)),
    }
}

/// The number of the open file that a path stands for, as `/dev/fd/1` does.
fn descriptor(path: &Path) -> Option<u32> {
    let number = path.file_name()?.to_str()?.parse().ok()?;
    let folder = path.parent()?;
    let shown =
        folder.ends_with("fd") && (folder.starts_with("/proc") || folder == Path::new("/dev/fd"));
    shown.then_some(number)
}

/// Opens what is written into. The standard output is the one that the process has: opened again by
/// its name, a file that it is redirected to would be written from its start.
fn open_stream(path: &Path) -> io::Result<File> {
    #[cfg(unix)]
    {
        use std::os::fd::AsFd as _;
        let mut target = path.to_owned();
        while let Ok(next) = fs::read_link(&target)
            && descriptor(&target).is_none()
        {
            target = target.parent().unwrap_or(Path::new("")).join(next);
        }
        let own =
            |folder: &Path| [Path::new("/proc/self/fd"), Path::new("/dev/fd")].contains(&folder);
        let number = descriptor(&target).filter(|_| target.parent().is_some_and(own));
        match number {
            Some(1) => return Ok(io::stdout().as_fd().try_clone_to_owned()?.into()),
            Some(2) => return Ok(io::stderr().as_fd().try_clone_to_owned()?.into()),
            _ => {}
        }
    }
    File::options().write(true).open(path)
}

fn own_file(path: &Path, run: &Path) -> StoreError {
    let message = format!(
        "{} is a file of the run {}, which would be damaged; expected a path of another name",
        path.display(),
        run.display()
    );
    StoreError::new(ErrorKind::Unwritable, path, message)
}

/// The system cannot write; unless the disk is full, it is the path that was badly chosen.
fn failed(path: &Path, error: &io::Error) -> StoreError {
    let chosen = matches!(
        error.kind(),
        io::ErrorKind::NotFound
            | io::ErrorKind::PermissionDenied
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::IsADirectory
            | io::ErrorKind::ReadOnlyFilesystem
    );
    let message = format!("cannot write {}: {error}", path.display());
    let kind = if chosen {
        ErrorKind::Unwritable
    } else {
        ErrorKind::Io
    };
    StoreError::new(kind, path, message)
}

#[cfg(test)]
mod tests;
