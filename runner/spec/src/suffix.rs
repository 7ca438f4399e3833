//! Makes the part of cells' ids that tells the keys in which cells differ.
//!
//! Knows values as they are written in TOML, not what the values mean.

use std::collections::{BTreeMap, HashMap};

use crate::plan::Cell;
use crate::settings::{self, Settings};

/// The length of the longest text for the value of a key, in bytes.
const LONGEST: usize = 40;
/// The length of the longest text for all keys, in bytes, which still fits a folder's name.
const LONGEST_OF_ALL: usize = 120;

/// The suffix of each cell's id.
pub(crate) struct Suffixes {
    of: HashMap<*const Settings, String>,
}

impl Suffixes {
    /// Makes the suffixes of cells that differ in these keys, and maybe in others.
    pub(crate) fn new(cells: &[Cell], varied: &[&'static str]) -> Suffixes {
        let settings = settings::distinct(cells);
        let mut of: HashMap<*const Settings, String> = HashMap::new();
        let values: Vec<HashMap<&str, String>> = match settings.len() {
            // A value that all cells share tells no cells apart.
            1 => Vec::new(),
            _ => settings
                .iter()
                .map(|settings| settings.values().into_iter().collect())
                .collect(),
        };
        for path in varied {
            let column = values.iter().map(|values| values.get(path));
            let texts = texts(path, &column.collect::<Vec<_>>());
            for (settings, text) in settings.iter().zip(texts) {
                let suffix = of.entry(std::ptr::from_ref(*settings)).or_default();
                suffix.push_str(&text);
            }
        }
        for suffix in of.values_mut() {
            *suffix = shortened(suffix, LONGEST_OF_ALL);
        }
        Suffixes { of }
    }

    /// Returns the suffix of a cell; empty if no key differs.
    pub(crate) fn of(&self, cell: &Cell) -> &str {
        let suffix = self.of.get(&std::ptr::from_ref(&*cell.settings));
        suffix.map_or("", String::as_str)
    }
}

/// Returns the text of each value of a key, with the key in front; empty for a missing value.
fn texts(path: &str, values: &[Option<&String>]) -> Vec<String> {
    let parsed: Vec<Option<toml::Value>> = values
        .iter()
        .map(|value| {
            let table: toml::Table = format!("x = {}", (*value)?).parse().ok()?;
            let value = table.get("x")?;
            Some(match value.as_array().map(Vec::as_slice) {
                Some([only @ toml::Value::Table(_)]) => only.clone(),
                _ => value.clone(),
            })
        })
        .collect();
    // An entry that all tables share tells no tables apart.
    let mut tables: Vec<&toml::Table> = Vec::new();
    for table in parsed.iter().flatten().filter_map(toml::Value::as_table) {
        if !tables.contains(&table) {
            tables.push(table);
        }
    }
    let is_alike_alone = tables.len() == 1;
    let mut alike: BTreeMap<&str, Option<&toml::Value>> = BTreeMap::new();
    for table in &tables {
        for (key, value) in *table {
            let known = alike.entry(key.as_str()).or_insert(Some(value));
            if *known != Some(value) {
                *known = None;
            }
        }
    }
    let is_alike = |key: &str| !is_alike_alone && alike.get(key).is_some_and(Option::is_some);
    let key = path.rsplit_once('.').map_or(path, |(_, key)| key);
    let key = key.replace('_', "");
    let text = |value: &Option<toml::Value>| {
        let Some(value) = value else {
            return String::new();
        };
        let text = match value {
            toml::Value::Table(table) => {
                let kept = table.iter().filter(|(key, _)| !is_alike(key));
                let kept: Vec<String> = kept.map(|(key, v)| labelled(key, &slug(v))).collect();
                kept.join("-")
            }
            other => slug(other),
        };
        format!("-{}", labelled(&key, &shortened(&text, LONGEST)))
    };
    let mut texts: Vec<String> = parsed.iter().map(text).collect();
    // Different values must have different texts.
    let mut first: HashMap<&str, &Option<&String>> = HashMap::new();
    let clash = texts.iter().zip(values).any(|(text, value)| {
        let known = first.entry(text).or_insert(value);
        *known != value
    });
    if clash {
        for (text, value) in texts.iter_mut().zip(values) {
            let value = value.map_or("", String::as_str);
            text.push_str(&format!("-{}", hash(value)));
        }
    }
    texts
}

/// Returns `layers` and `2` as `layers2`, `norm` and `pre` as `norm-pre`.
fn labelled(key: &str, text: &str) -> String {
    if text.starts_with(|first: char| first.is_ascii_digit()) {
        format!("{key}{text}")
    } else {
        format!("{key}-{text}")
    }
}

/// Returns a value in letters, digits, dots and hyphens.
fn slug(value: &toml::Value) -> String {
    match value {
        toml::Value::Float(number) => {
            let text = format!("{number:?}");
            text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
        }
        toml::Value::Array(items) if items.is_empty() => "none".to_owned(),
        toml::Value::Array(items) => {
            let items: Vec<String> = items.iter().map(slug).collect();
            items.join("-")
        }
        toml::Value::Table(table) => {
            let entries = table.iter().map(|(key, v)| labelled(key, &slug(v)));
            entries.collect::<Vec<_>>().join("-")
        }
        toml::Value::String(text) => {
            let fits = |c: char| c.is_ascii_alphanumeric() || ".-".contains(c);
            text.chars()
                .map(|c| if fits(c) { c } else { '-' })
                .collect()
        }
        other => other.to_string(),
    }
}

/// Returns the text; a text that is longer than `most` bytes is cut and gets a hash of six digits.
fn shortened(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(most - "-123456".len());
    format!("{}-{}", text[..end].trim_end_matches('-'), hash(text))
}

fn hash(text: &str) -> String {
    blake3::hash(text.as_bytes()).to_hex()[..6].to_owned()
}
