//! The border to a plugin in a shared library: C structs, and the plugin's side of every call.
//!
//! [`export_plugin!`](crate::export_plugin) exports one static [`Entry`] a crate, named
//! `grokrun_plugin_entry_<crate>` ([`SYMBOL`]). The host reads its head before it calls anything.
//! Owns the layout, and how the safe types of this crate cross it; finding, opening and judging
//! libraries is the host's. Authors never see it.
//!
//! # Rules
//! - **Versions.** [`MAJOR`] must be equal on both sides. A change that an older side could not
//!   ignore raises it; the head of [`Entry`], up to and with `package`, never changes, so that a
//!   refusal can say who is to be rebuilt. The minor version may differ either way: structs only
//!   grow at their end, and say their size. Fields past the smaller of the reader's and the writer's
//!   size are absent: zero, null, none ([`read_sized`]). A function of the first minor version that
//!   is absent is a refusal; one of a later minor version is not called.
//! - **New kinds.** A [`RawFinding::kind`], a need or a [`RawView::dtype`] that the reader does not
//!   know is no accident of layout: the host refuses a finding and a need by name, the plugin does
//!   not see the view.
//! - **Ownership.** Nothing is returned: results, errors and log events are pushed into the host
//!   ([`RawHost`]), which copies during the call. What is passed is valid during the call, what an
//!   [`Entry`] points to for ever: libraries are never unloaded.
//! - **Panics.** None crosses, in either direction. A plugin reports [`Status::PANICKED`]; the
//!   instance is then not called again, not even to be destroyed.
//! - **Threads.** `count`, `describe`, `check` and `create` may be called from any thread at any
//!   time. An instance is called from one thread at a time, not always the same. Callbacks are
//!   called on the thread of the call, and before it returns.
//! - **Logs.** A shared library has a `tracing` of its own, which nobody listens to. Each call runs
//!   under a subscriber that hands events, with level, target and fields, to [`RawHost::log`]. Spans,
//!   and events of threads that an analysis starts, are not seen.

#![expect(unsafe_code, reason = "shared libraries speak C")]

mod entry;
mod guard;
mod layout;
mod log;
mod sink;
mod text;
mod views;

#[cfg(test)]
mod tests;

pub use entry::Exports;
pub use layout::{
    Dtype, Entry, FindingKind, RawFinding, RawHost, RawSnapshot, RawView, Sized32, Status,
    read_sized,
};
pub use text::{Str, Unreadable};

/// The first bytes of an [`Entry`].
pub const MAGIC: [u8; 8] = *b"GROKRUN\0";
/// The version of the border that both sides must have.
pub const MAJOR: u32 = 1;
/// The version of the border that may differ.
pub const MINOR: u32 = 0;
/// The name of the exported static, before the crate's.
pub const SYMBOL: &str = "grokrun_plugin_entry_";
/// The bit of [`Entry::flags`] that says that panics unwind, and so can be caught.
pub const UNWINDS: u32 = 1;
