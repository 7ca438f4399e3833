//! The functions that a plugin exports, over the analyses that its crate registers.

use std::ffi::c_void;

use serde_json::{Map, Value, json};

use super::guard::guarded;
use super::layout::{Entry, RawHost, RawSnapshot, Status};
use super::sink::Across;
use super::text::Str;
use super::views::shown;
use super::{MAGIC, MAJOR, MINOR, UNWINDS};
use crate::{Failure, Instance, Registration, Task};

/// What a crate exports. [`crate::export_plugin`] implements it on a type of its own, so that a
/// library exports the analyses of one crate, not those of the plugins that it depends on.
pub trait Exports: 'static {
    /// the crate's package
    const PACKAGE: &'static str;
    /// its analyses
    const ANALYSES: &'static [Registration];
}

impl Entry {
    /// The entry of a crate.
    pub const fn of<E: Exports>() -> Entry {
        Entry {
            magic: MAGIC,
            major: MAJOR,
            minor: MINOR,
            struct_size: size_of::<Entry>() as u32,
            flags: if cfg!(panic = "unwind") { UNWINDS } else { 0 },
            sdk: Str::of(env!("CARGO_PKG_VERSION")),
            package: Str::of(E::PACKAGE),
            count: Some(count::<E>),
            describe: Some(describe::<E>),
            check: Some(check::<E>),
            create: Some(create::<E>),
            observe: Some(observe),
            finish: Some(finish),
            destroy: Some(destroy),
        }
    }
}

/// What an instance is behind its pointer.
type Held = Box<dyn Instance>;

unsafe extern "C" fn count<E: Exports>() -> u32 {
    E::ANALYSES.len() as u32
}

unsafe extern "C" fn describe<E: Exports>(index: u32, host: *const RawHost) -> Status {
    let body = |host: super::guard::Host| {
        let analysis = pick::<E>(index)?;
        let manifest = analysis.manifest();
        let described = json!({
            "name": manifest.name,
            "version": manifest.version,
            "summary": manifest.summary,
            "needs": manifest.needs,
            "schema": analysis.schema(),
        });
        host.describe(&described.to_string());
        Ok(())
    };
    // SAFETY: the host keeps to the rules of the border.
    unsafe { guarded(host, body) }
}

unsafe extern "C" fn check<E: Exports>(
    index: u32,
    parameters: Str,
    host: *const RawHost,
) -> Status {
    // SAFETY: the host keeps to the rules of the border, here and below.
    let body = |_| pick::<E>(index)?.check(&unsafe { object(parameters) }?);
    // SAFETY: as above.
    unsafe { guarded(host, body) }
}

unsafe extern "C" fn create<E: Exports>(
    index: u32,
    parameters: Str,
    task: Str,
    host: *const RawHost,
    instance: *mut *mut c_void,
) -> Status {
    let body = |_| {
        if instance.is_null() {
            return Err(Failure::new("the host has no place for an instance"));
        }
        // SAFETY: the host keeps to the rules of the border, here and below.
        let (parameters, task) = unsafe { (object(parameters)?, json_of::<Task>("task", task)?) };
        let made: Held = pick::<E>(index)?.create(&parameters, &task)?;
        // SAFETY: as above; it is not null.
        unsafe { instance.write(Box::into_raw(Box::new(made)).cast()) };
        Ok(())
    };
    // SAFETY: as above.
    unsafe { guarded(host, body) }
}

unsafe extern "C" fn observe(
    instance: *mut c_void,
    snapshot: *const RawSnapshot,
    host: *const RawHost,
) -> Status {
    let body = |host| {
        // SAFETY: the instance is `create`'s, not destroyed yet, and nobody else is calling it.
        let held = unsafe { instance.cast::<Held>().as_mut() }.ok_or_else(nobody)?;
        let look = |snapshot: &crate::Snapshot<'_>| held.observe(snapshot, &mut Across(host));
        // SAFETY: the host keeps to the rules of the border.
        unsafe { shown(snapshot, look) }
    };
    // SAFETY: as above.
    unsafe { guarded(host, body) }
}

unsafe extern "C" fn finish(instance: *mut c_void, host: *const RawHost) -> Status {
    let body = |host| {
        // SAFETY: the instance is `create`'s, not destroyed yet, and nobody else is calling it.
        let held = unsafe { instance.cast::<Held>().as_mut() }.ok_or_else(nobody)?;
        held.finish(&mut Across(host))
    };
    // SAFETY: the host keeps to the rules of the border.
    unsafe { guarded(host, body) }
}

unsafe extern "C" fn destroy(instance: *mut c_void, host: *const RawHost) -> Status {
    let body = |_| {
        if instance.is_null() {
            return Err(nobody());
        }
        // SAFETY: the instance is `create`'s, and destroyed once.
        drop(unsafe { Box::from_raw(instance.cast::<Held>()) });
        Ok(())
    };
    // SAFETY: the host keeps to the rules of the border.
    unsafe { guarded(host, body) }
}

fn pick<E: Exports>(index: u32) -> Result<&'static Registration, Failure> {
    E::ANALYSES.get(index as usize).ok_or_else(|| {
        Failure::new(format!(
            "{} has {} analyses; the host asked for number {index}",
            E::PACKAGE,
            E::ANALYSES.len()
        ))
    })
}

fn nobody() -> Failure {
    Failure::new("the host called a null instance")
}

/// The parameters.
///
/// # Safety
/// As of [`Str::read`], during the call.
unsafe fn object(parameters: Str) -> Result<Map<String, Value>, Failure> {
    // SAFETY: the caller's word.
    unsafe { json_of("parameters", parameters) }
}

/// # Safety
/// As of [`Str::read`], during the call.
unsafe fn json_of<T: serde::de::DeserializeOwned>(what: &str, text: Str) -> Result<T, Failure> {
    // SAFETY: the caller's word.
    let text = unsafe { text.read() }
        .map_err(|why| Failure::new(format!("the host's JSON of the {what} {why}")))?;
    serde_json::from_str(text).map_err(|why| {
        Failure::new(format!(
            "the host's JSON of the {what} is not right: {why}; expected a plugin and a grokrun of one major version"
        ))
    })
}
