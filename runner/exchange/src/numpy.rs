//! Reads numbers as numpy stores them: types by their codes, and `.npy` files (numpy's NEP 1).
//!
//! Knows nothing of pickles and archives, which hand over codes and bytes.

use crate::ExchangeError;
use crate::error::refuse;
use crate::pickle::global::Dtype;
use crate::shown::shown;
use crate::torch::decode;

/// The beginning of every `.npy` file.
pub(crate) const MAGIC: &[u8] = b"\x93NUMPY";
/// The longest header that is read, in bytes.
const LONGEST_HEADER: usize = 1 << 16;
/// The most dimensions of an array.
const MOST_DIMENSIONS: usize = 8;

/// The type of the numbers of an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NumpyType {
    dtype: Dtype,
    big_endian: bool,
}

impl NumpyType {
    /// Reads a code such as `f8`, `<i4` or `|b1`; none if it is not a real number's.
    pub(crate) fn parse(code: &str) -> Option<NumpyType> {
        let order = code.chars().next().filter(|c| "<>|=".contains(*c));
        let dtype = match code.strip_prefix(['<', '>', '|', '=']).unwrap_or(code) {
            "f8" => Dtype::F64,
            "f4" => Dtype::F32,
            "f2" => Dtype::F16,
            "i8" => Dtype::I64,
            "i4" => Dtype::I32,
            "i2" => Dtype::I16,
            "i1" => Dtype::I8,
            "u8" => Dtype::U64,
            "u4" => Dtype::U32,
            "u2" => Dtype::U16,
            "u1" => Dtype::U8,
            "b1" | "?" => Dtype::Bool,
            _ => return None,
        };
        Some(NumpyType {
            dtype,
            big_endian: order == Some('>'),
        })
    }

    /// Returns the same type with this byte order, which numpy's pickles keep apart from the code.
    pub(crate) fn with_order(self, order: &str) -> NumpyType {
        NumpyType {
            big_endian: order == ">",
            ..self
        }
    }

    /// Returns the bytes of one number.
    pub(crate) fn width(self) -> usize {
        self.dtype.width()
    }

    /// Returns all numbers of `bytes` as float64: exactly for all types but integers above 2⁵³.
    pub(crate) fn numbers(self, bytes: &[u8]) -> Vec<f64> {
        let one = |bytes: &[u8]| {
            if self.big_endian {
                let turned: Vec<u8> = bytes.iter().rev().copied().collect();
                decode(self.dtype, &turned)
            } else {
                decode(self.dtype, bytes)
            }
        };
        bytes.chunks_exact(self.width()).map(one).collect()
    }
}

/// The content of a `.npy` file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Npy {
    /// Numbers in row-major order.
    Numbers {
        shape: Vec<usize>,
        numbers: Vec<f64>,
    },
    /// One text.
    Text(String),
}

/// Reads a `.npy` file.
///
/// # Errors
/// If it is another kind of file, is cut off, or holds something else than numbers or one text.
pub(crate) fn parse(bytes: &[u8]) -> Result<Npy, ExchangeError> {
    let cut = || ExchangeError::refused("it is cut off in the header of its array");
    let Some(rest) = bytes.strip_prefix(MAGIC) else {
        return refuse("it is no array of numpy");
    };
    let (version, rest) = rest.split_first_chunk::<2>().ok_or_else(cut)?;
    let (len, rest) = match version[0] {
        1 => {
            let (len, rest) = rest.split_first_chunk().ok_or_else(cut)?;
            (usize::from(u16::from_le_bytes(*len)), rest)
        }
        2 | 3 => {
            let (len, rest) = rest.split_first_chunk().ok_or_else(cut)?;
            (u32::from_le_bytes(*len) as usize, rest)
        }
        other => return refuse(format!("its array is of format {other}; expected 1 to 3")),
    };
    if len > LONGEST_HEADER || len > rest.len() {
        return Err(cut());
    }
    let (header, data) = rest.split_at(len);
    let header = String::from_utf8_lossy(header);
    let odd = || {
        ExchangeError::refused(format!(
            "its array has a header that is not numpy's: {}",
            shown(header.trim())
        ))
    };
    let descr = field(&header, "descr").ok_or_else(odd)?;
    let descr = quoted(descr).ok_or_else(|| {
        ExchangeError::refused("its array is of a structured type; expected plain numbers")
    })?;
    let fortran = field(&header, "fortran_order").ok_or_else(odd)?;
    let fortran = fortran.starts_with("True");
    let shape = sizes(field(&header, "shape").ok_or_else(odd)?).ok_or_else(odd)?;
    if let Some(text) = text(descr, &shape, data) {
        return Ok(Npy::Text(text));
    }
    let Some(kind) = NumpyType::parse(descr) else {
        return refuse(format!(
            "its array is of type {}; expected numbers",
            shown(descr)
        ));
    };
    let want = shape
        .iter()
        .try_fold(kind.width(), |all, size| all.checked_mul(*size));
    if want != Some(data.len()) {
        return refuse(format!(
            "its array {shape:?} of type {} has {} bytes: it was cut off, or changed",
            shown(descr),
            data.len()
        ));
    }
    let numbers = kind.numbers(data);
    Ok(Npy::Numbers {
        numbers: if fortran {
            row_major(&shape, &numbers)
        } else {
            numbers
        },
        shape,
    })
}

/// Returns the text behind a key of the header, which is a dictionary as Python writes it.
fn field<'h>(header: &'h str, key: &str) -> Option<&'h str> {
    let (_, behind) = header.split_once(&format!("'{key}'"))?;
    Some(behind.trim_start().strip_prefix(':')?.trim_start())
}

fn quoted(text: &str) -> Option<&str> {
    text.strip_prefix('\'')?.split_once('\'').map(|(it, _)| it)
}

/// Reads a shape: `(3, 4)`, `(3,)` or `()`.
fn sizes(text: &str) -> Option<Vec<usize>> {
    let (inside, _) = text.strip_prefix('(')?.split_once(')')?;
    let parts = inside
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty());
    let sizes: Vec<usize> = parts.map(|part| part.parse().ok()).collect::<Option<_>>()?;
    (sizes.len() <= MOST_DIMENSIONS).then_some(sizes)
}

/// Reads a single text of type `<U`, four bytes a character.
fn text(descr: &str, shape: &[usize], data: &[u8]) -> Option<String> {
    descr.strip_prefix("<U").filter(|_| shape.is_empty())?;
    let (characters, _) = data.as_chunks::<4>();
    let characters = characters.iter().map(|c| u32::from_le_bytes(*c));
    characters.filter(|c| *c != 0).map(char::from_u32).collect()
}

/// Reorders numbers from Fortran's order, in which the first index is the fastest.
pub(crate) fn row_major(shape: &[usize], numbers: &[f64]) -> Vec<f64> {
    let mut strides = Vec::with_capacity(shape.len());
    let mut stride = 1u64;
    for size in shape {
        strides.push(stride);
        stride = stride.saturating_mul(*size as u64);
    }
    let places = crate::torch::places(0, shape, &strides);
    let read = |at: u64| numbers.get(at as usize).copied();
    places.into_iter().filter_map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn npy(header: &str, data: &[u8]) -> Vec<u8> {
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend(data);
        bytes
    }

    #[test]
    fn types_and_byte_orders_are_numpys() {
        for (code, bytes, want) in [
            ("<f8", &1.5f64.to_le_bytes()[..], 1.5),
            (">f8", &1.5f64.to_be_bytes(), 1.5),
            ("f4", &(-2f32).to_le_bytes(), -2.0),
            ("f2", &[0, 0x3c], 1.0),
            (">i4", &(-7i32).to_be_bytes(), -7.0),
            ("<u8", &9u64.to_le_bytes(), 9.0),
            ("u2", &[0xff, 0xff], 65_535.0),
            ("|b1", &[1], 1.0),
            ("|i1", &[0xff], -1.0),
        ] {
            let kind = NumpyType::parse(code).unwrap();
            assert_eq!(kind.numbers(bytes), [want], "{code}");
        }
        for code in ["O8", "<U3", "c16", "", "f", "M8[ns]"] {
            assert_eq!(NumpyType::parse(code), None, "{code}");
        }
        let turned = NumpyType::parse("f8").unwrap().with_order(">");
        assert_eq!(turned.numbers(&1.5f64.to_be_bytes()), [1.5]);
    }

    #[test]
    fn arrays_in_either_order_and_texts_are_read() {
        let header = "{'descr': '|i1', 'fortran_order': False, 'shape': (2, 3), }\n";
        let array = |header: &str| parse(&npy(header, &[1, 2, 3, 4, 5, 6])).unwrap();
        let numbers = |numbers: [f64; 6]| Npy::Numbers {
            shape: vec![2, 3],
            numbers: numbers.to_vec(),
        };
        assert_eq!(array(header), numbers([1., 2., 3., 4., 5., 6.]));
        let turned = header.replace("False", "True");
        assert_eq!(array(&turned), numbers([1., 3., 5., 2., 4., 6.]));
        let text = "{'descr': '<U2', 'fortran_order': False, 'shape': (), }\n";
        let data = [b'o', 0, 0, 0, b'k', 0, 0, 0];
        assert_eq!(
            parse(&npy(text, &data)).unwrap(),
            Npy::Text("ok".to_owned())
        );
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let header = |descr: &str, shape: &str| {
            format!("{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n")
        };
        for (header, data, says) in [
            (header("'<f8'", "(2,)"), &[0; 8][..], "cut off"),
            (
                header("'<f8'", "(99999999999, 99999999999)"),
                &[],
                "cut off",
            ),
            (header("'|O'", "(1,)"), &[0; 8], "type |O"),
            (header("[('a', '<f8')]", "(1,)"), &[0; 8], "structured"),
            (header("'<f8'", "(-1,)"), &[], "header"),
            ("nothing".to_owned(), &[], "header"),
        ] {
            let error = parse(&npy(&header, data)).unwrap_err().to_string();
            assert!(error.contains(says), "{header}: {error}");
        }
        let whole = npy(&header("'|i1'", "(3,)"), &[1, 2, 3]);
        for len in 0..whole.len() {
            assert!(parse(&whole[..len]).is_err(), "cut at {len}");
        }
    }
}
