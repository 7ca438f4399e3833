//! Reads and writes foreign `.safetensors`: one model under TransformerLens's names.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

use grokrun_store::Tensor;
use safetensors::{Dtype, SafeTensors};
use serde_json::{Map, json};

use crate::ExchangeError;
use crate::array::{Array, Numbers};
use crate::error::refuse;
use crate::output::replace;
use crate::pickle::global::Dtype as Stored;
use crate::shown::shown;
use crate::torch::decode;

/// The longest file that is read, in bytes: one model, a thousand times the published one.
const LONGEST: u64 = 1 << 30;

/// Writes arrays with texts as metadata, all in a fixed order: widest numbers first, so that each
/// is aligned, and then by name.
///
/// # Errors
/// If the disk is full or cannot be written.
pub fn write_safetensors(
    path: &Path,
    arrays: &[Array],
    metadata: &[(&str, String)],
) -> Result<(), ExchangeError> {
    let failed = |error: &std::io::Error| ExchangeError::io("cannot write", path, error);
    let mut arrays: Vec<&Array> = arrays.iter().collect();
    arrays.sort_by_key(|array| (std::cmp::Reverse(array.numbers.width()), &array.name));
    // The metadata come first: their name sorts before every tensor's.
    let texts: BTreeMap<_, _> = metadata.iter().cloned().collect();
    let mut header = Map::from_iter([("__metadata__".to_owned(), json!(texts))]);
    let mut at = 0;
    for array in &arrays {
        let end = at + array.numbers.len() * array.numbers.width();
        let dtype = match array.numbers {
            Numbers::F32(_) => "F32",
            Numbers::F64(_) => "F64",
            Numbers::I64(_) => "I64",
            Numbers::Bool(_) => "BOOL",
        };
        header.insert(
            array.name.clone(),
            json!({ "dtype": dtype, "shape": array.shape, "data_offsets": [at, end] }),
        );
        at = end;
    }
    let mut header = json!(header).to_string();
    let padded = header.len().next_multiple_of(8);
    header.extend(std::iter::repeat_n(' ', padded - header.len()));
    replace(path, |out| {
        let mut put = |bytes: &[u8]| out.write_all(bytes).map_err(|e| failed(&e));
        put(&(header.len() as u64).to_le_bytes())?;
        put(header.as_bytes())?;
        arrays
            .iter()
            .try_for_each(|array| put(&array.numbers.bytes()))
    })
}

/// Returns the tensors of a file as float32, and its metadata.
pub(crate) fn read(path: &Path) -> Result<(Vec<Tensor>, BTreeMap<String, String>), ExchangeError> {
    let read = || {
        let bytes = bytes(path)?;
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(odd)?;
        let metadata = header.metadata().iter().flatten();
        let metadata = metadata.map(|(k, v)| (k.clone(), v.clone())).collect();
        let mut tensors = Vec::new();
        for found in numbers(&bytes)? {
            tensors.push(Tensor {
                name: found.name,
                shape: found.shape,
                data: found.numbers.into_iter().map(|x| x as f32).collect(),
            });
        }
        Ok((tensors, metadata))
    };
    read().map_err(|error: ExchangeError| error.of(path))
}

/// Returns the numbers of each tensor of a file by its name.
pub(crate) fn vectors(path: &Path) -> Result<BTreeMap<String, Vec<f64>>, ExchangeError> {
    let read = || {
        let tensors = numbers(&bytes(path)?)?.into_iter();
        Ok(tensors.map(|found| (found.name, found.numbers)).collect())
    };
    read().map_err(|error: ExchangeError| error.of(path))
}

fn bytes(path: &Path) -> Result<Vec<u8>, ExchangeError> {
    let failed =
        |error: std::io::Error| ExchangeError::refused(format!("it cannot be read: {error}"));
    let file = File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(LONGEST + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 > LONGEST {
        refuse(format!(
            "it has more than {LONGEST} bytes; expected one model"
        ))
    } else {
        Ok(bytes)
    }
}

fn odd(error: safetensors::SafeTensorError) -> ExchangeError {
    let error = error.to_string();
    ExchangeError::refused(format!("it is no safetensors file: {}", shown(&error)))
}

/// A tensor of a file.
struct Found {
    name: String,
    shape: Vec<usize>,
    numbers: Vec<f64>,
}

/// Returns the tensors of a file, in order of their names.
fn numbers(bytes: &[u8]) -> Result<Vec<Found>, ExchangeError> {
    let file = SafeTensors::deserialize(bytes).map_err(odd)?;
    let mut tensors = Vec::new();
    for (name, view) in file.iter() {
        let dtype = match view.dtype() {
            Dtype::F64 => Stored::F64,
            Dtype::F32 => Stored::F32,
            Dtype::F16 => Stored::F16,
            Dtype::BF16 => Stored::BF16,
            Dtype::I64 => Stored::I64,
            Dtype::I32 => Stored::I32,
            Dtype::I16 => Stored::I16,
            Dtype::I8 => Stored::I8,
            Dtype::U64 => Stored::U64,
            Dtype::U32 => Stored::U32,
            Dtype::U16 => Stored::U16,
            Dtype::U8 => Stored::U8,
            Dtype::BOOL => Stored::Bool,
            other => {
                return refuse(format!(
                    "its tensor {} is of type {other:?}; expected F32",
                    shown(name)
                ));
            }
        };
        let numbers = view.data().chunks_exact(dtype.width());
        tensors.push(Found {
            name: name.to_owned(),
            shape: view.shape().to_vec(),
            numbers: numbers.map(|b| decode(dtype, b)).collect(),
        });
    }
    tensors.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(tensors)
}
