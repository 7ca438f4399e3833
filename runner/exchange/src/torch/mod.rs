//! Reads a file of `torch.save`: an archive, the pickle in it, and numbers on demand.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use crate::ExchangeError;
use crate::archive::Archive;
use crate::error::refuse;
use crate::pickle::global::Dtype;
use crate::pickle::{Pickle, TensorRef, parse};
use crate::shown::shown;

/// The longest pickle that is read, in bytes: some million epochs of losses and accuracies.
const LONGEST_PICKLE: u64 = 64 << 20;

/// An open file.
#[derive(Debug)]
pub(crate) struct TorchFile {
    archive: Archive<File>,
    /// the folder that all entries are in
    prefix: String,
    pub(crate) pickle: Pickle,
    /// length of the file, in bytes
    pub(crate) len: u64,
}

impl TorchFile {
    /// Reads the pickle of a file.
    pub(crate) fn open(path: &Path) -> Result<TorchFile, ExchangeError> {
        let failed = |error| ExchangeError::io("cannot read", path, &error);
        let file = File::open(path).map_err(failed)?;
        let len = file.metadata().map_err(failed)?.len();
        TorchFile::read(file, len).map_err(|error| error.of(path))
    }

    fn read(file: File, len: u64) -> Result<TorchFile, ExchangeError> {
        let mut archive = Archive::open(file)?;
        let prefix = prefix(&archive)?;
        let order = format!("{prefix}byteorder");
        if archive.len(&order).is_some() && archive.read(&order, 16)? != b"little" {
            return refuse("its numbers are big-endian; expected little-endian ones");
        }
        let pickle = parse(archive.read(&format!("{prefix}data.pkl"), LONGEST_PICKLE)?)?;
        Ok(TorchFile {
            archive,
            prefix,
            pickle,
            len,
        })
    }

    /// Returns the numbers of a tensor in row-major order, as float64: exactly for all types but
    /// integers above 2⁵³.
    pub(crate) fn numbers(&mut self, tensor: &TensorRef) -> Result<Vec<f64>, ExchangeError> {
        let bytes = self.storage(tensor)?;
        let width = tensor.storage.dtype.width();
        let read = |at: u64| {
            let at = at as usize * width;
            bytes
                .get(at..at + width)
                .map(|b| decode(tensor.storage.dtype, b))
        };
        Ok(places_of(tensor).into_iter().filter_map(read).collect())
    }

    /// Returns the numbers of many tensors of one number each. Each storage is read once, however
    /// many of them are views of it.
    pub(crate) fn single_numbers(
        &mut self,
        tensors: &[TensorRef],
    ) -> Result<Vec<f64>, ExchangeError> {
        let mut read: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        let mut numbers = Vec::with_capacity(tensors.len());
        for tensor in tensors {
            let name = self.entry(tensor);
            let bytes = match read.get(&name) {
                Some(bytes) => bytes,
                None => {
                    let bytes = self.storage(tensor)?;
                    read.entry(name).or_insert(bytes)
                }
            };
            let width = tensor.storage.dtype.width();
            let at = usize::try_from(tensor.offset).unwrap_or(usize::MAX);
            let one = at
                .checked_mul(width)
                .and_then(|at| bytes.get(at..at + width));
            numbers.extend(one.map(|bytes| decode(tensor.storage.dtype, bytes)));
        }
        if numbers.len() == tensors.len() {
            Ok(numbers)
        } else {
            refuse("it has a tensor outside of its storage")
        }
    }

    fn key(&self, tensor: &TensorRef) -> &str {
        let (start, len) = tensor.storage.key;
        self.pickle.slice(start, len).unwrap_or("")
    }

    /// Returns the name of the entry that holds a tensor's storage.
    fn entry(&self, tensor: &TensorRef) -> String {
        format!("{}data/{}", self.prefix, self.key(tensor))
    }

    fn storage(&mut self, tensor: &TensorRef) -> Result<Vec<u8>, ExchangeError> {
        let storage = tensor.storage;
        let name = self.entry(tensor);
        let want = storage.len.checked_mul(storage.dtype.width() as u64);
        let found = self.archive.len(&name);
        if found.is_none() || found != want {
            return refuse(format!(
                "its storage {} of {} numbers {}",
                shown(self.key(tensor)),
                storage.len,
                match found {
                    Some(found) => format!("has {found} bytes"),
                    None => "is missing".to_owned(),
                }
            ));
        }
        self.archive.read(&name, want.unwrap_or(0))
    }
}

/// Returns the one folder that holds every entry, which torch names after the file.
fn prefix(archive: &Archive<File>) -> Result<String, ExchangeError> {
    let mut found = archive
        .names()
        .filter_map(|name| name.strip_suffix("data.pkl"));
    match (found.next(), found.next()) {
        (Some(only), None) => Ok(only.to_owned()),
        (None, _) => refuse("it is an archive without a data.pkl; expected a file of torch.save"),
        _ => refuse("it has several data.pkl; expected one, as torch.save writes it"),
    }
}

/// Returns the places of a view's numbers in its storage, in row-major order.
pub(crate) fn places(offset: u64, shape: &[usize], strides: &[u64]) -> Vec<u64> {
    let len = shape.iter().product();
    let mut places = Vec::with_capacity(len);
    let mut index = vec![0usize; shape.len()];
    for _ in 0..len {
        let ahead = index.iter().zip(strides);
        places.push(offset + ahead.map(|(i, s)| *i as u64 * s).sum::<u64>());
        for axis in (0..index.len()).rev() {
            index[axis] += 1;
            if index[axis] < shape[axis] {
                break;
            }
            index[axis] = 0;
        }
    }
    places
}

fn places_of(tensor: &TensorRef) -> Vec<u64> {
    places(tensor.offset, &tensor.shape, &tensor.strides)
}

/// Decodes one number of as many bytes as its type has.
pub(crate) fn decode(dtype: Dtype, bytes: &[u8]) -> f64 {
    fn of<const N: usize>(bytes: &[u8]) -> [u8; N] {
        bytes.first_chunk().copied().unwrap_or([0; N])
    }
    match dtype {
        Dtype::F64 => f64::from_le_bytes(of(bytes)),
        Dtype::F32 => f32::from_le_bytes(of(bytes)).into(),
        Dtype::F16 => half(u16::from_le_bytes(of(bytes))),
        Dtype::BF16 => f32::from_bits(u32::from(u16::from_le_bytes(of(bytes))) << 16).into(),
        Dtype::I64 => i64::from_le_bytes(of(bytes)) as f64,
        Dtype::I32 => i32::from_le_bytes(of(bytes)).into(),
        Dtype::I16 => i16::from_le_bytes(of(bytes)).into(),
        Dtype::I8 => i8::from_le_bytes(of(bytes)).into(),
        Dtype::U64 => u64::from_le_bytes(of(bytes)) as f64,
        Dtype::U32 => u32::from_le_bytes(of(bytes)).into(),
        Dtype::U16 => u16::from_le_bytes(of(bytes)).into(),
        Dtype::U8 | Dtype::Bool => u8::from_le_bytes(of(bytes)).into(),
    }
}

/// Decodes an IEEE 754 binary16.
fn half(bits: u16) -> f64 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023));
    sign * match exponent {
        0 => fraction * 2f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        e => (1.0 + fraction / 1024.0) * 2f64.powi(e - 15),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_precision_is_ieee() {
        for (bits, want) in [(0x3c00, 1.0), (0xc000, -2.0), (0x3555, 0.333_251_953_125)] {
            assert_eq!(half(bits), want);
        }
        assert_eq!(half(1), 2f64.powi(-24));
        assert_eq!(half(0x7c00), f64::INFINITY);
        assert!(half(0x7e00).is_nan());
        assert_eq!(decode(Dtype::BF16, &[0x80, 0x3f]), 1.0);
    }
}
