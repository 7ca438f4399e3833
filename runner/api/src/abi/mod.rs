//! Defines the boundary to a plugin in a shared library: C structs, and the plugin's side of them.
//!
//! A library exports one [`Entry`] for each crate, a static named `grokrun_plugin_entry_<crate>`.
//! The host reads its head (magic, major, minor, size) before it calls anything. Rules:
//!
//! - **Major** must be equal. **Minor** may be lower or higher on either side: a later minor only
//!   adds fields at the end of structs. Each struct begins with its own `size`, or is passed
//!   together with it; the reader treats fields beyond that size as absent. All fields of minor 0
//!   are required.
//! - Memory that was allocated on one side is never freed on the other. Results are pushed into the
//!   host, which copies them during the call; the plugin makes and destroys instances.
//! - No panic unwinds across the boundary: each function catches panics and reports them as a
//!   status.
//! - An instance is used by one thread at a time, not always by the same one.
//! - Log events are those of the thread of the call; events of threads that a plugin starts are
//!   lost.
//! - Pointers are valid during the call; strings are UTF-8 and not terminated.
//!
//! The host's side is `grokrun-host`'s `loaded`.

#![expect(
    unsafe_code,
    reason = "the C ABI: raw pointers, each checked where it is read"
)]

mod log;
mod plugin;
mod sink;

use std::ffi::c_void;

pub use plugin::Exported;

/// The first bytes of an entry.
pub const MAGIC: [u8; 8] = *b"GROKRUN\0";
/// Changes when hosts and plugins of different numbers cannot work with each other.
pub const MAJOR: u32 = 2;
/// Grows when fields are added.
pub const MINOR: u32 = 0;
/// The prefix of the names of entries; the crate's name follows.
pub const ENTRY_PREFIX: &str = "grokrun_plugin_entry_";
/// The flag in [`Entry::flags`] that panics unwind and can be caught.
pub const UNWINDS: u32 = 1;

/// The status of a call that succeeded.
pub const DONE: i32 = 0;
/// The status of a call that failed; [`RawHost::fail`] received the reason.
pub const FAILED: i32 = 1;
/// The status of a call that panicked; [`RawHost::fail`] received the panic's message.
pub const PANICKED: i32 = 2;
/// The status of [`Entry::describe`] when there are no more analyses.
pub const NO_MORE: i32 = 3;

/// UTF-8 text, not terminated.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Str {
    /// may be null if `len` is 0
    pub data: *const u8,
    /// length in bytes
    pub len: usize,
}

impl Str {
    /// Returns the struct of a text; the text must outlive the struct.
    pub const fn of(text: &str) -> Str {
        Str {
            data: text.as_ptr(),
            len: text.len(),
        }
    }

    /// Returns the text.
    ///
    /// # Errors
    /// When the text is null or not UTF-8, in a sentence.
    ///
    /// # Safety
    /// `data` is null or points to `len` bytes that live for `'a`.
    pub unsafe fn text<'a>(self) -> Result<&'a str, String> {
        // SAFETY: as the caller promises.
        let bytes = unsafe { slice(self.data, self.len) }?;
        std::str::from_utf8(bytes).map_err(|error| format!("text is not valid UTF-8: {error}"))
    }
}

/// Returns a slice from the other side of the boundary.
///
/// # Errors
/// When the slice is null but not empty, or not aligned, in a sentence.
///
/// # Safety
/// `data` is null or points to `len` values that live for `'a`.
pub unsafe fn slice<'a, T>(data: *const T, len: usize) -> Result<&'a [T], String> {
    if len == 0 {
        return Ok(&[]);
    }
    if data.is_null() || !data.is_aligned() || len > isize::MAX as usize / size_of::<T>().max(1) {
        return Err(format!(
            "a pointer to {len} values is null, not aligned, or too many"
        ));
    }
    // SAFETY: not null, aligned, and as the caller promises.
    Ok(unsafe { std::slice::from_raw_parts(data, len) })
}

/// The type of [`Entry::create`].
pub type Create = unsafe extern "C" fn(u32, Str, Str, *const RawHost, *mut *mut c_void) -> i32;
/// The type of [`RawHost::keep`].
pub type Keep = unsafe extern "C" fn(*mut c_void, Str, *const f32, usize) -> i32;
/// The function that [`RawHost::kept`] passes numbers to, together with the pointer that was given.
pub type Receive = unsafe extern "C" fn(*mut c_void, *const f32, usize);
/// The type of [`RawHost::kept`].
pub type Recall = unsafe extern "C" fn(*mut c_void, Str, Receive, *mut c_void) -> i32;
/// The type of [`RawHost::train_loss`]: weights and their number, flags of [`ask`], and who
/// receives the answer.
pub type RawTrainLoss =
    unsafe extern "C" fn(*mut c_void, *const f32, usize, u32, ReceiveLoss, *mut c_void) -> i32;
/// The function that [`RawHost::train_loss`] passes its answer to, together with the pointer that
/// was given.
pub type ReceiveLoss = unsafe extern "C" fn(*mut c_void, *const RawLoss);
/// The type of [`Entry::observe`].
pub type Observe = unsafe extern "C" fn(*mut c_void, *const RawSnapshot, *const RawHost) -> i32;

/// Copies a struct that contains its size. Only the fields that both sides know are copied; the
/// other fields are zero, null or `None`. Returns `None` if the struct is null, or shorter than
/// `least`, its size in the first minor version.
///
/// # Safety
/// `from` is null or points to `size` bytes, and all zeros are a valid `T`.
pub unsafe fn sized<T: Copy>(from: *const T, size: u32, least: usize) -> Option<T> {
    let size = (size as usize).min(size_of::<T>());
    if from.is_null() || size < least {
        return None;
    }
    let mut copy = std::mem::MaybeUninit::<T>::zeroed();
    // SAFETY: both have so many bytes, and zeros are valid for the other fields.
    unsafe {
        std::ptr::copy_nonoverlapping(from.cast::<u8>(), copy.as_mut_ptr().cast(), size);
        Some(copy.assume_init())
    }
}

/// The sizes of the structs in minor 0, which every plugin and every host of this major has.
pub mod least {
    /// size of [`Entry`](super::Entry)
    pub const ENTRY: usize = 112;
    /// size of [`RawHost`](super::RawHost)
    pub const HOST: usize = 64;
    /// size of [`RawFinding`](super::RawFinding)
    pub const FINDING: usize = 80;
    /// size of [`RawSnapshot`](super::RawSnapshot)
    pub const SNAPSHOT: usize = 32;
    /// size of [`RawLoss`](super::RawLoss)
    pub const LOSS: usize = 56;
}

/// The struct that a library exports, once for each plugin crate in it.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Entry {
    /// [`MAGIC`]
    pub magic: [u8; 8],
    /// [`MAJOR`] of the plugin
    pub major: u32,
    /// [`MINOR`] of the plugin
    pub minor: u32,
    /// size of this struct in the plugin, in bytes
    pub size: u32,
    /// flags such as [`UNWINDS`]
    pub flags: u32,
    /// the version of grokrun-api that the plugin was built with
    pub sdk: Str,
    /// the plugin's package
    pub package: Str,
    /// Pushes the description of the analysis with an index: a [`kind::DESCRIPTION`].
    pub describe: Option<unsafe extern "C" fn(u32, *const RawHost) -> i32>,
    /// Checks parameters (a JSON object).
    pub check: Option<unsafe extern "C" fn(u32, Str, *const RawHost) -> i32>,
    /// Starts an analysis on parameters and a task (JSON) and writes the instance to the last
    /// argument.
    pub create: Option<Create>,
    /// Shows an instance a snapshot.
    pub observe: Option<Observe>,
    /// Lets an instance emit its conclusions.
    pub finish: Option<unsafe extern "C" fn(*mut c_void, *const RawHost) -> i32>,
    /// Destroys an instance; it is not used again.
    pub destroy: Option<unsafe extern "C" fn(*mut c_void, *const RawHost) -> i32>,
    /// Starts an analysis of a sweep, whose description has `sweep`, on parameters and a list of
    /// cells (JSON). The instance receives a snapshot for each cell, with the index of the cell as
    /// the epoch.
    pub create_sweep: Option<Create>,
}

// SAFETY: an entry is written once, by the compiler; its pointers are to statics and functions.
unsafe impl Sync for Entry {}
// SAFETY: as above.
unsafe impl Send for Entry {}

/// The functions that a plugin may call during a call.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct RawHost {
    /// size of this struct in the host, in bytes
    pub size: u32,
    /// the last level of log events that the host wants: 0 none, 1 error … 5 trace
    pub level: u32,
    /// pointer that is passed back to every function here
    pub context: *mut c_void,
    /// Takes a finding, and copies it.
    pub push: Option<unsafe extern "C" fn(*mut c_void, *const RawFinding)>,
    /// Takes the reason of a failure: a parameter's name, or nothing, and a message.
    pub fail: Option<unsafe extern "C" fn(*mut c_void, Str, Str)>,
    /// Takes a log event: level (1 error … 5 trace), target, message, fields (a JSON object).
    pub log: Option<unsafe extern "C" fn(*mut c_void, u32, Str, Str, Str)>,
    /// Keeps numbers under a name, or drops the numbers if there are none.
    pub keep: Option<Keep>,
    /// Passes the numbers under a name to the receiver, which copies them.
    pub kept: Option<Recall>,
    /// Computes the train loss at some weights and passes it to the receiver, which copies it.
    pub train_loss: Option<RawTrainLoss>,
}

/// What is asked for of a train loss beside itself: flags.
pub mod ask {
    /// the gradient
    pub const GRADIENT: u32 = 1;
    /// the loss of each sample
    pub const SAMPLES: u32 = 2;
}

/// A train loss on its way to a plugin.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct RawLoss {
    /// bytes of this struct in the host
    pub size: u32,
    /// always 0
    pub reserved: u32,
    /// the mean loss
    pub loss: f64,
    /// the share of samples that are right
    pub accuracy: f64,
    /// `gradient_len` numbers
    pub gradient: *const f32,
    /// the number of weights, or 0
    pub gradient_len: usize,
    /// `samples_len` numbers
    pub samples: *const f64,
    /// the number of samples, or 0
    pub samples_len: usize,
}

/// The kinds of findings.
pub mod kind {
    /// `name`, `value`
    pub const SCALAR: u32 = 0;
    /// `name`, `shape`, `data`
    pub const TENSOR: u32 = 1;
    /// `name`; `text`: `{"columns": […], "rows": […]}`
    pub const TABLE: u32 = 2;
    /// `text`
    pub const NOTE: u32 = 3;
    /// `name`; `text`: Plotly's JSON
    pub const FIGURE: u32 = 4;
    /// `text`: `{"name", "version", "summary", "definition", "needs", "every", "scope", "schema",
    /// "sweep"}`, the needs as patterns of names
    pub const DESCRIPTION: u32 = 5;
    /// `text`: `{"argument", "period", "keys", "explanation"}`
    pub const FORMULA: u32 = 6;
    /// `text`
    pub const HEADLINE: u32 = 7;
}

/// A finding on its way to the host.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct RawFinding {
    /// bytes of this struct in the plugin
    pub size: u32,
    /// of [`kind`]
    pub kind: u32,
    /// see [`kind`]
    pub name: Str,
    /// see [`kind`]
    pub value: f64,
    /// `ndim` sizes
    pub shape: *const u64,
    /// how many sizes
    pub ndim: usize,
    /// `len` numbers
    pub data: *const f32,
    /// how many numbers
    pub len: usize,
    /// see [`kind`]
    pub text: Str,
}

/// A snapshot on its way to a plugin.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct RawSnapshot {
    /// bytes of this struct in the host
    pub size: u32,
    /// bytes from view to view
    pub stride: u32,
    /// steps taken
    pub epoch: u64,
    /// `count` views
    pub views: *const RawView,
    /// how many views
    pub count: usize,
}

/// The types of numbers.
pub mod dtype {
    /// 32-bit floats
    pub const F32: u32 = 0;
    /// 64-bit floats
    pub const F64: u32 = 1;
}

/// A tensor on its way to a plugin.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct RawView {
    /// its name
    pub name: Str,
    /// of [`dtype`]; a plugin passes over views of a type it does not know
    pub dtype: u32,
    /// how many sizes
    pub ndim: u32,
    /// `ndim` sizes
    pub shape: *const u64,
    /// the numbers, row-major
    pub data: *const c_void,
    /// how many numbers
    pub len: usize,
}

#[cfg(all(test, target_pointer_width = "64"))]
mod layout {
    use std::mem::offset_of;

    use super::*;

    /// Pinned: whoever changes this changes what built plugins mean, and raises a version.
    #[test]
    fn structs_lie_as_plugins_expect() {
        macro_rules! lies {
            ($of:ty, $size:literal; $($field:ident $at:literal),+) => {
                assert_eq!(size_of::<$of>(), $size, stringify!($of));
                $(assert_eq!(offset_of!($of, $field), $at, stringify!($of $field));)+
            };
        }
        assert_eq!((MAJOR, MINOR), (2, 0));
        lies!(Str, 16; data 0, len 8);
        lies!(Entry, 112; magic 0, major 8, minor 12, size 16, flags 20, sdk 24, package 40,
            describe 56, check 64, create 72, observe 80, finish 88, destroy 96,
            create_sweep 104);
        lies!(RawHost, 64; size 0, level 4, context 8, push 16, fail 24, log 32, keep 40, kept 48,
            train_loss 56);
        lies!(RawLoss, 56; size 0, reserved 4, loss 8, accuracy 16, gradient 24, gradient_len 32,
            samples 40, samples_len 48);
        lies!(RawFinding, 80; size 0, kind 4, name 8, value 24, shape 32, ndim 40, data 48, len 56,
            text 64);
        lies!(RawSnapshot, 32; size 0, stride 4, epoch 8, views 16, count 24);
        lies!(RawView, 48; name 0, dtype 16, ndim 20, shape 24, data 32, len 40);
    }
}
