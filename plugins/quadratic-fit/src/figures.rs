//! Draws the snapshots of a training in tables and figures.

use std::collections::BTreeMap;

use grokrun_api::prelude::*;
use grokrun_basis::Basis;
use grokrun_measures::{Frames, rounded};

use crate::fit::{Fits, Neuron};
use crate::textbook::Textbook;

/// The most frames of a figure that moves.
const MOST_FRAMES: usize = 60;

/// The series, in the order of [`Measured::named`].
const NAMES: [&str; 10] = [
    "r2",
    "r2 without quadratic",
    "r2 of waves",
    "r2 of waves without quadratic",
    "input in waves",
    "neurons explained",
    "constant neurons",
    "loss",
    "loss of polynomials",
    "loss of explained polynomials",
];

/// Holds the fits of one snapshot.
pub(crate) struct Measured {
    pub(crate) neurons: Vec<Neuron>,
    values: [f64; 10],
}

impl Measured {
    pub(crate) fn new(fits: Fits, threshold: f64) -> Measured {
        let varying: Vec<&Neuron> = fits.neurons.iter().filter(|n| n.frequency > 0).collect();
        let explained = varying.iter().filter(|n| n.r2 >= threshold).count();
        let values = [
            mean(&varying, |n| n.r2),
            mean(&varying, |n| n.linear),
            mean(&varying, |n| n.own_r2),
            mean(&varying, |n| n.own_linear),
            mean(&varying, |n| n.waves),
            explained as f64,
            (fits.neurons.len() - varying.len()) as f64,
            fits.loss,
            fits.every,
            fits.explained,
        ];
        Measured {
            values,
            neurons: fits.neurons,
        }
    }

    /// Returns the series' values with their names.
    pub(crate) fn named(&self) -> impl Iterator<Item = (&'static str, f64)> {
        NAMES.into_iter().zip(self.values)
    }
}

/// Returns a mean over neurons; NaN without neurons.
fn mean(neurons: &[&Neuron], pick: fn(&Neuron) -> f64) -> f64 {
    neurons.iter().map(|n| pick(n)).sum::<f64>() / neurons.len() as f64
}

/// Holds the numbers of all snapshots.
pub(crate) struct Trajectory {
    epochs: Vec<f64>,
    values: Vec<[f64; 10]>,
    frames: Frames<Vec<Neuron>>,
    /// mean r2 of columns of noise; none without a control
    pub(crate) noise: Option<f64>,
}

impl Default for Trajectory {
    fn default() -> Trajectory {
        Trajectory {
            epochs: Vec::new(),
            values: Vec::new(),
            frames: Frames::new(MOST_FRAMES),
            noise: None,
        }
    }
}

impl Trajectory {
    pub(crate) fn push(&mut self, epoch: u64, measured: Measured) {
        self.epochs.push(epoch as f64);
        self.values.push(measured.values);
        self.frames.push(epoch, measured.neurons);
    }

    /// Emits tables of the last snapshot: the neurons by frequency, and the textbook's regression
    /// at each.
    pub(crate) fn tables(&self, basis: &Basis, offset: f64, out: &mut dyn Sink) {
        let Some((_, last)) = self.frames.last() else {
            return;
        };
        let mut by_frequency: BTreeMap<usize, Vec<&Neuron>> = BTreeMap::new();
        for neuron in last.iter().filter(|n| n.frequency > 0) {
            by_frequency
                .entry(neuron.frequency)
                .or_default()
                .push(neuron);
        }
        let row = |(k, neurons): (&usize, &Vec<&Neuron>)| {
            let means = [
                mean(neurons, |n| n.r2),
                mean(neurons, |n| n.linear),
                mean(neurons, |n| n.own_r2),
                mean(neurons, |n| n.own_linear),
                mean(neurons, |n| n.waves),
                mean(neurons, |n| n.amplitudes[0]),
                mean(neurons, |n| n.amplitudes[1]),
                mean(neurons, |n| n.amplitudes[2]),
            ];
            let first = [json!(k), json!(basis.order_of(*k)), json!(neurons.len())];
            first.into_iter().chain(means.map(|x| json!(x))).collect()
        };
        let columns = [
            "frequency",
            "order",
            "neurons",
            "r2",
            "r2 without quadratic",
            "r2 of waves",
            "r2 of waves without quadratic",
            "input in waves",
            "mean input",
            "amplitude a",
            "amplitude b",
        ];
        let rows = by_frequency.iter().map(row).collect();
        out.table("frequencies", &columns, rows);

        let row = |k: &usize| {
            let textbook = Textbook::new(basis, *k, offset)?;
            let values = [
                textbook.constant,
                textbook.cos_a,
                textbook.cos_b,
                textbook.product,
                textbook.r2,
                textbook.linear,
            ];
            let first = [json!(k), json!(basis.order_of(*k))].into_iter();
            Some(first.chain(values.map(|x| json!(x))).collect())
        };
        let columns = [
            "frequency",
            "order",
            "const",
            "cos a",
            "cos b",
            "cos a cos b",
            "r2",
            "r2 without quadratic",
        ];
        let rows = by_frequency.keys().filter_map(row).collect();
        out.table("course", &columns, rows);
        if let Some(noise) = self.noise {
            out.note(format!(
                "control: the best frequency explains {noise:.4} of a column of Gaussian noise"
            ));
        }
    }

    pub(crate) fn draw(&self, threshold: f64, out: &mut dyn Sink) {
        let Some((_, last)) = self.frames.last() else {
            return;
        };
        let lines = |mut figure: Figure, from: usize, to: usize| {
            for (i, name) in NAMES.iter().enumerate().take(to).skip(from) {
                let values: Vec<f64> = self.values.iter().map(|values| values[i]).collect();
                figure = figure.trace(Trace::line(name, &self.epochs, &values));
            }
            figure
        };
        let figure = Figure::new("Share of variance explained by a polynomial, mean over neurons")
            .x("epoch", Axis::Linear)
            .y("share of variance", Axis::Linear);
        out.figure("r2", lines(figure, 0, 5));
        let title = format!("Neurons of which a polynomial explains at least {threshold}");
        let figure = Figure::new(&title)
            .x("epoch", Axis::Linear)
            .y("neurons", Axis::Linear);
        out.figure("explained", lines(figure, 5, 6));
        let figure = Figure::new("Loss with neurons replaced by polynomials")
            .x("epoch", Axis::Linear)
            .y("loss", Axis::Log);
        out.figure("losses", lines(figure, 7, 10));

        let points = |neurons: &[Neuron]| {
            let of = |pick: fn(&Neuron) -> f64| -> Vec<f64> {
                let varying = neurons.iter().filter(|n| n.frequency > 0);
                varying.map(pick).collect()
            };
            let (own, r2) = (rounded(&of(|n| n.own_r2)), rounded(&of(|n| n.r2)));
            Trace::scatter("", &own, &r2).colored_by(&of(|n| n.frequency as f64))
        };
        let title = "Neurons: polynomial of the output, and of ReLU of the own waves, coloured by frequency";
        let mut figure = Figure::new(title)
            .x("r2 of ReLU of the own waves", Axis::Linear)
            .y("r2 of the output", Axis::Linear)
            .trace(points(last));
        for (epoch, neurons) in self.frames.iter() {
            figure = figure.frame(epoch, vec![points(neurons)]);
        }
        out.figure("neurons", figure);
    }
}
