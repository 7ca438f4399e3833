//! Finds out what a file is by its first bytes: its name may say something else.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::ExchangeError;
use crate::error::refuse;
use crate::numpy;
use crate::shown::shown;

/// How many bytes of the beginning are read.
const LOOKED_AT: u64 = 1024;

/// A kind of file that can hold weights or indices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// A zip archive: of `torch.save` or of `numpy.savez`.
    Zip,
    /// A `.safetensors` file.
    Safetensors,
    /// One array of numpy.
    Npy,
    /// A text.
    Text,
}

/// Finds out what the file is.
///
/// # Errors
/// If it cannot be read, or cannot hold weights: what it is, and what to do.
pub(crate) fn sniff(path: &Path) -> Result<Found, ExchangeError> {
    let failed = |error| ExchangeError::io("cannot read", path, &error);
    let meta = std::fs::metadata(path).map_err(failed)?;
    // Opening a pipe would wait for its other end.
    if !meta.is_file() {
        return refuse("it is no file; expected a .pth, .safetensors or .npz file")
            .map_err(|error: ExchangeError| error.of(path));
    }
    let mut start = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(LOOKED_AT)
        .read_to_end(&mut start)
        .map_err(failed)?;
    of_bytes(&start, meta.len()).map_err(|error| error.of(path))
}

/// Judges the beginning of a file of `len` bytes.
fn of_bytes(start: &[u8], len: u64) -> Result<Found, ExchangeError> {
    if start.is_empty() {
        return refuse("it is empty: was a download or a copy broken off?");
    }
    if start.starts_with(b"PK\x03\x04") || start.starts_with(b"PK\x05\x06") {
        return Ok(Found::Zip);
    }
    if start.starts_with(numpy::MAGIC) {
        return Ok(Found::Npy);
    }
    // The length of the header, and the header, which is JSON.
    let header = start.first_chunk().map(|len| u64::from_le_bytes(*len));
    if header.is_some_and(|header| header < 1 << 40) && start.get(8) == Some(&b'{') {
        return Ok(Found::Safetensors);
    }
    if let Some((_, what)) = MAGICS.iter().find(|(magic, _)| start.starts_with(magic)) {
        return refuse(*what);
    }
    if start.get(257..262) == Some(b"ustar") {
        return refuse("it is a tar archive; unpack it and import the file in it");
    }
    of_text(start, len)
}

/// The first bytes of other files that end up in the place of weights.
const MAGICS: [(&[u8], &str); 18] = [
    (
        b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.",
        "it is of the format before torch 1.6; load it there and torch.save it again",
    ),
    (b"\x80\x02", PLAIN_PICKLE),
    (b"\x80\x03", PLAIN_PICKLE),
    (b"\x80\x04", PLAIN_PICKLE),
    (b"\x80\x05", PLAIN_PICKLE),
    (b"\x1f\x8b", "it is compressed with gzip; unpack it first"),
    (b"BZh", "it is compressed with bzip2; unpack it first"),
    (b"\xfd7zXZ\x00", "it is compressed with xz; unpack it first"),
    (
        b"\x28\xb5\x2f\xfd",
        "it is compressed with zstd; unpack it first",
    ),
    (b"7z\xbc\xaf\x27\x1c", "it is a 7z archive; unpack it first"),
    (b"Rar!", "it is a rar archive; unpack it first"),
    (
        b"\x89HDF\r\n",
        "it is an HDF5 file (Keras); expected a .pth, .safetensors or .npz file",
    ),
    (
        b"GGUF",
        "it is a GGUF file; expected a .pth, .safetensors or .npz file",
    ),
    (
        b"PAR1",
        "it is a Parquet table; expected a .pth, .safetensors or .npz file",
    ),
    (
        b"\x89PNG",
        "it is a picture (PNG); expected a .pth, .safetensors or .npz file",
    ),
    (
        b"%PDF",
        "it is a PDF; expected a .pth, .safetensors or .npz file",
    ),
    (
        b"\x7fELF",
        "it is a program; expected a .pth, .safetensors or .npz file",
    ),
    (
        b"\xff\xd8\xff",
        "it is a picture (JPEG); expected a .pth, .safetensors or .npz file",
    ),
];

const PLAIN_PICKLE: &str = "it is a pickle outside of an archive, as pickle.dump writes it; load it in Python and torch.save its state_dict";

fn of_text(start: &[u8], len: u64) -> Result<Found, ExchangeError> {
    // The last character may be cut in two.
    let text = match std::str::from_utf8(start) {
        Ok(text) => text,
        Err(error) if start.len() as u64 == LOOKED_AT && error.error_len().is_none() => {
            std::str::from_utf8(&start[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => "\0",
    };
    let odd = |c: char| c.is_control() && !c.is_whitespace();
    if text.contains(odd) {
        return refuse(format!(
            "it is of no kind that is known here ({len} bytes, which begin with {}); expected a .pth, .safetensors or .npz file",
            shown(&String::from_utf8_lossy(&start[..start.len().min(16)]))
        ));
    }
    let trimmed = text.trim_start_matches('\u{feff}').trim_start();
    let lower = trimmed.get(..trimmed.len().min(200)).unwrap_or(trimmed);
    let lower = lower.to_ascii_lowercase();
    if trimmed.starts_with("version https://git-lfs") {
        return refuse(
            "it is a pointer of Git LFS, not the file that it stands for; fetch that with `git lfs pull`",
        );
    }
    if trimmed.starts_with("/annex/objects/") || trimmed.starts_with("../.git/annex") {
        return refuse(
            "it is a pointer of git-annex, not the file that it stands for; fetch that with `git annex get`",
        );
    }
    let pages = ["<!doctype html", "<html", "<head", "<?xml", "<!--"];
    if pages.iter().any(|page| lower.starts_with(page)) {
        return refuse(
            "it is a page of the web (HTML), not a file of weights; download the file itself: on GitHub the link \"Download raw file\", on Hugging Face the one with /resolve/ in place of /blob/",
        );
    }
    Ok(Found::Text)
}

/// Says what a text is that was found where weights were expected.
pub(crate) fn text_in_words(path: &Path) -> String {
    let mut start = Vec::new();
    let read = File::open(path).and_then(|file| file.take(60).read_to_end(&mut start));
    let text = String::from_utf8_lossy(match read {
        Ok(_) => &start,
        Err(_) => b"",
    });
    format!(
        "it is a text that begins with \"{}\"; expected a .pth, .safetensors or .npz file",
        shown(text.lines().next().unwrap_or_default())
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(bytes: &[u8]) -> Result<Found, String> {
        of_bytes(bytes, bytes.len() as u64).map_err(|e| e.to_string())
    }

    #[test]
    fn what_holds_weights_or_indices_is_known_by_its_bytes() {
        assert_eq!(of(b"PK\x03\x04...."), Ok(Found::Zip));
        assert_eq!(of(b"\x93NUMPY\x01\x00"), Ok(Found::Npy));
        assert_eq!(of(b"\x10\0\0\0\0\0\0\0{\"a\":1}"), Ok(Found::Safetensors));
        assert_eq!(of(b"1 2 3\n"), Ok(Found::Text));
        assert_eq!(of(b"[1, 2]"), Ok(Found::Text));
    }

    #[test]
    fn what_holds_none_is_named() {
        let mut tar = vec![b'x'; 300];
        tar[257..262].copy_from_slice(b"ustar");
        for (bytes, says) in [
            (&b""[..], "empty"),
            (
                b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n",
                "git lfs pull",
            ),
            (b"/annex/objects/SHA256E-s1--0.pth\n", "git annex get"),
            (b"\n<!DOCTYPE html><html>", "HTML"),
            (b"\xef\xbb\xbf<HTML>", "HTML"),
            (b"\x1f\x8b\x08\x00", "gzip"),
            (b"\x80\x04\x95\x00", "pickle.dump"),
            (
                b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.",
                "before torch 1.6",
            ),
            (b"\x89HDF\r\n\x1a\n", "HDF5"),
            (&tar, "tar archive"),
            (b"\x01\x02\x1b[2J", "no kind that is known"),
        ] {
            let error = of(bytes).unwrap_err();
            assert!(error.contains(says), "{error}");
            assert!(!error.contains('\u{1b}'), "{error:?}");
        }
    }
}
