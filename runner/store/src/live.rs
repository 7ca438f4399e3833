//! `live.rows`: a cell's history while it trains, for whoever watches it.
//!
//! A state is saved every ten seconds or so, and the history in it is read as a whole. This file is
//! appended to several times a second and read from where a reader was. It is there while a session
//! trains the cell, and after a session that was killed; no result is made of it, so that it has no
//! digest, and a damaged one costs a look.
//!
//! ```text
//! one line of JSON     cell, fingerprint, columns
//! then 32 bytes a row  epoch 0 first: train loss, test loss, train accuracy, test accuracy, as
//!                      float64, the lowest byte first
//! ```
//!
//! A row that was torn by a kill or is being written has fewer bytes, and is left out until it has
//! all of them.

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use crate::owner::Owner;
use crate::{CellDir, Metrics, Row, StoreError, regular};

/// The name of the file.
pub(crate) const NAME: &str = "live.rows";
/// Bytes of a row.
const ROW: usize = 32;
/// The longest first line that is read.
const LONGEST_HEAD: u64 = 4096;
/// What to do about a file that cannot be read.
const REMEDY: &str = "delete it: the next session writes it anew, and nothing else needs it";

/// Writes the rows of a cell that trains.
#[derive(Debug)]
pub struct LiveRows {
    path: PathBuf,
    owner: Owner,
    /// rows in the file; none before this session has made it
    written: Option<usize>,
}

impl CellDir {
    /// What writes the rows of a session that begins; nothing is written yet.
    pub fn live_rows(&self) -> LiveRows {
        LiveRows {
            path: self.path().join(NAME),
            owner: self.owner(),
            written: None,
        }
    }

    /// What reads the rows that a session writes, from the first one on.
    pub fn live_reader(&self) -> LiveReader {
        LiveReader {
            dir: self.clone(),
            head: 0,
            rows: 0,
            last: [0; ROW],
        }
    }

    /// Removes the rows, of this session or of one that was killed, if there are any.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn remove_live_rows(&self) -> Result<(), StoreError> {
        let path = self.path().join(NAME);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(StoreError::io("cannot remove", &path, &error))
            }
            _ => Ok(()),
        }
    }
}

impl LiveRows {
    /// Makes the file that of this history, by appending the rows that it lacks. The first call of
    /// a session makes the file anew.
    ///
    /// # Errors
    /// The disk is full or cannot be written. What is written may end in the middle of a row then.
    pub fn append(&mut self, history: &Metrics) -> Result<(), StoreError> {
        let failed = |error| StoreError::io("cannot write", &self.path, &error);
        let mut options = File::options();
        let mut bytes = Vec::new();
        match self.written {
            None => {
                options.write(true).create(true).truncate(true);
                let mut head = json!({ "columns": Metrics::COLUMNS });
                self.owner.put_into(&mut head);
                bytes.extend(head.to_string().as_bytes());
                bytes.push(b'\n');
            }
            Some(written) if written >= history.len() => return Ok(()),
            // One that is gone was taken away on purpose, or with its folder: it stays away.
            Some(_) => _ = options.append(true),
        }
        let columns = history.columns();
        for epoch in self.written.unwrap_or(0)..history.len() {
            for column in columns {
                bytes.extend(column[epoch].to_le_bytes());
            }
        }
        let mut file = regular::open_with(&mut options, &self.path).map_err(failed)?;
        file.write_all(&bytes).map_err(failed)?;
        self.written = Some(history.len());
        Ok(())
    }
}

/// Follows the rows of a cell, each read once.
#[derive(Debug)]
pub struct LiveReader {
    dir: CellDir,
    /// bytes of the first line; 0 before it was read
    head: u64,
    /// rows that were read
    rows: u64,
    /// the last of them
    last: [u8; ROW],
}

/// The rows that a reader has not had yet.
#[derive(Debug)]
pub struct NewRows<'a> {
    reader: &'a mut LiveReader,
    file: BufReader<File>,
    restarted: bool,
}

impl LiveReader {
    /// Looks for new rows; none where there is no file.
    ///
    /// The rows begin anew ([`NewRows::restarted`]) if the file is shorter than it was, or has
    /// another row in the place of the last one: the cell was taken up from an earlier state.
    ///
    /// # Errors
    /// The file is another cell's, its first line is not one that is written here, or the system
    /// cannot read it.
    pub fn new_rows(&mut self) -> Result<Option<NewRows<'_>>, StoreError> {
        let path = self.dir.path().join(NAME);
        let failed = |error| StoreError::io("cannot read", &path, &error);
        let file = match regular::open_file(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.forget();
                return Ok(None);
            }
            Err(error) => return Err(failed(error)),
        };
        let mut file = BufReader::new(file);
        let restarted = !self.goes_on(&mut file).map_err(failed)?;
        if restarted {
            self.forget();
            file.rewind().map_err(failed)?;
            let mut line = Vec::new();
            let mut head = (&mut file).take(LONGEST_HEAD);
            head.read_until(b'\n', &mut line).map_err(failed)?;
            if line.pop() != Some(b'\n') {
                // It is being made.
                if (line.len() as u64) < LONGEST_HEAD - 1 {
                    return Ok(None);
                }
                let why = "its first line does not end";
                return Err(StoreError::altered(&path, why, REMEDY));
            }
            let head: Value = serde_json::from_slice(&line)
                .ok()
                .filter(|head: &Value| head["columns"] == json!(Metrics::COLUMNS))
                .ok_or_else(|| {
                    let why = "its first line does not name the columns of a history";
                    StoreError::altered(&path, why, REMEDY)
                })?;
            Owner::of_json(&head)
                .is(&self.dir.expected())
                .map_err(|why| StoreError::misplaced(&path, why, REMEDY))?;
            self.head = line.len() as u64 + 1;
        }
        Ok(Some(NewRows {
            reader: self,
            file,
            restarted,
        }))
    }

    fn forget(&mut self) {
        (self.head, self.rows) = (0, 0);
    }

    /// Whether the file has what was read of it; then it stands after the last row.
    fn goes_on(&self, file: &mut BufReader<File>) -> io::Result<bool> {
        if self.head == 0 {
            return Ok(false);
        }
        let end = self.head + self.rows * ROW as u64;
        if file.get_ref().metadata()?.len() < end {
            return Ok(false);
        }
        if self.rows == 0 {
            file.seek(SeekFrom::Start(self.head))?;
            return Ok(true);
        }
        file.seek(SeekFrom::Start(end - ROW as u64))?;
        let mut last = [0; ROW];
        Ok(filled(file, &mut last)? && last == self.last)
    }
}

/// Reads as many bytes as there is room for; false where the file ends before.
fn filled(file: &mut impl io::Read, room: &mut [u8]) -> io::Result<bool> {
    match file.read_exact(room) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

impl NewRows<'_> {
    /// Whether the rows begin with epoch 0, and what was read before does not count.
    pub fn restarted(&self) -> bool {
        self.restarted
    }

    /// How long ago the file was written to last; none where the system does not say.
    pub fn age(&self) -> Option<Duration> {
        let changed = self.file.get_ref().metadata().ok()?.modified().ok()?;
        // The clock of another machine may be ahead.
        Some(changed.elapsed().unwrap_or_default())
    }
}

impl Iterator for NewRows<'_> {
    type Item = io::Result<Row>;

    /// Returns the next whole row; of one that is torn or being written nothing.
    fn next(&mut self) -> Option<io::Result<Row>> {
        let mut row = [0; ROW];
        match filled(&mut self.file, &mut row) {
            Ok(true) => {}
            Ok(false) => return None,
            Err(error) => return Some(Err(error)),
        }
        let epoch = self.reader.rows;
        self.reader.rows += 1;
        self.reader.last = row;
        let (numbers, _) = row.as_chunks::<8>();
        let [train_loss, test_loss, train_accuracy, test_accuracy] =
            [0, 1, 2, 3].map(|column| f64::from_le_bytes(numbers[column]));
        Some(Ok(Row {
            epoch,
            train_loss,
            test_loss,
            train_accuracy,
            test_accuracy,
        }))
    }
}

#[cfg(test)]
mod tests;
