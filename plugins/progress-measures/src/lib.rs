//! The analysis `progress-measures`: the measures of Nanda et al. (2023) that show what a model
//! learns before its test loss does, and the phases of training.
//!
//! With u_k, v_k the directions cos and sin of w_k f(a, b), orthonormal over the **block** (the
//! pairs whose operands and label are in the group: for multiplication those without a 0, which are
//! reported apart), and K the key frequencies (doc/definitions.md#progress-measures):
//!
//! | series | definition | pairs |
//! |---|---|---|
//! | `trig loss` | logits projected on u_k, v_k, k ∈ K; bias-corrected (+ mean logits): "restricted loss" in the paper's code, "trig loss" in ARENA | the block, train pairs too |
//! | `restricted loss` | **neurons'** outputs projected, through W_L = W_out W_U; bias-corrected: TransformerLens' demo | the block's test pairs |
//! | `excluded loss` | logits − their projection; no bias correction: paper, ARENA | the block's train pairs |
//! | `excluded loss, neurons` | logits − projection of the neurons through W_L: the demo, which keeps the residual stream | the block's train pairs |
//! | tensor `excluded-loss` | the same as `excluded loss` of each single frequency, `(frequencies)` | the block's train pairs |
//! | tensor `cube-cosines` | ⟨L, C_k⟩/‖L‖ with C_k ∝ cos w_k(f(a, b) − c) of length 1, `(frequencies)`; L not centred | the block, the group's classes |
//! | `character cosine, NAME` | the same of each representation's character χ(a b c⁻¹), with L centred over the classes; none in a cyclic basis | the block |
//! | `cube residual`, `cube loss` | ‖L − Σ_K α_k C_k‖/‖L‖, and the loss of Σ_K α_k C_k, uncorrected | the block |
//! | `trig ratio, …` | Σ_K projections² / Σ (x − mean)², mean over neurons' inputs, outputs, logits; dead ones left out | the block |
//! | `logits explained` | the same for logits and all frequencies, all classes together | the block |
//! | `squared weights`, by parameter | Σθ² | |
//! | `gini, W_E`, `gini, W_L` | of the norms by frequency, not squared | |
//!
//! **Key frequencies.** A snapshot can only be measured with frequencies known by then. So the
//! series have those found at that checkpoint, or those that `frequencies` names. With
//! `keys = "final"` there is beside them the table `frozen`: the same measures at each checkpoint
//! with the key frequencies of the last one, exact, from what is kept of each on the disk: the
//! parts of logits and neurons along all directions, 2 p² f32, of 512 checkpoints evenly spread at
//! the most; and for the excluded losses, which need the logits themselves, those of the train
//! pairs of `checkpoints` evenly spread ones. At p = 113 that is at most 52 MB and, with 32
//! checkpoints, 56 MB a cell.
//!
//! **Phases** are found by the rule of [`Config`]'s last four parameters from the history alone and
//! are in the table `phases`.
//!
//! `check/measures.py`, beside this folder, computes most of the above again with numpy from a
//! cell's last checkpoint and compares.
//!
//! Differences from the originals (doc/published.md#errors-in-the-originals): the demo's one-off
//! excluded logits leave the residual stream out, here it is in; the paper's text and code disagree
//! on restricted loss, both are here under the names above; losses are aligned with epochs, the
//! demo's are 99 off.

mod config;
mod figures;
mod kept;
mod losses;
mod phases;
mod point;
mod project;
mod task_pairs;

pub use config::Config;
use figures::{Measured, Trajectory};
use grokrun_api::prelude::*;
use grokrun_measures::{
    KeyRule, Spectrum, by_class, listed, neuron_logit_map, numbering, product, tokens,
};
use kept::Kept;
use losses::{Own, excluded, train_rows};
use phases::{Phases, Rule};
use point::{Counts, Point, Reduced};
use project::{Cubes, Logits, Parts, projection};
use task_pairs::TaskPairs;

/// The running analysis.
pub struct ProgressMeasures {
    config: Config,
    rule: KeyRule,
    task: TaskPairs,
    /// whether neurons go to the logits through W_L alone
    shallow: bool,
    counts: Counts,
    /// the phases so far
    phases: Phases,
    trajectory: Trajectory,
    /// the checkpoints that are kept with keys = "final"
    kept: Kept,
    /// key frequencies of the last snapshot
    keys: Vec<usize>,
}

impl Analysis for ProgressMeasures {
    type Config = Config;
    const MANIFEST: Manifest = Manifest::new(
        "progress-measures",
        "0.1.0",
        "restricted and excluded loss, logit cubes, trig ratio, weights, Gini, and the phases of training",
    )
    .definition(
        "Nanda et al. (2023), with directions cos and sin of w_k f(a, b) over the pairs in the group. Trig loss: logits projected on the key directions, plus mean logits, all pairs in the group, train and test (the paper's code, ARENA). Restricted loss: neurons projected, plus mean logits, test pairs (TransformerLens demo). Excluded loss: logits without the key directions, no bias correction, train pairs (paper, ARENA); from neurons, with the residual stream (demo). Cubes: cosine of the uncentred logits with cos w_k(f(a, b) - c). Trig ratio: share of variance on the key directions, mean over units. Gini of norms by frequency, not squared. Phases, which the papers drew by hand: circuit formation begins at the later of train accuracy 0.99 and the largest test loss; cleanup when the test loss is at most an eighth of that; stable when it is at most ten train losses and 0.01; each held for 100 epochs (defaults).",
    )
    .needs(&[
        "weight.*",
        "*.hook_pre",
        "*.hook_post",
        "logits",
        "history.*",
    ])
    .scope(Scope::Any);

    fn check(config: &Config) -> Result<(), Failure> {
        config.check()
    }

    fn new(mut config: Config, task: &Task) -> Result<Self, Failure> {
        let shallow = task.model.is_shallow();
        let task = TaskPairs::new(&config.basis, task)?;
        let largest = task.frequencies();
        if let Some(k) = config.frequencies.iter().find(|k| **k > largest) {
            return Err(Failure::parameter(
                "frequencies",
                format!(
                    "must be at most {largest} for modulus {}, and {k} is not",
                    task.p
                ),
            ));
        }
        config.frequencies.sort_unstable();
        config.frequencies.dedup();
        let rule = match task.space.operands() {
            // The embedding's frequencies are not those of the label.
            None => KeyRule::NeuronLogitMap,
            Some(_) => KeyRule::parse("rule", &config.rule)?,
        };
        Ok(ProgressMeasures {
            rule,
            counts: Counts::of(&task),
            task,
            shallow,
            phases: Phases::default(),
            trajectory: Trajectory::default(),
            kept: Kept::new(config.checkpoints),
            keys: Vec::new(),
            config,
        })
    }

    fn observe(&mut self, snapshot: &Snapshot<'_>, out: &mut dyn Sink) -> Result<(), Failure> {
        let (task, p) = (&self.task, self.task.p);
        self.phases = Phases::of(&snapshot.history()?, &self.phase_rule());
        let w_l = neuron_logit_map(snapshot, p)?;
        let spectra = [
            Spectrum::of(&task.basis, &tokens(snapshot, p)?.data),
            Spectrum::of(&task.basis, &by_class(&w_l, p)),
        ];
        let gini = spectra.each_ref().map(Spectrum::gini);
        out.scalar("gini, W_E", gini[0]);
        out.scalar("gini, W_L", gini[1]);
        self.keys = match (self.config.frequencies.is_empty(), self.rule) {
            (false, _) => self.config.frequencies.clone(),
            (true, KeyRule::Embedding) => spectra[0].above_quarter(),
            (true, KeyRule::NeuronLogitMap) => spectra[1].above_quarter(),
        };
        out.scalar("key frequencies", self.keys.len() as f64);
        let weights = squared_weights(snapshot);
        for (name, value) in &weights {
            out.scalar(&label_of(name), *value);
        }

        let logits = snapshot.logits()?.data();
        let losses = self.own_losses(logits, out);
        let rows = train_rows(task, logits);
        let (reduced, logits) = self.reduce(snapshot, logits, &w_l, losses[1], out)?;
        let cosines = reduced.cubes.cosines();
        let frequencies: Vec<usize> = (1..=task.frequencies()).collect();
        let projections: Vec<Vec<f64>> = frequencies
            .iter()
            .map(|k| projection(task, &logits.whole, &[*k]))
            .collect();
        let without = excluded(task, &rows, &projections);
        let narrow = |values: &[f64]| values.iter().map(|x| *x as f32).collect::<Vec<_>>();
        out.tensor("excluded-loss", &[frequencies.len()], narrow(&without));
        out.tensor("cube-cosines", &[frequencies.len()], narrow(&cosines));
        if !task.basis.is_cyclic() {
            let norm = centred_norm(snapshot.logits()?.data(), task);
            for (k, along) in frequencies.iter().zip(&reduced.cubes.coefficients) {
                let name = task.basis.name_of(*k);
                out.scalar(&format!("character cosine, {name}"), along / norm);
            }
        }
        out.scalar("cubes explained", cosines.iter().map(|c| c * c).sum());

        let (counts, all) = (&self.counts, Some(rows.as_slice()));
        let point = Point::of(task, counts, &reduced, &logits, all, &self.keys);
        for (name, value) in point.named() {
            out.scalar(name, value.unwrap_or(f64::NAN));
        }
        self.trajectory.push(Measured {
            losses,
            gini,
            weights,
            cosines,
            without,
            point,
        });
        if self.freezes() {
            self.kept.push(reduced, &logits, &rows, out)?;
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut dyn Sink) -> Result<(), Failure> {
        self.phases.tell(&self.phase_rule(), out);
        let frozen = if self.freezes() {
            Some(self.frozen(out)?)
        } else {
            None
        };
        self.trajectory
            .tell(&self.task.basis, &self.keys, frozen.as_deref(), out);
        self.explain(out);
        Ok(())
    }
}

impl ProgressMeasures {
    /// Returns the rule by which phases are found.
    fn phase_rule(&self) -> Rule {
        Rule {
            memorised: self.config.memorised,
            cleanup: self.config.cleanup,
            stable: self.config.stable,
            hold: self.config.hold,
        }
    }

    /// Says whether the last checkpoint's key frequencies are wanted at all checkpoints.
    fn freezes(&self) -> bool {
        self.config.keys == "final" && self.config.frequencies.is_empty()
    }

    /// Emits the model's own losses, by part of the grid; returns those of the block's train and
    /// test pairs.
    fn own_losses(&self, logits: &[f32], out: &mut dyn Sink) -> [f64; 2] {
        let task = &self.task;
        let own = Own::of(task, logits);
        out.scalar("loss", own.loss(&[&task.block, &task.outside]));
        if !task.outside.is_empty() {
            out.scalar("loss, block", own.loss(&[&task.block]));
            out.scalar("accuracy, block", own.accuracy(&[&task.block]));
            out.scalar("loss, outside", own.loss(&[&task.outside]));
            out.scalar("accuracy, outside", own.accuracy(&[&task.outside]));
            let outside = own.loss(&[&task.train_outside]);
            out.scalar("train loss, outside", outside);
        }
        let losses = [own.loss(&[&task.train]), own.loss(&[&task.test])];
        out.scalar("train loss, block", losses[0]);
        out.scalar("test loss, block", losses[1]);
        losses
    }

    /// Reduces a snapshot to what its measures are made from.
    fn reduce(
        &self,
        snapshot: &Snapshot<'_>,
        logits: &[f32],
        w_l: &[f32],
        test_loss: f64,
        out: &mut dyn Sink,
    ) -> Result<(Reduced, Logits), Failure> {
        let task = &self.task;
        let (pre, post) = (snapshot.pre()?, snapshot.post()?);
        let d_mlp = post.size(1);
        let shares_of_pre = Parts::of(task, pre.data(), pre.size(1)).shares(task);
        let neurons = Parts::of(task, post.data(), d_mlp);
        let whole = Parts::of(task, logits, task.p);
        out.scalar("logits explained", whole.explained(task));
        let narrow = |values: &[f64]| values.iter().map(|x| *x as f32).collect::<Vec<_>>();
        let reduced = Reduced {
            epoch: snapshot.epoch(),
            shares: [shares_of_pre, neurons.shares(task), whole.shares(task)],
            cubes: Cubes::of(task, &whole),
            mean: whole.mean,
            test_loss,
        };
        let logits = Logits {
            neurons: product(&narrow(&neurons.along), w_l, d_mlp),
            whole: narrow(&whole.along),
        };
        Ok((reduced, logits))
    }

    /// Computes the measures of all kept checkpoints, with the key frequencies of the last
    /// snapshot.
    fn frozen(&self, out: &mut dyn Sink) -> Result<Vec<Point>, Failure> {
        self.kept.points(&self.task, &self.counts, &self.keys, out)
    }

    /// Notes what a reader of the figures has to know.
    fn explain(&self, out: &mut dyn Sink) {
        let task = &self.task;
        let (rule, keys) = (self.rule_name(), listed(&task.basis, &self.keys));
        out.note(match (self.config.frequencies.is_empty(), self.freezes()) {
            (false, _) => format!("key frequencies, given: {keys}"),
            (true, true) => format!(
                "key frequencies of the last checkpoint, by {rule}: {keys}; the table frozen and the figures have these at all checkpoints, the series those found at each"
            ),
            (true, false) => format!(
                "key frequencies are found at each checkpoint, by {rule}; at the last: {keys}"
            ),
        });
        out.note(format!("basis: {}", task.space));
        if let Some(note) = numbering(&task.basis) {
            out.note(note);
        }
        if !self.shallow {
            out.note("of several layers of neurons the measures from neurons are those of the last, through W_out W_U alone: what other layers and norms add is left out of the restricted loss");
        }
        if !task.outside.is_empty() {
            out.note(format!(
                "measures are of the {} pairs whose operands and label are in the group; the loss and accuracy of the other {} pairs are series of their own",
                task.block.len(),
                task.outside.len()
            ));
        }
        if 2 * self.keys.len() > task.frequencies() {
            out.note(format!(
                "{} of {} frequencies are key at the last checkpoint: with so many, projecting is little more than averaging over the pairs of a label, and trig and restricted loss can be low for a model that has only memorised",
                self.keys.len(),
                task.frequencies()
            ));
        }
        if task.directions.is_empty() {
            out.note("the labels of this operation give no directions, so that no measure that projects has a meaning");
        }
        if task.space.operands().is_none() && self.config.rule == "W_E" {
            out.note("the operands of this operation have no angle, so that key frequencies are found in W_L, not in W_E");
        }
    }

    fn rule_name(&self) -> &'static str {
        match self.rule {
            KeyRule::NeuronLogitMap => "a norm in W_L above a quarter of the largest",
            KeyRule::Embedding => "a norm in W_E above a quarter of the largest",
        }
    }
}

/// Returns ‖L − mean over c‖ over the block, NaN if L does not depend on the class.
fn centred_norm(logits: &[f32], task: &TaskPairs) -> f64 {
    let row = |pair: &usize| {
        let row = &logits[pair * task.p..(pair + 1) * task.p];
        let mean = row.iter().map(|x| f64::from(*x)).sum::<f64>() / task.p as f64;
        row.iter()
            .map(|x| (f64::from(*x) - mean).powi(2))
            .sum::<f64>()
    };
    let sum: f64 = task.space.pairs.iter().map(row).sum();
    if sum > 0.0 { sum.sqrt() } else { f64::NAN }
}

/// Returns Σθ² of all parameters, and of each, by the last part of its name. A bias that is 0 is
/// left out.
fn squared_weights(snapshot: &Snapshot<'_>) -> Vec<(String, f64)> {
    let mut all = vec![(String::new(), 0.0)];
    for view in snapshot.views() {
        let Some(name) = view.name.strip_prefix("weight.") else {
            continue;
        };
        let grokrun_api::NumbersRef::F32(data) = view.data else {
            continue;
        };
        let sum: f64 = data.iter().map(|x| f64::from(*x).powi(2)).sum();
        let short = name.rsplit('.').next().unwrap_or(name);
        all[0].1 += sum;
        if !short.starts_with("b_") || sum != 0.0 {
            all.push((short.to_owned(), sum));
        }
    }
    all
}

/// Returns the name of the series of a parameter's squares.
fn label_of(parameter: &str) -> String {
    match parameter {
        "" => "squared weights".to_owned(),
        name => format!("squared weights, {name}"),
    }
}

grokrun_api::export_plugin!(ProgressMeasures);

#[cfg(test)]
mod tests;
