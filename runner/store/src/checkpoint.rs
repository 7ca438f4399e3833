//! How checkpoints are kept: plain float32, rounded to float16, packed. Owns the choice, the
//! writing and the reading of many in a row; what a packed file looks like is in [`crate::packed`].

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use half::f16;

use crate::cell::check_owner;
use crate::error::START_OVER;
use crate::owner::Owner;
use crate::tensors::{self, Contents, Entries, Entry};
use crate::{CellDir, ErrorKind, StoreError, Tensor, atomic, packed};

/// How the checkpoints of a run are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keeping {
    /// Weights are rounded to float16, in which most are off by up to 2^-11 of their size: lossy.
    pub halves: bool,
    /// Each file is packed by those before it: lossless, but it is no plain tensor file.
    pub packed: bool,
}

/// Weights from this on round to float16's infinity.
const BEYOND_F16: f32 = 65_520.0;
/// The smallest number that float16 has with all its digits, 2^-14.
const NORMAL_F16: f32 = 6.103_515_6e-5;

/// Extensions of a plain and of a packed file.
const PLAIN: &str = "safetensors";
const PACKED: &str = "packed";

/// Notes in the header of a file.
type Notes = Vec<(&'static str, String)>;

/// The bytes of a plain file, and of how many bytes its numbers are; `notes` say whose it is.
fn image(tensors: &[Tensor], halves: bool, mut notes: Notes) -> Result<(Vec<u8>, usize), String> {
    if !halves {
        return Ok((tensors::encode(tensors::entries(tensors), &notes)?, 4));
    }
    let all = || tensors.iter().flat_map(|tensor| &tensor.data);
    if all().any(|x| x.is_finite() && x.abs() >= BEYOND_F16) {
        let why = "float32: a weight is beyond float16's range".to_owned();
        notes.push(("precision", why));
        return Ok((tensors::encode(tensors::entries(tensors), &notes)?, 4));
    }
    let rounded: Vec<Vec<f16>> = tensors
        .iter()
        .map(|tensor| tensor.data.iter().map(|x| f16::from_f32(*x)).collect())
        .collect();
    let (mut largest, mut relative) = (0f64, 0f64);
    for (x, y) in all()
        .zip(rounded.iter().flatten())
        .filter(|(x, _)| x.is_finite())
    {
        let error = (f64::from(*x) - y.to_f64()).abs();
        largest = largest.max(error);
        if x.abs() >= NORMAL_F16 {
            relative = relative.max(error / f64::from(x.abs()));
        }
    }
    notes.extend([
        (
            "precision",
            "float16: rounded from float32, lossy".to_owned(),
        ),
        (
            "error_bound",
            "2^-11 |w|, but 2^-25 where |w| < 2^-14".to_owned(),
        ),
        ("largest_error", format!("{largest:e}")),
        ("largest_relative_error", format!("{relative:e}")),
    ]);
    let entries: Entries<'_> = tensors
        .iter()
        .zip(&rounded)
        .map(|(tensor, data)| ((&tensor.name).into(), Entry::f16(&tensor.shape, data)))
        .collect();
    Ok((tensors::encode(entries, &notes)?, 2))
}

/// Writes a cell's checkpoints, one after the other.
#[derive(Debug)]
pub struct CheckpointWriter {
    keeping: Keeping,
    reader: CheckpointReader,
}

/// Reads a cell's checkpoints; those that follow each other without unpacking any twice.
#[derive(Debug)]
pub struct CheckpointReader {
    dir: CellDir,
    /// whose the files are
    expected: Owner,
    /// the latest two that were read or written, the latest last
    recent: Vec<(u64, Arc<Contents>)>,
}

impl CheckpointWriter {
    /// Writes the weights after `epoch` steps to `checkpoints/`, whole or not at all. What the file
    /// holds depends on the checkpoints of earlier epochs that are there, on nothing else.
    ///
    /// # Errors
    /// The disk is full or cannot be written; two tensors have one name, or a tensor's shape does
    /// not fit its data; an earlier checkpoint that is needed for packing is missing or damaged.
    pub fn write(&mut self, epoch: u64, tensors: &[Tensor]) -> Result<(), StoreError> {
        let dir = &self.reader.dir;
        let extension = if self.keeping.packed { PACKED } else { PLAIN };
        let path = path(dir, epoch, extension);
        let refused = |why: String| tensors::unstorable(&path, why);
        let notes = dir.owner().at(epoch).notes();
        let (image, width) = image(tensors, self.keeping.halves, notes.clone()).map_err(refused)?;
        if !self.keeping.packed {
            return atomic::write(&path, &image);
        }
        let mut earlier = dir.checkpoints()?;
        earlier.retain(|e| *e < epoch);
        let group = earlier.len() % packed::GROUP;
        let mut before = Vec::new();
        for &epoch in earlier.iter().rev().take(group.min(2)) {
            before.push((epoch, self.reader.contents(epoch)?));
        }
        let before: Vec<(u64, &Contents)> = before.iter().map(|(e, c)| (*e, &**c)).collect();
        let image = tensors::check(image).map_err(refused)?;
        let file = packed::pack(&image, width, &before, &notes).map_err(refused)?;
        atomic::write(&path, &file)?;
        self.reader.remember(epoch, Arc::new(image));
        Ok(())
    }
}

impl CheckpointReader {
    /// Reads a checkpoint as float32; its tensors come in order of their names.
    ///
    /// # Errors
    /// There is no such checkpoint, it or one that it is packed by is truncated, altered, or one of
    /// another cell or epoch, or it cannot be read.
    pub fn read(&mut self, epoch: u64) -> Result<Vec<Tensor>, StoreError> {
        let contents = self.contents(epoch)?;
        let weights = contents.parse().and_then(|parsed| parsed.weights());
        weights.map_err(|why| {
            let (path, _) = self.find(epoch);
            StoreError::altered(&path, why, START_OVER)
        })
    }

    /// The plain file of a checkpoint.
    fn contents(&mut self, epoch: u64) -> Result<Arc<Contents>, StoreError> {
        self.contents_within(epoch, packed::GROUP)
    }

    /// The same, with at most `depth` files before it.
    fn contents_within(&mut self, epoch: u64, depth: usize) -> Result<Arc<Contents>, StoreError> {
        if let Some((_, contents)) = self.recent.iter().find(|(known, _)| *known == epoch) {
            return Ok(Arc::clone(contents));
        }
        let (path, is_packed) = self.find(epoch);
        let damaged = |why: String| StoreError::altered(&path, why, START_OVER);
        let contents = tensors::read(&path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => self.dir.no_checkpoint(epoch),
            _ => StoreError::io("cannot read", &path, &error),
        })?;
        let contents = contents.map_err(damaged)?;
        let wanted = self.expected.at(epoch);
        check_owner(&path, &contents.notes(), &wanted, START_OVER)?;
        if !is_packed {
            return Ok(Arc::new(contents));
        }
        let from = packed::from(&contents, epoch).map_err(damaged)?;
        if depth == 0 && !from.is_empty() {
            let why = format!("more than {} others are needed to unpack it", packed::GROUP);
            return Err(damaged(why));
        }
        let mut before = Vec::new();
        // The latest first: what it needs in turn is what comes after it here.
        for earlier in from {
            let found = self.contents_within(earlier, depth - 1);
            before.push(found.map_err(|error| error.needed_by(&path))?);
        }
        let before: Vec<&Contents> = before.iter().map(|contents| &**contents).collect();
        let contents = Arc::new(packed::unpack(&contents, &before).map_err(damaged)?);
        self.remember(epoch, Arc::clone(&contents));
        Ok(contents)
    }

    fn remember(&mut self, epoch: u64, contents: Arc<Contents>) {
        self.recent.retain(|(known, _)| *known != epoch);
        self.recent.push((epoch, contents));
        if self.recent.len() > 2 {
            self.recent.remove(0);
        }
    }

    /// Where a checkpoint is, and whether it is packed.
    fn find(&self, epoch: u64) -> (PathBuf, bool) {
        find(&self.dir, epoch)
    }
}

fn path(dir: &CellDir, epoch: u64, extension: &str) -> PathBuf {
    let name = format!("{epoch:08}.{extension}");
    dir.path().join("checkpoints").join(name)
}

fn find(dir: &CellDir, epoch: u64) -> (PathBuf, bool) {
    let [plain, packed] = [PLAIN, PACKED].map(|extension| path(dir, epoch, extension));
    if !plain.exists() && packed.exists() {
        (packed, true)
    } else {
        (plain, false)
    }
}

/// The epoch of a checkpoint's file, and whether it is packed; none for other files.
fn epoch_of(name: &str) -> Option<(u64, bool)> {
    let (stem, extension) = name.split_once('.')?;
    let epoch = stem.parse().ok()?;
    let ours = format!("{epoch:08}") == stem && [PLAIN, PACKED].contains(&extension);
    ours.then_some((epoch, extension == PACKED))
}

/// Whether a name is that of a checkpoint's file.
pub(crate) fn is_name(name: &str) -> bool {
    epoch_of(name).is_some()
}

impl CellDir {
    /// What writes checkpoints in this way.
    pub fn checkpoint_writer(&self, keeping: Keeping) -> CheckpointWriter {
        let reader = self.checkpoint_reader();
        CheckpointWriter { keeping, reader }
    }

    /// What reads checkpoints in a row.
    pub fn checkpoint_reader(&self) -> CheckpointReader {
        CheckpointReader {
            dir: self.clone(),
            expected: self.expected(),
            recent: Vec::new(),
        }
    }

    /// Writes the weights after `epoch` steps to `checkpoints/<epoch>.safetensors`, as they are.
    ///
    /// # Errors
    /// As [`CheckpointWriter::write`].
    pub fn write_checkpoint(&self, epoch: u64, tensors: &[Tensor]) -> Result<(), StoreError> {
        self.checkpoint_writer(Keeping::default())
            .write(epoch, tensors)
    }

    /// Reads one checkpoint, however it is kept.
    ///
    /// # Errors
    /// As [`CheckpointReader::read`].
    pub fn read_checkpoint(&self, epoch: u64) -> Result<Vec<Tensor>, StoreError> {
        self.checkpoint_reader().read(epoch)
    }

    /// The epochs of all checkpoints, ascending.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn checkpoints(&self) -> Result<Vec<u64>, StoreError> {
        let folder = self.path().join("checkpoints");
        let failed = |error| StoreError::io("cannot read the folder", &folder, &error);
        let mut epochs = Vec::new();
        for entry in fs::read_dir(&folder).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            epochs.extend(name.to_str().and_then(epoch_of).map(|(epoch, _)| epoch));
        }
        epochs.sort_unstable();
        epochs.dedup();
        Ok(epochs)
    }

    /// Removes a checkpoint, however it is kept. Those that are packed by it cannot be read any
    /// more.
    ///
    /// # Errors
    /// A file cannot be removed.
    pub fn remove_checkpoint(&self, epoch: u64) -> Result<(), StoreError> {
        for extension in [PLAIN, PACKED] {
            let path = path(self, epoch, extension);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(StoreError::io("cannot remove", &path, &error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Makes sure that no checkpoint was cut off or has grown: each has the length that its header
    /// says. Nothing else is read; a digest is verified when a checkpoint is.
    ///
    /// # Errors
    /// The first of another length, or the folder or a file cannot be read.
    pub fn check_lengths(&self) -> Result<(), StoreError> {
        for epoch in self.checkpoints()? {
            let (path, _) = find(self, epoch);
            check_length(&path)?;
        }
        Ok(())
    }

    fn no_checkpoint(&self, epoch: u64) -> StoreError {
        let path = path(self, epoch, PLAIN);
        let there = match self.checkpoints().as_deref() {
            Ok([]) => "there is none yet".to_owned(),
            Ok([only]) => format!("there is only that of epoch {only}"),
            Ok([first, .., last]) => format!("there are some from epoch {first} to {last}"),
            Err(error) => error.to_string(),
        };
        let message = format!("no checkpoint {}; {there}; {START_OVER}", path.display());
        StoreError::new(ErrorKind::Missing, &path, message)
    }
}

fn check_length(path: &Path) -> Result<(), StoreError> {
    let failed = |error| StoreError::io("cannot read", path, &error);
    let found = fs::metadata(path).map_err(failed)?.len();
    let want = match tensors::length_by_header(path) {
        Ok(want) => want,
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(8),
        Err(error) => return Err(failed(error)),
    };
    let why = match want {
        Ok(want) if want == found => return Ok(()),
        Ok(want) => format!("it is {found} bytes long and should be {want}"),
        Err(why) => format!("its {found} bytes have no header that can be read: {why}"),
    };
    Err(StoreError::altered(path, why, START_OVER))
}

#[cfg(test)]
mod tests;
