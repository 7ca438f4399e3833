//! Draws the snapshots of a training in tables and figures.

use grokrun_api::prelude::*;
use grokrun_measures::{rounded, shown};

use crate::ablations::NAMES;
use crate::directions::Explained;
use crate::pairs::{Loss, Pairs};

/// The most key frequencies whose spectra are drawn: in a model with more, no frequency stands out.
const MOST_SPECTRA: usize = 10;

/// Holds the numbers of one snapshot.
pub(crate) struct Measured {
    pub(crate) epoch: u64,
    pub(crate) explained: Explained,
    /// the losses, in the order of [`NAMES`]
    pub(crate) losses: Vec<Loss>,
}

/// Holds the numbers of all snapshots.
#[derive(Default)]
pub(crate) struct Trajectory {
    measured: Vec<Measured>,
    /// the share that is explained of random directions, by snapshot; empty without a control
    pub(crate) random: Vec<f64>,
    /// key frequencies of the last snapshot
    keys: Vec<usize>,
    /// of the last snapshot: the neurons' logits in the basis of the class, `(N, p)`
    functions: Vec<f32>,
}

impl Trajectory {
    pub(crate) fn push(&mut self, measured: Measured) {
        self.measured.push(measured);
    }

    pub(crate) fn keep(&mut self, keys: Vec<usize>, functions: Vec<f32>) {
        self.keys = keys;
        self.functions = functions;
    }

    /// Emits tables of the last snapshot: a row for each key frequency, and a row for each
    /// ablation.
    pub(crate) fn tables(&self, pairs: &Pairs, out: &mut dyn Sink) {
        let Some(last) = self.measured.last() else {
            return;
        };
        let row = |k: &usize| {
            let at = k.checked_sub(1)?;
            let (own, both) = (last.explained.own.get(at)?, last.explained.both.get(at)?);
            let order = pairs.space.basis().order_of(*k);
            let values = [own[0], own[1], both[0], both[1]].map(|x| json!(x));
            Some(
                [shown(pairs.space.basis(), *k), json!(order)]
                    .into_iter()
                    .chain(values)
                    .collect(),
            )
        };
        let columns = [
            "frequency",
            "order",
            "u explained",
            "v explained",
            "u by both",
            "v by both",
        ];
        out.table(
            "directions",
            &columns,
            self.keys.iter().filter_map(row).collect(),
        );
        let row = |(name, loss): (&&str, &Loss)| {
            vec![
                json!(name),
                json!(loss.all),
                json!(loss.train),
                json!(loss.test),
                json!(loss.accuracy),
            ]
        };
        let columns = ["logits", "loss", "train loss", "test loss", "accuracy"];
        let rows = NAMES.iter().zip(&last.losses).map(row).collect();
        out.table("ablations", &columns, rows);
    }

    pub(crate) fn draw(&self, pairs: &Pairs, out: &mut dyn Sink) {
        if self.measured.is_empty() {
            return;
        }
        let epochs: Vec<f64> = self.measured.iter().map(|s| s.epoch as f64).collect();
        let over = |pick: &dyn Fn(&Measured) -> f64| -> Vec<f64> {
            self.measured.iter().map(pick).collect()
        };

        let mut figure = Figure::new("Loss of what is left of the logits")
            .x("epoch", Axis::Linear)
            .y("loss", Axis::Log);
        for (i, name) in NAMES.iter().enumerate() {
            let values = over(&|s| s.losses.get(i).map_or(f64::NAN, |loss| loss.all));
            if values.iter().any(|x| !x.is_nan()) {
                figure = figure.trace(Trace::line(name, &epochs, &values));
            }
        }
        out.figure("ablations", figure);

        let title = "Share of u_k and v_k explained by the label's cosine and sine";
        let mut figure = Figure::new(title)
            .x("epoch", Axis::Linear)
            .y("share of variance", Axis::Linear);
        for k in self.keys.iter().take(MOST_SPECTRA) {
            for (i, name) in ["u", "v"].into_iter().enumerate() {
                let of = |s: &Measured| s.explained.own.get(k - 1).map_or(f64::NAN, |pair| pair[i]);
                let values = over(&of);
                if values.iter().any(|x| !x.is_nan()) {
                    let component = pairs.space.basis().name_of(*k);
                    let line = Trace::line(&format!("{name} {component}"), &epochs, &values);
                    figure = figure.trace(line.of_component(component));
                }
            }
        }
        if !self.random.is_empty() {
            figure = figure.trace(Trace::line("random directions", &epochs, &self.random));
        }
        out.figure("explained", figure);
        self.draw_spectra(pairs, out);
    }

    /// Draws the 2-D spectra of u_k and v_k over the pairs that count; other pairs are taken as 0.
    fn draw_spectra(&self, pairs: &Pairs, out: &mut dyn Sink) {
        if self.keys.len() > MOST_SPECTRA {
            out.note(format!(
                "{} frequencies are key at the last snapshot, more than {MOST_SPECTRA}: no spectra",
                self.keys.len()
            ));
            return;
        }
        let (p, basis) = (pairs.p, pairs.space.basis());
        if !basis.is_cyclic() {
            out.note("no spectra: a representation has more functions than u and v");
            return;
        }
        let names: Vec<String> = (0..p).map(|row| basis.name(row)).collect();
        let mut all: Vec<f32> = Vec::new();
        let mut which: Vec<f32> = Vec::new();
        for k in &self.keys {
            for (row, name) in basis.rows_of(*k).zip(["u", "v"]) {
                let mut grid = vec![0.0; p * p];
                let values = self.functions.iter().skip(row).step_by(p);
                for (pair, x) in pairs.space.pairs.iter().zip(values) {
                    grid[*pair] = *x;
                }
                let spectrum = basis.forward_2d(&grid);
                all.extend(spectrum.iter().map(|x| *x as f32));
                which.push(row as f32);
                let rows: Vec<Vec<f64>> = rounded(&spectrum)
                    .chunks_exact(p)
                    .map(<[f64]>::to_vec)
                    .collect();
                let title = format!("{name} of frequency {k} over the pairs, in the basis");
                let figure = Figure::new(&title)
                    .x("basis function of b", Axis::Category)
                    .y("basis function of a", Axis::Category)
                    .trace(Trace::heatmap(&rows, Colors::Diverging).labelled(&names, &names));
                out.figure(&format!("{name}-{k}-spectrum"), figure);
            }
        }
        if !which.is_empty() {
            out.tensor("spectra", &[which.len(), p, p], all);
            out.tensor("spectra-rows", &[which.len()], which);
        }
    }
}
