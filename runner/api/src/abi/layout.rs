//! The structs that cross the border, as C has them.
//!
//! Function pointers may be null, enumerations are numbers: what comes from the other side is read
//! before it is believed.

use std::ffi::c_void;
use std::mem::MaybeUninit;

use super::text::Str;

/// What a plugin exports, for ever.
///
/// The fields up to and with `package` are its head: they keep their place in every major version.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Entry {
    /// [`MAGIC`](super::MAGIC)
    pub magic: [u8; 8],
    /// [`MAJOR`](super::MAJOR) of the plugin
    pub major: u32,
    /// [`MINOR`](super::MINOR) of the plugin
    pub minor: u32,
    /// bytes of this struct in the plugin
    pub struct_size: u32,
    /// [`UNWINDS`](super::UNWINDS), other bits zero
    pub flags: u32,
    /// version of the crate grokrun-api that the plugin was built with
    pub sdk: Str,
    /// the plugin's package
    pub package: Str,
    /// How many analyses there are; those below are asked for by index.
    pub count: Option<unsafe extern "C" fn() -> u32>,
    /// Says who an analysis is, through [`RawHost::describe`].
    pub describe: Option<unsafe extern "C" fn(index: u32, host: *const RawHost) -> Status>,
    /// Judges parameters, a JSON object.
    pub check:
        Option<unsafe extern "C" fn(index: u32, parameters: Str, host: *const RawHost) -> Status>,
    /// Starts an analysis on a task, the JSON of [`Task`](crate::Task); writes the instance to
    /// `instance` if it is done.
    pub create: Option<
        unsafe extern "C" fn(
            index: u32,
            parameters: Str,
            task: Str,
            host: *const RawHost,
            instance: *mut *mut c_void,
        ) -> Status,
    >,
    /// Shows a snapshot to an instance.
    pub observe: Option<
        unsafe extern "C" fn(
            instance: *mut c_void,
            snapshot: *const RawSnapshot,
            host: *const RawHost,
        ) -> Status,
    >,
    /// Lets an instance conclude.
    pub finish: Option<unsafe extern "C" fn(instance: *mut c_void, host: *const RawHost) -> Status>,
    /// Frees an instance. It is not called after any call of this instance has panicked.
    pub destroy:
        Option<unsafe extern "C" fn(instance: *mut c_void, host: *const RawHost) -> Status>,
}

// SAFETY: an entry is never written to, and its pointers are to statics or functions. Whoever follows
// one in a forged entry does so in an unsafe block of its own.
unsafe impl Sync for Entry {}
// SAFETY: as above; nothing in it belongs to a thread.
unsafe impl Send for Entry {}

impl Entry {
    /// Bytes up to and with `package`.
    pub const HEAD: u32 = 56;
    /// Bytes in version 1.0: less is no entry.
    pub const FIRST: u32 = 112;
}

/// How a call ended. Any other number is a failure too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct Status(pub i32);

impl Status {
    /// It did what it was asked to.
    pub const DONE: Status = Status(0);
    /// It could not; the reason went to [`RawHost::fail`].
    pub const FAILED: Status = Status(1);
    /// It panicked; the panic's message went to [`RawHost::fail`].
    pub const PANICKED: Status = Status(2);
}

/// What a plugin may call during a call. All text is UTF-8, and copied.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct RawHost {
    /// bytes of this struct in the host
    pub struct_size: u32,
    /// the most verbose level that is listened to: 0 none, 1 error, 2 warn, 3 info, 4 debug, 5 trace
    pub max_level: u32,
    /// the first argument of each function
    pub context: *mut c_void,
    /// Takes a finding, in `observe` and `finish`.
    pub push: Option<unsafe extern "C" fn(context: *mut c_void, finding: *const RawFinding)>,
    /// Takes the reason of a failure; `parameter` is none if it is no parameter's fault.
    pub fail: Option<unsafe extern "C" fn(context: *mut c_void, parameter: Str, message: Str)>,
    /// Takes a log event; `fields` is a JSON object, `level` as in `max_level`.
    pub log: Option<
        unsafe extern "C" fn(
            context: *mut c_void,
            level: u32,
            target: Str,
            message: Str,
            fields: Str,
        ),
    >,
    /// Takes the answer to `describe`: a JSON object with `name`, `version`, `summary`, `needs` (an
    /// array of names) and `schema` (the JSON schema of the parameters).
    pub describe: Option<unsafe extern "C" fn(context: *mut c_void, json: Str)>,
}

/// Numbers that the host owns, contiguous and row-major.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct RawView {
    /// as [`View::name`](crate::View::name)
    pub name: Str,
    /// a [`Dtype`]
    pub dtype: u32,
    /// how many sizes there are
    pub ndim: u32,
    /// sizes, outermost first
    pub shape: *const u64,
    /// the numbers, aligned as C aligns them
    pub data: *const c_void,
    /// bytes of the numbers
    pub len: u64,
}

/// A cell at an epoch.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct RawSnapshot {
    /// bytes of this struct in the host
    pub struct_size: u32,
    /// bytes of a [`RawView`] in the host: from one to the next
    pub view_size: u32,
    /// steps taken
    pub epoch: u64,
    /// the first of the views
    pub views: *const RawView,
    /// how many there are
    pub count: u64,
}

/// One thing that an analysis found. Which fields hold it is said by [`FindingKind`].
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct RawFinding {
    /// bytes of this struct in the plugin
    pub struct_size: u32,
    /// a [`FindingKind`]
    pub kind: u32,
    /// of the series, tensor, table or figure; none for a note
    pub name: Str,
    /// a note, or the JSON of a table or figure
    pub text: Str,
    /// of a scalar
    pub value: f64,
    /// sizes of a tensor, outermost first
    pub shape: *const u64,
    /// how many sizes there are
    pub ndim: u64,
    /// a tensor's numbers
    pub data: *const f32,
    /// how many numbers there are
    pub count: u64,
}

impl RawFinding {
    /// Bytes in version 1.0: less is no finding.
    pub const FIRST: u32 = 80;

    /// A finding with a name and nothing else yet.
    pub(super) fn new(kind: FindingKind, name: &str) -> RawFinding {
        RawFinding {
            struct_size: size_of::<RawFinding>() as u32,
            kind: kind as u32,
            name: Str::of(name),
            text: Str::NONE,
            value: 0.0,
            shape: std::ptr::null(),
            ndim: 0,
            data: std::ptr::null(),
            count: 0,
        }
    }
}

/// What a [`RawFinding`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum FindingKind {
    /// `name`, `value`
    Scalar = 0,
    /// `name`, `shape`, `ndim`, `data`, `count`
    Tensor = 1,
    /// `name`, `text`: `{"columns": […], "rows": [[…], …]}`
    Table = 2,
    /// `text`
    Note = 3,
    /// `name`, `text`: Plotly's JSON
    Figure = 4,
}

impl FindingKind {
    /// The kind of a number; none for one that a newer plugin has.
    pub fn of(number: u32) -> Option<FindingKind> {
        use FindingKind::{Figure, Note, Scalar, Table, Tensor};
        [Scalar, Tensor, Table, Note, Figure]
            .into_iter()
            .find(|kind| *kind as u32 == number)
    }
}

/// What the numbers of a [`RawView`] are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Dtype {
    /// weights, activations
    F32 = 0,
    /// losses, accuracies
    F64 = 1,
}

/// A struct of the border that may be longer or shorter on the other side.
///
/// # Safety
/// It is `repr(C)`, and all bytes zero are a value of it.
pub unsafe trait Sized32: Copy {}

// SAFETY: numbers, raw pointers, and functions that may be null.
unsafe impl Sized32 for Entry {}
// SAFETY: as above.
unsafe impl Sized32 for RawHost {}
// SAFETY: as above.
unsafe impl Sized32 for RawView {}
// SAFETY: as above.
unsafe impl Sized32 for RawSnapshot {}
// SAFETY: as above.
unsafe impl Sized32 for RawFinding {}

/// Copies a struct of which the other side has `size` bytes: what it lacks is zero, what it has
/// beyond ours is left. This is the rule for minor versions.
///
/// # Safety
/// `source` points to `size` readable bytes, of a `T` as far as both know it.
pub unsafe fn read_sized<T: Sized32>(source: *const T, size: u32) -> T {
    let mut copy = MaybeUninit::<T>::zeroed();
    let bytes = size_of::<T>().min(size as usize);
    // SAFETY: `bytes` fit into both, the copy is ours, and bytes need no alignment.
    unsafe {
        std::ptr::copy_nonoverlapping(source.cast::<u8>(), copy.as_mut_ptr().cast(), bytes);
    }
    // SAFETY: zero bytes are a `T`, and those of the other side are one by the caller's word.
    unsafe { copy.assume_init() }
}
