//! What was seen over training, and how it is drawn.

use grokrun_api::prelude::*;

/// The most frames of a figure that moves.
const MOST_FRAMES: usize = 200;

/// The numbers of all snapshots that the figures and the emergence need.
#[derive(Default)]
pub(crate) struct Past {
    epochs: Vec<u64>,
    alike: Vec<bool>,
    /// by head, then by snapshot
    differences: Vec<Vec<f64>>,
    /// of neurons, of logits
    asymmetries: [Vec<f64>; 2],
    /// mean attention `(heads, 3)` by snapshot
    attention: Vec<Vec<[f64; 3]>>,
    /// of the last snapshot
    by_neuron: Vec<f64>,
}

impl Past {
    pub(crate) fn push(
        &mut self,
        epoch: u64,
        alike: bool,
        differences: &[f64],
        asymmetries: [f64; 2],
    ) {
        self.epochs.push(epoch);
        self.alike.push(alike);
        self.differences
            .resize_with(differences.len(), Vec::default);
        for (past, now) in self.differences.iter_mut().zip(differences) {
            past.push(*now);
        }
        for (past, now) in self.asymmetries.iter_mut().zip(asymmetries) {
            past.push(now);
        }
    }

    pub(crate) fn keep(&mut self, heads: &[[f64; 3]], by_neuron: Vec<f64>) {
        self.attention.push(heads.to_vec());
        self.by_neuron = by_neuron;
    }

    /// The first snapshot from which all that follow are alike.
    pub(crate) fn emerged(&self) -> Option<u64> {
        let from = self
            .alike
            .iter()
            .rposition(|alike| !alike)
            .map_or(0, |i| i + 1);
        self.epochs.get(from).copied()
    }

    pub(crate) fn draw(&self, out: &mut dyn Sink) {
        let epochs: Vec<f64> = self.epochs.iter().map(|e| *e as f64).collect();
        let mut figure = Figure::new("Attention to a minus attention to b")
            .x("epoch", Axis::Linear)
            .y("mean attention difference", Axis::Linear);
        for (head, values) in self.differences.iter().enumerate() {
            figure = figure.trace(Trace::line(&format!("head {head}"), &epochs, values));
        }
        out.figure("attention-difference", figure);

        let mut figure = Figure::new("Asymmetry under a ↔ b")
            .x("epoch", Axis::Linear)
            .y("‖N − Nᵀ‖² / ‖N‖²", Axis::Log);
        for (name, values) in ["neurons", "logits"].iter().zip(&self.asymmetries) {
            figure = figure.trace(Trace::line(name, &epochs, values));
        }
        out.figure("asymmetry", figure);

        if let Some(last) = self.attention.last() {
            out.figure("mean-attention", self.moving(last));
        }
        let mut sorted = self.by_neuron.clone();
        sorted.sort_by(f64::total_cmp);
        let rank: Vec<f64> = (0..sorted.len()).map(|i| i as f64).collect();
        let figure = Figure::new("Asymmetry by neuron, last snapshot")
            .x("neuron, sorted", Axis::Linear)
            .y("‖N − Nᵀ‖² / ‖N‖²", Axis::Log)
            .trace(Trace::line("", &rank, &sorted));
        out.figure("asymmetry-by-neuron", figure);
    }

    /// The mean attention as a map that moves over epochs, thinned to what an eye can follow.
    fn moving(&self, last: &[[f64; 3]]) -> Figure {
        let map = |heads: &[[f64; 3]]| {
            let rows: Vec<Vec<f64>> = heads.iter().map(|head| head.to_vec()).collect();
            let names: Vec<String> = (0..heads.len()).map(|h| format!("head {h}")).collect();
            let columns = ["to a", "to b", "to ="].map(str::to_owned);
            Trace::heatmap(&rows, Colors::Sequential).labelled(&columns, &names)
        };
        let mut figure = Figure::new("Mean attention from =").trace(map(last));
        let step = self.epochs.len().div_ceil(MOST_FRAMES).max(1);
        let count = self.epochs.len();
        for (i, (epoch, heads)) in self.epochs.iter().zip(&self.attention).enumerate() {
            if i % step == 0 || i + 1 == count {
                figure = figure.frame(*epoch, vec![map(heads)]);
            }
        }
        figure
    }
}
