//! Reads fields that are any text.

use serde_json::{Value as Json, json};

use crate::document::{Node, Value};
use crate::field::{Field, Listing, Reader, Want, wrong_type};

/// A text without a range.
#[derive(Debug)]
pub(crate) struct Word {
    pub(crate) path: &'static str,
    pub(crate) about: &'static str,
    pub(crate) required: Option<&'static str>,
}

impl Field for Word {
    fn path(&self) -> &'static str {
        self.path
    }

    fn required(&self) -> Option<&'static str> {
        self.required
    }

    fn schema(&self) -> Json {
        json!({ "description": self.about, "type": "string", "minLength": 1 })
    }

    fn listing(&self) -> Listing {
        Listing::Axis
    }
}

impl Word {
    /// Reads the text; returns `None` after a mistake.
    pub(crate) fn read<'n>(&self, node: &'n Node, reader: &mut Reader<'_>) -> Option<&'n str> {
        let Value::String(text) = &node.value else {
            wrong_type(self.path, Want::Text, "a text", node, reader);
            return None;
        };
        if text.is_empty() {
            let problem = format!("`{}` is empty", self.path);
            reader
                .report
                .error(node.span, problem)
                .label("expected a text");
            return None;
        }
        Some(text)
    }
}
