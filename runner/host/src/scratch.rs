//! Keeps bytes on the disk until the end of training: those that grow with it ([`Kept`], the last
//! few of which are in memory), and those that an analysis keeps for itself ([`Parcel`]).
//!
//! All analyses of a batch of cells share one file, which has no name: no killed process leaves it
//! behind. It is made when the first page is full, and free pages are used again.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The size of a page, in bytes, which is written and read as a whole: small enough that some
/// hundred growing tensors take a few megabytes, and large enough that a disk is written in long
/// pieces.
const PAGE: usize = 1 << 16;

/// The file that bytes are kept in.
#[derive(Clone)]
pub struct Scratch(Arc<Mutex<PageFile>>);

struct PageFile {
    folder: PathBuf,
    file: Option<File>,
    /// how many pages the file has
    pages: u64,
    /// the pages that are free
    free: Vec<u64>,
}

/// Bytes that grow, of which at most one page is in memory.
#[derive(Debug)]
pub struct Kept {
    pages: Pages,
    /// the bytes after the last page, less than a page
    rest: Vec<u8>,
}

/// Bytes that do not change, all on the disk.
#[derive(Debug)]
pub(crate) struct Parcel {
    pages: Pages,
    /// how many bytes there are; the rest of the last page is padding
    len: usize,
}

/// Pages on the disk. Dropping this frees them.
#[derive(Debug)]
struct Pages {
    scratch: Scratch,
    /// the pages' places in the file, in order
    at: Vec<u64>,
}

/// Reads the bytes of a [`Kept`] from the first on.
#[derive(Debug)]
pub struct KeptReader {
    kept: Kept,
    /// index of the next page
    next: usize,
    /// the rest of the page that is being read
    page: io::Cursor<Vec<u8>>,
}

impl Scratch {
    /// Uses this folder, whose disk has to have space for the findings. Nothing is made yet.
    pub fn new(folder: &Path) -> Scratch {
        Scratch(Arc::new(Mutex::new(PageFile {
            folder: folder.to_owned(),
            file: None,
            pages: 0,
            free: Vec::new(),
        })))
    }

    /// Returns an empty [`Kept`] in this file.
    pub(crate) fn keep(&self) -> Kept {
        Kept {
            pages: self.pages(),
            rest: Vec::new(),
        }
    }

    /// Writes bytes; the last page is filled up with zeros.
    pub(crate) fn put(&self, bytes: &[u8]) -> io::Result<Parcel> {
        let mut pages = self.pages();
        let (full, rest) = bytes.as_chunks::<PAGE>();
        full.iter().try_for_each(|page| pages.push(page))?;
        if !rest.is_empty() {
            let mut page = rest.to_vec();
            page.resize(PAGE, 0);
            pages.push(&page)?;
        }
        let len = bytes.len();
        Ok(Parcel { pages, len })
    }

    fn pages(&self) -> Pages {
        Pages {
            scratch: self.clone(),
            at: Vec::new(),
        }
    }

    fn file(&self) -> MutexGuard<'_, PageFile> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Scratch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Another thread may be writing a page.
        f.debug_struct("Scratch").finish_non_exhaustive()
    }
}

impl PageFile {
    fn write(&mut self, page: &[u8]) -> io::Result<u64> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(tempfile::tempfile_in(&self.folder)?),
        };
        let at = self.free.last().copied().unwrap_or(self.pages);
        file.seek(SeekFrom::Start(at * PAGE as u64))?;
        file.write_all(page)?;
        if self.free.pop().is_none() {
            self.pages += 1;
        }
        Ok(at)
    }

    fn read(&mut self, at: u64, page: &mut [u8]) -> io::Result<()> {
        let file = self.file.as_mut().ok_or(io::ErrorKind::NotFound)?;
        file.seek(SeekFrom::Start(at * PAGE as u64))?;
        file.read_exact(page)
    }
}

impl Pages {
    fn push(&mut self, page: &[u8]) -> io::Result<()> {
        let at = self.scratch.file().write(page)?;
        self.at.push(at);
        Ok(())
    }

    /// Reads the page of that index; returns false if there is none.
    fn read(&self, index: usize, page: &mut [u8]) -> io::Result<bool> {
        match self.at.get(index) {
            Some(at) => self.scratch.file().read(*at, page).map(|()| true),
            None => Ok(false),
        }
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        self.scratch.file().free.append(&mut self.at);
    }
}

impl Parcel {
    /// Returns how many bytes there are.
    pub(crate) fn len(&self) -> u64 {
        self.len as u64
    }

    /// Reads all bytes.
    pub(crate) fn read(&self) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; self.pages.at.len() * PAGE];
        for (index, page) in bytes.chunks_exact_mut(PAGE).enumerate() {
            self.pages.read(index, page)?;
        }
        bytes.truncate(self.len);
        Ok(bytes)
    }
}

impl Kept {
    /// Returns how many bytes there are.
    pub fn len(&self) -> u64 {
        (self.pages.at.len() * PAGE + self.rest.len()) as u64
    }

    /// Says whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns a reader from the first byte on; the pages are freed with the reader.
    pub fn into_reader(self) -> KeptReader {
        KeptReader {
            kept: self,
            next: 0,
            page: io::Cursor::default(),
        }
    }
}

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = bytes.len().min(PAGE - self.rest.len());
        self.rest.extend_from_slice(&bytes[..count]);
        if self.rest.len() == PAGE {
            let written = self.pages.push(&self.rest);
            // Bytes that could not be written were not taken.
            let left = if written.is_ok() { 0 } else { PAGE - count };
            self.rest.truncate(left);
            written?;
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for KeptReader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.page.read(into)?;
        if count > 0 || into.is_empty() {
            return Ok(count);
        }
        self.page.set_position(0);
        let page = self.page.get_mut();
        page.resize(PAGE, 0);
        if !self.kept.pages.read(self.next, page)? {
            *page = std::mem::take(&mut self.kept.rest);
        }
        self.next += 1;
        self.page.read(into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns bytes that differ from page to page and from one seed to the next.
    fn bytes(seed: usize, count: usize) -> Vec<u8> {
        (0..count)
            .map(|i| ((i * 7 + i / 251 + seed * 13) % 251) as u8)
            .collect()
    }

    fn read(kept: Kept) -> Vec<u8> {
        let mut all = Vec::new();
        kept.into_reader().read_to_end(&mut all).unwrap();
        all
    }

    #[test]
    fn bytes_come_back_whatever_their_number_and_pieces() {
        let folder = tempfile::tempdir().unwrap();
        let scratch = Scratch::new(folder.path());
        for count in [0, 1, PAGE - 1, PAGE, PAGE + 1, 3 * PAGE, 5 * PAGE / 2] {
            for piece in [1000, PAGE, 4 * PAGE] {
                let mut kept = scratch.keep();
                let want = bytes(count, count);
                for piece in want.chunks(piece) {
                    kept.write_all(piece).unwrap();
                }
                assert_eq!((kept.len(), kept.is_empty()), (count as u64, count == 0));
                assert!(read(kept) == want, "{count} by {piece}");
            }
        }
    }

    #[test]
    fn those_that_grow_in_turn_do_not_mix_and_memory_holds_less_than_a_page_of_each() {
        let folder = tempfile::tempdir().unwrap();
        let scratch = Scratch::new(folder.path());
        let mut kept = [(); 5].map(|()| scratch.keep());
        let want: [Vec<u8>; 5] = std::array::from_fn(|i| bytes(i, (i + 2) * PAGE + 100 * i));
        for start in (0..7 * PAGE).step_by(3000) {
            for (kept, want) in kept.iter_mut().zip(&want) {
                let end = want.len().min(start + 3000);
                kept.write_all(want.get(start..end).unwrap_or_default())
                    .unwrap();
                assert!(kept.rest.len() < PAGE && kept.rest.capacity() <= 2 * PAGE);
            }
        }
        for (kept, want) in kept.into_iter().zip(want) {
            assert!(read(kept) == want);
        }
    }

    #[test]
    fn room_is_used_again_and_nothing_has_a_name() {
        let folder = tempfile::tempdir().unwrap();
        let scratch = Scratch::new(folder.path());
        for round in 0..4 {
            let mut kept = scratch.keep();
            kept.write_all(&bytes(round, 3 * PAGE + 1)).unwrap();
            assert_eq!(scratch.file().pages, 3);
            if cfg!(unix) {
                assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
            }
            assert!(read(kept) == bytes(round, 3 * PAGE + 1));
        }
        assert_eq!(scratch.file().free.len(), 3);
    }

    #[test]
    fn what_is_kept_is_read_as_often_as_wanted_and_takes_no_memory() {
        let folder = tempfile::tempdir().unwrap();
        let scratch = Scratch::new(folder.path());
        for count in [0, 1, PAGE - 1, PAGE, PAGE + 1, 5 * PAGE / 2] {
            let want = bytes(count, count);
            let parcel = scratch.put(&want).unwrap();
            assert_eq!(parcel.len(), count as u64);
            assert!(parcel.read().unwrap() == want && parcel.read().unwrap() == want);
        }
        let file = scratch.file();
        assert_eq!((file.pages, file.free.len()), (3, 3));
        drop(file);
        let gone = Scratch::new(&folder.path().join("gone"));
        assert!(gone.put(&[]).is_ok() && gone.put(&[1]).is_err());
    }

    #[test]
    fn a_folder_that_is_gone_is_an_error_only_once_a_page_is_full() {
        let folder = tempfile::tempdir().unwrap();
        let scratch = Scratch::new(&folder.path().join("gone"));
        let mut kept = scratch.keep();
        kept.write_all(&bytes(0, PAGE - 1)).unwrap();
        assert!(kept.write_all(&[1]).is_err());
        assert!(read(kept) == bytes(0, PAGE - 1));
    }
}
