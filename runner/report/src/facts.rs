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

fn heading_of(name: &str, configs: &[&Value]) -> String {
    let task = |config: &Value| {
        let notation = config["task"]["notation"].as_str()?.to_owned();
        Some(format!("{notation} mod {}", config["task"]["modulus"]))
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

fn of_configs(configs: &[&Value]) -> Vec<(String, String)> {
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
        (
            "model",
            each(&|c| {
                let model = &c["model"];
                let size = |key: &str| model[key].as_u64();
                Some(format!(
                    "1 layer, {} of {}, d_model {}, {} {} neurons, {} trained parameters",
                    plural(size("heads")?, "head"),
                    size("d_head")?,
                    size("d_model")?,
                    size("d_mlp")?,
                    model["activation"].as_str()?,
                    grouped(size("trained_parameters")?),
                ))
            }),
        ),
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

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
