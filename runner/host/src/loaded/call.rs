//! Calls into a plugin, and what it calls back.

use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};

use grokrun_api::abi::{
    DONE, FAILED, NO_MORE, PANICKED, RawFinding, RawHost, RawSnapshot, RawView, Receive, Str,
    dtype, kind, least, sized, slice,
};
use grokrun_api::{Failure, Finding, Instance, Need, NumbersRef, Sink, Snapshot, Task};
use serde_json::{Map, Value};

use super::{CheckedEntry, LoadedAnalysis};

/// The most analyses a crate may have; one that never says "no more" is broken.
const MOST_ANALYSES: u32 = 1000;

/// What a call into a plugin may reach, by its context pointer.
struct Context<'a> {
    package: &'a str,
    sink: &'a mut dyn Sink,
    description: Option<Result<Value, String>>,
    /// the first thing that went wrong
    failure: Option<Failure>,
}

/// Calls a plugin with a host that passes findings on to `sink`.
///
/// # Errors
/// What the plugin says went wrong, or what was wrong with what it said.
fn called(
    package: &str,
    sink: &mut dyn Sink,
    call: impl FnOnce(*const RawHost) -> i32,
) -> Result<Option<Result<Value, String>>, Failure> {
    let mut context = Context {
        package,
        sink,
        description: None,
        failure: None,
    };
    let host = RawHost {
        size: size_of::<RawHost>() as u32,
        level: listening(),
        context: (&raw mut context).cast(),
        push: Some(push),
        fail: Some(fail),
        log: Some(log),
        keep: Some(keep),
        kept: Some(kept),
    };
    let status = call(&raw const host);
    match (context.failure, status) {
        (Some(failure), _) => Err(failure),
        (None, DONE) => Ok(context.description),
        (None, other) => Err(Failure::new(format!(
            "it ended with status {other} and did not say why"
        ))),
    }
}

/// The last level of log events that anybody listens to.
fn listening() -> u32 {
    match tracing::level_filters::LevelFilter::current().into_level() {
        None => 0,
        Some(tracing::Level::ERROR) => 1,
        Some(tracing::Level::WARN) => 2,
        Some(tracing::Level::INFO) => 3,
        Some(tracing::Level::DEBUG) => 4,
        Some(tracing::Level::TRACE) => 5,
    }
}

/// All analyses of an entry.
///
/// # Errors
/// When one does not describe itself properly.
pub(super) fn describe_all(entry: CheckedEntry) -> Result<Vec<LoadedAnalysis>, String> {
    // SAFETY: the entry's strings are static.
    let package = unsafe { entry.0.package.text() }?.to_owned();
    let describe = entry.0.describe.ok_or("it cannot describe itself")?;
    let mut all = Vec::new();
    for index in 0..=MOST_ANALYSES {
        let mut ended = false;
        // SAFETY: the function is the plugin's, and the host lives during the call.
        let done = called(&package, &mut Nobody, |host| {
            let status = unsafe { describe(index, host) };
            ended = status == NO_MORE;
            if ended { DONE } else { status }
        });
        let description = done.map_err(|failure| failure.to_string())?;
        if ended {
            return Ok(all);
        }
        let description = description.ok_or("it did not describe itself")??;
        all.push(described(&description, &package, entry, index)?);
    }
    Err(format!(
        "it claims to have more than {MOST_ANALYSES} analyses"
    ))
}

fn described(
    description: &Value,
    package: &str,
    entry: CheckedEntry,
    index: u32,
) -> Result<LoadedAnalysis, String> {
    let text = |key: &str| match description[key].as_str() {
        Some(text) if !text.is_empty() => Ok(text.to_owned()),
        _ => Err(format!("analysis {index} of it has no {key}")),
    };
    let name = text("name")?;
    let needs = description["needs"].as_array().map(Vec::as_slice);
    let needs = needs
        .unwrap_or_default()
        .iter()
        .map(|need| {
            serde_json::from_value::<Need>(need.clone()).map_err(|_| {
                format!("its analysis {name} needs {need}, which this grokrun cannot show; use a newer one")
            })
        })
        .collect::<Result<_, _>>()?;
    Ok(LoadedAnalysis {
        version: text("version")?,
        summary: text("summary")?,
        definition: description["definition"]
            .as_str()
            .unwrap_or_default()
            .to_owned(),
        needs,
        every: description["every"].as_u64(),
        schema: description["schema"].clone(),
        package: package.to_owned(),
        name,
        entry,
        index,
    })
}

pub(super) fn check(
    entry: CheckedEntry,
    index: u32,
    package: &str,
    parameters: &Map<String, Value>,
) -> Result<(), Failure> {
    let text = Value::Object(parameters.clone()).to_string();
    let check = entry.0.check.ok_or_else(incomplete)?;
    // SAFETY: the function is the plugin's; text and host live during the call.
    called(package, &mut Nobody, |host| unsafe {
        check(index, Str::of(&text), host)
    })?;
    Ok(())
}

pub(super) fn create(
    entry: CheckedEntry,
    index: u32,
    package: &str,
    parameters: &Map<String, Value>,
    task: &Task,
) -> Result<Box<dyn Instance>, Failure> {
    let parameters = Value::Object(parameters.clone()).to_string();
    let task = serde_json::to_string(task).map_err(|error| Failure::new(error.to_string()))?;
    let create = entry.0.create.ok_or_else(incomplete)?;
    let mut instance = std::ptr::null_mut();
    // SAFETY: the function is the plugin's; texts, host and the room for the pointer live during
    // the call.
    called(package, &mut Nobody, |host| unsafe {
        create(
            index,
            Str::of(&parameters),
            Str::of(&task),
            host,
            &raw mut instance,
        )
    })?;
    if instance.is_null() {
        return Err(Failure::new("it started nothing and did not say why"));
    }
    Ok(Box::new(LoadedInstance {
        entry,
        package: package.to_owned(),
        instance,
        broken: false,
    }))
}

fn incomplete() -> Failure {
    Failure::new("its entry lacks a function")
}

/// A running analysis of a plugin.
struct LoadedInstance {
    entry: CheckedEntry,
    package: String,
    instance: *mut c_void,
    /// it panicked: it is not called again, not even to be destroyed
    broken: bool,
}

// SAFETY: the interface says that an instance is used by one thread at a time, not always the same.
unsafe impl Send for LoadedInstance {}

impl LoadedInstance {
    fn call(
        &mut self,
        out: &mut dyn Sink,
        call: impl FnOnce(*mut c_void, *const RawHost) -> i32,
    ) -> Result<(), Failure> {
        if self.broken {
            return Err(Failure::new("it panicked before"));
        }
        let (instance, broken) = (self.instance, &mut self.broken);
        called(&self.package, out, |host| {
            let status = call(instance, host);
            *broken = status == PANICKED;
            status
        })?;
        Ok(())
    }
}

impl Instance for LoadedInstance {
    fn observe(&mut self, snapshot: &Snapshot<'_>, out: &mut dyn Sink) -> Result<(), Failure> {
        let shapes: Vec<Vec<u64>> = snapshot
            .views()
            .iter()
            .map(|view| view.shape.iter().map(|size| *size as u64).collect())
            .collect();
        let views: Vec<RawView> = snapshot
            .views()
            .iter()
            .zip(&shapes)
            .map(|(view, shape)| {
                let (dtype, data) = match view.data {
                    NumbersRef::F32(data) => (dtype::F32, data.as_ptr().cast()),
                    NumbersRef::F64(data) => (dtype::F64, data.as_ptr().cast()),
                };
                RawView {
                    name: Str::of(view.name),
                    dtype,
                    ndim: shape.len() as u32,
                    shape: shape.as_ptr(),
                    data,
                    len: view.data.len(),
                }
            })
            .collect();
        let raw = RawSnapshot {
            size: size_of::<RawSnapshot>() as u32,
            stride: size_of::<RawView>() as u32,
            epoch: snapshot.epoch(),
            views: views.as_ptr(),
            count: views.len(),
        };
        let observe = self.entry.0.observe.ok_or_else(incomplete)?;
        // SAFETY: the instance is from this plugin's `create` and borrowed mutably; everything
        // else lives during the call.
        self.call(out, |instance, host| unsafe {
            observe(instance, &raw const raw, host)
        })
    }

    fn finish(&mut self, out: &mut dyn Sink) -> Result<(), Failure> {
        let finish = self.entry.0.finish.ok_or_else(incomplete)?;
        // SAFETY: as in `observe`.
        self.call(out, |instance, host| unsafe { finish(instance, host) })
    }
}

impl Drop for LoadedInstance {
    fn drop(&mut self) {
        if self.broken {
            return;
        }
        if let Some(destroy) = self.entry.0.destroy {
            // SAFETY: the instance is from this plugin's `create`, and this is its last use.
            let done = called(&self.package, &mut Nobody, |host| unsafe {
                destroy(self.instance, host)
            });
            if let Err(why) = done {
                tracing::warn!(package = self.package, %why, "a plugin failed to close an analysis");
            }
        }
    }
}

/// A sink where no finding is expected.
struct Nobody;

impl Sink for Nobody {
    fn push(&mut self, _: Finding) {}

    fn keep(&mut self, _: &str, _: &[f32]) -> Result<(), Failure> {
        Err(unexpected())
    }

    fn kept(&mut self, _: &str) -> Result<Vec<f32>, Failure> {
        Err(unexpected())
    }
}

fn unexpected() -> Failure {
    Failure::new(
        "nothing is kept before the first snapshot; expected keep and kept in observe and finish",
    )
}

/// Runs a callback on its context; a panic of ours must not unwind into the plugin.
///
/// # Safety
/// `context` is what [`called`] handed out, during that call.
unsafe fn on(context: *mut c_void, act: impl FnOnce(&mut Context<'_>)) {
    // SAFETY: as the caller promises; the interface allows one call at a time.
    let Some(context) = (unsafe { context.cast::<Context<'_>>().as_mut() }) else {
        return;
    };
    if catch_unwind(AssertUnwindSafe(|| act(context))).is_err() {
        let why = Failure::new("grokrun panicked over what it said; please report this");
        context.failure.get_or_insert(why);
    }
}

unsafe extern "C" fn push(context: *mut c_void, finding: *const RawFinding) {
    // SAFETY: the plugin hands back what it was given, and a finding that lives during this call.
    unsafe {
        on(context, |context| {
            let taken = match finding.is_null() {
                true => Err("it pushed nothing".to_owned()),
                false => take(finding, context),
            };
            if let Err(why) = taken {
                context.failure.get_or_insert(Failure::new(why));
            }
        });
    }
}

/// # Safety
/// The finding is not null; it and what it points to live during the call.
unsafe fn take(raw: *const RawFinding, context: &mut Context<'_>) -> Result<(), String> {
    // SAFETY: as the caller promises; the size comes first in every version.
    let size = unsafe { (&raw const (*raw).size).read() };
    // SAFETY: as the caller promises.
    let raw = unsafe { sized(raw, size, least::FINDING) }
        .ok_or_else(|| format!("it pushed a finding of {size} bytes"))?;
    // SAFETY: as the caller promises.
    let (name, text) = unsafe { (raw.name.text()?.to_owned(), raw.text.text()?) };
    let json = || {
        serde_json::from_str::<Value>(text)
            .map_err(|error| format!("finding {name:?} is not valid JSON: {error}"))
    };
    let finding = match raw.kind {
        kind::SCALAR => Finding::Scalar {
            series: name,
            value: raw.value,
        },
        kind::TENSOR => {
            // SAFETY: as the caller promises.
            let (shape, data) = unsafe { (slice(raw.shape, raw.ndim)?, slice(raw.data, raw.len)?) };
            let shape: Vec<usize> = shape
                .iter()
                .map(|size| usize::try_from(*size).unwrap_or(usize::MAX))
                .collect();
            let count = shape
                .iter()
                .try_fold(1usize, |n, size| n.checked_mul(*size));
            if count != Some(data.len()) {
                return Err(format!(
                    "tensor {name} has {} numbers, which is not the product of its shape {shape:?}",
                    data.len()
                ));
            }
            Finding::Tensor {
                name,
                shape,
                data: data.to_vec(),
            }
        }
        kind::TABLE => {
            let mut table = json()?;
            let part = |table: &mut Value, key: &str| table[key].take();
            let (columns, rows) = (part(&mut table, "columns"), part(&mut table, "rows"));
            let wrong = |error: serde_json::Error| format!("table {name} is not a table: {error}");
            Finding::Table {
                columns: serde_json::from_value(columns).map_err(wrong)?,
                rows: serde_json::from_value(rows).map_err(wrong)?,
                name,
            }
        }
        kind::NOTE => Finding::Note(text.to_owned()),
        kind::FIGURE => Finding::Figure {
            figure: json()?,
            name,
        },
        kind::DESCRIPTION => {
            context.description = Some(json());
            return Ok(());
        }
        // A kind of a newer minor: it can be done without.
        _ => return Ok(()),
    };
    context.sink.push(finding);
    Ok(())
}

unsafe extern "C" fn fail(context: *mut c_void, parameter: Str, message: Str) {
    // SAFETY: the plugin hands back what it was given, and texts that live during this call.
    unsafe {
        on(context, |context| {
            let failure = match (parameter.text(), message.text()) {
                (Ok(""), Ok(message)) => Failure::new(message),
                (Ok(parameter), Ok(message)) => Failure::parameter(parameter, message),
                (Err(why), _) | (_, Err(why)) => {
                    Failure::new(format!("it failed, and its reason cannot be read: {why}"))
                }
            };
            context.failure.get_or_insert(failure);
        });
    }
}

unsafe extern "C" fn keep(context: *mut c_void, name: Str, data: *const f32, len: usize) -> i32 {
    // SAFETY: the plugin hands back what it was given, and a name and numbers that live during this
    // call.
    unsafe {
        done(context, |sink| {
            let (name, numbers) = (name.text(), slice(data, len));
            sink.keep(name.map_err(Failure::new)?, numbers.map_err(Failure::new)?)
        })
    }
}

unsafe extern "C" fn kept(
    context: *mut c_void,
    name: Str,
    receive: Receive,
    into: *mut c_void,
) -> i32 {
    // SAFETY: the plugin hands back what it was given, a name that lives during this call, and a
    // function for the pointer beside it.
    unsafe {
        done(context, |sink| {
            let numbers = sink.kept(name.text().map_err(Failure::new)?)?;
            receive(into, numbers.as_ptr(), numbers.len());
            Ok(())
        })
    }
}

/// As [`on`], for what the sink may refuse: why is the call's failure, and the status says so.
///
/// # Safety
/// As [`on`].
unsafe fn done(
    context: *mut c_void,
    act: impl FnOnce(&mut dyn Sink) -> Result<(), Failure>,
) -> i32 {
    let mut status = FAILED;
    // SAFETY: as the caller promises.
    unsafe {
        on(context, |context| match act(context.sink) {
            Ok(()) => status = DONE,
            Err(why) => {
                context.failure.get_or_insert(why);
            }
        });
    }
    status
}

unsafe extern "C" fn log(context: *mut c_void, level: u32, target: Str, message: Str, fields: Str) {
    // SAFETY: the plugin hands back what it was given, and texts that live during this call.
    unsafe {
        on(context, |context| {
            if let (Ok(from), Ok(message), Ok(fields)) =
                (target.text(), message.text(), fields.text())
            {
                emit(level, context.package, from, message, fields);
            }
        });
    }
}

/// Says a plugin's event again as one of ours: a callsite a level, the origin in fields.
fn emit(level: u32, package: &str, from: &str, message: &str, fields: &str) {
    macro_rules! say {
        ($level:ident) => {
            tracing::event!(
                target: "plugin",
                tracing::Level::$level,
                package,
                plugin_target = from,
                fields,
                "{message}"
            )
        };
    }
    match level {
        1 => say!(ERROR),
        2 => say!(WARN),
        3 => say!(INFO),
        4 => say!(DEBUG),
        _ => say!(TRACE),
    }
}
