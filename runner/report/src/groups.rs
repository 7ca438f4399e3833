//! Runs of many cells: those that differ in nothing but their seeds, together.

use grokrun_store::{CellSummary, Crossing, Metrics, Milestone, Spread};
use serde_json::{Value, json};

use crate::curves::{TEST, accuracy_axis, drawn, loss_axis};
use crate::numbers::plural;

/// Colours and symbols of groups; both, so that a colour is never all there is to tell.
const LOOKS: [(&str, &str); 7] = [
    ("#009e73", "circle"),
    ("#0072b2", "square"),
    ("#cc79a7", "diamond"),
    ("#e69f00", "triangle-up"),
    ("#56b4e9", "star"),
    ("#8c6bb1", "hexagon"),
    ("#999999", "triangle-down"),
];
/// The most points of one of many curves.
const MOST_POINTS: usize = 300;

/// A cell, as far as it matters here.
pub(crate) struct Member<'a> {
    /// the run's name, where there are several
    pub(crate) run: Option<&'a str>,
    /// `config.json`
    pub(crate) config: &'a Value,
    /// its history; empty where it was not read
    pub(crate) metrics: &'a Metrics,
    /// what became of it
    pub(crate) told: &'a CellSummary,
}

/// Cells that differ in their seeds alone.
pub(crate) struct Group<'a> {
    /// what tells it from the other groups; empty if it is the only one
    pub(crate) name: String,
    cells: Vec<Member<'a>>,
}

/// What can tell groups apart.
const FIELDS: [(&str, &str); 5] = [
    ("", "/task/notation"),
    ("mod ", "/task/modulus"),
    ("fraction ", "/task/fraction"),
    ("learning rate ", "/train/learning_rate"),
    ("weight decay ", "/train/weight_decay"),
];

fn said(value: Option<&Value>) -> String {
    match value {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => "?".to_owned(),
    }
}

/// The groups, in the order of their first cells.
pub(crate) fn groups(cells: Vec<Member<'_>>) -> Vec<Group<'_>> {
    let field = |member: &Member, i: usize| said(member.config.pointer(FIELDS[i].1));
    let varies: Vec<usize> = (0..FIELDS.len())
        .filter(|i| cells.iter().any(|c| field(c, *i) != field(&cells[0], *i)))
        .collect();
    let runs = cells.iter().any(|cell| cell.run != cells[0].run);
    let mut groups: Vec<Group> = Vec::new();
    for cell in cells {
        let run = cell.run.filter(|_| runs).map(str::to_owned);
        let parts = varies
            .iter()
            .map(|i| format!("{}{}", FIELDS[*i].0, field(&cell, *i)));
        let name = run.into_iter().chain(parts).collect::<Vec<_>>().join(", ");
        match groups.iter_mut().find(|group| group.name == name) {
            Some(group) => group.cells.push(cell),
            None => groups.push(Group {
                name,
                cells: vec![cell],
            }),
        }
    }
    groups
}

/// The value below which this share of sorted numbers lies, between two of them where need be (as
/// numpy has it).
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let at = (sorted.len() - 1) as f64 * share;
    let (low, high) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    low + (high - low) * at.fract()
}

/// First quartile, median and third quartile of a metric at one epoch; none of nothing. When cells
/// grokked is not told by this, but by [`Spread`].
fn quartiles(mut values: Vec<f64>) -> Option<[f64; 3]> {
    values.retain(|x| x.is_finite());
    values.sort_unstable_by(f64::total_cmp);
    (!values.is_empty()).then(|| [0.25, 0.5, 0.75].map(|share| quantile(&values, share)))
}

/// An epoch by which a share of cells got somewhere, in words.
fn by(epoch: Option<u64>) -> String {
    epoch.map_or("not reached".to_owned(), |epoch| epoch.to_string())
}

impl Group<'_> {
    /// When its cells got there.
    fn spread(&self, milestone: Milestone) -> Spread {
        Spread::of(self.cells.iter().map(|cell| cell.told), milestone)
    }

    /// How many cells grokked, and when: median and quartiles. Failed ones are told apart.
    pub(crate) fn verdict(&self) -> String {
        let spread = self.spread(Milestone::Grokked);
        let total = plural(spread.cells, "cell");
        let mut words = match (spread.reached, spread.first) {
            (0, _) | (_, None) => format!("none of {total} grokked"),
            (1, Some(epoch)) => format!("1 of {total} grokked, at epoch {epoch}"),
            (count, Some(_)) => {
                let [low, median, high] = spread.quartiles.map(by);
                format!(
                    "{count} of {total} grokked; the median epoch is {median} (quartiles {low} – {high}), those that did not counted as later"
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

    /// A row of the table of groups.
    pub(crate) fn row(&self) -> Vec<String> {
        let shown = |spread: &Spread| {
            let [low, median, high] = spread.quartiles.map(by);
            [median, format!("{low} – {high}")]
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
        row
    }

    /// Test accuracies and test losses of its cells over each other, with their median and
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
            figure(name("Test loss"), 1, loss_axis()),
        ]
    }

    /// The cells' curves of a column of metrics, then quartiles and median over the epochs that
    /// all of them have.
    fn traces(&self, column: usize) -> Vec<Value> {
        let read: Vec<&Member> = self
            .cells
            .iter()
            .filter(|c| !c.metrics.is_empty())
            .collect();
        let thin = |epochs: usize| -> Vec<usize> {
            let at = drawn(epochs);
            let last = at.last().copied();
            let mut thin: Vec<usize> = at
                .iter()
                .copied()
                .step_by(1 + at.len() / MOST_POINTS)
                .collect();
            thin.extend(last.filter(|last| thin.last() != Some(last)));
            thin
        };
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

/// The seeds of a cell: `data 598, model 999`.
fn seeds(cell: &Member) -> String {
    let seed = |name: &str| said(cell.config.pointer(&format!("/seeds/{name}")));
    format!("data {}, model {}", seed("data"), seed("model"))
}

/// What became of a cell, as the figure by seed shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Grokked,
    NotYetHeld,
    DidNot,
    Failed,
}

impl Fate {
    const ALL: [Fate; 4] = [Fate::Grokked, Fate::NotYetHeld, Fate::DidNot, Fate::Failed];

    /// With the epoch that it has to do with: the one at which it got there, else its last.
    fn of(told: &CellSummary) -> (Fate, u64) {
        match told.crossing(Milestone::Grokked) {
            _ if told.has_failed() => (Fate::Failed, told.epochs),
            Crossing::Held { epoch } => (Fate::Grokked, epoch),
            Crossing::Open { epoch, .. } => (Fate::NotYetHeld, epoch),
            Crossing::Not => (Fate::DidNot, told.epochs),
        }
    }

    fn words(self) -> &'static str {
        match self {
            Fate::Grokked => "grokked",
            Fate::NotYetHeld => "reached, not yet held",
            Fate::DidNot => "did not, until",
            Fate::Failed => "failed at",
        }
    }

    /// The marker, where this is the group's.
    fn symbol(self, of_group: &str) -> String {
        match self {
            Fate::Grokked => of_group.to_owned(),
            Fate::NotYetHeld => format!("{of_group}-open"),
            Fate::DidNot => "x".to_owned(),
            Fate::Failed => "cross".to_owned(),
        }
    }
}

/// The epoch at which each cell grokked, by seed; those that never did stand at their last epoch,
/// as crosses.
pub(crate) fn by_seed(groups: &[Group]) -> Value {
    let all = || groups.iter().flat_map(|group| &group.cells);
    let first = all().next();
    let same_data = all().all(|c| {
        c.config.pointer("/seeds/data") == first.and_then(|f| f.config.pointer("/seeds/data"))
    });
    let place = |cell: &Member| match same_data {
        true => said(cell.config.pointer("/seeds/model")),
        false => seeds(cell),
    };
    let mut data = Vec::new();
    for fate in Fate::ALL {
        for (i, group) in groups.iter().enumerate() {
            let cells = group.cells.iter().filter_map(|cell| {
                let (own, epoch) = Fate::of(cell.told);
                (own == fate).then(|| (place(cell), epoch))
            });
            let (x, y): (Vec<String>, Vec<u64>) = cells.unzip();
            if x.is_empty() {
                continue;
            }
            let (color, symbol) = LOOKS[i % LOOKS.len()];
            // One entry of the legend a group, or what the symbols say where there is one group.
            let name = match group.name.as_str() {
                "" => fate.words(),
                name => name,
            };
            let grokked = fate == Fate::Grokked;
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
    // In the order of the seeds, not of those that grokked.
    let number = |cell: &Member, name: &str| {
        let seed = cell.config.pointer(&format!("/seeds/{name}"));
        seed.and_then(Value::as_u64)
    };
    let mut seeds: Vec<&Member> = all().collect();
    seeds.sort_by_key(|cell| (number(cell, "data"), number(cell, "model")));
    let mut order: Vec<String> = seeds.into_iter().map(place).collect();
    order.dedup();
    let mut layout = json!({ "title": { "text": "Epoch of 99 % test accuracy by seed; × did not get there until its last epoch, hollow: not yet held, + failed" },
        "scattermode": "group", "scattergap": 0.5,
        "xaxis": { "type": "category", "title": { "text": x }, "categoryorder": "array", "categoryarray": order },
        "yaxis": { "title": { "text": "first epoch of 99 %" }, "rangemode": "tozero" } });
    if let [one] = groups {
        layout["shapes"] = json!(across(one.spread(Milestone::Grokked).quartiles));
    }
    json!({ "data": data, "layout": layout })
}

/// Quartiles as a band and the median as a line across the figure, as far as they were reached.
fn across([low, median, high]: [Option<u64>; 3]) -> Vec<Value> {
    let shape = |y0: u64, y1: u64, more: Value| {
        let mut shape = json!({ "xref": "paper", "yref": "y", "x0": 0, "x1": 1, "y0": y0, "y1": y1, "layer": "below" });
        if let (Value::Object(shape), Value::Object(more)) = (&mut shape, more) {
            shape.extend(more);
        }
        shape
    };
    let band = low.zip(high).map(|(low, high)| {
        let look = json!({ "type": "rect", "fillcolor": "#009e73", "opacity": 0.15, "line": { "width": 0 } });
        shape(low, high, look)
    });
    let line = median.map(|median| {
        let look = json!({ "type": "line", "line": { "color": "#009e73", "width": 1.5, "dash": "dot" },
            "label": { "text": format!("median {median}"), "textposition": "end", "font": { "size": 11 } } });
        shape(median, median, look)
    });
    band.into_iter().chain(line).collect()
}

/// Median and quartiles of the epochs at which the cells of each group grokked, as boxes; a group
/// of which fewer than three quarters did has none. None at all where there is one group, or no
/// box.
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
                "marker": { "color": LOOKS[i % LOOKS.len()].0 }, "showlegend": false }),
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
