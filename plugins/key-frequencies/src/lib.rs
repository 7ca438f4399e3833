//! The analysis `key-frequencies`, of a sweep: which components win in which cell, and whether the
//! initial norms predict it.
//!
//! Reads the table `components` that fourier-sparsity leaves in each cell: every component with its
//! norms in the first and the last snapshot, and whether it is key. Knows nothing of bases: a
//! component is a name, and cells with the same names in the same order are compared with each
//! other.
//!
//! - **Prediction**: of all pairs of a key and another component of one cell, the share in which
//!   the key one had a larger norm at epoch 0, over all cells (an area under the ROC curve, within
//!   cells). 0.5 is chance.
//! - **Control**: the same with the initial norms of the next cell in place of a cell's own. It is
//!   above 0.5 where some components are favoured in every cell, whatever the seed.
//! - **Winner**: the component with the largest last norm. How often it was the largest at epoch 0
//!   too, against one in as many as there are components.

mod cell;
mod figures;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use grokrun_api::prelude::*;
use grokrun_api::serde_json::Value;
use grokrun_sweeps::{Crossing, Stratified};

use crate::cell::{Prediction, Won};

/// What counts as grokked: a cell that has not has no winners yet.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(crate = "grokrun_api::serde", default, deny_unknown_fields)]
#[schemars(crate = "grokrun_api::schemars")]
pub struct Config {
    /// The test accuracy from which a cell counts as grokked, above 0 and at most 1.
    accuracy: f64,
    /// Epochs for which it has to be held.
    hold: u64,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            accuracy: grokrun_sweeps::ACCURACY,
            hold: grokrun_sweeps::HOLD,
        }
    }
}

/// The analysis whose table is read.
const READ: &str = "fourier-sparsity";

/// The analysis.
pub struct KeyFrequencies {
    config: Config,
    /// the cells that count, in order
    won: Vec<Won>,
    /// why others do not, with how many
    left_out: BTreeMap<&'static str, usize>,
}

impl SweepAnalysis for KeyFrequencies {
    type Config = Config;
    const MANIFEST: Manifest = Manifest::new(
        "key-frequencies",
        "0.1.0",
        "which components win in which cell, and whether their initial norms predict it",
    )
    .definition(
        "Prediction: of all pairs of a key and another component of one cell, the share in which the key one \
         had the larger norm at epoch 0 (area under the ROC curve, within cells). p: the sum of the \
         cells' Mann-Whitney statistics (1947) against its normal limit. The 95 % interval is by how \
         the cells differ (Student's t). Control: the norms of the next cell in place of a cell's own. \
         Winner: the largest norm at the end. Components are key by the rule of fourier-sparsity's \
         formula.",
    );
    const READS: Reads = Reads::Named(&[READ]);

    fn check(config: &Config) -> Result<(), Failure> {
        Failure::unless_share("accuracy", config.accuracy)
    }

    fn new(config: Config, _: &[SweepCell]) -> Result<Self, Failure> {
        Ok(KeyFrequencies {
            config,
            won: Vec::new(),
            left_out: BTreeMap::new(),
        })
    }

    fn observe(&mut self, cell: &SweepCell, numbers: &CellNumbers<'_>) -> Result<(), Failure> {
        let Config { accuracy, hold } = self.config;
        let grokked = Crossing::find(numbers.history()?.test_accuracy, accuracy, hold);
        let why = match (cell.has_failed(), grokked) {
            (true, _) => "failed",
            (false, Crossing::Held { .. }) => match Won::of(cell, READ) {
                Ok(won) => {
                    self.won.push(won);
                    return Ok(());
                }
                Err(why) => why,
            },
            (false, _) => "did not grok",
        };
        *self.left_out.entry(why).or_default() += 1;
        Ok(())
    }

    fn finish(&mut self, cells: &[SweepCell], out: &mut dyn Sink) -> Result<(), Failure> {
        let mut words = format!("{} of {} cells count", self.won.len(), cells.len());
        for (why, count) in &self.left_out {
            words.push_str(&format!("; left out: {count} {why}"));
        }
        out.note(words);
        if self.won.is_empty() {
            out.note(format!(
                "nothing is compared: a cell is needed that grokked, with [analysis.{READ}]"
            ));
            return Ok(());
        }
        let groups = cell::groups(&self.won);
        self.tables(&groups, out);
        let prediction: Vec<(&str, Prediction)> = self
            .numbers()
            .into_iter()
            .map(|number| (number, Prediction::of(&groups, number)))
            .collect();
        let rows = prediction
            .iter()
            .map(|(number, prediction)| row(number, prediction));
        let columns = [
            "norm",
            "cells",
            "AUC",
            "from",
            "to",
            "p",
            "AUC of the next cell's",
            "p of it",
            "winner was largest",
            "by chance",
        ];
        out.table("prediction", &columns, rows.collect());
        for (number, prediction) in &prediction {
            out.note(words_of(number, prediction));
        }
        for (i, group) in groups.iter().enumerate() {
            let suffix = if i == 0 {
                String::new()
            } else {
                format!("-{}", i + 1)
            };
            let figures = figures::of(group, self.numbers().first().copied().unwrap_or_default());
            for (name, figure) in figures {
                out.push(grokrun_api::Finding::Figure {
                    name: format!("{name}{suffix}"),
                    figure,
                });
            }
        }
        if groups.len() > 1 {
            out.note(format!(
                "the cells have {} different sets of components, each with figures of its own",
                groups.len()
            ));
        }
        Ok(())
    }
}

impl KeyFrequencies {
    /// Returns the names of the norms that every cell has.
    fn numbers(&self) -> Vec<&str> {
        let Some((first, rest)) = self.won.split_first() else {
            return Vec::new();
        };
        let names = first.norms.keys().map(String::as_str);
        names
            .filter(|name| rest.iter().all(|won| won.norms.contains_key(*name)))
            .collect()
    }

    /// Emits the key components of each cell, and how often each component is key.
    fn tables(&self, groups: &[Vec<&Won>], out: &mut dyn Sink) {
        let row = |won: &Won| vec![json!(won.id), json!(won.keys().join(", "))];
        let rows = self.won.iter().map(row).collect();
        out.table("winners", &["cell", "key components"], rows);
        let mut rows: Vec<Vec<Value>> = Vec::new();
        for (number, group) in groups.iter().enumerate() {
            let chance: f64 = group.iter().map(|won| won.share_of_keys()).sum();
            for (i, name) in group[0].names.iter().enumerate() {
                let count = group.iter().filter(|won| won.is_key[i]).count();
                rows.push(vec![
                    json!(number + 1),
                    json!(name),
                    json!(count),
                    json!(chance),
                ]);
            }
        }
        let columns = [
            "set of components",
            "component",
            "cells in which it is key",
            "by chance",
        ];
        out.table("components", &columns, rows);
    }
}

fn row(number: &str, prediction: &Prediction) -> Vec<Value> {
    let value = |of: Option<Stratified>| json!(of.map(|area| area.value));
    let end = |i: usize| {
        json!(
            prediction
                .own
                .and_then(|area| area.interval)
                .map(|ends| ends[i])
        )
    };
    vec![
        json!(number),
        json!(prediction.cells),
        value(prediction.own),
        end(0),
        end(1),
        json!(prediction.own.map(|area| area.p)),
        value(prediction.control),
        json!(prediction.control.map(|area| area.p)),
        json!(prediction.largest),
        json!(prediction.chance),
    ]
}

/// Says in a sentence whether the initial norms predict the key components.
fn words_of(number: &str, prediction: &Prediction) -> String {
    let Some(own) = prediction.own else {
        return format!("{number}: all initial norms are equal, or every component is key");
    };
    let interval = match own.interval {
        Some([low, high]) => format!(", 95 % interval {low:.2} – {high:.2}"),
        None => ", too few cells for an interval".to_owned(),
    };
    let p = match own.p {
        0.001.. => format!("{:.3}", own.p),
        _ => format!("{:.1e}", own.p),
    };
    let control = match prediction.control {
        Some(control) => format!("{:.2}", control.value),
        None => "not known, of one cell".to_owned(),
    };
    format!(
        "{number}: a key component had the larger initial norm than another one in {:.0} % of pairs \
         (AUC {:.2}{interval}, p = {p}; with the norms of the next cell {control}); the winner was \
         the largest at first in {} of {} cells, by chance {:.1}",
        100.0 * own.value,
        own.value,
        prediction.largest,
        prediction.cells,
        prediction.chance
    )
}

grokrun_api::export_plugin!(sweep KeyFrequencies);
