//! Reads `quantity` of a claim: what is measured on the cells.

use serde_json::{Value as Json, json};

use super::{ShareField, number, range};
use crate::claim::{At, Condition, Event, Measure, Quantity};
use crate::document::{Node, Value};
use crate::field::{Field, Reader, Want, wrong_type};
use crate::keys;
use crate::source::Span;
use crate::suggest;
use crate::table::{Section, Table};

/// The default accuracy of an event, by which the summary too says that a cell memorised or
/// grokked. The default number of further epochs is the summary's as well.
const ACCURACY: f64 = 0.99;
const HOLD: u64 = 500;

impl Field for ShareField {
    fn path(&self) -> &'static str {
        self.path
    }

    fn schema(&self) -> Json {
        json!({
            "description": self.about,
            "anyOf": [
                { "enum": self.word.0.words().collect::<Vec<_>>() },
                keys::SHARE_TABLE.schema(),
            ],
        })
    }
}

/// Reads the quantity at `node`. Returns it with the span of its analysis, if the quantity belongs
/// to one.
pub(super) fn read(node: &Node, reader: &mut Reader<'_>) -> Option<(Quantity, Option<Span>)> {
    let section = Section::open(&keys::QUANTITY, Some(node), reader);
    let kinds: [&dyn Field; 4] = [&keys::METRIC, &keys::EVENT, &keys::SERIES, &keys::SHARE];
    if only(&kinds, &keys::QUANTITY, &section, node, reader)? != keys::SHARE.key() {
        let measure = measure(&section, node, reader)?;
        return Some((Quantity::Of(measure), place(&section)));
    }
    let share = section.node(&keys::SHARE)?;
    if let Value::Table(_) = share.value {
        let beside: [&dyn Field; 5] = [
            &keys::SERIES_NAME,
            &keys::EPOCH,
            &keys::AT,
            &keys::ACCURACY,
            &keys::HOLD,
        ];
        section.refuse(&beside, "the table of `share`", reader);
        let inner = Section::open(&keys::SHARE_TABLE, Some(share), reader);
        let condition = condition(&inner, share, reader)?;
        return Some((Quantity::Share(condition), place(&inner)));
    }
    let words = suggest::alternatives(keys::SHARE.word.0.words());
    let example = keys::SHARE_TABLE.required().unwrap_or_default();
    let expected = format!("{words}, or a table as in {example}");
    let Value::String(text) = &share.value else {
        wrong_type(keys::SHARE.path, Want::Other, &expected, share, reader);
        return None;
    };
    let event = keys::SHARE.word.0.pick(text, &expected, share, reader);
    let of_values: [&dyn Field; 3] = [&keys::SERIES_NAME, &keys::EPOCH, &keys::AT];
    section.refuse(&of_values, "metrics and series", reader);
    let condition = Condition {
        measure: happening(event?, &section, reader),
        range: None,
    };
    Some((Quantity::Share(condition), None))
}

/// Reads the condition on which a cell counts in a share.
fn condition(section: &Section<'_>, node: &Node, reader: &mut Reader<'_>) -> Option<Condition> {
    let kinds: [&dyn Field; 3] = [&keys::METRIC, &keys::EVENT, &keys::SERIES];
    only(&kinds, &keys::SHARE_TABLE, section, node, reader)?;
    let measure = measure(section, node, reader);
    let ends = [&keys::SHARE_AT_LEAST, &keys::SHARE_AT_MOST];
    let range = range(section, ends, reader);
    let measure = measure?;
    let happens = matches!(
        measure,
        Measure::Event {
            event: Event::Memorised | Event::Grokked,
            ..
        }
    );
    let bounded = ends.iter().any(|end| section.node(*end).is_some());
    if !bounded && !happens {
        reader
            .report
            .missing(node.span, "the share does not say which cells count")
            .label("expected `at_least` or `at_most` here")
            .add_help("for example: at_least = 0.9");
    }
    (range.is_some() || (happens && !bounded)).then_some(Condition { measure, range })
}

/// Returns the only one of these fields that the table has, by its key. Reports a table that has
/// none of them, or more than one.
fn only<'f>(
    fields: &[&'f dyn Field],
    table: &Table,
    section: &Section<'_>,
    node: &Node,
    reader: &mut Reader<'_>,
) -> Option<&'f str> {
    let there = fields
        .iter()
        .filter_map(|field| Some((field.key(), section.node(*field)?)));
    let there: Vec<(&str, &Node)> = there.collect();
    let keys = suggest::listing(fields.iter().map(|field| field.key()));
    match there.as_slice() {
        [(key, _)] => Some(key),
        [] => {
            // A misspelt key has been reported already.
            let known = |key: &str| table.fields.iter().any(|field| field.key() == key);
            if let Value::Table(entries) = &node.value
                && entries.iter().all(|entry| known(&entry.key))
            {
                reader
                    .report
                    .missing(node.span, format!("`{}` names no quantity", table.path))
                    .label(format!("expected one of {keys} here"))
                    .add_help(format!(
                        "for example: {}",
                        table.required.unwrap_or_default()
                    ));
            }
            None
        }
        [(_, one), (_, other), ..] => {
            reader
                .report
                .error(other.span, format!("`{}` names two quantities", table.path))
                .label(format!("expected one of {keys}"))
                .context(one.span, "the first");
            None
        }
    }
}

/// Reads the number of a cell that the table describes, which has one of the keys of a kind.
fn measure(section: &Section<'_>, node: &Node, reader: &mut Reader<'_>) -> Option<Measure> {
    let of_events: [&dyn Field; 2] = [&keys::ACCURACY, &keys::HOLD];
    if let Some(metric) = section.node(&keys::METRIC) {
        let metric = keys::METRIC.check(metric, reader);
        section.refuse(&of_events, "events", reader);
        section.refuse(&[&keys::SERIES_NAME], "series", reader);
        let at = at(section, node, reader);
        return Some(Measure::Metric {
            metric: metric?,
            at: at?,
        });
    }
    if let Some(event) = section.node(&keys::EVENT) {
        let event = keys::EVENT.check(event, reader);
        let of_values: [&dyn Field; 3] = [&keys::SERIES_NAME, &keys::EPOCH, &keys::AT];
        section.refuse(&of_values, "metrics and series", reader);
        return Some(happening(event?, section, reader));
    }
    let analysis = keys::SERIES.check(section.node(&keys::SERIES)?, reader);
    section.refuse(&of_events, "events", reader);
    let name = match section.node(&keys::SERIES_NAME) {
        Some(name) => keys::SERIES_NAME.check(name, reader),
        None => {
            reader
                .report
                .missing(
                    node.span,
                    format!("missing key `{}`", keys::SERIES_NAME.path),
                )
                .label("expected here: the series' name")
                .add_help(format!("for example: {}", keys::SERIES_NAME.example));
            None
        }
    };
    let at = at(section, node, reader);
    Some(Measure::Series {
        analysis: analysis?,
        name: name?,
        at: at?,
    })
}

/// Returns an event with the settings in the table.
fn happening(event: Event, section: &Section<'_>, reader: &mut Reader<'_>) -> Measure {
    let hold = section.node(&keys::HOLD);
    Measure::Event {
        event,
        accuracy: number(section, &keys::ACCURACY, reader).unwrap_or(ACCURACY),
        hold: hold
            .and_then(|node| keys::HOLD.check(node, reader))
            .unwrap_or(HOLD),
    }
}

/// Reads the epoch of a value: `epoch` or `at`.
fn at(section: &Section<'_>, node: &Node, reader: &mut Reader<'_>) -> Option<At> {
    match (section.node(&keys::EPOCH), section.node(&keys::AT)) {
        (Some(epoch), None) => keys::EPOCH.check(epoch, reader).map(At::Epoch),
        (None, Some(at)) => keys::AT.check(at, reader),
        (Some(epoch), Some(at)) => {
            reader
                .report
                .error(at.span, "a quantity is of one epoch")
                .label("expected `epoch` or `at`, not both")
                .context(epoch.span, "the epoch");
            None
        }
        (None, None) => {
            reader
                .report
                .missing(node.span, "the quantity does not say of which epoch it is")
                .label("expected `epoch` or `at` here")
                .add_help("for example: epoch = 42, or at = \"last\", \"min\" or \"max\"");
            None
        }
    }
}

/// Returns the span of the analysis of a series.
fn place(section: &Section<'_>) -> Option<Span> {
    section.node(&keys::SERIES).map(|node| node.span)
}
