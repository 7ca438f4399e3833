//! Reads and writes zip archives of stored entries: the container of `.pth` and `.npz`.
//!
//! Written here rather than with a zip crate: nothing is compressed, so a writer is a page, and a
//! reader of foreign files has to check what no crate checks (entries that overlap, headers that
//! disagree, sizes beyond the file) whatever library it uses. Format: APPNOTE.TXT 6.3, sections
//! 4.3.7 (local header), 4.3.12 (directory), 4.3.14 to 4.3.16 (ends), 4.5.3 (zip64).

mod read;
mod write;

pub(crate) use read::Archive;
pub(crate) use write::Writer;

const LOCAL: u32 = 0x0403_4b50;
const CENTRAL: u32 = 0x0201_4b50;
const END: u32 = 0x0605_4b50;
const END64: u32 = 0x0606_4b50;
const LOCATOR64: u32 = 0x0706_4b50;

const LOCAL_LEN: usize = 30;
const CENTRAL_LEN: usize = 46;
const END_LEN: usize = 22;
const END64_LEN: usize = 56;
const LOCATOR64_LEN: usize = 20;

#[cfg(test)]
mod tests;
