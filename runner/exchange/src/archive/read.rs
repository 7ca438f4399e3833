//! Reads foreign archives. The directory is checked as a whole before any entry is used: stored
//! entries only, each name once, every entry inside the file, none over another. So all entries
//! together are never longer than the file, and nothing can expand.

use std::collections::BTreeMap;
use std::io::{Read, Seek, SeekFrom};

use super::{
    CENTRAL, CENTRAL_LEN, END, END_LEN, END64, END64_LEN, LOCAL, LOCAL_LEN, LOCATOR64,
    LOCATOR64_LEN,
};
use crate::ExchangeError;
use crate::error::refuse;
use crate::shown::shown;

/// The longest directory that is read, in bytes: some 900,000 entries.
const LONGEST_DIRECTORY: u64 = 64 << 20;

/// An archive whose directory is sound.
#[derive(Debug)]
pub(crate) struct Archive<R> {
    file: R,
    entries: BTreeMap<String, Entry>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    /// place of the local header
    header: u64,
    /// place of the data
    start: u64,
    len: u64,
    crc: u32,
}

/// Reads a little-endian number from a slice.
///
/// # Errors
/// If the slice is too short.
fn number<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N], ExchangeError> {
    match bytes.get(at..).and_then(|rest| rest.first_chunk::<N>()) {
        Some(chunk) => Ok(*chunk),
        None => refuse("the directory of the archive is cut off"),
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Result<u16, ExchangeError> {
    number(bytes, at).map(u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Result<u32, ExchangeError> {
    number(bytes, at).map(u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> Result<u64, ExchangeError> {
    number(bytes, at).map(u64::from_le_bytes)
}

fn failed(error: std::io::Error) -> ExchangeError {
    ExchangeError::refused(format!("it cannot be read: {error}"))
}

impl<R: Read + Seek> Archive<R> {
    /// Reads and checks the directory.
    pub(crate) fn open(mut file: R) -> Result<Archive<R>, ExchangeError> {
        let len = file.seek(SeekFrom::End(0)).map_err(failed)?;
        let (start, size, count) = directory(&mut file, len)?;
        if size > LONGEST_DIRECTORY {
            return refuse(format!(
                "the directory of the archive has {size} bytes; expected at most {LONGEST_DIRECTORY}"
            ));
        }
        let mut bytes = vec![0; size as usize];
        read_at(&mut file, start, &mut bytes)?;
        let mut archive = Archive {
            file,
            entries: BTreeMap::new(),
        };
        let mut rest = bytes.as_slice();
        for _ in 0..count {
            rest = archive.central(rest, start)?;
        }
        if !rest.is_empty() {
            return refuse("the directory of the archive has something behind its last entry");
        }
        archive.check_overlaps()?;
        Ok(archive)
    }

    /// Reads one entry of the directory.
    fn central<'b>(&mut self, bytes: &'b [u8], end: u64) -> Result<&'b [u8], ExchangeError> {
        if u32_at(bytes, 0)? != CENTRAL {
            return refuse("the directory of the archive has something that is no entry");
        }
        let [flags, method] = [u16_at(bytes, 8)?, u16_at(bytes, 10)?];
        let crc = u32_at(bytes, 16)?;
        let [mut packed, mut len] = [u32_at(bytes, 20)?, u32_at(bytes, 24)?].map(u64::from);
        let [name_len, extra_len, note_len] =
            [u16_at(bytes, 28)?, u16_at(bytes, 30)?, u16_at(bytes, 32)?].map(usize::from);
        let mut header = u64::from(u32_at(bytes, 42)?);
        let extra_at = CENTRAL_LEN + name_len;
        let next = extra_at + extra_len + note_len;
        let (Some(name), Some(extra), Some(rest)) = (
            bytes.get(CENTRAL_LEN..extra_at),
            bytes.get(extra_at..extra_at + extra_len),
            bytes.get(next..),
        ) else {
            return refuse("the directory of the archive is cut off");
        };
        let Ok(name) = std::str::from_utf8(name) else {
            return refuse("an entry of the archive has a name that is not UTF-8");
        };
        if flags & 1 != 0 {
            return refuse(format!("its entry {} is encrypted", shown(name)));
        }
        if method != 0 {
            return refuse(format!(
                "its entry {} is compressed (method {method}); expected stored entries: save it again with torch.save or numpy.savez",
                shown(name)
            ));
        }
        zip64(extra, [&mut len, &mut packed, &mut header])?;
        if packed != len {
            return refuse(format!(
                "its entry {} is stored in {packed} bytes and should have {len}",
                shown(name)
            ));
        }
        let start = self.local(header, name)?;
        if start.checked_add(len).is_none_or(|stop| stop > end) {
            return refuse(format!(
                "its entry {} of {len} bytes does not fit the file: it was cut off, or changed",
                shown(name)
            ));
        }
        let entry = Entry {
            header,
            start,
            len,
            crc,
        };
        if self.entries.insert(name.to_owned(), entry).is_some() {
            return refuse(format!("two of its entries are named {}", shown(name)));
        }
        Ok(rest)
    }

    /// Returns the place of an entry's data, by its own header.
    fn local(&mut self, header: u64, name: &str) -> Result<u64, ExchangeError> {
        let mut bytes = [0; LOCAL_LEN];
        read_at(&mut self.file, header, &mut bytes)?;
        let [name_len, extra_len] = [u16_at(&bytes, 26)?, u16_at(&bytes, 28)?];
        let mut own = vec![0; usize::from(name_len)];
        let differs = || {
            refuse(format!(
                "its entry {} is not where the directory of the archive says",
                shown(name)
            ))
        };
        if u32_at(&bytes, 0)? != LOCAL || usize::from(name_len) != name.len() {
            return differs();
        }
        read_at(&mut self.file, header + LOCAL_LEN as u64, &mut own)?;
        if own != name.as_bytes() || u16_at(&bytes, 8)? != 0 {
            return differs();
        }
        Ok(header + LOCAL_LEN as u64 + u64::from(name_len) + u64::from(extra_len))
    }

    fn check_overlaps(&self) -> Result<(), ExchangeError> {
        let mut places: Vec<(u64, u64, &str)> = self
            .entries
            .iter()
            .map(|(name, e)| (e.header, e.start + e.len, name.as_str()))
            .collect();
        places.sort_unstable();
        match places.windows(2).find(|pair| pair[0].1 > pair[1].0) {
            Some(pair) => refuse(format!(
                "its entries {} and {} lie over each other",
                shown(pair[0].2),
                shown(pair[1].2)
            )),
            None => Ok(()),
        }
    }

    /// Returns the names of all entries, in order.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// Returns the length of an entry, if there is one of that name.
    pub(crate) fn len(&self, name: &str) -> Option<u64> {
        self.entries.get(name).map(|entry| entry.len)
    }

    /// Returns the bytes of an entry of at most `most` bytes, after checking their checksum.
    pub(crate) fn read(&mut self, name: &str, most: u64) -> Result<Vec<u8>, ExchangeError> {
        let Some(entry) = self.entries.get(name).copied() else {
            return refuse(format!("it has no entry {}", shown(name)));
        };
        if entry.len > most {
            return refuse(format!(
                "its entry {} has {} bytes; expected at most {most}",
                shown(name),
                entry.len
            ));
        }
        let mut bytes = vec![0; entry.len as usize];
        read_at(&mut self.file, entry.start, &mut bytes)?;
        if crc32fast::hash(&bytes) != entry.crc {
            return refuse(format!(
                "its entry {} does not fit its check sum: the file was changed",
                shown(name)
            ));
        }
        Ok(bytes)
    }
}

fn read_at(file: &mut (impl Read + Seek), at: u64, into: &mut [u8]) -> Result<(), ExchangeError> {
    file.seek(SeekFrom::Start(at)).map_err(failed)?;
    file.read_exact(into).map_err(|error| match error.kind() {
        std::io::ErrorKind::UnexpectedEof => {
            ExchangeError::refused("it points behind its end: it was cut off, or changed")
        }
        _ => failed(error),
    })
}

/// Returns start, length and number of entries of the directory.
fn directory(file: &mut (impl Read + Seek), len: u64) -> Result<(u64, u64, u64), ExchangeError> {
    let tail_len = len.min((END_LEN + usize::from(u16::MAX)) as u64);
    let tail_start = len - tail_len;
    let mut tail = vec![0; tail_len as usize];
    read_at(file, tail_start, &mut tail)?;
    // Starts at the last place that an end record can have: its comment goes to the end of the
    // file.
    let is_end = |at: &usize| {
        let comment = u16_at(&tail, at + 20).map(usize::from);
        u32_at(&tail, *at).is_ok_and(|x| x == END)
            && comment.is_ok_and(|comment| at + END_LEN + comment == tail.len())
    };
    let Some(at) = (0..tail.len().saturating_sub(END_LEN - 1))
        .rev()
        .find(is_end)
    else {
        return refuse("it has no end of a zip archive: it was cut off; copy or download it again");
    };
    let mut end = tail_start + at as u64;
    let short = [u16_at(&tail, at + 8)?, u16_at(&tail, at + 10)?].map(u64::from);
    let mut found = (
        u64::from(u32_at(&tail, at + 16)?),
        u64::from(u32_at(&tail, at + 12)?),
        short[1],
    );
    let mut disks = u64::from(u16_at(&tail, at + 4)?) + u64::from(u16_at(&tail, at + 6)?);
    disks += short[0].abs_diff(short[1]);
    let before = end.checked_sub(LOCATOR64_LEN as u64);
    let mut locator = [0; LOCATOR64_LEN];
    if let Some(place) = before {
        read_at(file, place, &mut locator)?;
        if u32_at(&locator, 0)? == LOCATOR64 {
            end = u64_at(&locator, 8)?;
            let mut bytes = [0; END64_LEN];
            read_at(file, end, &mut bytes)?;
            let whole = u64_at(&bytes, 4)?
                .checked_add(12)
                .and_then(|l| l.checked_add(end));
            if u32_at(&bytes, 0)? != END64 || whole != Some(place) {
                return refuse("the zip64 end of the archive is not where it should be");
            }
            disks = u64_at(&bytes, 16)?;
            disks |= u64_at(&bytes, 24)?.abs_diff(u64_at(&bytes, 32)?);
            found = (
                u64_at(&bytes, 48)?,
                u64_at(&bytes, 40)?,
                u64_at(&bytes, 32)?,
            );
        }
    }
    if disks != 0 {
        return refuse("it is an archive of several files; expected one");
    }
    if found.0.checked_add(found.1) != Some(end) {
        return refuse("the directory of the archive is not where it should be");
    }
    Ok(found)
}

/// Replaces fields that are at their maximum by those of the zip64 field, in its order.
pub(super) fn zip64(mut extra: &[u8], fields: [&mut u64; 3]) -> Result<(), ExchangeError> {
    let maximum = u64::from(u32::MAX);
    while !extra.is_empty() {
        let [id, len] = [u16_at(extra, 0)?, u16_at(extra, 2)?];
        let Some(body) = extra.get(4..4 + usize::from(len)) else {
            return refuse("an extra field of the archive is cut off");
        };
        if id == 1 {
            let mut at = 0;
            for field in fields.into_iter().filter(|field| **field == maximum) {
                *field = u64_at(body, at)?;
                at += 8;
            }
            return Ok(());
        }
        extra = &extra[4 + body.len()..];
    }
    Ok(())
}
