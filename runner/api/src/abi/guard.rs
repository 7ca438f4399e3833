//! What every exported function does around its body: read the host, forward logs, catch panics,
//! report why.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::layout::{RawFinding, RawHost, Status, read_sized};
use super::log;
use super::text::Str;
use crate::Failure;

/// The host during a call.
#[derive(Clone, Copy)]
pub(super) struct Host(RawHost);

impl Host {
    /// The host behind a pointer; none behind null.
    ///
    /// # Safety
    /// `host` is null or points to a host, as long as it says it is, that can be called for as long
    /// as the copy is used.
    unsafe fn read(host: *const RawHost) -> Option<Host> {
        if host.is_null() {
            return None;
        }
        // SAFETY: the size is its first field, of every version.
        let size = unsafe { host.cast::<u32>().read_unaligned() };
        // SAFETY: it is as long as it says.
        Some(Host(unsafe { read_sized(host, size) }))
    }

    pub(super) fn max_level(&self) -> u32 {
        self.0.max_level
    }

    pub(super) fn push(&self, finding: &RawFinding) {
        if let Some(push) = self.0.push {
            // SAFETY: the host lives during the call, and the finding until this returns.
            unsafe { push(self.0.context, finding) }
        }
    }

    pub(super) fn describe(&self, json: &str) {
        if let Some(describe) = self.0.describe {
            // SAFETY: as above.
            unsafe { describe(self.0.context, Str::of(json)) }
        }
    }

    pub(super) fn log(&self, level: u32, target: &str, message: &str, fields: &str) {
        if let Some(log) = self.0.log {
            let [target, message, fields] = [target, message, fields].map(Str::of);
            // SAFETY: as above.
            unsafe { log(self.0.context, level, target, message, fields) }
        }
    }

    fn fail(&self, parameter: Option<&str>, message: &str) {
        if let Some(fail) = self.0.fail {
            let parameter = parameter.map_or(Str::NONE, Str::of);
            // SAFETY: as above.
            unsafe { fail(self.0.context, parameter, Str::of(message)) }
        }
    }
}

/// Runs the body of an exported function. Without a host there is nobody to tell anything: it is not
/// run.
///
/// # Safety
/// `host` is null or points to a host, as long as it says it is, that can be called until this
/// returns.
pub(super) unsafe fn guarded(
    host: *const RawHost,
    body: impl FnOnce(Host) -> Result<(), Failure>,
) -> Status {
    // SAFETY: the caller's word.
    let Some(host) = (unsafe { Host::read(host) }) else {
        return Status::FAILED;
    };
    match catch_unwind(AssertUnwindSafe(|| log::forwarded(host, || body(host)))) {
        Ok(Ok(())) => Status::DONE,
        Ok(Err(Failure::Parameter { parameter, message })) => {
            host.fail(Some(&parameter), &message);
            Status::FAILED
        }
        Ok(Err(Failure::Other(message))) => {
            host.fail(None, &message);
            Status::FAILED
        }
        Err(panic) => {
            host.fail(None, words(&*panic));
            discard(panic);
            Status::PANICKED
        }
    }
}

fn words(panic: &(dyn Any + Send)) -> &str {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (_, Some(text)) => text,
        _ => "without a message",
    }
}

/// What a panic carries may panic when it is dropped, which nobody would catch: only text is dropped.
fn discard(panic: Box<dyn Any + Send>) {
    if !(panic.is::<&str>() || panic.is::<String>()) {
        std::mem::forget(panic);
    }
}
