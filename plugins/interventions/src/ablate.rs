//! Computes the logits of a model after an intervention.

use grokrun_measures::{Flow, Forward, HeadMode, Rows};

use crate::kind::Kind;

/// Holds a model with what its interventions need: means over the pairs that have a label.
pub(crate) struct AblatedModel<'a> {
    forward: Forward<'a>,
    /// mean of each head's contribution beyond its `rest`
    head_means: Vec<Flow>,
    /// mean attention of each head, to a and b
    attention: Vec<[f32; 2]>,
    /// contribution of the neurons to the logits of the model itself, `(p², p)`
    neurons: Vec<f32>,
    /// contribution past the neurons, `(p², p)`
    direct: Vec<f32>,
    /// contribution of the neurons, the mean over pairs `(p)`
    neurons_mean: Vec<f32>,
    direct_mean: Vec<f32>,
}

impl<'a> AblatedModel<'a> {
    /// Prepares a model; means are over the pairs of `all`.
    pub(crate) fn new(forward: Forward<'a>, all: &Rows) -> AblatedModel<'a> {
        let (base, modes) = (forward.base(), forward.head_modes());
        let neurons = forward.neurons(&base, &modes);
        let direct = forward.direct(&base, &modes);
        let p = forward.model().p;
        AblatedModel {
            head_means: (0..modes.len())
                .map(|head| head_mean(&forward, head, all))
                .collect(),
            attention: (0..modes.len())
                .map(|head| mean_attention(&forward, head, all))
                .collect(),
            neurons_mean: mean(&neurons, p, all),
            direct_mean: mean(&direct, p, all),
            neurons,
            direct,
            forward,
        }
    }

    /// Returns the model's own logits, `(p², p)`.
    pub(crate) fn own(&self) -> Vec<f32> {
        sum(self.neurons.clone(), &self.direct)
    }

    /// Passes on the logits after an intervention, `(p², p)`, each with its name: several if the
    /// intervention is on one head at a time.
    pub(crate) fn logits(&self, kind: Kind, mut take: impl FnMut(&str, Vec<f32>)) {
        let pairs = self.forward.model().p.pow(2);
        // b_U, and b_O and b_out through W_U, stay when a path is cut.
        let biases = &self.forward.biases.direct;
        match kind {
            Kind::HeadZero => {
                for head in 0..self.head_means.len() {
                    take(&format!("head {head} zero"), self.without(&[head], false));
                }
            }
            Kind::HeadMean => {
                for head in 0..self.head_means.len() {
                    take(&format!("head {head} mean"), self.without(&[head], true));
                }
            }
            Kind::AllHeadsZero => take("all heads zero", self.without(&self.every(), false)),
            Kind::AllHeadsMean => take("all heads mean", self.without(&self.every(), true)),
            Kind::MeanAttention => {
                let fixed = |(head, mean): (usize, &[f32; 2])| HeadMode {
                    head,
                    fixed: Some(*mean),
                };
                let modes: Vec<HeadMode> = self.attention.iter().enumerate().map(fixed).collect();
                take("mean attention", self.run(&self.forward.base(), &modes));
            }
            Kind::MlpZero => take("mlp zero", self.direct.clone()),
            Kind::MlpMean => {
                let constant = self.neurons_mean.repeat(pairs);
                take("mlp mean", sum(constant, &self.direct));
            }
            Kind::SkipAttentionZero => {
                let mut base = self.forward.base();
                let Flow { hidden, direct } = &self.forward.residual;
                base.add_scaled(-1.0, hidden, direct);
                take(
                    "skip attention zero",
                    self.run(&base, &self.forward.head_modes()),
                );
            }
            // The residual stream before attention is the same for all pairs, and so its own mean.
            Kind::SkipAttentionMean => take("skip attention mean", self.own()),
            Kind::SkipMlpZero => {
                take("skip mlp zero", sum(biases.repeat(pairs), &self.neurons));
            }
            Kind::SkipMlpMean => {
                let constant = self.direct_mean.repeat(pairs);
                take("skip mlp mean", sum(constant, &self.neurons));
            }
        }
    }

    fn every(&self) -> Vec<usize> {
        (0..self.head_means.len()).collect()
    }

    /// Returns the logits without the output of these heads, or with its mean.
    fn without(&self, heads: &[usize], with_mean: bool) -> Vec<f32> {
        let mut base = self.forward.base();
        for head in heads {
            if with_mean {
                base.add(&self.head_means[*head])
            } else {
                let Flow { hidden, direct } = &self.forward.heads[*head].rest;
                base.add_scaled(-1.0, hidden, direct);
            }
        }
        let mut modes = self.forward.head_modes();
        modes.retain(|mode| !heads.contains(&mode.head));
        self.run(&base, &modes)
    }

    fn run(&self, base: &Flow, modes: &[HeadMode]) -> Vec<f32> {
        sum(
            self.forward.neurons(base, modes),
            &self.forward.direct(base, modes),
        )
    }
}

/// Returns the mean over pairs of a head's attention to a and to b.
fn mean_attention(forward: &Forward<'_>, head: usize, all: &Rows) -> [f32; 2] {
    let mut sums = [0.0f64; 2];
    for pair in all.pairs() {
        let weights = forward.heads[head].attention[pair];
        sums.iter_mut()
            .zip(weights)
            .for_each(|(s, w)| *s += f64::from(w));
    }
    sums.map(|sum| (sum / all.len().max(1) as f64) as f32)
}

/// Returns the mean over pairs of a head's contribution beyond its `rest`: each token's row times
/// the mean attention that it gets.
fn head_mean(forward: &Forward<'_>, head: usize, all: &Rows) -> Flow {
    let model = forward.model();
    let (p, f) = (model.p, model.d_mlp);
    let mut weights = [vec![0.0f64; p], vec![0.0f64; p]];
    let head = &forward.heads[head];
    for pair in all.pairs() {
        let [to_a, to_b] = head.attention[pair];
        weights[0][pair / p] += f64::from(to_a);
        weights[1][pair % p] += f64::from(to_b);
    }
    let count = all.len().max(1) as f64;
    let mut flow = Flow {
        hidden: vec![0.0; f],
        direct: vec![0.0; p],
    };
    for (place, weights) in weights.iter().enumerate() {
        let (hidden, direct) = (&head.hidden[place], &head.direct[place]);
        for (token, weight) in weights.iter().enumerate() {
            let hidden = &hidden[token * f..(token + 1) * f];
            let direct = &direct[token * p..(token + 1) * p];
            flow.add_scaled((weight / count) as f32, hidden, direct);
        }
    }
    flow
}

/// Returns the mean over pairs of a table `(p², p)`.
fn mean(table: &[f32], p: usize, all: &Rows) -> Vec<f32> {
    let mut sums = vec![0.0f64; p];
    for pair in all.pairs() {
        let row = &table[pair * p..(pair + 1) * p];
        sums.iter_mut()
            .zip(row)
            .for_each(|(s, x)| *s += f64::from(*x));
    }
    let count = all.len().max(1) as f64;
    sums.iter().map(|sum| (sum / count) as f32).collect()
}

fn sum(mut x: Vec<f32>, y: &[f32]) -> Vec<f32> {
    x.iter_mut().zip(y).for_each(|(x, y)| *x += y);
    x
}
