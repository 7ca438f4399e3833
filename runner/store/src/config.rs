//! `config.json` as a type: everything that is needed to rebuild a cell's model and data set.
//!
//! Owns the names of the fields and the number of their format. The keys of model, training, data
//! and start are the spec's, and their values stand here as it writes them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::format;

/// The number of the format that is written, and the largest that is read.
const FORMAT: u32 = 1;

/// Keys of the spec with the values of one cell.
pub type Values = Map<String, Value>;

/// What `config.json` holds, besides whose it is and its digest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CellConfig {
    /// The number of the format; files before it had one have the fields of the first.
    #[serde(default = "first")]
    pub format: u32,
    /// The cell's id.
    pub cell: String,
    /// What is learned, and how many samples there are of it.
    pub task: TaskConfig,
    /// What the split and the weights are drawn from.
    pub seeds: SeedsConfig,
    /// The keys of `[data]`.
    #[serde(default)]
    pub data: Option<Values>,
    /// The keys of `[start]`; null where weights are drawn.
    #[serde(default)]
    pub start: Option<Values>,
    /// The keys of `[model]`, and `trained_parameters`, the numbers that training moves.
    pub model: Values,
    /// The keys of `[train]`; null for those that are not set.
    pub train: Values,
    /// TransformerLens's names for the model, where it has such a one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hooked_transformer_config: Option<Values>,
    /// How checkpoints are kept, where they are not plain files of f32.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoints: Option<CheckpointsConfig>,
    /// Where the weights were trained, of an imported run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imported: Option<Value>,
}

/// What is learned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TaskConfig {
    /// The operation as a spec names it.
    pub operation: String,
    /// The operation for people.
    pub notation: String,
    /// The modulus; null for a group or a table.
    pub modulus: Option<u32>,
    /// How many elements an operand is one of.
    #[serde(default)]
    pub elements: Option<u32>,
    /// How many operands a sample has.
    #[serde(default)]
    pub operands: Option<usize>,
    /// `all`, or `nonzero`: which operands there are.
    #[serde(default)]
    pub pairs: Option<String>,
    /// The share of the samples that is trained on.
    pub fraction: f64,
    /// The samples that are trained on.
    pub train_pairs: usize,
    /// The samples that are tested on.
    pub test_pairs: usize,
}

/// What the split and the weights are drawn from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SeedsConfig {
    /// The seed of the split.
    pub data: i64,
    /// The seed of the weights.
    pub model: i64,
    /// Whose draws they are.
    pub stream: String,
}

/// How checkpoints are kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CheckpointsConfig {
    /// `f32`, or how the numbers were rounded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub precision: Option<String>,
    /// `none`, or how the files are packed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compression: Option<String>,
}

fn first() -> u32 {
    1
}

impl CellConfig {
    /// The number of the format that is written.
    pub const FORMAT: u32 = FORMAT;

    /// Returns the JSON schema of the file.
    pub fn schema() -> Value {
        schemars::schema_for!(CellConfig).to_value()
    }

    /// Reads what was written.
    pub(crate) fn of_json(value: Value) -> Result<CellConfig, String> {
        format::check(&value, FORMAT)?;
        serde_json::from_value(value).map_err(|error| format!("its fields: {error}"))
    }

    /// Returns it as JSON.
    pub fn to_json(&self) -> Value {
        // Texts, numbers and maps with texts as keys cannot fail.
        serde_json::to_value(self).unwrap_or_default()
    }
}

#[cfg(test)]
impl CellConfig {
    /// That of a small cell of this name, for tests.
    pub(crate) fn example(cell: &str, seed: i64) -> CellConfig {
        let value = serde_json::json!({
            "cell": cell,
            "task": { "operation": "mul", "notation": "a × b (mod 5)", "modulus": 5,
                "fraction": 0.5, "train_pairs": 12, "test_pairs": 13 },
            "seeds": { "data": seed, "model": 0, "stream": "torch" },
            "model": { "heads": 4 },
            "train": { "epochs": 7, "stop": null },
        });
        CellConfig::of_json(value).expect("an example")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn old() -> Value {
        let mut value = CellConfig::example("mul-p5-f0.5-d0-m0", 0).to_json();
        let fields = value.as_object_mut().unwrap();
        fields.remove("format");
        fields.insert("fingerprint".to_owned(), json!("…"));
        value
    }

    #[test]
    fn a_file_of_before_the_format_is_read() {
        let config = CellConfig::of_json(old()).unwrap();
        assert_eq!((config.format, config.task.elements), (1, None));
        assert_eq!(config.train["epochs"], 7);
        let again = CellConfig::of_json(config.to_json()).unwrap();
        assert_eq!(again, config);
    }

    #[test]
    fn what_is_missing_or_newer_is_said() {
        let mut newer = old();
        newer["format"] = json!(FORMAT + 1);
        assert!(CellConfig::of_json(newer).unwrap_err().contains("newer"));
        let mut less = old();
        less["task"].as_object_mut().unwrap().remove("operation");
        let why = CellConfig::of_json(less).unwrap_err();
        assert!(why.contains("operation"), "{why}");
    }

    /// Like that of specs, for whoever reads runs with other programs.
    #[test]
    fn the_checked_in_schema_is_true() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../specs/config.schema.json"
        );
        let schema = CellConfig::schema();
        if std::env::var_os("GROKRUN_UPDATE").is_some() {
            let text = serde_json::to_string_pretty(&schema).unwrap();
            std::fs::write(path, text + "\n").unwrap();
        }
        let text = std::fs::read_to_string(path).unwrap();
        let checked_in: Value = serde_json::from_str(&text).unwrap();
        assert!(
            checked_in == schema,
            "specs/config.schema.json is not what cells write: GROKRUN_UPDATE=1 cargo test --release --workspace"
        );
    }
}
