//! Reads numbers: integers and floats within a range, and pairs of them.

use serde_json::{Value as Json, json};

use crate::document::{Node, Value};
use crate::field::{Field, Listing, Numbers, Presence, Read, Reader, Want, wrong_type};

/// The field of an integer in a range. Seeds have their own type, since they may be negative.
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
        format!(
            "an integer from {} to {}",
            grouped(self.min),
            grouped(self.max)
        )
    }

    /// Reads `node`; returns `None` if the value is not an integer in the range.
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
                .error(
                    node.span,
                    format!("`{}` must be {}", self.path, self.expected()),
                )
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

    fn listing(&self) -> Listing {
        Listing::Axis
    }

    fn numbers(&self) -> Numbers {
        Numbers::Whole
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

/// The lower end of a range of numbers; the upper end is closed, open or absent in the same way.
#[derive(Clone, Copy, Debug)]
pub(crate) enum End {
    /// The number itself is in the range.
    Closed(f64),
    /// The number itself is not in the range.
    Open(f64),
    /// The range has no end; numbers must be finite.
    None,
}

/// The precision in which a number is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Width {
    /// The training uses the number: it must be in its range as an `f32` as well, even if a device
    /// flushes a subnormal number to 0.
    Single,
    Double,
}

/// The field of a finite floating-point number in a range. Integers are accepted too.
#[derive(Debug)]
pub(crate) struct Number {
    pub(crate) path: &'static str,
    pub(crate) about: &'static str,
    pub(crate) low: End,
    pub(crate) high: End,
    pub(crate) width: Width,
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

    /// Returns what is wrong with `value`, or `None`.
    fn objection(&self, value: f64) -> Option<String> {
        if value.is_nan() {
            return Some("this is not a number".to_owned());
        }
        if value.is_infinite() {
            return Some("not finite".to_owned());
        }
        if let Some(objection) = self.beyond(value) {
            return Some(objection.to_owned());
        }
        let single = as_trained_with(value);
        if self.width == Width::Single && self.beyond(single).is_some() {
            return Some(format!(
                "training uses 32-bit floats, where this is {single}"
            ));
        }
        None
    }

    /// Returns on which side of the range `value` is, or `None` if it is inside.
    fn beyond(&self, value: f64) -> Option<&'static str> {
        let low = match self.low {
            End::Closed(low) => value >= low,
            End::Open(low) => value > low,
            End::None => true,
        };
        let high = match self.high {
            End::Closed(high) => value <= high,
            End::Open(high) => value < high,
            End::None => value.is_finite(),
        };
        match (low, high) {
            (false, _) => Some("too small"),
            (_, false) => Some("too large"),
            _ => None,
        }
    }

    /// Reads `node` under the name `path`; returns `None` if the value is not a number in the
    /// range.
    pub(crate) fn check(&self, path: &str, node: &Node, reader: &mut Reader<'_>) -> Option<f64> {
        let value = match node.value {
            Value::Float(value) => value,
            // Above 2^53 the integer is rounded, as anybody would expect of a number used as a
            // float.
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
        // Adding zero turns −0 into 0: both mean the same and must not differ in a fingerprint.
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

    fn listing(&self) -> Listing {
        Listing::Axis
    }

    fn numbers(&self) -> Numbers {
        Numbers::Real
    }
}

impl Read for Number {
    type Out = f64;

    fn read(&self, node: &Node, reader: &mut Reader<'_>) -> f64 {
        self.check(self.path, node, reader)
            .unwrap_or_else(|| self.fallback())
    }

    fn absent(&self) -> f64 {
        self.fallback()
    }
}

/// The field of two numbers in one range, as a list.
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

    fn listing(&self) -> Listing {
        Listing::AxisOfLists
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
            reader
                .report
                .error(node.span, format!("`{path}` must be {expected}"))
                .label(found);
            return self.default;
        };
        let first = self.each.check(&format!("{path}[0]"), first, reader);
        let second = self.each.check(&format!("{path}[1]"), second, reader);
        [
            first.unwrap_or(self.default[0]),
            second.unwrap_or(self.default[1]),
        ]
    }

    fn absent(&self) -> [f64; 2] {
        self.default
    }
}

/// Returns `value` as training uses it: an `f32`, and 0 if that is subnormal, as on many devices.
fn as_trained_with(value: f64) -> f64 {
    let single = value as f32;
    if single.is_subnormal() {
        0.0
    } else {
        f64::from(single)
    }
}

/// Returns `1000000` as `1_000_000`, which TOML accepts.
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
