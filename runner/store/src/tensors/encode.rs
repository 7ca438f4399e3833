//! Tensor files on their way to the disk: a header, the numbers of one tensor after the other, and
//! the digest at last.
//!
//! Nothing is copied as a whole: numbers lie where they are, in memory or elsewhere, and go through
//! a block at a time.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::fmt::Display;
use std::io::{self, Cursor, Read, Seek, SeekFrom, Write};
use std::path::Path;

use half::f16;
use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo};
use serde_json::json;

use super::{DIGEST, LENGTH, LONGEST_HEADER, Tensor};
use crate::seal::{self, Hashed};
use crate::{Content, ErrorKind, StoreError, atomic};

/// Bytes that go to the disk at a time.
const BLOCK: usize = 1 << 16;

/// An array on its way into a file.
pub(crate) struct Entry<'a> {
    dtype: Dtype,
    shape: Cow<'a, [usize]>,
    numbers: Numbers<'a>,
}

enum Numbers<'a> {
    F32(&'a [f32]),
    F64(&'a [f64]),
    Bytes(Vec<u8>),
    Elsewhere(Content),
}

impl<'a> Entry<'a> {
    fn new(dtype: Dtype, shape: impl Into<Cow<'a, [usize]>>, numbers: Numbers<'a>) -> Self {
        Entry {
            dtype,
            shape: shape.into(),
            numbers,
        }
    }

    pub(crate) fn f32(shape: &'a [usize], data: &'a [f32]) -> Self {
        Entry::new(Dtype::F32, shape, Numbers::F32(data))
    }

    /// Numbers as they will be in the file, from wherever they are.
    pub(crate) fn f32_from(shape: Vec<usize>, numbers: Content) -> Self {
        Entry::new(Dtype::F32, shape, Numbers::Elsewhere(numbers))
    }

    /// Numbers of half the width, rounded by the caller.
    pub(crate) fn f16(shape: &'a [usize], data: &[f16]) -> Self {
        Entry::new(Dtype::F16, shape, bytes(data, f16::to_le_bytes))
    }

    /// A vector of float64.
    pub(crate) fn f64(data: &'a [f64]) -> Self {
        Entry::new(Dtype::F64, vec![data.len()], Numbers::F64(data))
    }

    /// A vector of int64.
    pub(crate) fn i64(data: &[i64]) -> Self {
        Entry::new(Dtype::I64, vec![data.len()], bytes(data, i64::to_le_bytes))
    }

    /// A vector of bytes.
    pub(crate) fn u8(data: Vec<u8>) -> Self {
        Entry::new(Dtype::U8, vec![data.len()], Numbers::Bytes(data))
    }
}

fn bytes<T: Copy, const N: usize>(data: &[T], of: impl Fn(T) -> [u8; N]) -> Numbers<'static> {
    Numbers::Bytes(data.iter().flat_map(|x| of(*x)).collect())
}

impl Numbers<'_> {
    /// In bytes.
    fn len(&self) -> u64 {
        match self {
            Numbers::F32(data) => size_of_val(*data) as u64,
            Numbers::F64(data) => size_of_val(*data) as u64,
            Numbers::Bytes(bytes) => bytes.len() as u64,
            Numbers::Elsewhere(content) => content.length,
        }
    }

    /// Hands on all bytes, a block at a time, in `block`, where they are not bytes already.
    fn each(
        self,
        block: &mut Vec<u8>,
        mut to: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        match self {
            Numbers::F32(data) => blocks(data, f32::to_le_bytes, block, to),
            Numbers::F64(data) => blocks(data, f64::to_le_bytes, block, to),
            Numbers::Bytes(bytes) => to(&bytes),
            Numbers::Elsewhere(content) => content.each(block, to),
        }
    }
}

fn blocks<T: Copy, const N: usize>(
    data: &[T],
    of: impl Fn(T) -> [u8; N],
    block: &mut Vec<u8>,
    mut to: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    for numbers in data.chunks(BLOCK / N) {
        block.clear();
        block.extend(numbers.iter().flat_map(|x| of(*x)));
        to(block)?;
    }
    Ok(())
}

impl Content {
    fn each(
        self,
        block: &mut Vec<u8>,
        mut to: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        // One byte more would be noticed.
        let mut from = self.from.take(self.length.saturating_add(1));
        let mut count = 0;
        block.resize(BLOCK, 0);
        loop {
            match from.read(block)? {
                0 => break,
                read => {
                    count += read as u64;
                    to(&block[..read])?;
                }
            }
        }
        if count == self.length {
            Ok(())
        } else {
            Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!(
                    "a tensor has not the {} bytes that it should have",
                    self.length
                ),
            ))
        }
    }
}

/// Entries of a file, by name.
pub(crate) type Entries<'a> = Vec<(Cow<'a, str>, Entry<'a>)>;

/// The entries for `tensors`.
pub(crate) fn entries(tensors: &[Tensor]) -> Entries<'_> {
    tensors
        .iter()
        .map(|t| (Cow::from(&t.name), Entry::f32(&t.shape, &t.data)))
        .collect()
}

/// Writes a tensor file with notes in its metadata, whole or not at all; returns its digest.
///
/// # Errors
/// Two entries of one name, a shape that does not fit its data, or the disk.
pub(crate) fn write(
    path: &Path,
    mut entries: Entries<'_>,
    notes: &[(&str, String)],
) -> Result<String, StoreError> {
    let header = header(&mut entries, notes).map_err(|why| unstorable(path, why))?;
    atomic::fill(path, |file| put(file, header, entries))
}

/// The error for entries that cannot become a file.
pub(crate) fn unstorable(path: &Path, why: impl Display) -> StoreError {
    let message = format!("cannot write {}: {why}", path.display());
    StoreError::new(ErrorKind::Unstorable, path, message)
}

/// The bytes of the file with these entries, and with notes in its metadata.
pub(crate) fn encode(
    mut entries: Entries<'_>,
    notes: &[(&str, String)],
) -> Result<Vec<u8>, String> {
    let header = header(&mut entries, notes)?;
    let numbers: u64 = entries.iter().map(|(_, entry)| entry.numbers.len()).sum();
    let mut file = Cursor::new(Vec::with_capacity(header.len() + numbers as usize));
    put(&mut file, header, entries).map_err(|error| error.to_string())?;
    Ok(file.into_inner())
}

/// Puts the entries into the library's order, and says what the file with them begins with: its
/// header, a digest of zeros and the notes in it, with its length in front.
///
/// The library writes several keys of the metadata in random order; here the notes follow the
/// digest as they are given.
fn header(entries: &mut Entries<'_>, notes: &[(&str, String)]) -> Result<Vec<u8>, String> {
    let mut names = HashSet::new();
    if let Some((name, _)) = entries.iter().find(|(name, _)| !names.insert(name)) {
        return Err(format!("two tensors are named {name}"));
    }
    drop(names);
    entries.sort_by(|(one, a), (two, b)| b.dtype.cmp(&a.dtype).then(one.cmp(two)));
    let mut end = 0;
    let infos = entries.iter().map(|(name, entry)| {
        let start = end;
        end += entry.numbers.len() as usize;
        let info = TensorInfo {
            dtype: entry.dtype,
            shape: entry.shape.to_vec(),
            data_offsets: (start, end),
        };
        (name.to_string(), info)
    });
    let metadata = HashMap::from([(seal::KEY.to_owned(), seal::ZEROS.to_owned())]);
    let header = Metadata::new(Some(metadata), infos.collect()).map_err(|e| e.to_string())?;
    let json = serde_json::to_string(&header).map_err(|e| e.to_string())?;
    let (before, after) = json.split_at(DIGEST.end + 1 - LENGTH);
    let mut header = vec![0; LENGTH];
    header.extend(before.bytes());
    for (key, text) in notes {
        header.extend(format!(",{}:{}", json!(key), json!(text)).bytes());
    }
    header.extend(after.bytes());
    header.resize(header.len().next_multiple_of(LENGTH), b' ');
    let length = (header.len() - LENGTH) as u64;
    if length > LONGEST_HEADER {
        return Err(format!("its header would have {length} bytes"));
    }
    header[..LENGTH].copy_from_slice(&length.to_le_bytes());
    Ok(header)
}

/// Writes a file: its header, its entries in that order, and the digest of it all, which it
/// returns, into the header.
fn put(out: &mut (impl Write + Seek), header: Vec<u8>, entries: Entries<'_>) -> io::Result<String> {
    let mut hashed = Hashed::new(&mut *out);
    hashed.write_all(&header)?;
    let mut block = Vec::with_capacity(BLOCK);
    for (_, entry) in entries {
        entry
            .numbers
            .each(&mut block, |bytes| hashed.write_all(bytes))?;
    }
    let digest = hashed.digest();
    out.seek(SeekFrom::Start(DIGEST.start as u64))?;
    out.write_all(digest.as_bytes())?;
    Ok(digest)
}
