//! The files that a spec names: this crate asks for their bytes and reads none itself.

use std::fmt;

type Read = dyn Fn(&str) -> Result<Vec<u8>, String> + Send + Sync;

/// How files are read that a spec names: tables of operations.
#[derive(Default)]
pub struct Files(Option<Box<Read>>);

impl Files {
    /// Reads files by this function: a path as the spec has it to bytes, or to why there are none.
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
