//! Tensor files: safetensors with a digest over every byte.
//!
//! The header's metadata has one key, `blake3`: the BLAKE3 digest, in hexadecimal, of the file
//! with those 64 characters written as zeros. So names, shapes and padding are covered like the
//! numbers, and other programs read the file as any safetensors file. One key only, because the
//! library writes several in random order. Tensors lie in the library's order, by type and then
//! by name; the same tensors give the same bytes.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::ops::Range;
use std::path::Path;

use safetensors::tensor::{TensorView, View};
use safetensors::{Dtype, SafeTensors};

use crate::{ErrorKind, StoreError, atomic};

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

const KEY: &str = "blake3";
/// What stands before the digest in the header; the library writes the metadata first.
const BEFORE_DIGEST: &[u8] = br#"{"__metadata__":{"blake3":""#;
/// The header's length comes first, eight bytes.
const LENGTH: usize = 8;
const DIGEST: Range<usize> =
    LENGTH + BEFORE_DIGEST.len()..LENGTH + BEFORE_DIGEST.len() + 2 * blake3::OUT_LEN;

/// An array on its way into a file.
pub(crate) struct Entry<'a> {
    dtype: Dtype,
    shape: Cow<'a, [usize]>,
    bytes: Vec<u8>,
}

impl<'a> Entry<'a> {
    pub(crate) fn f32(shape: &'a [usize], data: &[f32]) -> Self {
        Entry {
            dtype: Dtype::F32,
            shape: shape.into(),
            bytes: bytes(data, f32::to_le_bytes),
        }
    }

    /// A vector of float64.
    pub(crate) fn f64(data: &[f64]) -> Self {
        let shape = vec![data.len()].into();
        Entry {
            dtype: Dtype::F64,
            shape,
            bytes: bytes(data, f64::to_le_bytes),
        }
    }

    /// A vector of int64.
    pub(crate) fn i64(data: &[i64]) -> Self {
        let shape = vec![data.len()].into();
        Entry {
            dtype: Dtype::I64,
            shape,
            bytes: bytes(data, i64::to_le_bytes),
        }
    }

    /// A vector of bytes.
    pub(crate) fn u8(data: Vec<u8>) -> Self {
        Entry {
            dtype: Dtype::U8,
            shape: vec![data.len()].into(),
            bytes: data,
        }
    }
}

fn bytes<T: Copy, const N: usize>(data: &[T], of: impl Fn(T) -> [u8; N]) -> Vec<u8> {
    let mut bytes = vec![0; N * data.len()];
    for (bytes, &x) in bytes.chunks_exact_mut(N).zip(data) {
        bytes.copy_from_slice(&of(x));
    }
    bytes
}

impl View for &Entry<'_> {
    fn dtype(&self) -> Dtype {
        self.dtype
    }
    fn shape(&self) -> &[usize] {
        &self.shape
    }
    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }
    fn data_len(&self) -> usize {
        self.bytes.len()
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

/// Writes a tensor file, whole or not at all.
///
/// # Errors
/// Two entries of one name, a shape that does not fit its data, or the disk.
pub(crate) fn write(path: &Path, entries: &Entries<'_>) -> Result<(), StoreError> {
    let file = encode(entries).map_err(|why| {
        let message = format!("cannot write {}: {why}", path.display());
        StoreError::new(ErrorKind::Unstorable, path, message)
    })?;
    atomic::write(path, &file)
}

/// The length of the file with these entries, in bytes; none if they cannot be stored.
pub(crate) fn length(entries: &Entries<'_>) -> Option<u64> {
    encode(entries).ok().map(|file| file.len() as u64)
}

fn encode(entries: &Entries<'_>) -> Result<Vec<u8>, String> {
    let mut names = HashSet::new();
    if let Some((name, _)) = entries.iter().find(|(name, _)| !names.insert(name)) {
        return Err(format!("two tensors are named {name}"));
    }
    let zeros = "0".repeat(2 * blake3::OUT_LEN);
    let metadata = HashMap::from([(KEY.to_owned(), zeros)]);
    let entries = entries.iter().map(|(name, entry)| (name, entry));
    let mut file = safetensors::serialize(entries, Some(metadata)).map_err(|e| e.to_string())?;
    let digest = blake3::hash(&file).to_hex();
    file[DIGEST].copy_from_slice(digest.as_bytes());
    Ok(file)
}

/// A tensor file whose digest was right.
pub(crate) struct Contents {
    file: Vec<u8>,
}

/// Reads a tensor file and checks its digest.
///
/// # Errors
/// The system's, `NotFound` among them, or, inside, why the file is not as it was written.
pub(crate) fn read(path: &Path) -> io::Result<Result<Contents, String>> {
    Ok(check(fs::read(path)?))
}

fn check(mut file: Vec<u8>) -> Result<Contents, String> {
    let known = file
        .get(LENGTH..DIGEST.start)
        .is_some_and(|bytes| bytes == BEFORE_DIGEST);
    if !known || file.len() < DIGEST.end {
        return Err(format!(
            "its {} bytes do not begin as in a file of grokrun",
            file.len()
        ));
    }
    let stored = file[DIGEST].to_vec();
    file[DIGEST].fill(b'0');
    if blake3::hash(&file).to_hex().as_bytes() != stored {
        return Err(format!(
            "its {} bytes do not fit the digest in its header: it was cut off or changed",
            file.len()
        ));
    }
    Ok(Contents { file })
}

impl Contents {
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
    /// All arrays whose name does not begin with `reserved`, in order of their names.
    pub(crate) fn tensors(&self, reserved: Option<&str>) -> Result<Vec<Tensor>, String> {
        let foreign = |name: &str| reserved.is_none_or(|prefix| !name.starts_with(prefix));
        let mut found: Vec<_> = self.0.iter().filter(|(name, _)| foreign(name)).collect();
        found.sort_by_key(|(name, _)| *name);
        let tensor = |(name, view): (&str, TensorView<'_>)| {
            Ok(Tensor {
                name: name.to_owned(),
                shape: view.shape().to_vec(),
                data: numbers(name, &view, Dtype::F32, f32::from_le_bytes)?,
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
mod tests {
    use super::*;

    fn tensor(name: &str, shape: &[usize]) -> Tensor {
        let n = shape.iter().product::<usize>();
        let data = (0..n).map(|i| (i as f32 - 3.5) / 7.0).collect();
        Tensor {
            name: name.to_owned(),
            shape: shape.to_vec(),
            data,
        }
    }

    fn model() -> Vec<Tensor> {
        vec![
            tensor("embed.W_E", &[6, 4]),
            tensor("blocks.0.attn.IGNORE", &[]),
            tensor("empty", &[0, 3]),
        ]
    }

    fn encoded() -> Vec<u8> {
        encode(&entries(&model())).unwrap()
    }

    #[test]
    fn tensors_come_back_by_name_bit_for_bit() {
        let mut want = model();
        want[0].data[..3].copy_from_slice(&[f32::NAN, f32::NEG_INFINITY, -0.0]);
        let contents = check(encode(&entries(&want)).unwrap()).unwrap_or_else(|e| panic!("{e}"));
        let got = contents
            .parse()
            .unwrap_or_else(|e| panic!("{e}"))
            .tensors(None)
            .unwrap();
        want.sort_by(|a, b| a.name.cmp(&b.name));
        let bits = |tensors: &[Tensor]| -> Vec<_> {
            let bits = |t: &Tensor| t.data.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            tensors
                .iter()
                .map(|t| (t.name.clone(), t.shape.clone(), bits(t)))
                .collect()
        };
        assert_eq!(bits(&got), bits(&want));
    }

    #[test]
    fn any_order_and_any_time_give_the_same_bytes() {
        let mut turned = model();
        turned.reverse();
        let first = encoded();
        assert!((0..20).all(|_| encode(&entries(&turned)).unwrap() == first));
    }

    #[test]
    fn the_digest_is_the_one_the_documentation_describes() {
        let mut file = encoded();
        let header = String::from_utf8_lossy(&file).into_owned();
        let (before, rest) = header.split_once(r#""blake3":""#).unwrap();
        let (digest, _) = rest.split_once('"').unwrap();
        let at = before.len() + r#""blake3":""#.len();
        file[at..at + 64].fill(b'0');
        assert_eq!(digest, blake3::hash(&file).to_hex().as_str());
    }

    #[test]
    fn any_changed_byte_and_any_cut_is_noticed() {
        let file = encoded();
        for at in 0..file.len() {
            let mut altered = file.clone();
            altered[at] ^= 1;
            assert!(check(altered).is_err(), "byte {at}");
            assert!(check(file[..at].to_vec()).is_err(), "cut at {at}");
        }
        assert!(check([&file[..], &[0]].concat()).is_err(), "a byte more");
    }

    /// A file with a right digest may still be nonsense; the library must not panic on it.
    #[test]
    fn nonsense_under_a_right_digest_is_an_error() {
        let seal = |mut file: Vec<u8>| {
            file[DIGEST].fill(b'0');
            let digest = blake3::hash(&file).to_hex();
            file[DIGEST].copy_from_slice(digest.as_bytes());
            check(file).unwrap_or_else(|e| panic!("{e}"))
        };
        let file = encoded();
        for cut in [DIGEST.end, DIGEST.end + 10, file.len() - 1] {
            assert!(seal(file[..cut].to_vec()).parse().is_err(), "cut at {cut}");
        }
        let mut long = file.clone();
        long[..LENGTH].fill(0xff);
        assert!(seal(long).parse().is_err());
        let text = String::from_utf8_lossy(&file[..file.len() - 100]).replace("[6,4]", "[9,4]");
        assert!(seal(text.into_bytes()).parse().is_err());
    }

    #[test]
    fn a_name_used_twice_or_a_wrong_shape_is_told() {
        let twice = [tensor("W", &[1]), tensor("W", &[2])];
        assert!(
            encode(&entries(&twice))
                .unwrap_err()
                .contains("two tensors are named W")
        );
        let wrong = [Tensor {
            shape: vec![2, 2],
            ..tensor("W", &[3])
        }];
        assert!(encode(&entries(&wrong)).is_err());
    }

    #[test]
    fn another_type_is_told() {
        let file = encode(&vec![("x".into(), Entry::i64(&[1, 2]))]).unwrap();
        let contents = check(file).unwrap_or_else(|e| panic!("{e}"));
        let parsed = contents.parse().unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(parsed.i64("x").unwrap(), [1, 2]);
        assert!(parsed.f64("x").unwrap_err().contains("I64"));
        assert!(parsed.u8("y").unwrap_err().contains("no tensor y"));
        assert!(parsed.tensors(None).unwrap_err().contains("expected F32"));
    }
}
