//! Summarises when the cells of a sweep grokked: the lines under its table.

use grokrun_store::{CellSummary, HOLD, Milestone, Spread, Summary};
use grokrun_sweeps::{Group, LogRank, Observation, Quantile, groups, log_rank};
use serde_json::Value;

use crate::output::table;

/// Stands for a quartile that is not known to have been reached.
const NOT_REACHED: &str = "not reached";
/// The most groups of cells that have a line of their own.
const MOST_GROUPS: usize = 12;

/// Formats quartiles of the epochs at which cells memorised and grokked, with the number that did
/// not, then the groups of cells that differ in more than their seeds; [`Spread`] defines what is
/// counted. `configs` has the settings of each cell. Empty for fewer than three cells.
pub(crate) fn spread(summary: &Summary, configs: &[Value]) -> String {
    if summary.cells.len() < 3 {
        return String::new();
    }
    let heading = [
        "", "first", "quartile", "median", "quartile", "last", "did not",
    ];
    let of = |milestone| Spread::of(&summary.cells, milestone);
    let (memorised, grokked) = (of(Milestone::Memorised), of(Milestone::Grokked));
    let rows = [
        heading.map(str::to_owned).to_vec(),
        row("memorised", &memorised),
        row("grokked", &grokked),
    ];
    let mut out = format!("\n{} cells, by epoch\n{}", grokked.cells, table(&rows));
    for (name, spread) in [("memorised", &memorised), ("grokked", &grokked)] {
        if spread.not_yet > 0 {
            out.push_str(&format!(
                "not yet {name}: {} at 99 % to the end, for fewer than {HOLD} epochs\n",
                spread.not_yet
            ));
        }
    }
    if grokked.failed > 0 {
        out.push_str(&format!("failed, not counted: {}\n", grokked.failed));
    }
    let median = grokked.survival.quantile(0.5);
    if let Some(interval) = interval(median) {
        out.push_str(&format!("median of grokked, 95 % interval: {interval}\n"));
    }
    out.push_str(&of_groups(&summary.cells, configs));
    out
}

/// A line for each group of cells, and whether the groups differ; empty for a single one.
fn of_groups(cells: &[CellSummary], configs: &[Value]) -> String {
    let groups = groups(&configs.iter().collect::<Vec<_>>(), None);
    if groups.len() < 2 {
        return String::new();
    }
    let heading = ["cells with", "cells", "grokked", "median", "95 % interval"];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    for group in groups.iter().take(MOST_GROUPS) {
        let spread = Spread::of(group.cells.iter().map(|i| &cells[*i]), Milestone::Grokked);
        let median = spread.survival.quantile(0.5);
        rows.push(vec![
            group.name.clone(),
            spread.cells.to_string(),
            spread.reached.to_string(),
            spread
                .median()
                .map_or(NOT_REACHED.to_owned(), |e| e.to_string()),
            interval(median).unwrap_or_else(|| "-".to_owned()),
        ]);
    }
    let mut out = format!("\n{}", table(&rows));
    if groups.len() > MOST_GROUPS {
        let more = groups.len() - MOST_GROUPS;
        out.push_str(&format!(
            "… and {more} more groups; the report has them all\n"
        ));
    }
    if let Some(test) = differ(cells, &groups) {
        out.push_str(&format!("{test}\n"));
    }
    out
}

/// The log-rank test of the epochs at which cells of these groups grokked.
pub(crate) fn differ(cells: &[CellSummary], groups: &[Group]) -> Option<LogRank> {
    let known = |group: &Group| -> Vec<Observation> {
        let cells = group.cells.iter().map(|i| &cells[*i]);
        cells
            .filter_map(|cell| cell.observation(Milestone::Grokked))
            .collect()
    };
    log_rank(&groups.iter().map(known).collect::<Vec<_>>())
}

/// The interval of a quantile in words; none where nothing of it is known.
fn interval(quantile: Quantile) -> Option<String> {
    let low = quantile.low?;
    Some(match quantile.high {
        Some(high) => format!("{low} – {high}"),
        None => format!("{low} or later"),
    })
}

fn row(name: &str, spread: &Spread) -> Vec<String> {
    let epoch = |epoch: Option<u64>, none: &str| epoch.map_or(none.to_owned(), |e| e.to_string());
    let [low, median, high] = spread
        .quartiles
        .map(|quartile| epoch(quartile, NOT_REACHED));
    vec![
        name.to_owned(),
        epoch(spread.first, "-"),
        low,
        median,
        high,
        epoch(spread.last, "-"),
        spread.did_not().to_string(),
    ]
}

#[cfg(test)]
mod tests {
    use grokrun_store::{CellSummary, Metrics};

    use super::*;

    fn cell(status: &str, grokked: Option<u64>, since: Option<u64>) -> CellSummary {
        CellSummary {
            epochs: 900,
            train_accuracy_epoch: Some(5),
            test_accuracy_epoch: grokked,
            test_accuracy_since: since,
            ..CellSummary::new("c", status, &Metrics::default())
        }
    }

    #[test]
    fn a_median_that_fewer_than_half_reached_is_said_not_to_be_reached() {
        let cells = vec![
            cell("finished", Some(40), None),
            cell("finished", Some(10), None),
            cell("finished", None, None),
            cell("finished", None, None),
            cell("stopped early", None, Some(700)),
            cell("failed", None, None),
        ];
        let text = spread(&Summary { cells }, &[]);
        let words = |name: &str| -> Vec<&str> {
            let line = text.lines().find(|line| line.starts_with(name));
            line.map_or(Vec::new(), |line| line.split("  ").collect())
        };
        let columns = |name: &str| -> Vec<String> {
            let words = words(name).into_iter().map(str::trim);
            words.filter(|w| !w.is_empty()).map(str::to_owned).collect()
        };
        assert!(text.starts_with("\n5 cells, by epoch\n"), "{text}");
        assert_eq!(
            columns("grokked"),
            [
                "grokked",
                "10",
                "40",
                "not reached",
                "not reached",
                "40",
                "2"
            ]
        );
        assert_eq!(
            columns("memorised"),
            ["memorised", "5", "5", "5", "5", "5", "0"]
        );
        assert!(text.contains("not yet grokked: 1 at 99 %"), "{text}");
        assert!(text.contains("failed, not counted: 1"), "{text}");
        let few = Summary {
            cells: vec![cell("finished", Some(1), None); 2],
        };
        assert_eq!(spread(&few, &[]), "");
    }

    #[test]
    fn groups_have_a_line_each_and_a_test_between_them() {
        let config = |decay: f64| serde_json::json!({ "train": { "weight_decay": decay } });
        let (mut cells, mut configs) = (Vec::new(), Vec::new());
        for i in 0..8 {
            cells.push(cell("finished", Some(10 + i), None));
            configs.push(config(1.0));
            cells.push(cell("finished", (i > 5).then_some(800 + i), None));
            configs.push(config(0.1));
        }
        let text = spread(&Summary { cells }, &configs);
        let line = |name: &str| text.lines().find(|line| line.starts_with(name)).unwrap();
        assert!(line("weight decay 1 ").contains("13"), "{text}");
        assert!(line("weight decay 0.1").contains("not reached"), "{text}");
        assert!(line("log-rank test").contains("of 1 degree"), "{text}");
        assert!(line("log-rank test").contains("e-"), "{text}");
        assert!(line("median of grokked").contains("or later"), "{text}");
        assert!(
            text.lines().all(|line| line.chars().count() <= 80),
            "{text}"
        );
    }
}
