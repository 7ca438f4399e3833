//! TensorBoard's event files: a folder a trial, with its curves as scalars and its settings as
//! hyperparameters.
//!
//! Values are float32, as every writer has them: TensorBoard's fast server, the one it starts by
//! default, lists no doubles. The clock of an event is 0: no time is known of an epoch, and the
//! same run gives the same bytes. The numbers of fields are those of `event.proto`,
//! `summary.proto`, `tensor.proto` and the plugin's `plugin_data.proto`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::protobuf::Message;
use super::{Curve, Trial, records};
use crate::ExchangeError;

/// The name that TensorBoard finds a file of events by.
const FILE: &str = "events.out.tfevents.0.grokrun";
/// What the first event says: later ones need not be in the order of their steps.
const VERSION: &str = "brain.Event:2";
/// The type of a tensor's numbers, `DT_FLOAT`.
const FLOAT: u64 = 1;

/// Writes a folder with one for each trial that `each` gives.
///
/// # Errors
/// Those of `each`; if there is something of this name already, or it cannot be written.
pub fn write_tensorboard<E: From<ExchangeError>>(
    path: &Path,
    each: impl IntoIterator<Item = Result<Trial, E>>,
) -> Result<(), E> {
    super::folder(path, |folder| {
        for trial in each {
            write(folder, &trial?)?;
        }
        Ok(())
    })
}

fn write(folder: &Path, trial: &Trial) -> Result<(), ExchangeError> {
    let mut log = EventLog::begin(folder, trial)?;
    log.append(&trial.curves)?;
    log.end(trial)
}

/// The events of one trial, appended while it is trained.
///
/// What was appended is there for a TensorBoard that reads the folder at the same time.
#[derive(Debug)]
pub struct EventLog {
    path: PathBuf,
    out: BufWriter<File>,
}

impl EventLog {
    /// Makes the file of events of a trial in a folder, with the settings of the trial.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn begin(folder: &Path, trial: &Trial) -> Result<EventLog, ExchangeError> {
        let path = folder.join(&trial.name).join(FILE);
        super::file(&path, &[])?;
        let out = File::create(&path).map_err(|e| ExchangeError::io("cannot write", &path, &e))?;
        let out = BufWriter::new(out);
        let mut log = EventLog { path, out };
        let session = Message::default().message(3, &start(trial));
        log.write(&[
            event(0).bytes(3, VERSION),
            summary(0, &[hparams("_hparams_/session_start_info", &session)]),
        ])?;
        Ok(log)
    }

    /// Appends curves: an event for each epoch at which one of them is known.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn append(&mut self, curves: &[Curve]) -> Result<(), ExchangeError> {
        self.write(&scalars(curves))
    }

    /// Appends what came of the trial.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn end(mut self, trial: &Trial) -> Result<(), ExchangeError> {
        let ending = Message::default().message(4, &end(trial));
        self.write(&[summary(
            0,
            &[hparams("_hparams_/session_end_info", &ending)],
        )])
    }

    fn write(&mut self, events: &[Message]) -> Result<(), ExchangeError> {
        let written = events
            .iter()
            .try_for_each(|event| records::write(&mut self.out, event.encoded()))
            .and_then(|()| self.out.flush());
        written.map_err(|error| ExchangeError::io("cannot write", &self.path, &error))
    }
}

/// An event of a step: its clock, and the step.
fn event(step: u64) -> Message {
    Message::default().double(1, 0.0).int(2, step)
}

/// An event with values of a summary.
fn summary(step: u64, values: &[Message]) -> Message {
    let all = Message::default();
    let all = values.iter().fold(all, |all, value| all.message(1, value));
    event(step).message(5, &all)
}

/// One event for each epoch at which a curve is known.
fn scalars(curves: &[Curve]) -> Vec<Message> {
    let mut steps: BTreeMap<u64, Vec<(&str, f64)>> = BTreeMap::new();
    for curve in curves {
        for (epoch, value) in curve.epochs.iter().zip(&curve.values) {
            let values = steps.entry(*epoch).or_default();
            values.push((&curve.name, *value));
        }
    }
    let scalar = |name: &str, value: f64| {
        let message = Message::default().bytes(1, name);
        message.float(2, value as f32)
    };
    let mut events = Vec::new();
    for (step, values) in steps {
        let values: Vec<Message> = values.iter().map(|(n, v)| scalar(n, *v)).collect();
        events.push(summary(step, &values));
    }
    events
}

/// A value that the plugin for hyperparameters reads: all of it is in its metadata.
fn hparams(tag: &str, data: &Message) -> Message {
    let plugin = Message::default()
        .bytes(1, "hparams")
        .bytes(2, data.encoded());
    let about = Message::default().message(1, &plugin);
    // An empty tensor, since a value has to be something.
    let none = Message::default().message(2, &Message::default().int(1, 0));
    let tensor = Message::default().int(1, FLOAT).message(2, &none);
    Message::default()
        .bytes(1, tag)
        .message(9, &about)
        .message(8, &tensor)
}

/// `SessionStartInfo`: the settings by name.
fn start(trial: &Trial) -> Message {
    let known = trial.settings.iter().filter(|(_, value)| !value.is_null());
    let all = known.fold(Message::default(), |all, (name, value)| {
        let value = match value {
            Value::Number(number) => {
                Message::default().double(2, number.as_f64().unwrap_or(f64::NAN))
            }
            Value::Bool(is) => Message::default().int(4, u64::from(*is)),
            other => Message::default().bytes(3, super::csv::text(other)),
        };
        all.message(1, &Message::default().bytes(1, name).message(2, &value))
    });
    all.bytes(4, &trial.name)
}

/// `SessionEndInfo`: whether it was trained to its end.
fn end(trial: &Trial) -> Message {
    const SUCCESS: u64 = 1;
    const FAILURE: u64 = 2;
    let status = if trial.finished { SUCCESS } else { FAILURE };
    Message::default()
        .int(1, status)
        .double(2, trial.seconds.unwrap_or_default())
}
