//! The one way in which this crate writes a file: as the store does where somebody asks for it.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use grokrun_store::{Output, StoreError};

use crate::ExchangeError;

/// Puts what `fill` writes in the place of the file, once all of it is on the disk, or into a pipe
/// or device. If `fill` fails, the old file, if there is one, is untouched, and nothing is left
/// beside it.
///
/// # Errors
/// Those of `fill`, or the folder cannot be written.
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
