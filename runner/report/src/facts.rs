//! Says what was run, on what, and how long it took: the first lines of the page.

use serde_json::Value;

use crate::gather::Gathered;
use crate::numbers::{duration, grouped, plural};

/// Returns the task in mathematical notation, or the run's name if the cells differ in it.
pub(crate) fn heading(name: &str, cells: &[Gathered]) -> String {
    heading_of(name, &configs(cells))
}

fn configs(cells: &[Gathered]) -> Vec<&Value> {
    cells.iter().map(|cell| &cell.config).collect()
}

pub(crate) fn heading_of(name: &str, configs: &[&Value]) -> String {
    let task = |config: &Value| {
        let notation = config["task"]["notation"].as_str()?.to_owned();
        Some(match &config["task"]["modulus"] {
            // A group or a table is not modulo anything.
            Value::Null => notation,
            modulus => format!("{notation} mod {modulus}"),
        })
    };
    match distinct(configs.iter().filter_map(|c| task(c))).as_slice() {
        [one] => one.clone(),
        _ => name.to_owned(),
    }
}

/// Returns each value once, in the order in which they first come.
fn distinct(values: impl Iterator<Item = String>) -> Vec<String> {
    let mut all = Vec::new();
    for value in values {
        if !all.contains(&value) {
            all.push(value);
        }
    }
    all
}

/// Joins a few values; of many, the ends and their number.
fn listed(mut values: Vec<String>) -> Option<String> {
    if values.iter().all(|value| value.parse::<f64>().is_ok()) {
        let number = |value: &String| value.parse().unwrap_or(f64::NAN);
        values.sort_by(|one, other| number(one).total_cmp(&number(other)));
    }
    match values.as_slice() {
        [] => None,
        few if few.len() <= 4 => Some(few.join(", ")),
        many => Some(format!(
            "{}, …, {} ({} values)",
            many[0],
            many[many.len() - 1],
            many.len()
        )),
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Says what all cells have in common, what they differ in, and what they ran on.
pub(crate) fn facts(cells: &[Gathered]) -> Vec<(String, String)> {
    let configs = configs(cells);
    let mut facts = of_configs(&configs);
    facts.extend(differences(&configs, &facts));
    let mut add = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            facts.push((name.to_owned(), value));
        }
    };
    let devices = cells.iter().filter_map(|cell| cell.outcome.device.clone());
    add("device", listed(distinct(devices)));
    let seconds = cells.iter().filter_map(|cell| cell.outcome.seconds);
    let longest = seconds.fold(None, |most: Option<f64>, s| {
        Some(most.map_or(s, |m| m.max(s)))
    });
    let label = match cells.len() {
        1 => "wall time, last session",
        _ => "wall time, longest of a cell",
    };
    add(label, longest.map(duration));
    let paces: Vec<f64> = cells
        .iter()
        .filter_map(|cell| cell.outcome.epochs_per_second)
        .collect();
    let mean = paces.iter().sum::<f64>() / paces.len() as f64;
    let label = match cells.len() {
        1 => "epochs/s",
        _ => "epochs/s, mean of a cell",
    };
    add(label, (!paces.is_empty()).then(|| format!("{mean:.0}")));
    facts
}

/// Says in which further settings cells differ.
fn differences(configs: &[&Value], said: &[(String, String)]) -> Vec<(String, String)> {
    // The facts name them otherwise.
    let elsewhere = ["operation", "modulus", "fraction"];
    let all = grokrun_sweeps::axes(configs).into_iter();
    let further = all.filter(|axis| {
        let known = said.iter().any(|(name, _)| *name == axis.words());
        !known && !elsewhere.contains(&axis.key.as_str())
    });
    let values = |axis: &grokrun_sweeps::Axis| -> Vec<String> {
        axis.values
            .iter()
            .map(grokrun_sweeps::Place::text)
            .collect()
    };
    further
        .filter_map(|axis| Some((axis.key.clone(), listed(values(&axis))?)))
        .collect()
}

pub(crate) fn of_configs(configs: &[&Value]) -> Vec<(String, String)> {
    let each = |say: &dyn Fn(&Value) -> Option<String>| {
        listed(distinct(configs.iter().filter_map(|config| say(config))))
    };
    let all = [
        (
            "trained on",
            each(&|c| {
                let [train, test] =
                    ["train_pairs", "test_pairs"].map(|key| c["task"][key].as_u64());
                let fraction = c["task"].get("fraction").map(text)?;
                Some(match train.zip(test) {
                    Some((train, test)) => {
                        let pairs = plural(train + test, "pair");
                        format!("{fraction} of {pairs}")
                    }
                    None => fraction,
                })
            }),
        ),
        ("data seed", each(&|c| c.pointer("/seeds/data").map(text))),
        ("model seed", each(&|c| c.pointer("/seeds/model").map(text))),
        ("model", each(&|c| model_in_words(&c["model"]))),
        (
            "optimizer",
            each(&|c| changed(c, "/train/optimizer", "adamw")),
        ),
        (
            "loss",
            each(&|c| changed(c, "/train/loss", "cross-entropy")),
        ),
        ("gradients", each(&|c| changed(c, "/train/gradient", ""))),
        ("batch", each(&|c| changed(c, "/data/batch", "full"))),
        ("epochs", each(&|c| c.pointer("/train/epochs").map(text))),
        (
            "learning rate",
            each(&|c| c.pointer("/train/learning_rate").map(text)),
        ),
        (
            "weight decay",
            each(&|c| c.pointer("/train/weight_decay").map(text)),
        ),
    ];
    all.into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect()
}

/// A setting, if it is not that of the published experiment; a run of an older grokrun does not
/// say.
fn changed(config: &Value, pointer: &str, published: &str) -> Option<String> {
    let value = config.pointer(pointer).filter(|value| !value.is_null())?;
    (value != published).then(|| in_words(value))
}

/// A setting in words: of a table its kind, then its other keys with their values.
fn in_words(value: &Value) -> String {
    match value {
        Value::String(word) => word.clone(),
        Value::Object(table) => {
            let kind = table.get("kind").map(in_words);
            let others = table.iter().filter(|(key, _)| *key != "kind");
            let others = others.map(|(key, value)| format!("{key} {}", in_words(value)));
            kind.into_iter()
                .chain(others)
                .collect::<Vec<_>>()
                .join(", ")
        }
        other => other.to_string(),
    }
}

/// The model of a `config.json`, in words; none where its sizes are not said.
fn model_in_words(model: &Value) -> Option<String> {
    let size = |key: &str| model[key].as_u64();
    let word = |key: &str| model[key].as_str();
    let activation = || match &model["activation"] {
        Value::String(word) => word.clone(),
        other => other.to_string(),
    };
    let mut parts = Vec::new();
    if word("kind") == Some("mlp") {
        let hidden = model["hidden"].as_array()?;
        let widths: Vec<String> = hidden.iter().map(Value::to_string).collect();
        parts.push(format!("mlp on {}", word("input")?));
        parts.extend(size("d_model").map(|width| format!("embeddings of {width}")));
        parts.push(format!("hidden {} ({})", widths.join(", "), activation()));
    } else {
        parts.push(plural(size("layers").unwrap_or(1), "layer"));
        let heads = plural(size("heads")?, "head");
        parts.push(format!("{heads} of {}", size("d_head")?));
        parts.push(format!("d_model {}", size("d_model")?));
        parts.push(match size("d_mlp") {
            Some(neurons) => format!("{neurons} {} neurons", activation()),
            None => "attention only".to_owned(),
        });
        for (key, published) in [
            ("norm", "none"),
            ("mask", "causal"),
            ("attention", "softmax"),
        ] {
            parts.extend(
                changed(model, &format!("/{key}"), published).map(|v| format!("{key} {v}")),
            );
        }
        if model["separator"] == false {
            parts.push("no '='".to_owned());
        }
        if model["tied"] == true {
            parts.push("tied".to_owned());
        }
    }
    let parameters = grouped(size("trained_parameters")?);
    parts.push(format!("{parameters} trained parameters"));
    Some(parts.join(", "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_model_is_described_by_what_is_not_published() {
        let deeper = json!({ "kind": "transformer", "layers": 2, "heads": 2, "d_head": 16,
            "d_model": 32, "d_mlp": 64, "activation": "relu", "norm": "pre", "mask": "causal",
            "attention": { "rate": 0.5 }, "separator": true, "tied": false,
            "trained_parameters": 1000 });
        assert_eq!(
            model_in_words(&deeper).as_deref(),
            Some(
                "2 layers, 2 heads of 16, d_model 32, 64 relu neurons, norm pre, attention rate 0.5, 1,000 trained parameters"
            )
        );
        let mlp = json!({ "kind": "mlp", "input": "two-hot", "hidden": [500],
            "activation": "quadratic", "trained_parameters": 145_500 });
        assert_eq!(
            model_in_words(&mlp).as_deref(),
            Some("mlp on two-hot, hidden 500 (quadratic), 145,500 trained parameters")
        );
    }

    #[test]
    fn what_cells_share_is_said_once() {
        let config = |seed: u64| {
            json!({ "task": { "fraction": 0.5, "notation": "a × b", "modulus": 59, "train_pairs": 1740, "test_pairs": 1741 },
                "seeds": { "data": 1, "model": seed },
                "model": { "heads": 4, "d_head": 32, "d_model": 128, "d_mlp": 512, "activation": "relu", "trained_parameters": 212_864 } })
        };
        let configs: Vec<Value> = [9, 10, 2, 1, 5].map(config).into();
        let all: Vec<&Value> = configs.iter().collect();
        let facts = of_configs(&all);
        let fact = |name: &str| facts.iter().find(|f| f.0 == name).map(|f| f.1.as_str());
        assert_eq!(fact("trained on"), Some("0.5 of 3,481 pairs"));
        assert_eq!(fact("data seed"), Some("1"));
        assert_eq!(fact("model seed"), Some("1, …, 10 (5 values)"));
        assert_eq!(
            fact("model"),
            Some(
                "1 layer, 4 heads of 32, d_model 128, 512 relu neurons, 212,864 trained parameters"
            )
        );
        assert_eq!(heading_of("run", &all), "a × b mod 59");
        let other = json!({ "task": { "notation": "a + b", "modulus": 59 } });
        assert_eq!(heading_of("run", &[all[0], &other, all[1]]), "run");
    }
}
