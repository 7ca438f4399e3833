//! The field `operation`: a name or an expression, read by the task crate.

use grokrun_task::Operation;
use serde_json::{Value as Json, json};

use crate::axis::Element;
use crate::document::{Node, Value};
use crate::field::{Field, Reader, Want, wrong_type};
use crate::source::{Sources, Span};

/// What is learned.
#[derive(Debug)]
pub(crate) struct OperationField {
    pub(crate) path: &'static str,
    pub(crate) about: &'static str,
    pub(crate) example: &'static str,
}

impl Field for OperationField {
    fn path(&self) -> &'static str {
        self.path
    }

    fn required(&self) -> Option<&'static str> {
        Some(self.example)
    }

    fn schema(&self) -> Json {
        json!({
            "description": self.about,
            "type": "string",
            "minLength": 1,
            "examples": Operation::names().collect::<Vec<_>>(),
        })
    }
}

impl Element for OperationField {
    type Out = Operation;

    fn element(&self, node: &Node, reader: &mut Reader<'_>) -> Option<Operation> {
        let Value::String(text) = &node.value else {
            let expected = "the name of an operation, an expression in `a` and `b`, or a list";
            wrong_type(self.path, Want::Text, expected, node, reader);
            return None;
        };
        match Operation::parse(text) {
            Ok(operation) => Some(operation),
            Err(error) => {
                let span = inside(node.span, text, error.span, reader.sources);
                let diagnostic = reader.report.error(span, error.message);
                diagnostic.label(format!("expected {}", error.expected));
                if let Some(help) = error.help {
                    diagnostic.add_help(help);
                }
                None
            }
        }
    }
}

/// Where the bytes `range` of the string `value`, written at `node`, stand. All of `node` for a
/// string with escapes, in which the bytes of the value are not those of the text.
fn inside(node: Span, value: &str, range: std::ops::Range<usize>, sources: &Sources) -> Span {
    let quotes = match sources.text(node).find(value) {
        Some(quotes) if !value.is_empty() => quotes,
        _ => return node,
    };
    let start = node.start() + quotes;
    sources.span(node.source(), start + range.start..start + range.end)
}
