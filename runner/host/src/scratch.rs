//! Bytes that grow with training and are wanted at its end: all but the last wait on the disk.
//!
//! All analyses of a batch of cells share one file, which has no name: no killed process leaves it
//! behind. It is made when the first page is full, and room in it is used again.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bytes that are written, and read again, together: few enough that some hundred tensors that grow
/// take a few megabytes, and enough that a disk is written in long pieces.
const PAGE: usize = 1 << 16;

/// Where bytes wait.
#[derive(Clone)]
pub struct Scratch(Arc<Mutex<Paper>>);

struct Paper {
    folder: PathBuf,
    file: Option<File>,
    /// pages that the file has
    pages: u64,
    /// those of them that are used no more
    free: Vec<u64>,
}

/// Bytes, of which at most a page is in memory.
#[derive(Debug)]
pub struct Kept {
    scratch: Scratch,
    /// where the full pages are, in order
    pages: Vec<u64>,
    /// what follows them, less than a page
    rest: Vec<u8>,
}

/// Reads what was kept from its first byte on.
#[derive(Debug)]
pub struct KeptReader {
    kept: Kept,
    /// of the next page
    next: usize,
    /// of the page that is being read, what is left
    page: io::Cursor<Vec<u8>>,
}

impl Scratch {
    /// In this folder, on a disk that has room for the findings. Nothing is made yet.
    pub fn new(folder: &Path) -> Scratch {
        Scratch(Arc::new(Mutex::new(Paper {
            folder: folder.to_owned(),
            file: None,
            pages: 0,
            free: Vec::new(),
        })))
    }

    /// Room for bytes.
    pub(crate) fn keep(&self) -> Kept {
        Kept {
            scratch: self.clone(),
            pages: Vec::new(),
            rest: Vec::new(),
        }
    }

    fn paper(&self) -> MutexGuard<'_, Paper> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Scratch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Another thread may be writing a page.
        f.debug_struct("Scratch").finish_non_exhaustive()
    }
}

impl Paper {
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

impl Kept {
    /// How many bytes there are.
    pub fn len(&self) -> u64 {
        (self.pages.len() * PAGE + self.rest.len()) as u64
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// From the first byte on; the room on the disk is given back with the reader.
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
            let at = self.scratch.paper().write(&self.rest);
            if at.is_err() {
                self.rest.truncate(PAGE - count);
            }
            self.pages.push(at?);
            self.rest.clear();
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.scratch.paper().free.append(&mut self.pages);
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
        match self.kept.pages.get(self.next) {
            Some(at) => {
                page.resize(PAGE, 0);
                self.kept.scratch.paper().read(*at, page)?;
            }
            None => *page = std::mem::take(&mut self.kept.rest),
        }
        self.next += 1;
        self.page.read(into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes that differ from page to page and from one seed to the next.
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
            assert_eq!(scratch.paper().pages, 3);
            if cfg!(unix) {
                assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
            }
            assert!(read(kept) == bytes(round, 3 * PAGE + 1));
        }
        assert_eq!(scratch.paper().free.len(), 3);
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
