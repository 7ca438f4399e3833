//! A part of a pickle as JSON: settings, which are read alike wherever they come from.

use serde_json::{Map, Value as Json};

use super::value::{Pickle, Value};
use crate::ExchangeError;
use crate::error::refuse;

/// The most values of a part; the settings of a model have some hundred.
const MOST_VALUES: usize = 100_000;
/// How deep it may be.
const DEEPEST: usize = 16;

impl Pickle {
    /// A part of the pickle as JSON. What JSON has no word for (types, tensors, numbers that are
    /// not finite) is null.
    ///
    /// # Errors
    /// It is deeper or larger than settings are; a list may hold itself.
    pub(crate) fn json(&self, value: Value) -> Result<Json, ExchangeError> {
        let mut left = MOST_VALUES;
        self.part(value, DEEPEST, &mut left)
    }

    fn part(&self, value: Value, depth: usize, left: &mut usize) -> Result<Json, ExchangeError> {
        if depth == 0 || *left == 0 {
            return refuse(format!(
                "its settings are nested more than {DEEPEST} deep or have more than {MOST_VALUES} values"
            ));
        }
        *left -= 1;
        if let Some(entries) = self.entries(value)? {
            let mut object = Map::new();
            for (key, value) in entries {
                object.insert(key.to_owned(), self.part(value, depth - 1, left)?);
            }
            return Ok(Json::Object(object));
        }
        if let Some(items) = self.items(value) {
            let items = items.iter().map(|item| self.part(*item, depth - 1, left));
            return Ok(Json::Array(items.collect::<Result<_, _>>()?));
        }
        Ok(match value {
            Value::Bool(x) => Json::Bool(x),
            Value::Int(x) => Json::from(x),
            Value::Text(..) => Json::from(self.text(value).unwrap_or_default()),
            other => self.number(other).map_or(Json::Null, Json::from),
        })
    }
}
