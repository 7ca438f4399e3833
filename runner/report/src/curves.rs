//! Losses and accuracies over training, as Plotly's JSON.

use grokrun_store::{CellSummary, Metrics};
use serde_json::{Value, json};

/// The most points of a curve.
const MOST_POINTS: usize = 1200;
/// Colours that the colour-blind tell apart (Okabe and Ito): training and testing.
const TRAIN: &str = "#0072b2";
const TEST: &str = "#d55e00";

/// The epochs that are drawn: all, or evenly thinned with the first fifty and the last.
fn drawn(epochs: usize) -> Vec<usize> {
    let step = epochs.div_ceil(MOST_POINTS).max(1);
    let mut all: Vec<usize> = (0..epochs.min(50))
        .chain((0..epochs).step_by(step))
        .collect();
    all.extend(epochs.checked_sub(1));
    all.sort_unstable();
    all.dedup();
    all
}

fn trace(name: &str, color: &str, at: &[usize], column: &[f64]) -> Value {
    let y: Vec<Value> = at.iter().map(|e| json!(column[*e])).collect();
    json!({ "type": "scatter", "mode": "lines", "name": name, "x": at, "y": y,
        "line": { "color": color, "width": 1.5 } })
}

/// Shades before memorising, between memorising and grokking, and after.
fn phases(told: &CellSummary) -> Value {
    let end = told.epochs;
    let (memorised, grokked) = (told.train_accuracy_epoch, told.test_accuracy_epoch);
    let band = |from: u64, to: u64, color: &str, text: &str| {
        json!({ "type": "rect", "xref": "x", "yref": "paper", "x0": from, "x1": to, "y0": 0, "y1": 1,
            "fillcolor": color, "opacity": 0.12, "line": { "width": 0 }, "layer": "below",
            "label": { "text": text, "textposition": "top center", "font": { "size": 11 } } })
    };
    let mut bands = Vec::new();
    let memorised_at = memorised.unwrap_or(grokked.unwrap_or(end));
    if memorised_at > 0 {
        bands.push(band(0, memorised_at, "#999999", ""));
    }
    if memorised.is_some() {
        bands.push(band(
            memorised_at,
            grokked.unwrap_or(end),
            "#e69f00",
            "memorised",
        ));
    }
    if let Some(grokked) = grokked {
        bands.push(band(grokked, end, "#009e73", "grokked"));
    }
    Value::Array(bands)
}

/// Losses on a logarithmic axis, then accuracies.
pub(crate) fn of_cell(metrics: &Metrics, told: &CellSummary) -> [Value; 2] {
    let at = drawn(metrics.len());
    let [train_loss, test_loss, train_accuracy, test_accuracy] = metrics.columns();
    let figure = |title: &str, axis: Value, pair: [&[f64]; 2]| {
        json!({
            "data": [trace("train", TRAIN, &at, pair[0]), trace("test", TEST, &at, pair[1])],
            "layout": { "title": { "text": title }, "xaxis": { "title": { "text": "epoch" } },
                "yaxis": axis, "shapes": phases(told) },
        })
    };
    let log = json!({ "type": "log", "exponentformat": "power", "title": { "text": "cross-entropy, nats" } });
    let share =
        json!({ "range": [-0.02, 1.02], "tickformat": ".0%", "title": { "text": "share right" } });
    [
        figure("Loss", log, [train_loss, test_loss]),
        figure("Accuracy", share, [train_accuracy, test_accuracy]),
    ]
}

/// Test accuracy of every cell in one figure.
pub(crate) fn of_all(cells: &[(&str, &Metrics)]) -> Value {
    let traces: Vec<Value> = cells
        .iter()
        .map(|(name, metrics)| {
            let at = drawn(metrics.len());
            let thin: Vec<usize> = at.iter().copied().step_by(1 + at.len() / 300).collect();
            let y: Vec<Value> = thin
                .iter()
                .map(|e| json!(metrics.columns()[3][*e]))
                .collect();
            json!({ "type": "scatter", "mode": "lines", "name": name, "x": thin, "y": y,
                "line": { "width": 1.2 } })
        })
        .collect();
    json!({ "data": traces, "layout": { "title": { "text": "Test accuracy of every cell" },
        "xaxis": { "title": { "text": "epoch" } },
        "yaxis": { "range": [-0.02, 1.02], "tickformat": ".0%", "title": { "text": "share right" } } } })
}

/// The epoch at which each cell grokked, cell by cell; those that did not stand at their last epoch, as
/// crosses.
pub(crate) fn grokked(told: &[&CellSummary]) -> Value {
    let part = |did: bool| -> (Vec<&str>, Vec<u64>) {
        told.iter()
            .filter(|t| t.test_accuracy_epoch.is_some() == did)
            .map(|t| (t.cell.as_str(), t.test_accuracy_epoch.unwrap_or(t.epochs)))
            .unzip()
    };
    let trace = |name: &str, symbol: &str, color: &str, (x, y): (Vec<&str>, Vec<u64>)| {
        json!({ "type": "scatter", "mode": "markers", "name": name, "x": x, "y": y,
            "marker": { "symbol": symbol, "color": color, "size": 9 } })
    };
    json!({
        "data": [
            trace("grokked", "circle", "#009e73", part(true)),
            trace("did not, until", "x", TEST, part(false)),
        ],
        "layout": { "title": { "text": "Epoch of 99 % test accuracy" },
            "xaxis": { "type": "category", "automargin": true },
            "yaxis": { "title": { "text": "epoch" }, "rangemode": "tozero" } },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_curves_are_thinned_and_keep_their_ends() {
        assert_eq!(drawn(0), Vec::<usize>::new());
        assert_eq!(drawn(3), [0, 1, 2]);
        let many = drawn(40_000);
        assert!(many.len() < 1300, "{}", many.len());
        assert_eq!((many[0], many[49], many.last()), (0, 49, Some(&39_999)));
    }

    #[test]
    fn phases_are_those_of_the_summary() {
        let mut told = CellSummary::new("c", "finished", &Metrics::default());
        (
            told.epochs,
            told.train_accuracy_epoch,
            told.test_accuracy_epoch,
        ) = (1500, Some(100), Some(700));
        let bands = phases(&told);
        let ends: Vec<&Value> = bands.as_array().unwrap().iter().map(|b| &b["x1"]).collect();
        assert_eq!(ends, [100, 700, 1500]);
        told.test_accuracy_epoch = None;
        assert_eq!(phases(&told)[1]["x1"], 1500);
    }
}
