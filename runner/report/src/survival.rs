//! Draws the share of cells that have not grokked yet over the epochs, with its band.

use grokrun_store::{Milestone, Spread};
use grokrun_sweeps::{Observation, Step, log_rank};
use serde_json::{Value, json};

use crate::groups::{Group, STYLES};

/// The most groups that have a curve; more cannot be told apart.
const MOST_CURVES: usize = 7;

/// Draws Kaplan and Meier's curve of each group, or of all cells where the groups are many; a tick
/// is a cell that was not watched any longer. None where no cell grokked, or there are fewer than
/// three cells.
pub(crate) fn curves(groups: &[Group]) -> Option<Value> {
    let cells: usize = groups.iter().map(Group::len).sum();
    let all = Spread::of(groups.iter().flat_map(Group::outcomes), Milestone::Grokked);
    if cells < 3 || all.reached == 0 {
        return None;
    }
    let repeated = groups.iter().any(|group| group.len() > 1);
    let mut data = Vec::new();
    if repeated && (2..=MOST_CURVES).contains(&groups.len()) {
        for (group, (color, _)) in groups.iter().zip(STYLES) {
            let spread = Spread::of(group.outcomes(), Milestone::Grokked);
            data.extend(traces(&group.name, color, spread.survival.steps()));
        }
    } else {
        data.extend(traces("all cells", STYLES[0].0, all.survival.steps()));
    }
    Some(json!({ "data": data, "layout": {
        "title": { "text": "Share of cells that have not grokked yet" },
        "meta": { "caption": "Kaplan and Meier's estimate with its pointwise 95\u{a0}% band (log–log). A tick is a cell that was not trained further: it counts as later. Failed cells are left out." },
        "xaxis": { "title": { "text": "epochs of training" }, "rangemode": "tozero" },
        "yaxis": { "range": [-0.02, 1.04], "tickformat": ".0%", "title": { "text": "not grokked yet" } } } }))
}

/// Says whether the epochs at which cells of these groups grokked differ; none where that cannot
/// be told.
pub(crate) fn differ(groups: &[Group]) -> Option<String> {
    let known = |group: &Group| -> Vec<Observation> {
        let cells = group.outcomes();
        cells
            .filter_map(|cell| cell.observation(Milestone::Grokked))
            .collect()
    };
    let test = log_rank(&groups.iter().map(known).collect::<Vec<_>>())?;
    Some(test.to_string())
}

/// The band, the curve, and the ticks.
fn traces(name: &str, color: &str, steps: &[Step]) -> Vec<Value> {
    let epochs: Vec<f64> = std::iter::once(0.0)
        .chain(steps.iter().map(|s| s.time))
        .collect();
    let edge = |of: &dyn Fn(&Step) -> f64| -> Vec<f64> {
        std::iter::once(1.0).chain(steps.iter().map(of)).collect()
    };
    let line = |y: Vec<f64>, width: f64| {
        json!({ "type": "scatter", "mode": "lines", "x": epochs, "y": y, "legendgroup": name,
            "line": { "shape": "hv", "width": width, "color": color } })
    };
    // Of a curve that has come down to 0 there is no band.
    let band = |i: usize| edge(&|step: &Step| step.band.map_or(f64::NAN, |band| band[i]));
    let (mut low, mut high) = (line(band(0), 0.0), line(band(1), 0.0));
    for one in [&mut low, &mut high] {
        one["showlegend"] = json!(false);
        one["hoverinfo"] = json!("skip");
    }
    high["fill"] = json!("tonexty");
    high["opacity"] = json!(0.25);
    high["fillcolor"] = json!(format!("{color}33"));
    let mut curve = line(edge(&|step: &Step| step.survival), 2.0);
    curve["name"] = json!(name);
    let ticks: Vec<&Step> = steps.iter().filter(|step| step.censored > 0).collect();
    let mut all = vec![low, high, curve];
    if !ticks.is_empty() {
        let of = |of: fn(&Step) -> f64| ticks.iter().map(|step| of(step)).collect::<Vec<_>>();
        let text: Vec<String> = ticks
            .iter()
            .map(|s| format!("{} censored", s.censored))
            .collect();
        all.push(json!({ "type": "scatter", "mode": "markers", "name": name, "showlegend": false,
            "legendgroup": name, "x": of(|s| s.time), "y": of(|s| s.survival), "text": text,
            "hovertemplate": "%{text} at epoch %{x}<extra></extra>",
            "marker": { "symbol": "line-ns-open", "size": 9, "color": color, "line": { "width": 2 } } }));
    }
    all
}
