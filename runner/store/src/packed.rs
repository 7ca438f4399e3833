//! A tensor file made smaller without loss, by the checkpoints before it.
//!
//! Weights hardly change from one checkpoint to the next, and go on as they went. So each number is
//! predicted from the two checkpoints before, in whole numbers: a float's bits, negative ones
//! turned around, are an integer that grows with the float; of integers the straight line is exact
//! on every machine. What is left is small, and its bytes, sorted by significance, are deflated.
//! Each [`GROUP`]-th file is whole in itself, so that a damaged one takes no more than that with
//! it.
//!
//! ```text
//! 00000300.packed            itself a tensor file, with a digest, and whose it is in its header
//!   header   (h)             uint8: the first bytes of the file that was packed, up to its numbers
//!   from     (0 to 2)        int64: the epochs it is predicted from, the latest first
//!   plane.0 … plane.W-1      uint8: zlib of byte i of all residuals (N); N bytes are not deflated
//! ```
//!
//! W is 4 for float32 and 2 for float16. With o(x) = x ^ ((x >> 8W-1) & (2^(8W-1) - 1)) of a
//! number's bits x as a signed integer, r = o(x) - 2 o(x₁) + o(x₂) (one before: o(x) - o(x₁); none:
//! o(x)), modulo 2^8W, and the residual is r's zigzag code (r << 1) ^ (r >> 8W-1). `from` alone
//! says which ones; unpacked, the file's own digest must fit, so a wrong or altered one before it
//! is noticed.

use miniz_oxide::deflate::core::{
    CompressionStrategy, CompressorOxide, TDEFLFlush, TDEFLStatus, compress,
};
use miniz_oxide::{DataFormat, inflate};

use crate::tensors::{self, Contents, Entries, Entry};

/// So many files in a row are predicted one from the other, the first from none.
pub(crate) const GROUP: usize = 32;

const HEADER: &str = "header";
const FROM: &str = "from";

/// Deflate looks for runs of one byte only: what is left are numbers, which repeat no words.
const LEVEL: u8 = 6;
/// Bits of the window that zlib itself takes.
const WINDOW: u8 = 15;

fn plane(byte: usize) -> String {
    format!("plane.{byte}")
}

/// Packs a tensor file (`image`) whose numbers are of `width` bytes. `before` are the epochs and
/// numbers it is predicted from, the latest first; those that do not fit are left out. `notes` go
/// into its header.
///
/// # Errors
/// What the format cannot hold.
pub(crate) fn pack(
    image: &Contents,
    width: usize,
    before: &[(u64, &Contents)],
    notes: &[(&str, String)],
) -> Result<Vec<u8>, String> {
    let data = image.data();
    let fits = |(_, contents): &&(u64, &Contents)| contents.data().len() == data.len();
    let before: Vec<&(u64, &Contents)> = before.iter().take_while(fits).take(2).collect();
    let predicted: Vec<&[u8]> = before.iter().map(|(_, contents)| contents.data()).collect();
    let residuals = match width {
        2 => residuals::<i16, 2>(data, &predicted),
        _ => residuals::<i32, 4>(data, &predicted),
    };
    let from: Vec<i64> = before
        .iter()
        .map(|(epoch, _)| epoch.cast_signed())
        .collect();
    let mut entries: Entries<'_> = vec![
        (HEADER.into(), Entry::u8(image.header())),
        (FROM.into(), Entry::i64(&from)),
    ];
    for (byte, bytes) in residuals.into_iter().enumerate() {
        entries.push((plane(byte).into(), Entry::u8(deflate(bytes))));
    }
    tensors::encode(entries, notes)
}

/// The epochs that a packed file is predicted from, the latest first: at most two, all before its
/// own.
pub(crate) fn from(packed: &Contents, epoch: u64) -> Result<Vec<u64>, String> {
    let from = packed.parse()?.i64(FROM)?;
    let earlier = |e: &i64| u64::try_from(*e).ok().filter(|e| *e < epoch);
    let epochs: Option<Vec<u64>> = from.iter().map(earlier).collect();
    epochs
        .filter(|epochs| epochs.len() <= 2)
        .ok_or_else(|| format!("it is predicted from {from:?}; expected two epochs before its own"))
}

/// The file that was packed, its digest checked; `before` are those that [`from`] names.
///
/// # Errors
/// In what it is not a packed file, or that one it is predicted from is another than it was.
pub(crate) fn unpack(packed: &Contents, before: &[&Contents]) -> Result<Contents, String> {
    let file = packed.parse()?;
    let predicted: Vec<&[u8]> = before.iter().map(|contents| contents.data()).collect();
    let width = if file.has(&plane(2)) { 4 } else { 2 };
    let planes: Vec<Vec<u8>> = (0..width)
        .map(|byte| file.u8(&plane(byte)))
        .collect::<Result<_, _>>()?;
    let mut image = file.u8(HEADER)?;
    let bytes = usize::try_from(tensors::data_length(&image)?).unwrap_or(usize::MAX);
    if predicted.iter().any(|data| data.len() != bytes) {
        return Err("the checkpoints it is predicted from are of another size".to_owned());
    }
    let numbers = bytes / width;
    let planes = planes
        .into_iter()
        .map(|bytes| inflate_to(bytes, numbers))
        .collect::<Result<Vec<_>, _>>()?;
    match width {
        2 => restore::<i16, 2>(&planes, &predicted, &mut image),
        _ => restore::<i32, 4>(&planes, &predicted, &mut image),
    }
    tensors::check(image).map_err(|_| {
        "what it unpacks to does not fit its digest: a checkpoint before it, from which it is predicted, is another than it was"
            .to_owned()
    })
}

/// A number's bits as an integer, and back.
trait Bits<const W: usize>: Copy {
    fn read(bytes: [u8; W]) -> Self;
    fn bytes(self) -> [u8; W];
    /// Its place among all numbers; its own inverse.
    fn turned(self) -> Self;
    fn plus(self, other: Self) -> Self;
    fn minus(self, other: Self) -> Self;
    fn zigzag(self) -> Self;
    fn unzigzag(self) -> Self;
    const ZERO: Self;
}

macro_rules! bits {
    ($int:ty, $unsigned:ty, $width:literal) => {
        impl Bits<$width> for $int {
            fn read(bytes: [u8; $width]) -> Self {
                <$int>::from_le_bytes(bytes)
            }
            fn bytes(self) -> [u8; $width] {
                self.to_le_bytes()
            }
            fn turned(self) -> Self {
                self ^ ((self >> (8 * $width - 1)) & <$int>::MAX)
            }
            fn plus(self, other: Self) -> Self {
                self.wrapping_add(other)
            }
            fn minus(self, other: Self) -> Self {
                self.wrapping_sub(other)
            }
            fn zigzag(self) -> Self {
                (self << 1) ^ (self >> (8 * $width - 1))
            }
            fn unzigzag(self) -> Self {
                let half = (self.cast_unsigned() >> 1).cast_signed();
                half ^ (self & 1).wrapping_neg()
            }
            const ZERO: Self = 0;
        }
    };
}
bits!(i16, u16, 2);
bits!(i32, u32, 4);

/// What number `at` is predicted to be, turned.
fn prediction<T: Bits<W>, const W: usize>(before: &[&[[u8; W]]], at: usize) -> T {
    let turned = |data: &[[u8; W]]| T::read(data[at]).turned();
    match before {
        [] => T::ZERO,
        [one] => turned(one),
        [one, two, ..] => {
            let one = turned(one);
            one.plus(one).minus(turned(two))
        }
    }
}

fn words<'a, const W: usize>(data: &[&'a [u8]]) -> Vec<&'a [[u8; W]]> {
    data.iter().map(|bytes| bytes.as_chunks::<W>().0).collect()
}

/// The planes of the residuals, from the least significant byte to the most.
fn residuals<T: Bits<W>, const W: usize>(data: &[u8], before: &[&[u8]]) -> Vec<Vec<u8>> {
    let (numbers, before) = (data.as_chunks::<W>().0, words::<W>(before));
    let mut planes = vec![vec![0; numbers.len()]; W];
    for (at, number) in numbers.iter().enumerate() {
        let residual = T::read(*number)
            .turned()
            .minus(prediction(&before, at))
            .zigzag()
            .bytes();
        for (plane, byte) in planes.iter_mut().zip(residual) {
            plane[at] = byte;
        }
    }
    planes
}

/// Puts the numbers behind `image`; all parts are of one size.
fn restore<T: Bits<W>, const W: usize>(planes: &[Vec<u8>], before: &[&[u8]], image: &mut Vec<u8>) {
    let before = words::<W>(before);
    let numbers = planes.first().map_or(0, Vec::len);
    image.reserve_exact(W * numbers);
    let number = |at: usize| {
        let residual = T::read(std::array::from_fn(|byte| planes[byte][at])).unzigzag();
        residual.plus(prediction(&before, at)).turned().bytes()
    };
    (0..numbers).for_each(|at| image.extend(number(at)));
}

/// Bytes that are deflated to see whether all of a plane are worth it.
const SAMPLE: usize = 8192;

/// The zlib stream of these bytes, or the bytes themselves where that is hardly shorter: the lowest
/// bytes of float32 are noise, which takes as long as all else.
fn deflate(bytes: Vec<u8>) -> Vec<u8> {
    let middle = bytes.len().saturating_sub(SAMPLE) / 2;
    let sample = bytes.get(middle..middle + SAMPLE).map(deflated);
    let is_noise = sample.is_some_and(|sample| sample.is_none_or(|s| s.len() > SAMPLE / 100 * 98));
    if is_noise {
        bytes
    } else {
        deflated(&bytes).unwrap_or(bytes)
    }
}

/// The zlib stream of these bytes; none if it is not shorter.
fn deflated(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut compressor =
        CompressorOxide::with_params(DataFormat::Zlib, LEVEL, CompressionStrategy::RLE, WINDOW);
    let mut out = vec![0; bytes.len()];
    let (status, _, written) = compress(&mut compressor, bytes, &mut out, TDEFLFlush::Finish);
    out.truncate(written);
    (status == TDEFLStatus::Done && written < bytes.len()).then_some(out)
}

/// The reverse, where `len` bytes went in.
fn inflate_to(bytes: Vec<u8>, len: usize) -> Result<Vec<u8>, String> {
    if bytes.len() == len {
        return Ok(bytes);
    }
    let found = inflate::decompress_to_vec_zlib_with_limit(&bytes, len)
        .map_err(|error| format!("a plane of it cannot be inflated: {error}"))?;
    if found.len() == len {
        Ok(found)
    } else {
        Err(format!(
            "a plane of it has {} bytes; expected {len}",
            found.len()
        ))
    }
}

#[cfg(test)]
mod tests;
