//! A run as a reader sees it: no lock, nothing created, whatever another process is writing.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::run::{Manifest, RESOLVED, SPEC, contents, lock, read_spec, read_summary};
use crate::{CellDir, ErrorKind, StoreError, Summary, atomic, staged};

/// A run directory that is only read, but for its report.
#[derive(Clone, Debug)]
pub struct RunView {
    path: PathBuf,
    name: String,
    fingerprint: String,
    lengthening: bool,
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
                lengthening: manifest.is_lengthening(),
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

    /// Whether another process writes the run now, alone or with others.
    pub fn is_busy(&self) -> bool {
        lock::holder(&self.path).is_some()
    }

    /// Of the spec's meaning: equal for two runs of the same cells.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Whether a process was about to make the run longer when it ended: the spec in the folder may
    /// be the shorter one, of another fingerprint.
    pub fn is_lengthening(&self) -> bool {
        self.lengthening
    }

    /// The spec as it was given, and with every default written out.
    ///
    /// # Errors
    /// A file is truncated or altered, or cannot be read.
    pub fn spec(&self) -> Result<[String; 2], StoreError> {
        Ok([
            read_spec(&self.path, SPEC)?,
            read_spec(&self.path, RESOLVED)?,
        ])
    }

    /// The spec with every default written out, alone.
    ///
    /// # Errors
    /// The file is truncated or altered, or cannot be read.
    pub fn resolved(&self) -> Result<String, StoreError> {
        read_spec(&self.path, RESOLVED)
    }

    /// A cell that was begun; none where it was not.
    pub fn cell(&self, id: &str) -> Option<CellDir> {
        let path = self.path.join("cells").join(id);
        path.is_dir().then(|| CellDir::at(path))
    }

    /// As [`RunDir::logs`](crate::RunDir::logs).
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn logs(&self) -> Result<Vec<PathBuf>, StoreError> {
        contents::logs(&self.path)
    }

    /// The summary; empty if there is none yet.
    ///
    /// # Errors
    /// It is truncated or altered, or cannot be read.
    pub fn summary(&self) -> Result<Summary, StoreError> {
        Ok(read_summary(&self.path)?.unwrap_or_default())
    }

    /// The names of the analyses of the resolved spec, in its order.
    ///
    /// # Errors
    /// It is truncated or altered, or cannot be read.
    pub fn analyses(&self) -> Result<Vec<String>, StoreError> {
        let text = self.resolved()?;
        let header = |line: &str| {
            let name = line.trim().strip_prefix("[analysis.")?.strip_suffix(']')?;
            Some(name.trim_matches('"').to_owned())
        };
        Ok(text.lines().filter_map(header).collect())
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
            // A folder without checkpoints is somebody's own, left when the run was started over.
            let begun = entry.path().join("checkpoints").is_dir();
            if let (true, Ok(name)) = (begun, entry.file_name().into_string()) {
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
        // Who writes a report alone holds no lock of the run, and opens nothing else of it.
        staged::sweep(&self.path)
            .map_err(|error| StoreError::io("cannot read the folder", &self.path, &error))?;
        Ok(path)
    }
}

impl CellDir {
    /// Whether a process trains the cell now.
    pub fn is_claimed(&self) -> bool {
        lock::holder(self.path()).is_some()
    }
}
