//! Draws the measures over training. Zeros have no place on a log axis and leave gaps.

use grokrun_api::prelude::*;

use crate::measure::Head;
use crate::trajectory::Measured;

/// The most frames of a figure that moves.
const MOST_FRAMES: usize = 200;

/// The axis of every asymmetry.
const ASYMMETRY: &str = "‖N − Nᵀ‖² / ‖N‖²";

/// Draws attention to a minus attention to b, a line for each head.
pub(crate) fn attention_difference(trajectory: &[Measured]) -> Figure {
    let heads = trajectory
        .first()
        .map_or(0, |measured| measured.heads.len());
    let figure = Figure::new("Attention to a minus attention to b")
        .x("epoch", Axis::Linear)
        .y("mean attention difference", Axis::Linear);
    (0..heads).fold(figure, |figure, head| {
        let of = |measured: &Measured| measured.heads.get(head).map_or(f64::NAN, Head::difference);
        figure.trace(line(&format!("head {head}"), trajectory, of))
    })
}

/// Draws the asymmetries of neurons and logits beside their controls.
pub(crate) fn asymmetry(trajectory: &[Measured]) -> Figure {
    let figure = Figure::new("Asymmetry under a ↔ b")
        .x("epoch", Axis::Linear)
        .y(ASYMMETRY, Axis::Log)
        .trace(line("neurons", trajectory, |measured| measured.neurons[0]))
        .trace(line("logits", trajectory, |measured| measured.logits[0]))
        .trace(line("neurons paired at random", trajectory, |measured| {
            measured.neurons[1]
        }))
        .trace(line("logits paired at random", trajectory, |measured| {
            measured.logits[1]
        }));
    if trajectory
        .iter()
        .all(|measured| measured.opposite.is_none())
    {
        return figure;
    }
    let of = |measured: &Measured| measured.opposite.unwrap_or(f64::NAN);
    figure.trace(line("logits with −c", trajectory, of))
}

/// Draws mean attention, heads × 3, of the last snapshot, with frames over epochs.
pub(crate) fn mean_attention(trajectory: &[Measured]) -> Figure {
    let map = |heads: &[Head]| {
        let rows: Vec<Vec<f64>> = heads.iter().map(|head| head.mean.to_vec()).collect();
        let names: Vec<String> = (0..heads.len()).map(|h| format!("head {h}")).collect();
        let columns = ["to a", "to b", "to ="].map(str::to_owned);
        Trace::heatmap(&rows, Colors::Sequential).labelled(&columns, &names)
    };
    let mut figure = Figure::new("Mean attention from =");
    if let Some(last) = trajectory.last() {
        figure = figure.trace(map(&last.heads));
    }
    thinned(trajectory.len())
        .filter_map(|i| trajectory.get(i))
        .fold(figure, |figure, measured| {
            figure.frame(measured.epoch, vec![map(&measured.heads)])
        })
}

/// Draws the asymmetry of each neuron, in rising order.
pub(crate) fn by_neuron(asymmetries: &[f64]) -> Figure {
    let mut sorted = asymmetries.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank: Vec<f64> = (0..sorted.len()).map(|i| i as f64).collect();
    Figure::new("Asymmetry by neuron, last snapshot")
        .x("neuron, sorted", Axis::Linear)
        .y(ASYMMETRY, Axis::Log)
        .trace(Trace::line("", &rank, &sorted))
}

fn line(name: &str, trajectory: &[Measured], of: impl Fn(&Measured) -> f64) -> Trace {
    let epochs: Vec<f64> = trajectory
        .iter()
        .map(|measured| measured.epoch as f64)
        .collect();
    let values: Vec<f64> = trajectory.iter().map(of).collect();
    Trace::line(name, &epochs, &values)
}

/// Returns at most [`MOST_FRAMES`] of `count` indices, evenly spread, the first and the last among
/// them.
fn thinned(count: usize) -> impl Iterator<Item = usize> {
    let frames = count.min(MOST_FRAMES);
    (0..frames).map(move |i| i * (count - 1) / (frames - 1).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_few_and_keep_both_ends() {
        for count in [0, 1, 2, 199, 200, 201, 400, 401, 40_001] {
            let kept: Vec<usize> = thinned(count).collect();
            assert_eq!(kept.len(), count.min(MOST_FRAMES), "{count}");
            assert!(kept.is_sorted_by(|x, y| x < y), "{count}");
            if count > 0 {
                assert_eq!((kept[0], kept[kept.len() - 1]), (0, count - 1));
            }
        }
    }
}
