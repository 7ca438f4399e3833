//! Findings as the store keeps them, and how to tell whether they are still good.

use std::collections::BTreeMap;

use grokrun_host::{Findings, Found, Kept, Outcome};
use grokrun_spec::AnalysisRequest;
use grokrun_store::{Content, FindingFiles, FoundTensor};
use serde_json::{Map, Value, json};

/// What makes findings those of this request: other values give other findings.
pub(crate) fn identity(found: &Found, request: &AnalysisRequest) -> Value {
    json!({
        "analysis": found.name(),
        "version": found.version(),
        "summary": found.summary(),
        "definition": found.definition(),
        "every": request.every,
        "parameters": request.parameters,
    })
}

/// Whether an index is that of this request.
pub(crate) fn is_of(index: &Value, found: &Found, request: &AnalysisRequest) -> bool {
    let wanted = identity(found, request);
    let same = |(key, value): (&String, &Value)| index.get(key) == Some(value);
    wanted
        .as_object()
        .is_some_and(|wanted| wanted.iter().all(same))
}

/// The files of an outcome. No times are in them: the same checkpoints give the same bytes.
pub(crate) fn of(identity: &Value, outcome: Outcome) -> FindingFiles {
    let Findings {
        series,
        tensors,
        tables,
        figures,
        notes,
    } = outcome.findings;
    let mut index: Map<String, Value> = identity.as_object().cloned().unwrap_or_default();
    index.insert("notes".to_owned(), json!(notes));
    index.insert("failure".to_owned(), json!(outcome.failure));
    let names = |names: Vec<&String>| json!(names);
    index.insert("series".to_owned(), names(series.columns.keys().collect()));
    index.insert("tensors".to_owned(), names(tensors.keys().collect()));
    index.insert("tables".to_owned(), names(tables.keys().collect()));
    index.insert("figures".to_owned(), names(figures.keys().collect()));

    let named = |kind: &'static str, kept: BTreeMap<String, Kept>| {
        kept.into_iter()
            .map(move |(name, kept)| (format!("{name}.{kind}.json"), content(kept)))
    };
    FindingFiles {
        index: Value::Object(index),
        epochs: series.epochs,
        series: series.columns.into_iter().collect(),
        tensors: tensors
            .into_iter()
            .map(|(name, stack)| {
                let count = stack.epochs.as_ref().map(Vec::len);
                FoundTensor {
                    name,
                    shape: count.into_iter().chain(stack.shape).collect(),
                    data: content(stack.data),
                    epochs: stack.epochs,
                }
            })
            .collect(),
        json: named("table", tables)
            .chain(named("figure", figures))
            .collect(),
    }
}

/// The files of an analysis that has not looked at its cell, and why.
pub(crate) fn declined(identity: &Value, why: &str) -> FindingFiles {
    let mut index: Map<String, Value> = identity.as_object().cloned().unwrap_or_default();
    index.insert("notes".to_owned(), json!([why]));
    index.insert("failure".to_owned(), Value::Null);
    for kind in ["series", "tensors", "tables", "figures"] {
        index.insert(kind.to_owned(), json!([]));
    }
    FindingFiles {
        index: Value::Object(index),
        epochs: Vec::new(),
        series: Vec::new(),
        tensors: Vec::new(),
        json: Vec::new(),
    }
}

/// What is kept, as the store takes it.
fn content(kept: Kept) -> Content {
    Content {
        length: kept.len(),
        from: Box::new(kept.into_reader()),
    }
}
