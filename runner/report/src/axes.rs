//! Draws when cells grokked over what they differ in: an axis, or two of them as a map.

use std::collections::BTreeMap;

use grokrun_store::{CellSummary, Milestone, Spread};
use grokrun_sweeps::{Axis, Phase, Place, axes, label, phase};
use serde_json::{Value, json};

use crate::groups::{Member, STYLES};
use crate::phase_map;

/// The most curves over one axis; the cells of more stand in maps alone.
const MOST_CURVES: usize = 7;
/// The most maps of one pair of axes, one for each value of the others.
const MOST_MAPS: usize = 12;
/// The most axes of which each pair has a map.
const MOST_AXES: usize = 4;
/// The most cells of a map in which numbers are written.
const MOST_TEXTS: usize = 200;
/// The epochs from memorising to grokking that count as long, where no analysis says otherwise.
pub(crate) const GAP: u64 = 1000;

/// Draws the epoch at which cells grokked over each numeric axis, then maps over each pair of axes.
/// `phases` has the phase of each cell, by an analysis; otherwise it is that of the summary.
pub(crate) fn figures(cells: &[Member<'_>], phases: Option<&phase_map::Measured>) -> Vec<Value> {
    let configs: Vec<&Value> = cells.iter().map(|cell| cell.config).collect();
    let all = axes(&configs);
    let mut figures = Vec::new();
    for (i, axis) in all.iter().enumerate().filter(|(_, axis)| axis.is_numeric()) {
        let others: Vec<&Axis> = others(&all, &[i]);
        figures.extend(over(cells, axis, &others));
    }
    let few = all.len().min(MOST_AXES);
    for y in 0..few {
        for x in y + 1..few {
            // Numbers along x, where only one of the two has them.
            let (x, y) = if all[x].is_numeric() { (x, y) } else { (y, x) };
            let others: Vec<&Axis> = others(&all, &[x, y]);
            figures.extend(maps(cells, [&all[x], &all[y]], &others, phases));
        }
    }
    figures
}

fn others<'a>(all: &'a [Axis], except: &[usize]) -> Vec<&'a Axis> {
    let rest = all.iter().enumerate().filter(|(i, _)| !except.contains(i));
    rest.map(|(_, axis)| axis).collect()
}

/// What tells cells apart beside the axes of a figure; empty where nothing does.
fn rest(config: &Value, others: &[&Axis]) -> String {
    let labels = others.iter().map(|axis| label(axis, &axis.of(config)));
    labels.collect::<Vec<_>>().join(", ")
}

/// Sorts cells by what they are beside the axes of a figure, in the order in which that first
/// comes.
fn by_rest<'m, 'a>(
    cells: &'m [Member<'a>],
    others: &[&Axis],
) -> Vec<(String, Vec<&'m Member<'a>>)> {
    let mut groups: Vec<(String, Vec<&Member>)> = Vec::new();
    let mut known = BTreeMap::new();
    for cell in cells {
        let name = rest(cell.config, others);
        let at = *known.entry(name.clone()).or_insert(groups.len());
        if at == groups.len() {
            groups.push((name, Vec::new()));
        }
        groups[at].1.push(cell);
    }
    groups
}

/// The scale of an axis of numbers.
fn scale(axis: &Axis) -> Value {
    json!({ "title": { "text": axis.key }, "type": if axis.is_log() { "log" } else { "linear" } })
}

/// Draws each cell's epoch over an axis, those that did not grok as marks at their end, and the
/// median at each value. None where it would be too many curves, or no cell grokked.
fn over(cells: &[Member<'_>], axis: &Axis, others: &[&Axis]) -> Option<Value> {
    let groups = by_rest(cells, others);
    let grokked = |cell: &&Member| cell.outcome.observation(Milestone::Grokked);
    let any = cells
        .iter()
        .any(|cell| grokked(&cell).is_some_and(|one| one.happened));
    if groups.len() > MOST_CURVES || !any {
        return None;
    }
    let mut data = Vec::new();
    for ((name, cells), (color, symbol)) in groups.iter().zip(STYLES) {
        let mut medians = (Vec::new(), Vec::new());
        for value in &axis.values {
            let here = cells.iter().filter(|cell| axis.of(cell.config) == *value);
            let spread = Spread::of(here.map(|cell| cell.outcome), Milestone::Grokked);
            medians.0.push(value.number());
            medians.1.push(spread.median());
        }
        data.push(json!({ "type": "scatter", "mode": "lines", "name": name, "legendgroup": name,
            "x": medians.0, "y": medians.1, "connectgaps": false, "showlegend": false,
            "hovertemplate": "median %{y}<extra></extra>", "line": { "color": color, "width": 1.5 } }));
        for happened in [true, false] {
            let here: Vec<(&Member, f64)> = cells
                .iter()
                .filter_map(|cell| Some((*cell, grokked(cell)?)))
                .filter(|(_, one)| one.happened == happened)
                .map(|(cell, one)| (cell, one.time))
                .collect();
            let x: Vec<Option<f64>> = here
                .iter()
                .map(|(cell, _)| axis.of(cell.config).number())
                .collect();
            let y: Vec<f64> = here.iter().map(|(_, time)| *time).collect();
            let names: Vec<&String> = here.iter().map(|(cell, _)| &cell.outcome.cell).collect();
            let links: Vec<&String> = here.iter().map(|(cell, _)| &cell.link).collect();
            let (symbol, words) = if happened {
                (symbol.to_owned(), "grokked at")
            } else {
                ("arrow-up".to_owned(), "not grokked by")
            };
            data.push(
                json!({ "type": "scatter", "mode": "markers", "legendgroup": name,
                "name": if name.is_empty() { words } else { name },
                "showlegend": happened || name.is_empty(), "x": x, "y": y, "text": names,
                "customdata": links,
                "hovertemplate": format!("%{{text}}<br>{words} %{{y}}<extra></extra>"),
                "marker": { "symbol": symbol, "color": color, "size": 9,
                    "opacity": if happened { 1.0 } else { 0.6 } } }),
            );
        }
    }
    let mut times: Vec<f64> = cells
        .iter()
        .filter_map(|c| Some(grokked(&c)?.time))
        .collect();
    times.retain(|time| *time > 0.0);
    let ends = times
        .iter()
        .fold((f64::MAX, 0.0f64), |(l, h), t| (l.min(*t), h.max(*t)));
    let log = ends.1 / ends.0 >= 20.0;
    let mut y = json!({ "title": { "text": "first epoch of 99 %" } });
    if log {
        y["type"] = json!("log")
    } else {
        y["rangemode"] = json!("tozero")
    }
    Some(json!({ "data": data, "layout": {
        "title": { "text": format!("Grok epoch over {}", axis.words()) },
        "meta": { "caption": "A point is a cell, the line the median of those at one value. An arrow is a cell that did not grok by the end of its training: it counts as later.", "links": true },
        "xaxis": scale(axis), "yaxis": y } }))
}

/// Draws maps of the median grok epoch and of the phases over two axes, one for each value of the
/// others.
fn maps(
    cells: &[Member<'_>],
    [x, y]: [&Axis; 2],
    others: &[&Axis],
    phases: Option<&phase_map::Measured>,
) -> Vec<Value> {
    let mut figures = Vec::new();
    for (name, cells) in by_rest(cells, others).into_iter().take(MOST_MAPS) {
        let map = Map::of(&cells, [x, y]);
        // A sample has hardly two cells in one row.
        if map.filled() * 4 < x.values.len() * y.values.len() {
            continue;
        }
        let title = |what: &str| match name.as_str() {
            "" => format!("{what} over {} and {}", x.words(), y.words()),
            name => format!("{what}: {name}"),
        };
        figures.extend(map.epochs(title("Grok epoch")));
        figures.push(phase_map::figure(&map, title("Phases"), phases));
    }
    figures
}

/// Cells by their values of two axes.
pub(crate) struct Map<'m, 'a> {
    pub(crate) axes: [&'m Axis; 2],
    /// by row and column
    pub(crate) places: Vec<Vec<Vec<&'m Member<'a>>>>,
}

impl<'m, 'a> Map<'m, 'a> {
    fn of(cells: &[&'m Member<'a>], axes: [&'m Axis; 2]) -> Map<'m, 'a> {
        let [x, y] = axes;
        let mut places = vec![vec![Vec::new(); x.values.len()]; y.values.len()];
        for cell in cells {
            if let (Some(row), Some(column)) = (y.place(cell.config), x.place(cell.config)) {
                places[row][column].push(*cell);
            }
        }
        Map { axes, places }
    }

    fn filled(&self) -> usize {
        self.places
            .iter()
            .flatten()
            .filter(|cells| !cells.is_empty())
            .count()
    }

    /// A value of each place.
    pub(crate) fn each<T>(&self, of: impl Fn(&[&Member<'_>]) -> T) -> Vec<Vec<T>> {
        let row = |row: &Vec<Vec<&Member>>| row.iter().map(|cells| of(cells)).collect();
        self.places.iter().map(row).collect()
    }

    /// A figure of these colours, with what is written in a place and beside it; a click leads to
    /// the first of its cells.
    pub(crate) fn figure(&self, mut trace: Value, title: &str, caption: &str) -> Value {
        let labels = |axis: &Axis| axis.values.iter().map(Place::text).collect::<Vec<_>>();
        let [x, y] = self.axes;
        trace["type"] = json!("heatmap");
        trace["x"] = json!(labels(x));
        trace["y"] = json!(labels(y));
        trace["xgap"] = json!(1);
        trace["ygap"] = json!(1);
        let first = |cells: &[&Member]| cells.first().map(|cell| cell.link.clone());
        trace["customdata"] = json!(self.each(first));
        let count = x.values.len() * y.values.len();
        if count <= MOST_TEXTS {
            trace["texttemplate"] = json!("%{text}");
        }
        let axis = |axis: &Axis| json!({ "title": { "text": axis.key }, "type": "category" });
        json!({ "data": [trace], "layout": { "title": { "text": title },
            "meta": { "caption": caption, "links": true },
            "xaxis": axis(x), "yaxis": axis(y) } })
    }

    /// Crosses at the places for which `wanted` holds, in the colour of the page's text.
    fn crosses(&self, wanted: impl Fn(&[&Member<'_>]) -> bool) -> Value {
        let [x, y] = self.axes;
        let (mut columns, mut rows) = (Vec::new(), Vec::new());
        for (row, places) in self.places.iter().enumerate() {
            for (column, _) in places.iter().enumerate().filter(|(_, cells)| wanted(cells)) {
                columns.push(x.values[column].text());
                rows.push(y.values[row].text());
            }
        }
        json!({ "type": "scatter", "mode": "text", "x": columns, "y": rows,
            "text": vec!["×"; rows.len()], "hoverinfo": "skip", "showlegend": false })
    }

    /// Draws the median epoch; none where no cell of the map grokked.
    fn epochs(&self, title: String) -> Option<Value> {
        let spread = |cells: &[&Member]| {
            Spread::of(cells.iter().map(|cell| cell.outcome), Milestone::Grokked)
        };
        let medians = self.each(|cells| spread(cells).median());
        let known: Vec<u64> = medians.iter().flatten().flatten().copied().collect();
        let (least, most) = (known.iter().min()?, known.iter().max()?);
        let log = *most as f64 / (*least).max(1) as f64 >= 20.0;
        let shown = |epoch: u64| {
            if log {
                (epoch.max(1) as f64).log10()
            } else {
                epoch as f64
            }
        };
        let colors: Vec<Vec<Option<f64>>> = medians
            .iter()
            .map(|row| row.iter().map(|m| m.map(shown)).collect())
            .collect();
        let text = self.each(|cells| {
            let median = spread(cells).median();
            median.map_or(String::new(), |epoch| epoch.to_string())
        });
        let beside = self.each(|cells| {
            let spread = spread(cells);
            let median = match spread.median() {
                Some(epoch) => format!("median epoch {epoch}"),
                None => "median not reached".to_owned(),
            };
            format!("{} of {} grokked, {median}", spread.reached, spread.cells)
        });
        let mut bar = json!({ "title": { "text": "epoch" } });
        if log {
            let marks = (shown(*least).floor() as i32..=shown(*most).ceil() as i32)
                .flat_map(|power| [1, 2, 5].map(|digit| f64::from(digit) * 10f64.powi(power)))
                .filter(|mark| (*least as f64..=*most as f64).contains(mark));
            let marks: Vec<f64> = marks.collect();
            bar["tickvals"] = json!(marks.iter().map(|mark| mark.log10()).collect::<Vec<_>>());
            bar["ticktext"] = json!(marks.iter().map(f64::to_string).collect::<Vec<_>>());
        }
        let [x, y] = self.axes;
        let trace = json!({ "z": colors, "text": text, "hovertext": beside, "colorbar": bar,
            "colorscale": "Viridis", "reversescale": true, "hoverongaps": true,
            "hovertemplate": format!("{} %{{x}}, {} %{{y}}<br>%{{hovertext}}<extra></extra>", x.words(), y.words()) });
        let caption = "The median epoch of 99 % test accuracy; × where fewer than half of the cells reached it by the end of their training.";
        let mut figure = self.figure(trace, &title, caption);
        if let Some(data) = figure["data"].as_array_mut() {
            data.push(self.crosses(|cells| !cells.is_empty() && spread(cells).median().is_none()));
        }
        Some(figure)
    }
}

/// The phase of a cell by its summary: 99 % held, or reached and kept to the end.
pub(crate) fn of_summary(outcome: &CellSummary) -> Option<Phase> {
    let reached = |milestone| {
        let crossing = outcome.crossing(milestone);
        crossing.held().or(crossing.open())
    };
    let [train, test] = [Milestone::Memorised, Milestone::Grokked].map(reached);
    (!outcome.has_failed()).then(|| phase(train, test, GAP))
}

#[cfg(test)]
mod tests;
