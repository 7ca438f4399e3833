//! What a value of a spec may be: one type for each kind of field.
//!
//! A field knows its key, its range, its default and its description, and from these both reads a
//! value ([`Read`]) and describes it for editors ([`Field::schema`]). The table of all fields is
//! in [`crate::keys`]; nothing else in the crate states a range or a default.

use serde_json::{Value as Json, json};

use crate::diagnostic::{Diagnostic, Report};
use crate::document::{Node, Value};
use crate::files::Files;
use crate::source::Sources;
use crate::suggest;
use crate::table::Table;

/// A field of a table, whatever its type.
pub(crate) trait Field: Sync {
    /// The dotted path from the top of the file, as in `train.epochs`.
    fn path(&self) -> &'static str;

    /// The JSON schema of its values, with description and default.
    fn schema(&self) -> Json;

    /// A line that sets the field, if it has to be set.
    fn required(&self) -> Option<&'static str> {
        None
    }

    /// What a list means in the place of the field's value.
    fn listing(&self) -> Listing {
        Listing::Value
    }

    /// The keys of the table that the field takes, if it takes one.
    fn inner(&'static self) -> Option<&'static Table> {
        None
    }

    /// Whether its value is a number, and of which kind.
    fn numbers(&self) -> Numbers {
        Numbers::None
    }

    /// The last part of the path.
    fn key(&self) -> &'static str {
        let path = self.path();
        path.rsplit_once('.').map_or(path, |(_, key)| key)
    }
}

/// What a list means in the place of a field's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Listing {
    /// It is the value, or a mistake.
    Value,
    /// It is an axis that the field reads itself.
    Own,
    /// It is an axis: each cell has one item.
    Axis,
    /// It is the value, and a list of such lists is an axis.
    AxisOfLists,
}

/// The numbers that a field's value can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Numbers {
    /// It is no number.
    None,
    /// Integers.
    Whole,
    /// Integers and what is between them.
    Real,
}

/// A field that is read into one value.
pub(crate) trait Read: Field {
    /// What the field is read into.
    type Out;

    /// Reads `node`. A mistake goes to the report, and a value that is only good for going on
    /// reading comes back.
    fn read(&self, node: &Node, reader: &mut Reader<'_>) -> Self::Out;

    /// The value if the key is absent; only good for going on reading if the field is required.
    fn absent(&self) -> Self::Out;
}

/// What reading needs besides the node: the texts, the files that they name, and where mistakes
/// go.
#[derive(Debug)]
pub(crate) struct Reader<'r> {
    pub(crate) sources: &'r Sources,
    pub(crate) files: &'r Files,
    pub(crate) report: &'r mut Report,
}

/// Whether a field may be left out.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Presence<T> {
    /// It has to be set; the text is a line that does.
    Required(&'static str),
    /// This is its value when it is not set.
    Default(T),
    /// It has no value when it is not set.
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

/// One of a few words; the first is the default.
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

    /// The words, the default first.
    pub(crate) fn words(&self) -> impl Iterator<Item = &'static str> {
        self.options().map(|(word, _)| word)
    }

    /// What one of the words stands for; another text is reported, with what was `expected`.
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
    /// The word for `value`, if one stands for it.
    pub(crate) fn find(&self, value: T) -> Option<&'static str> {
        self.options()
            .find(|(_, option)| *option == value)
            .map(|(word, _)| word)
    }

    /// The word for `value`, for writing specs.
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

/// Yes or no.
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

/// What a field needs, as far as it decides which advice helps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Want {
    Number,
    Text,
    Other,
}

/// Reports that `node` is not what the field `path` needs, with the way out where the intention
/// is plain. The mistake is returned for more help to be added.
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
