//! When the cells of a sweep grokked: the lines under its table.

use grokrun_store::Summary;

use crate::output::table;

/// Quartiles of the epochs at which cells memorised and grokked, with the number that did not.
/// Cells that did not count as later than all others, so that a quartile may be "did not"; empty
/// for fewer than three cells.
pub(crate) fn spread(summary: &Summary) -> String {
    if summary.cells.len() < 3 {
        return String::new();
    }
    let heading = [
        "", "first", "quartile", "median", "quartile", "last", "did not",
    ];
    let epochs = |pick: fn(&grokrun_store::CellSummary) -> Option<u64>| -> Vec<Option<u64>> {
        summary.cells.iter().map(pick).collect()
    };
    let rows = [
        heading.map(str::to_owned).to_vec(),
        row("memorised", epochs(|cell| cell.train_accuracy_epoch)),
        row("grokked", epochs(|cell| cell.test_accuracy_epoch)),
    ];
    format!(
        "\n{} cells, by epoch\n{}",
        summary.cells.len(),
        table(&rows)
    )
}

fn row(name: &str, epochs: Vec<Option<u64>>) -> Vec<String> {
    let count = epochs.len();
    let mut reached: Vec<u64> = epochs.into_iter().flatten().collect();
    reached.sort_unstable();
    // Nearest rank: the smallest epoch by which a quarter, a half, … of all cells had.
    let by = |quarters: usize| {
        let rank = (quarters * count).div_ceil(4).max(1);
        let epoch = reached.get(rank - 1);
        epoch.map_or("-".to_owned(), u64::to_string)
    };
    let last = reached.last().map_or("-".to_owned(), u64::to_string);
    let not = count - reached.len();
    vec![
        name.to_owned(),
        by(0),
        by(1),
        by(2),
        by(3),
        last,
        not.to_string(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_that_did_not_grok_count_as_later_than_all() {
        let all = [
            Some(40),
            None,
            Some(10),
            Some(30),
            Some(20),
            None,
            None,
            None,
        ];
        let words: Vec<String> = row("grokked", all.to_vec());
        assert_eq!(words, ["grokked", "10", "20", "40", "-", "40", "4"]);
        let none = row("grokked", vec![None; 3]);
        assert_eq!(none, ["grokked", "-", "-", "-", "-", "-", "3"]);
        let one = row("memorised", vec![Some(7); 5]);
        assert_eq!(one, ["memorised", "7", "7", "7", "7", "7", "0"]);
    }
}
