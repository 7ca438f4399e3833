//! Fits each neuron with the polynomial of degree 2 nearest to it.

use std::collections::BTreeMap;

use grokrun_api::Failure;
use grokrun_measures::{product, product_at};

use crate::block::{Block, Terms};

/// Holds a neuron and its fits; shares of centred variance.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Neuron {
    /// frequency of its output's largest energy; 0 if the neuron is constant
    pub(crate) frequency: usize,
    /// share of its output, by the terms of the frequency
    pub(crate) r2: f64,
    /// share without products
    pub(crate) linear: f64,
    /// share of its input, by the waves of the frequency: terms that are not products
    pub(crate) waves: f64,
    /// share of ReLU of its own waves, by the terms
    pub(crate) own_r2: f64,
    /// the same without products
    pub(crate) own_linear: f64,
    /// its waves: mean, amplitude along a, along b
    pub(crate) amplitudes: [f64; 3],
}

/// Holds tables of a snapshot over the grid of pairs.
pub(crate) struct Model<'a> {
    /// the neurons' inputs and outputs, `(p², d_mlp)`
    pub(crate) pre: &'a [f32],
    pub(crate) post: &'a [f32],
    /// W_L = W_out W_U, `(d_mlp, p)`
    pub(crate) w_l: &'a [f32],
    /// `(p², p)`
    pub(crate) logits: &'a [f32],
    pub(crate) d: usize,
    pub(crate) p: usize,
}

/// Holds the fits of all neurons of a snapshot.
pub(crate) struct Fits {
    pub(crate) neurons: Vec<Neuron>,
    /// loss of the model
    pub(crate) loss: f64,
    /// loss with every neuron replaced by its polynomial
    pub(crate) every: f64,
    /// loss with only those replaced that reach the threshold
    pub(crate) explained: f64,
}

impl Fits {
    /// Fits a snapshot; `best` is each neuron's frequency and the share that its terms explain,
    /// `(d_mlp)`.
    ///
    /// # Errors
    /// If a table does not have its shape.
    pub(crate) fn new(
        block: &Block,
        model: &Model<'_>,
        best: &[(usize, f64)],
        threshold: f64,
    ) -> Result<Fits, Failure> {
        let mut neurons = vec![Neuron::default(); model.d];
        // By frequency, those above the threshold apart.
        let mut groups: BTreeMap<(usize, bool), Vec<usize>> = BTreeMap::new();
        for (neuron, (k, share)) in best.iter().enumerate().take(model.d) {
            neurons[neuron].frequency = *k;
            neurons[neuron].r2 = *share;
            if *k > 0 {
                let group = groups.entry((*k, *share >= threshold)).or_default();
                group.push(neuron);
            }
        }
        let classes: Vec<usize> = (0..model.p).collect();
        let logits = block.columns("logits", model.logits, model.p, &classes)?;
        let mut every = logits.clone();
        let mut explained = logits.clone();
        let mut terms: Option<(usize, Terms)> = None;
        for ((k, reaches), members) in &groups {
            let pre = block.columns("pre", model.pre, model.d, members)?;
            let post = block.columns("post", model.post, model.d, members)?;
            let terms = match &mut terms {
                Some((of, terms)) if of == k => terms,
                other => &mut other.insert((*k, block.terms(*k))).1,
            };
            let group = Group { members, pre, post };
            let lost = group.fit(block, model, terms, &mut neurons);
            every.iter_mut().zip(&lost).for_each(|(l, x)| *l -= x);
            if *reaches {
                explained.iter_mut().zip(&lost).for_each(|(l, x)| *l -= x);
            }
        }
        Ok(Fits {
            neurons,
            loss: block.loss(&logits),
            every: block.loss(&every),
            explained: block.loss(&explained),
        })
    }
}

/// Holds neurons of one frequency.
struct Group<'a> {
    members: &'a [usize],
    /// their inputs and outputs, `(N, members)`
    pre: Vec<f32>,
    post: Vec<f32>,
}

impl Group<'_> {
    /// Fits neurons of one frequency, and returns what they would add to the logits beyond their
    /// polynomials, `(N, p)`.
    fn fit(
        self,
        block: &Block,
        model: &Model<'_>,
        terms: &Terms,
        neurons: &mut [Neuron],
    ) -> Vec<f32> {
        let Group {
            members,
            pre,
            mut post,
        } = self;
        let count = block.pairs.len();
        let t = terms.functions.len() / count.max(1);
        let coefficients = product(&terms.functions, &post, count);
        let output = shares(&post, &coefficients, members.len(), terms.linear);

        let linear = &terms.functions[..terms.linear * count];
        let waves = product(linear, &pre, count);
        let input = shares(&pre, &waves, members.len(), terms.linear);
        let mut own = product_at(linear, &waves, terms.linear);
        own.iter_mut().for_each(|x| *x = x.max(0.0));
        let of_own = product(&terms.functions, &own, count);
        let own = shares(&own, &of_own, members.len(), terms.linear);

        // A wave of length 1 over n² pairs with an alternating row has an amplitude of 1/n, others
        // √2/n.
        let n = (count as f64).sqrt();
        let unit = if terms.of_a == 1 { 1.0 } else { 2f64.sqrt() } / n;
        for (at, neuron) in members.iter().enumerate() {
            let length = |rows: std::ops::Range<usize>| -> f64 {
                let of = |row: usize| f64::from(waves[row * members.len() + at]);
                unit * rows.map(|row| of(row).powi(2)).sum::<f64>().sqrt()
            };
            let neuron = &mut neurons[*neuron];
            neuron.linear = output[at][1];
            neuron.waves = input[at][1];
            [neuron.own_r2, neuron.own_linear] = own[at];
            neuron.amplitudes = [
                f64::from(waves[at]) / n,
                length(1..1 + terms.of_a),
                length(1 + terms.of_a..terms.linear),
            ];
        }

        let fitted = product_at(&terms.functions, &coefficients, t);
        post.iter_mut().zip(&fitted).for_each(|(x, y)| *x -= y);
        let p = model.p;
        let mut w_l = Vec::with_capacity(members.len() * p);
        for neuron in members {
            w_l.extend_from_slice(&model.w_l[neuron * p..(neuron + 1) * p]);
        }
        product(&post, &w_l, members.len())
    }
}

/// Returns, for each column of a table `(N, width)`, the share of its centred variance along all
/// terms but the constant, and along the first `linear` of them, from its coefficients `(t,
/// width)`.
fn shares(table: &[f32], coefficients: &[f32], width: usize, linear: usize) -> Vec<[f64; 2]> {
    let (mut sums, mut squares) = (vec![0.0; width], vec![0.0; width]);
    for row in table.chunks_exact(width) {
        for ((sum, square), x) in sums.iter_mut().zip(&mut squares).zip(row) {
            let x = f64::from(*x);
            *sum += x;
            *square += x * x;
        }
    }
    let count = (table.len() / width).max(1) as f64;
    (0..width)
        .map(|column| {
            let total = squares[column] - sums[column] * sums[column] / count;
            // Only a rounding error is left of a column that is constant.
            if total <= 1e-12 * squares[column] {
                return [0.0; 2];
            }
            let of = coefficients.iter().skip(column).step_by(width);
            let energies = of.map(|c| f64::from(*c).powi(2));
            let along = |terms: usize| energies.clone().take(terms).skip(1).sum::<f64>() / total;
            [along(usize::MAX), along(linear)]
        })
        .collect()
}
