//! `findings.json` as a type: what an analysis is, and the names of all that it found.
//!
//! Owns the names of the fields and the number of their format. Whose the findings are, and the
//! digest of the file itself, are added when it is written.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Values, format};

/// The number of the format that is written, and the largest that is read.
const FORMAT: u32 = 1;

/// What `findings.json` holds, besides whose it is and its digest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct FindingsIndex {
    /// The number of the format; files before it had one have the fields of the first.
    pub format: u32,
    /// The analysis's name.
    pub analysis: String,
    /// The analysis's version.
    pub version: String,
    /// What the analysis is, in a phrase.
    pub summary: String,
    /// The formulas of the analysis's measures, and their sources.
    pub definition: String,
    /// Epochs from one call to the next; 0 for the first and the last only.
    pub every: u64,
    /// The analysis's parameters, defaults included.
    pub parameters: Values,
    /// Sentences for the report.
    pub notes: Vec<String>,
    /// Outcomes in a sentence each, for the first screen of the report.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub headlines: Vec<String>,
    /// The epoch of the last checkpoint that the analysis has observed, as long as it has not
    /// concluded: its series reach so far, and it has no tables and figures yet. Absent afterwards.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub so_far: Option<u64>,
    /// Why the analysis failed; null if it did not.
    pub failure: Option<String>,
    /// The columns of `series.parquet`, besides `epoch`.
    pub series: Vec<String>,
    /// The tensors in `tensors.safetensors`.
    pub tensors: Vec<String>,
    /// The tables: the stems of `*.table.json`.
    pub tables: Vec<String>,
    /// The figures: the stems of `*.figure.json`.
    pub figures: Vec<String>,
    /// The formula of the logits, where the analysis found one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub formula: Option<Formula>,
    /// What an analysis of a sweep saw: id, status and epochs of each cell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cells: Option<Vec<(String, String, u64)>>,
    /// The digests of the other files of the folder, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, String>,
}

/// The sum that the logits are proportional to: over the key components k, the cosine of
/// 2πk / period times the argument.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Formula {
    /// The argument of the cosine, as in log a + log b − log c.
    pub argument: String,
    /// The period of the wave of k = 1.
    pub period: u64,
    /// The names of the key components, in order.
    pub keys: Vec<String>,
    /// The rule that chose the key components, and what the argument's words mean.
    pub explanation: String,
}

impl Default for FindingsIndex {
    fn default() -> FindingsIndex {
        FindingsIndex {
            format: FORMAT,
            analysis: String::new(),
            version: String::new(),
            summary: String::new(),
            definition: String::new(),
            every: 0,
            parameters: Values::new(),
            notes: Vec::new(),
            headlines: Vec::new(),
            so_far: None,
            failure: None,
            series: Vec::new(),
            tensors: Vec::new(),
            tables: Vec::new(),
            figures: Vec::new(),
            formula: None,
            cells: None,
            files: BTreeMap::new(),
        }
    }
}

impl FindingsIndex {
    /// Returns the JSON schema of the file.
    pub fn schema() -> Value {
        schemars::schema_for!(FindingsIndex).to_value()
    }

    /// Reads what was written.
    ///
    /// # Errors
    /// A field is not what it should be, or a newer grokrun wrote the file.
    pub(crate) fn of_json(value: Value) -> Result<FindingsIndex, String> {
        format::check(&value, FORMAT)?;
        serde_json::from_value(value).map_err(|error| format!("its fields: {error}"))
    }

    /// Returns the index as JSON.
    pub(crate) fn to_json(&self) -> Value {
        // Texts, numbers and maps with texts as keys cannot fail.
        serde_json::to_value(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_file_of_before_the_format_is_read_and_one_of_a_newer_is_not() {
        let old = json!({ "analysis": "a", "notes": ["n"], "failure": null, "cell": "c" });
        let index = FindingsIndex::of_json(old).unwrap();
        assert_eq!((index.format, index.notes), (1, vec!["n".to_owned()]));
        let newer = FindingsIndex::of_json(json!({ "format": 9, "notes": 3 })).unwrap_err();
        assert!(newer.contains("format 9"), "{newer}");
        let wrong = FindingsIndex::of_json(json!({ "notes": 3 })).unwrap_err();
        assert!(wrong.contains("its fields"), "{wrong}");
    }

    /// Like that of `config.json`, for whoever reads runs with other programs.
    #[test]
    fn the_checked_in_schema_is_true() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../specs/findings.schema.json"
        );
        let schema = FindingsIndex::schema();
        if std::env::var_os("GROKRUN_UPDATE").is_some() {
            let text = serde_json::to_string_pretty(&schema).unwrap();
            std::fs::write(path, text + "\n").unwrap();
        }
        let text = std::fs::read_to_string(path).unwrap();
        let checked_in: Value = serde_json::from_str(&text).unwrap();
        assert!(
            checked_in == schema,
            "specs/findings.schema.json is not what is written: GROKRUN_UPDATE=1 cargo test --release --workspace"
        );
    }
}
