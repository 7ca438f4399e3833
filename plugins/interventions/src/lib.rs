//! The analysis `interventions`: what a model loses when a part of it is taken out.
//!
//! | in a spec | series | what is done |
//! |---|---|---|
//! | `head-zero`, `head-mean` | `head 0 zero`, … | the output of one head (through W_O) is 0, or its mean |
//! | `all-heads-zero`, `all-heads-mean` | `all heads zero`, … | that of all heads |
//! | `mean-attention` | `mean attention` | each head's attention to a, b and '=' is its mean; what it looks at is still the pair's |
//! | `mlp-zero`, `mlp-mean` | `mlp zero`, … | the MLP's output is 0, or its mean |
//! | `skip-attention-zero`, `skip-attention-mean` | `skip attention zero`, … | the residual stream before attention, W_E\[=\] + W_pos\[2\], is not added to attention's output; attention still asks with it. It is the same for all pairs, so that its mean is itself and nothing changes |
//! | `skip-mlp-zero`, `skip-mlp-mean` | `skip mlp zero`, … | the residual stream after attention is not added to the MLP's output, or its mean is; the MLP still reads it |
//!
//! Means are over all pairs that have a label, as in Nanda et al. (2023), and not over the train
//! pairs. b_O, b_out and b_U stay; b_V belongs to its head. Losses are mean cross-entropies, over
//! the train and the test pairs, without bias correction (doc/definitions.md#interventions): series
//! `train loss, head 0 zero`, `test accuracy, mlp mean`, … and `train loss, none` for the model
//! itself.
//!
//! The paper's figures for its p = 113 model, over all pairs: 2.41e-7 as it is, skip path around
//! the MLP zero 9.12e-7 and mean 7.25e-7, heads zeroed 24.3, skip around attention 19.1 (second
//! hand, and whether "skip around attention" means its output too is not said there).
//!
//! The forward pass is computed here from the weights, and compared with the snapshot's logits at
//! each call: series `forward difference`, the largest difference over the largest logit. Above
//! 0.001 the analysis fails, since nothing else that it says would hold.
//!
//! Each head, and three more, cost a forward pass over the whole grid: 0.3 core-seconds at
//! p = 113 with all interventions and 4 heads. So it is called each 1000 epochs unless a spec says
//! otherwise.

mod ablate;
mod figures;
mod kind;

use ablate::AblatedModel;
use figures::{Scores, Trajectory};
use grokrun_api::prelude::*;
use grokrun_measures::{Forward, Model, Rows, Shift};
use kind::Kind;

/// The largest difference from the snapshot's logits, relative to the largest of them, that
/// rounding may cause.
const LARGEST_DIFFERENCE: f64 = 1e-3;

/// The parameters of the analysis.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(crate = "grokrun_api::serde", default, deny_unknown_fields)]
#[schemars(crate = "grokrun_api::schemars")]
pub struct Config {
    /// which interventions: names of the list, all of them by default
    pub interventions: Vec<String>,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            interventions: Kind::ALL.map(|(name, _)| name.to_owned()).into(),
        }
    }
}

/// The running analysis.
pub struct Interventions {
    task: Task,
    kinds: Vec<Kind>,
    train: Rows,
    test: Rows,
    all: Rows,
    trajectory: Trajectory,
}

impl Analysis for Interventions {
    type Config = Config;
    const MANIFEST: Manifest = Manifest::new(
        "interventions",
        "0.1.0",
        "loss and accuracy without a head, the MLP or a skip path, and with mean attention",
    )
    .definition(
        "Zero or mean ablation of the output of a head, of all heads, of the MLP, of the residual stream before attention and after it (the skip paths); attention replaced by its mean. Means over all pairs that have a label. Train and test cross-entropy without bias correction. After Nanda et al. (2023), who give the loss over all pairs.",
    )
    .needs(&["weight.*", "logits"])
    .cadence(Cadence::Every(1000));

    fn check(config: &Config) -> Result<(), Failure> {
        kinds(config).map(|_| ())
    }

    fn new(config: Config, task: &Task) -> Result<Self, Failure> {
        Ok(Interventions {
            kinds: kinds(&config)?,
            train: Rows::train(task),
            test: Rows::test(task),
            all: Rows::all(task),
            task: task.clone(),
            trajectory: Trajectory::default(),
        })
    }

    fn observe(&mut self, snapshot: &Snapshot<'_>, out: &mut dyn Sink) -> Result<(), Failure> {
        let forward = Forward::new(Model::of(snapshot, &self.task)?);
        let model = AblatedModel::new(forward, &self.all);
        let own = model.own();
        let difference = difference(&own, snapshot.logits()?)?;
        out.scalar("forward difference", difference);
        if difference > LARGEST_DIFFERENCE {
            return Err(Failure::new(format!(
                "the logits that follow from the weights of epoch {} differ from the model's by {difference:.1e} of the largest; expected {LARGEST_DIFFERENCE} at most",
                snapshot.epoch()
            )));
        }

        let mut measured: Vec<(String, Scores)> = Vec::new();
        let mut take = |name: &str, logits: &[f32]| {
            let none = Shift::none(self.task.modulus);
            let scores = [&self.train, &self.test].map(|rows| rows.score(logits, &none));
            for (split, score) in ["train", "test"].iter().zip(scores) {
                out.scalar(&format!("{split} loss, {name}"), score.loss);
                out.scalar(&format!("{split} accuracy, {name}"), score.accuracy);
            }
            measured.push((name.to_owned(), scores));
        };
        take("none", &own);
        for kind in &self.kinds {
            model.logits(*kind, |name, logits| take(name, &logits));
        }
        self.trajectory.push(snapshot.epoch(), measured);
        Ok(())
    }

    fn finish(&mut self, out: &mut dyn Sink) -> Result<(), Failure> {
        self.trajectory.report(out);
        if self.kinds.contains(&Kind::SkipAttentionMean) {
            out.note(
                "skip-attention-mean: the residual stream at '=' before attention is the same for all pairs, so that its mean is itself and the model is unchanged",
            );
        }
        Ok(())
    }
}

/// Returns the interventions of a spec, each once, in the order of the list.
fn kinds(config: &Config) -> Result<Vec<Kind>, Failure> {
    if config.interventions.is_empty() {
        return Err(Failure::parameter(
            "interventions",
            format!("must have one at least, of {}", Kind::names()),
        ));
    }
    let mut wanted = Vec::new();
    for word in &config.interventions {
        let kind = Kind::parse(word).ok_or_else(|| {
            Failure::parameter(
                "interventions",
                format!("has `{word}`; each must be one of {}", Kind::names()),
            )
        })?;
        wanted.push(kind);
    }
    let in_order = Kind::ALL.iter().map(|(_, kind)| *kind);
    Ok(in_order.filter(|kind| wanted.contains(kind)).collect())
}

/// Returns max |x − y| / max |y| over all pairs and classes; 0 if both are only zeros, NaN if a
/// number is.
fn difference(own: &[f32], theirs: Tensor<'_>) -> Result<f64, Failure> {
    let theirs = theirs.data();
    if theirs.len() != own.len() {
        return Err(Failure::new(format!(
            "the logits have {} numbers; expected {}, p for each of the p² pairs",
            theirs.len(),
            own.len()
        )));
    }
    let (mut apart, mut size) = (0.0f64, 0.0f64);
    for (x, y) in own.iter().zip(theirs) {
        let (x, y) = (f64::from(*x), f64::from(*y));
        if !(x - y).is_finite() {
            return Ok(f64::NAN);
        }
        apart = apart.max((x - y).abs());
        size = size.max(y.abs());
    }
    Ok(if apart == 0.0 { 0.0 } else { apart / size })
}

grokrun_api::export_plugin!(Interventions);

#[cfg(test)]
mod tests;
