//! The host's functions that a plugin calls during a call: C structs in, findings on a sink out.

use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;

use grokrun_api::abi::{
    DONE, FAILED, RawFinding, RawHost, RawLoss, Receive, ReceiveLoss, Str, ask, kind, least, sized,
    slice,
};
use grokrun_api::{Ask, Failure, Finding, Sink};
use serde_json::Value;

use super::calls;

/// Holds what the functions reach through the context pointer of a call.
struct Context<'a> {
    package: &'a str,
    sink: &'a mut dyn Sink,
    description: Option<Result<Value, String>>,
    /// the first thing that went wrong
    failure: Option<Failure>,
}

/// Calls a plugin with a host that passes findings on to `sink`. `words` name the call and go on
/// from "at …".
///
/// # Errors
/// The failure that the plugin reports, or what is wrong with its findings.
pub(super) fn called(
    package: &str,
    words: &str,
    sink: &mut dyn Sink,
    call: impl FnOnce(*const RawHost) -> i32,
) -> Result<Option<Result<Value, String>>, Failure> {
    let _in_progress = calls::begin(words);
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
        train_loss: Some(train_loss),
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

/// Receives a plugin's log event: level, package, target, message, fields (a JSON object).
pub(crate) type Relay = dyn Fn(u32, &str, &str, &str, &str) + Send + Sync;

/// Where log events go in a process that is not the run's own, and the least severe level that is
/// wanted.
static RELAY: OnceLock<(u32, Box<Relay>)> = OnceLock::new();

/// Sends log events to this function rather than to this process's own log, which nobody reads.
pub(crate) fn relay_log(level: u32, to: Box<Relay>) {
    let _ = RELAY.set((level, to));
}

/// Returns the least severe level of log events that somebody wants.
pub(crate) fn listening() -> u32 {
    if let Some((level, _)) = RELAY.get() {
        return *level;
    }
    match tracing::level_filters::LevelFilter::current().into_level() {
        None => 0,
        Some(tracing::Level::ERROR) => 1,
        Some(tracing::Level::WARN) => 2,
        Some(tracing::Level::INFO) => 3,
        Some(tracing::Level::DEBUG) => 4,
        Some(tracing::Level::TRACE) => 5,
    }
}

/// A sink that expects no finding.
pub(super) struct Nobody;

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

/// Runs a callback on its context; a panic of the host must not unwind into the plugin.
///
/// # Safety
/// `context` is the pointer that [`called`] gave to the plugin, during that call.
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
            let taken = if finding.is_null() {
                Err("it pushed a finding that is null".to_owned())
            } else {
                take(finding, context)
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
        kind::FORMULA => Finding::Formula(
            serde_json::from_value(json()?).map_err(|error| format!("its formula: {error}"))?,
        ),
        kind::HEADLINE => Finding::Headline(text.to_owned()),
        kind::NOTE => Finding::Note(text.to_owned()),
        kind::FIGURE => Finding::Figure {
            figure: json()?,
            name,
        },
        kind::DESCRIPTION => {
            context.description = Some(json());
            return Ok(());
        }
        // A kind of a newer minor version can be ignored.
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

unsafe extern "C" fn train_loss(
    context: *mut c_void,
    weights: *const f32,
    len: usize,
    flags: u32,
    receive: ReceiveLoss,
    into: *mut c_void,
) -> i32 {
    // SAFETY: the plugin hands back what it was given, weights that live during this call, and a
    // function for the pointer beside it.
    unsafe {
        done(context, |sink| {
            let found = sink.train_loss(Ask {
                weights: slice(weights, len).map_err(Failure::new)?,
                gradient: flags & ask::GRADIENT != 0,
                samples: flags & ask::SAMPLES != 0,
            })?;
            let raw = RawLoss {
                size: size_of::<RawLoss>() as u32,
                reserved: 0,
                loss: found.loss,
                accuracy: found.accuracy,
                gradient: found.gradient.as_ptr(),
                gradient_len: found.gradient.len(),
                samples: found.samples.as_ptr(),
                samples_len: found.samples.len(),
            };
            receive(into, &raw const raw);
            Ok(())
        })
    }
}

/// Runs a callback that the sink may refuse, as [`on`] does: the refusal becomes the call's
/// failure, and the returned status says so.
///
/// # Safety
/// As for [`on`].
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

/// Logs a plugin's event as one of the host's: one callsite a level, the origin in fields.
pub(crate) fn emit(level: u32, package: &str, from: &str, message: &str, fields: &str) {
    if let Some((_, relay)) = RELAY.get() {
        return relay(level, package, from, message, fields);
    }
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
