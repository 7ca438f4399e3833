//! Implements the plugin's side of findings and of what it asks the host for.

use std::ffi::c_void;

use serde_json::json;

use super::{DONE, RawFinding, RawHost, RawLoss, Str, ask, kind, least, sized, slice};
use crate::{Ask, Failure, Finding, LossAt, Sink};

/// Passes findings to the host.
pub(super) struct Host(pub(super) RawHost);

impl Host {
    /// Reports why a call failed.
    pub(super) fn fail(&self, parameter: &str, message: &str) {
        if let Some(fail) = self.0.fail {
            // SAFETY: the call lasts; the texts live until the function returns.
            unsafe { fail(self.0.context, Str::of(parameter), Str::of(message)) };
        }
    }

    /// Passes a finding in the form of the boundary.
    pub(super) fn send(&self, finding: RawFinding) {
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
        let keep = self.0.keep.ok_or_else(|| lacks("keep"))?;
        let (data, len) = (numbers.as_ptr(), numbers.len());
        // SAFETY: the call lasts; name and numbers live until the function returns.
        match unsafe { keep(self.0.context, Str::of(name), data, len) } {
            DONE => Ok(()),
            _ => Err(Failure::new(format!("the host cannot keep {name}"))),
        }
    }

    fn kept(&mut self, name: &str) -> Result<Vec<f32>, Failure> {
        let kept = self.0.kept.ok_or_else(|| lacks("kept"))?;
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
        let compute = self.0.train_loss.ok_or_else(|| lacks("train_loss"))?;
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

/// Returns the failure of a host without a function that every host has.
fn lacks(function: &str) -> Failure {
    Failure::new(format!("the host gave no function {function}"))
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

/// Returns a finding of this version in which nothing is said yet.
pub(super) fn blank() -> RawFinding {
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
