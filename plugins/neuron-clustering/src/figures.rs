//! Draws the snapshots of a training in tables and figures.

use std::collections::{BTreeMap, BTreeSet};

use grokrun_api::prelude::*;
use grokrun_basis::Space;
use grokrun_measures::{Frames, shown};

use crate::clusters::Clusters;
use crate::losses::Losses;

/// The most frames of a figure that moves.
const MOST_FRAMES: usize = 100;

/// Holds the numbers of one snapshot.
pub(crate) struct Measured {
    pub(crate) epoch: u64,
    pub(crate) clusters: Clusters,
    /// share of pairs at which each neuron's input is above 0
    pub(crate) active: Vec<f64>,
    pub(crate) losses: Option<Losses>,
}

/// Holds what is kept of every snapshot: little, since there may be thousands.
struct Brief {
    epoch: u64,
    /// number of neurons in clusters
    clustered: usize,
    /// number of neurons by frequency
    sizes: BTreeMap<usize, usize>,
    losses: Option<Losses>,
}

/// Holds the numbers of all snapshots, and the neurons of some of them.
pub(crate) struct Trajectory {
    briefs: Vec<Brief>,
    frames: Frames<Measured>,
    /// the control: number of neurons in clusters, and mean fraction, of noise
    pub(crate) noise: Option<(usize, f64)>,
}

impl Default for Trajectory {
    fn default() -> Trajectory {
        Trajectory {
            briefs: Vec::new(),
            frames: Frames::new(MOST_FRAMES),
            noise: None,
        }
    }
}

impl Trajectory {
    pub(crate) fn push(&mut self, measured: Measured) {
        let sizes = measured.clusters.members.iter();
        self.briefs.push(Brief {
            epoch: measured.epoch,
            clustered: measured.clusters.clustered(),
            sizes: sizes.map(|(k, members)| (*k, members.len())).collect(),
            losses: measured.losses.clone(),
        });
        self.frames.push(measured.epoch, measured);
    }

    pub(crate) fn tables(&self, space: &Space, threshold: f64, out: &mut dyn Sink) {
        let Some((_, last)) = self.frames.last() else {
            return;
        };
        let row = |(k, members): (&usize, &Vec<usize>)| {
            let fractions = members.iter().map(|n| last.clusters.best[*n].1);
            let mean = fractions.sum::<f64>() / members.len() as f64;
            let without = last.losses.as_ref().and_then(|l| l.without.get(k));
            vec![
                shown(space.basis(), *k),
                json!(space.basis().order_of(*k)),
                json!(members.len()),
                json!(mean),
                json!(without),
            ]
        };
        let rows = last.clusters.members.iter().map(row).collect();
        let columns = [
            "frequency",
            "order",
            "neurons",
            "mean fraction",
            "loss without",
        ];
        out.table("clusters", &columns, rows);

        let final_count = last.clusters.clustered();
        let phase = |tenths: usize| {
            let enough = |s: &&Brief| 10 * s.clustered >= tenths * final_count;
            self.briefs.iter().find(enough).map(|s| s.epoch)
        };
        let phases = match final_count {
            0 => vec![],
            _ => [("a tenth", 1), ("half", 5), ("nine tenths", 9)]
                .map(|(share, tenths)| vec![json!(share), json!(phase(tenths))])
                .into(),
        };
        out.table("phases", &["of the last count", "first epoch"], phases);

        let total = last.clusters.best.len();
        if final_count > 0 {
            let clusters = match last.clusters.members.len() {
                1 => "one cluster".to_owned(),
                count => format!("{count} clusters"),
            };
            out.headline(format!(
                "{final_count} of {total} neurons are in {clusters}, each of one frequency"
            ));
        }
        out.note(format!(
            "{final_count} of {total} neurons are in {} clusters, a frequency explaining at least {threshold} of their variance, in the basis {}",
            last.clusters.members.len(),
            space
        ));
        if let Some((count, fraction)) = self.noise {
            out.note(format!(
                "control: of {total} columns of Gaussian noise {count} would be in clusters, with a mean fraction of {fraction:.4}"
            ));
        }
    }

    pub(crate) fn draw(&self, space: &Space, threshold: f64, out: &mut dyn Sink) {
        let Some((_, last)) = self.frames.last() else {
            return;
        };
        let epochs: Vec<f64> = self.briefs.iter().map(|s| s.epoch as f64).collect();
        let over =
            |pick: &dyn Fn(&Brief) -> f64| -> Vec<f64> { self.briefs.iter().map(pick).collect() };

        let name = |k: &usize| space.basis().name_of(*k);
        let keys: BTreeSet<usize> = last.clusters.members.keys().copied().collect();
        let mut figure = Figure::new(&format!(
            "Neurons by frequency, fraction at least {threshold}"
        ))
        .x("epoch", Axis::Linear)
        .y("neurons", Axis::Linear)
        .trace(Trace::line("all", &epochs, &over(&|s| s.clustered as f64)));
        for k in &keys {
            let count = |s: &Brief| s.sizes.get(k).map_or(0.0, |size| *size as f64);
            let line = Trace::line(&format!("frequency {}", name(k)), &epochs, &over(&count));
            figure = figure.trace(line.of_component(name(k)));
        }
        out.figure("clusters", figure);

        let points = |s: &Measured| {
            let frequency: Vec<f64> = s.clusters.best.iter().map(|(k, _)| *k as f64).collect();
            // Three digits are more than a screen shows.
            let short = |x: f64| (x * 1e3).round() / 1e3;
            let fraction: Vec<f64> = s.clusters.best.iter().map(|(_, f)| short(*f)).collect();
            let active: Vec<f64> = s.active.iter().map(|x| short(*x)).collect();
            Trace::scatter("", &frequency, &fraction).colored_by(&active)
        };
        let mut figure =
            Figure::new("Neurons: best frequency and fraction, coloured by share active")
                .x("frequency", Axis::Linear)
                .y("fraction of variance explained", Axis::Linear)
                .trace(points(last));
        for (epoch, measured) in self.frames.iter() {
            figure = figure.frame(epoch, vec![points(measured)]);
        }
        out.figure("neurons", figure);

        let mut fractions: Vec<f64> = last.clusters.best.iter().map(|(_, f)| *f).collect();
        let histogram = Figure::new("Fraction explained by a neuron's best frequency")
            .x("fraction", Axis::Linear)
            .y("neurons", Axis::Linear)
            .trace(Trace::histogram("", &fractions, 20));
        out.figure("fractions", histogram);
        fractions.sort_by(|a, b| b.total_cmp(a));
        let rank: Vec<f64> = (0..fractions.len()).map(|i| i as f64).collect();
        let sorted = Figure::new("Fraction explained, sorted")
            .x("neuron", Axis::Linear)
            .y("fraction", Axis::Linear)
            .trace(Trace::line("", &rank, &fractions));
        out.figure("fractions-sorted", sorted);

        if last.losses.is_some() {
            let of = |pick: &dyn Fn(&Losses) -> f64| -> Vec<f64> {
                over(&|s| s.losses.as_ref().map_or(f64::NAN, pick))
            };
            let mut figure = Figure::new("Loss of cleaned neurons, and without each cluster")
                .x("epoch", Axis::Linear)
                .y("loss", Axis::Log)
                .trace(Trace::line("original", &epochs, &of(&|l| l.original)))
                .trace(Trace::line("clean neurons", &epochs, &of(&|l| l.clean)));
            for k in &keys {
                let without = |l: &Losses| l.without.get(k).copied().unwrap_or(f64::NAN);
                let line = Trace::line(&format!("without {}", name(k)), &epochs, &of(&without));
                figure = figure.trace(line.of_component(name(k)));
            }
            out.figure("losses", figure);
        }
    }
}
