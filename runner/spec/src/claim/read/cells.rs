//! `where` and `against` of a claim: keys of the spec, each with the value that a cell has to have.

use grokrun_task::Operation;
use serde_json::{Value as Json, json};

use super::{Selection, Selector};
use crate::analysis::to_json;
use crate::axis::Element as _;
use crate::document::{Entry, Node, Value};
use crate::field::{Field, Reader, Want, wrong_type};
use crate::keys;
use crate::source::excerpt;
use crate::suggest;

impl Field for Selector {
    fn path(&self) -> &'static str {
        self.path
    }

    fn schema(&self) -> Json {
        json!({ "description": self.about, "type": "object", "minProperties": 1 })
    }
}

/// The selection at `node`; `None` after a mistake.
pub(super) fn read(selector: &Selector, node: &Node, reader: &mut Reader<'_>) -> Option<Selection> {
    let expected = format!("a table of keys of the spec, as in {}", selector.example);
    let Value::Table(entries) = &node.value else {
        wrong_type(selector.path, Want::Other, &expected, node, reader);
        return None;
    };
    let known = keys::paths();
    let (mut chosen, mut sound) = (Vec::new(), true);
    gather("", entries, &known, &mut chosen, &mut sound, reader);
    if chosen.is_empty() && sound {
        let problem = format!("`{}` must be {expected}", selector.path);
        reader.report.error(node.span, problem).label("empty");
        return None;
    }
    sound.then(|| Selection::new(chosen))
}

/// Adds the keys of a table, and of those in it: `"train.epochs" = 1` and `train.epochs = 1` say
/// the same.
fn gather(
    above: &str,
    entries: &[Entry],
    known: &[String],
    chosen: &mut Vec<(String, Json)>,
    sound: &mut bool,
    reader: &mut Reader<'_>,
) {
    for entry in entries {
        let path = match above {
            "" => entry.key.clone(),
            _ => format!("{above}.{}", entry.key),
        };
        if known.contains(&path) {
            let value = wanted(&path, &entry.node, reader);
            *sound &= value.is_some();
            chosen.extend(value.map(|value| (path, value)));
            continue;
        }
        let start = format!("{path}.");
        if let Value::Table(inner) = &entry.node.value
            && known.iter().any(|known| known.starts_with(&start))
        {
            gather(&path, inner, known, chosen, sound, reader);
            continue;
        }
        *sound = false;
        unknown(&path, entry, known, reader);
    }
}

/// Returns the value that a cell has to have for a key; an operation in its canonical form.
fn wanted(path: &str, node: &Node, reader: &mut Reader<'_>) -> Option<Json> {
    if path == keys::OPERATION.path() {
        let mut text = |node: &Node| {
            let operation: Operation = keys::OPERATION.0.element(node, reader)?;
            Some(Json::from(operation.text()))
        };
        return match &node.value {
            Value::Array(items) => items.iter().map(text).collect(),
            _ => text(node),
        };
    }
    let value = to_json(&node.value).filter(is_plain);
    if value.is_none() {
        reader
            .report
            .error(
                node.span,
                format!("`{}` has no value of this kind", excerpt(path)),
            )
            .label("no key is a date, infinite, not a number, beyond 64 bits or of several lines");
    }
    value
}

/// Returns whether the value can be written as TOML in one line.
fn is_plain(value: &Json) -> bool {
    match value {
        Json::Number(number) => number.is_i64() || number.is_f64(),
        Json::String(text) => !text.contains(char::is_control),
        Json::Array(items) => items.iter().all(is_plain),
        Json::Object(entries) => entries.values().all(is_plain),
        _ => true,
    }
}

/// Reports a key that no spec has.
fn unknown(path: &str, entry: &Entry, known: &[String], reader: &mut Reader<'_>) {
    let problem = format!("`{}` is not a key in which cells can differ", excerpt(path));
    let diagnostic = reader.report.error(entry.key_span, problem);
    diagnostic.label("expected a key of the spec, with its table");
    let last = path.rsplit('.').next().unwrap_or(path);
    let in_a_table = known
        .iter()
        .filter(|known| known.rsplit('.').next() == Some(last))
        .min_by_key(|known| known.len());
    let near = suggest::nearest(path, known.iter().map(String::as_str));
    if let Some(near) = in_a_table.map(String::as_str).or(near) {
        diagnostic.add_help(format!("did you mean \"{near}\"?"));
    }
}
