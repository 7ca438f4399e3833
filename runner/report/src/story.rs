//! Says in words what became of a cell, and which formula was found.

use grokrun_store::{CellSummary, Crossing, FAILED, FoundFiles, HOLD, Milestone, Values};
use serde_json::Value;

use crate::components::Components;

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

/// The sum that the logits are proportional to, in words.
#[derive(Debug, PartialEq)]
pub(crate) struct Formula {
    /// the argument of the cosine: log a + log b − log c
    pub(crate) argument: String,
    /// the angular frequency w_k, as 2πk/58
    pub(crate) angle: String,
    /// the key components, each with its colour
    pub(crate) keys: Vec<(String, String)>,
    /// the rule that chose the frequencies, and what the argument means
    pub(crate) note: String,
}

/// Returns the formula of the logits that an analysis found; none if none did.
pub(crate) fn formula(
    analyses: &[FoundFiles],
    outcome: &CellSummary,
    components: &Components,
) -> Option<Formula> {
    let color = |key: &String| components.color(key).unwrap_or_default();
    let found = analyses
        .iter()
        .find_map(|found| found.index.formula.as_ref())?;
    let mut note = found.explanation.clone();
    if outcome.test_accuracy_epoch.is_none() {
        note.push_str(
            " The model has not grokked: these are what its weights favour, not what its logits are.",
        );
    }
    Some(Formula {
        argument: found.argument.clone(),
        angle: format!("2πk/{}", found.period),
        keys: found
            .keys
            .iter()
            .map(|key| (key.clone(), color(key)))
            .collect(),
        note,
    })
}

/// Returns the columns and rows of a table of findings as text.
pub(crate) fn table(table: &Value) -> (Vec<String>, Vec<Vec<String>>) {
    let columns = strings(&table["columns"]);
    let rows = table["rows"].as_array().into_iter().flatten();
    (columns, rows.map(strings).collect())
}

/// Returns the keys of an object with their values as text: the parameters of an analysis.
pub(crate) fn parameters(of: &Values) -> Vec<(String, String)> {
    of.iter()
        .map(|(key, value)| (key.clone(), text(value)))
        .collect()
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

    #[test]
    fn a_formula_is_that_of_whichever_analysis_found_one() {
        let mut outcome = CellSummary::new("c", "finished", &Default::default());
        let without = FoundFiles::default();
        assert_eq!(
            formula(
                std::slice::from_ref(&without),
                &outcome,
                &Components::default()
            ),
            None
        );
        let mut with = FoundFiles::default();
        with.index.formula = Some(grokrun_store::Formula {
            argument: "a + b − c".to_owned(),
            period: 59,
            keys: vec!["1".to_owned(), "14".to_owned()],
            explanation: "By some rule.".to_owned(),
        });
        let components = Components::of([with.clone()].iter());
        let shown = formula(&[without, with.clone()], &outcome, &components).unwrap();
        assert_eq!(shown.angle, "2πk/59");
        let names: Vec<&str> = shown.keys.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["1", "14"]);
        assert_eq!(Some(shown.keys[1].1.clone()), components.color("14"));
        assert!(shown.note.contains("has not grokked"), "{}", shown.note);
        outcome.test_accuracy_epoch = Some(7);
        assert_eq!(
            formula(&[with], &outcome, &components).unwrap().note,
            "By some rule."
        );
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
        let both = json!({ "hold": 1, "limit": 0.01 });
        let outcome = parameters(&serde_json::from_value(both).unwrap());
        assert_eq!(outcome[1], ("limit".to_owned(), "0.01".to_owned()));
    }
}
