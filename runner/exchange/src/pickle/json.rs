//! Reads a part of a pickle as JSON, so that settings are read alike from every format.

use serde_json::{Map, Value as Json};

use super::value::{Pickle, Value};
use crate::ExchangeError;
use crate::error::refuse;

/// The most values of a part; the settings of a model have some hundred.
const MOST_VALUES: usize = 100_000;
/// The most levels of a part.
const DEEPEST: usize = 16;

impl Pickle {
    /// Returns a part of the pickle as JSON. Values that JSON does not have (types, tensors,
    /// numbers that are not finite) are null.
    ///
    /// # Errors
    /// If it is deeper or larger than settings are; a list may hold itself.
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
