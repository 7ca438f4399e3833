//! Reads the field that lists the widths of layers.

use serde_json::{Value as Json, json};

use crate::document::{Node, Value};
use crate::field::{Field, Listing, Read, Reader, Want, wrong_type};
use crate::number::Integer;

/// The field of a list of widths, of at most a given length; a single integer is a list of one.
#[derive(Debug)]
pub(crate) struct Widths {
    /// The range of each width, with path and description.
    pub(crate) each: Integer,
    /// The largest number of widths.
    pub(crate) most: usize,
    pub(crate) default: &'static [usize],
}

impl Field for Widths {
    fn path(&self) -> &'static str {
        self.each.path
    }

    fn schema(&self) -> Json {
        let each = json!({
            "type": "integer",
            "minimum": self.each.min,
            "maximum": self.each.max,
        });
        json!({
            "description": self.each.about,
            "default": self.default,
            "anyOf": [
                each,
                { "type": "array", "items": each, "minItems": 1, "maxItems": self.most },
            ],
        })
    }

    fn listing(&self) -> Listing {
        Listing::AxisOfLists
    }
}

impl Read for Widths {
    type Out = Vec<usize>;

    fn read(&self, node: &Node, reader: &mut Reader<'_>) -> Vec<usize> {
        let expected = format!(
            "a list of 1 to {} integers, as in {:?}",
            self.most, self.default
        );
        let items = match &node.value {
            Value::Array(items) => items.as_slice(),
            Value::Integer(_) => std::slice::from_ref(node),
            _ => {
                wrong_type(self.path(), Want::Other, &expected, node, reader);
                return self.absent();
            }
        };
        if items.is_empty() || items.len() > self.most {
            let found = format!("found {}", items.len());
            reader
                .report
                .error(node.span, format!("`{}` must be {expected}", self.path()))
                .label(found);
            return self.absent();
        }
        let widths = items.iter().map(|item| self.each.check(item, reader));
        // All items are read, so that every mistake is reported.
        let widths: Vec<Option<u64>> = widths.collect();
        let widths = widths.into_iter().collect::<Option<Vec<u64>>>();
        let widths = widths.map(|all| all.into_iter().map(|w| w as usize).collect());
        widths.unwrap_or_else(|| self.absent())
    }

    fn absent(&self) -> Vec<usize> {
        self.default.to_vec()
    }
}
