//! Draws the snapshots of a training in tables and figures.

use grokrun_api::prelude::*;
use grokrun_basis::Basis;
use grokrun_measures::{Frames, rounded, shown};

use crate::spectrum::Singular;

/// The most frames of a figure that moves.
const MOST_FRAMES: usize = 60;

/// Holds the singular values of one snapshot.
pub(crate) struct Measured {
    /// spectra by matrix, with its name
    pub(crate) spectra: Vec<(String, Singular)>,
    /// values of W_E by frequency from 1 on: the larger, the smaller
    pub(crate) frequencies: Vec<[f64; 2]>,
}

/// Holds the numbers of all snapshots.
pub(crate) struct Trajectory {
    epochs: Vec<f64>,
    /// effective rank by snapshot and matrix
    ranks: Vec<Vec<f64>>,
    frames: Frames<Measured>,
    /// values of Gaussian matrices, in the order of the matrices; empty without a control
    pub(crate) noise: Vec<Singular>,
}

impl Default for Trajectory {
    fn default() -> Trajectory {
        Trajectory {
            epochs: Vec::new(),
            ranks: Vec::new(),
            frames: Frames::new(MOST_FRAMES),
            noise: Vec::new(),
        }
    }
}

impl Trajectory {
    pub(crate) fn push(&mut self, epoch: u64, measured: Measured) {
        self.epochs.push(epoch as f64);
        let ranks = measured.spectra.iter().map(|(_, s)| s.effective_rank());
        self.ranks.push(ranks.collect());
        self.frames.push(epoch, measured);
    }

    /// Emits tables of the last snapshot: a row for each matrix, and a row for each frequency of
    /// W_E.
    pub(crate) fn tables(&self, basis: &Basis, out: &mut dyn Sink) {
        let Some((_, last)) = self.frames.last() else {
            return;
        };
        let row = |(i, (name, spectrum)): (usize, &(String, Singular))| {
            let noise = self.noise.get(i);
            vec![
                json!(name),
                json!(spectrum.values.len()),
                json!(spectrum.values.first()),
                json!(spectrum.energy()),
                json!(spectrum.effective_rank()),
                json!(noise.map(Singular::effective_rank)),
                json!(spectrum.participation()),
                json!(noise.map(Singular::participation)),
            ]
        };
        let columns = [
            "matrix",
            "values",
            "largest",
            "sum of squares",
            "effective rank",
            "effective rank of noise",
            "participation",
            "participation of noise",
        ];
        let rows = last.spectra.iter().enumerate().map(row).collect();
        out.table("matrices", &columns, rows);
        let row = |(k, [one, two]): (usize, &[f64; 2])| {
            let values = [*one, *two].map(|x| json!(x));
            let circle = if *one > 0.0 { two / one } else { f64::NAN };
            let whole = [shown(basis, k), json!(basis.order_of(k))].into_iter();
            whole.chain(values).chain([json!(circle)]).collect()
        };
        let columns = ["frequency", "order", "larger", "smaller", "circle"];
        let rows = (1..).zip(&last.frequencies).map(row).collect();
        out.table("W_E-frequencies", &columns, rows);
    }

    pub(crate) fn draw(&self, out: &mut dyn Sink) {
        let Some((_, last)) = self.frames.last() else {
            return;
        };
        let mut figure = Figure::new("Effective rank of the weight matrices")
            .x("epoch", Axis::Linear)
            .y("effective rank", Axis::Linear);
        for (i, (name, _)) in last.spectra.iter().enumerate() {
            let values: Vec<f64> = self
                .ranks
                .iter()
                .map(|ranks| ranks.get(i).copied().unwrap_or(f64::NAN))
                .collect();
            figure = figure.trace(Trace::line(name, &self.epochs, &values));
        }
        out.figure("effective-rank", figure);

        for (i, (name, spectrum)) in last.spectra.iter().enumerate() {
            let place: Vec<f64> = (1..=spectrum.values.len()).map(|i| i as f64).collect();
            let lines = |spectrum: &Singular| {
                let line = Trace::line(name, &place, &rounded(&spectrum.values));
                let noise = self.noise.get(i).map(|noise| {
                    // With the sum of squares of the matrix itself.
                    let scale = (spectrum.energy() / noise.energy()).sqrt();
                    let values: Vec<f64> = noise.values.iter().map(|x| x * scale).collect();
                    Trace::line("Gaussian", &place, &rounded(&values))
                });
                [Some(line), noise].into_iter().flatten().collect()
            };
            let mut figure = Figure::new(&format!("Singular values of {name}"))
                .x("place", Axis::Linear)
                .y("singular value", Axis::Linear);
            let own: Vec<Trace> = lines(spectrum);
            for trace in own {
                figure = figure.trace(trace);
            }
            for (epoch, measured) in self.frames.iter() {
                if let Some((_, spectrum)) = measured.spectra.get(i) {
                    figure = figure.frame(epoch, lines(spectrum));
                }
            }
            out.figure(&format!("{}-values", name.replace(' ', "-")), figure);
        }

        let ks: Vec<f64> = (1..=last.frequencies.len()).map(|k| k as f64).collect();
        let pairs = |measured: &Measured| -> Vec<Trace> {
            ["larger", "smaller"]
                .into_iter()
                .enumerate()
                .map(|(i, name)| {
                    let values: Vec<f64> =
                        measured.frequencies.iter().map(|pair| pair[i]).collect();
                    Trace::line(name, &ks, &rounded(&values))
                })
                .collect()
        };
        let mut figure = Figure::new("Singular values of W_E's Fourier components")
            .x("frequency", Axis::Linear)
            .y("singular value", Axis::Linear);
        for trace in pairs(last) {
            figure = figure.trace(trace);
        }
        for (epoch, measured) in self.frames.iter() {
            figure = figure.frame(epoch, pairs(measured));
        }
        out.figure("W_E-frequency-values", figure);
    }
}
