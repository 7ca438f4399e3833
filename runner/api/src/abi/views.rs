//! A snapshot as it comes from the host.

use std::ffi::c_void;

use super::layout::{Dtype, RawSnapshot, RawView, read_sized};
use crate::{Failure, NumbersRef, Snapshot, View};

/// Looks at a snapshot of the host. A view of a kind that this version does not know is left out.
///
/// # Errors
/// When the snapshot is not what the border's rules say, or as `look` fails.
///
/// # Safety
/// `raw` is null or points to a snapshot, as long as it says it is, whose pointers are null or point
/// to as much as is said beside them; nobody writes to any of it until this returns.
pub(super) unsafe fn shown(
    raw: *const RawSnapshot,
    look: impl FnOnce(&Snapshot<'_>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    if raw.is_null() {
        return Err(Failure::new("the host showed no snapshot"));
    }
    // SAFETY: the size is its first field, of every version, and it is as long as it says.
    let raw = unsafe { read_sized(raw, raw.cast::<u32>().read_unaligned()) };
    if raw.views.is_null() && raw.count > 0 {
        return Err(Failure::new("the host showed a snapshot of null views"));
    }
    let mut read = Vec::new();
    for i in 0..raw.count as usize {
        // SAFETY: there are `count` views, `view_size` bytes apart.
        let view = unsafe {
            let at = raw.views.byte_add(i * raw.view_size as usize);
            read_sized(at, raw.view_size)
        };
        // SAFETY: the caller vouches for what the view points to.
        read.extend(unsafe { owned(&view)? });
    }
    let views: Vec<View<'_>> = read
        .iter()
        .map(|(name, shape, data)| View {
            name,
            shape,
            data: *data,
        })
        .collect();
    look(&Snapshot::new(raw.epoch, &views))
}

/// Name, shape and numbers of a view; none for numbers of a kind that this version does not know.
///
/// # Safety
/// As of [`shown`], for as long as `'a`.
unsafe fn owned<'a>(
    view: &RawView,
) -> Result<Option<(&'a str, Vec<usize>, NumbersRef<'a>)>, Failure> {
    // SAFETY: the caller's word, here and below.
    let name = unsafe { view.name.read() }
        .map_err(|why| Failure::new(format!("the name of a view {why}")))?;
    // SAFETY: as above.
    let shape = unsafe { slice(view.shape.cast(), u64::from(view.ndim) * 8) };
    let (Some(shape), true) = (shape, view.dtype <= Dtype::F64 as u32) else {
        return match shape {
            Some(_) => Ok(None),
            None => Err(Failure::new(format!("the shape of view {name} is null"))),
        };
    };
    let shape: Vec<usize> = shape.iter().map(|size: &u64| *size as usize).collect();
    // SAFETY: as above.
    let data = if view.dtype == Dtype::F32 as u32 {
        unsafe { slice(view.data, view.len) }.map(NumbersRef::F32)
    } else {
        unsafe { slice(view.data, view.len) }.map(NumbersRef::F64)
    };
    let count = shape.iter().try_fold(1usize, |n, s| n.checked_mul(*s));
    match data {
        Some(data) if count == Some(data.len()) => Ok(Some((name, shape, data))),
        _ => Err(Failure::new(format!(
            "view {name} is {} bytes, which are not the numbers of its shape {shape:?}",
            view.len
        ))),
    }
}

/// `bytes` of numbers; none if they are null, out of line, or no whole number of them.
///
/// # Safety
/// `data` is null or points to `bytes` bytes that nobody writes to for as long as `'a`, and any bytes
/// are a `T`.
unsafe fn slice<'a, T>(data: *const c_void, bytes: u64) -> Option<&'a [T]> {
    let (data, bytes) = (data.cast::<T>(), usize::try_from(bytes).ok()?);
    if bytes == 0 {
        return Some(&[]);
    }
    let fits = bytes.is_multiple_of(size_of::<T>()) && bytes <= isize::MAX as usize;
    if data.is_null() || !data.is_aligned() || !fits {
        return None;
    }
    // SAFETY: neither null nor out of line nor too long; the caller vouches for the bytes.
    Some(unsafe { std::slice::from_raw_parts(data, bytes / size_of::<T>()) })
}
