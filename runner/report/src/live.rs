//! What the page of a run that goes on has in common with the report: figures and words.
//!
//! Knows nothing of servers: it is handed what is known of a cell, and returns figures and words.

use grokrun_store::CellSummary;
use serde_json::{Value, json};

pub use crate::numbers::{duration, grouped, rounded};
use crate::phases::{Phase, Phases};
use crate::{curves, facts, story};

/// Returns the task in mathematical notation, or the run's name if the cells differ in it;
/// `configs` are the `config.json` of the cells.
pub fn heading(name: &str, configs: &[&Value]) -> String {
    facts::heading_of(name, configs)
}

/// Returns what all cells have in common, a name and a value each.
pub fn facts(configs: &[&Value]) -> Vec<(String, String)> {
    facts::of_configs(configs)
}

/// A cell as it is drawn.
#[derive(Clone, Debug)]
pub struct Drawn {
    /// losses and accuracies, as Plotly has them
    pub curves: [Value; 2],
    /// `name`, `epochs`, `rule` and `color` of each phase, by accuracy
    pub phases: Value,
    /// what became of it so far, in words
    pub verdict: String,
    /// of the verdict: `good`, `open` or `bad`
    pub class: &'static str,
}

/// Draws a cell of which these epochs are known, with the columns of its history at them.
/// `training` says that a process trains it now; `config` is its `config.json`.
pub fn draw(
    epochs: &[usize],
    columns: [&[f64]; 4],
    outcome: &CellSummary,
    training: bool,
    config: &Value,
) -> Drawn {
    let phases = Phases::of(&[], outcome);
    let (verdict, class) = story::verdict(outcome, training, config);
    let phase = |phase: &Phase| {
        json!({ "name": phase.name, "epochs": phase.epochs(), "rule": phase.rule,
            "color": phase.color })
    };
    Drawn {
        curves: curves::of_points(epochs, columns, &phases, config),
        phases: phases.all.iter().map(phase).collect(),
        verdict,
        class,
    }
}

#[cfg(test)]
mod tests {
    use grokrun_store::{Metrics, Row};

    use super::*;

    #[test]
    fn a_cell_is_drawn_as_the_report_draws_it() {
        let mut metrics = Metrics::default();
        for epoch in 0..1200 {
            metrics.push(Row {
                epoch,
                train_loss: 1.0 / (1.0 + epoch as f64),
                test_loss: 2.0,
                train_accuracy: if epoch < 100 { 0.5 } else { 1.0 },
                test_accuracy: if epoch < 600 { 0.0 } else { 1.0 },
            });
        }
        let outcome = CellSummary::new("c", "interrupted", &metrics);
        let at: Vec<usize> = (0..1200).collect();
        let config = json!({ "train": { "epochs": 4000 } });
        let drawn = draw(&at, metrics.columns(), &outcome, true, &config);
        let phases = Phases::of(&[], &outcome);
        assert_eq!(drawn.curves, curves::of_cell(&metrics, &phases, &config));
        assert_eq!(drawn.phases.as_array().map(Vec::len), Some(3));
        assert_eq!(drawn.phases[2]["name"], "grokked");
        assert_eq!(drawn.phases[2]["epochs"], "from epoch 600 on");
        assert_eq!(drawn.class, "good");
        assert!(
            drawn.verdict.contains("training goes on, 1200 of 4000"),
            "{}",
            drawn.verdict
        );
    }
}
