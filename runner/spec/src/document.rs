//! Reads a TOML text into a tree of values with their spans, and reports mistakes of syntax.
//!
//! The tree is the `toml` crate's, rebuilt so that every value knows which of the [`Sources`] it
//! came from: values of `--set` are grafted onto the tree of the file. Knows nothing of the keys of
//! a spec.

use toml::de::{DeTable, DeValue};

use crate::diagnostic::Report;
use crate::source::{Sources, Span};
use crate::syntax;

/// A value with its span.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) span: Span,
    pub(crate) value: Value,
}

/// A TOML value.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    String(String),
    /// An integer. Integers beyond 128 bits are stored as the end of that range, which is far
    /// outside every range that a spec accepts.
    Integer(i128),
    Float(f64),
    Boolean(bool),
    /// A date. No key of a spec is a date, so the value is not kept.
    Datetime,
    Array(Vec<Node>),
    Table(Vec<Entry>),
}

/// One `key = value` of a table.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_span: Span,
    pub(crate) node: Node,
}

impl Value {
    /// Returns the value's kind with its article, for "found …".
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Value::String(_) => "a string",
            Value::Integer(_) => "an integer",
            Value::Float(_) => "a float",
            Value::Boolean(_) => "a boolean",
            Value::Datetime => "a date",
            Value::Array(_) => "a list",
            Value::Table(_) => "a table",
        }
    }
}

/// Returns the value as TOML, on one line.
pub(crate) fn toml(node: &Node) -> String {
    match &node.value {
        Value::String(text) => toml::Value::from(text.as_str()).to_string(),
        Value::Integer(integer) => integer.to_string(),
        Value::Float(float) => format!("{float:?}"),
        Value::Boolean(boolean) => boolean.to_string(),
        // No key of a spec is a date.
        Value::Datetime => "\"a date\"".to_owned(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(toml).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Table(entries) => {
            let one = |entry: &Entry| {
                let key = toml::Value::from(entry.key.as_str()).to_string();
                format!("{key} = {}", toml(&entry.node))
            };
            let entries: Vec<String> = entries.iter().map(one).collect();
            format!("{{ {} }}", entries.join(", "))
        }
    }
}

/// Reads the TOML document in source number `source`. Mistakes of syntax go to `report`; the tree
/// holds the part that could be understood.
pub(crate) fn read(source: usize, sources: &Sources, report: &mut Report) -> Vec<Entry> {
    let text = sources.text(sources.whole(source));
    let (table, errors) = DeTable::parse_recoverable(text);
    syntax::report(source, sources, &errors, report);
    entries(table.get_ref(), source, sources)
}

/// Returns the entries of `table`, in the order of the text.
pub(crate) fn entries(table: &DeTable<'_>, source: usize, sources: &Sources) -> Vec<Entry> {
    let mut entries: Vec<Entry> = table
        .iter()
        .map(|(key, value)| Entry {
            key: key.get_ref().to_string(),
            key_span: sources.span(source, key.span()),
            node: Node {
                span: sources.span(source, value.span()),
                value: convert(value.get_ref(), source, sources),
            },
        })
        .collect();
    entries.sort_by_key(|entry| entry.key_span);
    entries
}

/// Converts a value. The recursion is bounded, since the parser refuses deep nesting.
fn convert(value: &DeValue<'_>, source: usize, sources: &Sources) -> Value {
    match value {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Integer(integer) => {
            let digits = integer.as_str();
            let saturated = if digits.starts_with('-') {
                i128::MIN
            } else {
                i128::MAX
            };
            Value::Integer(i128::from_str_radix(digits, integer.radix()).unwrap_or(saturated))
        }
        // The parser has reported a text that is not a float; NaN takes its place.
        DeValue::Float(float) => Value::Float(float.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(boolean) => Value::Boolean(*boolean),
        DeValue::Datetime(_) => Value::Datetime,
        DeValue::Array(items) => Value::Array(
            items
                .iter()
                .map(|item| Node {
                    span: sources.span(source, item.span()),
                    value: convert(item.get_ref(), source, sources),
                })
                .collect(),
        ),
        DeValue::Table(table) => Value::Table(entries(table, source, sources)),
    }
}

/// Returns the place where a key could be added to the top of the file: before the first table with
/// a header, or at the end.
pub(crate) fn end_of_top(entries: &[Entry], sources: &Sources) -> Span {
    let header = entries
        .iter()
        .map(|entry| entry.key_span)
        .find(|span| sources.line(*span).trim_start().starts_with('['));
    header.unwrap_or_else(|| {
        let whole = sources.whole(0);
        sources.span(0, whole.range().end..whole.range().end)
    })
}
