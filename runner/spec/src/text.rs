//! Reads texts, and fields of one of a few words without a default.

use serde_json::{Value as Json, json};

use crate::document::{Node, Value};
use crate::field::{Choice, Field, Reader, Want, wrong_type};
use crate::suggest;

/// The field of a text of one line that is not empty.
#[derive(Debug)]
pub(crate) struct Text {
    pub(crate) path: &'static str,
    pub(crate) about: &'static str,
    /// A line that sets the field.
    pub(crate) example: &'static str,
    pub(crate) is_required: bool,
}

impl Field for Text {
    fn path(&self) -> &'static str {
        self.path
    }

    fn required(&self) -> Option<&'static str> {
        self.is_required.then_some(self.example)
    }

    fn schema(&self) -> Json {
        json!({ "description": self.about, "type": "string", "minLength": 1 })
    }
}

impl Text {
    /// Reads `node`; returns `None` unless the value is a text of one line that is not empty.
    pub(crate) fn check(&self, node: &Node, reader: &mut Reader<'_>) -> Option<String> {
        let expected = format!("a text, as in {}", self.example);
        let Value::String(text) = &node.value else {
            wrong_type(self.path, Want::Text, &expected, node, reader);
            return None;
        };
        let objection = match text {
            text if text.trim().is_empty() => "empty",
            text if text.contains(char::is_control) => "it has a line break or the like in it",
            text => return Some(text.clone()),
        };
        let problem = format!("`{}` must be {expected}", self.path);
        reader.report.error(node.span, problem).label(objection);
        None
    }
}

/// The field of one of a few words; an absent key has no value.
#[derive(Debug)]
pub(crate) struct Word<T: 'static>(pub(crate) Choice<T>);

impl<T: Copy + Sync> Field for Word<T> {
    fn path(&self) -> &'static str {
        self.0.path
    }

    fn schema(&self) -> Json {
        json!({ "description": self.0.about, "enum": self.0.words().collect::<Vec<_>>() })
    }
}

impl<T: Copy> Word<T> {
    /// Reads `node`; returns `None` if the value is not one of the words.
    pub(crate) fn check(&self, node: &Node, reader: &mut Reader<'_>) -> Option<T> {
        let expected = suggest::alternatives(self.0.words());
        let Value::String(text) = &node.value else {
            wrong_type(self.0.path, Want::Other, &expected, node, reader);
            return None;
        };
        self.0.pick(text, &expected, node, reader)
    }
}
