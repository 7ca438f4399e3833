//! Tests analyses that a spec asks for.

use serde_json::{Map, Value as Json, json};

use super::*;
use crate::{AnalysisKind, AnalysisRequest, ParameterError, PythonFile, Unusable, python_files};

fn catalog() -> Catalog {
    let schema = json!({
        "type": "object",
        "properties": {
            "threshold": { "type": "number", "default": 0.85 },
            "label": { "type": "string", "default": "x" },
            "bins": { "type": "array" },
        },
    });
    let check = |parameters: &Map<String, Json>| {
        let inside = parameters["threshold"]
            .as_f64()
            .is_some_and(|t| (0.0..=1.0).contains(&t));
        if inside {
            return Ok(());
        }
        Err(ParameterError {
            parameter: "threshold".to_owned(),
            message: "`threshold` is no share".to_owned(),
            expected: "a number from 0 to 1".to_owned(),
        })
    };
    Catalog::new([
        AnalysisKind::new("neuron-clustering", &schema, check),
        AnalysisKind::new("commutativity", &json!({}), |_| Ok(())),
    ])
}

fn load_analyses(tables: &str) -> Result<Plan, Diagnostics> {
    load(
        &format!("{SMALLEST}{tables}"),
        Path::new("x.toml"),
        &[],
        &catalog(),
    )
}

#[test]
fn requests_are_complete() {
    let plan = good(load_analyses(
        "[checkpoints]\nevery = 50\n[analysis.neuron-clustering]\nthreshold = 1\nbins = [1, 2.5]\n[analysis.commutativity]\nevery = 7\n",
    ));
    let parameters = json!({ "threshold": 1, "label": "x", "bins": [1, 2.5] });
    assert_eq!(
        plan.analyses,
        [
            AnalysisRequest {
                name: "neuron-clustering".to_owned(),
                every: 50,
                python: None,
                parameters: parameters.as_object().expect("an object").clone(),
            },
            AnalysisRequest {
                name: "commutativity".to_owned(),
                every: 7,
                python: None,
                parameters: Map::new()
            },
        ]
    );
}

#[test]
fn they_are_resolved_but_not_fingerprinted() {
    let one = "[analysis.neuron-clustering]\nlabel = 'a \"b\"'\nbins = [{ low = 1 }]\n";
    let other = "[analysis.commutativity]\n";
    let plan = good(load_analyses(&format!("{one}{other}")));
    let resolved = plan.resolved_toml();
    let again = good(load(&resolved, Path::new("x.toml"), &[], &catalog()));
    assert_eq!(again, plan, "{resolved}");
    let turned = good(load_analyses(&format!("{other}{one}")));
    assert_eq!(turned.fingerprint(), plan.fingerprint());
    assert_eq!(good(load_analyses(one)).fingerprint(), plan.fingerprint());
}

#[test]
fn mistakes_are_found_before_anything_runs() {
    let tables = r#"
[analysis.neuron-clusterin]
[analysis.neuron-clustering]
treshold = 1
every = -1
[analysis]
commutativity = 5
"#;
    let mistakes = load_analyses(tables).expect_err("the tables have mistakes");
    let found: Vec<_> = mistakes
        .iter()
        .map(|m| (m.line, m.message.to_owned(), m.help.first().cloned()))
        .collect();
    let help = |text: &str| Some(text.to_owned());
    assert_eq!(
        found,
        [
            (
                7,
                "unknown analysis `neuron-clusterin`".to_owned(),
                help("did you mean `neuron-clustering`?")
            ),
            (
                9,
                "unknown parameter `treshold` of `neuron-clustering`".to_owned(),
                help("did you mean `threshold`?")
            ),
            (
                10,
                "`every` must be an integer from 0 to 1_000_000_000".to_owned(),
                None
            ),
            (
                12,
                "`analysis.commutativity` must be a table".to_owned(),
                None
            ),
        ]
    );
}

#[test]
fn values_are_judged_by_the_analysis() {
    let mistakes = load_analyses("[analysis.neuron-clustering]\nthreshold = 1.5\n");
    let mistakes = mistakes.expect_err("1.5 is too much");
    let found: Vec<_> = mistakes
        .iter()
        .map(|m| (m.line, m.column, m.text, m.label))
        .collect();
    assert_eq!(found, [(7, 13, "1.5", "expected a number from 0 to 1")]);
    for odd in ["nan", "2024-01-01", "99999999999999999999"] {
        let table = format!("[analysis.neuron-clustering]\nthreshold = {odd}\n");
        assert_eq!(
            messages(load_analyses(&table)),
            ["`threshold` has no value of this kind"]
        );
    }
}

#[test]
fn others_are_taken_as_they_are_written_where_that_is_meant() {
    let text = format!(
        "{SMALLEST}[analysis.mine]\nevery = 7\nwhen = \"drop\"\nlist = [1, 2.5]\n[analysis.neuron-clustering]\n"
    );
    let load_with = |catalog: Catalog| load(&text, Path::new("x.toml"), &[], &catalog);
    assert!(load_with(catalog()).is_err());
    let plan = good(load_with(catalog().and_others()));
    let mine = json!({ "when": "drop", "list": [1, 2.5] });
    assert_eq!(plan.analyses[0].name, "mine");
    assert_eq!(plan.analyses[0].every, 7);
    assert_eq!(Json::Object(plan.analyses[0].parameters.clone()), mine);
    assert_eq!(plan.analyses[1].parameters["threshold"], 0.85);
    let without = good(load_with(Catalog::empty().and_others()));
    assert_eq!(without.fingerprint(), plan.fingerprint());
    // An analysis as written must still be a table, and a known analysis is checked.
    for wrong in [
        "analysis.mine = 3",
        "[analysis.neuron-clustering]\nthreshold = 3.0",
    ] {
        let text = format!("{SMALLEST}{wrong}\n");
        let found = load(&text, Path::new("x.toml"), &[], &catalog().and_others());
        assert!(found.is_err(), "{wrong}");
    }
}

#[test]
fn a_file_of_python_is_named_by_a_key_of_the_runners() {
    let tables = "[analysis.mine]\npython = \"a/mine.py\"\nlow = 2\n[analysis.neuron-clustering]\n";
    let text = format!("{SMALLEST}{tables}");
    let file = |file: &str| PythonFile {
        name: "mine".to_owned(),
        file: file.to_owned(),
    };
    assert_eq!(python_files(&text, &[]), [file("a/mine.py")]);
    let set = ["analysis.mine.python=b.py".to_owned()];
    assert_eq!(python_files(&text, &set), [file("b.py")]);
    for broken in [
        "analysis = 3",
        "[analysis.mine]\npython = 3",
        "[analysis.mi",
    ] {
        assert_eq!(python_files(broken, &[]), []);
    }

    let schema = json!({ "properties": { "low": { "default": 1 } } });
    let mine = || Catalog::new([AnalysisKind::new("mine", &schema, |_| Ok(()))]).and_others();
    let load_with = |catalog: Catalog| load(&text, Path::new("x.toml"), &[], &catalog);
    let plan = good(load_with(mine()));
    assert_eq!(plan.analyses[0].python.as_deref(), Some("a/mine.py"));
    assert_eq!(plan.analyses[0].parameters.get("low"), Some(&json!(2)));
    let resolved = plan.resolved_toml();
    assert_eq!(
        good(load(&resolved, Path::new("x.toml"), &[], &mine())),
        plan
    );
    // Where the analysis is not known, the key is no parameter of it either.
    let others = good(load_with(catalog().and_others()));
    assert_eq!(others.analyses[0].parameters.len(), 1);

    let unusable = Unusable {
        name: "mine".to_owned(),
        message: "there is no a/mine.py".to_owned(),
        expected: "a file".to_owned(),
    };
    let refused = load_with(mine().without(vec![unusable])).expect_err("it cannot be used");
    let found: Vec<_> = refused
        .iter()
        .map(|m| (m.text, m.message, m.label))
        .collect();
    assert_eq!(
        found,
        [("\"a/mine.py\"", "there is no a/mine.py", "expected a file")]
    );
}
