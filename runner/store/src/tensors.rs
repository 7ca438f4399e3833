//! Tensor files: safetensors with a digest over every byte.
//!
//! The header's metadata begins with the key `blake3`: the digest of the file as [`crate::seal`]
//! has it. So names, shapes and padding are covered like the numbers, and other programs read the
//! file as any safetensors file. Tensors lie in the library's order, by type and then by name; the
//! same tensors give the same bytes.

mod encode;

use std::collections::HashMap;
use std::io::{self, Read as _};
use std::ops::Range;
use std::path::Path;

use half::f16;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde_json::{Map, Value};

use crate::regular;

pub(crate) use encode::{Entries, Entry, encode, entries, unstorable, write};

use crate::seal;

/// A named array of numbers in row-major order; `data` is as long as the product of `shape`.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// As in the file: in a checkpoint, TransformerLens's name.
    pub name: String,
    /// Empty for a scalar.
    pub shape: Vec<usize>,
    /// The numbers.
    pub data: Vec<f32>,
}

/// What stands before the digest in the header; the library writes the metadata first.
const BEFORE_DIGEST: &[u8] = br#"{"__metadata__":{"blake3":""#;
/// The header's length comes first, eight bytes.
const LENGTH: usize = 8;
/// The library's own limit.
const LONGEST_HEADER: u64 = 100_000_000;
const DIGEST: Range<usize> =
    LENGTH + BEFORE_DIGEST.len()..LENGTH + BEFORE_DIGEST.len() + seal::DIGITS;

/// Where the numbers begin in a file that was encoded here.
fn data_start(file: &[u8]) -> usize {
    let length = file
        .first_chunk()
        .map_or(0, |bytes| u64::from_le_bytes(*bytes));
    usize::try_from(length)
        .unwrap_or(usize::MAX)
        .saturating_add(LENGTH)
        .min(file.len())
}

/// How many bytes of numbers should follow a header, given with its length in front. The library
/// reads headers of whole files only.
pub(crate) fn data_length(head: &[u8]) -> Result<u64, String> {
    let json = head.get(LENGTH..data_start(head)).unwrap_or_default();
    let header: Map<String, Value> =
        serde_json::from_slice(json).map_err(|error| format!("its header is not JSON: {error}"))?;
    let ends = header
        .values()
        .filter_map(|tensor| tensor["data_offsets"][1].as_u64());
    Ok(ends.max().unwrap_or(0))
}

/// The length that a tensor file should have by its header, of which only that is read.
///
/// # Errors
/// The system's, or, inside, why it has no header.
pub(crate) fn length_by_header(path: &Path) -> io::Result<Result<u64, String>> {
    let mut start = [0; LENGTH];
    let mut file = regular::open_file(path)?;
    let mut head = Vec::new();
    file.read_exact(&mut start)?;
    file.take(u64::from_le_bytes(start).min(LONGEST_HEADER))
        .read_to_end(&mut head)?;
    head.splice(..0, start);
    Ok(data_length(&head).map(|numbers| numbers.saturating_add(head.len() as u64)))
}

/// A tensor file whose digest was right.
#[derive(Debug)]
pub(crate) struct Contents {
    file: Vec<u8>,
}

/// Reads a tensor file and checks its digest.
///
/// # Errors
/// The system's, `NotFound` among them, or, inside, why the file is not as it was written.
pub(crate) fn read(path: &Path) -> io::Result<Result<Contents, String>> {
    Ok(check(regular::read(path)?))
}

/// The contents of a file of these bytes, if they fit their digest.
pub(crate) fn check(file: Vec<u8>) -> Result<Contents, String> {
    let known = file
        .get(LENGTH..DIGEST.start)
        .is_some_and(|bytes| bytes == BEFORE_DIGEST);
    if !known || file.len() < DIGEST.end {
        return Err(format!(
            "its {} bytes do not begin as in a file of grokrun",
            file.len()
        ));
    }
    seal::fits(&file, &DIGEST)?;
    Ok(Contents { file })
}

impl Contents {
    /// The file up to its numbers, as it was written.
    pub(crate) fn header(&self) -> Vec<u8> {
        self.file[..data_start(&self.file)].to_vec()
    }

    /// The digest of the file.
    pub(crate) fn digest(&self) -> String {
        String::from_utf8_lossy(&self.file[DIGEST]).into_owned()
    }

    /// The texts in its header.
    pub(crate) fn notes(&self) -> HashMap<String, String> {
        let header = SafeTensors::read_metadata(&self.file);
        let notes = header
            .ok()
            .and_then(|(_, header)| header.metadata().clone());
        notes.unwrap_or_default()
    }

    /// The numbers of all tensors, one after the other.
    pub(crate) fn data(&self) -> &[u8] {
        &self.file[data_start(&self.file)..]
    }

    /// What is in the file.
    pub(crate) fn parse(&self) -> Result<Parsed<'_>, String> {
        SafeTensors::deserialize(&self.file)
            .map(Parsed)
            .map_err(|error| error.to_string())
    }
}

/// The arrays of a file.
pub(crate) struct Parsed<'a>(SafeTensors<'a>);

impl<'a> Parsed<'a> {
    /// All arrays whose name does not begin with `reserved`, float32, in order of their names.
    pub(crate) fn tensors(&self, reserved: Option<&str>) -> Result<Vec<Tensor>, String> {
        let data =
            |name: &str, view: &TensorView<'_>| numbers(name, view, Dtype::F32, f32::from_le_bytes);
        self.each(reserved, data)
    }

    /// All arrays, float32 or float16, in order of their names.
    pub(crate) fn weights(&self) -> Result<Vec<Tensor>, String> {
        self.each(None, |name, view| match view.dtype() {
            Dtype::F16 => numbers(name, view, Dtype::F16, |b| f16::from_le_bytes(b).to_f32()),
            _ => numbers(name, view, Dtype::F32, f32::from_le_bytes),
        })
    }

    fn each(
        &self,
        reserved: Option<&str>,
        data: impl Fn(&str, &TensorView<'_>) -> Result<Vec<f32>, String>,
    ) -> Result<Vec<Tensor>, String> {
        let foreign = |name: &str| reserved.is_none_or(|prefix| !name.starts_with(prefix));
        let mut found: Vec<_> = self.0.iter().filter(|(name, _)| foreign(name)).collect();
        found.sort_by_key(|(name, _)| *name);
        let tensor = |(name, view): (&str, TensorView<'_>)| {
            Ok(Tensor {
                name: name.to_owned(),
                shape: view.shape().to_vec(),
                data: data(name, &view)?,
            })
        };
        found.into_iter().map(tensor).collect()
    }

    pub(crate) fn f64(&self, name: &str) -> Result<Vec<f64>, String> {
        numbers(name, &self.view(name)?, Dtype::F64, f64::from_le_bytes)
    }

    pub(crate) fn i64(&self, name: &str) -> Result<Vec<i64>, String> {
        numbers(name, &self.view(name)?, Dtype::I64, i64::from_le_bytes)
    }

    /// Whether there is an array of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.tensor(name).is_ok()
    }

    pub(crate) fn u8(&self, name: &str) -> Result<Vec<u8>, String> {
        numbers(name, &self.view(name)?, Dtype::U8, u8::from_le_bytes)
    }

    fn view(&self, name: &str) -> Result<TensorView<'a>, String> {
        self.0
            .tensor(name)
            .map_err(|_| format!("it has no tensor {name}"))
    }
}

fn numbers<T, const N: usize>(
    name: &str,
    view: &TensorView<'_>,
    want: Dtype,
    of: impl Fn([u8; N]) -> T,
) -> Result<Vec<T>, String> {
    if view.dtype() != want {
        return Err(format!(
            "its tensor {name} is {:?}; expected {want:?}",
            view.dtype()
        ));
    }
    let (numbers, _) = view.data().as_chunks::<N>();
    Ok(numbers.iter().map(|bytes| of(*bytes)).collect())
}

#[cfg(test)]
mod tests;
