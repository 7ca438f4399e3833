//! Whose a file is: the cell, the epoch, and the fingerprint of what the cell means. It stands in
//! the headers of states, checkpoints, splits, histories and findings, and is compared when they
//! are read.
//!
//! Knows nothing of how fingerprints are made: they are the caller's, equal for two cells that
//! train to the same weights.

use std::collections::HashMap;

use serde_json::Value;

const CELL: &str = "cell";
const EPOCH: &str = "epoch";
const FINGERPRINT: &str = "fingerprint";

/// What a file says of whose it is, or what is expected of one. What is not known is not compared:
/// files of an older grokrun say nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) cell: Option<String>,
    pub(crate) fingerprint: Option<String>,
    pub(crate) epoch: Option<u64>,
}

impl Owner {
    /// The same of an epoch.
    pub(crate) fn at(&self, epoch: u64) -> Owner {
        Owner {
            epoch: Some(epoch),
            ..self.clone()
        }
    }

    /// As keys and texts of a header.
    pub(crate) fn notes(&self) -> Vec<(&'static str, String)> {
        let epoch = self.epoch.map(|epoch| epoch.to_string());
        [
            (CELL, self.cell.clone()),
            (FINGERPRINT, self.fingerprint.clone()),
            (EPOCH, epoch),
        ]
        .into_iter()
        .filter_map(|(key, text)| Some((key, text?)))
        .collect()
    }

    /// What a header says.
    pub(crate) fn of_notes(notes: &HashMap<String, String>) -> Owner {
        Owner {
            cell: notes.get(CELL).cloned(),
            fingerprint: notes.get(FINGERPRINT).cloned(),
            epoch: notes.get(EPOCH).and_then(|epoch| epoch.parse().ok()),
        }
    }

    /// Puts it into a JSON object; anything else stays as it is.
    pub(crate) fn put_into(&self, json: &mut Value) {
        if let Value::Object(object) = json {
            for (key, text) in self.notes() {
                object.insert(key.to_owned(), text.into());
            }
        }
    }

    /// What a JSON object says.
    pub(crate) fn of_json(json: &Value) -> Owner {
        let text = |key: &str| json[key].as_str().map(str::to_owned);
        Owner {
            cell: text(CELL),
            fingerprint: text(FINGERPRINT),
            epoch: None,
        }
    }

    /// Makes sure that a file that says this is the one that is wanted.
    ///
    /// # Errors
    /// Whose it is, and whose it should be.
    pub(crate) fn is(&self, wanted: &Owner) -> Result<(), String> {
        let differ = |found: &Option<String>, wanted: &Option<String>| match (found, wanted) {
            (Some(found), Some(wanted)) if found != wanted => Some([found.clone(), wanted.clone()]),
            _ => None,
        };
        if let Some([found, wanted]) = differ(&self.cell, &wanted.cell) {
            return Err(format!(
                "it is of the cell {found}; expected one of {wanted}"
            ));
        }
        if let Some([found, wanted]) = differ(&self.fingerprint, &wanted.fingerprint) {
            return Err(format!(
                "it is of a cell of this name with other settings or seeds (fingerprint {}…); expected {}…",
                short(&found),
                short(&wanted)
            ));
        }
        match (self.epoch, wanted.epoch) {
            (Some(found), Some(wanted)) if found != wanted => Err(format!(
                "it is of epoch {found}; expected one of epoch {wanted}"
            )),
            _ => Ok(()),
        }
    }
}

/// Enough of a fingerprint to tell two apart.
pub(crate) fn short(fingerprint: &str) -> String {
    fingerprint.chars().take(20).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn owner(cell: &str, fingerprint: &str, epoch: u64) -> Owner {
        Owner {
            cell: Some(cell.to_owned()),
            fingerprint: Some(fingerprint.to_owned()),
            epoch: Some(epoch),
        }
    }

    #[test]
    fn it_comes_back_from_headers_and_json() {
        let ours = owner("c", "f", 7);
        let notes = ours.notes().into_iter().map(|(k, v)| (k.to_owned(), v));
        assert_eq!(Owner::of_notes(&notes.collect()), ours);
        let mut json = json!({ "task": 1 });
        ours.put_into(&mut json);
        assert_eq!(
            Owner::of_json(&json),
            Owner {
                epoch: None,
                ..ours
            }
        );
    }

    #[test]
    fn what_differs_is_said_and_what_is_not_known_fits() {
        let wanted = owner("c", "f", 7);
        assert_eq!(Owner::default().is(&wanted), Ok(()));
        assert_eq!(wanted.is(&Owner::default()), Ok(()));
        assert_eq!(wanted.is(&wanted), Ok(()));
        for (found, words) in [
            (owner("d", "f", 7), "the cell d; expected one of c"),
            (
                owner("c", "g", 7),
                "other settings or seeds (fingerprint g…)",
            ),
            (owner("c", "f", 8), "epoch 8; expected one of epoch 7"),
        ] {
            let error = found.is(&wanted).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
    }
}
