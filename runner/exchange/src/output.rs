//! Writes files, in the one way that this crate does: as the store does for a path that a user
//! gives.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use grokrun_store::{Output, StoreError};

use crate::ExchangeError;

/// Replaces the file by what `fill` writes, once all of it is on the disk; a pipe or a device is
/// written into. If `fill` fails, the old file, if there is one, is untouched, and nothing is left
/// beside it.
///
/// # Errors
/// Those of `fill`, or if the folder cannot be written.
pub(crate) fn replace<E: From<ExchangeError>>(
    path: &Path,
    fill: impl FnOnce(&mut BufWriter<&mut File>) -> Result<(), E>,
) -> Result<(), E> {
    let failed = |error: &io::Error| E::from(ExchangeError::io("cannot write", path, error));
    let stored = |error: StoreError| E::from(ExchangeError::of_store(&error));
    let mut output = Output::create(path).map_err(stored)?;
    let mut out = BufWriter::with_capacity(1 << 20, output.file());
    fill(&mut out)?;
    out.flush().map_err(|e| failed(&e))?;
    drop(out);
    output.finish().map_err(stored)
}
