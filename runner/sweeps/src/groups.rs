//! Which cells repeat each other: those that differ in nothing but their seeds.

use std::collections::HashMap;

use serde_json::Value;

use crate::{Axis, Place, axes};

/// Cells that differ in their seeds alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// what it differs in from the other groups; empty if it is the only one
    pub name: String,
    /// its cells, by their number
    pub cells: Vec<usize>,
}

/// Groups cells with these `config.json`, in the order of their first cells. `runs` has the name
/// of each cell's run, where cells of several runs are compared.
pub fn groups(configs: &[&Value], runs: Option<&[&str]>) -> Vec<Group> {
    let axes = axes(configs);
    let mut all: Vec<Group> = Vec::new();
    let mut known: HashMap<String, usize> = HashMap::new();
    for (number, config) in configs.iter().enumerate() {
        let run = runs.map(|runs| runs[number].to_owned());
        let parts = axes.iter().map(|axis| label(axis, &axis.of(config)));
        let name = run.into_iter().chain(parts).collect::<Vec<_>>().join(", ");
        let at = *known.entry(name.clone()).or_insert_with(|| {
            all.push(Group {
                name,
                cells: Vec::new(),
            });
            all.len() - 1
        });
        all[at].cells.push(number);
    }
    all
}

/// A value with what it is of: `mod 59`, `weight decay 0.5`; an operation speaks for itself.
pub fn label(axis: &Axis, value: &Place) -> String {
    match axis.key.as_str() {
        "operation" => value.text(),
        "modulus" => format!("mod {}", value.text()),
        _ => format!("{} {}", axis.words(), value.text()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn cells_that_differ_in_seeds_alone_are_one_group() {
        let cell = |modulus: u64, decay: f64, seed: u64| {
            json!({ "task": { "notation": "a × b", "modulus": modulus },
                "seeds": { "data": 1, "model": seed }, "train": { "weight_decay": decay } })
        };
        let all = [
            cell(59, 0.5, 1),
            cell(61, 0.5, 1),
            cell(59, 0.5, 2),
            cell(59, 1.0, 1),
        ];
        let all: Vec<&Value> = all.iter().collect();
        let found = groups(&all, None);
        let names: Vec<&str> = found.iter().map(|group| group.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "mod 59, weight decay 0.5",
                "mod 61, weight decay 0.5",
                "mod 59, weight decay 1"
            ]
        );
        assert_eq!(found[0].cells, [0, 2]);
        let one = groups(&all[..1], None);
        assert_eq!((one[0].name.as_str(), one.len()), ("", 1));
        let runs = groups(&all[..1], Some(&["first"]));
        assert_eq!(runs[0].name, "first");
        assert!(groups(&[], None).is_empty());
    }
}
