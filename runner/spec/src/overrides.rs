//! Reads `--set key=value`: one value of a spec, given on the command line.
//!
//! The text is TOML (`seeds.model=[1, 2]`), but a text value needs no quotes (`operation=add`),
//! since a shell removes them. The value is grafted onto the tree of the file, so that later
//! modules treat both alike; the spans say which text a value came from.

use toml::de::DeTable;

use crate::diagnostic::Report;
use crate::document::{Entry, Node, Value, entries};
use crate::source::{Sources, excerpt};
use crate::syntax;

/// Reads the override in source number `source`; returns no entries after a mistake.
pub(crate) fn read(source: usize, sources: &Sources, report: &mut Report) -> Vec<Entry> {
    let text = sources.text(sources.whole(source));
    let (table, errors) = DeTable::parse_recoverable(text);
    let read = entries(table.get_ref(), source, sources);
    let Some(equals) = text
        .find('=')
        .filter(|_| !(errors.is_empty() && read.is_empty()))
    else {
        report
            .error(
                sources.whole(source),
                format!("`{}` sets nothing", excerpt(text)),
            )
            .label("expected key=value, as in train.epochs=500");
        return Vec::new();
    };
    if errors.is_empty() {
        return read;
    }
    // The bytes of the key have the same positions in the key alone as in the whole text, and so
    // have the spans.
    let key_alone = format!("{}0", &text[..=equals]);
    let Ok(key) = DeTable::parse(&key_alone) else {
        let key = text[..equals].trim();
        let message = match key {
            "" => "the key is missing".to_owned(),
            _ => format!("`{}` is not a key", excerpt(key)),
        };
        report
            .syntax(sources.span(source, 0..equals), message)
            .label("expected a key of the spec, as in train.epochs");
        return Vec::new();
    };
    let value = text[equals + 1..].trim();
    if !is_bare_text(value) {
        syntax::report(source, sources, &errors, report);
        return Vec::new();
    }
    let start = text.len() - text[equals + 1..].trim_start().len();
    let node = Node {
        span: sources.span(source, start..start + value.len()),
        value: Value::String(value.to_owned()),
    };
    let mut read = entries(key.get_ref(), source, sources);
    set_leaf(&mut read, node);
    read
}

/// Returns whether `value`, which is not TOML, was meant as text: it is neither the beginning of a
/// quoted text, a list or a table, nor a number written in another language's way.
fn is_bare_text(value: &str) -> bool {
    let number = value.starts_with(|first: char| first.is_ascii_digit() || "+-.".contains(first))
        && value.parse::<f64>().is_ok();
    !(number || value.is_empty() || value.starts_with(['"', '\'', '[', '{']))
}

/// Replaces the innermost value of `a.b.c = value` by `node`.
fn set_leaf(entries: &mut [Entry], node: Node) {
    let Some(entry) = entries.first_mut() else {
        return;
    };
    match &mut entry.node.value {
        Value::Table(inner) => set_leaf(inner, node),
        _ => entry.node = node,
    }
}

/// Puts the values of `from` into the tree `into`. Tables are merged; other values are replaced.
pub(crate) fn graft(into: &mut Vec<Entry>, from: Vec<Entry>) {
    for entry in from {
        let Some(known) = into.iter_mut().find(|known| known.key == entry.key) else {
            into.push(entry);
            continue;
        };
        match (&mut known.node.value, entry.node.value) {
            (Value::Table(into), Value::Table(from)) => graft(into, from),
            (_, value) => {
                known.key_span = entry.key_span;
                known.node = Node {
                    span: entry.node.span,
                    value,
                };
            }
        }
    }
}
