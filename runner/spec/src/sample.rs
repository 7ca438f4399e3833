//! Reads `[sample]`: cells that are drawn from lists and ranges, in place of their full product.
//!
//! A drawn value depends on the seed, the number of the draw and the name of the key alone: a
//! longer sample begins with the shorter one, and another axis changes none of the values.

use serde_json::json;

use crate::axis::{Element as _, report_empty};
use crate::document::{self, Entry, Node, Value};
use crate::field::Reader;
use crate::keys;
use crate::table::Section;
use crate::variants::{self, List, Wanted};

/// How the cells of a sample were drawn.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Sample {
    /// The number of cells.
    pub count: u64,
    /// The seed of the draws.
    pub seed: i64,
    /// The axes: the path of each key, and the list or range that it is drawn from, as TOML.
    pub axes: Vec<(&'static str, String)>,
}

/// Draws the cells of a sample from the tree of a spec.
pub(crate) struct Draws {
    pub(crate) sample: Sample,
    axes: Vec<(List, Values)>,
}

/// The values that a key is drawn from.
enum Values {
    Items(Vec<Node>),
    Range {
        from: f64,
        to: f64,
        log: bool,
    },
    /// Consecutive seeds.
    Seeds {
        start: i128,
        count: i128,
    },
}

/// Returns the sample of a spec that has one; returns `None` also after a mistake in the sample.
pub(crate) fn read(entries: &[Entry], reader: &mut Reader<'_>) -> Option<Draws> {
    let entry = entries
        .iter()
        .find(|entry| entry.key == keys::SAMPLE.path)?;
    let section = Section::open(&keys::SAMPLE, Some(&entry.node), reader);
    let count = keys::SAMPLE_COUNT.check(section.node(&keys::SAMPLE_COUNT)?, reader);
    let seed = keys::SAMPLE_SEED.element(section.node(&keys::SAMPLE_SEED)?, reader);
    let lists = variants::lists(entries, Wanted::Sample);
    let mut axes = Vec::new();
    let mut sound = true;
    for list in lists {
        match values(&list, reader) {
            Some(values) => axes.push((list, values)),
            None => sound = false,
        }
    }
    if sound && axes.is_empty() {
        let diagnostic = reader
            .report
            .error(entry.key_span, "nothing to sample from");
        diagnostic
            .label("expected a key with a list or a range")
            .add_help("for example: learning_rate = { log = [1e-4, 1e-2] } in [train]");
        return None;
    }
    let mut written: Vec<(&'static str, String)> = Vec::new();
    for (list, _) in &axes {
        if written.last().is_none_or(|(path, _)| *path != list.path) {
            let node = list.of_path(entries).unwrap_or(&list.node);
            written.push((list.path, document::toml(node)));
        }
    }
    Some(Draws {
        sample: Sample {
            count: count.filter(|_| sound)?,
            seed: seed?,
            axes: written,
        },
        axes,
    })
}

/// Reads the values that a key is drawn from.
fn values(list: &List, reader: &mut Reader<'_>) -> Option<Values> {
    let name = list.name();
    let Value::Table(entries) = &list.node.value else {
        let items = list.items();
        if items.is_empty() {
            report_empty(&name, list.node.span, reader);
            return None;
        }
        return Some(Values::Items(items.to_vec()));
    };
    if entries.iter().any(|entry| entry.key == "start") {
        let number = |key: &str| {
            let entry = entries.iter().find(|entry| entry.key == key)?;
            match entry.node.value {
                Value::Integer(number) => Some(number),
                _ => None,
            }
        };
        // A table that is not a range of seeds is reported when the seeds are read.
        return Some(match (number("start"), number("count")) {
            (Some(start), Some(count)) if count > 0 => Values::Seeds { start, count },
            _ => Values::Items(vec![list.node.clone()]),
        });
    }
    let range = match entries.as_slice() {
        [entry] => match (&entry.key[..], &entry.node.value) {
            (kind @ ("log" | "uniform"), Value::Array(ends)) => match ends.as_slice() {
                [from, to] => number(from).zip(number(to)).map(|ends| (kind, ends)),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    };
    let problem = match range {
        None => "expected { log = [1e-4, 1e-1] } or { uniform = [0.2, 0.8] }",
        Some((_, (from, to))) if from >= to => "expected the smaller end first",
        Some(("log", (from, _))) if from <= 0.0 => "expected ends above 0 of a log range",
        Some((kind, (from, to))) => {
            let log = kind == "log";
            return Some(Values::Range { from, to, log });
        }
    };
    let diagnostic = reader
        .report
        .error(list.node.span, format!("`{name}` has no such range"));
    diagnostic.label(problem);
    None
}

fn number(node: &Node) -> Option<f64> {
    match node.value {
        Value::Integer(number) => Some(number as f64),
        Value::Float(number) => Some(number).filter(|number| number.is_finite()),
        _ => None,
    }
}

impl Draws {
    /// Returns the tree of draw number `index`.
    pub(crate) fn draw(&self, entries: &[Entry], index: u64) -> Vec<Entry> {
        self.with(entries, |list, values| {
            values.pick(self.share(index, &list.name()), list)
        })
    }

    /// Returns the trees at both ends of every range. If both ends are in the key's range, every
    /// value between them is.
    pub(crate) fn ends(&self, entries: &[Entry]) -> [Vec<Entry>; 2] {
        [0.0, 1.0 - f64::EPSILON]
            .map(|share| self.with(entries, |list, values| values.pick(share, list)))
    }

    fn with(&self, entries: &[Entry], pick: impl Fn(&List, &Values) -> Node) -> Vec<Entry> {
        let mut tree = entries.to_vec();
        for (list, values) in &self.axes {
            list.replace(&mut tree, pick(list, values));
        }
        tree
    }

    /// Returns a number from 0 to below 1 that depends on the seed, the draw and the key alone.
    fn share(&self, index: u64, name: &str) -> f64 {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"grokrun sample 1\n");
        hasher.update(&self.sample.seed.to_le_bytes());
        hasher.update(&index.to_le_bytes());
        hasher.update(name.as_bytes());
        let mut bytes = [0; 8];
        hasher.finalize_xof().fill(&mut bytes);
        (u64::from_le_bytes(bytes) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

impl Values {
    /// Returns the value at `share` of the way through the values.
    fn pick(&self, share: f64, list: &List) -> Node {
        let span = list.node.span;
        let value = match self {
            Values::Items(items) => {
                let place = (share * items.len() as f64) as usize;
                return items[place.min(items.len() - 1)].clone();
            }
            Values::Seeds { start, count } => {
                Value::Integer(start + (share * *count as f64) as i128)
            }
            Values::Range { from, to, log } => {
                let number = match (log, list.whole) {
                    (true, _) => (from.ln() + share * (to.ln() - from.ln())).exp(),
                    (false, false) => from + share * (to - from),
                    // Each integer from one end to the other is equally likely.
                    (false, true) => (from + share * (to - from + 1.0)).floor(),
                };
                if list.whole {
                    Value::Integer(number.round().clamp(*from, *to) as i128)
                } else {
                    Value::Float(short(number).clamp(*from, *to))
                }
            }
        };
        Node { span, value }
    }
}

/// Returns a number with six digits, which suffice for a random value and are short in names of
/// folders.
fn short(number: f64) -> f64 {
    format!("{number:.5e}").parse().unwrap_or(number)
}

/// Returns the schema of a range.
pub(crate) fn range_schema() -> serde_json::Value {
    let ends = json!({
        "type": "array",
        "items": { "type": "number" },
        "minItems": 2,
        "maxItems": 2,
    });
    json!({
        "description": "A range, of a spec with [sample].",
        "type": "object",
        "properties": { "log": ends, "uniform": ends },
        "additionalProperties": false,
        "minProperties": 1,
        "maxProperties": 1,
    })
}
