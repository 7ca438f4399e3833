//! Reads what a file exports without opening it as a library, which would run code in it.

use std::fs;
use std::path::Path;

use grokrun_api::abi::ENTRY_PREFIX;
use object::{BinaryFormat, NameOrOrdinal, Object, ReadCache};

/// Returns the names of the plugin entries that a file exports; none if the file is no library, or
/// no plugin.
///
/// # Errors
/// If the file cannot be read.
pub fn exports(path: &Path) -> Result<Vec<String>, String> {
    let unreadable = |error: std::io::Error| format!("cannot be read: {error}");
    // Opening a pipe would wait for a writer.
    if !fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err("is not a file".to_owned());
    }
    // Of a large file only the symbol tables are read.
    let cache = ReadCache::new(fs::File::open(path).map_err(unreadable)?);
    let Ok(file) = object::File::parse(&cache) else {
        return Ok(Vec::new());
    };
    // Mach-O puts an underscore before every name.
    let underscore = file.format() == BinaryFormat::MachO;
    let Ok(exports) = file.exports() else {
        return Ok(Vec::new());
    };
    let mut names: Vec<String> = exports
        .filter_map(Result::ok)
        .filter_map(|export| match export.name() {
            NameOrOrdinal::Name(name) => String::from_utf8(name.to_vec()).ok(),
            NameOrOrdinal::Ordinal(_) => None,
        })
        .filter_map(|name| {
            if underscore {
                name.strip_prefix('_').map(str::to_owned)
            } else {
                Some(name)
            }
        })
        .filter(|name| name.starts_with(ENTRY_PREFIX))
        .collect();
    names.sort_unstable();
    names.dedup();
    Ok(names)
}

/// Says why a file exports no entry, for the person who named it.
pub(crate) fn why_no_plugin(path: &Path) -> String {
    let cache = fs::File::open(path).map(ReadCache::new);
    let parsed = cache.as_ref().ok().map(object::File::parse);
    match parsed {
        Some(Err(error)) => format!("it cannot be read as a library ({error})"),
        Some(Ok(file)) => match file.exports() {
            Err(error) => format!("its symbols cannot be read ({error})"),
            Ok(_) => format!(
                "it exports no {ENTRY_PREFIX}…; expected a crate of type cdylib with grokrun_api::export_plugin!"
            ),
        },
        None => "it cannot be read".to_owned(),
    }
}
