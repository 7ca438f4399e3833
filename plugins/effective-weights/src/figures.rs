//! Draws the snapshots of a training in tables and figures.

use grokrun_api::prelude::*;
use grokrun_basis::Basis;
use grokrun_measures::{Frames, listed, rounded, shown};

use crate::attention::Attention;

/// The most frames of a figure that moves.
const MOST_FRAMES: usize = 60;

/// Holds the functions of a token at one snapshot.
pub(crate) struct Measured {
    /// W_attn by head, `(p)` each
    pub(crate) scores: Vec<Vec<f64>>,
    /// W_attn in the basis by head, `(p)` each
    pub(crate) w_attn: Vec<Vec<f64>>,
    /// norms by row of the basis and by head, `(p)` each
    pub(crate) w_ov: Vec<Vec<f64>>,
    pub(crate) w_neur: Vec<Vec<f64>>,
    pub(crate) attention: Vec<Attention>,
}

/// The best frequency and its fraction of each head, of W_attn, attention, W_OV and W_neur.
pub(crate) type Bests = [Vec<(usize, f64)>; 4];

/// Holds the numbers of all snapshots.
pub(crate) struct Trajectory {
    epochs: Vec<f64>,
    bests: Vec<Bests>,
    means: Vec<Vec<[f64; 3]>>,
    frames: Frames<Measured>,
    /// key frequencies of the last snapshot
    keys: Vec<usize>,
    /// W_L in the basis, `(p, d_mlp)`, of the last snapshot
    w_l: Vec<f64>,
}

impl Default for Trajectory {
    fn default() -> Trajectory {
        Trajectory {
            epochs: Vec::new(),
            bests: Vec::new(),
            means: Vec::new(),
            frames: Frames::new(MOST_FRAMES),
            keys: Vec::new(),
            w_l: Vec::new(),
        }
    }
}

impl Trajectory {
    pub(crate) fn push(
        &mut self,
        epoch: u64,
        measured: Measured,
        bests: Bests,
        keys: Vec<usize>,
        w_l: Vec<f64>,
    ) {
        self.epochs.push(epoch as f64);
        self.bests.push(bests);
        self.means
            .push(measured.attention.iter().map(|a| a.mean).collect());
        self.frames.push(epoch, measured);
        self.keys = keys;
        self.w_l = w_l;
    }

    /// Emits a row for each head, of the last snapshot.
    pub(crate) fn tables(&self, basis: &Basis, noise: Option<&[f64]>, out: &mut dyn Sink) {
        let (Some(bests), Some(means)) = (self.bests.last(), self.means.last()) else {
            return;
        };
        let row = |(head, mean): (usize, &[f64; 3])| {
            let [scores, attention, w_ov, w_neur] = bests.each_ref().map(|b| b[head]);
            vec![
                json!(head),
                json!(mean[0]),
                json!(mean[1]),
                json!(mean[2]),
                shown(basis, scores.0),
                json!(basis.order_of(scores.0)),
                json!(scores.1),
                shown(basis, attention.0),
                json!(attention.1),
                shown(basis, w_ov.0),
                json!(w_ov.1),
                shown(basis, w_neur.0),
                json!(w_neur.1),
                json!(noise.and_then(|noise| noise.get(head))),
            ]
        };
        let columns = [
            "head",
            "attention to a",
            "attention to b",
            "attention to =",
            "W_attn frequency",
            "order",
            "W_attn fraction",
            "attention frequency",
            "attention fraction",
            "W_OV frequency",
            "W_OV fraction",
            "W_neur frequency",
            "W_neur fraction",
            "W_attn fraction of noise",
        ];
        let rows = means.iter().enumerate().map(row).collect();
        out.table("heads", &columns, rows);
        out.note(if self.keys.is_empty() {
            "no key frequencies at the last snapshot".to_owned()
        } else {
            format!(
                "key frequencies of the last snapshot: {}",
                listed(basis, &self.keys)
            )
        });
    }

    pub(crate) fn draw(&self, basis: &Basis, out: &mut dyn Sink) {
        let (Some((_, last)), Some(means)) = (self.frames.last(), self.means.last()) else {
            return;
        };
        self.draw_over_epochs(means.len(), out);

        let place = match basis.root() {
            Some(root) => format!("log of the token to {root}"),
            None => "token".to_owned(),
        };
        let by_token = |title: &str, y: &str, pick: &dyn Fn(&Measured) -> Vec<Vec<f64>>| {
            let lines = |measured: &Measured| -> Vec<Trace> { lines(basis, &pick(measured)) };
            let mut figure = Figure::new(title)
                .x(&place, Axis::Linear)
                .y(y, Axis::Linear);
            for trace in lines(last) {
                figure = figure.trace(trace);
            }
            for (epoch, measured) in self.frames.iter() {
                figure = figure.frame(epoch, lines(measured));
            }
            figure
        };
        let title = "W_attn: the token's part of the score of each head";
        let figure = by_token(title, "score", &|measured| measured.scores.clone());
        out.figure("W_attn", figure);
        let title = "Attention to a as a function of a, mean over b";
        let to_a =
            |measured: &Measured| measured.attention.iter().map(|a| a.to_a.clone()).collect();
        let figure = by_token(title, "attention", &to_a);
        out.figure("attention-by-token", figure);

        let names: Vec<String> = (0..basis.modulus()).map(|row| basis.name(row)).collect();
        let map = |rows: &[Vec<f64>], colors: Colors| {
            let heads: Vec<String> = (0..rows.len()).map(|h| format!("head {h}")).collect();
            let rows: Vec<Vec<f64>> = rows.iter().map(|row| rounded(row)).collect();
            Trace::heatmap(&rows, colors).labelled(&names, &heads)
        };
        let in_basis = |title: &str, colors: Colors, pick: fn(&Measured) -> &Vec<Vec<f64>>| {
            let mut figure = Figure::new(title)
                .x("basis function of the token", Axis::Category)
                .y("head", Axis::Category)
                .trace(map(pick(last), colors));
            for (epoch, measured) in self.frames.iter() {
                figure = figure.frame(epoch, vec![map(pick(measured), colors)]);
            }
            figure
        };
        let figure = in_basis("W_attn in the basis", Colors::Diverging, |s| &s.w_attn);
        out.figure("W_attn-in-basis", figure);
        let title = "W_E W_OV in the basis: norm over the residual stream";
        let figure = in_basis(title, Colors::Sequential, |s| &s.w_ov);
        out.figure("W_OV-in-basis", figure);
        let title = "W_neur in the basis: norm over neurons";
        let figure = in_basis(title, Colors::Sequential, |s| &s.w_neur);
        out.figure("W_neur-in-basis", figure);
        self.draw_neurons(basis, &names, out);
    }

    fn draw_over_epochs(&self, heads: usize, out: &mut dyn Sink) {
        let over = |pick: &dyn Fn(usize) -> f64| -> Vec<f64> {
            (0..self.epochs.len()).map(pick).collect()
        };
        let mut figure = Figure::new("Mean attention from '='")
            .x("epoch", Axis::Linear)
            .y("attention", Axis::Linear);
        for head in 0..heads {
            for (i, to) in ["a", "b", "="].into_iter().enumerate() {
                let name = format!("head {head} to {to}");
                let values = over(&|at| self.means[at][head][i]);
                figure = figure.trace(Trace::line(&name, &self.epochs, &values));
            }
        }
        out.figure("mean-attention", figure);
        let mut figure = Figure::new("Fraction of W_attn explained by one frequency")
            .x("epoch", Axis::Linear)
            .y("fraction", Axis::Linear);
        for head in 0..heads {
            let values = over(&|at| self.bests[at][0][head].1);
            let name = format!("head {head}");
            figure = figure.trace(Trace::line(&name, &self.epochs, &values));
        }
        out.figure("W_attn-fraction", figure);
    }

    /// Draws W_L, a row a neuron, in the order of the neurons' best frequencies.
    fn draw_neurons(&self, basis: &Basis, names: &[String], out: &mut dyn Sink) {
        let p = basis.modulus();
        let neurons = self.w_l.len() / p.max(1);
        let mut rows: Vec<(usize, usize)> = (0..neurons)
            .map(|neuron| {
                let energy = |k: usize| -> f64 {
                    let rows = basis.rows_of(k);
                    rows.map(|row| self.w_l[row * neurons + neuron].powi(2))
                        .sum()
                };
                let ranked = (1..=basis.count()).map(|k| (k, energy(k)));
                let most = |x: (usize, f64), y: (usize, f64)| if y.1 > x.1 { y } else { x };
                (ranked.fold((0, 0.0), most).0, neuron)
            })
            .collect();
        rows.sort_unstable();
        let labels: Vec<String> = rows.iter().map(|(_, neuron)| neuron.to_string()).collect();
        let values: Vec<f64> = rows
            .iter()
            .flat_map(|(_, neuron)| (0..p).map(|row| self.w_l[row * neurons + *neuron]))
            .collect();
        let values: Vec<Vec<f64>> = rounded(&values)
            .chunks_exact(p.max(1))
            .map(<[f64]>::to_vec)
            .collect();
        let figure = Figure::new("W_L in the basis, last snapshot, neurons by best frequency")
            .x("basis function of the class", Axis::Category)
            .y("neuron", Axis::Category)
            .trace(Trace::heatmap(&values, Colors::Diverging).labelled(names, &labels));
        out.figure("W_L-in-basis", figure);
    }
}

/// Draws a line for each head over the group's places; residues outside of the group have none.
fn lines(basis: &Basis, by_head: &[Vec<f64>]) -> Vec<Trace> {
    let x: Vec<f64> = (0..basis.group()).map(|place| place as f64).collect();
    let line = |(head, values): (usize, &Vec<f64>)| {
        let y: Vec<f64> = basis.order().iter().map(|token| values[*token]).collect();
        Trace::line(&format!("head {head}"), &x, &rounded(&y))
    };
    by_head.iter().enumerate().map(line).collect()
}
