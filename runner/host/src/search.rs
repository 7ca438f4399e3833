//! Says where to look for analyses, and which of those that were asked for cannot be used.

use std::path::PathBuf;

use crate::isolation::{Isolation, Python};

/// A file of Python with the name that a spec gives its analysis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// the analysis's name
    pub name: String,
    /// its file
    pub file: PathBuf,
}

/// An analysis that was asked for by name and cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unusable {
    /// its name
    pub name: String,
    /// why it cannot be used
    pub why: String,
}

/// Says where to look for analyses beside the linked ones.
#[derive(Clone, Debug)]
pub struct Search {
    /// these files: shared libraries, and files of Python, which end in `.py`
    pub files: Vec<PathBuf>,
    /// files of Python that a spec names
    pub scripts: Vec<Script>,
    /// how files of Python are called
    pub python: Python,
    /// all libraries in these folders
    pub folders: Vec<PathBuf>,
    /// the libraries beside the executable
    pub beside: Option<Beside>,
    /// how to call them in processes of their own, if they are
    pub isolation: Option<Isolation>,
}

/// Says where cargo puts the libraries of `plugins/`.
#[derive(Clone, Debug)]
pub struct Beside {
    /// the executable's folder
    pub folder: PathBuf,
    /// `plugins/` of the checkout that the program was built from, if that is still there
    pub sources: Option<PathBuf>,
}
