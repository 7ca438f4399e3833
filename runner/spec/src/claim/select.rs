//! Chooses the cells that a claim is about.

use std::fmt;

use serde_json::Value as Json;

use crate::resolved::from_json;

/// Keys of a spec with the values that a cell has to have; at least one key.
#[derive(Clone, Debug, PartialEq)]
pub struct Selection(Vec<(String, Json)>);

impl Selection {
    pub(crate) fn new(keys: Vec<(String, Json)>) -> Selection {
        Selection(keys)
    }

    /// Returns the dotted paths of the keys, each with the value that is wanted.
    pub fn keys(&self) -> impl Iterator<Item = (&str, &Json)> {
        self.0.iter().map(|(path, wanted)| (path.as_str(), wanted))
    }

    /// Returns whether a cell is selected, by its keys as
    /// [`Plan::cell_values`](crate::Plan::cell_values) returns them.
    pub fn has(&self, values: &Json) -> bool {
        self.keys().all(|(path, wanted)| {
            let found = path
                .split('.')
                .try_fold(values, |table, key| table.get(key));
            let one_of = |found| match wanted {
                Json::Array(any) => any.iter().any(|wanted| same(wanted, found)),
                _ => false,
            };
            match found {
                Some(found) => same(wanted, found) || one_of(found),
                // A key that is not set, as keys of lists may be, equals the empty list.
                None => wanted.as_array().is_some_and(Vec::is_empty),
            }
        })
    }
}

/// Returns whether a value is the wanted one. Numbers are compared by value, and tables by the
/// wanted keys alone.
fn same(wanted: &Json, found: &Json) -> bool {
    match (wanted, found) {
        (Json::Number(one), Json::Number(other)) => match (one.as_i64(), other.as_i64()) {
            (Some(one), Some(other)) => one == other,
            _ => one.as_f64() == other.as_f64(),
        },
        (Json::Object(wanted), Json::Object(found)) => wanted
            .iter()
            .all(|(key, wanted)| found.get(key).is_some_and(|found| same(wanted, found))),
        (Json::Array(wanted), Json::Array(found)) => {
            wanted.len() == found.len() && wanted.iter().zip(found).all(|(w, f)| same(w, f))
        }
        _ => wanted == found,
    }
}

impl fmt::Display for Selection {
    /// Writes the selection as in TOML: `train.weight_decay = 15.0, fraction = 0.3`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (path, wanted)) in self.0.iter().enumerate() {
            let comma = if i > 0 { ", " } else { "" };
            write!(f, "{comma}{path} = {}", toml(wanted))?;
        }
        Ok(())
    }
}

/// Returns a wanted value as TOML; a wanted value is never null.
pub(super) fn toml(value: &Json) -> String {
    from_json(value).map_or_else(String::new, |value| value.to_string())
}
