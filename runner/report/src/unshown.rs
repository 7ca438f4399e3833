//! Draws the series of an analysis that none of its figures shows.

use std::collections::BTreeMap;

use grokrun_store::FoundSeries;
use serde_json::{Value, json};

use crate::order::natural;

/// The most lines of a figure; more series of one kind become a map.
const MOST_LINES: usize = 8;
/// What a drawn value may differ from the series's, of its size: figures may be rounded.
const ROUNDING: f64 = 1e-5;

/// Draws what these figures leave out: series whose names differ in numbers alone together.
pub(crate) fn figures(found: &FoundSeries, drawn: &[Value]) -> Vec<Value> {
    let mut kinds: BTreeMap<String, Vec<(&str, &[f64])>> = BTreeMap::new();
    for (name, values) in &found.series {
        let known: Vec<f64> = values.iter().copied().filter(|x| x.is_finite()).collect();
        if known.is_empty() || drawn.iter().any(|figure| shows(figure, &known)) {
            continue;
        }
        let kind = kind_of(name);
        kinds.entry(kind).or_default().push((name, values));
    }
    let mut all: Vec<Value> = Vec::new();
    for (kind, mut series) in kinds {
        series.sort_by(|one, other| natural(one.0, other.0));
        all.push(match series.len() {
            0..=MOST_LINES => lines(&kind, &found.epochs, &series),
            _ => map(&kind, &found.epochs, &series),
        });
    }
    all
}

/// A name with `…` in the place of each number.
fn kind_of(name: &str) -> String {
    let mut kind = String::new();
    for c in name.chars() {
        match c.is_ascii_digit() {
            true if kind.ends_with('…') => {}
            true => kind.push('…'),
            false => kind.push(c),
        }
    }
    kind
}

/// Whether a curve of the figure has just these values.
fn shows(figure: &Value, values: &[f64]) -> bool {
    let traces = figure["data"].as_array().into_iter().flatten();
    let mut curves = traces.filter_map(|trace| trace["y"].as_array());
    curves.any(|y| {
        let drawn: Vec<f64> = y.iter().filter_map(Value::as_f64).collect();
        let same = |(one, other): (&f64, &f64)| (one - other).abs() <= ROUNDING * other.abs();
        drawn.len() == values.len() && drawn.iter().zip(values).all(same)
    })
}

fn figure(title: &str, data: Vec<Value>, y: Value) -> Value {
    json!({ "data": data, "layout": { "title": { "text": title },
        "meta": { "caption": "A series that no figure of the analysis shows." },
        "xaxis": { "title": { "text": "epoch" } }, "yaxis": y } })
}

fn lines(kind: &str, epochs: &[u64], series: &[(&str, &[f64])]) -> Value {
    let line = |(name, values): &(&str, &[f64])| {
        json!({ "type": "scatter", "mode": "lines+markers", "marker": { "size": 4 }, "name": name,
            "x": epochs, "y": values })
    };
    let title = if series.len() == 1 { series[0].0 } else { kind };
    figure(title, series.iter().map(line).collect(), json!({}))
}

fn map(kind: &str, epochs: &[u64], series: &[(&str, &[f64])]) -> Value {
    let names: Vec<&str> = series.iter().map(|(name, _)| *name).collect();
    let rows: Vec<&[f64]> = series.iter().map(|(_, values)| *values).collect();
    let trace = json!({ "type": "heatmap", "x": epochs, "y": names, "z": rows,
        "colorscale": "Viridis",
        "hovertemplate": "%{y}, epoch %{x}: %{z}<extra></extra>" });
    figure(kind, vec![trace], json!({ "type": "category" }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_no_curve_shows_is_drawn() {
        let found = FoundSeries {
            epochs: vec![0, 100, 200],
            series: vec![
                ("gini".to_owned(), vec![0.1, f64::NAN, 0.3]),
                ("u_10".to_owned(), vec![1.0, 2.0, 3.0]),
                ("u_2".to_owned(), vec![4.0, 5.0, 6.0]),
                ("empty".to_owned(), vec![f64::NAN; 3]),
            ],
        };
        let shown = json!({ "data": [{ "y": [0.1, 0.3000001] }] });
        let left = figures(&found, &[shown]);
        assert_eq!(left.len(), 1);
        assert_eq!(left[0]["layout"]["title"]["text"], "u_…");
        let names: Vec<&Value> = left[0]["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|t| &t["name"])
            .collect();
        assert_eq!(names, ["u_2", "u_10"]);
        assert_eq!(figures(&found, &[])[0]["layout"]["title"]["text"], "gini");
        let many = FoundSeries {
            epochs: vec![0],
            series: (0..30)
                .map(|k| (format!("loss {k}"), vec![f64::from(k)]))
                .collect(),
        };
        let map = &figures(&many, &[])[0];
        assert_eq!(
            (&map["data"][0]["type"], &map["data"][0]["y"][9]),
            (&json!("heatmap"), &json!("loss 9"))
        );
    }
}
