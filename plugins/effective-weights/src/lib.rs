//! The analysis `effective-weights`: what the products of the weights do to a token.
//!
//! | matrix | definition | shape |
//! |---|---|---|
//! | W_OV | W_V W_O of a head, and with the embedding before it W_E W_V W_O, a function of the token | `(p, d_model)` |
//! | W_neur | W_E W_V W_O W_in of a head: what a token adds to each neuron where the head looks at it | `(p, d_mlp)` |
//! | W_attn | (W_E\[=\] + W_pos\[2\]) W_Q W_Kᵀ W_Eᵀ / √d_head of a head: the token's part of its score | `(p)` |
//! | W_L | W_out W_U, as a function of the class | `(d_mlp, p)` |
//!
//! The paper writes W_attn **without** the division by √d_head, which the model does; ARENA
//! divides, and so does this: the numbers are the scores that the softmax is given. Each matrix is
//! taken in the operation's basis along its token (or class) axis. For multiplication the token is
//! its logarithm to the smallest primitive root, and 0, which has none, stays outside of all
//! shares. For an operation whose operands have no angle W_E, and all that starts with it, is taken
//! in the additive basis, where it need not be periodic; a note says so.
//!
//! - **Frequency and fraction explained** of W_attn by head: the frequency with the largest share
//!   of the sum of squares over the group, without the mean, and this share (the paper's FVE of
//!   Figure 8). For multiplication token and class 0 are outside of the group and do not count. The
//!   same of W_neur and W_E W_OV by head, and of W_L, over all columns together.
//! - **In keys**: the share that the key frequencies of the snapshot have together. Its control is
//!   the same of Gaussian noise in the shape of W_neur; that of the fraction, of noise in the shape
//!   of W_attn.
//! - **Attention** of each head from '=', from the scores and their softmax in f64, over all pairs
//!   that have a label: its mean to a, to b and to '=', and that to a as a function of a (mean over
//!   b), whose own frequency and fraction are given too: a softmax makes harmonics, which W_attn
//!   has not.
//!
//! Needs weights alone: attention follows from them exactly.

mod attention;
mod figures;
mod maps;
mod power;

use attention::Attention;
use figures::{Measured, Trajectory};
use grokrun_api::prelude::*;
use grokrun_basis::{Space, gaussian};
use grokrun_measures::{KeyRule, by_class, check_basis, neuron_logit_map, numbering, space};
use maps::Maps;
use power::Power;

/// The parameters of the analysis.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(crate = "grokrun_api::serde", default, deny_unknown_fields)]
#[schemars(crate = "grokrun_api::schemars")]
pub struct Config {
    /// auto (the one that suits the operation), additive, multiplicative, group or labels
    pub basis: String,
    /// key frequencies of each snapshot: those above a quarter of the largest norm of W_L or of W_E
    pub keys: String,
    /// also measure Gaussian noise of the shapes of W_attn and W_neur
    pub control: bool,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            basis: "auto".to_owned(),
            keys: "W_L".to_owned(),
            control: true,
        }
    }
}

/// The running analysis.
pub struct EffectiveWeights {
    space: Space,
    rule: KeyRule,
    task: Task,
    /// the control: W_attn of each head, and W_neur, of noise
    noise: Option<(Vec<Power>, Power)>,
    trajectory: Trajectory,
}

impl Analysis for EffectiveWeights {
    type Config = Config;
    const MANIFEST: Manifest = Manifest::new(
        "effective-weights",
        "0.1.0",
        "W_OV, W_neur, W_attn and W_L in the basis; attention as a function of the token",
    )
    .definition(
        "W_neur = W_E W_V W_O W_in; W_attn = (W_E[=] + W_pos[2]) W_Q W_K^T W_E^T / sqrt(d_head), where Nanda et al. (2023) omit the division and ARENA does not; W_L = W_out W_U. Fraction explained: share of a frequency, cosine and sine, in the sum of squares over the group without the mean; what is outside of the group, token and class 0 of a multiplication, does not count, where the residual of logit-directions counts class 0. Attention: softmax of the scores in f64, over all pairs that have a label.",
    )
    .needs(&["weight.*"]);

    fn check(config: &Config) -> Result<(), Failure> {
        KeyRule::parse("keys", &config.keys)?;
        check_basis("basis", &config.basis)
    }

    fn new(config: Config, task: &Task) -> Result<Self, Failure> {
        let p = task.modulus;
        let space = space(&config.basis, task)?;
        let basis = space.basis();
        let noise = config.control.then(|| {
            let of = |seed: i64, width: usize| gaussian(seed, p * width);
            let head = |h: usize| Power::of_table(basis, &of(2 + h.cast_signed() as i64, 1));
            let heads = (0..task.model.heads).map(head).collect();
            (heads, Power::of_table(basis, &of(1, task.model.d_mlp)))
        });
        Ok(EffectiveWeights {
            rule: KeyRule::parse("keys", &config.keys)?,
            trajectory: Trajectory::default(),
            task: task.clone(),
            space,
            noise,
        })
    }

    fn observe(&mut self, snapshot: &Snapshot<'_>, out: &mut dyn Sink) -> Result<(), Failure> {
        let (p, basis) = (self.task.modulus, self.space.basis());
        let maps = Maps::new(snapshot, p)?;
        let keys = self.rule.keys(basis, snapshot)?;

        let scores: Vec<&[f64]> = maps.scores.iter().map(|s| s.token.as_slice()).collect();
        let heads = scores.len();
        let attention: Vec<Attention> = maps
            .scores
            .iter()
            .map(|scores| Attention::new(scores, &self.task))
            .collect();
        let w_attn: Vec<Vec<f64>> = scores.iter().map(|s| basis.forward_wide(s)).collect();
        let of_scores: Vec<Power> = w_attn.iter().map(|c| Power::of(basis, c)).collect();
        let of_attention: Vec<Power> = attention
            .iter()
            .map(|a| Power::of(basis, &basis.forward_wide(&a.to_a)))
            .collect();
        let by_head = |tables: &[Vec<f32>]| -> Vec<Power> {
            let of = |table: &Vec<f32>| Power::of_table(basis, table);
            tables.iter().map(of).collect()
        };
        let (w_ov, w_neur) = (by_head(&maps.w_ov), by_head(&maps.w_neur));
        let w_l = basis.forward(&by_class(&neuron_logit_map(snapshot, p)?, p));
        let of_w_l = Power::of(basis, &w_l);

        for (head, attention) in attention.iter().enumerate() {
            for (to, mean) in ["a", "b", "="].iter().zip(attention.mean) {
                out.scalar(&format!("attention to {to}, head {head}"), mean);
            }
            for (name, power) in [
                ("W_attn", &of_scores[head]),
                ("attention", &of_attention[head]),
                ("W_OV", &w_ov[head]),
                ("W_neur", &w_neur[head]),
            ] {
                let (k, fraction) = power.best();
                out.scalar(&format!("{name} frequency, head {head}"), k as f64);
                out.scalar(&format!("{name} fraction, head {head}"), fraction);
            }
        }
        for (name, powers) in [
            ("W_attn", of_scores.as_slice()),
            ("W_OV", w_ov.as_slice()),
            ("W_neur", w_neur.as_slice()),
            ("W_L", std::slice::from_ref(&of_w_l)),
        ] {
            out.scalar(&format!("{name} in keys"), sum(powers).share(&keys));
            let narrow = |power: &Power| -> Vec<f32> {
                power.frequencies.iter().map(|x| x.sqrt() as f32).collect()
            };
            let norms: Vec<f32> = powers.iter().flat_map(narrow).collect();
            let shape = [powers.len(), basis.count()];
            let shape = if name == "W_L" { &shape[1..] } else { &shape };
            out.tensor(&format!("{name}-norms"), shape, norms);
        }
        if let Some((_, noise)) = &self.noise {
            out.scalar("noise in keys", noise.share(&keys));
        }
        let narrow =
            |rows: Vec<&[f64]>| -> Vec<f32> { rows.concat().iter().map(|x| *x as f32).collect() };
        let to_a = attention.iter().map(|a| a.to_a.as_slice()).collect();
        let to_b = attention.iter().map(|a| a.to_b.as_slice()).collect();
        out.tensor("W_attn", &[heads, p], narrow(scores.clone()));
        out.tensor("attention-to-a", &[heads, p], narrow(to_a));
        out.tensor("attention-to-b", &[heads, p], narrow(to_b));
        let means = attention.iter().flat_map(|a| a.mean);
        out.tensor("mean-attention", &[heads, 3], means.map(|x| x as f32));

        let norms = |powers: &[Power]| powers.iter().map(Power::norms).collect();
        let measured = Measured {
            scores: scores.iter().map(|row| row.to_vec()).collect(),
            w_ov: norms(&w_ov),
            w_neur: norms(&w_neur),
            w_attn,
            attention,
        };
        let bests = [&of_scores, &of_attention, &w_ov, &w_neur]
            .map(|powers| powers.iter().map(Power::best).collect());
        self.trajectory
            .push(snapshot.epoch(), measured, bests, keys, w_l);
        Ok(())
    }

    fn finish(&mut self, out: &mut dyn Sink) -> Result<(), Failure> {
        let noise: Option<Vec<f64>> = self
            .noise
            .as_ref()
            .map(|(heads, _)| heads.iter().map(|power| power.best().1).collect());
        let basis = self.space.basis();
        self.trajectory.tables(basis, noise.as_deref(), out);
        self.trajectory.draw(basis, out);
        let mut note = format!("basis: {}", self.space);
        if let Some(root) = basis.root() {
            note.push_str(&format!(
                ", tokens in the order of their logarithm to {root}; 0 has none and is outside"
            ));
        }
        if self.space.operands().is_none() {
            note.push_str(
                "; a token has no angle in this operation, so that W_attn, W_OV and W_neur, taken in the additive basis, need not be periodic",
            );
        }
        out.note(note);
        if let Some(note) = numbering(basis) {
            out.note(note);
        }
        Ok(())
    }
}

/// Adds the powers of several heads.
fn sum(powers: &[Power]) -> Power {
    let mut sum = powers.first().cloned().unwrap_or_default();
    for power in powers.iter().skip(1) {
        let add = |to: &mut [f64], from: &[f64]| to.iter_mut().zip(from).for_each(|(t, x)| *t += x);
        add(&mut sum.rows, &power.rows);
        add(&mut sum.frequencies, &power.frequencies);
    }
    sum
}

grokrun_api::export_plugin!(EffectiveWeights);

#[cfg(test)]
mod tests;
