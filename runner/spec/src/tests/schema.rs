//! The schema that editors use.

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

/// The resolved spec has a line for every key of the schema, so that neither forgets one.
#[test]
fn every_property_is_in_the_resolved_spec() {
    fn visit(prefix: &str, schema: &Json, resolved: &toml::Table) {
        let Some(properties) = schema["properties"].as_object() else {
            return;
        };
        for (key, property) in properties {
            if key == "analysis" {
                continue;
            }
            let value = resolved.get(key).unwrap_or_else(|| panic!("{prefix}{key}"));
            match value {
                toml::Value::Table(table) => visit(&format!("{prefix}{key}."), property, table),
                _ => assert!(property["properties"].is_null(), "{prefix}{key}"),
            }
        }
    }
    let plan = plan_with(&["train.stop={test_accuracy=0.99, patience=10}"]);
    let resolved: toml::Table = plan
        .resolved_toml()
        .parse()
        .expect("resolved specs are TOML");
    visit("", &json_schema(), &resolved);
}
