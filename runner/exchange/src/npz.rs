//! Reads and writes `.npz`: arrays that `numpy.load` opens, without pickles (numpy's NEP 1, format
//! 1.0).

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use crate::ExchangeError;
use crate::archive::{Archive, Writer};
use crate::array::{Array, Numbers};
use crate::error::refuse;
use crate::numpy::{self, Npy};
use crate::output::replace;
use crate::shown::shown;

/// The longest file that is read, in bytes: one model, a thousand times the published one.
const LONGEST: u64 = 1 << 30;

/// Returns the arrays of a file by their names.
///
/// # Errors
/// If it cannot be read, is damaged, or has an entry that is neither an array of numbers nor a
/// text.
pub(crate) fn read(path: &Path) -> Result<BTreeMap<String, Npy>, ExchangeError> {
    let failed = |error| ExchangeError::io("cannot read", path, &error);
    let file = File::open(path).map_err(failed)?;
    let len = file.metadata().map_err(failed)?.len();
    let read = || {
        if len > LONGEST {
            return refuse(format!(
                "it has more than {LONGEST} bytes; expected one model"
            ));
        }
        let mut archive = Archive::open(file)?;
        let names: Vec<String> = archive.names().map(str::to_owned).collect();
        let mut arrays = BTreeMap::new();
        for entry in names {
            let Some(name) = entry.strip_suffix(".npy") else {
                return refuse(format!(
                    "it is an archive with {} in it; expected a file of torch.save, which has a data.pkl, or of numpy.savez, which has arrays alone",
                    shown(&entry)
                ));
            };
            let array = numpy::parse(&archive.read(&entry, LONGEST)?).map_err(|error| {
                ExchangeError::refused(format!("its array {}: {error}", shown(name)))
            })?;
            arrays.insert(name.to_owned(), array);
        }
        Ok(arrays)
    };
    read().map_err(|error| error.of(path))
}

/// Writes arrays and texts; a text is a scalar of type `<U`.
///
/// # Errors
/// If the disk is full or cannot be written.
pub fn write_npz(
    path: &Path,
    arrays: &[Array],
    texts: &[(&str, String)],
) -> Result<(), ExchangeError> {
    let failed = |error: &std::io::Error| ExchangeError::io("cannot write", path, error);
    replace(path, |out| {
        let mut archive = Writer::new(out);
        for array in arrays {
            let descr = match array.numbers {
                Numbers::F32(_) => "<f4",
                Numbers::F64(_) => "<f8",
                Numbers::I64(_) => "<i8",
                Numbers::Bool(_) => "|b1",
            };
            let file = npy(descr, &array.shape, &array.numbers.bytes());
            let name = format!("{}.npy", array.name);
            archive.add(&name, &file).map_err(|e| failed(&e))?;
        }
        for (name, text) in texts {
            let bytes: Vec<u8> = text
                .chars()
                .flat_map(|c| u32::from(c).to_le_bytes())
                .collect();
            let file = npy(&format!("<U{}", bytes.len() / 4), &[], &bytes);
            archive
                .add(&format!("{name}.npy"), &file)
                .map_err(|e| failed(&e))?;
        }
        archive.finish().map_err(|e| failed(&e))
    })
}

/// Returns a file of one array: magic, version, a header padded to 64 bytes, numbers.
fn npy(descr: &str, shape: &[usize], bytes: &[u8]) -> Vec<u8> {
    let sizes: String = shape.iter().map(|n| format!("{n},")).collect();
    let mut header =
        format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({sizes}), }}");
    let start = 10;
    let whole = (start + header.len() + 1).next_multiple_of(64);
    header.extend(std::iter::repeat_n(' ', whole - start - header.len() - 1));
    header.push('\n');
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend((header.len() as u16).to_le_bytes());
    file.extend(header.as_bytes());
    file.extend(bytes);
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_start_at_a_multiple_of_64() {
        for shape in [&[][..], &[3], &[113, 128]] {
            let file = npy("<f4", shape, &[1, 2, 3, 4]);
            assert_eq!((file.len() - 4) % 64, 0);
            assert_eq!(file[file.len() - 5], b'\n');
        }
        let text = String::from_utf8_lossy(&npy("<f4", &[3], &[])).into_owned();
        assert!(text.contains("'shape': (3,), }"), "{text}");
    }
}
