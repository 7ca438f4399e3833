//! Reads fields that take one of a few words, or a table where a word does not say enough.

use serde_json::{Value as Json, json};

use crate::document::{Node, Value};
use crate::field::{Choice, Field, Listing, Read, Reader, Want, wrong_type};
use crate::suggest;
use crate::table::{Section, Table};

/// The field of one of a few words, as in `attention = "softmax"`, or a table, as in `attention = {
/// rate = 0.5 }`.
pub(crate) struct WordOrTable<T: 'static> {
    /// The words, with path, description and default.
    pub(crate) word: Choice<T>,
    /// The keys of the table; `required` is an example of it.
    pub(crate) table: &'static Table,
    /// Reads a table whose keys are known; returns `None` after a mistake.
    pub(crate) read: fn(&Section<'_>, &mut Reader<'_>) -> Option<T>,
    /// Writes a value that has no word, as a table of TOML.
    pub(crate) write: fn(T) -> String,
}

impl<T: Copy + PartialEq> WordOrTable<T> {
    /// Returns the value as TOML: its word if there is one.
    pub(crate) fn toml(&self, value: T) -> String {
        match self.word.find(value) {
            Some(word) => toml::Value::from(word).to_string(),
            None => (self.write)(value),
        }
    }
}

impl<T: Copy + Sync> Field for WordOrTable<T> {
    fn path(&self) -> &'static str {
        self.word.path
    }

    fn schema(&self) -> Json {
        let word = self.word.schema();
        json!({
            "description": word["description"],
            "default": word["default"],
            "anyOf": [{ "enum": word["enum"] }, self.table.schema()],
        })
    }

    fn listing(&self) -> Listing {
        Listing::Axis
    }

    fn inner(&'static self) -> Option<&'static Table> {
        Some(self.table)
    }
}

impl<T: Copy + Sync> Read for WordOrTable<T> {
    type Out = T;

    fn read(&self, node: &Node, reader: &mut Reader<'_>) -> T {
        let expected = || {
            let words = suggest::alternatives(self.word.words());
            let example = self.table.required.unwrap_or("a table");
            format!("{words}, or a table as in {example}")
        };
        let value = match &node.value {
            Value::String(text) => self.word.pick(text, &expected(), node, reader),
            Value::Table(_) => {
                let section = Section::open(self.table, Some(node), reader);
                (self.read)(&section, reader)
            }
            _ => {
                wrong_type(self.word.path, Want::Other, &expected(), node, reader);
                None
            }
        };
        value.unwrap_or(self.absent())
    }

    fn absent(&self) -> T {
        self.word.absent()
    }
}
