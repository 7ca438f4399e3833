//! Implements the plugin's side: C functions around registrations.

use std::any::Any;
use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::de::DeserializeOwned;
use serde_json::json;

use super::sink::{Host, blank};
use super::{
    DONE, Entry, FAILED, MAGIC, MAJOR, MINOR, NO_MORE, PANICKED, RawFinding, RawHost, RawSnapshot,
    RawView, Str, UNWINDS, dtype, kind, least, log, sized, slice,
};
use crate::{Failure, Instance, NumbersRef, Registration, Snapshot, Task, View};

/// Lists the analyses of a crate; [`crate::export_plugin`] implements this trait.
pub trait Exported: 'static {
    /// The package's name.
    const PACKAGE: &'static str;

    /// Returns all analyses, in the order of the macro's arguments.
    fn all() -> &'static [Registration];
}

impl Entry {
    /// Returns the entry of a crate.
    pub const fn of<E: Exported>() -> Entry {
        Entry {
            magic: MAGIC,
            major: MAJOR,
            minor: MINOR,
            size: size_of::<Entry>() as u32,
            flags: if cfg!(panic = "unwind") { UNWINDS } else { 0 },
            sdk: Str::of(env!("CARGO_PKG_VERSION")),
            package: Str::of(E::PACKAGE),
            describe: Some(describe::<E>),
            check: Some(check::<E>),
            create: Some(create::<E>),
            observe: Some(observe),
            finish: Some(finish),
            destroy: Some(destroy),
            create_sweep: Some(create_sweep::<E>),
        }
    }
}

// What each plugin compiles again is kept small: the functions that know the crate pass its
// analyses to functions that do not, which are compiled once, here. That was a tenth of a build.

unsafe extern "C" fn describe<E: Exported>(index: u32, host: *const RawHost) -> i32 {
    // SAFETY: as the host promises.
    unsafe { describe_of(Listed::of::<E>(index), host) }
}

unsafe extern "C" fn check<E: Exported>(index: u32, parameters: Str, host: *const RawHost) -> i32 {
    // SAFETY: as the host promises.
    unsafe { check_of(Listed::of::<E>(index), parameters, host) }
}

unsafe extern "C" fn create<E: Exported>(
    index: u32,
    parameters: Str,
    task: Str,
    host: *const RawHost,
    out: *mut *mut c_void,
) -> i32 {
    // SAFETY: as the host promises.
    unsafe { create_of(Listed::of::<E>(index), parameters, task, host, out) }
}

unsafe extern "C" fn create_sweep<E: Exported>(
    index: u32,
    parameters: Str,
    cells: Str,
    host: *const RawHost,
    out: *mut *mut c_void,
) -> i32 {
    // SAFETY: as the host promises.
    unsafe { create_sweep_of(Listed::of::<E>(index), parameters, cells, host, out) }
}

/// An analysis by its place in a crate's list.
struct Listed {
    package: &'static str,
    all: &'static [Registration],
    index: u32,
}

impl Listed {
    fn of<E: Exported>(index: u32) -> Listed {
        Listed {
            package: E::PACKAGE,
            all: E::all(),
            index,
        }
    }

    fn known(&self) -> Option<&'static Registration> {
        self.all.get(self.index as usize)
    }

    fn found(&self) -> Result<&'static Registration, Failure> {
        let Listed { package, index, .. } = self;
        let missing = || Failure::new(format!("there is no analysis {index} in {package}"));
        self.known().ok_or_else(missing)
    }
}

/// # Safety
/// `host` points to the host, which lives during the call.
unsafe fn describe_of(listed: Listed, host: *const RawHost) -> i32 {
    let Some(registration) = listed.known() else {
        return NO_MORE;
    };
    // SAFETY: as the caller promises.
    unsafe {
        guarded(host, |out| {
            let manifest = registration.manifest();
            let text = json!({
                "name": manifest.name,
                "version": manifest.version,
                "summary": manifest.summary,
                "definition": manifest.definition,
                "needs": manifest.needs,
                "every": manifest.cadence.every(),
                "scope": manifest.scope,
                "schema": registration.schema(),
                "sweep": registration.reads().map(|reads| json!({ "reads": reads.described() })),
            })
            .to_string();
            out.send(RawFinding {
                kind: kind::DESCRIPTION,
                text: Str::of(&text),
                ..blank()
            });
            Ok(())
        })
    }
}

/// # Safety
/// `host` points to the host, and the parameters to text; both live during the call.
unsafe fn check_of(listed: Listed, parameters: Str, host: *const RawHost) -> i32 {
    // SAFETY: as the caller promises.
    unsafe {
        guarded(host, |_| {
            let found = listed.found()?;
            found.check(&parsed(parameters, "the object of parameters")?)
        })
    }
}

/// # Safety
/// `host` points to the host, and the parameters and the task to texts, which live during the call;
/// `out` is a place for a pointer.
unsafe fn create_of(
    listed: Listed,
    parameters: Str,
    task: Str,
    host: *const RawHost,
    out: *mut *mut c_void,
) -> i32 {
    // SAFETY: as the caller promises.
    unsafe {
        guarded(host, |_| {
            let parameters = parsed(parameters, "the object of parameters")?;
            let task: Task = parsed(task, "the task")?;
            hand_over(listed.found()?.create(&parameters, &task)?, out)
        })
    }
}

/// # Safety
/// As for [`create_of`], with the cells in the place of the task.
unsafe fn create_sweep_of(
    listed: Listed,
    parameters: Str,
    cells: Str,
    host: *const RawHost,
    out: *mut *mut c_void,
) -> i32 {
    // SAFETY: as the caller promises.
    unsafe {
        guarded(host, |_| {
            let parameters = parsed(parameters, "the object of parameters")?;
            let cells = parsed(cells, "the list of cells")?;
            hand_over(listed.found()?.create_sweep(&parameters, cells)?, out)
        })
    }
}

/// Writes an instance to the place that the host gave.
///
/// # Safety
/// `out` is null or points to a place for a pointer.
unsafe fn hand_over(instance: Box<dyn Instance>, out: *mut *mut c_void) -> Result<(), Failure> {
    if out.is_null() {
        return Err(Failure::new("the host gave no place for the instance"));
    }
    // SAFETY: as the caller promises.
    unsafe { out.write(Box::into_raw(Box::new(instance)).cast()) };
    Ok(())
}

unsafe extern "C" fn observe(
    instance: *mut c_void,
    snapshot: *const RawSnapshot,
    host: *const RawHost,
) -> i32 {
    // SAFETY: the host passes the pointer that `create` returned, which nothing else uses now, a
    // pointer to itself, and a snapshot that lives during the call.
    unsafe {
        guarded(host, |out| {
            let instance = borrow(instance)?;
            shown(snapshot, |snapshot| instance.observe(snapshot, out))
        })
    }
}

unsafe extern "C" fn finish(instance: *mut c_void, host: *const RawHost) -> i32 {
    // SAFETY: as in `observe`.
    unsafe { guarded(host, |out| borrow(instance)?.finish(out)) }
}

unsafe extern "C" fn destroy(instance: *mut c_void, host: *const RawHost) -> i32 {
    // SAFETY: the host passes the pointer that `create` returned and does not use it again.
    unsafe {
        guarded(host, |_| {
            if !instance.is_null() {
                drop(Box::from_raw(instance.cast::<Box<dyn Instance>>()));
            }
            Ok(())
        })
    }
}

/// Reads JSON from the host; `what` names it in an error.
///
/// # Safety
/// As for [`Str::text`].
unsafe fn parsed<T: DeserializeOwned>(text: Str, what: &str) -> Result<T, Failure> {
    // SAFETY: as the caller promises.
    let text = unsafe { text.text() }.map_err(Failure::new)?;
    serde_json::from_str(text)
        .map_err(|error| Failure::new(format!("{what} cannot be read: {error}")))
}

/// # Safety
/// `instance` is null or from `create`, and used by nobody else.
unsafe fn borrow<'a>(instance: *mut c_void) -> Result<&'a mut Box<dyn Instance>, Failure> {
    // SAFETY: as the caller promises.
    unsafe { instance.cast::<Box<dyn Instance>>().as_mut() }
        .ok_or_else(|| Failure::new("there is no instance"))
}

/// Runs a call, reports failures, and returns the status. Nothing unwinds out of this function.
///
/// # Safety
/// `host` is null or points to the host, whose functions may be called until this returns.
unsafe fn guarded(
    host: *const RawHost,
    call: impl FnOnce(&mut Host) -> Result<(), Failure>,
) -> i32 {
    if host.is_null() {
        return FAILED;
    }
    // SAFETY: as the caller promises; the size comes first in every version.
    let Some(raw) = (unsafe { sized(host, (&raw const (*host).size).read(), least::HOST) }) else {
        return FAILED;
    };
    let mut host = Host(raw);
    let done = catch_unwind(AssertUnwindSafe(|| log::forwarded(raw, || call(&mut host))));
    match done {
        Ok(Ok(())) => DONE,
        Ok(Err(Failure::Parameter { parameter, message })) => {
            host.fail(&parameter, &message);
            FAILED
        }
        Ok(Err(Failure::Other(message))) => {
            host.fail("", &message);
            FAILED
        }
        Err(panic) => {
            host.fail("", &format!("it panicked: {}", words(&*panic)));
            // A payload whose own destructor panics is leaked.
            std::mem::forget(panic);
            PANICKED
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

/// Passes a snapshot from the host to an instance.
///
/// # Safety
/// `snapshot` is null or points to a snapshot whose views live until this returns.
unsafe fn shown(
    snapshot: *const RawSnapshot,
    look: impl FnOnce(&Snapshot<'_>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let none = || Failure::new("there is no snapshot");
    if snapshot.is_null() {
        return Err(none());
    }
    // SAFETY: as the caller promises; the size comes first in every version.
    let raw = unsafe {
        sized(
            snapshot,
            (&raw const (*snapshot).size).read(),
            least::SNAPSHOT,
        )
    };
    let raw = raw.ok_or_else(none)?;
    let views = (0..raw.count).map(|i| {
        // SAFETY: the views of a newer host are longer: the stride is the host's, and the head is
        // ours.
        unsafe { &*raw.views.byte_add(i * raw.stride as usize) }
    });
    let shapes = views
        .clone()
        .map(|view| {
            // SAFETY: as the caller promises.
            let sizes = unsafe { slice(view.shape, view.ndim as usize) }?;
            Ok(sizes.iter().map(|size| *size as usize).collect())
        })
        .collect::<Result<Vec<Vec<usize>>, String>>()
        .map_err(Failure::new)?;
    let mut known = Vec::with_capacity(raw.count);
    for (view, shape) in views.zip(&shapes) {
        // SAFETY: as the caller promises.
        known.extend(unsafe { read(view, shape) }.map_err(Failure::new)?);
    }
    look(&Snapshot::new(raw.epoch, &known))
}

/// # Safety
/// What the view points to lives for `'a`.
unsafe fn read<'a>(view: &RawView, shape: &'a [usize]) -> Result<Option<View<'a>>, String> {
    // SAFETY: as the caller promises.
    let (name, data) = unsafe {
        let data = match view.dtype {
            dtype::F32 => NumbersRef::F32(slice(view.data.cast(), view.len)?),
            dtype::F64 => NumbersRef::F64(slice(view.data.cast(), view.len)?),
            _ => return Ok(None),
        };
        (view.name.text()?, data)
    };
    Ok(Some(View { name, shape, data }))
}

#[cfg(test)]
mod tests;
