//! Implements the plugin's side: C functions around registrations.

use std::any::Any;
use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};

use serde_json::{Map, Value, json};

use super::{
    DONE, Entry, FAILED, MAGIC, MAJOR, MINOR, NO_MORE, PANICKED, RawFinding, RawHost, RawLoss,
    RawSnapshot, RawView, Str, UNWINDS, ask, dtype, kind, least, log, sized, slice,
};
use crate::{
    Ask, Failure, Finding, Instance, LossAt, NumbersRef, Registration, Sink, Snapshot, Task, View,
};

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

unsafe extern "C" fn describe<E: Exported>(index: u32, host: *const RawHost) -> i32 {
    let Some(registration) = E::all().get(index as usize) else {
        return NO_MORE;
    };
    // SAFETY: the host passes a pointer to itself.
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

unsafe extern "C" fn check<E: Exported>(index: u32, parameters: Str, host: *const RawHost) -> i32 {
    // SAFETY: the host passes a pointer to itself, and text that lives during the call.
    unsafe {
        guarded(host, |_| {
            find::<E>(index)?.check(&object(parameters.text().map_err(Failure::new)?)?)
        })
    }
}

unsafe extern "C" fn create_sweep<E: Exported>(
    index: u32,
    parameters: Str,
    cells: Str,
    host: *const RawHost,
    out: *mut *mut c_void,
) -> i32 {
    // SAFETY: the host passes a pointer to itself, texts that live during the call, and a place for
    // a pointer.
    unsafe {
        guarded(host, |_| {
            let parameters = object(parameters.text().map_err(Failure::new)?)?;
            let cells = serde_json::from_str(cells.text().map_err(Failure::new)?)
                .map_err(|error| Failure::new(format!("the cells cannot be read: {error}")))?;
            hand_over(find::<E>(index)?.create_sweep(&parameters, cells)?, out)
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

unsafe extern "C" fn create<E: Exported>(
    index: u32,
    parameters: Str,
    task: Str,
    host: *const RawHost,
    out: *mut *mut c_void,
) -> i32 {
    // SAFETY: the host passes a pointer to itself, texts that live during the call, and a place for
    // a pointer.
    unsafe {
        guarded(host, |_| {
            let parameters = object(parameters.text().map_err(Failure::new)?)?;
            let task: Task = serde_json::from_str(task.text().map_err(Failure::new)?)
                .map_err(|error| Failure::new(format!("the task cannot be read: {error}")))?;
            hand_over(find::<E>(index)?.create(&parameters, &task)?, out)
        })
    }
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

fn find<E: Exported>(index: u32) -> Result<&'static Registration, Failure> {
    let missing = || Failure::new(format!("there is no analysis {index} in {}", E::PACKAGE));
    E::all().get(index as usize).ok_or_else(missing)
}

fn object(text: &str) -> Result<Map<String, Value>, Failure> {
    serde_json::from_str(text)
        .map_err(|error| Failure::new(format!("the parameters cannot be read: {error}")))
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

/// Passes findings to the host.
struct Host(RawHost);

impl Host {
    fn fail(&self, parameter: &str, message: &str) {
        if let Some(fail) = self.0.fail {
            // SAFETY: the call lasts; the texts live until the function returns.
            unsafe { fail(self.0.context, Str::of(parameter), Str::of(message)) };
        }
    }

    fn send(&self, finding: RawFinding) {
        if let Some(push) = self.0.push {
            // SAFETY: the call lasts; what the finding points to lives until the function returns.
            unsafe { push(self.0.context, &raw const finding) };
        }
    }
}

impl Sink for Host {
    fn push(&mut self, finding: Finding) {
        match finding {
            Finding::Scalar { series, value } => self.send(RawFinding {
                kind: kind::SCALAR,
                name: Str::of(&series),
                value,
                ..blank()
            }),
            Finding::Tensor { name, shape, data } => {
                let shape: Vec<u64> = shape.into_iter().map(|size| size as u64).collect();
                self.send(RawFinding {
                    kind: kind::TENSOR,
                    name: Str::of(&name),
                    shape: shape.as_ptr(),
                    ndim: shape.len(),
                    data: data.as_ptr(),
                    len: data.len(),
                    ..blank()
                });
            }
            Finding::Table {
                name,
                columns,
                rows,
            } => {
                let text = json!({ "columns": columns, "rows": rows }).to_string();
                self.send(RawFinding {
                    kind: kind::TABLE,
                    name: Str::of(&name),
                    text: Str::of(&text),
                    ..blank()
                });
            }
            Finding::Note(text) => self.send(RawFinding {
                kind: kind::NOTE,
                text: Str::of(&text),
                ..blank()
            }),
            Finding::Headline(text) => self.send(RawFinding {
                kind: kind::HEADLINE,
                text: Str::of(&text),
                ..blank()
            }),
            Finding::Formula(formula) => {
                let text = json!(formula).to_string();
                self.send(RawFinding {
                    kind: kind::FORMULA,
                    text: Str::of(&text),
                    ..blank()
                });
            }
            Finding::Figure { name, figure } => {
                let text = figure.to_string();
                self.send(RawFinding {
                    kind: kind::FIGURE,
                    name: Str::of(&name),
                    text: Str::of(&text),
                    ..blank()
                });
            }
        }
    }

    fn keep(&mut self, name: &str, numbers: &[f32]) -> Result<(), Failure> {
        let keep = self.0.keep.ok_or_else(too_old)?;
        let (data, len) = (numbers.as_ptr(), numbers.len());
        // SAFETY: the call lasts; name and numbers live until the function returns.
        match unsafe { keep(self.0.context, Str::of(name), data, len) } {
            DONE => Ok(()),
            _ => Err(Failure::new(format!("the host cannot keep {name}"))),
        }
    }

    fn kept(&mut self, name: &str) -> Result<Vec<f32>, Failure> {
        let kept = self.0.kept.ok_or_else(too_old)?;
        let mut numbers: Vec<f32> = Vec::new();
        let into = (&raw mut numbers).cast();
        // SAFETY: the call lasts; the name and the place for the numbers live until the function
        // returns.
        match unsafe { kept(self.0.context, Str::of(name), receive, into) } {
            DONE => Ok(numbers),
            _ => Err(Failure::new(format!("the host cannot read {name} again"))),
        }
    }

    fn train_loss(&mut self, asked: Ask<'_>) -> Result<LossAt, Failure> {
        let compute = self.0.train_loss.ok_or_else(computes_nothing)?;
        let flags = [
            (asked.gradient, ask::GRADIENT),
            (asked.samples, ask::SAMPLES),
        ];
        let flags = flags.iter().filter(|(wanted, _)| *wanted);
        let flags = flags.fold(0, |all, (_, flag)| all | flag);
        let mut found: Option<Result<LossAt, String>> = None;
        let into = (&raw mut found).cast();
        let (data, len) = (asked.weights.as_ptr(), asked.weights.len());
        // SAFETY: the call lasts; the weights and the place for the answer live until the function
        // returns.
        let status = unsafe { compute(self.0.context, data, len, flags, receive_loss, into) };
        match (status, found) {
            (DONE, Some(found)) => found.map_err(Failure::new),
            _ => Err(Failure::new("the host cannot compute the train loss")),
        }
    }
}

/// Returns the failure of a host that cannot keep numbers.
fn too_old() -> Failure {
    Failure::new(
        "this grokrun keeps no numbers between calls; expected one whose plugin ABI is 1.1 or later",
    )
}

/// Returns the failure of a host that computes no train loss.
fn computes_nothing() -> Failure {
    Failure::new(
        "this grokrun computes no train loss for analyses; expected one whose plugin ABI is 1.4 or later",
    )
}

/// Copies the train loss that the host passes into the `Option<Result<LossAt, String>>` at `into`.
unsafe extern "C" fn receive_loss(into: *mut c_void, loss: *const RawLoss) {
    // SAFETY: the host passes back the pointer that `train_loss` received, and an answer that lives
    // during this call.
    unsafe {
        if let Some(into) = into.cast::<Option<Result<LossAt, String>>>().as_mut() {
            *into = Some(read_loss(loss));
        }
    }
}

/// # Safety
/// `loss` is null or points to an answer that lives during the call.
unsafe fn read_loss(loss: *const RawLoss) -> Result<LossAt, String> {
    let none = || "the host passed no train loss".to_owned();
    if loss.is_null() {
        return Err(none());
    }
    // SAFETY: as the caller promises; the size comes first in every version.
    let raw = unsafe { sized(loss, (&raw const (*loss).size).read(), least::LOSS) };
    let raw = raw.ok_or_else(none)?;
    // SAFETY: as the caller promises.
    unsafe {
        Ok(LossAt {
            loss: raw.loss,
            accuracy: raw.accuracy,
            gradient: slice(raw.gradient, raw.gradient_len)?.to_vec(),
            samples: slice(raw.samples, raw.samples_len)?.to_vec(),
        })
    }
}

/// Copies the numbers that the host passes into the `Vec<f32>` at `into`.
unsafe extern "C" fn receive(into: *mut c_void, data: *const f32, len: usize) {
    // SAFETY: the host passes back the pointer that `kept` received, and numbers that live during
    // this call.
    unsafe {
        if let (Some(into), Ok(numbers)) = (into.cast::<Vec<f32>>().as_mut(), slice(data, len)) {
            into.extend_from_slice(numbers);
        }
    }
}

fn blank() -> RawFinding {
    RawFinding {
        size: size_of::<RawFinding>() as u32,
        kind: kind::NOTE,
        name: Str::of(""),
        value: 0.0,
        shape: std::ptr::null(),
        ndim: 0,
        data: std::ptr::null(),
        len: 0,
        text: Str::of(""),
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
