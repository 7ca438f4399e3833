//! Says in words what became of a cell, and writes the formula that was found.

use grokrun_store::{CellSummary, Crossing, FAILED, FoundFiles, HOLD, Milestone};
use serde_json::Value;

/// Above this many key frequencies no formula is shown.
const MOST_KEYS: u64 = 12;

/// Returns headline and class of the verdict: `good`, `open` or `bad`. `training` says that a
/// process trains the cell now; `config` is the cell's `config.json`.
pub(crate) fn verdict(
    outcome: &CellSummary,
    training: bool,
    config: &Value,
) -> (String, &'static str) {
    let grokked = outcome.crossing(Milestone::Grokked);
    let class = match grokked {
        _ if outcome.has_failed() => "bad",
        Crossing::Held { .. } => "good",
        _ => "open",
    };
    let mut text = match outcome.crossing(Milestone::Memorised) {
        Crossing::Held { epoch } => format!("memorised at epoch {epoch}, "),
        Crossing::Open { epoch, .. } => {
            format!("99 % train accuracy since epoch {epoch}, not yet held for {HOLD} epochs; ")
        }
        Crossing::Not => String::new(),
    };
    text.push_str(&match (outcome.status.as_str(), grokked) {
        ("interrupted", Crossing::Not) => format!("not grokked by epoch {}", outcome.epochs),
        _ => outcome.verdict.clone(),
    });
    let epochs = config["train"]["epochs"].as_u64().unwrap_or(outcome.epochs);
    match outcome.status.as_str() {
        "interrupted" if training => text.push_str(&format!(
            "; training goes on, {} of {epochs} epochs are done",
            outcome.epochs
        )),
        "interrupted" => text.push_str(&format!(
            "; interrupted after {} of {epochs} epochs: the same command goes on from the last saved state",
            outcome.epochs
        )),
        FAILED => text.push_str(&format!(
            ". What was trained until then is kept. {}; --fresh starts over",
            advice(config)
        )),
        "stopped early" => text.push_str(&format!("; stopped early after {} epochs", outcome.epochs)),
        _ => {}
    }
    (text, class)
}

/// Says what in the recipe may have made the losses overflow.
fn advice(config: &Value) -> String {
    let recipe = |key: &str| config["train"][key].as_f64();
    match recipe("learning_rate").zip(recipe("weight_decay")) {
        // A step multiplies every weight by 1 − rate·decay before Adam's own change.
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

/// Formats a number in few digits.
fn short(x: f64) -> String {
    if (1e-3..1e6).contains(&x.abs()) {
        format!("{x}")
    } else {
        format!("{x:e}")
    }
}

/// The sum that the logits are proportional to.
#[derive(Debug, PartialEq)]
pub(crate) struct Formula {
    /// the argument of the cosine: log a + log b − log c
    pub(crate) argument: String,
    /// the angular frequency w_k, as 2πk/58
    pub(crate) angle: String,
    /// the key frequencies
    pub(crate) keys: String,
    /// the rule that chose the frequencies, and what the argument means
    pub(crate) note: String,
}

/// Writes the key frequencies as the formula of the logits, from the findings of `fourier-sparsity`
/// in a cell with this `config.json`; none without them.
pub(crate) fn formula(
    analyses: &[FoundFiles],
    config: &Value,
    outcome: &CellSummary,
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
    // Logits of a group are sums of characters, no waves.
    if note.contains("irreducible representations") {
        return None;
    }
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
    if outcome.test_accuracy_epoch.is_none() {
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

/// Returns the columns and rows of a table of findings as text.
pub(crate) fn table(table: &Value) -> (Vec<String>, Vec<Vec<String>>) {
    let columns = strings(&table["columns"]);
    let rows = table["rows"].as_array().into_iter().flatten();
    (columns, rows.map(strings).collect())
}

/// Returns the keys of an object with their values as text: the parameters of an analysis.
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
    fn representations_are_no_frequencies() {
        let found = sparsity("basis: irreducible representations of S5", "sign, standard");
        let outcome = CellSummary::new("c", "finished", &Default::default());
        assert!(formula(&found, &task("group S5"), &outcome).is_none());
    }

    #[test]
    fn formulas_follow_basis_and_operation() {
        let outcome = CellSummary::new("c", "finished", &Default::default());
        let note = "basis: multiplicative, characters of the logarithm to the primitive root 2";
        let product = formula(&sparsity(note, "1, 2, 14"), &task("mul"), &outcome).unwrap();
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
        let difference =
            formula(&sparsity("basis: additive", "5"), &task("sub"), &outcome).unwrap();
        assert_eq!(
            (difference.argument.as_str(), difference.angle.as_str()),
            ("a − b − c", "2πk/59")
        );
        let other = formula(
            &sparsity("basis: labels; the", "5"),
            &task("quadratic"),
            &outcome,
        )
        .unwrap();
        assert!(other.argument.contains("f(a, b)") && other.note.contains("a² + b"));
        assert_eq!(
            formula(&sparsity("basis: additive", ""), &task("add"), &outcome),
            None
        );
        assert_eq!(formula(&[], &task("add"), &outcome), None);
    }

    #[test]
    fn verdicts_say_what_happened_and_how_to_go_on() {
        let config = json!({ "train": { "epochs": 10 } });
        let mut outcome = CellSummary::new("c", "interrupted", &Default::default());
        let verdict = |outcome: &CellSummary, training| verdict(outcome, training, &config);
        assert_eq!(verdict(&outcome, false).1, "open");
        assert!(
            verdict(&outcome, false)
                .0
                .contains("the same command goes on")
        );
        let going = verdict(&outcome, true).0;
        assert!(going.contains("training goes on, 0 of 10") && !going.contains("interrupted"));
        outcome.status = "failed".to_owned();
        assert!(verdict(&outcome, false).0.contains("--fresh starts over"));
        (
            outcome.status,
            outcome.train_accuracy_epoch,
            outcome.test_accuracy_epoch,
        ) = ("finished".to_owned(), Some(12), Some(90));
        assert_eq!(verdict(&outcome, false).1, "good");
        assert!(
            verdict(&outcome, false)
                .0
                .starts_with("memorised at epoch 12")
        );
    }

    #[test]
    fn what_is_reached_and_not_yet_held_is_said_with_its_epoch() {
        let mut outcome = CellSummary::new("c", "interrupted", &Default::default());
        (outcome.epochs, outcome.test_accuracy_since) = (300, Some(200));
        outcome.verdict = "reached 0.99 test accuracy at epoch 200, not yet held".to_owned();
        outcome.train_accuracy_since = Some(90);
        let (text, class) = verdict(&outcome, false, &Value::Null);
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
        let outcome = parameters(&json!({ "hold": 1, "limit": 0.01 }));
        assert_eq!(outcome[1], ("limit".to_owned(), "0.01".to_owned()));
    }
}
