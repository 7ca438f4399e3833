//! Checks whether a plugin's entry fits this host.

use grokrun_api::abi::{Entry, MAGIC, MAJOR, UNWINDS, least, sized};

use super::CheckedEntry;

/// Checks an entry by its head before anything else of it is read.
///
/// # Errors
/// What does not fit, and what to do.
///
/// # Safety
/// `entry` is null or points to a static of at least the size of a head (24 bytes) and, if its
/// magic and major are right, of the size that it states.
pub(super) unsafe fn check(entry: *const Entry) -> Result<CheckedEntry, String> {
    if entry.is_null() || !entry.is_aligned() {
        return Err("its entry is not where it should be".to_owned());
    }
    // SAFETY: the head is there, and made of numbers for which any bits are good.
    let (magic, major, size, flags) = unsafe {
        (
            (&raw const (*entry).magic).read(),
            (&raw const (*entry).major).read(),
            (&raw const (*entry).size).read(),
            (&raw const (*entry).flags).read(),
        )
    };
    if magic != MAGIC {
        return Err("its entry does not begin as one of grokrun's plugins".to_owned());
    }
    if major != MAJOR {
        let older = if major < MAJOR {
            "its source needs the names of tensors in the place of kinds (doc/plugins.md#from-abi-1); then rebuild it with this grokrun's grokrun-api"
        } else {
            "rebuild it with this grokrun's grokrun-api, or use a newer grokrun"
        };
        return Err(format!(
            "it speaks version {major} of the plugin interface and this grokrun, {}, version {MAJOR}; {older}",
            env!("CARGO_PKG_VERSION")
        ));
    }
    let short = || {
        format!(
            "its entry is {size} bytes long and should be at least {}; rebuild it",
            least::ENTRY
        )
    };
    if flags & UNWINDS == 0 {
        return Err(
            "it was built with panic = \"abort\", so that a panic in it would end the run; rebuild it with panic = \"unwind\"".to_owned(),
        );
    }
    // SAFETY: it has the bytes it says; zeros are an entry without functions.
    let entry = unsafe { sized(entry, size, least::ENTRY) }.ok_or_else(short)?;
    let complete = entry.describe.is_some()
        && entry.check.is_some()
        && entry.create.is_some()
        && entry.observe.is_some()
        && entry.finish.is_some()
        && entry.destroy.is_some();
    if complete {
        Ok(CheckedEntry(entry))
    } else {
        Err("its entry lacks a function; rebuild it".to_owned())
    }
}
