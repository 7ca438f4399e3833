//! Replaces lists by values: the axes of `[data]`, `[model]` and `[train]`, and the draws of a
//! sample.
//!
//! Works on the tree of the file: with every list replaced by one of its items, the tables are read
//! like those of a spec without axes. Knows nothing of what the values mean.

use std::sync::Arc;

use crate::axis::{report_empty, report_repeated};
use crate::changes::is_of_length;
use crate::diagnostic::Report;
use crate::document::{Entry, Node, Value};
use crate::field::{Field, Listing, Numbers, Reader};
use crate::keys::{self, MAX_CELLS};
use crate::settings::{self, Settings, TABLES};
use crate::source::Span;
use crate::table::Table;

/// A list of values, or a range; each cell has one of the values.
#[derive(Clone, Debug)]
pub(crate) struct List {
    /// The keys that lead to the list from the top of the file.
    keys: Vec<String>,
    /// The path of the field that the list stands at or in.
    pub(crate) path: &'static str,
    /// Whether the list's numbers are integers.
    pub(crate) whole: bool,
    /// The node of the list.
    pub(crate) node: Node,
}

/// Which lists are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// The lists of keys that do not read a list themselves.
    Grid,
    /// All lists, and tables that describe a range.
    Sample,
}

/// Returns the lists of a spec, in the order of the table of keys.
pub(crate) fn lists(entries: &[Entry], wanted: Wanted) -> Vec<List> {
    let mut found = Vec::new();
    walk(&keys::TOP, entries, &[], None, wanted, &mut found);
    found
}

/// Returns whether the cells of a run can differ in a key. The keys that say how long a run goes
/// on, and what is kept of it, cannot differ: a cell that is trained for longer is the same cell.
fn varies(field: &dyn Field) -> bool {
    let path = field.path();
    let fixed: [&dyn Field; 6] = [
        &keys::PAIRS,
        &keys::STOP,
        &keys::CHECKPOINTS,
        &keys::SEEDS_STREAM,
        &keys::ANALYSIS,
        &keys::SAMPLE,
    ];
    !is_of_length(path) && !fixed.iter().any(|field| field.path() == path)
}

/// Returns the meaning of a list at a key of `[data]`, `[model]` or `[train]`.
pub(crate) fn listing(field: &dyn Field) -> Listing {
    let path = field.path();
    let of_parts = [&keys::GROUP as &dyn Field, &keys::CHANGES, &keys::STOP];
    let part = of_parts
        .iter()
        .any(|whole| path.starts_with(&format!("{}.", whole.path())));
    if settings::has(path) && !part && varies(field) {
        field.listing()
    } else {
        Listing::Value
    }
}

fn walk(
    table: &'static Table,
    entries: &[Entry],
    above: &[String],
    of: Option<&'static str>,
    wanted: Wanted,
    found: &mut Vec<List>,
) {
    for field in table.fields {
        let entry = entries.iter().find(|entry| entry.key == field.key());
        let Some(entry) = entry.filter(|_| varies(*field)) else {
            continue;
        };
        let keys = [above, std::slice::from_ref(&entry.key)].concat();
        // The tables of the spec are not keys themselves.
        let own = (!above.is_empty()).then_some(field.path());
        let path = of.or(own).unwrap_or(field.path());
        let is_axis = match (&entry.node.value, field.listing(), wanted) {
            (Value::Array(_), Listing::Axis, _) => true,
            (Value::Array(items), Listing::AxisOfLists, _) => {
                let list = |item: &Node| matches!(item.value, Value::Array(_));
                items.iter().any(list)
            }
            (Value::Array(_), Listing::Own, Wanted::Sample) => true,
            (Value::Table(range), Listing::Own | Listing::Axis, Wanted::Sample) => {
                let of_range = |entry: &Entry| {
                    matches!(entry.key.as_str(), "log" | "uniform" | "start" | "count")
                };
                range.iter().any(of_range)
            }
            _ => false,
        };
        if is_axis {
            found.push(List {
                keys,
                path,
                whole: field.numbers() == Numbers::Whole,
                node: entry.node.clone(),
            });
        } else if let (Value::Table(inner), Some(table)) = (&entry.node.value, field.inner()) {
            let of = of.or(own);
            walk(table, inner, &keys, of, wanted, found);
        }
    }
}

impl List {
    /// Returns the items of a list; a range has none.
    pub(crate) fn items(&self) -> &[Node] {
        match &self.node.value {
            Value::Array(items) => items,
            _ => &[],
        }
    }

    /// Returns the name of the key, with the names of the tables that contain it.
    pub(crate) fn name(&self) -> String {
        self.keys.join(".")
    }

    /// Returns the node at the key of the table that the list is at or in.
    pub(crate) fn of_path<'e>(&self, entries: &'e [Entry]) -> Option<&'e Node> {
        let mut keys = self.path.split('.');
        let first = keys.next()?;
        let mut node = &entries.iter().find(|entry| entry.key == first)?.node;
        for key in keys {
            let Value::Table(inner) = &node.value else {
                return None;
            };
            node = &inner.iter().find(|entry| entry.key == key)?.node;
        }
        Some(node)
    }

    /// Replaces the list by `node`.
    pub(crate) fn replace(&self, entries: &mut Vec<Entry>, node: Node) {
        let key = self.keys.last();
        let entry = self
            .table(entries)
            .and_then(|table| table.iter_mut().find(|entry| Some(&entry.key) == key));
        if let Some(entry) = entry {
            entry.node = node;
        }
    }

    /// Removes the key from its table.
    fn remove(&self, entries: &mut Vec<Entry>) {
        if let Some(table) = self.table(entries) {
            table.retain(|entry| Some(&entry.key) != self.keys.last());
        }
    }

    /// Returns the table that contains the list.
    fn table<'e>(&self, entries: &'e mut Vec<Entry>) -> Option<&'e mut Vec<Entry>> {
        let mut above = self.keys.iter().take(self.keys.len().saturating_sub(1));
        above.try_fold(entries, |table, key| {
            let entry = table.iter_mut().find(|entry| entry.key == *key)?;
            match &mut entry.node.value {
                Value::Table(inner) => Some(inner),
                _ => None,
            }
        })
    }
}

/// The settings of all cells, and the axes that they come from.
#[derive(Debug)]
pub(crate) struct Variants {
    /// The settings of each combination of items; the last list varies fastest.
    pub(crate) settings: Vec<Arc<Settings>>,
    /// The keys whose values differ.
    pub(crate) varied: Vec<&'static str>,
    /// The length, the name and the span of each list.
    pub(crate) axes: Vec<(usize, String, Span)>,
}

/// Reads the tables of a spec once for each combination of the items of their lists.
pub(crate) fn read(entries: &[Entry], reader: &mut Reader<'_>) -> Variants {
    let of_settings = |entry: &&Entry| TABLES.contains(&entry.key.as_str());
    let mut base: Vec<Entry> = entries.iter().filter(of_settings).cloned().collect();
    let mut lists = lists(&base, Wanted::Grid);
    lists.retain(|list| !refuse_empty(list, &mut base, reader));
    let axes = lists
        .iter()
        .map(|list| (list.items().len(), list.name(), list.node.span));
    let axes: Vec<_> = axes.collect();
    let count = axes.iter().try_fold(1_u64, |count, (length, ..)| {
        count.checked_mul(*length as u64)
    });
    // Too many combinations are reported with the other axes; one is read to find its mistakes.
    let count = count.filter(|count| *count <= MAX_CELLS).unwrap_or(1);

    let mut settings = Vec::new();
    let mut reports = Vec::new();
    for index in 0..count {
        let mut rest = index as usize;
        for list in lists.iter().rev() {
            let items = list.items();
            list.replace(&mut base, items[rest % items.len()].clone());
            rest /= items.len();
        }
        let mut report = Report::new();
        let mut own = Reader {
            sources: reader.sources,
            files: reader.files,
            report: &mut report,
        };
        settings.push(Arc::new(Settings::read(&base, &mut own)));
        reports.push(report);
    }
    let spans: Vec<Span> = lists.iter().map(|list| list.node.span).collect();
    let sound = reader.report.gather(reports, &spans);
    if sound && settings.len() as u64 == count && count > 1 {
        refuse_repeated(&lists, &settings, reader);
    }
    let mut varied: Vec<&'static str> = lists
        .iter()
        .filter(|list| list.items().len() > 1)
        .map(|list| list.path)
        .collect();
    varied.dedup();
    Variants {
        settings,
        varied,
        axes,
    }
}

/// Reports a list without items and removes it from the tree.
fn refuse_empty(list: &List, base: &mut Vec<Entry>, reader: &mut Reader<'_>) -> bool {
    let empty = list.items().is_empty();
    if empty {
        report_empty(&list.name(), list.node.span, reader);
        list.remove(base);
    }
    empty
}

/// Reports items that make the same cells as an earlier item of their list.
fn refuse_repeated(lists: &[List], settings: &[Arc<Settings>], reader: &mut Reader<'_>) {
    let mut step = settings.len();
    for list in lists {
        let items = list.items();
        step /= items.len();
        for (place, item) in items.iter().enumerate() {
            let same = (0..place).find(|&one| settings[one * step] == settings[place * step]);
            if let Some(first) = same {
                report_repeated(&list.name(), item.span, items[first].span, reader);
            }
        }
    }
}
