//! The folders in which MLflow keeps runs (its file store): one experiment, a run a trial.
//!
//! ```text
//! 1/meta.yaml                     the experiment
//! 1/RUN/meta.yaml                 a run; RUN are 32 hexadecimal digits
//! 1/RUN/metrics/test_loss         "0 2.6060 0": clock, value, epoch, a line each
//! 1/RUN/params/modulus            a setting
//! 1/RUN/tags/mlflow.runName       a text
//! ```
//!
//! The clock of a value is 0, and a run begins at 0 and takes as long as its training took: when it
//! was is not known.

use std::fmt::Write;
use std::path::Path;

use super::csv::{number, text};
use super::{Trial, file};
use crate::ExchangeError;

/// The experiment's number; 0 is MLflow's own.
const EXPERIMENT: &str = "1";
/// The longest text of a setting that MLflow takes.
const LONGEST: usize = 6000;

/// Writes a store with an experiment of this name, and a run for each trial that `each` gives.
///
/// # Errors
/// Those of `each`; if there is something of this name already, or it cannot be written.
pub fn write_mlflow<E: From<ExchangeError>>(
    path: &Path,
    name: &str,
    each: impl IntoIterator<Item = Result<Trial, E>>,
) -> Result<(), E> {
    super::folder(path, |store| {
        let folder = store.join(EXPERIMENT);
        let about = format!(
            "artifact_location: {EXPERIMENT}\ncreation_time: 0\nexperiment_id: '{EXPERIMENT}'\nlast_update_time: 0\nlifecycle_stage: active\nname: {}\n",
            quoted(name)
        );
        file(&folder.join("meta.yaml"), about.as_bytes())?;
        for trial in each {
            write(&folder, &trial?)?;
        }
        Ok(())
    })
}

fn write(experiment: &Path, trial: &Trial) -> Result<(), ExchangeError> {
    let id: String = trial.digits.chars().take(32).collect();
    let run = experiment.join(&id);
    // Values of RunStatus.
    let status = if trial.finished { 3 } else { 4 };
    let took = (1000.0 * trial.seconds.unwrap_or_default()).round() as u64;
    let about = format!(
        "artifact_uri: {EXPERIMENT}/{id}/artifacts\nend_time: {took}\nentry_point_name: ''\nexperiment_id: '{EXPERIMENT}'\nlifecycle_stage: active\nrun_id: '{id}'\nrun_name: {name}\nrun_uuid: '{id}'\nsource_name: grokrun\nsource_type: 4\nsource_version: ''\nstart_time: 0\nstatus: {status}\ntags: []\nuser_id: grokrun\n",
        name = quoted(&trial.name)
    );
    file(&run.join("meta.yaml"), about.as_bytes())?;
    for folder in ["metrics", "params", "tags", "artifacts"] {
        let path = run.join(folder);
        std::fs::create_dir_all(&path).map_err(|e| ExchangeError::io("cannot write", &path, &e))?;
    }
    for curve in &trial.curves {
        let mut lines = String::new();
        for (epoch, value) in curve.epochs.iter().zip(&curve.values) {
            let _infallible = writeln!(lines, "0 {} {epoch}", number(*value));
        }
        file(
            &run.join("metrics").join(key(&curve.name)),
            lines.as_bytes(),
        )?;
    }
    for (name, value) in trial.settings.iter().filter(|(_, value)| !value.is_null()) {
        let value: String = text(value).chars().take(LONGEST).collect();
        file(&run.join("params").join(key(name)), value.as_bytes())?;
    }
    for (name, value) in trial.outcome.iter().filter(|(_, value)| !value.is_null()) {
        file(&run.join("tags").join(key(name)), text(value).as_bytes())?;
    }
    file(&run.join("tags/mlflow.runName"), trial.name.as_bytes())
}

/// A name as MLflow takes it: letters, digits, `_ - . : /` and blanks; each other sign is `_`. A
/// slash within a name of a series is none between an analysis and its series.
fn key(name: &str) -> String {
    let (analysis, series) = name.split_once('/').unwrap_or(("", name));
    let plain = |text: &str| -> String {
        let fits = |c: char| c.is_ascii_alphanumeric() || "_-. ".contains(c);
        text.chars()
            .map(|c| if fits(c) { c } else { '_' })
            .collect()
    };
    match analysis {
        "" => plain(series),
        analysis => format!("{}/{}", plain(analysis), plain(series)),
    }
}

/// A text of YAML; JSON's are YAML's.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
