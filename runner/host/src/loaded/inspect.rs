//! What a file exports, read without opening it as a library: opening one runs code in it.

use std::fs;
use std::path::Path;

use grokrun_api::abi::ENTRY_PREFIX;
use object::{NameOrOrdinal, Object};

/// The names of the plugin entries that a file exports; none if it is no library, or no plugin.
///
/// # Errors
/// When the file cannot be read.
pub fn exports(path: &Path) -> Result<Vec<String>, String> {
    let bytes = fs::read(path).map_err(|error| format!("cannot be read: {error}"))?;
    let Ok(file) = object::File::parse(bytes.as_slice()) else {
        return Ok(Vec::new());
    };
    let Ok(exports) = file.exports() else {
        return Ok(Vec::new());
    };
    let mut names: Vec<String> = exports
        .filter_map(Result::ok)
        .filter_map(|export| match export.name() {
            NameOrOrdinal::Name(name) => String::from_utf8(name.to_vec()).ok(),
            NameOrOrdinal::Ordinal(_) => None,
        })
        // Mach-O puts an underscore before every name.
        .map(|name| name.trim_start_matches('_').to_owned())
        .filter(|name| name.starts_with(ENTRY_PREFIX))
        .collect();
    names.sort_unstable();
    names.dedup();
    Ok(names)
}
