//! How the course of training is drawn. Zeros have no place on a log axis and leave gaps.

use grokrun_api::prelude::*;

use crate::course::Seen;
use crate::measure::Head;

/// The most frames of a figure that moves.
const MOST_FRAMES: usize = 200;

/// The axis of every asymmetry.
const ASYMMETRY: &str = "‖N − Nᵀ‖² / ‖N‖²";

/// Attention to a minus attention to b, a line for each head.
pub(crate) fn attention_difference(course: &[Seen]) -> Figure {
    let heads = course.first().map_or(0, |seen| seen.heads.len());
    let figure = Figure::new("Attention to a minus attention to b")
        .x("epoch", Axis::Linear)
        .y("mean attention difference", Axis::Linear);
    (0..heads).fold(figure, |figure, head| {
        let of = |seen: &Seen| seen.heads.get(head).map_or(f64::NAN, Head::difference);
        figure.trace(line(&format!("head {head}"), course, of))
    })
}

/// The asymmetries of neurons and logits beside their controls.
pub(crate) fn asymmetry(course: &[Seen]) -> Figure {
    let figure = Figure::new("Asymmetry under a ↔ b")
        .x("epoch", Axis::Linear)
        .y(ASYMMETRY, Axis::Log)
        .trace(line("neurons", course, |seen| seen.neurons[0]))
        .trace(line("logits", course, |seen| seen.logits[0]))
        .trace(line("neurons paired at random", course, |seen| {
            seen.neurons[1]
        }))
        .trace(line("logits paired at random", course, |seen| {
            seen.logits[1]
        }));
    if course.iter().all(|seen| seen.opposite.is_none()) {
        return figure;
    }
    let of = |seen: &Seen| seen.opposite.unwrap_or(f64::NAN);
    figure.trace(line("logits with −c", course, of))
}

/// Mean attention, heads × 3, of the last snapshot, and as frames over epochs.
pub(crate) fn mean_attention(course: &[Seen]) -> Figure {
    let map = |heads: &[Head]| {
        let rows: Vec<Vec<f64>> = heads.iter().map(|head| head.mean.to_vec()).collect();
        let names: Vec<String> = (0..heads.len()).map(|h| format!("head {h}")).collect();
        let columns = ["to a", "to b", "to ="].map(str::to_owned);
        Trace::heatmap(&rows, Colors::Sequential).labelled(&columns, &names)
    };
    let mut figure = Figure::new("Mean attention from =");
    if let Some(last) = course.last() {
        figure = figure.trace(map(&last.heads));
    }
    thinned(course.len())
        .filter_map(|i| course.get(i))
        .fold(figure, |figure, seen| {
            figure.frame(seen.epoch, vec![map(&seen.heads)])
        })
}

/// The asymmetry of each neuron, in rising order.
pub(crate) fn by_neuron(asymmetries: &[f64]) -> Figure {
    let mut sorted = asymmetries.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank: Vec<f64> = (0..sorted.len()).map(|i| i as f64).collect();
    Figure::new("Asymmetry by neuron, last snapshot")
        .x("neuron, sorted", Axis::Linear)
        .y(ASYMMETRY, Axis::Log)
        .trace(Trace::line("", &rank, &sorted))
}

fn line(name: &str, course: &[Seen], of: impl Fn(&Seen) -> f64) -> Trace {
    let epochs: Vec<f64> = course.iter().map(|seen| seen.epoch as f64).collect();
    let values: Vec<f64> = course.iter().map(of).collect();
    Trace::line(name, &epochs, &values)
}

/// At most [`MOST_FRAMES`] of so many indices, evenly, the first and the last among them.
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
