//! Summarises when the cells of a sweep grokked: the lines under its table.

use grokrun_store::{HOLD, Milestone, Spread, Summary};

use crate::output::table;

/// Stands for a quartile that is not known to have been reached.
const NOT_REACHED: &str = "not reached";

/// Formats quartiles of the epochs at which cells memorised and grokked, with the number that did
/// not; [`Spread`] defines what they count. Empty for fewer than three cells.
pub(crate) fn spread(summary: &Summary) -> String {
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
    out
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
        let text = spread(&Summary { cells });
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
        assert_eq!(spread(&few), "");
    }
}
