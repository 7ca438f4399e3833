//! The analysis `phase-relation`: whether a neuron's output phase is the sum of its input phases.
//!
//! A neuron that multiplies cos(kθ(a) + φ_a) with cos(kθ(b) + φ_b) has a part cos(k(θ(a) + θ(b)) +
//! φ_a + φ_b), which is of use to the logits if the neuron's row of W_L is cos(kθ(c) + ψ) with ψ =
//! φ_a + φ_b: with one phase for both operands ψ = 2φ (He et al. 2026; Gromov 2023). Input waves
//! are those of the neuron's input, averaged over the other operand; the frequency k is the one
//! with most energy there (doc/definitions.md#phase-relation). Of a difference φ_b, and of an
//! operation with a constant the constant's angle, is subtracted.

mod neurons;

use grokrun_api::prelude::*;
use grokrun_basis::{Space, gaussian};
use grokrun_measures::{
    Frames, Marginals, Signs, by_class, check_basis, neuron_logit_map, rounded, space,
};
use neurons::{Neuron, Summary, measure};

/// The most frames of a figure that moves.
const MOST_FRAMES: usize = 100;

/// The parameters of the analysis.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(crate = "grokrun_api::serde", default, deny_unknown_fields)]
#[schemars(crate = "grokrun_api::schemars")]
pub struct Config {
    /// auto (the one that suits the operation), additive, multiplicative, group or labels
    pub basis: String,
    /// the least share of a neuron's input waves that its frequency has, for it to be counted
    pub threshold: f64,
    /// also measure Gaussian noise of the neurons' shape
    pub control: bool,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            basis: "auto".to_owned(),
            threshold: 0.5,
            control: true,
        }
    }
}

/// The running analysis.
pub struct PhaseRelation {
    config: Config,
    p: usize,
    space: Space,
    /// none if the operation's operands have no angle
    signs: Option<Signs>,
    epochs: Vec<f64>,
    summaries: Vec<Summary>,
    frames: Frames<Vec<Neuron>>,
}

impl Analysis for PhaseRelation {
    type Config = Config;
    const MANIFEST: Manifest = Manifest::new(
        "phase-relation",
        "0.1.0",
        "whether each neuron's output phase is the sum of its input phases",
    )
    .definition(
        "He et al. (2026): of each neuron's dominant frequency k, phases phi_a and phi_b of its input as cos(k theta + phi), averaged over the other operand, and psi of its row of W_L = W_out W_U. Deviation: psi - phi_a - phi_b (- and + by the signs of the operands in the label, minus k times its constant's angle), wrapped to at most pi, mean of the absolute value; pi/2 if phases are unrelated. Resultant: length of the mean of exp(i deviation).",
    )
    .needs(&["weight.*", "*.hook_pre"])
    .scope(Scope::Any);

    fn check(config: &Config) -> Result<(), Failure> {
        if !(0.0..=1.0).contains(&config.threshold) {
            return Err(Failure::parameter("threshold", "must be from 0 to 1"));
        }
        check_basis("basis", &config.basis)
    }

    fn new(config: Config, task: &Task) -> Result<Self, Failure> {
        let space = space(&config.basis, task)?;
        Ok(PhaseRelation {
            signs: Signs::of(&space, task),
            p: task.modulus,
            space,
            epochs: Vec::new(),
            summaries: Vec::new(),
            frames: Frames::new(MOST_FRAMES),
            config,
        })
    }

    fn observe(&mut self, snapshot: &Snapshot<'_>, out: &mut dyn Sink) -> Result<(), Failure> {
        let Some(signs) = &self.signs else {
            return Ok(());
        };
        let (p, basis) = (self.p, self.space.basis());
        let pre = snapshot.pre()?;
        let d = pre.size(1);
        let w_l = neuron_logit_map(snapshot, p)?;
        if w_l.len() != d * p {
            return Err(Failure::new(format!(
                "W_L has {} numbers; expected {p} for each of {d} neurons",
                w_l.len()
            )));
        }
        let inputs = Marginals::of(pre.data(), p, &self.space.pairs);
        let neurons = measure(basis, signs, &inputs, &by_class(&w_l, p));
        let summary = Summary::of(&neurons, self.config.threshold);
        for (name, value) in summary.named() {
            out.scalar(name, value);
        }
        if self.config.control {
            let seed = snapshot.epoch().cast_signed();
            let noise = |seed: i64| gaussian(seed, p * d).into_iter().map(f64::from).collect();
            let inputs = Marginals {
                of_a: noise(seed),
                of_b: noise(seed + 1),
            };
            let of_noise = measure(basis, signs, &inputs, &gaussian(seed + 2, p * d));
            let control = Summary::of(&of_noise, 0.0);
            out.scalar("deviation, noise", control.deviation);
            out.scalar("resultant, noise", control.resultant);
        }
        let of = |pick: fn(&Neuron) -> f64| neurons.iter().map(move |n| pick(n) as f32);
        out.tensor("frequency", &[d], of(|n| n.frequency as f64));
        out.tensor("share", &[d], of(|n| n.share));
        out.tensor("deviation", &[d], of(|n| n.deviation));
        let phases = neurons.iter().flat_map(|n| n.phases.map(|x| x as f32));
        out.tensor("phases", &[d, 3], phases);
        self.epochs.push(snapshot.epoch() as f64);
        self.summaries.push(summary);
        self.frames.push(snapshot.epoch(), neurons);
        Ok(())
    }

    fn finish(&mut self, out: &mut dyn Sink) -> Result<(), Failure> {
        if self.signs.is_none() {
            out.note(format!(
                "the operands of this operation have no angle (basis: {}): a neuron has no phase, and nothing was measured",
                self.space
            ));
            return Ok(());
        }
        self.tables(out);
        self.draw(out);
        out.note(format!("basis: {}", self.space));
        Ok(())
    }
}

impl PhaseRelation {
    /// Returns the neurons of the last snapshot that are counted.
    fn counted(&self) -> Vec<&Neuron> {
        let last = self.frames.last().map_or(&[][..], |(_, neurons)| neurons);
        let counts = |n: &&Neuron| n.counts(self.config.threshold);
        last.iter().filter(counts).collect()
    }

    fn tables(&self, out: &mut dyn Sink) {
        let counted = self.counted();
        let mut frequencies: Vec<usize> = counted.iter().map(|n| n.frequency).collect();
        frequencies.sort_unstable();
        frequencies.dedup();
        let row = |k: &usize| {
            let own: Vec<&Neuron> = counted
                .iter()
                .filter(|n| n.frequency == *k)
                .copied()
                .collect();
            let mean = |pick: &dyn Fn(&Neuron) -> f64| {
                own.iter().map(|n| pick(n)).sum::<f64>() / own.len() as f64
            };
            vec![
                json!(k),
                json!(self.space.basis().order_of(*k)),
                json!(own.len()),
                json!(mean(&|n| n.deviation.abs())),
                json!(mean(&|n| n.share)),
                json!(mean(&|n| f64::from(u8::from(n.agrees)))),
            ]
        };
        let columns = [
            "frequency",
            "order",
            "neurons",
            "deviation",
            "share",
            "agree",
        ];
        out.table(
            "frequencies",
            &columns,
            frequencies.iter().map(row).collect(),
        );
    }

    fn draw(&self, out: &mut dyn Sink) {
        let lines =
            |pick: fn(&Summary) -> f64| -> Vec<f64> { self.summaries.iter().map(pick).collect() };
        let figure =
            Figure::new("Output phase less the sum of the input phases, mean over neurons")
                .x("epoch", Axis::Linear)
                .y("radians", Axis::Linear)
                .trace(Trace::line(
                    "deviation",
                    &self.epochs,
                    &lines(|s| s.deviation),
                ))
                .trace(Trace::line(
                    "between operands",
                    &self.epochs,
                    &lines(|s| s.operands),
                ));
        out.figure("deviation", figure);
        let points = |neurons: &[Neuron]| {
            let counted: Vec<&Neuron> = neurons
                .iter()
                .filter(|n| n.counts(self.config.threshold))
                .collect();
            let of = |pick: fn(&Neuron) -> f64| {
                rounded(&counted.iter().map(|n| pick(n)).collect::<Vec<f64>>())
            };
            let frequency: Vec<f64> = counted.iter().map(|n| n.frequency as f64).collect();
            Trace::scatter("", &of(|n| n.expected), &of(|n| n.phases[2])).colored_by(&frequency)
        };
        let Some((_, last)) = self.frames.last() else {
            return;
        };
        let mut figure = Figure::new("Phases of the neurons, coloured by frequency")
            .x("sum of the input phases", Axis::Linear)
            .y("output phase", Axis::Linear)
            .trace(points(last));
        for (epoch, neurons) in self.frames.iter() {
            figure = figure.frame(epoch, vec![points(neurons)]);
        }
        out.figure("phases", figure);
    }
}

grokrun_api::export_plugin!(PhaseRelation);

#[cfg(test)]
mod tests;
