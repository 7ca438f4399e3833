//! A run as a reader sees it: no lock, nothing created, whatever another process is writing.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::run::lock::Hold;
use crate::run::{Manifest, lock};
use crate::{CellDir, ErrorKind, StoreError, Summary, atomic};

/// A run directory that is only read, but for its report.
#[derive(Clone, Debug)]
pub struct RunView {
    path: PathBuf,
    name: String,
    fingerprint: String,
}

/// Who writes a run at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writer {
    /// nobody
    Nobody,
    /// one process, all of it
    One,
    /// one or more that share it
    Shards,
}

/// What an analysis left in a cell.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FoundFiles {
    /// `findings.json`
    pub index: Value,
    /// name and content of each table, by name
    pub tables: Vec<(String, Value)>,
    /// name of each figure and where its Plotly JSON is, by name: they are large, and read one by
    /// one
    pub figures: Vec<(String, FigureFile)>,
}

/// The file of a figure.
#[derive(Clone, Debug, PartialEq)]
pub struct FigureFile(PathBuf);

impl FigureFile {
    /// The figure; none if the file is missing or no JSON.
    pub fn read(&self) -> Option<Value> {
        json(&self.0)
    }
}

impl RunView {
    /// Opens the run in this folder.
    ///
    /// # Errors
    /// It holds no run, or one of a newer format.
    pub fn open(path: &Path) -> Result<RunView, StoreError> {
        let manifest = if path.is_dir() {
            Manifest::read(path)?
        } else {
            None
        };
        match manifest {
            Some(manifest) => Ok(RunView {
                path: path.to_owned(),
                name: manifest.name().to_owned(),
                fingerprint: manifest.fingerprint().to_owned(),
            }),
            None => {
                let message = format!(
                    "{} holds no run; expected a folder with a run.json, runs/mult59 for instance",
                    path.display()
                );
                Err(StoreError::new(ErrorKind::NotARun, path, message))
            }
        }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The run's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether another process writes the run now.
    pub fn is_busy(&self) -> bool {
        self.writer() != Writer::Nobody
    }

    /// Who writes the run now.
    pub fn writer(&self) -> Writer {
        match lock::holder(&self.path) {
            None => Writer::Nobody,
            Some(Hold::Alone) => Writer::One,
            Some(Hold::Shared) => Writer::Shards,
        }
    }

    /// Of the spec's meaning: equal for two runs of the same cells.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// The spec as it was given, and with every default written out.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn spec(&self) -> Result<[String; 2], StoreError> {
        let read = |name: &str| {
            let path = self.path.join(name);
            fs::read_to_string(&path).map_err(|error| StoreError::io("cannot read", &path, &error))
        };
        Ok([read("spec.toml")?, read("resolved.toml")?])
    }

    /// A cell that was begun; none where it was not.
    pub fn cell(&self, id: &str) -> Option<CellDir> {
        let path = self.path.join("cells").join(id);
        path.is_dir().then(|| CellDir::at(path))
    }

    /// The summary; empty if there is none yet, or it cannot be read.
    pub fn summary(&self) -> Summary {
        let text = fs::read(self.path.join("summary.json"));
        let parsed = text.ok().and_then(|t| serde_json::from_slice(&t).ok());
        parsed.unwrap_or_default()
    }

    /// The names of the analyses of the resolved spec, in its order; none if it cannot be read.
    pub fn analyses(&self) -> Vec<String> {
        let text = fs::read_to_string(self.path.join("resolved.toml")).unwrap_or_default();
        let header = |line: &str| {
            let name = line.trim().strip_prefix("[analysis.")?.strip_suffix(']')?;
            Some(name.trim_matches('"').to_owned())
        };
        text.lines().filter_map(header).collect()
    }

    /// The cells that were begun, by name.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn cells(&self) -> Result<Vec<(String, CellDir)>, StoreError> {
        let folder = self.path.join("cells");
        let failed = |error| StoreError::io("cannot read the folder", &folder, &error);
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(error)),
        };
        let mut cells = Vec::new();
        for entry in entries {
            let entry = entry.map_err(failed)?;
            if atomic::is_leftover(&entry.file_name()) {
                continue;
            }
            if let (true, Ok(name)) = (entry.path().is_dir(), entry.file_name().into_string()) {
                cells.push((name, CellDir::at(entry.path())));
            }
        }
        cells.sort_by(|one, other| one.0.cmp(&other.0));
        Ok(cells)
    }

    /// Puts a report in the place of the one before.
    ///
    /// # Errors
    /// The disk is full or cannot be written.
    pub fn write_report(&self, html: &str) -> Result<PathBuf, StoreError> {
        let path = self.path.join("report.html");
        atomic::write(&path, html.as_bytes())?;
        Ok(path)
    }
}

impl CellDir {
    /// Whether a process that shares the run has claimed the cell.
    pub fn is_claimed(&self) -> bool {
        lock::holder(self.path()).is_some()
    }

    /// `config.json`; null if it is missing or no JSON.
    pub fn read_config(&self) -> Value {
        json(&self.path().join("config.json")).unwrap_or_default()
    }

    /// What each analysis left, by name; those that did not conclude are not there.
    pub fn read_analyses(&self) -> Vec<FoundFiles> {
        let folder = self.path().join("analysis");
        let mut folders: Vec<PathBuf> = fs::read_dir(folder)
            .into_iter()
            .flatten()
            .filter_map(|entry| Some(entry.ok()?.path()))
            .collect();
        folders.sort();
        folders
            .iter()
            .filter_map(|folder| {
                let index = json(&folder.join("findings.json"))?;
                let all = |key: &str, suffix: &str| -> Vec<(String, PathBuf)> {
                    let names = index[key].as_array().into_iter().flatten();
                    let file = |name: &Value| {
                        let name = name.as_str()?;
                        let file = folder.join(format!("{name}.{suffix}.json"));
                        Some((name.to_owned(), file))
                    };
                    names.filter_map(file).collect()
                };
                let tables = all("tables", "table").into_iter();
                let figures = all("figures", "figure").into_iter();
                Some(FoundFiles {
                    tables: tables
                        .filter_map(|(name, file)| Some((name, json(&file)?)))
                        .collect(),
                    figures: figures
                        .map(|(name, file)| (name, FigureFile(file)))
                        .collect(),
                    index,
                })
            })
            .collect()
    }
}

fn json(path: &Path) -> Option<Value> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}
