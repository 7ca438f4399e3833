//! What a value of a spec may be: one type for each kind of field.
//!
//! A field knows its key, its range, its default and its description, and from these both reads a
//! value ([`Read`]) and describes it for editors ([`Field::schema`]). The table of all fields is
//! in [`crate::keys`]; nothing else in the crate states a range or a default.

use serde_json::{Value as Json, json};

use crate::diagnostic::Report;
use crate::document::{Node, Value};
use crate::source::Sources;
use crate::suggest;

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

    /// The last part of the path.
    fn key(&self) -> &'static str {
        let path = self.path();
        path.rsplit_once('.').map_or(path, |(_, key)| key)
    }
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

/// What reading needs besides the node: the texts, and where mistakes go.
#[derive(Debug)]
pub(crate) struct Reader<'r> {
    pub(crate) sources: &'r Sources,
    pub(crate) report: &'r mut Report,
}

/// Whether a field may be left out.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Presence<T> {
    /// It has to be set; the text is a line that does.
    Required(&'static str),
    /// This is its value when it is not set.
    Default(T),
}

impl<T: Copy> Presence<T> {
    fn required(self) -> Option<&'static str> {
        match self {
            Self::Required(example) => Some(example),
            Self::Default(_) => None,
        }
    }

    fn value(self) -> Option<T> {
        match self {
            Self::Required(_) => None,
            Self::Default(value) => Some(value),
        }
    }
}

/// An integer of a range. Seeds have their own type: they may be negative.
#[derive(Debug)]
pub(crate) struct Integer {
    pub(crate) path: &'static str,
    pub(crate) about: &'static str,
    pub(crate) min: u64,
    pub(crate) max: u64,
    pub(crate) presence: Presence<u64>,
}

impl Integer {
    fn expected(&self) -> String {
        format!("an integer from {} to {}", grouped(self.min), grouped(self.max))
    }

    /// Reads `node`; `None` if it is no integer of the range.
    pub(crate) fn check(&self, node: &Node, reader: &mut Reader<'_>) -> Option<u64> {
        let Value::Integer(integer) = node.value else {
            wrong_type(self.path, Want::Number, &self.expected(), node, reader);
            return None;
        };
        let value = u64::try_from(integer).ok();
        let value = value.filter(|value| (self.min..=self.max).contains(value));
        if value.is_none() {
            let low = integer < i128::from(self.min);
            reader
                .report
                .error(node.span, format!("`{}` must be {}", self.path, self.expected()))
                .label(if low { "too small" } else { "too large" });
        }
        value
    }
}

impl Field for Integer {
    fn path(&self) -> &'static str {
        self.path
    }

    fn required(&self) -> Option<&'static str> {
        self.presence.required()
    }

    fn schema(&self) -> Json {
        let mut schema = json!({
            "description": self.about,
            "type": "integer",
            "minimum": self.min,
            "maximum": self.max,
        });
        if let Some(default) = self.presence.value() {
            schema["default"] = json!(default);
        }
        schema
    }
}

impl Read for Integer {
    type Out = u64;

    fn read(&self, node: &Node, reader: &mut Reader<'_>) -> u64 {
        self.check(node, reader).unwrap_or_else(|| self.absent())
    }

    fn absent(&self) -> u64 {
        self.presence.value().unwrap_or(self.min)
    }
}

/// The lower end of a range of numbers; the upper end is open, closed or absent likewise.
#[derive(Clone, Copy, Debug)]
pub(crate) enum End {
    /// The number itself is in the range.
    Closed(f64),
    /// The number itself is not in the range.
    Open(f64),
    /// No end but that numbers are finite.
    None,
}

/// A finite floating-point number of a range. Integers are taken too.
#[derive(Debug)]
pub(crate) struct Number {
    pub(crate) path: &'static str,
    pub(crate) about: &'static str,
    pub(crate) low: End,
    pub(crate) high: End,
    pub(crate) presence: Presence<f64>,
}

impl Number {
    fn expected(&self) -> String {
        match (self.low, self.high) {
            (End::Open(low), End::Open(high)) => {
                format!("a number strictly between {low} and {high}")
            }
            (End::Closed(low), End::Closed(high)) => format!("a number from {low} to {high}"),
            (End::Closed(low), End::Open(high)) => {
                format!("a number of at least {low} and below {high}")
            }
            (End::Open(low), End::Closed(high)) => {
                format!("a number above {low} and at most {high}")
            }
            (End::Open(low), End::None) => format!("a finite number above {low}"),
            (End::Closed(low), End::None) => format!("a finite number of at least {low}"),
            (End::None, _) => "a finite number".to_owned(),
        }
    }

    /// What is wrong with `value`, if anything.
    fn objection(&self, value: f64) -> Option<&'static str> {
        let low = match self.low {
            End::Closed(low) => value >= low,
            End::Open(low) => value > low,
            End::None => true,
        };
        let high = match self.high {
            End::Closed(high) => value <= high,
            End::Open(high) => value < high,
            End::None => true,
        };
        match () {
            () if value.is_nan() => Some("this is not a number"),
            () if value.is_infinite() => Some("not finite"),
            () if !low => Some("too small"),
            () if !high => Some("too large"),
            () => None,
        }
    }

    /// Reads `node` under the name `path`; `None` if it is no number of the range.
    pub(crate) fn check(&self, path: &str, node: &Node, reader: &mut Reader<'_>) -> Option<f64> {
        let value = match node.value {
            Value::Float(value) => value,
            // Above 2^53 rounding is what anybody would expect of a number used as a float.
            Value::Integer(value) => value as f64,
            _ => {
                wrong_type(path, Want::Number, &self.expected(), node, reader);
                return None;
            }
        };
        if let Some(objection) = self.objection(value) {
            reader
                .report
                .error(node.span, format!("`{path}` must be {}", self.expected()))
                .label(objection);
            return None;
        }
        // Adding zero turns −0 into 0: they mean the same and must not differ in a fingerprint.
        Some(value + 0.0)
    }

    fn fallback(&self) -> f64 {
        self.presence.value().unwrap_or(1.0)
    }
}

impl Field for Number {
    fn path(&self) -> &'static str {
        self.path
    }

    fn required(&self) -> Option<&'static str> {
        self.presence.required()
    }

    fn schema(&self) -> Json {
        let mut schema = json!({ "description": self.about, "type": "number" });
        match self.low {
            End::Closed(low) => schema["minimum"] = json!(low),
            End::Open(low) => schema["exclusiveMinimum"] = json!(low),
            End::None => {}
        }
        match self.high {
            End::Closed(high) => schema["maximum"] = json!(high),
            End::Open(high) => schema["exclusiveMaximum"] = json!(high),
            End::None => {}
        }
        if let Some(default) = self.presence.value() {
            schema["default"] = json!(default);
        }
        schema
    }
}

impl Read for Number {
    type Out = f64;

    fn read(&self, node: &Node, reader: &mut Reader<'_>) -> f64 {
        self.check(self.path, node, reader).unwrap_or_else(|| self.fallback())
    }

    fn absent(&self) -> f64 {
        self.fallback()
    }
}

/// Two numbers of one range, as a list.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) each: Number,
    pub(crate) default: [f64; 2],
}

impl Field for Pair {
    fn path(&self) -> &'static str {
        self.each.path
    }

    fn schema(&self) -> Json {
        let mut each = self.each.schema();
        if let Some(each) = each.as_object_mut() {
            each.remove("description");
            each.remove("default");
        }
        json!({
            "description": self.each.about,
            "type": "array",
            "items": each,
            "minItems": 2,
            "maxItems": 2,
            "default": self.default,
        })
    }
}

impl Read for Pair {
    type Out = [f64; 2];

    fn read(&self, node: &Node, reader: &mut Reader<'_>) -> [f64; 2] {
        let path = self.each.path;
        let expected = format!("a list of two numbers, as in {:?}", self.default);
        let Value::Array(items) = &node.value else {
            wrong_type(path, Want::Other, &expected, node, reader);
            return self.default;
        };
        let [first, second] = items.as_slice() else {
            let found = match items.len() {
                1 => "found one number".to_owned(),
                n => format!("found {n} numbers"),
            };
            reader.report.error(node.span, format!("`{path}` must be {expected}")).label(found);
            return self.default;
        };
        let first = self.each.check(&format!("{path}[0]"), first, reader);
        let second = self.each.check(&format!("{path}[1]"), second, reader);
        [first.unwrap_or(self.default[0]), second.unwrap_or(self.default[1])]
    }

    fn absent(&self) -> [f64; 2] {
        self.default
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
}

impl<T: Copy + PartialEq> Choice<T> {
    /// The word for `value`, for writing specs.
    pub(crate) fn word(&self, value: T) -> &'static str {
        self.options().find(|(_, option)| *option == value).map_or(self.default.0, |(word, _)| word)
    }
}

impl<T: Copy + Sync> Field for Choice<T> {
    fn path(&self) -> &'static str {
        self.path
    }

    fn schema(&self) -> Json {
        json!({
            "description": self.about,
            "enum": self.options().map(|(word, _)| word).collect::<Vec<_>>(),
            "default": self.default.0,
        })
    }
}

impl<T: Copy + Sync> Read for Choice<T> {
    type Out = T;

    fn read(&self, node: &Node, reader: &mut Reader<'_>) -> T {
        let words: Vec<_> = self.options().map(|(word, _)| word).collect();
        let expected = match words.as_slice() {
            [only] => format!("{only:?}"),
            _ => format!("one of {}", suggest::listing(words.iter().copied())),
        };
        let Value::String(text) = &node.value else {
            wrong_type(self.path, Want::Text, &expected, node, reader);
            return self.default.1;
        };
        if let Some((_, value)) = self.options().find(|(word, _)| word == text) {
            return value;
        }
        let diagnostic =
            reader.report.error(node.span, format!("`{}` must be {expected}", self.path));
        diagnostic.label("unknown");
        if let Some(word) = suggest::nearest(text, words) {
            diagnostic.add_help(format!("did you mean \"{word}\"?"));
        }
        self.default.1
    }

    fn absent(&self) -> T {
        self.default.1
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
/// is plain.
pub(crate) fn wrong_type(
    path: &str,
    want: Want,
    expected: &str,
    node: &Node,
    reader: &mut Reader<'_>,
) {
    let text = reader.sources.text(node.span);
    let help = match &node.value {
        Value::Float(value) if want == Want::Number && value.fract() == 0.0 && value.abs() < 1e15 => {
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
    let diagnostic = reader.report.error(node.span, format!("`{path}` must be {expected}"));
    diagnostic.label(format!("found {}", node.value.kind()));
    if let Some(help) = help {
        diagnostic.add_help(help);
    }
}

/// `1000000` as `1_000_000`: the way TOML may write it.
pub(crate) fn grouped(value: u64) -> String {
    let digits = value.to_string();
    if digits.len() <= 5 {
        return digits;
    }
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push('_');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::grouped;

    #[test]
    fn long_numbers_are_grouped() {
        assert_eq!(grouped(65535), "65535");
        assert_eq!(grouped(100_000), "100_000");
        assert_eq!(grouped(1_000_000_000), "1_000_000_000");
    }
}
