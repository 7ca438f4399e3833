//! Compares many cells: groups those that differ in nothing but their seeds.

use grokrun_store::{CellSummary, Crossing, Metrics, Milestone, Spread};
use serde_json::{Value, json};

use crate::curves::{TEST, accuracy_axis, drawn, loss_axis};
use crate::numbers::plural;

/// Colours and symbols of groups: a colour is never the only difference.
pub(crate) const STYLES: [(&str, &str); 7] = [
    ("#009e73", "circle"),
    ("#0072b2", "square"),
    ("#cc79a7", "diamond"),
    ("#e69f00", "triangle-up"),
    ("#56b4e9", "star"),
    ("#8c6bb1", "hexagon"),
    ("#999999", "triangle-down"),
];
/// The most points of a curve among many.
const MOST_POINTS: usize = 300;

/// A cell, with what the comparison needs of it.
pub(crate) struct Member<'a> {
    /// the run's name, if there are several runs
    pub(crate) run: Option<&'a str>,
    /// `config.json`
    pub(crate) config: &'a Value,
    /// its history; empty if it was not read
    pub(crate) metrics: &'a Metrics,
    /// its summary
    pub(crate) outcome: &'a CellSummary,
    /// the anchor that a click on it leads to
    pub(crate) link: String,
}

/// Cells that differ in their seeds alone.
pub(crate) struct Group<'a> {
    /// what it differs in from the other groups; empty if it is the only one
    pub(crate) name: String,
    cells: Vec<Member<'a>>,
}

fn said(value: Option<&Value>) -> String {
    match value {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => "none".to_owned(),
        Some(other) => other.to_string(),
    }
}

/// Groups cells, in the order of their first cells.
pub(crate) fn groups(cells: Vec<Member<'_>>) -> Vec<Group<'_>> {
    let configs: Vec<&Value> = cells.iter().map(|cell| cell.config).collect();
    let runs: Vec<&str> = cells.iter().filter_map(|cell| cell.run).collect();
    let several = runs.len() == cells.len() && runs.iter().any(|run| *run != runs[0]);
    let found = grokrun_sweeps::groups(&configs, several.then_some(runs.as_slice()));
    let mut of_cell = vec![0; cells.len()];
    for (number, group) in found.iter().enumerate() {
        group.cells.iter().for_each(|cell| of_cell[*cell] = number);
    }
    let empty = |group: grokrun_sweeps::Group| Group {
        name: group.name,
        cells: Vec::new(),
    };
    let mut all: Vec<Group> = found.into_iter().map(empty).collect();
    for (cell, group) in cells.into_iter().zip(of_cell) {
        all[group].cells.push(cell);
    }
    all
}

/// Returns the quantile of sorted numbers, interpolated linearly as numpy does.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let at = (sorted.len() - 1) as f64 * share;
    let (low, high) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    low + (high - low) * at.fract()
}

/// Returns first quartile, median and third quartile of a metric at one epoch; none if there are no
/// values. The epochs at which cells grokked are summarised by [`Spread`] instead.
pub(crate) fn quartiles(mut values: Vec<f64>) -> Option<[f64; 3]> {
    values.retain(|x| x.is_finite());
    values.sort_unstable_by(f64::total_cmp);
    (!values.is_empty()).then(|| [0.25, 0.5, 0.75].map(|share| quantile(&values, share)))
}

/// Returns the epochs at which a curve among many is drawn, the first and the last among them.
pub(crate) fn thin(epochs: usize) -> Vec<usize> {
    let at = drawn(epochs);
    let last = at.last().copied();
    let step = 1 + at.len() / MOST_POINTS;
    let mut thin: Vec<usize> = at.iter().copied().step_by(step).collect();
    thin.extend(last.filter(|last| thin.last() != Some(last)));
    thin
}

/// Puts into words the epoch by which a share of cells reached a milestone.
fn by(epoch: Option<u64>) -> String {
    epoch.map_or("not reached".to_owned(), |epoch| epoch.to_string())
}

impl Group<'_> {
    /// Returns all of these cells as one group.
    pub(crate) fn all<'a>(cells: &[Member<'a>]) -> Group<'a> {
        let copy = |cell: &Member<'a>| Member {
            link: String::new(),
            ..*cell
        };
        Group {
            name: String::new(),
            cells: cells.iter().map(copy).collect(),
        }
    }

    /// Returns how many cells it has.
    pub(crate) fn len(&self) -> usize {
        self.cells.len()
    }

    /// Returns the histories of its cells; empty ones were not read.
    pub(crate) fn metrics(&self) -> impl Iterator<Item = &Metrics> {
        self.cells.iter().map(|cell| cell.metrics)
    }

    /// Returns the summaries of its cells.
    pub(crate) fn outcomes(&self) -> impl Iterator<Item = &CellSummary> {
        self.cells.iter().map(|cell| cell.outcome)
    }

    /// Returns when its cells reached a milestone.
    fn spread(&self, milestone: Milestone) -> Spread {
        Spread::of(self.outcomes(), milestone)
    }

    /// Says how many cells grokked, and when: median and quartiles. Failed cells are counted apart.
    pub(crate) fn verdict(&self) -> String {
        let spread = self.spread(Milestone::Grokked);
        let total = plural(spread.cells, "cell");
        let mut words = match (spread.reached, spread.first) {
            (0, _) | (_, None) => format!("none of {total} grokked"),
            (1, Some(epoch)) => format!("1 of {total} grokked, at epoch {epoch}"),
            (count, Some(_)) => {
                let [low, median, high] = spread.quartiles.map(by);
                format!(
                    "{count} of {total} grokked; the median epoch is {median} (quartiles {low} – {high}), a cell that did not grok counts as later"
                )
            }
        };
        if spread.not_yet > 0 {
            words.push_str(&format!("; {} not yet held", spread.not_yet));
        }
        if spread.failed > 0 {
            words.push_str(&format!("; {} failed", plural(spread.failed, "cell")));
        }
        words
    }

    /// Returns the `config.json` of its cells.
    pub(crate) fn configs(&self) -> impl Iterator<Item = &Value> {
        self.cells.iter().map(|cell| cell.config)
    }

    /// Returns the group's row of the table.
    pub(crate) fn row(&self) -> Vec<String> {
        let shown = |spread: &Spread| {
            let [low, median, high] = spread.quartiles.map(by);
            let quartiles = match spread.quartiles {
                [None, _, None] => low,
                _ => format!("{low} – {high}"),
            };
            [median, quartiles]
        };
        let memorised = self.spread(Milestone::Memorised);
        let grokked = self.spread(Milestone::Grokked);
        let mut row = vec![
            self.name.clone(),
            grokked.cells.to_string(),
            grokked.reached.to_string(),
            grokked.not_yet.to_string(),
            grokked.failed.to_string(),
        ];
        row.extend(shown(&memorised));
        row.extend(shown(&grokked));
        let median = grokked.survival.quantile(0.5);
        row.push(match (median.low, median.high) {
            (None, _) => "–".to_owned(),
            (Some(low), Some(high)) => format!("{low} – {high}"),
            (Some(low), None) => format!("{low} or later"),
        });
        row
    }

    /// Draws test accuracies and test losses of its cells over each other, with their median and
    /// quartiles.
    pub(crate) fn curves(&self) -> [Value; 2] {
        let name = |what: &str| match self.name.as_str() {
            "" => what.to_owned(),
            name => format!("{what}: {name}"),
        };
        let figure = |title: String, column: usize, axis: Value| {
            json!({ "data": self.traces(column), "layout": { "title": { "text": title },
                "xaxis": { "title": { "text": "epoch" } }, "yaxis": axis } })
        };
        [
            figure(name("Test accuracy"), 3, accuracy_axis()),
            figure(name("Test loss"), 1, loss_axis(self.configs())),
        ]
    }

    /// Draws the cells' curves of a column of metrics, then quartiles and median over the epochs
    /// that all cells have.
    fn traces(&self, column: usize) -> Vec<Value> {
        let read: Vec<&Member> = self
            .cells
            .iter()
            .filter(|c| !c.metrics.is_empty())
            .collect();
        let line = |name: &str, x: &[usize], y: Vec<f64>, style: Value| json!({ "type": "scatter", "mode": "lines", "name": name, "x": x, "y": y, "line": style });
        let mut traces: Vec<Value> = read
            .iter()
            .map(|cell| {
                let at = thin(cell.metrics.len());
                let y = at
                    .iter()
                    .map(|e| cell.metrics.columns()[column][*e])
                    .collect();
                let mut trace = line(
                    &seeds(cell),
                    &at,
                    y,
                    json!({ "width": 1, "color": "#999999" }),
                );
                trace["opacity"] = json!(0.6);
                trace["showlegend"] = json!(false);
                trace
            })
            .collect();
        let common = read
            .iter()
            .map(|cell| cell.metrics.len())
            .min()
            .unwrap_or(0);
        if read.len() < 3 {
            return traces;
        }
        let at = thin(common);
        let parts: Vec<[f64; 3]> = at
            .iter()
            .map(|e| {
                let values = read.iter().map(|cell| cell.metrics.columns()[column][*e]);
                quartiles(values.collect()).unwrap_or([f64::NAN; 3])
            })
            .collect();
        let part = |i: usize| parts.iter().map(|p| p[i]).collect::<Vec<f64>>();
        let edge = json!({ "width": 0, "color": TEST });
        let mut low = line("first quartile", &at, part(0), edge.clone());
        low["showlegend"] = json!(false);
        let mut high = line("quartiles", &at, part(2), edge);
        high["fill"] = json!("tonexty");
        high["fillcolor"] = json!("rgba(213,94,0,0.2)");
        let median = line(
            "median",
            &at,
            part(1),
            json!({ "width": 2.5, "color": TEST }),
        );
        traces.extend([low, high, median]);
        traces
    }
}

/// Returns the seeds of a cell in words: `data 598, model 999`.
fn seeds(cell: &Member) -> String {
    let seed = |name: &str| said(cell.config.pointer(&format!("/seeds/{name}")));
    format!("data {}, model {}", seed("data"), seed("model"))
}

/// The outcome of a cell, as the figure by seed shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum MarkerKind {
    Grokked,
    NotYetHeld,
    DidNot,
    Failed,
}

impl MarkerKind {
    const ALL: [MarkerKind; 4] = [
        MarkerKind::Grokked,
        MarkerKind::NotYetHeld,
        MarkerKind::DidNot,
        MarkerKind::Failed,
    ];

    /// Returns the outcome with its epoch: that of the milestone if it was reached, else the last.
    fn of(outcome: &CellSummary) -> (MarkerKind, u64) {
        match outcome.crossing(Milestone::Grokked) {
            _ if outcome.has_failed() => (MarkerKind::Failed, outcome.epochs),
            Crossing::Held { epoch } => (MarkerKind::Grokked, epoch),
            Crossing::Open { epoch, .. } => (MarkerKind::NotYetHeld, epoch),
            Crossing::Not => (MarkerKind::DidNot, outcome.epochs),
        }
    }

    fn words(self) -> &'static str {
        match self {
            MarkerKind::Grokked => "grokked",
            MarkerKind::NotYetHeld => "reached, not yet held",
            MarkerKind::DidNot => "not reached by the last epoch",
            MarkerKind::Failed => "failed",
        }
    }

    /// Returns the marker of this outcome; `of_group` is the group's symbol.
    fn symbol(self, of_group: &str) -> String {
        match self {
            MarkerKind::Grokked => of_group.to_owned(),
            MarkerKind::NotYetHeld => format!("{of_group}-open"),
            MarkerKind::DidNot => "x".to_owned(),
            MarkerKind::Failed => "cross".to_owned(),
        }
    }
}

/// Draws the epoch at which each cell grokked, by seed; cells that did not are crosses at their
/// last epoch.
pub(crate) fn by_seed(groups: &[Group]) -> Value {
    let all = || groups.iter().flat_map(|group| &group.cells);
    let first = all().next();
    let same_data = all().all(|c| {
        c.config.pointer("/seeds/data") == first.and_then(|f| f.config.pointer("/seeds/data"))
    });
    let place = |cell: &Member| {
        if same_data {
            said(cell.config.pointer("/seeds/model"))
        } else {
            seeds(cell)
        }
    };
    let mut data = Vec::new();
    for fate in MarkerKind::ALL {
        for (i, group) in groups.iter().enumerate() {
            let cells = group.cells.iter().filter_map(|cell| {
                let (own, epoch) = MarkerKind::of(cell.outcome);
                (own == fate).then(|| (place(cell), epoch))
            });
            let (x, y): (Vec<String>, Vec<u64>) = cells.unzip();
            if x.is_empty() {
                continue;
            }
            let (color, symbol) = STYLES[i % STYLES.len()];
            // One entry of the legend for each group; for a single group, one for each symbol.
            let name = match group.name.as_str() {
                "" => fate.words(),
                name => name,
            };
            let grokked = fate == MarkerKind::Grokked;
            let first = !data
                .iter()
                .any(|trace: &Value| trace["offsetgroup"].as_str() == Some(&i.to_string()));
            let color = if grokked || groups.len() > 1 {
                color
            } else {
                TEST
            };
            data.push(
                json!({ "type": "scatter", "mode": "markers", "name": name, "x": x, "y": y,
                "offsetgroup": i.to_string(), "showlegend": first || groups.len() == 1,
                "marker": { "symbol": fate.symbol(symbol), "color": color, "size": 9 } }),
            );
        }
    }
    let x = if same_data { "model seed" } else { "seeds" };
    // Sorted by seed, not by epoch.
    let number = |cell: &Member, name: &str| {
        let seed = cell.config.pointer(&format!("/seeds/{name}"));
        seed.and_then(Value::as_u64)
    };
    let mut seeds: Vec<&Member> = all().collect();
    seeds.sort_by_key(|cell| (number(cell, "data"), number(cell, "model")));
    let mut order: Vec<String> = seeds.into_iter().map(place).collect();
    order.dedup();
    let mut layout = json!({ "title": { "text": "Epoch of 99 % test accuracy, by seed" },
        "meta": { "caption": "Hollow: reached, and not yet held long enough to count. × at the last epoch: not reached. + at the last epoch: failed." },
        "scattermode": "group", "scattergap": 0.5,
        "xaxis": { "type": "category", "title": { "text": x }, "categoryorder": "array", "categoryarray": order },
        "yaxis": { "title": { "text": "first epoch of 99 %" }, "rangemode": "tozero" } });
    if let [one] = groups {
        layout["shapes"] = json!(across(one.spread(Milestone::Grokked).quartiles));
    }
    json!({ "data": data, "layout": layout })
}

/// Draws quartiles as a band and the median as a line across the figure, as far as they were
/// reached.
fn across([low, median, high]: [Option<u64>; 3]) -> Vec<Value> {
    let shape = |y0: u64, y1: u64, more: Value| {
        let mut shape = json!({ "xref": "paper", "yref": "y", "x0": 0, "x1": 1, "y0": y0, "y1": y1, "layer": "below" });
        if let (Value::Object(shape), Value::Object(more)) = (&mut shape, more) {
            shape.extend(more);
        }
        shape
    };
    let band = low.zip(high).map(|(low, high)| {
        let style = json!({ "type": "rect", "fillcolor": "#009e73", "opacity": 0.15, "line": { "width": 0 } });
        shape(low, high, style)
    });
    let line = median.map(|median| {
        let style = json!({ "type": "line", "line": { "color": "#009e73", "width": 1.5, "dash": "dot" },
            "label": { "text": format!("median {median}"), "textposition": "end", "font": { "size": 11 } } });
        shape(median, median, style)
    });
    band.into_iter().chain(line).collect()
}

/// Draws median and quartiles of the epochs at which the cells of each group grokked, as boxes. A
/// group of which fewer than three quarters grokked has no box; with one group, or no box, there is
/// no figure.
pub(crate) fn boxes(groups: &[Group]) -> Option<Value> {
    if groups.len() < 2 {
        return None;
    }
    let data: Vec<Value> = groups
        .iter()
        .enumerate()
        .filter_map(|(i, group)| {
            let spread = group.spread(Milestone::Grokked);
            let [low, median, high] = spread.quartiles;
            Some(
                json!({ "type": "box", "name": group.name, "x": [group.name],
                "q1": [low?], "median": [median?], "q3": [high?],
                "lowerfence": [spread.first?], "upperfence": [spread.last?],
                "marker": { "color": STYLES[i % STYLES.len()].0 }, "showlegend": false }),
            )
        })
        .collect();
    if data.is_empty() {
        return None;
    }
    let left_out = match groups.len() - data.len() {
        0 => String::new(),
        few => format!(
            "; {few} of {} groups: fewer than three quarters grokked",
            groups.len()
        ),
    };
    Some(
        json!({ "data": data, "layout": { "title": { "text": format!("Epoch of 99 % test accuracy: median, quartiles, first and last{left_out}") },
        "xaxis": { "type": "category" },
        "yaxis": { "title": { "text": "first epoch of 99 %" }, "rangemode": "tozero" } } }),
    )
}

#[cfg(test)]
mod tests;
