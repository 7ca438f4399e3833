//! Calls the functions of a plugin.

use std::ffi::c_void;
use std::path::Path;

use grokrun_api::abi::{
    Create, DONE, NO_MORE, PANICKED, RawHost, RawSnapshot, RawView, Str, dtype,
};
use grokrun_api::{Failure, Instance, NumbersRef, Sink, Snapshot, SweepCell, Task};
use serde_json::{Map, Value};

use super::callbacks::{Nobody, called};
use super::{CheckedEntry, LoadedAnalysis};
use crate::described::Described;

/// The most analyses of one crate; a plugin that never ends its list is broken.
const MOST_ANALYSES: u32 = 1000;

/// Describes all analyses of an entry of a library.
///
/// # Errors
/// If an analysis does not describe itself properly.
pub(super) fn describe_all(
    entry: CheckedEntry,
    library: &Path,
) -> Result<Vec<LoadedAnalysis>, String> {
    // SAFETY: the entry's strings are static.
    let package = unsafe { entry.0.package.text() }?.to_owned();
    let describe = entry.0.describe.ok_or("it cannot describe itself")?;
    let words = format!("the description of {}", library.display());
    let mut all = Vec::new();
    for index in 0..=MOST_ANALYSES {
        let mut ended = false;
        // SAFETY: the function is the plugin's, and the host lives during the call.
        let done = called(&package, &words, &mut Nobody, |host| {
            let status = unsafe { describe(index, host) };
            ended = status == NO_MORE;
            if ended { DONE } else { status }
        });
        let description = done.map_err(|failure| failure.to_string())?;
        if ended {
            return Ok(all);
        }
        let description = description.ok_or("it did not describe itself")??;
        all.push(LoadedAnalysis {
            about: Described::read(&description, &package, index)?,
            library: library.to_owned(),
            entry,
            index,
        });
    }
    Err(format!(
        "it claims to have more than {MOST_ANALYSES} analyses"
    ))
}

pub(super) fn check(
    analysis: &LoadedAnalysis,
    parameters: &Map<String, Value>,
) -> Result<(), Failure> {
    let text = Value::Object(parameters.clone()).to_string();
    let check = analysis.entry.0.check.ok_or_else(incomplete)?;
    let words = format!("the check of the parameters of {}", analysis.words());
    // SAFETY: the function is the plugin's; text and host live during the call.
    called(
        &analysis.about.package,
        &words,
        &mut Nobody,
        |host| unsafe { check(analysis.index, Str::of(&text), host) },
    )?;
    Ok(())
}

pub(super) fn create(
    analysis: &LoadedAnalysis,
    parameters: &Map<String, Value>,
    task: &Task,
) -> Result<Box<dyn Instance>, Failure> {
    let text = serde_json::to_string(task).map_err(|error| Failure::new(error.to_string()))?;
    let create = analysis.entry.0.create.ok_or_else(incomplete)?;
    started(
        analysis,
        parameters,
        &text,
        &format!("cell {}", task.cell),
        create,
    )
}

pub(super) fn create_sweep(
    analysis: &LoadedAnalysis,
    parameters: &Map<String, Value>,
    cells: &[SweepCell],
) -> Result<Box<dyn Instance>, Failure> {
    let text = serde_json::to_string(cells).map_err(|error| Failure::new(error.to_string()))?;
    let create = analysis.entry.0.create_sweep.ok_or_else(incomplete)?;
    started(analysis, parameters, &text, "the sweep", create)
}

/// Starts an analysis on a task or a list of cells, which is JSON; `place` names it.
fn started(
    analysis: &LoadedAnalysis,
    parameters: &Map<String, Value>,
    text: &str,
    place: &str,
    create: Create,
) -> Result<Box<dyn Instance>, Failure> {
    let parameters = Value::Object(parameters.clone()).to_string();
    let package = analysis.about.package.clone();
    let words = format!("the start of {}, in {place}", analysis.words());
    let mut instance = std::ptr::null_mut();
    // SAFETY: the function is the plugin's; texts, host and the place of the pointer live during
    // the call.
    called(&package, &words, &mut Nobody, |host| unsafe {
        create(
            analysis.index,
            Str::of(&parameters),
            Str::of(text),
            host,
            &raw mut instance,
        )
    })?;
    if instance.is_null() {
        return Err(Failure::new(
            "the plugin returned no instance and gave no reason",
        ));
    }
    Ok(Box::new(LoadedInstance {
        entry: analysis.entry,
        words: analysis.words(),
        place: place.to_owned(),
        package,
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
    /// names the analysis and its library, for messages
    words: String,
    /// the cell, or the sweep
    place: String,
    /// null once the instance is destroyed
    instance: *mut c_void,
    /// whether the instance panicked: it is not called again, not even to be destroyed
    broken: bool,
}

// SAFETY: the interface says that an instance is used by one thread at a time, not always the same.
unsafe impl Send for LoadedInstance {}

impl LoadedInstance {
    fn call(
        &mut self,
        words: &str,
        out: &mut dyn Sink,
        call: impl FnOnce(*mut c_void, *const RawHost) -> i32,
    ) -> Result<(), Failure> {
        if self.broken {
            return Err(Failure::new("it panicked before"));
        }
        let (instance, broken) = (self.instance, &mut self.broken);
        called(&self.package, words, out, |host| {
            let status = call(instance, host);
            *broken = status == PANICKED;
            status
        })?;
        Ok(())
    }

    /// Destroys the instance, unless it is destroyed already or it panicked.
    fn destroy(&mut self) -> Result<(), Failure> {
        let instance = std::mem::replace(&mut self.instance, std::ptr::null_mut());
        if self.broken || instance.is_null() {
            return Ok(());
        }
        let destroy = self.entry.0.destroy.ok_or_else(incomplete)?;
        let words = format!("the close of {}, in {}", self.words, self.place);
        // SAFETY: the instance is from this plugin's `create`, and this is its last use.
        called(&self.package, &words, &mut Nobody, |host| unsafe {
            destroy(instance, host)
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
        let epoch = snapshot.epoch();
        let words = format!("epoch {epoch} of {}, in {}", self.place, self.words);
        // SAFETY: the instance is from this plugin's `create` and borrowed mutably; everything
        // else lives during the call.
        self.call(&words, out, |instance, host| unsafe {
            observe(instance, &raw const raw, host)
        })
    }

    fn finish(&mut self, out: &mut dyn Sink) -> Result<(), Failure> {
        let finish = self.entry.0.finish.ok_or_else(incomplete)?;
        let words = format!("the conclusion of {}, in {}", self.words, self.place);
        // SAFETY: as in `observe`.
        self.call(&words, out, |instance, host| unsafe {
            finish(instance, host)
        })
    }

    fn close(mut self: Box<Self>) -> Result<(), Failure> {
        self.destroy()
    }
}

impl Drop for LoadedInstance {
    fn drop(&mut self) {
        if let Err(why) = self.destroy() {
            tracing::warn!(package = self.package, %why, "a plugin failed to close an analysis");
        }
    }
}
