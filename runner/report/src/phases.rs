//! Finds the phases of a cell, those that an analysis measured or else those of the summary, and
//! shades figures over epochs with them.

use grokrun_store::{ACCURACY, CellSummary, FoundFiles, HOLD};
use serde_json::{Value, json};

/// The columns that identify a table of phases, whichever analysis made it. The numbers are epochs;
/// the last phase has no end.
const COLUMNS: [&str; 4] = ["phase", "from", "to", "rule"];
/// Faint on white and on black; `report.css` has the same for the legend.
const COLORS: [&str; 6] = [
    "#999999", "#e69f00", "#56b4e9", "#009e73", "#cc79a7", "#f0e442",
];
/// The share of an axis below which a phase's name does not fit.
const NARROW: f64 = 0.13;

/// A phase: some epochs of training, one after the other.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Phase {
    /// its name
    pub(crate) name: String,
    /// its first epoch
    pub(crate) from: f64,
    /// the epoch at which the next one begins
    pub(crate) to: Option<f64>,
    /// the rule that found it
    pub(crate) rule: String,
    /// the index of its colour
    pub(crate) color: usize,
}

impl Phase {
    /// Returns its epochs in words.
    pub(crate) fn epochs(&self) -> String {
        match self.to {
            Some(to) => format!("epochs {} – {to}", self.from),
            None => format!("from epoch {} on", self.from),
        }
    }
}

/// The phases of a cell, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Phases {
    /// the phases, one after the other
    pub(crate) all: Vec<Phase>,
    /// the analysis that measured them; none if they are the summary's
    pub(crate) measured: Option<String>,
}

impl Phases {
    /// Returns the phases that an analysis measured, or else those of the summary.
    pub(crate) fn of(analyses: &[FoundFiles], outcome: &CellSummary) -> Phases {
        let measured = analyses.iter().find_map(|found| {
            let tables = found.tables.iter();
            let all = tables
                .filter_map(|(_, table)| table_of_phases(table))
                .next()?;
            Some(Phases {
                all,
                measured: Some(found.index.analysis.clone()),
            })
        });
        measured.unwrap_or_else(|| of_summary(outcome))
    }

    /// Shades the figure with measured phases if its horizontal axis is the epoch.
    pub(crate) fn shade_if_over_epochs(&self, figure: &mut Value) {
        let title = &figure["layout"]["xaxis"]["title"];
        let over_epochs = title == "epoch" || title["text"] == "epoch";
        if self.measured.is_some() && over_epochs {
            self.shade(figure, false);
        }
    }

    /// Draws the phases behind the figure, no further than its curves reach; with `named`, writes
    /// the names that fit.
    pub(crate) fn shade(&self, figure: &mut Value, named: bool) {
        let Some((low, high)) = reach(figure) else {
            return;
        };
        let log = figure["layout"]["xaxis"]["type"] == "log";
        let bands = self.all.iter().filter_map(|phase| {
            let (from, to) = (phase.from.max(low), phase.to.unwrap_or(high).min(high));
            (from < to).then(|| {
                let roomy = !log && (to - from) / (high - low) >= NARROW;
                let text = if named && roomy { plain(&phase.name) } else { String::new() };
                json!({ "type": "rect", "xref": "x", "yref": "paper",
                    "x0": from, "x1": to, "y0": 0, "y1": 1,
                    "fillcolor": COLORS[phase.color], "opacity": 0.15, "line": { "width": 0 },
                    "layer": "below",
                    "label": { "text": text, "textposition": "top center", "yanchor": "bottom", "padding": 1, "font": { "size": 11 } } })
            })
        });
        let bands: Vec<Value> = bands.collect();
        let Some(layout) = figure.get_mut("layout").and_then(Value::as_object_mut) else {
            return;
        };
        if named {
            // The names stand above the curves, and the legend above the names.
            layout.insert("legend".to_owned(), json!({ "y": 1.08 }));
        }
        let shapes = layout.entry("shapes").or_insert_with(|| json!([]));
        if let Some(shapes) = shapes.as_array_mut() {
            // Behind the shapes that the figure has of its own.
            shapes.splice(0..0, bands);
        }
    }
}

/// Removes what Plotly would read as markup from a label.
fn plain(name: &str) -> String {
    name.replace('<', "‹").replace('>', "›").replace('&', "+")
}

/// Returns the first and the last epoch that is drawn; above zero on a logarithmic axis.
fn reach(figure: &Value) -> Option<(f64, f64)> {
    let log = figure["layout"]["xaxis"]["type"] == "log";
    let traces = figure["data"].as_array()?;
    let all = traces.iter().filter_map(|trace| trace["x"].as_array());
    let epochs = all.flatten().filter_map(Value::as_f64);
    epochs
        .filter(|x| x.is_finite() && (!log || *x > 0.0))
        .fold(None, |ends, x| {
            let (low, high) = ends.unwrap_or((x, x));
            Some((low.min(x), high.max(x)))
        })
}

/// Returns the phases of a table; none if it is another table, or empty.
fn table_of_phases(table: &Value) -> Option<Vec<Phase>> {
    if table["columns"] != json!(COLUMNS) {
        return None;
    }
    let rows = table["rows"].as_array()?;
    let phase = |(i, row): (usize, &Value)| {
        Some(Phase {
            name: row[0].as_str()?.to_owned(),
            from: row[1].as_f64()?,
            to: row[2].as_f64(),
            rule: row[3].as_str().unwrap_or_default().to_owned(),
            color: i % COLORS.len(),
        })
    };
    let all: Vec<Phase> = rows.iter().enumerate().filter_map(phase).collect();
    (!all.is_empty()).then_some(all)
}

/// Returns the phases of the summary: learning, memorised, grokked.
fn of_summary(outcome: &CellSummary) -> Phases {
    let (memorised, grokked) = (outcome.train_accuracy_epoch, outcome.test_accuracy_epoch);
    let mut all: Vec<Phase> = Vec::new();
    let mut begin = |name: &str, from: u64, rule: String, color: usize| {
        if let Some(last) = all.last_mut() {
            last.to = Some(from as f64);
        }
        // A phase that the next one replaces at once is left out.
        all.retain(|phase| phase.to.is_none_or(|to| phase.from < to));
        all.push(Phase {
            name: name.to_owned(),
            from: from as f64,
            to: None,
            rule,
            color,
        });
    };
    let held = |of: &str| {
        format!(
            "{of} accuracy {:.0} % or more, held for {HOLD} epochs",
            100.0 * ACCURACY
        )
    };
    begin("learning", 0, "before either accuracy holds".to_owned(), 0);
    // A model that groks first has nothing left to memorise.
    let memorised = memorised.filter(|m| grokked.is_none_or(|g| *m < g));
    if let Some(epoch) = memorised {
        begin("memorised", epoch, held("train"), 1);
    }
    if let Some(epoch) = grokked {
        begin("grokked", epoch, held("test"), 3);
    }
    if outcome.epochs == 0 {
        all.clear();
    }
    Phases {
        all,
        measured: None,
    }
}

#[cfg(test)]
mod tests {
    use grokrun_store::Metrics;

    use super::*;

    fn summary_of(memorised: Option<u64>, grokked: Option<u64>) -> CellSummary {
        CellSummary {
            epochs: 1500,
            train_accuracy_epoch: memorised,
            test_accuracy_epoch: grokked,
            ..CellSummary::new("c", "finished", &Metrics::default())
        }
    }

    fn over(title: Value) -> Value {
        json!({ "data": [{ "x": [0, 1500], "y": [1, 2] }],
            "layout": { "xaxis": { "title": title }, "shapes": [{ "type": "line" }] } })
    }

    fn measured() -> Phases {
        let rows = json!([
            ["memorisation", 0, 300, "excluded loss falls"],
            ["<b>cleanup", 300, null, "weights shrink"]
        ]);
        let found = FoundFiles {
            index: grokrun_store::FindingsIndex {
                analysis: "progress-measures".to_owned(),
                ..grokrun_store::FindingsIndex::default()
            },
            tables: vec![
                (
                    "other".to_owned(),
                    json!({ "columns": ["phase"], "rows": [["x"]] }),
                ),
                (
                    "phases".to_owned(),
                    json!({ "columns": COLUMNS, "rows": rows }),
                ),
            ],
            figures: Vec::new(),
        };
        Phases::of(&[found], &summary_of(Some(100), Some(700)))
    }

    #[test]
    fn without_a_table_phases_are_those_of_the_summary() {
        let ends = |outcome: &CellSummary| -> Vec<(String, f64, Option<f64>)> {
            let all = Phases::of(&[], outcome).all.into_iter();
            all.map(|p| (p.name, p.from, p.to)).collect()
        };
        let phase = |name: &str, from, to| (name.to_owned(), from, to);
        assert_eq!(
            ends(&summary_of(Some(100), Some(700))),
            [
                phase("learning", 0.0, Some(100.0)),
                phase("memorised", 100.0, Some(700.0)),
                phase("grokked", 700.0, None)
            ]
        );
        assert_eq!(
            ends(&summary_of(Some(0), None)),
            [phase("memorised", 0.0, None)]
        );
        assert_eq!(
            ends(&summary_of(Some(9), Some(9)))[1],
            phase("grokked", 9.0, None)
        );
        // These are the summary's phases, so figures of analyses stay as they are.
        let mut figure = over(json!({ "text": "epoch" }));
        Phases::of(&[], &summary_of(None, None)).shade_if_over_epochs(&mut figure);
        assert_eq!(figure["layout"]["shapes"].as_array().unwrap().len(), 1);
    }

    #[test]
    fn measured_phases_shade_every_figure_over_epochs() {
        let phases = measured();
        assert_eq!(phases.measured.as_deref(), Some("progress-measures"));
        for title in [json!({ "text": "epoch" }), json!("epoch")] {
            let mut figure = over(title);
            phases.shade_if_over_epochs(&mut figure);
            let shapes = &figure["layout"]["shapes"];
            assert_eq!(shapes.as_array().unwrap().len(), 3);
            assert_eq!(
                (&shapes[1]["x0"], &shapes[1]["x1"]),
                (&json!(300.0), &json!(1500.0))
            );
            assert_eq!(shapes[2]["type"], "line");
        }
        let mut other = over(json!({ "text": "frequency" }));
        phases.shade_if_over_epochs(&mut other);
        assert_eq!(other["layout"]["shapes"].as_array().unwrap().len(), 1);
    }

    #[test]
    fn names_stand_once_where_there_is_room_and_are_no_markup() {
        let mut figure = over(json!("epoch"));
        measured().shade(&mut figure, true);
        assert_eq!(figure["layout"]["shapes"][1]["label"]["text"], "‹b›cleanup");
        let mut figure =
            json!({ "data": [{ "x": [1, 10_000] }], "layout": { "xaxis": { "type": "log" } } });
        measured().shade(&mut figure, true);
        let band = &figure["layout"]["shapes"][0];
        assert_eq!(
            (&band["x0"], &band["label"]["text"]),
            (&json!(1.0), &json!(""))
        );
        // Nothing is drawn, so nothing is shaded.
        let mut empty = json!({ "data": [], "layout": {} });
        measured().shade(&mut empty, true);
        assert!(empty["layout"].get("shapes").is_none());
    }
}
