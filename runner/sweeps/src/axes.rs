//! What the cells of a sweep differ in, read from their settings.

use std::cmp::Ordering;

use serde_json::Value;

/// The settings of a task and their names in a spec.
const TASK: [(&str, &str); 5] = [
    ("operation", "/task/notation"),
    ("modulus", "/task/modulus"),
    ("operands", "/task/operands"),
    ("pairs", "/task/pairs"),
    ("fraction", "/task/fraction"),
];
/// The tables of `config.json` whose keys are those of the spec.
const TABLES: [&str; 4] = ["data", "start", "model", "train"];
/// What follows from other settings.
const DERIVED: [&str; 2] = ["/model/trained_parameters", "/task/operands"];
/// The seeds: cells that differ in them alone repeat each other.
const SEEDS: [(&str, &str); 2] = [
    ("seeds.data", "/seeds/data"),
    ("seeds.model", "/seeds/model"),
];
/// An axis whose largest value is at least so many times the smallest can be spaced by ratios.
const LEAST_RATIO: f64 = 4.0;

/// Below it every whole number is a double.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// A value of an axis.
#[derive(Clone, Debug, PartialEq)]
pub enum Place {
    /// a number
    Number(f64),
    /// anything else, as it is read by people
    Word(String),
}

impl Place {
    /// A setting as a place; what is not set is the word `none`.
    fn of(value: Option<&Value>) -> Place {
        match value {
            Some(Value::Number(number)) => match number.as_f64() {
                // A seed that is no double is told apart from its neighbours by its digits.
                Some(double) if double.abs() < EXACT => Place::Number(double),
                _ => Place::Word(number.to_string()),
            },
            Some(Value::String(text)) => Place::Word(text.clone()),
            Some(Value::Null) | None => Place::Word("none".to_owned()),
            Some(other) => Place::Word(other.to_string()),
        }
    }

    /// The number, if it is one.
    pub fn number(&self) -> Option<f64> {
        match self {
            Place::Number(number) => Some(*number),
            Place::Word(_) => None,
        }
    }

    /// As people read it.
    pub fn text(&self) -> String {
        match self {
            Place::Number(number) => number.to_string(),
            Place::Word(word) => word.clone(),
        }
    }

    /// Numbers by size, before words, which stay as they come.
    fn order(&self, other: &Place) -> Ordering {
        match (self, other) {
            (Place::Number(one), Place::Number(other)) => one.total_cmp(other),
            (Place::Number(_), Place::Word(_)) => Ordering::Less,
            (Place::Word(_), Place::Number(_)) => Ordering::Greater,
            (Place::Word(_), Place::Word(_)) => Ordering::Equal,
        }
    }
}

/// A setting in which cells differ.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// its key, as a spec has it: `fraction`, `train.weight_decay`
    pub key: String,
    /// where it is in `config.json`: a JSON pointer
    pub pointer: String,
    /// its values, each once: numbers by size, words in the order in which they first come
    pub values: Vec<Place>,
}

impl Axis {
    /// The value that a cell has.
    pub fn of(&self, config: &Value) -> Place {
        Place::of(config.pointer(&self.pointer))
    }

    /// The number of the cell's value among the axis's.
    pub fn place(&self, config: &Value) -> Option<usize> {
        let own = self.of(config);
        self.values.iter().position(|value| *value == own)
    }

    /// Whether all values are numbers.
    pub fn is_numeric(&self) -> bool {
        self.values.iter().all(|value| value.number().is_some())
    }

    /// The last part of its key, in words: `weight decay`.
    pub fn words(&self) -> String {
        let last = self.key.rsplit('.').next().unwrap_or(&self.key);
        last.replace('_', " ")
    }

    /// Whether its values are spaced by ratios rather than by differences.
    pub fn is_log(&self) -> bool {
        let numbers: Vec<f64> = self.values.iter().filter_map(Place::number).collect();
        numbers.len() == self.values.len() && is_log_spaced(&numbers)
    }
}

/// Whether three or more different numbers above 0, in order, are more evenly spaced by ratios
/// than by differences, over a range that is wide enough to tell.
pub fn is_log_spaced(numbers: &[f64]) -> bool {
    let (Some(first), Some(last)) = (numbers.first(), numbers.last()) else {
        return false;
    };
    if numbers.len() < 3 || *first <= 0.0 || last / first < LEAST_RATIO {
        return false;
    }
    // The standard deviation of the steps over their mean.
    let uneven = |steps: Vec<f64>| {
        let count = steps.len() as f64;
        let mean = steps.iter().sum::<f64>() / count;
        (steps.iter().map(|step| (step - mean).powi(2)).sum::<f64>() / count).sqrt() / mean
    };
    let by_ratio = numbers.windows(2).map(|two| (two[1] / two[0]).ln());
    let by_difference = numbers.windows(2).map(|two| two[1] - two[0]);
    uneven(by_ratio.collect()) < uneven(by_difference.collect())
}

/// The settings, seeds left out, in which cells with these `config.json` differ: those of the task,
/// then the tables of a spec, each by name.
pub fn axes(configs: &[&Value]) -> Vec<Axis> {
    let mut places: Vec<(String, String)> = TASK
        .iter()
        .map(|(key, pointer)| ((*key).to_owned(), (*pointer).to_owned()))
        .collect();
    for table in TABLES {
        let mut keys: Vec<&String> = configs
            .iter()
            .filter_map(|config| config[table].as_object())
            .flat_map(|table| table.keys())
            .collect();
        keys.sort_unstable();
        keys.dedup();
        places.extend(
            keys.into_iter()
                .map(|key| (format!("{table}.{key}"), format!("/{table}/{key}"))),
        );
    }
    places.retain(|(_, pointer)| !DERIVED.contains(&pointer.as_str()));
    varied(configs, places)
}

/// The settings that tell every cell from the others: the fraction, [`axes`], and the two seeds,
/// fraction and seeds whether they vary or not.
pub fn settings(configs: &[&Value]) -> Vec<Axis> {
    let seeds = SEEDS.map(|(key, pointer)| axis(configs, key.to_owned(), pointer.to_owned()));
    let fraction = axis(configs, "fraction".to_owned(), "/task/fraction".to_owned());
    let mut all: Vec<Axis> = axes(configs);
    if !all.iter().any(|axis| axis.key == "fraction") {
        all.insert(0, fraction);
    }
    all.extend(seeds);
    all
}

/// Of these keys, each with its JSON pointer, the ones in which cells differ.
pub fn varied(configs: &[&Value], places: Vec<(String, String)>) -> Vec<Axis> {
    let axes = places
        .into_iter()
        .map(|(key, pointer)| axis(configs, key, pointer));
    axes.filter(|axis| axis.values.len() > 1).collect()
}

fn axis(configs: &[&Value], key: String, pointer: String) -> Axis {
    let mut values: Vec<Place> = Vec::new();
    // Few values among many cells: the last one is most likely the next one, too.
    for config in configs {
        let own = Place::of(config.pointer(&pointer));
        if values.last() != Some(&own) && !values.contains(&own) {
            values.push(own);
        }
    }
    values.sort_by(Place::order);
    Axis {
        key,
        pointer,
        values,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn config(fraction: f64, decay: f64, optimizer: &str, seed: u64) -> Value {
        json!({ "task": { "notation": "a + b", "modulus": 97, "fraction": fraction },
            "seeds": { "data": 1, "model": seed },
            "model": { "d_model": 128, "trained_parameters": seed },
            "train": { "weight_decay": decay, "optimizer": optimizer } })
    }

    #[test]
    fn axes_are_what_cells_differ_in() {
        let all = [
            config(0.5, 1.0, "sgd", 1),
            config(0.3, 0.1, "adamw", 2),
            config(0.5, 10.0, "sgd", 3),
        ];
        let all: Vec<&Value> = all.iter().collect();
        let found = axes(&all);
        let keys: Vec<&str> = found.iter().map(|axis| axis.key.as_str()).collect();
        assert_eq!(keys, ["fraction", "train.optimizer", "train.weight_decay"]);
        assert_eq!(found[0].values, [Place::Number(0.3), Place::Number(0.5)]);
        assert_eq!(found[1].values[0], Place::Word("sgd".to_owned()));
        assert!(found[0].is_numeric() && !found[1].is_numeric());
        assert!(found[2].is_log() && !found[0].is_log());
        assert_eq!(found[2].words(), "weight decay");
        assert_eq!(found[2].place(all[1]), Some(0));
        let keys: Vec<String> = settings(&all[..1]).into_iter().map(|a| a.key).collect();
        assert_eq!(keys, ["fraction", "seeds.data", "seeds.model"]);
    }

    #[test]
    fn spacing_is_read_from_the_steps() {
        assert!(is_log_spaced(&[0.1, 0.3, 1.0, 3.0]));
        assert!(is_log_spaced(&[1.0, 2.0, 4.0, 8.0]));
        assert!(!is_log_spaced(&[0.3, 0.4, 0.5, 0.6]));
        assert!(!is_log_spaced(&[1.0, 2.0, 3.0, 4.0, 5.0]));
        assert!(!is_log_spaced(&[0.0, 1.0, 10.0]) && !is_log_spaced(&[1.0, 10.0]));
    }
}
