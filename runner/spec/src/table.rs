//! Reads tables of fields: which keys are known, which are missing, and where an unknown key
//! belongs.

use serde_json::{Map, Value as Json, json};

use crate::axis::{axis_schema, ranges};
use crate::document::{Entry, Node, Value};
use crate::field::{Field, Listing, Read, Reader, Want, wrong_type};
use crate::source::{Span, excerpt};
use crate::{keys, suggest, variants};

/// A table with a fixed set of keys.
pub(crate) struct Table {
    /// The dotted path from the top of the file; empty for the top itself.
    pub(crate) path: &'static str,
    pub(crate) about: &'static str,
    /// A line that sets the table, if the table is required.
    pub(crate) required: Option<&'static str>,
    pub(crate) fields: &'static [&'static dyn Field],
}

impl Field for Table {
    fn path(&self) -> &'static str {
        self.path
    }

    fn inner(&'static self) -> Option<&'static Table> {
        Some(self)
    }

    fn required(&self) -> Option<&'static str> {
        self.required
    }

    fn schema(&self) -> Json {
        let properties: Map<String, Json> = self
            .fields
            .iter()
            .map(|field| (field.key().to_owned(), listed_schema(*field)))
            .collect();
        let required: Vec<_> = self
            .fields
            .iter()
            .filter(|field| field.required().is_some())
            .map(|field| field.key())
            .collect();
        let mut schema = json!({
            "description": self.about,
            "type": "object",
            "properties": properties,
            "additionalProperties": false,
        });
        if !required.is_empty() {
            schema["required"] = json!(required);
        }
        schema
    }
}

/// Returns the schema of a field, including the list that makes the field an axis.
fn listed_schema(field: &dyn Field) -> Json {
    match variants::listing(field) {
        Listing::Value | Listing::Own => field.schema(),
        Listing::Axis | Listing::AxisOfLists => axis_schema(field.schema(), ranges(field)),
    }
}

/// A table of the file, checked against its known keys.
pub(crate) struct Section<'d> {
    entries: &'d [Entry],
    /// the table's span, if the file has the table
    span: Option<Span>,
}

impl<'d> Section<'d> {
    /// Opens `table` at `node`, which is `None` if the file does not have the table. Reports
    /// unknown and missing keys.
    pub(crate) fn open(table: &Table, node: Option<&'d Node>, reader: &mut Reader<'_>) -> Self {
        let Some(node) = node else {
            return Self {
                entries: &[],
                span: None,
            };
        };
        let Value::Table(entries) = &node.value else {
            let expected = match table.required {
                Some(example) => format!("a table, as in {example}"),
                None => "a table".to_owned(),
            };
            let text = reader.sources.text(node.span);
            let doubled = text.starts_with("[[");
            let diagnostic = wrong_type(table.path, Want::Other, &expected, node, reader);
            if doubled {
                diagnostic.add_help(format!("write [{}], with single brackets", table.path));
            }
            return Self {
                entries: &[],
                span: None,
            };
        };
        Self {
            span: Some(node.span),
            ..Self::open_entries(table, entries, node.span, reader)
        }
    }

    /// Returns the table's span, if the file has the table.
    pub(crate) fn span(&self) -> Option<Span> {
        self.span
    }

    /// Opens the top of a file; `end` is where a key could be added.
    pub(crate) fn open_entries(
        table: &Table,
        entries: &'d [Entry],
        end: Span,
        reader: &mut Reader<'_>,
    ) -> Self {
        for entry in entries {
            if !table.fields.iter().any(|field| field.key() == entry.key) {
                unknown_key(table, entry, reader);
            }
        }
        let missing: Vec<_> = table
            .fields
            .iter()
            .filter(|field| !entries.iter().any(|entry| entry.key == field.key()))
            .filter_map(|field| field.required().map(|example| (field.path(), example)))
            .collect();
        if !missing.is_empty() {
            let keys = if missing.len() == 1 { "key" } else { "keys" };
            let paths = suggest::listing(missing.iter().map(|(path, _)| *path));
            let diagnostic = reader
                .report
                .missing(end, format!("missing {keys} {paths}"));
            // A key of the top cannot follow the first header, so the first header is underlined.
            let above = table.path.is_empty() && !end.range().is_empty();
            diagnostic.label(if above {
                "expected above"
            } else {
                "expected here"
            });
            for (_, example) in missing {
                diagnostic.add_help(format!("for example: {example}"));
            }
        }
        Self {
            entries,
            span: None,
        }
    }

    /// Returns the value of `field`.
    pub(crate) fn read<F: Read>(&self, field: &F, reader: &mut Reader<'_>) -> F::Out {
        match self.node(field) {
            Some(node) => field.read(node, reader),
            None => field.absent(),
        }
    }

    /// Reports each of `fields` that the file has, since these keys belong to `other` alone, which
    /// was not chosen.
    pub(crate) fn refuse(&self, fields: &[&dyn Field], other: &str, reader: &mut Reader<'_>) {
        for field in fields {
            if let Some(node) = self.node(*field) {
                let problem = format!("`{}` is a setting of {other}", field.path());
                let diagnostic = reader.report.idle(node.span, problem);
                diagnostic.label("expected no such key: it would change nothing here");
            }
        }
    }

    /// Returns the node of `field`, if the file has the field.
    pub(crate) fn node(&self, field: &dyn Field) -> Option<&'d Node> {
        self.entries
            .iter()
            .find(|entry| entry.key == field.key())
            .map(|entry| &entry.node)
    }
}

/// Reports `entry`, whose key `table` does not have, and where the key may belong.
fn unknown_key(table: &Table, entry: &Entry, reader: &mut Reader<'_>) {
    let known = || table.fields.iter().map(|field| field.key());
    let is_override = reader.sources.is_override(entry.key_span);
    let word = excerpt(&entry.key);
    let (message, label) = match table.path {
        "" if is_override => (format!("unknown key `{word}`"), "not a key of a spec"),
        "" => {
            let message = format!("unknown key `{word}` at the top of the file");
            (message, "not a key of a spec")
        }
        path => {
            let message = format!("unknown key `{word}` in `{path}`");
            (message, "not a key of this table")
        }
    };
    let diagnostic = reader.report.error(entry.key_span, message);
    diagnostic.label(label);
    if let Some(key) = suggest::nearest(&entry.key, known()) {
        diagnostic.add_help(format!("did you mean `{key}`?"));
    } else if let Some((home, key)) = keys::home(&entry.key) {
        diagnostic.add_help(match home.path {
            "" if is_override => format!("did you mean `{key}`?"),
            path if is_override => format!("did you mean `{path}.{key}`?"),
            "" => format!("`{key}` belongs at the top of the file, above the first [table]"),
            path => format!("`{key}` belongs in [{path}]"),
        });
    }
    diagnostic.add_help(format!("the keys here are {}", suggest::listing(known())));
}
