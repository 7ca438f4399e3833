//! Text that crosses the border.

/// UTF-8 text that somebody else owns.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Str {
    /// its first byte; null for none
    pub data: *const u8,
    /// bytes
    pub len: usize,
}

/// Why text could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// null, but not empty
    #[error("is a null pointer of {0} bytes")]
    Null(usize),
    /// longer than memory
    #[error("claims {0} bytes, which no memory has")]
    Long(usize),
    /// not UTF-8
    #[error("is not UTF-8 from byte {0} on")]
    NotText(usize),
}

impl Str {
    /// No text, which is not the same as empty text.
    pub const NONE: Str = Str {
        data: std::ptr::null(),
        len: 0,
    };

    /// This text. What reads it must do so while the text lives.
    pub const fn of(text: &str) -> Str {
        Str {
            data: text.as_ptr(),
            len: text.len(),
        }
    }

    /// Whether there is none.
    pub fn is_none(&self) -> bool {
        self.data.is_null() && self.len == 0
    }

    /// The text; empty for none.
    ///
    /// # Errors
    /// When it is null but not empty, too long for any memory, or not UTF-8.
    ///
    /// # Safety
    /// `data` is null or points to `len` bytes that nobody writes to for as long as `'a`.
    pub unsafe fn read<'a>(self) -> Result<&'a str, Unreadable> {
        if self.len > isize::MAX as usize {
            return Err(Unreadable::Long(self.len));
        }
        if self.data.is_null() {
            return match self.len {
                0 => Ok(""),
                len => Err(Unreadable::Null(len)),
            };
        }
        // SAFETY: not null, not longer than isize::MAX; the caller vouches for the bytes.
        let bytes = unsafe { std::slice::from_raw_parts(self.data, self.len) };
        std::str::from_utf8(bytes).map_err(|error| Unreadable::NotText(error.valid_up_to()))
    }
}
