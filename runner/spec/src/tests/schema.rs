//! Tests the schema that editors use.

use serde_json::Value as Json;

use super::*;
use crate::json_schema;

#[test]
fn the_checked_in_schema_is_true() {
    let path = repository("specs/grokrun.schema.json");
    let schema = json_schema();
    if updating() {
        let text = serde_json::to_string_pretty(&schema).expect("a schema is JSON");
        std::fs::write(&path, text + "\n").expect("the schema can be written");
    }
    let text = std::fs::read_to_string(&path).expect("the schema is checked in");
    let checked_in: Json = serde_json::from_str(&text).expect("the schema is JSON");
    assert!(
        checked_in == schema,
        "specs/grokrun.schema.json is not what specs are read with; {HOW_TO_UPDATE}"
    );
}

#[test]
fn every_property_is_described() {
    fn visit(path: &str, schema: &Json) {
        let Some(properties) = schema["properties"].as_object() else {
            return;
        };
        for (key, property) in properties {
            let path = format!("{path}/{key}");
            assert!(property["description"].is_string(), "{path}");
            visit(&path, property);
        }
    }
    visit("", &json_schema());
}

/// Tests that the resolved specs of all kinds of models and optimizers have a line for every key of
/// the schema, so that neither lacks one.
#[test]
fn every_property_is_in_a_resolved_spec() {
    fn visit(prefix: &str, schema: &Json, resolved: &[toml::Table]) {
        let Some(properties) = schema["properties"].as_object() else {
            return;
        };
        for (key, property) in properties {
            if key == "analysis" {
                continue;
            }
            let values: Vec<&toml::Value> = resolved.iter().filter_map(|t| t.get(key)).collect();
            assert!(!values.is_empty(), "{prefix}{key}");
            let tables: Vec<toml::Table> = values
                .iter()
                .filter_map(|v| v.as_table().cloned())
                .collect();
            if property["properties"].is_object() {
                visit(&format!("{prefix}{key}."), property, &tables);
            }
        }
    }
    let all: [&[&str]; 9] = [
        &[
            "train.stop={test_accuracy=0.99, patience=10, confused={train_accuracy=0.5, by=9}, budget={epochs=9, times=2}}",
        ],
        &[
            "model.kind=mlp",
            "train.optimizer=sgd",
            "train.gradient={clip=1.0}",
        ],
        &["train.optimizer=muon", "train.sphere=0.8"],
        &["train.group=[{match=\"embed.*\", frozen=true}]"],
        &["train.at=[{epoch=10, set={weight_decay=0}}]"],
        &["sample={count=2, seed=0}", "seeds.model=[1, 2]"],
        &["start={run=\"runs/x\", cell=\"y\", epoch=7}"],
        &["start={file=\"w.safetensors\"}"],
        &["claim=[{source=\"x\", quantity={event=\"grokked\"}, at_most=1000}]"],
    ];
    let resolved = all.map(|sets| {
        let text = plan_with(sets).resolved_toml();
        text.parse().expect("resolved specs are TOML")
    });
    visit("", &json_schema(), &resolved);
}
