//! What an analysis found in a cell: `analysis/<name>/` in the cell's folder.
//!
//! ```text
//! findings.json           what the analysis is, with which parameters, its notes, and why it
//!                         failed if it did; written last: without it nothing else counts
//! series.parquet          epoch, and a column a series
//! tensors.safetensors     a tensor a name, `(epochs, …)` where there are `<name>.epochs`
//! <name>.table.json       {"columns": […], "rows": […]}
//! <name>.figure.json      Plotly's JSON
//! ```

use std::borrow::Cow;
use std::fmt;
use std::fs;
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::table::{self, Column};
use crate::tensors::{self, Entry};
use crate::{CellDir, StoreError, atomic};

const INDEX: &str = "findings.json";

/// Bytes on their way into a file, of which not all need be in memory.
pub struct Content {
    /// how many there are
    pub length: u64,
    /// all of them, and no more
    pub from: Box<dyn Read + Send>,
}

/// A tensor, or a stack of one for each of some epochs.
#[derive(Debug)]
pub struct FoundTensor {
    /// its name in the file
    pub name: String,
    /// with the number of epochs in front, where there are epochs
    pub shape: Vec<usize>,
    /// row-major, float32, little-endian
    pub data: Content,
    /// of the first dimension
    pub epochs: Option<Vec<u64>>,
}

/// The files of an analysis of a cell.
#[derive(Debug, Default)]
pub struct FindingFiles {
    /// what `findings.json` holds
    pub index: Value,
    /// the epochs of the series
    pub epochs: Vec<u64>,
    /// name and values of each, one an epoch
    pub series: Vec<(String, Vec<f64>)>,
    /// of `tensors.safetensors`
    pub tensors: Vec<FoundTensor>,
    /// file name and content of everything else
    pub json: Vec<(String, Content)>,
}

impl From<Vec<u8>> for Content {
    fn from(bytes: Vec<u8>) -> Content {
        Content {
            length: bytes.len() as u64,
            from: Box::new(Cursor::new(bytes)),
        }
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Content")
            .field("length", &self.length)
            .finish_non_exhaustive()
    }
}

impl CellDir {
    /// Puts these files in the place of all that the analysis `name` left before. `name` is one
    /// part of a path.
    ///
    /// # Errors
    /// The disk is full or cannot be written; two tensors of one name, or a shape that does not fit
    /// its data.
    pub fn write_findings(&self, name: &str, files: FindingFiles) -> Result<(), StoreError> {
        let folder = self.analysis(name);
        clear(&folder)
            .map_err(|error| StoreError::io("cannot empty the folder", &folder, &error))?;
        if !files.series.is_empty() {
            write_series(&folder.join("series.parquet"), &files)?;
        }
        if !files.tensors.is_empty() {
            write_tensors(&folder.join("tensors.safetensors"), files.tensors)?;
        }
        for (file, mut content) in files.json {
            atomic::fill(&folder.join(file), |out| {
                io::copy(&mut content.from, out).map(|_| ())
            })?;
        }
        let index = format!("{:#}\n", files.index);
        atomic::write(&folder.join(INDEX), index.as_bytes())
    }

    /// What `findings.json` of an analysis holds; none if it did not conclude, or the file is not
    /// readable as JSON (the findings are then made again).
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn read_findings(&self, name: &str) -> Result<Option<Value>, StoreError> {
        let path = self.analysis(name).join(INDEX);
        match fs::read(&path) {
            Ok(text) => Ok(serde_json::from_slice(&text).ok()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::io("cannot read", &path, &error)),
        }
    }

    fn analysis(&self, name: &str) -> PathBuf {
        self.path().join("analysis").join(name)
    }
}

/// Makes the folder, or removes the files in it, the index first.
fn clear(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    match fs::remove_file(folder.join(INDEX)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => atomic::sync_folder(folder)?,
    }
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn write_series(path: &Path, files: &FindingFiles) -> Result<(), StoreError> {
    let epochs = &files.epochs;
    if let Some((name, _)) = files.series.iter().find(|(_, v)| v.len() != epochs.len()) {
        let why = format!("series {name} is not as long as its epochs");
        return Err(tensors::unstorable(path, why));
    }
    let columns: Vec<Column<'_>> = files
        .series
        .iter()
        .map(|(name, values)| Column {
            name,
            values,
            repeats: false,
        })
        .collect();
    atomic::fill(path, |file| {
        let epoch = |row: usize| epochs[row].cast_signed();
        table::write(file, epochs.len(), epoch, &columns)
    })
}

fn write_tensors(path: &Path, found: Vec<FoundTensor>) -> Result<(), StoreError> {
    let mut entries = Vec::new();
    for tensor in found {
        if let Some(epochs) = &tensor.epochs {
            let epochs: Vec<i64> = epochs.iter().map(|e| e.cast_signed()).collect();
            let name = format!("{}.epochs", tensor.name);
            entries.push((Cow::from(name), Entry::i64(&epochs)));
        }
        let entry = Entry::f32_from(tensor.shape, tensor.data);
        entries.push((Cow::from(tensor.name), entry));
    }
    tensors::write(path, entries)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn files(value: f64) -> FindingFiles {
        FindingFiles {
            index: json!({ "version": "1", "value": value }),
            epochs: vec![0, 100],
            series: vec![("gini".to_owned(), vec![value, f64::NAN])],
            tensors: vec![FoundTensor {
                name: "norms".to_owned(),
                shape: vec![2, 1],
                data: [0.5f32, 1.5].map(f32::to_le_bytes).concat().into(),
                epochs: Some(vec![0, 100]),
            }],
            json: vec![(
                "norms.figure.json".to_owned(),
                b"{\"data\":[]}\n".to_vec().into(),
            )],
        }
    }

    #[test]
    fn findings_replace_what_was_there_before() {
        let folder = tempfile::tempdir().unwrap();
        let cell = CellDir::create(folder.path().join("cell")).unwrap();
        assert_eq!(cell.read_findings("sparsity").unwrap(), None);
        cell.write_findings("sparsity", files(0.25)).unwrap();
        let index = cell.read_findings("sparsity").unwrap().unwrap();
        assert_eq!(index["value"], 0.25);
        let path = |file: &str| cell.path().join("analysis/sparsity").join(file);
        let first = fs::read(path("series.parquet")).unwrap();

        let fewer = FindingFiles {
            tensors: Vec::new(),
            json: Vec::new(),
            ..files(0.75)
        };
        cell.write_findings("sparsity", fewer).unwrap();
        assert!(!path("tensors.safetensors").exists() && !path("norms.figure.json").exists());
        assert_ne!(fs::read(path("series.parquet")).unwrap(), first);
        cell.write_findings("sparsity", files(0.25)).unwrap();
        assert_eq!(fs::read(path("series.parquet")).unwrap(), first);
    }

    #[test]
    fn an_index_that_is_no_json_does_not_count() {
        let folder = tempfile::tempdir().unwrap();
        let cell = CellDir::create(folder.path().join("cell")).unwrap();
        cell.write_findings("sparsity", files(0.25)).unwrap();
        fs::write(cell.path().join("analysis/sparsity/findings.json"), "{").unwrap();
        assert_eq!(cell.read_findings("sparsity").unwrap(), None);
    }
}
