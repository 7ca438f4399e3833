//! The digest that a file carries inside itself: where it stands, putting it in, checking it.
//!
//! It is the BLAKE3 digest, in hexadecimal, of the whole file with those 64 characters written as
//! zeros. So it appears with its file and never lags behind it, it covers every byte, and other
//! programs read the file as they read any of its kind.
//!
//! ```text
//! *.safetensors, *.packed  {"__metadata__":{"blake3":"…"  the first key of the header's metadata
//! *.json                   {⏎  "blake3": "…",             the first key; in a list, of its first
//!                                                         object
//! *.toml                   # blake3: … of …               the first line, with whose it is
//! metrics.parquet and      blake3                         a key of the footer's metadata
//! cells.parquet
//! ```
//!
//! A file of an older grokrun has none, and is read as it is. One that has a digest, but not where
//! it is written here, was changed by another program. A byte that is changed in the key itself
//! makes a JSON or Parquet file look like one without a digest: all else in it is then as it was,
//! and nobody asks for the key that it has become.
//!
//! What an analysis leaves is covered otherwise: its `findings.json` has the digests of its other
//! files.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;

use serde::Serialize;
use serde_json::Value;

/// The name of the digest in every file.
pub(crate) const KEY: &str = "blake3";
/// Characters of a digest.
pub(crate) const DIGITS: usize = 2 * blake3::OUT_LEN;
/// What stands in its place while it is taken.
pub(crate) const ZEROS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Of a JSON file that says whose it is, and so was written with a digest, and that has none.
pub(crate) const GONE: &str = "its digest is gone";

/// How a JSON text begins, of an object and of a list of them, and what stands before the digest
/// then.
const JSON: [[&str; 2]; 2] = [
    ["{\n", "  \"blake3\": \""],
    ["[\n  {\n", "    \"blake3\": \""],
];
/// What stands before the digest in the first line of a TOML file, and between it and whose file it
/// is; an older grokrun ended the line after the digest.
const TOML: [&str; 2] = ["# blake3: ", " of "];
/// What stands before the digest in a Parquet file: Thrift's compact form of a pair of this key and
/// a text of 64 bytes, and its end.
const PARQUET: [&[u8]; 2] = [b"\x18\x06blake3\x18\x40", b"\x00"];
/// The digest is within so many bytes of the end of a Parquet file: its schema comes before it.
const TAIL: usize = 4096;

/// Hashes what goes through it to a writer.
pub(crate) struct Hashed<W> {
    to: W,
    digest: blake3::Hasher,
}

impl<W> Hashed<W> {
    pub(crate) fn new(to: W) -> Hashed<W> {
        let digest = blake3::Hasher::new();
        Hashed { to, digest }
    }

    /// The digest of all that went through.
    pub(crate) fn digest(&self) -> String {
        self.digest.finalize().to_hex().to_string()
    }
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.to.write(bytes)?;
        self.digest.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// The digest of these bytes.
pub(crate) fn digest(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}

/// Whether a file fits the digest that stands in it at this place.
///
/// # Errors
/// It does not, in words that follow "is damaged".
pub(crate) fn fits(file: &[u8], place: &Range<usize>) -> Result<(), String> {
    let mut digest = blake3::Hasher::new();
    digest.update(&file[..place.start]);
    digest.update(ZEROS.as_bytes());
    digest.update(&file[place.end..]);
    if digest.finalize().to_hex().as_bytes() == &file[place.clone()] {
        Ok(())
    } else {
        Err(format!(
            "its {} bytes do not fit the digest in it: it was cut off or changed",
            file.len()
        ))
    }
}

/// Puts its digest into a file, in which zeros stand at this place.
fn fill(mut file: Vec<u8>, place: Range<usize>) -> Vec<u8> {
    let digest = digest(&file);
    file[place].copy_from_slice(digest.as_bytes());
    file
}

fn elsewhere() -> String {
    "its digest is not where grokrun writes it: another program has changed the file".to_owned()
}

/// Where the digest of a JSON text is, if it has one.
fn in_json(text: &[u8]) -> Option<Range<usize>> {
    JSON.iter().find_map(|[opening, key]| {
        let start = opening.len() + key.len();
        let begins = text.starts_with(opening.as_bytes())
            && text[opening.len()..].starts_with(key.as_bytes());
        let after = text.get(start + DIGITS)?;
        (begins && *after == b'"').then_some(start..start + DIGITS)
    })
}

/// The text of a JSON file with its digest. A value without an object to put it into, an empty list
/// for instance, has none.
///
/// # Errors
/// The value is none that JSON knows.
pub(crate) fn to_json(value: &impl Serialize) -> serde_json::Result<Vec<u8>> {
    let mut text = serde_json::to_string_pretty(value)?;
    text.push('\n');
    let place = JSON.iter().find_map(|[opening, key]| {
        let rest = text.strip_prefix(opening)?;
        let sealed = format!("{opening}{key}{ZEROS}\",\n{rest}");
        let start = opening.len() + key.len();
        Some((sealed, start..start + DIGITS))
    });
    Ok(match place {
        Some((sealed, place)) => fill(sealed.into_bytes(), place),
        None => text.into_bytes(),
    })
}

/// The value of a JSON file, its digest checked and left out.
///
/// # Errors
/// It is no JSON, or not what was written.
pub(crate) fn from_json(text: &[u8]) -> Result<Value, String> {
    let place = in_json(text);
    if let Some(place) = &place {
        fits(text, place)?;
    }
    let mut value: Value =
        serde_json::from_slice(text).map_err(|error| format!("it is not JSON: {error}"))?;
    let first = match &mut value {
        Value::Array(list) => list.first_mut(),
        value => Some(value),
    };
    let key = first
        .and_then(Value::as_object_mut)
        .and_then(|object| object.remove(KEY));
    if key.is_some() && place.is_none() {
        Err(elsewhere())
    } else {
        Ok(value)
    }
}

/// Whether a JSON text has a digest where it is written here.
pub(crate) fn is_sealed_json(text: &[u8]) -> bool {
    in_json(text).is_some()
}

/// What a text of Windows may begin with; only there it is nothing.
const BYTE_ORDER: &str = "\u{feff}";

/// Where a digest of a TOML text would begin.
fn toml_start(text: &[u8]) -> usize {
    let byte_order = text.starts_with(BYTE_ORDER.as_bytes());
    TOML[0].len() + if byte_order { BYTE_ORDER.len() } else { 0 }
}

/// The digest of a TOML text, if its first line is one, and how many bytes of what stands before it
/// are not as they are written.
fn in_toml(text: &[u8]) -> Option<(Range<usize>, usize)> {
    let start = toml_start(text);
    let marker = text.get(..start)?;
    let marker = &marker[start - TOML[0].len()..];
    let off = marker.iter().zip(TOML[0].bytes());
    let off = off.filter(|(one, other)| **one != *other).count();
    let digits = text.get(start..start + DIGITS)?;
    let is_digest = off <= 1 && digits.iter().all(u8::is_ascii_hexdigit);
    is_digest.then_some((start..start + DIGITS, off))
}

/// Where the first line of a TOML text with its digest at this place ends, its line break included.
fn end_of_line(text: &[u8], place: &Range<usize>) -> usize {
    let rest = &text[place.end..];
    let length = rest.iter().position(|byte| *byte == b'\n');
    place.end + length.map_or(rest.len(), |length| length + 1)
}

/// A TOML text of a run (by its fingerprint, of one line) with its digest as the first line, in the
/// place of one that it has.
pub(crate) fn to_toml(text: &str, of: &str) -> Vec<u8> {
    let [before, between] = TOML;
    let rest = match in_toml(text.as_bytes()) {
        Some((place, 0)) => text
            .get(end_of_line(text.as_bytes(), &place)..)
            .unwrap_or_default(),
        _ => text.strip_prefix(BYTE_ORDER).unwrap_or(text),
    };
    let byte_order = if text.starts_with(BYTE_ORDER) {
        BYTE_ORDER
    } else {
        ""
    };
    let start = byte_order.len() + before.len();
    let sealed = [byte_order, before, ZEROS, between, of, "\n", rest].concat();
    fill(sealed.into_bytes(), start..start + DIGITS)
}

/// The text of a TOML file, its digest checked and left out, and of which run it is, if it says so.
///
/// # Errors
/// It is no text, or not what was written.
pub(crate) fn from_toml(file: Vec<u8>) -> Result<(String, Option<String>), String> {
    let [before, between] = TOML;
    let place = match in_toml(&file) {
        Some((place, 0)) => {
            fits(&file, &place)?;
            Some(place)
        }
        Some(_) => return Err(elsewhere()),
        None => None,
    };
    let mut text = String::from_utf8(file)
        .map_err(|error| format!("byte {} is not text", error.utf8_error().valid_up_to()))?;
    match place {
        Some(place) => {
            let end = end_of_line(text.as_bytes(), &place);
            let of = text[place.end..end].trim_end().strip_prefix(between);
            let of = of.map(str::to_owned);
            text.replace_range(place.start - before.len()..end, "");
            Ok((text, of))
        }
        None if before.starts_with(text.trim_start_matches(BYTE_ORDER)) => {
            Err(format!("it was cut off: {} bytes are left", text.len()))
        }
        None if text.contains(before) => Err(elsewhere()),
        None => Ok((text, None)),
    }
}

/// Where the digest is in the last bytes of a Parquet file, if it has one.
fn in_parquet(tail: &[u8]) -> Option<Range<usize>> {
    let [before, after] = PARQUET;
    let length = before.len() + DIGITS + after.len();
    let is_pair = |bytes: &[u8]| bytes.starts_with(before) && bytes.ends_with(after);
    let at = tail.windows(length).rposition(is_pair)? + before.len();
    Some(at..at + DIGITS)
}

/// Puts its digest, taken while it was written, into a Parquet file with zeros in its place.
///
/// # Errors
/// The system's, or there is no place for it.
pub(crate) fn seal_parquet(file: &mut (impl Read + Write + Seek), digest: &str) -> io::Result<()> {
    let length = file.seek(SeekFrom::End(0))?;
    let start = length.saturating_sub(TAIL as u64);
    file.seek(SeekFrom::Start(start))?;
    let mut tail = Vec::new();
    file.read_to_end(&mut tail)?;
    let place = in_parquet(&tail)
        .ok_or_else(|| io::Error::other("the footer has no place for a digest"))?;
    file.seek(SeekFrom::Start(start + place.start as u64))?;
    file.write_all(digest.as_bytes())
}

/// Whether a Parquet file has a digest, which it then fits.
///
/// # Errors
/// It does not fit it.
pub(crate) fn check_parquet(file: &[u8]) -> Result<bool, String> {
    let start = file.len().saturating_sub(TAIL);
    match in_parquet(&file[start..]) {
        None => Ok(false),
        Some(place) => fits(file, &(start + place.start..start + place.end)).map(|()| true),
    }
}

#[cfg(test)]
mod tests;
