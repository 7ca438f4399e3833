//! The documents are complete: every key of a spec, every linked analysis, and every file and field
//! of a run is named where a reader would look for it.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use crate::support::{Bench, SMALL};

const GUIDE: &str = include_str!("../doc/guide.md");
/// The keys of models, recipes and batches; `config.json` has them too.
const MODELS: &str = include_str!("../doc/models.md");
const DEFINITIONS: &str = include_str!("../doc/definitions.md");
const RUN_DIRECTORY: &str = include_str!("../doc/run-directory.md");

/// Returns the words between backticks, fenced lines included.
fn code_words(page: &str) -> BTreeSet<&str> {
    let code = page.split('`').skip(1).step_by(2);
    let word = |c: char| !(c.is_alphanumeric() || "_-.".contains(c));
    code.flat_map(|code| code.split(word)).collect()
}

/// Returns whether the page names a key, alone or at the end of a path.
fn names(words: &BTreeSet<&str>, key: &str) -> bool {
    let last = |word: &str| word.rsplit('.').next() == Some(key);
    words.iter().any(|word| *word == key || last(word))
}

/// Collects the keys of an object and of the objects in it.
fn keys(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                found.insert(key.clone());
                keys(value, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| keys(item, found)),
        _ => {}
    }
}

/// Collects the paths of a schema's properties.
fn properties(path: &str, schema: &Value, found: &mut Vec<String>) {
    for (key, property) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{key}");
        properties(&path, property, found);
        found.push(path);
    }
}

#[test]
fn the_guide_names_every_key_of_a_spec() {
    let schema = include_str!("../specs/grokrun.schema.json");
    let schema: Value = serde_json::from_str(schema).expect("the schema is JSON");
    let mut paths = Vec::new();
    properties("", &schema, &mut paths);
    assert!(paths.len() > 20, "{paths:?}");
    let mut words = code_words(GUIDE);
    words.extend(code_words(MODELS));
    let tables = [
        "seeds",
        "sample",
        "data",
        "start",
        "model",
        "train",
        "checkpoints",
    ];
    for path in paths {
        let key = path.rsplit('.').next().unwrap_or_default();
        let named = names(&words, key) || tables.contains(&key);
        assert!(
            named,
            "doc/guide.md and doc/models.md do not name the key {path}"
        );
    }
}

/// Returns the analyses that are linked into the program; each is the only one of its crate.
fn linked() -> Vec<&'static str> {
    let manifest = include_str!("../Cargo.toml").lines();
    let plugins = manifest.filter_map(|line| line.split_once(" = { path = \"plugins/"));
    plugins.map(|(name, _)| name).collect()
}

#[test]
fn every_linked_analysis_has_a_section_and_is_in_the_guide() {
    let linked = linked();
    assert!(linked.len() >= 12, "{linked:?}");
    for name in linked {
        assert!(
            !section(DEFINITIONS, name).is_empty(),
            "doc/definitions.md: {name}"
        );
        let row = format!("[`{name}`](definitions.md#{name})");
        assert!(GUIDE.contains(&row), "doc/guide.md: {row}");
    }
}

/// Words that stand for the varying part of a finding's name: a head, a number, a frequency, a
/// matrix.
const PLACEHOLDERS: [&str; 5] = ["H", "I", "K", "X", "NAME"];

/// Returns whether a name fits a pattern, in which each placeholder stands for some text.
fn fits(pattern: &str, name: &str) -> bool {
    let word = |c: char| !(c.is_alphanumeric() || c == '_');
    let placeholder = pattern.split(word).find(|word| PLACEHOLDERS.contains(word));
    let Some(placeholder) = placeholder else {
        return pattern == name;
    };
    let Some((before, after)) = pattern.split_once(placeholder) else {
        return false;
    };
    let Some(rest) = name.strip_prefix(before) else {
        return false;
    };
    let ends = rest.char_indices().map(|(at, c)| at + c.len_utf8());
    ends.into_iter().any(|end| fits(after, &rest[end..]))
}

/// Returns the section of a page below a heading of the second level.
fn section<'p>(page: &'p str, heading: &str) -> &'p str {
    let after = page.split_once(&format!("\n## {heading}\n"));
    let rest = after.map_or("", |(_, rest)| rest);
    rest.split_once("\n## ")
        .map_or(rest, |(section, _)| section)
}

#[test]
fn every_series_tensor_and_table_is_defined() {
    let analyses: Vec<&str> = linked();
    let tables: String = analyses
        .iter()
        .map(|name| format!("[analysis.{name}]\n"))
        .collect();
    let bench = Bench::new(&format!("{SMALL}\n{tables}"));
    bench
        .run(&["small.toml", "--backend", "cpu", "--quiet"])
        .exits(0);
    // Residues without 0 are no group by their table: of cosets a small group tells.
    let of_group = "name = \"group\"\noperation = { group = \"D4\" }\nfraction = 0.6\n\
        seeds = { data = 0, model = 0 }\n[model]\nd_model = 16\nd_head = 4\nd_mlp = 16\n\
        [train]\nepochs = 10\n[analysis.cosets]\n";
    bench.write("group.toml", of_group);
    bench
        .run(&["group.toml", "--backend", "cpu", "--quiet"])
        .exits(0);
    for name in analyses {
        let index = |folder: &str| {
            let file = format!("runs/{folder}/{name}/findings.json");
            std::fs::read(bench.path().join(file)).ok()
        };
        let of_cell = index(match name {
            "cosets" => "group/cells/group-d4-p8-f0.6-d0-m0/analysis",
            _ => "small/cells/mul-p23-f0.5-d1-m2/analysis",
        });
        let of_sweep = of_cell.is_none();
        let text = of_cell
            .or_else(|| index("small/sweep"))
            .expect("it has concluded");
        let index: Value = serde_json::from_slice(&text).expect("JSON");
        let named: Vec<&str> = section(DEFINITIONS, name)
            .split('`')
            .skip(1)
            .step_by(2)
            .collect();
        for kind in ["series", "tensors", "tables"] {
            let found = index[kind].as_array().into_iter().flatten();
            let mut found = found.filter_map(Value::as_str).peekable();
            assert!(
                kind != "series" || of_sweep || found.peek().is_some(),
                "{name} has no series"
            );
            for found in found {
                let defined = named.iter().any(|pattern| fits(pattern, found));
                assert!(
                    defined,
                    "doc/definitions.md, {name}: {kind} {found:?} are not defined"
                );
            }
        }
    }
}

#[test]
fn patterns_of_names() {
    assert!(fits("trig loss", "trig loss") && !fits("trig loss", "trig loss, train"));
    assert!(fits("X frequency, head H", "W_attn frequency, head 12"));
    assert!(!fits("X frequency, head H", "W_attn frequency, head "));
    assert!(fits("W_E-I", "W_E-3") && !fits("W_E-I", "W_U-3"));
}

#[test]
fn every_file_and_field_of_a_run_is_described() {
    let bench = Bench::new(&format!("{SMALL}\n[analysis.commutativity]\n"));
    bench
        .run(&["small.toml", "--backend", "cpu", "--quiet"])
        .exits(0);
    let run = bench.path().join("runs/small");
    let cell = run.join("cells/mul-p23-f0.5-d1-m2");
    let mut words = code_words(RUN_DIRECTORY);
    words.extend(code_words(MODELS));

    let mut found = BTreeSet::new();
    let findings = cell.join("analysis/commutativity/findings.json");
    for file in [
        run.join("run.json"),
        run.join("summary.json"),
        cell.join("config.json"),
        findings,
    ] {
        let text = std::fs::read(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        let mut value: Value = serde_json::from_slice(&text).expect("JSON");
        // An analysis's own.
        for own in ["parameters", "files"] {
            if let Some(own) = value.get_mut(own) {
                *own = Value::Null;
            }
        }
        keys(&value, &mut found);
    }
    for key in found {
        assert!(
            names(&words, &key),
            "doc/run-directory.md does not name the field {key}"
        );
    }
    for path in bench.files("small").keys() {
        let described = file_words(path)
            .iter()
            .any(|name| RUN_DIRECTORY.contains(name));
        assert!(
            described,
            "doc/run-directory.md does not name {}",
            path.display()
        );
    }
}

/// Returns how the page may name a file: by its name, or, if that differs from file to file, by its
/// ending.
fn file_words(path: &Path) -> [String; 2] {
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let ending = name
        .split_once('.')
        .map_or_else(String::new, |(_, end)| format!("*.{end}"));
    let in_checkpoints = path
        .parent()
        .is_some_and(|folder| folder.ends_with("checkpoints"));
    if in_checkpoints {
        [name, "`checkpoints/EPOCH.safetensors`".to_owned()]
    } else {
        [name, ending]
    }
}
