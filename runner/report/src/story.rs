//! What became of a cell, in words.

use grokrun_store::{CellSummary, FoundFiles};
use serde_json::Value;

/// Headline and class of the verdict: `good`, `open` or `bad`.
pub(crate) fn verdict(told: &CellSummary) -> (String, &'static str) {
    let class = match (told.status.as_str(), told.test_accuracy_epoch) {
        ("failed", _) => "bad",
        (_, Some(_)) => "good",
        _ => "open",
    };
    let memorised = match told.train_accuracy_epoch {
        Some(epoch) => format!("memorised at epoch {epoch}, "),
        None => String::new(),
    };
    let mut text = format!("{memorised}{}", told.verdict);
    if told.status == "interrupted" {
        text.push_str("; interrupted: the same command goes on");
    }
    (text, class)
}

/// The key frequencies as the formula that the logits are a sum of, from what `fourier-sparsity`
/// found; none without it.
pub(crate) fn formula(analyses: &[FoundFiles], operation: &str) -> Option<String> {
    let found = analyses
        .iter()
        .find(|found| found.index["analysis"] == "fourier-sparsity")?;
    let rules = &found.tables.iter().find(|(name, _)| name == "rules")?.1;
    let of_rule = |rule: &str| -> Option<String> {
        let rows = rules["rows"].as_array()?;
        let row = rows.iter().find(|row| row[0] == rule)?;
        let list = row[2].as_str()?;
        (!list.is_empty() && row[1].as_u64()? <= 12).then(|| list.to_owned())
    };
    let keys = of_rule("W_L").or_else(|| of_rule("5 medians"))?;
    let note = found.index["notes"][0].as_str().unwrap_or_default();
    let argument = match operation {
        _ if note.starts_with("basis: labels") => "f(a, b) − c",
        "div" if note.contains("multiplicative") => "log a − log b − log c",
        _ if note.contains("multiplicative") => "log a + log b − log c",
        "sub" => "a − b − c",
        _ => "a + b − c",
    };
    Some(format!("logits ∝ Σ cos(w_k ({argument})),  k = {keys}"))
}

/// A table of findings as text.
pub(crate) fn table(table: &Value) -> (Vec<String>, Vec<Vec<String>>) {
    let columns = strings(&table["columns"]);
    let rows = table["rows"].as_array().into_iter().flatten();
    (columns, rows.map(strings).collect())
}

fn strings(values: &Value) -> Vec<String> {
    let text = |value: &Value| match value {
        Value::Null => "–".to_owned(),
        Value::String(text) => text.clone(),
        Value::Bool(yes) => if *yes { "yes" } else { "no" }.to_owned(),
        Value::Number(n) if n.is_f64() => {
            let x = n.as_f64().unwrap_or(f64::NAN);
            if (0.001..10_000.0).contains(&x.abs()) || x == 0.0 {
                format!("{x:.4}")
            } else {
                format!("{x:.3e}")
            }
        }
        other => other.to_string(),
    };
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

    #[test]
    fn formulas_follow_basis_and_operation() {
        let product = sparsity("basis: multiplicative, characters", "1, 2, 14");
        assert_eq!(
            formula(&product, "mul").unwrap(),
            "logits ∝ Σ cos(w_k (log a + log b − log c)),  k = 1, 2, 14"
        );
        let difference = formula(&sparsity("basis: additive", "5"), "sub").unwrap();
        assert!(difference.contains("a − b − c"));
        assert!(
            formula(&sparsity("basis: labels; the", "5"), "quadratic")
                .unwrap()
                .contains("f(a, b)")
        );
        assert_eq!(formula(&sparsity("basis: additive", ""), "add"), None);
        assert_eq!(formula(&[], "add"), None);
    }

    #[test]
    fn verdicts_say_what_happened_and_how_to_go_on() {
        let mut told = CellSummary::new("c", "interrupted", &Default::default());
        assert_eq!(verdict(&told).1, "open");
        assert!(verdict(&told).0.contains("the same command goes on"));
        (
            told.status,
            told.train_accuracy_epoch,
            told.test_accuracy_epoch,
        ) = ("finished".to_owned(), Some(12), Some(90));
        assert_eq!(verdict(&told).1, "good");
        assert!(verdict(&told).0.starts_with("memorised at epoch 12"));
    }
}
