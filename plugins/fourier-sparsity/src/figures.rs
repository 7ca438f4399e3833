//! Draws the snapshots of a training in tables and figures.

use grokrun_api::prelude::*;
use grokrun_api::serde_json::Value;
use grokrun_basis::Basis;
use grokrun_measures::{Frames, listed, shown};

/// The most frames of a figure that moves.
const MOST_FRAMES: usize = 200;

/// Holds what the figures need of the snapshots.
pub(crate) struct Trajectory {
    epochs: Vec<u64>,
    /// norms by frequency of W_E and of W_L
    norms: Frames<[Vec<f64>; 2]>,
    /// epoch and norms of the first snapshot
    first: Option<(u64, [Vec<f64>; 2])>,
    /// share of the logits' variance by frequency, of the last snapshot
    logits: Vec<f64>,
    /// the Gini of W_E: in the basis, in the wrong one, of noise
    compared: Vec<Vec<f64>>,
    /// key frequencies of the last snapshot, by rule
    keys: Vec<(&'static str, Vec<usize>)>,
    /// F W_E of the last snapshot, `(p, d_model)`
    map: Vec<f64>,
}

impl Trajectory {
    pub(crate) fn new() -> Trajectory {
        Trajectory {
            epochs: Vec::new(),
            norms: Frames::new(MOST_FRAMES),
            first: None,
            logits: Vec::new(),
            compared: Vec::new(),
            keys: Vec::new(),
            map: Vec::new(),
        }
    }

    pub(crate) fn push(
        &mut self,
        epoch: u64,
        norms: [Vec<f64>; 2],
        logits: Vec<f64>,
        compared: Vec<f64>,
        keys: [(&'static str, Vec<usize>); 4],
    ) {
        self.epochs.push(epoch);
        self.first.get_or_insert_with(|| (epoch, norms.clone()));
        self.norms.push(epoch, norms);
        self.logits = logits;
        self.compared.push(compared);
        self.keys = keys.into();
    }

    pub(crate) fn keep_map(&mut self, map: Vec<f64>) {
        self.map = map;
    }

    /// Returns the key frequencies of the last snapshot by a rule; none before there is one.
    pub(crate) fn keys(&self, rule: &str) -> &[usize] {
        let found = self.keys.iter().find(|(name, _)| *name == rule);
        found.map_or(&[], |(_, keys)| keys)
    }

    /// Emits every component with its norms in the first and the last snapshot; `keys` are the key
    /// ones. Analyses of a sweep read from it whether the first norms predict the keys.
    pub(crate) fn components(&self, basis: &Basis, keys: &[usize], out: &mut dyn Sink) {
        let Some((epoch, [w_e, w_l])) = &self.first else {
            return;
        };
        let Some((_, [w_e_last, w_l_last])) = self.norms.last() else {
            return;
        };
        let row = |k: usize| {
            vec![
                shown(basis, k),
                json!(epoch),
                json!(w_e[k - 1]),
                json!(w_e_last[k - 1]),
                json!(w_l[k - 1]),
                json!(w_l_last[k - 1]),
                json!(keys.contains(&k)),
            ]
        };
        let columns = [
            "component",
            "first epoch",
            "W_E first",
            "W_E last",
            "W_L first",
            "W_L last",
            "key",
        ];
        let rows = (1..=basis.count()).map(row).collect();
        out.table("components", &columns, rows);
    }

    /// Emits the key frequencies of the last snapshot by each rule, and each with its norms.
    pub(crate) fn tables(&self, basis: &Basis, out: &mut dyn Sink) {
        let Some((_, [w_e, w_l])) = self.norms.last() else {
            return;
        };
        let rules = self
            .keys
            .iter()
            .map(|(rule, keys)| vec![json!(rule), json!(keys.len()), json!(listed(basis, keys))]);
        out.table("rules", &["rule", "count", "frequencies"], rules.collect());
        let mut all: Vec<usize> = self
            .keys
            .iter()
            .flat_map(|(_, keys)| keys.clone())
            .collect();
        all.sort_unstable();
        all.dedup();
        let row = |k: usize| -> Vec<Value> {
            let by = |rule: &str| {
                let found = self.keys.iter().find(|(name, _)| *name == rule);
                json!(found.is_some_and(|(_, keys)| keys.contains(&k)))
            };
            vec![
                shown(basis, k),
                json!(basis.order_of(k)),
                json!(w_e[k - 1]),
                json!(w_l[k - 1]),
                json!(self.logits.get(k - 1)),
                by("max/4"),
                by("5 medians"),
                by("neurons"),
                by("W_L"),
            ]
        };
        let columns = [
            "frequency",
            "order",
            "W_E",
            "W_L",
            "logits",
            "max/4",
            "5 medians",
            "neurons",
            "W_L key",
        ];
        out.table(
            "key-frequencies",
            &columns,
            all.into_iter().map(row).collect(),
        );
    }

    /// Emits the figures; `spectrum` is the map whose norms tell which components are key.
    pub(crate) fn draw(
        &self,
        basis: &Basis,
        [wrong, control]: [bool; 2],
        spectrum: &str,
        out: &mut dyn Sink,
    ) {
        let Some((_, last)) = self.norms.last() else {
            return;
        };
        let epochs: Vec<f64> = self.epochs.iter().map(|e| *e as f64).collect();
        let mut figure = Figure::new("Gini of the norms of W_E by frequency")
            .x("epoch", Axis::Linear)
            .y("Gini", Axis::Linear);
        let names = [
            (true, "the operation's basis"),
            (wrong, "the wrong basis"),
            (control, "Gaussian noise"),
        ];
        let names = names.iter().filter(|(is, _)| *is).map(|(_, name)| name);
        for (i, name) in names.enumerate() {
            let values: Vec<f64> = self.compared.iter().map(|row| row[i]).collect();
            figure = figure.trace(Trace::line(name, &epochs, &values));
        }
        out.figure("gini", figure);

        for (part, name) in ["W_E", "W_L"].into_iter().enumerate() {
            let bars = |norms: &[Vec<f64>; 2]| {
                Trace::bar(name, &names_of(basis), &norms[part]).by_component()
            };
            let mut figure = Figure::new(&format!("{name} by frequency"))
                .x("frequency", Axis::Linear)
                .y("norm", Axis::Linear)
                .trace(bars(last));
            for (epoch, norms) in self.norms.iter() {
                figure = figure.frame(epoch, vec![bars(norms)]);
            }
            if name == spectrum {
                figure = figure.role(Role::Spectrum).caption(
                    "The key components stand out in their colours; before training all are alike.",
                );
            }
            out.figure(&format!("{name}-norms"), figure);
        }

        let labels = names_of(basis);
        let figure = Figure::new("Logits along cos and sin of the label's angle, last snapshot")
            .x("frequency", Axis::Linear)
            .y("share of variance", Axis::Linear)
            .trace(Trace::bar("", &labels, &self.logits).by_component());
        out.figure("logit-shares", figure);

        let p = basis.modulus();
        let width = self.map.len() / p.max(1);
        let rows: Vec<Vec<f64>> = self
            .map
            .chunks_exact(width.max(1))
            // Four digits are more than a screen shows.
            .map(|row| row.iter().map(|x| (x * 1e4).round() / 1e4).collect())
            .collect();
        let names: Vec<String> = (0..p).map(|row| basis.name(row)).collect();
        let columns: Vec<String> = (0..width).map(|c| c.to_string()).collect();
        let figure = Figure::new("W_E in the basis, last snapshot")
            .x("residual stream dimension", Axis::Linear)
            .y("basis function", Axis::Category)
            .trace(Trace::heatmap(&rows, Colors::Diverging).labelled(&columns, &names));
        out.figure("W_E-in-basis", figure);
    }
}

/// Returns the names of the components, number 1 first.
fn names_of(basis: &Basis) -> Vec<String> {
    let names = basis.components().iter().map(|one| one.name.clone());
    names.collect()
}
