//! Defines the kinds of values of a spec: one type for each kind of field.
//!
//! A field holds its key, its range, its default and its description. From these the field reads a
//! value ([`Read`]) and describes the value for editors ([`Field::schema`]). The table of all
//! fields is in [`crate::keys`]; nothing else in the crate states a range or a default.

use serde_json::{Value as Json, json};

use crate::diagnostic::{Diagnostic, Report};
use crate::document::{Node, Value};
use crate::files::Files;
use crate::source::Sources;
use crate::suggest;
use crate::table::Table;

/// A field of a table, of any type.
pub(crate) trait Field: Sync {
    /// Returns the dotted path from the top of the file, as in `train.epochs`.
    fn path(&self) -> &'static str;

    /// Returns the JSON schema of the values, with description and default.
    fn schema(&self) -> Json;

    /// Returns a line that sets the field, if the field is required.
    fn required(&self) -> Option<&'static str> {
        None
    }

    /// Returns the meaning of a list in place of the field's value.
    fn listing(&self) -> Listing {
        Listing::Value
    }

    /// Returns the keys of the table that the field takes, if the field takes a table.
    fn inner(&'static self) -> Option<&'static Table> {
        None
    }

    /// Returns which numbers the field's value can be.
    fn numbers(&self) -> Numbers {
        Numbers::None
    }

    /// Returns the last part of the path.
    fn key(&self) -> &'static str {
        let path = self.path();
        path.rsplit_once('.').map_or(path, |(_, key)| key)
    }
}

/// The meaning of a list in place of a field's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Listing {
    /// The list is the value, or a mistake.
    Value,
    /// The list is an axis that the field reads itself.
    Own,
    /// The list is an axis: each cell has one item.
    Axis,
    /// The list is the value, and a list of such lists is an axis.
    AxisOfLists,
}

/// The numbers that a field's value can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Numbers {
    /// The value is not a number.
    None,
    /// Integers.
    Whole,
    /// Integers and other finite numbers.
    Real,
}

/// A field that is read into one value.
pub(crate) trait Read: Field {
    /// What the field is read into.
    type Out;

    /// Reads `node`. After a mistake, which goes to the report, the returned value only serves to
    /// continue reading.
    fn read(&self, node: &Node, reader: &mut Reader<'_>) -> Self::Out;

    /// Returns the value of an absent key; if the field is required, the value only serves to
    /// continue reading.
    fn absent(&self) -> Self::Out;
}

/// The context of reading a node: the texts, the files that they name, and the report.
#[derive(Debug)]
pub(crate) struct Reader<'r> {
    pub(crate) sources: &'r Sources,
    pub(crate) files: &'r Files,
    pub(crate) report: &'r mut Report,
}

/// Whether a field may be left out.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Presence<T> {
    /// The field is required; the text is a line that sets the field.
    Required(&'static str),
    /// The value of a field that is not set.
    Default(T),
    /// A field that is not set has no value.
    Optional,
}

impl<T: Copy> Presence<T> {
    pub(crate) fn required(self) -> Option<&'static str> {
        match self {
            Self::Required(example) => Some(example),
            Self::Default(_) | Self::Optional => None,
        }
    }

    pub(crate) fn value(self) -> Option<T> {
        match self {
            Self::Required(_) | Self::Optional => None,
            Self::Default(value) => Some(value),
        }
    }
}

/// The field of one of a few words; the first word is the default.
#[derive(Debug)]
pub(crate) struct Choice<T: 'static> {
    pub(crate) path: &'static str,
    pub(crate) about: &'static str,
    pub(crate) default: (&'static str, T),
    pub(crate) others: &'static [(&'static str, T)],
}

impl<T: Copy> Choice<T> {
    fn options(&self) -> impl Iterator<Item = (&'static str, T)> {
        std::iter::once(self.default).chain(self.others.iter().copied())
    }

    /// Returns the words, the default first.
    pub(crate) fn words(&self) -> impl Iterator<Item = &'static str> {
        self.options().map(|(word, _)| word)
    }

    /// Returns the value of a word. Another text is reported, with what was `expected`.
    pub(crate) fn pick(
        &self,
        text: &str,
        expected: &str,
        node: &Node,
        reader: &mut Reader<'_>,
    ) -> Option<T> {
        if let Some((_, value)) = self.options().find(|(word, _)| *word == text) {
            return Some(value);
        }
        let diagnostic = reader
            .report
            .error(node.span, format!("`{}` must be {expected}", self.path));
        diagnostic.label("unknown");
        if let Some(word) = suggest::nearest(text, self.words()) {
            diagnostic.add_help(format!("did you mean \"{word}\"?"));
        }
        None
    }
}

impl<T: Copy + PartialEq> Choice<T> {
    /// Returns the word for `value`, if there is one.
    pub(crate) fn find(&self, value: T) -> Option<&'static str> {
        self.options()
            .find(|(_, option)| *option == value)
            .map(|(word, _)| word)
    }

    /// Returns the word for `value`, for writing specs.
    pub(crate) fn word(&self, value: T) -> &'static str {
        self.find(value).unwrap_or(self.default.0)
    }
}

impl<T: Copy + Sync> Field for Choice<T> {
    fn path(&self) -> &'static str {
        self.path
    }

    fn schema(&self) -> Json {
        json!({
            "description": self.about,
            "enum": self.words().collect::<Vec<_>>(),
            "default": self.default.0,
        })
    }

    fn listing(&self) -> Listing {
        Listing::Axis
    }
}

impl<T: Copy + Sync> Read for Choice<T> {
    type Out = T;

    fn read(&self, node: &Node, reader: &mut Reader<'_>) -> T {
        let words: Vec<_> = self.words().collect();
        let expected = match words.as_slice() {
            [only] => format!("{only:?}"),
            _ => suggest::alternatives(words.iter().copied()),
        };
        let Value::String(text) = &node.value else {
            wrong_type(self.path, Want::Other, &expected, node, reader);
            return self.default.1;
        };
        self.pick(text, &expected, node, reader)
            .unwrap_or(self.default.1)
    }

    fn absent(&self) -> T {
        self.default.1
    }
}

/// The field of yes or no.
#[derive(Debug)]
pub(crate) struct Flag {
    pub(crate) path: &'static str,
    pub(crate) about: &'static str,
    pub(crate) default: bool,
}

impl Field for Flag {
    fn path(&self) -> &'static str {
        self.path
    }

    fn schema(&self) -> Json {
        json!({ "description": self.about, "type": "boolean", "default": self.default })
    }

    fn listing(&self) -> Listing {
        Listing::Axis
    }
}

impl Read for Flag {
    type Out = bool;

    fn read(&self, node: &Node, reader: &mut Reader<'_>) -> bool {
        let Value::Boolean(value) = node.value else {
            let diagnostic = wrong_type(self.path, Want::Other, "true or false", node, reader);
            if matches!(&node.value, Value::String(text) if text == "true" || text == "false") {
                diagnostic.add_help("write it without quotes");
            }
            return self.default;
        };
        value
    }

    fn absent(&self) -> bool {
        self.default
    }
}

/// The kind of value that a field needs, as far as the kind decides which advice helps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Want {
    Number,
    Text,
    Other,
}

/// Reports that `node` is not of the kind that the field `path` needs, with advice if the intention
/// is plain. Returns the mistake, so that the caller can add more help.
pub(crate) fn wrong_type<'r>(
    path: &str,
    want: Want,
    expected: &str,
    node: &Node,
    reader: &'r mut Reader<'_>,
) -> &'r mut Diagnostic {
    let text = reader.sources.text(node.span);
    let help = match &node.value {
        Value::Float(value)
            if want == Want::Number && value.fract() == 0.0 && value.abs() < 1e15 =>
        {
            Some(format!("write {value}"))
        }
        Value::String(value) if want == Want::Number && value.trim().parse::<f64>().is_ok() => {
            Some(format!("write {} without quotes", value.trim()))
        }
        Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime
            if want == Want::Text =>
        {
            Some(if reader.sources.is_override(node.span) {
                format!("if text is meant, quote it twice: --set '{path}=\"{text}\"'")
            } else {
                format!("if text is meant, write \"{text}\"")
            })
        }
        _ => None,
    };
    let diagnostic = reader
        .report
        .error(node.span, format!("`{path}` must be {expected}"));
    diagnostic.label(format!("found {}", node.value.kind()));
    if let Some(help) = help {
        diagnostic.add_help(help);
    }
    diagnostic
}
