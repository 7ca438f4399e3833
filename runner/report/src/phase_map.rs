//! Draws the phases of cells over two axes.

use std::collections::BTreeMap;

use grokrun_store::FoundFiles;
use grokrun_sweeps::Phase;
use serde_json::{Value, json};

use crate::axes::{GAP, Map, of_summary};
use crate::groups::Member;

/// The colour of each phase, in the order of [`Phase::ALL`]: the colour-blind tell them apart.
const COLORS: [&str; 5] = ["#009e73", "#e69f00", "#0072b2", "#999999", "#cc79a7"];
/// Short names that fit into a place of a map.
const LETTERS: [&str; 5] = ["C", "G", "M", "–", "T"];

/// The phases that an analysis of the sweep found, by cell.
pub(crate) struct Measured {
    phases: BTreeMap<String, Phase>,
    /// which analysis, and by which rule
    rule: String,
}

impl Measured {
    /// Reads the first table with the columns `cell` and `phase`.
    pub(crate) fn of(found: &[FoundFiles]) -> Option<Measured> {
        found.iter().find_map(|found| {
            let tables = found.tables.iter().map(|(_, table)| table);
            let phases = tables.filter_map(table).next()?;
            let name = &found.index.analysis;
            let parameters = crate::story::parameters(&found.index.parameters);
            let said = parameters
                .iter()
                .map(|(key, value)| format!("{key} {value}"));
            let rule = format!("by {name}, {}", said.collect::<Vec<_>>().join(", "));
            Some(Measured { phases, rule })
        })
    }
}

fn table(table: &Value) -> Option<BTreeMap<String, Phase>> {
    let columns = table["columns"].as_array()?;
    let at = |name: &str| columns.iter().position(|column| column == name);
    let (cell, phase) = (at("cell")?, at("phase")?);
    let rows = table["rows"].as_array()?.iter();
    let row = |row: &Value| {
        let phase = Phase::of_word(row[phase].as_str()?)?;
        Some((row[cell].as_str()?.to_owned(), phase))
    };
    Some(rows.filter_map(row).collect())
}

/// Draws the phase that most cells of a place are in.
pub(crate) fn figure(map: &Map<'_, '_>, title: String, measured: Option<&Measured>) -> Value {
    let of = |cell: &Member| match measured {
        Some(measured) => measured.phases.get(&cell.outcome.cell).copied(),
        None => of_summary(cell.outcome),
    };
    let counts = map.each(|cells| {
        let count = |phase| cells.iter().filter(|cell| of(cell) == Some(phase)).count();
        Phase::ALL.map(count)
    });
    // Of phases of as many cells the first one is shown.
    let most = |counts: &[usize; 5]| {
        let most = *counts.iter().max()?;
        counts.iter().position(|count| *count == most && most > 0)
    };
    let colors: Vec<Vec<Option<usize>>> = counts
        .iter()
        .map(|row| row.iter().map(most).collect())
        .collect();
    let letter = |at: &Option<usize>| at.map_or("", |at| LETTERS[at]);
    let text: Vec<Vec<&str>> = colors
        .iter()
        .map(|row| row.iter().map(letter).collect())
        .collect();
    let said = |counts: &[usize; 5]| {
        let some = counts
            .iter()
            .zip(Phase::ALL)
            .filter(|(count, _)| **count > 0);
        let words = some.map(|(count, phase)| format!("{} {count}", phase.word()));
        words.collect::<Vec<_>>().join(", ")
    };
    let beside: Vec<Vec<String>> = counts
        .iter()
        .map(|row| row.iter().map(said).collect())
        .collect();
    // A colour is a step of the scale, so that none is mixed.
    let last = COLORS.len() as f64;
    let scale: Vec<Value> = COLORS
        .iter()
        .enumerate()
        .flat_map(|(i, color)| {
            [
                json!([i as f64 / last, color]),
                json!([(i + 1) as f64 / last, color]),
            ]
        })
        .collect();
    let names: Vec<String> = Phase::ALL
        .iter()
        .zip(LETTERS)
        .map(|(phase, letter)| format!("{letter} {}", phase.word()))
        .collect();
    let [x, y] = map.axes;
    let trace = json!({ "z": colors, "text": text, "hovertext": beside, "colorscale": scale,
        "zmin": -0.5, "zmax": last - 0.5,
        "colorbar": { "tickvals": [0, 1, 2, 3, 4], "ticktext": names },
        "hovertemplate": format!("{} %{{x}}, {} %{{y}}<br>%{{hovertext}}<extra></extra>", x.words(), y.words()) });
    let rule = match measured {
        Some(measured) => measured.rule.clone(),
        None => format!("by 99 % held for 500 epochs or to the end, and a gap of {GAP} epochs"),
    };
    let caption = format!(
        "The phase of most cells of a place, {rule}: comprehension and grokking solve both parts, soon after each other or not; memorisation only the training part; confusion neither."
    );
    map.figure(trace, &title, &caption)
}
