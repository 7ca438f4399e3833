//! Draws which components win, and where they stood at the start.

use grokrun_api::serde_json::{Value, json};

use crate::cell::Won;

/// The most cells of a map: more rows are thinner than a pixel's width of text.
const MOST_CELLS: usize = 200;
/// How many parts the components of a cell are put into by their initial norm.
const PARTS: usize = 10;

/// Draws cells with the same components, by a norm.
pub(crate) fn of(group: &[&Won], number: &str) -> [(&'static str, Value); 2] {
    [
        ("winners", winners(group, number)),
        ("start", start(group, number)),
    ]
}

/// The matrix of cells and components.
fn winners(group: &[&Won], number: &str) -> Value {
    let shown = &group[..group.len().min(MOST_CELLS)];
    let row = |won: &&Won| -> Vec<Value> {
        let last = &won.norms[number][1];
        let most = last
            .iter()
            .copied()
            .filter(|x| !x.is_nan())
            .fold(0.0, f64::max);
        // Three digits are more than a screen shows.
        let share = |x: &f64| json!((1e3 * x / most).round() / 1e3);
        last.iter().map(share).collect()
    };
    let marks = |won: &&Won| {
        let keys = won.keys().into_iter().map(str::to_owned);
        keys.map(|key| (key, won.id.clone())).collect::<Vec<_>>()
    };
    let marks: Vec<(String, String)> = shown.iter().flat_map(marks).collect();
    let (x, y): (Vec<_>, Vec<_>) = marks.into_iter().unzip();
    let more = match group.len() - shown.len() {
        0 => String::new(),
        left => format!(" {left} more cells are in the tables."),
    };
    json!({ "data": [
        { "type": "heatmap", "z": shown.iter().map(row).collect::<Vec<_>>(), "x": group[0].names,
            "y": shown.iter().map(|won| &won.id).collect::<Vec<_>>(), "colorscale": "Viridis",
            "zmin": 0, "zmax": 1, "colorbar": { "title": { "text": "of the largest" } } },
        { "type": "scatter", "mode": "markers", "name": "key", "x": x, "y": y, "hoverinfo": "skip",
            "showlegend": false, "marker": { "symbol": "circle-open", "size": 5, "color": "#d55e00" } },
    ], "layout": {
        "title": { "text": format!("Which components win: {number} at the end") },
        "meta": { "caption": format!("A row is a cell, a circle a key component. A column that is lit in many rows is favoured whatever the seed.{more}") },
        "xaxis": { "title": { "text": "component" }, "type": "category" },
        "yaxis": { "title": { "text": "" }, "type": "category", "autorange": "reversed" } } })
}

/// Where the key components stood among all by their initial norm.
fn start(group: &[&Won], number: &str) -> Value {
    let parts = |of: &dyn Fn(usize) -> usize| -> Vec<f64> {
        let mut counts = [0.0; PARTS];
        for (i, won) in group.iter().enumerate() {
            let first = &group[of(i)].norms[number][0];
            let keys = (0..first.len()).filter(|k| won.is_key[*k]);
            for k in keys {
                let below = first.iter().filter(|x| **x < first[k]).count();
                counts[(PARTS * below / first.len()).min(PARTS - 1)] += 1.0;
            }
        }
        let total: f64 = counts.iter().sum();
        counts.iter().map(|count| count / total).collect()
    };
    let labels: Vec<String> = (0..PARTS)
        .map(|i| format!("{} – {} %", 100 * i / PARTS, 100 * (i + 1) / PARTS))
        .collect();
    let bar = |name: &str, y: Vec<f64>| json!({ "type": "bar", "name": name, "x": labels, "y": y });
    let mut data = vec![bar("own norms", parts(&|i| i))];
    if group.len() > 1 {
        data.push(bar("the next cell's", parts(&|i| (i + 1) % group.len())));
    }
    json!({ "data": data, "layout": {
        "title": { "text": format!("Where key components stood at epoch 0 by {number}") },
        "meta": { "caption": "Shares of all key components by the place of their initial norm among all: a tenth each by chance, more to the right where large norms win." },
        "xaxis": { "title": { "text": "share of components with a smaller initial norm" }, "type": "category" },
        "yaxis": { "title": { "text": "share of key components" }, "tickformat": ".0%" } } })
}
