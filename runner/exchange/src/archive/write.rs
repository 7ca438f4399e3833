//! Writes entries one after the other; only the directory is kept in memory.

use std::io::{self, Write};

use super::{CENTRAL, END, END64, END64_LEN, LOCAL, LOCAL_LEN, LOCATOR64};

/// The alignment of an entry's numbers, which torch maps into memory.
const ALIGNMENT: u64 = 64;
/// The date of every entry, 1980-01-01, the first day of the format: the same content gives the
/// same bytes.
const DAY: u16 = 0x21;
/// Names are UTF-8.
const FLAGS: u16 = 1 << 11;

/// An archive that is being written into `out`.
pub(crate) struct Writer<W> {
    out: W,
    at: u64,
    directory: Vec<u8>,
    entries: u64,
}

impl<W: Write> Writer<W> {
    pub(crate) fn new(out: W) -> Writer<W> {
        Writer {
            out,
            at: 0,
            directory: Vec::new(),
            entries: 0,
        }
    }

    /// Adds an entry; its data start at a multiple of 64 bytes, after a padding field `FB` as torch
    /// itself writes it.
    pub(crate) fn add(&mut self, name: &str, data: &[u8]) -> io::Result<()> {
        let too_large = || io::Error::new(io::ErrorKind::InvalidInput, "an array is above 4 GB");
        let size = u32::try_from(data.len()).map_err(|_| too_large())?;
        let name_len = u16::try_from(name.len()).map_err(|_| too_large())?;
        let crc = crc32fast::hash(data);
        let start = self.at;
        let unpadded = start + LOCAL_LEN as u64 + u64::from(name_len) + 4;
        let padding = (unpadded.next_multiple_of(ALIGNMENT) - unpadded) as u16;

        let mut header = Vec::with_capacity(128);
        header.extend(LOCAL.to_le_bytes());
        let mut common = Vec::with_capacity(24);
        for field in [FLAGS, 0, 0, DAY] {
            common.extend(field.to_le_bytes());
        }
        for field in [crc, size, size] {
            common.extend(field.to_le_bytes());
        }
        common.extend(name_len.to_le_bytes());
        header.extend(20u16.to_le_bytes());
        header.extend(&common);
        header.extend((4 + padding).to_le_bytes());
        header.extend(name.as_bytes());
        header.extend(b"FB");
        header.extend(padding.to_le_bytes());
        header.resize(header.len() + usize::from(padding), b'Z');
        self.put(&header)?;
        self.put(data)?;

        // Above 4 GB the place of the entry moves into a zip64 field.
        let (place, extra) = match u32::try_from(start) {
            Ok(place) if place != u32::MAX => (place, Vec::new()),
            _ => {
                let mut extra = vec![1, 0, 8, 0];
                extra.extend(start.to_le_bytes());
                (u32::MAX, extra)
            }
        };
        let version: u16 = if extra.is_empty() { 20 } else { 45 };
        let directory = &mut self.directory;
        directory.extend(CENTRAL.to_le_bytes());
        directory.extend(version.to_le_bytes());
        directory.extend(version.to_le_bytes());
        directory.extend(&common);
        directory.extend((extra.len() as u16).to_le_bytes());
        directory.extend([0; 10]);
        directory.extend(place.to_le_bytes());
        directory.extend(name.as_bytes());
        directory.extend(&extra);
        self.entries += 1;
        Ok(())
    }

    /// Writes the directory.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        let (start, len) = (self.at, self.directory.len() as u64);
        let directory = std::mem::take(&mut self.directory);
        self.put(&directory)?;
        let mut end = Vec::new();
        let short = |x: u64| u16::try_from(x).unwrap_or(u16::MAX);
        let long = |x: u64| u32::try_from(x).unwrap_or(u32::MAX);
        let above =
            short(self.entries) == u16::MAX || long(start) == u32::MAX || long(len) == u32::MAX;
        if above {
            end.extend(END64.to_le_bytes());
            end.extend((END64_LEN as u64 - 12).to_le_bytes());
            end.extend([45, 0, 45, 0]);
            end.extend([0; 8]);
            for field in [self.entries, self.entries, len, start] {
                end.extend(field.to_le_bytes());
            }
            end.extend(LOCATOR64.to_le_bytes());
            end.extend([0; 4]);
            end.extend((start + len).to_le_bytes());
            end.extend(1u32.to_le_bytes());
        }
        end.extend(END.to_le_bytes());
        end.extend([0; 4]);
        end.extend(short(self.entries).to_le_bytes());
        end.extend(short(self.entries).to_le_bytes());
        end.extend(long(len).to_le_bytes());
        end.extend(long(start).to_le_bytes());
        end.extend([0; 2]);
        self.put(&end)
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.at += bytes.len() as u64;
        self.out.write_all(bytes)
    }
}
