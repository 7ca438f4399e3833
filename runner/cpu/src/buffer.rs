//! Holds a vector of f32 that starts on a cache line, so that SIMD loads never straddle two lines.

use std::ops::{Deref, DerefMut};

/// The number of f32 in a cache line; the last dimension of every table is padded to whole lines.
pub(crate) const LINE: usize = 16;

#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C, align(64))]
struct Line([f32; LINE]);

/// An aligned, zero-initialised `[f32]`.
#[derive(Clone, Default)]
pub(crate) struct Buffer {
    lines: Vec<Line>,
    len: usize,
}

impl Buffer {
    pub(crate) fn zeros(len: usize) -> Buffer {
        Buffer {
            lines: vec![Line([0.0; LINE]); len.div_ceil(LINE)],
            len,
        }
    }

    /// Grows the buffer to at least `len` entries. Existing entries stay; new entries are zero.
    pub(crate) fn grow(&mut self, len: usize) -> &mut [f32] {
        if self.len < len {
            self.lines.resize(len.div_ceil(LINE), Line([0.0; LINE]));
            self.len = len;
        }
        &mut self[..len]
    }
}

impl Deref for Buffer {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        &bytemuck::cast_slice(&self.lines)[..self.len]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut bytemuck::cast_slice_mut(&mut self.lines)[..self.len]
    }
}

/// Returns `len`, rounded up to whole cache lines.
pub(crate) fn padded(len: usize) -> usize {
    len.next_multiple_of(LINE)
}
