//! Draws delays over a setting with the laws through them.

use grokrun_api::serde_json::{Value, json};
use grokrun_sweeps::Axis;

use crate::Fitted;

/// Colours that the colour-blind tell apart (Okabe and Ito).
const COLORS: [&str; 6] = [
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9",
];
/// The most laws of a figure.
const MOST_LAWS: usize = COLORS.len();
/// Points of a curve.
const POINTS: usize = 60;

/// Draws the delays of all cells over an axis, and the law of each group; of more groups than there
/// are colours, the first. None without a delay, or a setting above 0.
pub(crate) fn over(axis: &Axis, fitted: &[&Fitted<'_>]) -> Option<Value> {
    let mut data = Vec::new();
    for (one, color) in fitted.iter().zip(COLORS) {
        let name = match one.others.as_str() {
            "" => "delay",
            others => others,
        };
        for happened in [true, false] {
            let shown = one
                .points
                .iter()
                .filter(|(r, d)| *r > 0.0 && d.happened == happened);
            let (x, y): (Vec<f64>, Vec<f64>) = shown.map(|(r, d)| (*r, d.time.max(1.0))).unzip();
            if x.is_empty() {
                continue;
            }
            data.push(json!({ "type": "scatter", "mode": "markers", "name": name,
                "legendgroup": name, "showlegend": happened, "x": x, "y": y,
                "marker": { "color": color, "size": 8,
                    "symbol": if happened { "circle" } else { "arrow-up" },
                    "opacity": if happened { 0.8 } else { 0.5 } } }));
        }
        let values = one.points.iter().map(|(r, _)| *r).filter(|r| *r > 0.0);
        let (low, high) = values.fold((f64::MAX, 0.0f64), |(l, h), r| (l.min(r), h.max(r)));
        if let Ok(law) = &one.law {
            let at = |i: usize| low * (high / low).powf(i as f64 / (POINTS - 1) as f64);
            let x: Vec<f64> = (0..POINTS).map(at).collect();
            let y: Vec<f64> = x.iter().map(|r| law.at(*r)).collect();
            data.push(json!({ "type": "scatter", "mode": "lines", "name": name,
                "legendgroup": name, "showlegend": false, "x": x, "y": y,
                "line": { "color": color, "width": 1.5 } }));
        }
    }
    let more = match fitted.len().saturating_sub(MOST_LAWS) {
        0 => String::new(),
        more => format!(" {more} more groups are in the table."),
    };
    (!data.is_empty()).then(|| {
        json!({ "data": data, "layout": {
            "title": { "text": format!("Delay over {}", axis.words()) },
            "meta": { "caption": format!("A point is a cell, a line the law a r^−γ + b. An arrow is a cell that memorised and had not grokked by its end: it counts as later.{more}") },
            "xaxis": { "type": "log", "title": { "text": axis.key } },
            "yaxis": { "type": "log", "title": { "text": "T_grok − T_mem, epochs" } } } })
    })
}
