//! The phase of each cell of a sweep: comprehension, grokking, memorisation or confusion.
//!
//! The report draws maps of them over each two keys in which cells differ.

use grokrun_api::prelude::*;
use grokrun_sweeps::{Crossing, Phase, phase};

/// Thresholds; the defaults are Liu et al.'s.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(crate = "grokrun_api::serde", default, deny_unknown_fields)]
#[schemars(crate = "grokrun_api::schemars")]
pub struct Config {
    /// The accuracy from which a part counts as solved, above 0 and at most 1.
    accuracy: f64,
    /// Epochs from solving the training part to solving the test part that count as long: fewer
    /// are comprehension.
    gap: u64,
    /// Epochs for which an accuracy has to be held; one that is held to the end of the training
    /// counts too.
    hold: u64,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            accuracy: 0.9,
            gap: 1000,
            hold: 0,
        }
    }
}

/// What is known of the phase of a cell.
struct Found {
    cell: String,
    phase: Phase,
    train: Option<u64>,
    test: Option<u64>,
}

/// The analysis.
pub struct PhaseDiagram {
    config: Config,
    found: Vec<Found>,
    failed: usize,
    /// cells that were not trained to the end of their spec
    unfinished: usize,
}

impl SweepAnalysis for PhaseDiagram {
    type Config = Config;
    const MANIFEST: Manifest = Manifest::new(
        "phase-diagram",
        "0.1.0",
        "the phase of each cell: comprehension, grokking, memorisation, confusion",
    )
    .definition(
        "Liu et al. 2022, Towards Understanding Grokking, section 3: comprehension if training and \
         test part reach the accuracy less than `gap` epochs apart, grokking if further apart, \
         memorisation if only the training part does, confusion if neither. A cell in which only \
         the test part does, as with wrong labels, is said so. Failed cells have no phase.",
    );

    fn check(config: &Config) -> Result<(), Failure> {
        Failure::unless_share("accuracy", config.accuracy)
    }

    fn new(config: Config, _: &[SweepCell]) -> Result<Self, Failure> {
        Ok(PhaseDiagram {
            config,
            found: Vec::new(),
            failed: 0,
            unfinished: 0,
        })
    }

    fn observe(&mut self, cell: &SweepCell, numbers: &CellNumbers<'_>) -> Result<(), Failure> {
        if cell.has_failed() {
            self.failed += 1;
            return Ok(());
        }
        self.unfinished += usize::from(cell.status == "interrupted");
        let history = numbers.history()?;
        let Config {
            accuracy,
            hold,
            gap,
        } = self.config;
        let solved = |accuracies: &[f64]| {
            let crossing = Crossing::find(accuracies, accuracy, hold);
            crossing.held().or(crossing.open())
        };
        let (train, test) = (
            solved(history.train_accuracy),
            solved(history.test_accuracy),
        );
        self.found.push(Found {
            cell: cell.id.clone(),
            phase: phase(train, test, gap),
            train,
            test,
        });
        Ok(())
    }

    fn finish(&mut self, _: &[SweepCell], out: &mut dyn Sink) -> Result<(), Failure> {
        let row = |found: &Found| {
            vec![
                json!(found.cell),
                json!(found.phase.word()),
                json!(found.train),
                json!(found.test),
            ]
        };
        let columns = ["cell", "phase", "training part solved", "test part solved"];
        out.table("phases", &columns, self.found.iter().map(row).collect());
        let count = |phase| {
            self.found
                .iter()
                .filter(|found| found.phase == phase)
                .count()
        };
        let counts: Vec<(Phase, usize)> = Phase::ALL
            .map(|phase| (phase, count(phase)))
            .into_iter()
            .filter(|c| c.1 > 0)
            .collect();
        let rows = counts
            .iter()
            .map(|(phase, count)| vec![json!(phase.word()), json!(count)]);
        out.table("counts", &["phase", "cells"], rows.collect());
        let words = counts
            .iter()
            .map(|(phase, count)| format!("{} {count}", phase.word()));
        let words: Vec<String> = words.collect();
        let Config {
            accuracy,
            hold,
            gap,
        } = self.config;
        out.note(format!(
            "of {} cells: {}; solved is an accuracy of {accuracy} held for {hold} epochs or to the \
             end, and soon is less than {gap} epochs",
            self.found.len(),
            words.join(", ")
        ));
        if self.failed > 0 {
            out.note(format!("failed, without a phase: {}", self.failed));
        }
        if self.unfinished > 0 {
            out.note(format!(
                "interrupted, with the phase of their training so far: {}",
                self.unfinished
            ));
        }
        Ok(())
    }
}

grokrun_api::export_plugin!(sweep PhaseDiagram);

#[cfg(test)]
mod tests {
    use grokrun_api::serde_json::Value;
    use grokrun_api::testing::{Recorder, swept};

    use super::*;

    fn cell(id: &str, status: &str) -> SweepCell {
        SweepCell {
            id: id.to_owned(),
            status: status.to_owned(),
            epochs: 5000,
            ..SweepCell::default()
        }
    }

    /// Accuracies that step from 0.5 to 1 at an epoch, or never.
    fn steps(at: Option<usize>) -> Vec<f64> {
        let at = at.unwrap_or(5000);
        (0..5000)
            .map(|epoch| if epoch < at { 0.5 } else { 1.0 })
            .collect()
    }

    fn run(config: Value, cells: &[(SweepCell, [Option<usize>; 2])]) -> Recorder {
        let of = |(_, [train, test]): &(SweepCell, [Option<usize>; 2])| {
            let losses = vec![0.5; 5000];
            [losses.clone(), losses, steps(*train), steps(*test)]
        };
        let histories: Vec<[Vec<f64>; 4]> = cells.iter().map(of).collect();
        let cells: Vec<SweepCell> = cells.iter().map(|(cell, _)| cell.clone()).collect();
        swept::<PhaseDiagram>(config, &cells, &histories).unwrap()
    }

    #[test]
    fn planted_phases_come_back_and_follow_the_thresholds() {
        let cells = [
            (cell("soon", "finished"), [Some(100), Some(1099)]),
            (cell("late", "finished"), [Some(100), Some(1100)]),
            (cell("learnt", "finished"), [Some(100), None]),
            (cell("lost", "finished"), [None, None]),
            (cell("noisy", "interrupted"), [None, Some(10)]),
            (cell("broken", "failed"), [Some(1), Some(1)]),
        ];
        let found = run(json!({}), &cells);
        let rows = found.table("phases").unwrap();
        let phases: Vec<[&str; 2]> = rows
            .iter()
            .map(|row| ["cell", "phase"].map(|key| row[key].as_str().unwrap()))
            .collect();
        assert_eq!(
            phases,
            [
                ["soon", "comprehension"],
                ["late", "grokking"],
                ["learnt", "memorisation"],
                ["lost", "confusion"],
                ["noisy", "test part only"],
            ]
        );
        assert_eq!(rows[1]["test part solved"], 1100);
        let notes = found.notes().join("\n");
        assert!(notes.contains("failed, without a phase: 1") && notes.contains("so far: 1"));
        let wide = run(json!({ "gap": 2000 }), &cells);
        assert_eq!(wide.table("phases").unwrap()[1]["phase"], "comprehension");
        let low = run(json!({ "accuracy": 0.5 }), &cells)
            .table("counts")
            .unwrap();
        assert_eq!((low.len(), &low[0]["cells"]), (1, &json!(5)));
        assert!(
            PhaseDiagram::check(&Config {
                accuracy: 0.0,
                ..Config::default()
            })
            .is_err()
        );
    }
}
