//! What an analysis found in a cell: `analysis/<name>/` in the cell's folder.
//!
//! ```text
//! findings.json           what the analysis is, with which parameters, its notes, and why it
//!                         failed if it did; whose it is; the digest of each of the other
//!                         files, whole, but of tensors.safetensors the one in it; written last,
//!                         so that without it nothing else counts
//! series.parquet          epoch, and a column a series
//! tensors.safetensors     a tensor a name, `(epochs, …)` where there are `<name>.epochs`
//! <name>.table.json       {"columns": […], "rows": […]}
//! <name>.figure.json      Plotly's JSON
//! ```

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};

use crate::cell::{read_json, write_json};
use crate::owner::Owner;
use crate::seal::Hashed;
use crate::table::{self, Column};
use crate::tensors::{self, Entry};
use crate::{CellDir, FindingsIndex, StoreError, atomic};

pub(crate) const INDEX: &str = "findings.json";
pub(crate) const SERIES: &str = "series.parquet";
const TENSORS: &str = "tensors.safetensors";

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
    pub index: FindingsIndex,
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
        write_into(&self.analysis(name), &self.owner(), files)
    }

    /// What `findings.json` of an analysis holds; none if it did not conclude.
    ///
    /// # Errors
    /// The file is truncated, altered or another cell's, or cannot be read.
    pub fn read_findings(&self, name: &str) -> Result<Option<FindingsIndex>, StoreError> {
        read_index(&self.analysis(name), &self.expected())
    }

    /// Gives up what all analyses have found: the cell is trained on, and they are of less than
    /// that.
    ///
    /// # Errors
    /// A folder cannot be read, or a file removed.
    pub fn discard_findings(&self) -> Result<(), StoreError> {
        discard(&self.path().join("analysis"))
    }

    pub(crate) fn analysis(&self, name: &str) -> PathBuf {
        self.path().join("analysis").join(name)
    }
}

/// Puts these files in the place of all findings in a folder.
pub(crate) fn write_into(
    folder: &Path,
    owner: &Owner,
    files: FindingFiles,
) -> Result<(), StoreError> {
    clear(folder).map_err(|error| StoreError::io("cannot empty the folder", folder, &error))?;
    let mut digests = BTreeMap::new();
    let mut put = |file: &str, digest: String| digests.insert(file.to_owned(), digest);
    if !files.series.is_empty() {
        put(SERIES, write_series(&folder.join(SERIES), &files)?);
    }
    if !files.tensors.is_empty() {
        put(
            TENSORS,
            write_tensors(&folder.join(TENSORS), files.tensors)?,
        );
    }
    for (file, mut content) in files.json {
        let digest = atomic::fill(&folder.join(&file), |out| {
            let mut hashed = Hashed::new(out);
            io::copy(&mut content.from, &mut hashed)?;
            Ok(hashed.digest())
        })?;
        put(&file, digest);
    }
    let index = FindingsIndex {
        files: digests,
        ..files.index
    };
    let mut index = index.to_json();
    owner.put_into(&mut index);
    write_json(&folder.join(INDEX), &index)
}

/// Removes the findings in each folder of this folder, and what is empty then.
pub(crate) fn discard(all: &Path) -> Result<(), StoreError> {
    let failed = |error: &io::Error| StoreError::io("cannot empty the folder", all, error);
    let entries = match fs::read_dir(all) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(&error)),
    };
    for entry in entries {
        let folder = entry.map_err(|e| failed(&e))?.path();
        if !folder.join(INDEX).exists() {
            continue;
        }
        clear(&folder).map_err(|e| failed(&e))?;
        // What somebody else put there keeps the folder.
        let _not_empty = fs::remove_dir(&folder);
    }
    let _not_empty = fs::remove_dir(all);
    Ok(())
}

/// What the `findings.json` of a folder holds; none if the analysis did not conclude.
pub(crate) fn read_index(
    folder: &Path,
    expected: &Owner,
) -> Result<Option<FindingsIndex>, StoreError> {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let (path, remedy) = (folder.join(INDEX), made_again(&name));
    read_json(&path, expected, &remedy)?
        .map(FindingsIndex::of_json)
        .transpose()
        .map_err(|why| StoreError::altered(&path, why, &remedy))
}

/// What to do about findings that cannot be used.
pub(crate) fn made_again(analysis: &str) -> String {
    format!("`grokrun analyze RUN --only {analysis}` makes it again")
}

/// Makes the folder, or removes the findings in it, the index first. Other files are not ours.
fn clear(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    match fs::remove_file(folder.join(INDEX)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => atomic::sync_folder(folder)?,
    }
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_file() && entry.file_name().to_str().is_some_and(is_name) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Whether a name is that of a file of findings.
pub(crate) fn is_name(name: &str) -> bool {
    [INDEX, SERIES, TENSORS].contains(&name)
        || name.ends_with(".table.json")
        || name.ends_with(".figure.json")
}

fn write_series(path: &Path, files: &FindingFiles) -> Result<String, StoreError> {
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
        let mut hashed = Hashed::new(file);
        table::write(&mut hashed, epochs.len(), epoch, &columns, Vec::new())?;
        Ok(hashed.digest())
    })
}

fn write_tensors(path: &Path, found: Vec<FoundTensor>) -> Result<String, StoreError> {
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
    tensors::write(path, entries, &[])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(value: f64) -> FindingFiles {
        FindingFiles {
            index: FindingsIndex {
                version: value.to_string(),
                ..FindingsIndex::default()
            },
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
        assert_eq!(index.version, "0.25");
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
    fn series_come_back_and_a_changed_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let cell = CellDir::create(folder.path().join("cell")).unwrap();
        assert_eq!(cell.read_series("sparsity").unwrap(), None);
        let none = FindingFiles {
            ..FindingFiles::default()
        };
        cell.write_findings("sparsity", none).unwrap();
        let found = cell.read_series("sparsity").unwrap().unwrap();
        assert_eq!(found, crate::FoundSeries::default());

        let index = FindingsIndex {
            series: vec!["gini".to_owned()],
            ..FindingsIndex::default()
        };
        let written = FindingFiles {
            index,
            ..files(0.25)
        };
        cell.write_findings("sparsity", written).unwrap();
        let found = cell.read_series("sparsity").unwrap().unwrap();
        assert_eq!(found.epochs, [0, 100]);
        let (name, values) = &found.series[0];
        assert_eq!(name, "gini");
        assert!(values[0] == 0.25 && values[1].is_nan());

        let file = cell.path().join("analysis/sparsity/series.parquet");
        let mut bytes = fs::read(&file).unwrap();
        bytes[40] ^= 1;
        fs::write(&file, bytes).unwrap();
        let error = cell.read_series("sparsity").unwrap_err();
        assert_eq!(error.kind(), crate::ErrorKind::Altered);
        fs::remove_file(&file).unwrap();
        assert!(cell.read_series("sparsity").is_err());
    }

    #[test]
    fn discarded_findings_leave_what_is_somebody_elses() {
        let folder = tempfile::tempdir().unwrap();
        let cell = CellDir::create(folder.path().join("cell")).unwrap();
        cell.discard_findings().unwrap();
        for name in ["sparsity", "norms"] {
            cell.write_findings(name, files(0.25)).unwrap();
        }
        let mine = cell.path().join("analysis/norms/plot.png");
        fs::write(&mine, "mine").unwrap();
        cell.write_findings("norms", files(0.75)).unwrap();
        assert!(mine.exists());
        cell.discard_findings().unwrap();
        assert_eq!(cell.read_findings("norms").unwrap(), None);
        assert!(!cell.path().join("analysis/sparsity").exists());
        let left = fs::read_dir(cell.path().join("analysis/norms")).unwrap();
        assert!(left.map(|entry| entry.unwrap().path()).eq([mine]));
    }

    #[test]
    fn an_index_that_is_no_json_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let cell = CellDir::create(folder.path().join("cell")).unwrap();
        cell.write_findings("sparsity", files(0.25)).unwrap();
        fs::write(cell.path().join("analysis/sparsity/findings.json"), "{").unwrap();
        let error = cell.read_findings("sparsity").unwrap_err();
        assert_eq!(error.kind(), crate::ErrorKind::Altered);
        assert!(error.to_string().contains("--only sparsity"), "{error}");
    }
}
