//! The analysis `neuron-clustering`: which neurons compute which frequency.
//!
//! Each neuron's output over the grid of pairs is centred and taken in the operation's basis; E_k
//! is the energy of the products of {const, cos, sin} of frequency k on a with those on b, without
//! the constant. A neuron belongs to the frequency with the largest E_k if that is at least
//! `threshold` of all its energy, and else to the group that the paper calls "always firing"
//! (doc/definitions.md#energies-and-fractions; the paper drops the constant, the demo zeroes it,
//! and both are this). For multiplication only pairs without 0 count; for an operation whose
//! operands have no angle, the two directions of the label take the place of the products
//! (doc/definitions.md#directions-of-the-label).
//!
//! Losses: of neurons reduced to the terms of their cluster, and of those without each cluster
//! (doc/definitions.md#neuron-clustering), over the pairs that count, with bias
//! correction. Phases, by rule: the first snapshot with a tenth, half, and nine tenths of the
//! neurons that are in clusters at the last.

mod clusters;
mod figures;
mod losses;

use clusters::Clusters;
use figures::{Measured, Trajectory};
use grokrun_api::prelude::*;
use grokrun_basis::{Space, gaussian};
use grokrun_measures::{Rows, check_basis, neuron_logit_map, numbering, space};
use losses::{Model, losses};

/// The parameters of the analysis.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(crate = "grokrun_api::serde", default, deny_unknown_fields)]
#[schemars(crate = "grokrun_api::schemars")]
pub struct Config {
    /// the least share of a neuron's variance that its frequency explains
    pub threshold: f64,
    /// auto (the one that suits the operation), additive, multiplicative, group or labels
    pub basis: String,
    /// compute the loss of cleaned neurons and without each cluster
    pub losses: bool,
    /// clusters of fewer neurons are not ablated
    pub smallest: usize,
    /// also cluster Gaussian noise of the neurons' shape, once
    pub control: bool,
    /// also cluster in the other basis of the operands, with its own period: p of the additive one
    pub wrong_basis: bool,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            threshold: 0.85,
            basis: "auto".to_owned(),
            losses: true,
            smallest: 4,
            control: true,
            wrong_basis: false,
        }
    }
}

/// The running analysis.
pub struct NeuronClustering {
    config: Config,
    task: Task,
    space: Space,
    rows: Rows,
    wrong: Option<Space>,
    trajectory: Trajectory,
}

impl Analysis for NeuronClustering {
    type Config = Config;
    const MANIFEST: Manifest = Manifest::new(
        "neuron-clustering",
        "0.1.0",
        "which neurons compute which frequency, and the loss without each cluster",
    )
    .definition(
        "A neuron belongs to the frequency whose products of {1, cos, sin} of a and of b explain most of its variance over the pairs that count, if that is at least the threshold (Nanda et al. 2023; ARENA). Those are the pairs whose operands are in the group: all of an addition, those without a 0 of a multiplication, train and test together. Clean-neuron loss: neurons reduced to those terms, through W_out W_U alone, with bias correction, over the same pairs.",
    )
    .needs(&[
        "weight.*",
        "*.hook_pre",
        "*.hook_post",
        "logits",
    ])
    .scope(Scope::Any);

    fn check(config: &Config) -> Result<(), Failure> {
        if !(config.threshold > 0.0 && config.threshold <= 1.0) {
            return Err(Failure::parameter(
                "threshold",
                "must be above 0 and at most 1",
            ));
        }
        check_basis("basis", &config.basis)
    }

    fn new(config: Config, task: &Task) -> Result<Self, Failure> {
        let space = space(&config.basis, task)?;
        let wrong = space.wrong_space().filter(|_| config.wrong_basis);
        Ok(NeuronClustering {
            rows: Rows::new(task, space.pairs.iter().copied()),
            space,
            wrong,
            trajectory: Trajectory::default(),
            task: task.clone(),
            config,
        })
    }

    fn observe(&mut self, snapshot: &Snapshot<'_>, out: &mut dyn Sink) -> Result<(), Failure> {
        let (post, p) = (snapshot.post()?, self.task.modulus);
        let d = post.size(1);
        let clusters = Clusters::new(&self.space.energies(post.data()), self.config.threshold);
        out.scalar("neurons in clusters", clusters.clustered() as f64);
        out.scalar("clusters", clusters.members.len() as f64);
        out.scalar("neurons in none", clusters.rest.len() as f64);
        out.scalar("mean fraction", clusters.mean_fraction());
        let of =
            |pick: fn(&(usize, f64)) -> f32| clusters.best.iter().map(pick).collect::<Vec<_>>();
        out.tensor("frequency", &[d], of(|(k, _)| *k as f32));
        out.tensor("fraction", &[d], of(|(_, fraction)| *fraction as f32));
        let mut counts = vec![0.0f32; self.space.count()];
        for (k, members) in &clusters.members {
            counts[k - 1] = members.len() as f32;
        }
        out.tensor("cluster-counts", &[counts.len()], counts);
        let active = active(snapshot.pre()?, &self.space.pairs);
        out.tensor("active", &[d], active.iter().map(|x| *x as f32));
        if let Some(wrong) = &self.wrong {
            let other = Clusters::new(&wrong.energies(post.data()), self.config.threshold);
            out.scalar("neurons in clusters, wrong basis", other.clustered() as f64);
            out.scalar("mean fraction, wrong basis", other.mean_fraction());
        }
        if self.config.control && snapshot.epoch() == 0 {
            let noise = gaussian(1, post.data().len());
            let other = Clusters::new(&self.space.energies(&noise), self.config.threshold);
            out.tensor(
                "noise-fraction",
                &[d],
                other.best.iter().map(|(_, x)| *x as f32),
            );
            self.trajectory.noise = Some((other.clustered(), other.mean_fraction()));
        }
        for layer in self.earlier_layers() {
            let post = snapshot.tensor(&format!("{layer}.hook_post"))?;
            let energies = self.space.energies(post.data());
            let other = Clusters::new(&energies, self.config.threshold);
            out.scalar(
                &format!("neurons in clusters, {layer}"),
                other.clustered() as f64,
            );
            out.scalar(&format!("mean fraction, {layer}"), other.mean_fraction());
        }
        let losses = if self.config.losses && self.task.model.is_shallow() {
            let w_l = neuron_logit_map(snapshot, p)?;
            let model = Model {
                post: post.data(),
                w_l: &w_l,
                logits: snapshot.logits()?.data(),
                rows: &self.rows,
                p,
            };
            let losses = losses(&self.space, &clusters, &model, self.config.smallest);
            out.scalar("loss", losses.original);
            out.scalar("clean-neuron loss", losses.clean);
            for (k, loss) in &losses.without {
                let name = self.space.basis().name_of(*k);
                out.scalar(&format!("loss without cluster {name}"), *loss);
            }
            Some(losses)
        } else {
            None
        };
        self.trajectory.push(Measured {
            epoch: snapshot.epoch(),
            clusters,
            active,
            losses,
        });
        Ok(())
    }

    fn finish(&mut self, out: &mut dyn Sink) -> Result<(), Failure> {
        self.trajectory
            .tables(&self.space, self.config.threshold, out);
        self.trajectory
            .draw(&self.space, self.config.threshold, out);
        if let Some(note) = numbering(self.space.basis()) {
            out.note(note);
        }
        let model = &self.task.model;
        if !model.is_shallow() {
            out.note(format!(
                "clusters are those of {}, the last of {} layers of neurons; the others have series of their own. No losses: more than W_out W_U lies between neurons and logits, or beside them",
                model.layers.last().map_or("no layer", String::as_str),
                model.layers.len()
            ));
        }
        Ok(())
    }
}

impl NeuronClustering {
    /// Returns the names of the layers of neurons before the last.
    fn earlier_layers(&self) -> &[String] {
        let layers = &self.task.model.layers;
        &layers[..layers.len().saturating_sub(1)]
    }
}

/// Returns the share of the pairs that count at which each neuron's input is above 0.
fn active(pre: Tensor<'_>, pairs: &[usize]) -> Vec<f64> {
    let mut counts = vec![0u32; pre.size(1)];
    for pair in pairs {
        for (count, x) in counts.iter_mut().zip(pre.row(*pair)) {
            *count += u32::from(*x > 0.0);
        }
    }
    let all = pairs.len().max(1) as f64;
    counts.into_iter().map(|c| f64::from(c) / all).collect()
}

grokrun_api::export_plugin!(NeuronClustering);

#[cfg(test)]
mod tests;
