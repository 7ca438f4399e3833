//! One table of all trials: a row an epoch, a column a curve (RFC 4180).
//!
//! Numbers have as many digits as it takes to read the same float64 back. An empty field is a
//! number that is not there; one that is there and not finite is `NaN`, `inf` or `-inf`.

use std::collections::{BTreeSet, HashMap};
use std::io::Write;
use std::path::Path;

use serde_json::Value;

use super::Trial;
use crate::ExchangeError;
use crate::output::replace;

/// Writes the trials that `each` gives, one after the other.
///
/// `settings` are the columns after `cell`, `curves` those after `epoch`: names of settings and of
/// curves, of which a trial may have fewer.
///
/// # Errors
/// Those of `each`, or if the file cannot be written.
pub fn write_csv<E: From<ExchangeError>>(
    path: &Path,
    settings: &[String],
    curves: &[String],
    each: impl IntoIterator<Item = Result<Trial, E>>,
) -> Result<(), E> {
    replace(path, |out| {
        let failed = |error| E::from(ExchangeError::io("cannot write", path, &error));
        let head = [
            &["cell".to_owned()],
            settings,
            &["epoch".to_owned()],
            curves,
        ]
        .concat();
        let head: Vec<String> = head.iter().map(|name| field(name)).collect();
        writeln!(out, "{}", head.join(",")).map_err(failed)?;
        for trial in each {
            let trial = trial?;
            let mut start = vec![field(&trial.name)];
            start.extend(settings.iter().map(|name| setting(&trial, name)));
            let start = start.join(",");
            for row in rows(&trial, curves) {
                writeln!(out, "{start},{row}").map_err(failed)?;
            }
        }
        Ok(())
    })
}

/// The rows of a trial from `epoch` on.
fn rows(trial: &Trial, names: &[String]) -> Vec<String> {
    let epochs: BTreeSet<u64> = trial.curves.iter().flat_map(|c| c.epochs.clone()).collect();
    let columns: Vec<HashMap<u64, f64>> = names
        .iter()
        .map(|name| {
            let curve = trial.curves.iter().find(|curve| curve.name == *name);
            let points = curve.map(|curve| curve.epochs.iter().zip(&curve.values));
            let points = points.into_iter().flatten();
            points.map(|(epoch, value)| (*epoch, *value)).collect()
        })
        .collect();
    let row = |epoch: u64| {
        let values = columns
            .iter()
            .map(|column| column.get(&epoch).map_or_else(String::new, |v| number(*v)));
        std::iter::once(epoch.to_string())
            .chain(values)
            .collect::<Vec<_>>()
            .join(",")
    };
    epochs.into_iter().map(row).collect()
}

/// The fewest digits that are read back as the same number.
pub(super) fn number(value: f64) -> String {
    format!("{value:?}")
}

fn setting(trial: &Trial, name: &str) -> String {
    let found = trial.settings.iter().find(|(key, _)| key == name);
    found.map_or_else(String::new, |(_, value)| field(&text(value)))
}

/// A setting as a text; null is none.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// A field, quoted where it has to be.
fn field(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}
