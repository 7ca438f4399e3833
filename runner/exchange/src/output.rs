//! The one way in which this crate writes a file: aside, synced, renamed.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use tempfile::Builder;

use crate::ExchangeError;

/// Puts what `fill` writes in the place of the file, once all of it is on the disk. If `fill`
/// fails, the old file, if there is one, is untouched, and nothing is left beside it.
///
/// # Errors
/// Those of `fill`, or the folder cannot be written.
pub(crate) fn replace<E: From<ExchangeError>>(
    path: &Path,
    fill: impl FnOnce(&mut BufWriter<&mut File>) -> Result<(), E>,
) -> Result<(), E> {
    let failed = |error: &io::Error| E::from(ExchangeError::io("cannot write", path, error));
    if path.is_dir() {
        return Err(failed(&io::ErrorKind::IsADirectory.into()));
    }
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let mut builder = Builder::new();
    builder.prefix(".grokrun-").suffix(".tmp");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut aside = builder.tempfile_in(folder).map_err(|e| failed(&e))?;
    let mut out = BufWriter::with_capacity(1 << 20, aside.as_file_mut());
    fill(&mut out)?;
    out.flush().map_err(|e| failed(&e))?;
    drop(out);
    aside.as_file().sync_all().map_err(|e| failed(&e))?;
    aside.persist(path).map_err(|e| failed(&e.error))?;
    Ok(())
}
