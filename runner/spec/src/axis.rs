//! Reads fields that may be lists: the axes of an experiment.

use std::collections::HashMap;

use serde_json::{Value as Json, json};

use crate::document::{Node, Value};
use crate::field::{Field, Listing, Numbers, Read, Reader, Want, wrong_type};
use crate::number::{Integer, Number};
use crate::sample::range_schema;
use crate::source::Span;
use crate::table::{Section, Table};

/// A value of an axis. Two points with the same text are the same point.
pub(crate) trait Point: Clone {
    /// Returns the value as TOML, in its shortest form.
    fn toml(&self) -> String;
}

impl Point for u64 {
    fn toml(&self) -> String {
        self.to_string()
    }
}

impl Point for i64 {
    fn toml(&self) -> String {
        self.to_string()
    }
}

impl Point for f64 {
    fn toml(&self) -> String {
        format!("{self:?}")
    }
}

impl<T: Point> Point for &T {
    fn toml(&self) -> String {
        (*self).toml()
    }
}

/// The values of an axis as written, each with its span; default values have no span.
#[derive(Debug)]
pub(crate) struct Points<T> {
    /// The span of the whole list, or of the only value.
    pub(crate) span: Option<Span>,
    pub(crate) points: Vec<(T, Option<Span>)>,
}

impl<T> Points<T> {
    /// Returns the mapped values at the same spans, without those that map to `None`.
    pub(crate) fn filter_map<U>(self, mut map: impl FnMut(T) -> Option<U>) -> Points<U> {
        let points = self.points.into_iter();
        Points {
            span: self.span,
            points: points
                .filter_map(|(value, span)| Some((map(value)?, span)))
                .collect(),
        }
    }
}

/// A field whose values can be the points of an axis.
pub(crate) trait Element: Field {
    /// What one value is read into.
    type Out: Point;

    /// Reads one value; `None` after a mistake.
    fn element(&self, node: &Node, reader: &mut Reader<'_>) -> Option<Self::Out>;

    /// Returns the value of an absent key that is not required.
    fn default(&self) -> Option<Self::Out> {
        None
    }
}

impl Element for Integer {
    type Out = u64;

    fn element(&self, node: &Node, reader: &mut Reader<'_>) -> Option<u64> {
        self.check(node, reader)
    }
}

impl Element for Number {
    type Out = f64;

    fn element(&self, node: &Node, reader: &mut Reader<'_>) -> Option<f64> {
        self.check(self.path, node, reader)
    }

    fn default(&self) -> Option<f64> {
        self.presence.value()
    }
}

/// A field that takes one value or a list of different ones.
#[derive(Debug)]
pub(crate) struct Axis<F>(pub(crate) F);

impl<F: Element> Field for Axis<F> {
    fn path(&self) -> &'static str {
        self.0.path()
    }

    fn required(&self) -> Option<&'static str> {
        self.0.required()
    }

    fn schema(&self) -> Json {
        axis_schema(self.0.schema(), ranges(&self.0))
    }

    fn listing(&self) -> Listing {
        Listing::Own
    }

    fn numbers(&self) -> Numbers {
        self.0.numbers()
    }
}

impl<F: Element> Read for Axis<F> {
    type Out = Points<F::Out>;

    fn read(&self, node: &Node, reader: &mut Reader<'_>) -> Points<F::Out> {
        read_points(&self.0, node, reader)
    }

    fn absent(&self) -> Points<F::Out> {
        Points {
            span: None,
            points: self.0.default().into_iter().map(|v| (v, None)).collect(),
        }
    }
}

fn read_points<F: Element>(field: &F, node: &Node, reader: &mut Reader<'_>) -> Points<F::Out> {
    let path = field.path();
    let mut points = Vec::new();
    match &node.value {
        Value::Array(items) => {
            if items.is_empty() {
                report_empty(path, node.span, reader);
            }
            let mut first: HashMap<String, Span> = HashMap::new();
            for item in items {
                let Some(value) = field.element(item, reader) else {
                    continue;
                };
                if let Some(first) = first.get(&value.toml()) {
                    report_repeated(path, item.span, *first, reader);
                } else {
                    first.insert(value.toml(), item.span);
                    points.push((value, Some(item.span)));
                }
            }
        }
        _ => points.extend(
            field
                .element(node, reader)
                .map(|value| (value, Some(node.span))),
        ),
    }
    Points {
        span: Some(node.span),
        points,
    }
}

/// Reports that the list of the key `name` has no values.
pub(crate) fn report_empty(name: &str, list: Span, reader: &mut Reader<'_>) {
    let diagnostic = reader
        .report
        .error(list, format!("`{name}` is an empty list"));
    diagnostic.label("expected at least one value");
}

/// Reports an item of the list of the key `name` that makes the same cells as an earlier one.
pub(crate) fn report_repeated(name: &str, item: Span, first: Span, reader: &mut Reader<'_>) {
    let text = reader.sources.excerpt(item);
    let problem = format!("`{name}` has {text} twice");
    let diagnostic = reader.report.error(item, problem);
    diagnostic
        .label("the same value again: it would train the same cells twice")
        .context(first, "first here");
}

/// The schema of the range that a sample may draw the values of a field from.
pub(crate) fn ranges(field: &dyn Field) -> Vec<Json> {
    match field.numbers() {
        Numbers::None => Vec::new(),
        Numbers::Whole | Numbers::Real => vec![range_schema()],
    }
}

/// The schema of a field that takes one `element`, a list of them, or one of `more`.
pub(crate) fn axis_schema(mut element: Json, more: Vec<Json>) -> Json {
    let mut schema = json!({});
    if let Some(element) = element.as_object_mut() {
        for key in ["description", "default"] {
            if let Some(value) = element.remove(key) {
                schema[key] = value;
            }
        }
    }
    let list = json!({ "type": "array", "items": element, "minItems": 1, "uniqueItems": true });
    let mut forms = vec![element, list];
    forms.extend(more);
    schema["anyOf"] = json!(forms);
    schema
}

/// The field of a seed: any 64-bit integer, as in torch.
#[derive(Debug)]
pub(crate) struct Seed {
    pub(crate) path: &'static str,
    pub(crate) about: &'static str,
    pub(crate) required: &'static str,
}

impl Field for Seed {
    fn path(&self) -> &'static str {
        self.path
    }

    fn required(&self) -> Option<&'static str> {
        Some(self.required)
    }

    fn schema(&self) -> Json {
        json!({
            "description": self.about,
            "type": "integer",
            "minimum": i64::MIN,
            "maximum": i64::MAX,
        })
    }

    fn listing(&self) -> Listing {
        Listing::Axis
    }

    fn numbers(&self) -> Numbers {
        Numbers::Whole
    }
}

impl Element for Seed {
    type Out = i64;

    fn element(&self, node: &Node, reader: &mut Reader<'_>) -> Option<i64> {
        let Value::Integer(integer) = node.value else {
            let expected = "an integer, a list of integers, or { start = 0, count = 32 }";
            wrong_type(self.path, Want::Number, expected, node, reader);
            return None;
        };
        let value = i64::try_from(integer).ok();
        if value.is_none() {
            reader
                .report
                .error(node.span, format!("`{}` must fit into 64 bits", self.path))
                .label(format!(
                    "expected an integer from {} to {}",
                    i64::MIN,
                    i64::MAX
                ));
        }
        value
    }
}

/// The field of seeds: one seed, a list, or a range `{ start, count }`.
pub(crate) struct SeedAxis {
    pub(crate) seed: Seed,
    pub(crate) range: &'static Table,
    pub(crate) start: &'static Seed,
    pub(crate) count: &'static Integer,
}

impl Field for SeedAxis {
    fn path(&self) -> &'static str {
        self.seed.path
    }

    fn required(&self) -> Option<&'static str> {
        Some(self.seed.required)
    }

    fn schema(&self) -> Json {
        axis_schema(self.seed.schema(), vec![self.range.schema()])
    }

    fn listing(&self) -> Listing {
        Listing::Own
    }

    fn numbers(&self) -> Numbers {
        Numbers::Whole
    }
}

impl Read for SeedAxis {
    type Out = Points<i64>;

    fn read(&self, node: &Node, reader: &mut Reader<'_>) -> Points<i64> {
        if !matches!(node.value, Value::Table(_)) {
            return read_points(&self.seed, node, reader);
        }
        let section = Section::open(self.range, Some(node), reader);
        let start = section
            .node(self.start)
            .and_then(|node| self.start.element(node, reader));
        let count = section
            .node(self.count)
            .and_then(|node| self.count.element(node, reader));
        let mut points = Vec::new();
        if let (Some(start), Some(count)) = (start, count) {
            match i64::try_from(count - 1)
                .ok()
                .and_then(|more| start.checked_add(more))
            {
                Some(last) => points.extend((start..=last).map(|seed| (seed, Some(node.span)))),
                None => {
                    reader
                        .report
                        .error(
                            node.span,
                            format!("`{}` must fit into 64 bits", self.seed.path),
                        )
                        .label("the last seed of this range is too large");
                }
            }
        }
        Points {
            span: Some(node.span),
            points,
        }
    }

    fn absent(&self) -> Points<i64> {
        Points {
            span: None,
            points: Vec::new(),
        }
    }
}
