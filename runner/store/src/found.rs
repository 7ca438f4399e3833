//! What analyses left in a cell, as a reader sees it: each file is compared with the digest that
//! the `findings.json` beside it has of it, and is left out, with a word, where it does not fit.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::findings::{INDEX, SERIES, made_again, read_index};
use crate::owner::Owner;
use crate::{CellDir, ErrorKind, FindingsIndex, StoreError, regular, seal, table, tensors};

/// What an analysis left in a cell.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FoundFiles {
    /// `findings.json`
    pub index: FindingsIndex,
    /// name and content of each table, by name
    pub tables: Vec<(String, Value)>,
    /// name of each figure and where its Plotly JSON is, by name: they are large, and read one by
    /// one
    pub figures: Vec<(String, FigureFile)>,
}

/// The series that an analysis left in a cell.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FoundSeries {
    /// the epochs that it was called at, in order
    pub epochs: Vec<u64>,
    /// name and values of each series, a value an epoch; NaN where there is none
    pub series: Vec<(String, Vec<f64>)>,
}

/// The file of a figure.
#[derive(Clone, Debug, PartialEq)]
pub struct FigureFile(Listed);

impl FigureFile {
    /// The figure.
    ///
    /// # Errors
    /// The file is missing, truncated or altered, or cannot be read.
    pub fn read(&self) -> Result<Value, StoreError> {
        self.0.json()
    }
}

/// A file that a `findings.json` lists.
#[derive(Clone, Debug, PartialEq)]
struct Listed {
    path: PathBuf,
    /// none in findings of an older grokrun
    digest: Option<String>,
    analysis: String,
}

impl Listed {
    fn new(folder: &Path, index: &FindingsIndex, file: &str) -> Listed {
        Listed {
            path: folder.join(file),
            digest: index.files.get(file).cloned(),
            analysis: name(folder),
        }
    }

    fn damaged(&self, why: String) -> StoreError {
        StoreError::altered(&self.path, why, &made_again(&self.analysis))
    }

    /// The file's bytes, as they were written.
    fn bytes(&self) -> Result<Vec<u8>, StoreError> {
        let bytes = regular::read(&self.path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => {
                let remedy = made_again(&self.analysis);
                let message = format!("{} is missing; {remedy}", self.path.display());
                StoreError::new(ErrorKind::Missing, &self.path, message)
            }
            _ => StoreError::io("cannot read", &self.path, &error),
        })?;
        let Some(wanted) = &self.digest else {
            return Ok(bytes);
        };
        let (bytes, found) = if self.path.extension().is_some_and(|e| e == "safetensors") {
            let contents = tensors::check(bytes).map_err(|why| self.damaged(why))?;
            (Vec::new(), contents.digest())
        } else {
            let digest = seal::digest(&bytes);
            (bytes, digest)
        };
        if found == *wanted {
            Ok(bytes)
        } else {
            Err(self.damaged(format!(
                "it does not fit the digest that {INDEX} has of it: it was cut off or changed, or is another cell's"
            )))
        }
    }

    fn json(&self) -> Result<Value, StoreError> {
        serde_json::from_slice(&self.bytes()?)
            .map_err(|error| self.damaged(format!("it is not JSON: {error}")))
    }
}

/// The analysis of a folder.
fn name(folder: &Path) -> String {
    let name = folder.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

impl CellDir {
    /// What each analysis left, by name; those that did not conclude are not there. What cannot be
    /// used is left out, and told of.
    pub fn read_analyses(&self) -> (Vec<FoundFiles>, Vec<StoreError>) {
        read_all(&self.path().join("analysis"), &self.expected())
    }

    /// The series that the analysis `name` left; none where it did not conclude.
    ///
    /// # Errors
    /// A file is missing, truncated, altered or another cell's, or cannot be read.
    pub fn read_series(&self, name: &str) -> Result<Option<FoundSeries>, StoreError> {
        let Some(index) = self.read_findings(name)? else {
            return Ok(None);
        };
        if index.series.is_empty() {
            return Ok(Some(FoundSeries::default()));
        }
        let file = Listed::new(&self.analysis(name), &index, SERIES);
        file.bytes()?;
        let opened = File::open(&file.path);
        let opened = opened.map_err(|error| StoreError::io("cannot read", &file.path, &error))?;
        let (epochs, series) = table::read_series(opened).map_err(|why| file.damaged(why))?;
        Ok(Some(FoundSeries { epochs, series }))
    }

    /// Every file of findings that is not as it was written.
    pub(crate) fn verify_findings(&self) -> Vec<StoreError> {
        let (expected, mut flaws) = (self.expected(), Vec::new());
        for folder in folders(&self.path().join("analysis")) {
            match read_index(&folder, &expected) {
                Ok(Some(index)) => {
                    let read = |file: &String| Listed::new(&folder, &index, file).bytes().err();
                    flaws.extend(index.files.keys().filter_map(read));
                }
                Ok(None) => {}
                Err(error) => flaws.push(error),
            }
        }
        flaws
    }
}

/// What each analysis left in the folders of this folder, by name, and what cannot be used.
pub(crate) fn read_all(all: &Path, expected: &Owner) -> (Vec<FoundFiles>, Vec<StoreError>) {
    let (mut there, mut flaws) = (Vec::new(), Vec::new());
    for folder in folders(all) {
        match read_index(&folder, expected) {
            Ok(Some(index)) => there.push(found(&folder, index, &mut flaws)),
            Ok(None) => {}
            Err(error) => flaws.push(error),
        }
    }
    (there, flaws)
}

fn folders(all: &Path) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = fs::read_dir(all)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    folders.sort();
    folders
}

fn found(folder: &Path, index: FindingsIndex, flaws: &mut Vec<StoreError>) -> FoundFiles {
    let all = |names: &[String], suffix: &str| -> Vec<(String, Listed)> {
        let file = |name: &String| {
            let file = Listed::new(folder, &index, &format!("{name}.{suffix}.json"));
            (name.clone(), file)
        };
        names.iter().map(file).collect()
    };
    let mut tables = Vec::new();
    for (name, file) in all(&index.tables, "table") {
        match file.json() {
            Ok(table) => tables.push((name, table)),
            Err(error) => flaws.push(error),
        }
    }
    let figures = all(&index.figures, "figure").into_iter();
    FoundFiles {
        tables,
        figures: figures
            .map(|(name, file)| (name, FigureFile(file)))
            .collect(),
        index,
    }
}
