//! Writes claims as they appear in a resolved spec.

use std::fmt::Write as _;

use super::select::toml;
use super::{At, Claim, Condition, Expected, Measure, Over, Quantity, Range, Selection, Tolerance};
use crate::axis::Point as _;
use crate::field::Field as _;
use crate::keys;

/// Writes a claim as a table of TOML, with every key that is set.
pub(crate) fn write(out: &mut String, claim: &Claim) {
    let mut lines = vec![("source", quoted(&claim.source))];
    lines.extend(claim.says.as_ref().map(|says| ("says", quoted(says))));
    lines.push(("quantity", quantity(&claim.quantity)));
    lines.extend(claim.cells.as_ref().map(|cells| ("where", table(cells))));
    if matches!(claim.quantity, Quantity::Of(_)) {
        lines.push(("over", quoted(over(claim.over))));
    }
    lines.extend(
        claim
            .against
            .as_ref()
            .map(|cells| ("against", table(cells))),
    );
    match claim.expected {
        Expected::Near {
            published,
            tolerance,
        } => {
            lines.push(("published", published.toml()));
            lines.push(match tolerance {
                Tolerance::Absolute(far) => ("tolerance", far.toml()),
                Tolerance::Relative(share) => ("relative", share.toml()),
            });
        }
        Expected::Within { range, published } => {
            lines.extend(published.map(|value| ("published", value.toml())));
            lines.extend(bounds(range));
        }
    }
    let _infallible = write!(out, "\n[[{}]]\n", keys::CLAIM.path());
    for (key, value) in lines {
        let _infallible = writeln!(out, "{key} = {value}");
    }
}

fn quantity(quantity: &Quantity) -> String {
    let pairs = match quantity {
        Quantity::Of(measure) => pairs(measure),
        Quantity::Share(Condition { measure, range }) => match (measure, range) {
            // An event that has to happen is a word; its settings are keys of the same table.
            (Measure::Event { .. }, None) => {
                let mut pairs = pairs(measure);
                pairs[0].0 = "share";
                pairs
            }
            (_, range) => {
                let mut inner = pairs(measure);
                inner.extend(range.iter().flat_map(|range| bounds(*range)));
                vec![("share", inline(inner))]
            }
        },
    };
    inline(pairs)
}

fn pairs(measure: &Measure) -> Vec<(&'static str, String)> {
    match measure {
        Measure::Metric { metric, at } => {
            vec![("metric", quoted(keys::METRIC.0.word(*metric))), place(*at)]
        }
        Measure::Event {
            event,
            accuracy,
            hold,
        } => vec![
            ("event", quoted(keys::EVENT.0.word(*event))),
            ("accuracy", accuracy.toml()),
            ("hold", hold.to_string()),
        ],
        Measure::Series { analysis, name, at } => vec![
            ("series", quoted(analysis)),
            ("name", quoted(name)),
            place(*at),
        ],
    }
}

fn place(at: At) -> (&'static str, String) {
    match at {
        At::Epoch(epoch) => ("epoch", epoch.to_string()),
        At::Last | At::Min | At::Max => ("at", quoted(keys::AT.0.word(at))),
    }
}

fn bounds(range: Range) -> impl Iterator<Item = (&'static str, String)> {
    let bound = |key, bound: Option<f64>| bound.map(|bound| (key, bound.toml()));
    let both = [
        bound("at_least", range.at_least),
        bound("at_most", range.at_most),
    ];
    both.into_iter().flatten()
}

fn table(cells: &Selection) -> String {
    let pair = |(path, wanted)| format!("{} = {}", quoted(path), toml(wanted));
    let pairs: Vec<String> = cells.keys().map(pair).collect();
    format!("{{ {} }}", pairs.join(", "))
}

fn inline(pairs: Vec<(&'static str, String)>) -> String {
    let pairs: Vec<String> = pairs
        .into_iter()
        .map(|(key, value)| format!("{key} = {value}"))
        .collect();
    format!("{{ {} }}", pairs.join(", "))
}

fn over(over: Over) -> &'static str {
    keys::OVER.0.word(over)
}

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}
