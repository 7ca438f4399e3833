//! What became of a cell, in words, and the formula that was found.

use grokrun_store::{CellSummary, Crossing, FAILED, FoundFiles, HOLD, Milestone};
use serde_json::Value;

/// The most key frequencies of a formula: more of them are none.
const MOST_KEYS: u64 = 12;

/// Headline and class of the verdict: `good`, `open` or `bad`. `training` if a process is at it
/// now; `config` is the cell's `config.json`.
pub(crate) fn verdict(
    told: &CellSummary,
    training: bool,
    config: &Value,
) -> (String, &'static str) {
    let grokked = told.crossing(Milestone::Grokked);
    let class = match grokked {
        _ if told.has_failed() => "bad",
        Crossing::Held { .. } => "good",
        _ => "open",
    };
    let mut text = match told.crossing(Milestone::Memorised) {
        Crossing::Held { epoch } => format!("memorised at epoch {epoch}, "),
        Crossing::Open { epoch, .. } => {
            format!("99 % train accuracy since epoch {epoch}, not yet held for {HOLD} epochs; ")
        }
        Crossing::Not => String::new(),
    };
    text.push_str(&match (told.status.as_str(), grokked) {
        ("interrupted", Crossing::Not) => format!("not grokked by epoch {}", told.epochs),
        _ => told.verdict.clone(),
    });
    let epochs = config["train"]["epochs"].as_u64().unwrap_or(told.epochs);
    match told.status.as_str() {
        "interrupted" if training => text.push_str(&format!(
            "; training goes on, {} of {epochs} epochs are done",
            told.epochs
        )),
        "interrupted" => text.push_str(&format!(
            "; interrupted after {} of {epochs} epochs: the same command goes on from the last saved state",
            told.epochs
        )),
        FAILED => text.push_str(&format!(
            ". What was trained until then is kept. {}; --fresh starts over",
            advice(config)
        )),
        "stopped early" => text.push_str(&format!("; stopped early after {} epochs", told.epochs)),
        _ => {}
    }
    (text, class)
}

/// What may keep a training from losing its numbers, by its recipe.
fn advice(config: &Value) -> String {
    let recipe = |key: &str| config["train"][key].as_f64();
    match recipe("learning_rate").zip(recipe("weight_decay")) {
        // A step multiplies every weight by 1 − rate·decay, before Adam adds anything.
        Some((rate, decay)) if rate * decay > 2.0 => format!(
            "With train.learning_rate {} and train.weight_decay {} a step multiplies every weight by {}, so that all of them grow whatever is learned: expected a train.weight_decay below {}",
            short(rate),
            short(decay),
            short(1.0 - rate * decay),
            short(1.0 / rate)
        ),
        _ => "A smaller train.learning_rate or a longer train.warmup may help".to_owned(),
    }
}

/// A number in few digits.
fn short(x: f64) -> String {
    match (1e-3..1e6).contains(&x.abs()) {
        true => format!("{x}"),
        false => format!("{x:e}"),
    }
}

/// What the logits are a sum of.
#[derive(Debug, PartialEq)]
pub(crate) struct Formula {
    /// of the cosine: log a + log b − log c
    pub(crate) argument: String,
    /// w_k, as 2πk/58
    pub(crate) angle: String,
    /// the key frequencies
    pub(crate) keys: String,
    /// where they are from, and what the argument means
    pub(crate) note: String,
}

/// The key frequencies as the formula that the logits are a sum of, from what `fourier-sparsity`
/// found in a cell with this `config.json`; none without it.
pub(crate) fn formula(
    analyses: &[FoundFiles],
    config: &Value,
    told: &CellSummary,
) -> Option<Formula> {
    let found = analyses
        .iter()
        .find(|found| found.index["analysis"] == "fourier-sparsity")?;
    let rules = &found.tables.iter().find(|(name, _)| name == "rules")?.1;
    let of_rule = |rule: &'static str| -> Option<(String, &str)> {
        let rows = rules["rows"].as_array()?;
        let row = rows.iter().find(|row| row[0] == rule)?;
        let list = row[2].as_str()?;
        (!list.is_empty() && row[1].as_u64()? <= MOST_KEYS).then(|| (list.to_owned(), rule))
    };
    let (keys, rule) = of_rule("W_L").or_else(|| of_rule("5 medians"))?;
    let operation = config["task"]["operation"].as_str().unwrap_or_default();
    let notation = config["task"]["notation"].as_str().unwrap_or_default();
    let p = config["task"]["modulus"].as_u64().unwrap_or_default();
    let notes = found.index["notes"].as_array().into_iter().flatten();
    let note = notes
        .filter_map(Value::as_str)
        .find(|note| note.starts_with("basis:"))
        .unwrap_or_default();
    let multiplicative = note.contains("multiplicative");
    let argument = match operation {
        _ if note.starts_with("basis: labels") => "f(a, b) − c",
        "div" if multiplicative => "log a − log b − log c",
        _ if multiplicative => "log a + log b − log c",
        "sub" => "a − b − c",
        _ => "a + b − c",
    };
    let mut explained = format!("Key frequencies by the rule {rule} of fourier-sparsity.");
    if let Some((_, root)) = note.split_once("primitive root ") {
        explained.push_str(&format!(
            " log is the logarithm to the primitive root {root} modulo {p}."
        ));
    }
    if note.starts_with("basis: labels") {
        explained.push_str(&format!(" f(a, b) = {notation}."));
    }
    if told.test_accuracy_epoch.is_none() {
        explained.push_str(
            " The model has not grokked: these are what its weights favour, not what its logits are.",
        );
    }
    Some(Formula {
        argument: argument.to_owned(),
        // The units of a prime field are p − 1.
        angle: format!(
            "2πk/{}",
            if multiplicative {
                p.saturating_sub(1)
            } else {
                p
            }
        ),
        keys,
        note: explained,
    })
}

/// A table of findings as text.
pub(crate) fn table(table: &Value) -> (Vec<String>, Vec<Vec<String>>) {
    let columns = strings(&table["columns"]);
    let rows = table["rows"].as_array().into_iter().flatten();
    (columns, rows.map(strings).collect())
}

/// The keys of an object with their values as text: what an analysis was asked for.
pub(crate) fn parameters(object: &Value) -> Vec<(String, String)> {
    let map = object.as_object().into_iter().flatten();
    map.map(|(key, value)| (key.clone(), text(value))).collect()
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => "–".to_owned(),
        Value::String(text) => text.clone(),
        Value::Bool(yes) => if *yes { "yes" } else { "no" }.to_owned(),
        Value::Number(n) if n.is_f64() => {
            let x = n.as_f64().unwrap_or(f64::NAN);
            let text = format!("{x:.4}");
            if x == 0.0 {
                "0".to_owned()
            } else if (0.001..100_000.0).contains(&x.abs()) {
                text.trim_end_matches('0').trim_end_matches('.').to_owned()
            } else {
                format!("{x:.3e}")
            }
        }
        other => other.to_string(),
    }
}

fn strings(values: &Value) -> Vec<String> {
    values.as_array().into_iter().flatten().map(text).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn sparsity(note: &str, keys: &str) -> Vec<FoundFiles> {
        vec![FoundFiles {
            index: json!({ "analysis": "fourier-sparsity", "notes": [note] }),
            tables: vec![(
                "rules".to_owned(),
                json!({ "columns": [], "rows": [["W_L", 3, keys]] }),
            )],
            figures: Vec::new(),
        }]
    }

    fn task(operation: &str) -> Value {
        json!({ "task": { "operation": operation, "notation": "a² + b", "modulus": 59 } })
    }

    #[test]
    fn formulas_follow_basis_and_operation() {
        let told = CellSummary::new("c", "finished", &Default::default());
        let note = "basis: multiplicative, characters of the logarithm to the primitive root 2";
        let product = formula(&sparsity(note, "1, 2, 14"), &task("mul"), &told).unwrap();
        assert_eq!(product.argument, "log a + log b − log c");
        assert_eq!(
            (product.angle.as_str(), product.keys.as_str()),
            ("2πk/58", "1, 2, 14")
        );
        assert!(product.note.contains("has not grokked"));
        assert!(
            product.note.contains("primitive root 2 modulo 59"),
            "{}",
            product.note
        );
        let difference = formula(&sparsity("basis: additive", "5"), &task("sub"), &told).unwrap();
        assert_eq!(
            (difference.argument.as_str(), difference.angle.as_str()),
            ("a − b − c", "2πk/59")
        );
        let other = formula(
            &sparsity("basis: labels; the", "5"),
            &task("quadratic"),
            &told,
        )
        .unwrap();
        assert!(other.argument.contains("f(a, b)") && other.note.contains("a² + b"));
        assert_eq!(
            formula(&sparsity("basis: additive", ""), &task("add"), &told),
            None
        );
        assert_eq!(formula(&[], &task("add"), &told), None);
    }

    #[test]
    fn verdicts_say_what_happened_and_how_to_go_on() {
        let config = json!({ "train": { "epochs": 10 } });
        let mut told = CellSummary::new("c", "interrupted", &Default::default());
        let verdict = |told: &CellSummary, training| verdict(told, training, &config);
        assert_eq!(verdict(&told, false).1, "open");
        assert!(verdict(&told, false).0.contains("the same command goes on"));
        let going = verdict(&told, true).0;
        assert!(going.contains("training goes on, 0 of 10") && !going.contains("interrupted"));
        told.status = "failed".to_owned();
        assert!(verdict(&told, false).0.contains("--fresh starts over"));
        (
            told.status,
            told.train_accuracy_epoch,
            told.test_accuracy_epoch,
        ) = ("finished".to_owned(), Some(12), Some(90));
        assert_eq!(verdict(&told, false).1, "good");
        assert!(verdict(&told, false).0.starts_with("memorised at epoch 12"));
    }

    #[test]
    fn what_is_reached_and_not_yet_held_is_said_with_its_epoch() {
        let mut told = CellSummary::new("c", "interrupted", &Default::default());
        (told.epochs, told.test_accuracy_since) = (300, Some(200));
        told.verdict = "reached 0.99 test accuracy at epoch 200, not yet held".to_owned();
        told.train_accuracy_since = Some(90);
        let (text, class) = verdict(&told, false, &Value::Null);
        assert_eq!(class, "open");
        assert!(text.starts_with("99 % train accuracy since epoch 90, not yet held"));
        assert!(
            text.contains("at epoch 200, not yet held; interrupted"),
            "{text}"
        );
    }

    #[test]
    fn advice_fits_the_recipe_that_failed() {
        let of = |rate: f64, decay: f64| {
            advice(&json!({ "train": { "learning_rate": rate, "weight_decay": decay } }))
        };
        assert!(of(1e-3, 1e10).contains("by -9.999999e6") && of(1e-3, 1e10).contains("below 1000"));
        assert!(!of(1e-3, 1e10).contains("smaller train.learning_rate"));
        for usual in [of(1e-3, 1.0), of(5.0, 0.0), advice(&Value::Null)] {
            assert!(usual.contains("smaller train.learning_rate"), "{usual}");
        }
    }

    #[test]
    fn numbers_are_as_short_as_they_can_be() {
        let values = json!([1.0, 0.85, 0.0, 12345.678, 1e-7, true, null, "x", 7]);
        assert_eq!(
            strings(&values),
            [
                "1",
                "0.85",
                "0",
                "12345.678",
                "1.000e-7",
                "yes",
                "–",
                "x",
                "7"
            ]
        );
        let told = parameters(&json!({ "hold": 1, "limit": 0.01 }));
        assert_eq!(told[1], ("limit".to_owned(), "0.01".to_owned()));
    }
}
