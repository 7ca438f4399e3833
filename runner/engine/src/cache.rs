//! The user's cache folder: compiled kernels here, and what others measured of a device. Files in
//! it only save time; without the folder everything works as well.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::{env, fs};

use etcetera::BaseStrategy;
use tempfile::NamedTempFile;

/// The environment variable that names the folder, where it is to be another than the user's.
pub const CACHE_FOLDER: &str = "GROKRUN_CACHE_DIR";

/// `$GROKRUN_CACHE_DIR`, else `grokrun` in the cache folder that the system's rules give
/// (`$XDG_CACHE_HOME`, `~/.cache`); none without a home folder. It need not be there yet.
pub fn cache_folder() -> Option<PathBuf> {
    if let Some(named) = env::var_os(CACHE_FOLDER).filter(|folder| !folder.is_empty()) {
        return Some(PathBuf::from(named));
    }
    let strategy = etcetera::choose_base_strategy().ok()?;
    Some(strategy.cache_dir().join("grokrun"))
}

/// Makes `bytes` the content of a file of the folder, whole or not at all; makes the folder.
///
/// # Errors
/// When it cannot be written.
pub fn keep_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut staged = NamedTempFile::new_in(folder)?;
    staged.write_all(bytes)?;
    staged.as_file().sync_all()?;
    staged.persist(path).map_err(|error| error.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_replaces_another_and_leaves_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep").join("file");
        keep_file(&path, b"one").unwrap();
        keep_file(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(folder.path().join("deep")).unwrap().count(), 1);
    }
}
