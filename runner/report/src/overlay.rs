//! Draws groups of cells over each other: a colour a group, its median, and the band between its
//! quartiles.

use serde_json::{Value, json};

use crate::curves::{accuracy_axis, loss_axis};
use crate::groups::{Group, STYLES, quartiles, thin};

/// The most groups that are told apart by colour.
const MOST_GROUPS: usize = 7;
/// The fewest cells of which quartiles are drawn.
const FEWEST: usize = 3;

/// Draws test accuracies and test losses of groups over each other; nothing for a single group, or
/// for more than there are colours.
pub(crate) fn curves(groups: &[Group]) -> Vec<Value> {
    if !(2..=MOST_GROUPS).contains(&groups.len()) {
        return Vec::new();
    }
    let figure = |title: &str, column: usize, axis: Value| {
        let traces = groups.iter().zip(STYLES);
        let data: Vec<Value> = traces
            .flat_map(|(group, (color, _))| traces_of(group, color, column))
            .collect();
        json!({ "data": data, "layout": { "title": { "text": title },
            "meta": { "caption": "A colour for each group of cells: the median over its cells, and the band between the quartiles." },
            "xaxis": { "title": { "text": "epoch" } }, "yaxis": axis } })
    };
    let configs = groups.iter().flat_map(Group::configs);
    vec![
        figure("Test accuracy of all groups", 3, accuracy_axis()),
        figure("Test loss of all groups", 1, loss_axis(configs)),
    ]
}

fn traces_of(group: &Group, color: &str, column: usize) -> Vec<Value> {
    let read: Vec<&[f64]> = group
        .metrics()
        .filter(|metrics| !metrics.is_empty())
        .map(|metrics| metrics.columns()[column])
        .collect();
    // Over the epochs that all cells have.
    let Some(common) = read.iter().map(|values| values.len()).min() else {
        return Vec::new();
    };
    let at = thin(common);
    let parts: Vec<[f64; 3]> = at
        .iter()
        .map(|e| quartiles(read.iter().map(|values| values[*e]).collect()).unwrap_or([f64::NAN; 3]))
        .collect();
    let line = |i: usize, width: f64| {
        let y: Vec<f64> = parts.iter().map(|part| part[i]).collect();
        json!({ "type": "scatter", "mode": "lines", "legendgroup": group.name, "x": at, "y": y,
            "line": { "color": color, "width": width } })
    };
    let mut median = line(1, 2.0);
    median["name"] = json!(group.name);
    if read.len() < FEWEST {
        return vec![median];
    }
    let (mut low, mut high) = (line(0, 0.0), line(2, 0.0));
    for edge in [&mut low, &mut high] {
        edge["showlegend"] = json!(false);
        edge["hoverinfo"] = json!("skip");
    }
    high["fill"] = json!("tonexty");
    high["fillcolor"] = json!(format!("{color}33"));
    vec![low, high, median]
}
