//! Draws losses and accuracies of a cell over training, as Plotly's JSON.

use grokrun_store::Metrics;
use serde_json::{Value, json};

use crate::phases::Phases;

/// The most points of a curve.
const MOST_POINTS: usize = 1200;
/// Colours that the colour-blind tell apart (Okabe and Ito): training and testing.
pub(crate) const TRAIN: &str = "#0072b2";
pub(crate) const TEST: &str = "#d55e00";

/// Returns the epochs that are drawn: all, or an even choice with the first fifty and the last.
pub(crate) fn drawn(epochs: usize) -> Vec<usize> {
    let step = epochs.div_ceil(MOST_POINTS).max(1);
    let mut all: Vec<usize> = (0..epochs.min(50))
        .chain((0..epochs).step_by(step))
        .collect();
    all.extend(epochs.checked_sub(1));
    all.sort_unstable();
    all.dedup();
    all
}

fn trace(name: &str, color: &str, dash: &str, at: &[usize], y: &[f64]) -> Value {
    json!({ "type": "scatter", "mode": "lines", "name": name, "x": at, "y": y,
        "line": { "color": color, "width": 2, "dash": dash } })
}

/// Returns the axis of the losses of cells with these `config.json`, named after the loss if they
/// were all trained on one. A run of an older grokrun does not say: that is the cross-entropy.
pub(crate) fn loss_axis<'a>(configs: impl IntoIterator<Item = &'a Value>) -> Value {
    let mut losses: Vec<&str> = configs.into_iter().map(loss_of).collect();
    losses.sort_unstable();
    losses.dedup();
    let title = match losses[..] {
        [] | ["cross-entropy"] => "cross-entropy, nats",
        ["mse"] => "mean squared error",
        ["stablemax"] => "StableMax cross-entropy, nats",
        _ => "loss",
    };
    json!({ "type": "log", "exponentformat": "power", "title": { "text": title } })
}

/// Returns the loss that a cell is trained on, without its precision and its temperature.
fn loss_of(config: &Value) -> &str {
    let loss = &config["train"]["loss"];
    let word = loss.as_str().or_else(|| loss["kind"].as_str());
    word.unwrap_or("cross-entropy")
}

/// Returns the axis of accuracies.
pub(crate) fn accuracy_axis() -> Value {
    json!({ "range": [-0.02, 1.04], "tickformat": ".0%", "title": { "text": "accuracy" } })
}

/// Draws the losses on a logarithmic axis, and the accuracies.
pub(crate) fn of_cell(metrics: &Metrics, phases: &Phases, config: &Value) -> [Value; 2] {
    let at = drawn(metrics.len());
    let columns = metrics.columns();
    let columns = columns.map(|column| at.iter().map(|e| column[*e]).collect::<Vec<f64>>());
    of_points(&at, columns.each_ref().map(Vec::as_slice), phases, config)
}

/// The same of the epochs `at` alone, with the columns of a history at them.
pub(crate) fn of_points(
    at: &[usize],
    columns: [&[f64]; 4],
    phases: &Phases,
    config: &Value,
) -> [Value; 2] {
    let [train_loss, test_loss, train_accuracy, test_accuracy] = columns;
    let figure = |title: &str, axis: Value, pair: [&[f64]; 2], named: bool| {
        let mut figure = json!({
            "data": [trace("train", TRAIN, "dash", at, pair[0]), trace("test", TEST, "solid", at, pair[1])],
            "layout": { "title": { "text": title }, "xaxis": { "title": { "text": "epoch" } },
                "yaxis": axis },
        });
        phases.shade(&mut figure, named);
        figure
    };
    [
        figure("Loss", loss_axis([config]), [train_loss, test_loss], true),
        figure(
            "Accuracy",
            accuracy_axis(),
            [train_accuracy, test_accuracy],
            false,
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_axis_of_a_loss_names_what_was_trained_on() {
        let title = |losses: &[Value]| {
            let configs: Vec<Value> = losses
                .iter()
                .map(|loss| json!({ "train": { "loss": loss } }))
                .collect();
            loss_axis(&configs)["title"]["text"].clone()
        };
        assert_eq!(title(&[json!("mse")]), "mean squared error");
        assert_eq!(
            title(&[json!("cross-entropy"), Value::Null]),
            "cross-entropy, nats"
        );
        let cold = json!({ "kind": "cross-entropy", "temperature": 0.5 });
        assert_eq!(title(&[cold]), "cross-entropy, nats");
        assert_eq!(
            title(&[json!("stablemax")]),
            "StableMax cross-entropy, nats"
        );
        assert_eq!(title(&[json!("mse"), json!("stablemax")]), "loss");
    }

    #[test]
    fn long_curves_are_thinned_and_keep_their_ends() {
        assert_eq!(drawn(0), Vec::<usize>::new());
        assert_eq!(drawn(3), [0, 1, 2]);
        let many = drawn(40_000);
        assert!(many.len() < 1300, "{}", many.len());
        assert_eq!((many[0], many[49], many.last()), (0, 49, Some(&39_999)));
    }
}
