//! Reads `[[claim]]`: an array of tables, each with a quantity, cells and an expected value.

use serde_json::{Value as Json, json};

use super::{Claim, Expected, Over, Quantity, Range, Selection, Tolerance};
use crate::document::{Entry, Node, Value};
use crate::field::{Field, Read, Reader, Want, wrong_type};
use crate::keys;
use crate::number::Number;
use crate::source::{Span, excerpt};
use crate::suggest;
use crate::table::Section;
use crate::text::Word;

mod cells;
mod quantity;

/// The field of the array of claims.
#[derive(Debug)]
pub(crate) struct Claims {
    pub(crate) about: &'static str,
}

/// The field of the keys that choose cells.
#[derive(Debug)]
pub(crate) struct Selector {
    pub(crate) path: &'static str,
    pub(crate) about: &'static str,
    pub(crate) example: &'static str,
}

/// The field of a share: of the cells with an event, or of the cells within bounds.
#[derive(Debug)]
pub(crate) struct ShareField {
    pub(crate) path: &'static str,
    pub(crate) about: &'static str,
    /// the events that have no table
    pub(crate) word: Word<super::Event>,
}

impl Field for Claims {
    fn path(&self) -> &'static str {
        "claim"
    }

    fn schema(&self) -> Json {
        json!({
            "description": self.about,
            "type": "array",
            "items": keys::ONE_CLAIM.schema(),
        })
    }
}

impl Read for Claims {
    type Out = Vec<(Claim, Span)>;

    /// Returns each claim with the span of its analysis, or else of the claim.
    fn read(&self, node: &Node, reader: &mut Reader<'_>) -> Self::Out {
        let Value::Array(items) = &node.value else {
            let expected = "a list of tables, each written under [[claim]]";
            let diagnostic = wrong_type(self.path(), Want::Other, expected, node, reader);
            if matches!(node.value, Value::Table(_)) {
                diagnostic.add_help("write [[claim]], with double brackets");
            }
            return Vec::new();
        };
        let all = items.iter().map(|item| claim(item, reader));
        all.collect::<Vec<_>>().into_iter().flatten().collect()
    }

    fn absent(&self) -> Self::Out {
        Vec::new()
    }
}

fn claim(node: &Node, reader: &mut Reader<'_>) -> Option<(Claim, Span)> {
    let section = Section::open(&keys::ONE_CLAIM, Some(node), reader);
    let Value::Table(_) = node.value else {
        return None;
    };
    let source = section.node(&keys::SOURCE);
    let source = source.and_then(|node| keys::SOURCE.check(node, reader));
    let says = section.node(&keys::SAYS);
    let says = says.and_then(|node| keys::SAYS.check(node, reader));
    let quantity = section.node(&keys::QUANTITY);
    let quantity = quantity.and_then(|node| quantity::read(node, reader));
    let mut cells = |selector: &Selector| {
        let node = section.node(selector)?;
        cells::read(selector, node, reader)
    };
    let (chosen, against) = (cells(&keys::WHERE), cells(&keys::AGAINST));
    let over = over(&section, quantity.as_ref().map(|(q, _)| q), reader);
    let expected = expected(&section, node, reader);
    let (quantity, place) = quantity?;
    let claim = Claim {
        source: source?,
        says,
        quantity,
        cells: chosen,
        over,
        against,
        expected: expected?,
    };
    Some((claim, place.unwrap_or(node.span)))
}

/// Reads how the values of several cells become one.
fn over(section: &Section<'_>, quantity: Option<&Quantity>, reader: &mut Reader<'_>) -> Over {
    let against = section.node(&keys::AGAINST).is_some();
    let Some(node) = section.node(&keys::OVER) else {
        return match quantity {
            Some(Quantity::Share(_)) => Over::Mean,
            _ if against => Over::Median,
            _ => Over::Each,
        };
    };
    let Some(over) = keys::OVER.check(node, reader) else {
        return Over::Each;
    };
    if matches!(quantity, Some(Quantity::Share(_))) {
        reader
            .report
            .error(node.span, "`claim.over` says nothing of a share")
            .label("expected no such key: a share is one number of all cells");
        return Over::Mean;
    }
    if against && over == Over::Each {
        reader
            .report
            .error(
                node.span,
                "`claim.against` compares one number with another",
            )
            .label("expected \"median\", \"mean\", \"min\" or \"max\"");
    }
    over
}

/// Returns the number of `field`; `None` if the field is absent or not a number.
fn number(section: &Section<'_>, field: &Number, reader: &mut Reader<'_>) -> Option<f64> {
    field.check(field.path, section.node(field)?, reader)
}

/// Returns the bounds in a table, in order; `None` if there are none, or after a mistake.
fn range(
    section: &Section<'_>,
    [low, high]: [&Number; 2],
    reader: &mut Reader<'_>,
) -> Option<Range> {
    let (at_least, at_most) = (number(section, low, reader), number(section, high, reader));
    if let (Some(least), Some(most), Some(node)) = (at_least, at_most, section.node(high))
        && least > most
    {
        reader
            .report
            .error(node.span, "no number is within these bounds")
            .label(format!("expected `at_most` to be {least} or more"));
        return None;
    }
    (at_least.is_some() || at_most.is_some()).then_some(Range { at_least, at_most })
}

/// The value that the quantity should have.
fn expected(section: &Section<'_>, node: &Node, reader: &mut Reader<'_>) -> Option<Expected> {
    let published = number(section, &keys::PUBLISHED, reader);
    let absolute = number(section, &keys::TOLERANCE, reader);
    let relative = number(section, &keys::RELATIVE, reader);
    let range = range(section, [&keys::AT_LEAST, &keys::AT_MOST], reader);
    let first = |fields: [&dyn Field; 2]| fields.into_iter().find_map(|f| section.node(f));
    let near = first([&keys::TOLERANCE, &keys::RELATIVE]);
    let bound = first([&keys::AT_LEAST, &keys::AT_MOST]);
    if let (Some(one), Some(other)) = (
        section.node(&keys::TOLERANCE),
        section.node(&keys::RELATIVE),
    ) {
        reader
            .report
            .error(other.span, "a claim has one tolerance")
            .label("expected `tolerance` or `relative`")
            .context(one.span, "the other one");
        return None;
    }
    match (near, bound) {
        (Some(one), Some(other)) => {
            reader
                .report
                .error(other.span, "a claim has a tolerance or bounds, not both")
                .label("expected a tolerance or bounds, not both")
                .context(one.span, "the tolerance");
            None
        }
        (None, None) => {
            reader
                .report
                .missing(node.span, "the claim does not say which values keep it")
                .label("expected `tolerance`, `relative`, `at_least` or `at_most` here")
                .add_help(
                    "for example: tolerance = 0.001, or relative = 0.01 for 1 % of `published`",
                )
                .add_help("for example: at_least = 0.99, in place of `published`");
            None
        }
        (Some(_), None) => {
            if section.node(&keys::PUBLISHED).is_none() {
                reader
                    .report
                    .missing(node.span, "missing key `claim.published`")
                    .label("expected here: the value that the tolerance is about")
                    .add_help("for example: published = 0.9989");
            }
            let absolute = absolute.map(Tolerance::Absolute);
            Some(Expected::Near {
                published: published?,
                tolerance: absolute.or(relative.map(Tolerance::Relative))?,
            })
        }
        (None, Some(_)) => Some(Expected::Within {
            range: range?,
            published,
        }),
    }
}

/// Reports claims on series of analyses that the spec does not ask for; `tables` are the tables of
/// those that it does.
pub(crate) fn check_analyses(
    claims: &[(Claim, Span)],
    tables: Option<&Node>,
    reader: &mut Reader<'_>,
) {
    let tables: &[Entry] = match tables.map(|node| &node.value) {
        Some(Value::Table(entries)) => entries,
        _ => &[],
    };
    for (claim, place) in claims {
        let Some(analysis) = claim.analysis() else {
            continue;
        };
        if tables.iter().any(|table| table.key == analysis) {
            continue;
        }
        let shown = excerpt(analysis);
        let problem = format!("the spec does not ask for the analysis `{shown}`");
        let diagnostic = reader.report.error(*place, problem);
        diagnostic.label("a claim on its series cannot be evaluated");
        let names = tables.iter().map(|table| table.key.as_str());
        match suggest::nearest(analysis, names) {
            Some(name) => diagnostic.add_help(format!("did you mean `{name}`?")),
            None => diagnostic.add_help(format!("add the table [analysis.{shown}]")),
        };
    }
}
