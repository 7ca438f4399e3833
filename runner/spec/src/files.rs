//! Passes on the bytes of the files that a spec names. This crate reads no file itself.

use std::fmt;

type Read = dyn Fn(&str) -> Result<Vec<u8>, String> + Send + Sync;

/// Reads the files that a spec names: tables of operations.
#[derive(Default)]
pub struct Files(Option<Box<Read>>);

impl Files {
    /// Reads files by this function, which maps a path as written in the spec to the file's bytes,
    /// or to the reason why they cannot be read.
    pub fn new(read: impl Fn(&str) -> Result<Vec<u8>, String> + Send + Sync + 'static) -> Files {
        Files(Some(Box::new(read)))
    }

    pub(crate) fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        match &self.0 {
            Some(read) => read(path),
            None => Err("no files are read here".to_owned()),
        }
    }
}

impl fmt::Debug for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reads = self.0.is_some();
        f.debug_struct("Files").field("reads", &reads).finish()
    }
}
