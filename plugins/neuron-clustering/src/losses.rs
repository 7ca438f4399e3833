//! Computes the loss of cleaned neurons, and without each cluster.

use std::collections::BTreeMap;

use grokrun_basis::{Basis, Space, vectorized};
use grokrun_measures::{Rows, Shift, product};
use rayon::prelude::*;

use crate::clusters::Clusters;

/// Holds tables of a snapshot.
pub(crate) struct Model<'a> {
    /// the neurons' outputs, `(p², d_mlp)`
    pub(crate) post: &'a [f32],
    /// W_L = W_out W_U, `(d_mlp, p)`
    pub(crate) w_l: &'a [f32],
    /// `(p², p)`
    pub(crate) logits: &'a [f32],
    /// the pairs that count
    pub(crate) rows: &'a Rows,
    /// number of classes
    pub(crate) p: usize,
}

/// Holds mean cross-entropies over the pairs that count, all with bias correction.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Losses {
    /// of the model itself
    pub(crate) original: f64,
    /// of neurons alone, each reduced to the terms of its cluster's frequency
    pub(crate) clean: f64,
    /// the same without one cluster, by component
    pub(crate) without: BTreeMap<usize, f64>,
}

/// Clean-neuron loss and cluster ablations (doc/definitions.md#neuron-clustering): the activations
/// of each cluster are projected on the terms of its frequency and sent through W_L; the neurons of
/// no cluster are taken as they are. Then L ← L + mean over pairs of (original − L), since what
/// does not come from neurons is left out, and the loss over the pairs that count. Clusters of
/// fewer than `smallest` neurons are in the sum, but not ablated.
///
/// A cluster's part is made again row by row where it is taken away, which is less than a loss
/// costs: so one table `(pairs, p)` is kept, whatever the number of clusters.
pub(crate) fn losses(
    space: &Space,
    clusters: &Clusters,
    model: &Model<'_>,
    smallest: usize,
) -> Losses {
    let original = model.rows.take(model.logits, model.p);
    let rows = model.rows.renumbered();
    let mut sum = unfiltered(space, &clusters.rest, model);
    let members: Vec<(&usize, &Vec<usize>)> = clusters.members.iter().collect();
    let of = |(k, members): &(&usize, &Vec<usize>)| Part::new(space, **k, members, model);
    let parts: Vec<Part> = members.par_iter().map(of).collect();
    sum.par_chunks_mut(PAIRS * model.p.max(1))
        .enumerate()
        .for_each(|(i, rows)| parts.iter().for_each(|part| part.add_to(i * PAIRS, rows)));
    let shift = Shift::between(&rows, &sum, &original);
    let p = model.p;
    let ablated = members.par_iter().zip(&parts);
    let ablated = ablated.filter(|((_, members), _)| members.len() >= smallest);
    let without = ablated
        .map(|((k, _), part)| {
            // The correction returns what every pair loses in the mean.
            let mean = part.mean().into_iter().zip(shift.by_class());
            let shift = Shift::of(mean.map(|(part, shift)| shift + part).collect());
            let fill = |at: usize, row: &mut [f32]| {
                row.copy_from_slice(&sum[at * p..(at + 1) * p]);
                part.take_from(at, row);
            };
            (**k, rows.score_by(fill, &shift).loss)
        })
        .collect();
    Losses {
        without,
        original: rows.score(&original, &Shift::none(p)).loss,
        clean: rows.score(&sum, &shift).loss,
    }
}

/// Holds the contribution of a cluster to the logits, each of its neurons projected on the terms of
/// component k: a few operations a pair.
struct Part {
    /// over the pairs that count, `(terms)` of `(pairs)`; where a component has more terms than the
    /// cluster has neurons, the projected neurons themselves
    terms: Vec<Vec<f32>>,
    /// `(terms, p)`
    by_class: Vec<f32>,
    /// number of classes
    p: usize,
}

impl Part {
    fn new(space: &Space, k: usize, members: &[usize], model: &Model<'_>) -> Part {
        let (d, p) = (model.w_l.len() / model.p, model.p);
        let cyclic = space.operands().is_none_or(Basis::is_cyclic);
        if !cyclic && space.term_count(k) > members.len() && space.pairs.len() == p * p {
            return Part::of_neurons(space, k, members, model);
        }
        let terms = space.terms(k);
        let mut by_class = vec![0.0; terms.len() * p];
        let mut coefficients = vec![vec![0.0; members.len()]; terms.len()];
        let mut outputs = vec![0.0; members.len()];
        for (at, pair) in space.pairs.iter().enumerate() {
            let row = &model.post[pair * d..(pair + 1) * d];
            for (output, neuron) in outputs.iter_mut().zip(members) {
                *output = f64::from(row[*neuron]);
            }
            vectorized(|| {
                for (term, coefficients) in terms.iter().zip(&mut coefficients) {
                    let weight = f64::from(term[at]);
                    let pairs = coefficients.iter_mut().zip(&outputs);
                    pairs.for_each(|(c, x)| *c += weight * x);
                }
            });
        }
        for (coefficients, out) in coefficients.iter().zip(by_class.chunks_exact_mut(p)) {
            for (c, neuron) in coefficients.iter().zip(members) {
                let row = &model.w_l[neuron * p..(neuron + 1) * p];
                out.iter_mut()
                    .zip(row)
                    .for_each(|(o, w)| *o += *c as f32 * w);
            }
        }
        Part { terms, by_class, p }
    }

    /// Projects each neuron by itself: a representation of degree d has (1 + d²)² terms.
    fn of_neurons(space: &Space, k: usize, members: &[usize], model: &Model<'_>) -> Part {
        let (d, p) = (model.w_l.len() / model.p, model.p);
        let column = |neuron: &usize| model.post.iter().skip(*neuron).step_by(d).copied();
        let terms = members.iter().map(|neuron| {
            let column: Vec<f32> = column(neuron).collect();
            space.project(k, &column)
        });
        let rows = members
            .iter()
            .map(|neuron| &model.w_l[neuron * p..(neuron + 1) * p]);
        Part {
            terms: terms.collect(),
            by_class: rows.flatten().copied().collect(),
            p,
        }
    }

    /// Adds the contribution to the logits `(…, p)` of the pairs that count, from the pair at this
    /// place on.
    fn add_to(&self, first: usize, logits: &mut [f32]) {
        vectorized(|| {
            for (at, row) in (first..).zip(logits.chunks_exact_mut(self.p)) {
                self.add(at, 1.0, row);
            }
        });
    }

    /// Subtracts the contribution from a row of logits, `(p)`.
    fn take_from(&self, at: usize, row: &mut [f32]) {
        vectorized(|| self.add(at, -1.0, row));
    }

    #[inline(always)]
    fn add(&self, at: usize, sign: f32, row: &mut [f32]) {
        for (term, classes) in self.terms.iter().zip(self.by_class.chunks_exact(self.p)) {
            let weight = sign * term[at];
            row.iter_mut()
                .zip(classes)
                .for_each(|(l, c)| *l += weight * c);
        }
    }

    /// Returns the mean of the contribution over the pairs, `(p)`.
    fn mean(&self) -> Vec<f64> {
        let mut mean = vec![0.0; self.p];
        for (term, classes) in self.terms.iter().zip(self.by_class.chunks_exact(self.p)) {
            let sum: f64 = term.iter().map(|x| f64::from(*x)).sum();
            let weight = sum / term.len().max(1) as f64;
            let pairs = mean.iter_mut().zip(classes);
            pairs.for_each(|(m, c)| *m += weight * f64::from(*c));
        }
        mean
    }
}

/// How many pairs' outputs are gathered at a time: they stay in a cache.
const PAIRS: usize = 256;

/// Returns the logits `(pairs, p)` of some neurons as they are.
fn unfiltered(space: &Space, neurons: &[usize], model: &Model<'_>) -> Vec<f32> {
    let (d, p) = (model.w_l.len() / model.p, model.p);
    if neurons.is_empty() {
        return vec![0.0; space.pairs.len() * p];
    }
    let mut map = Vec::with_capacity(neurons.len() * p);
    for neuron in neurons {
        map.extend_from_slice(&model.w_l[neuron * p..(neuron + 1) * p]);
    }
    let some = |pairs: &[usize]| {
        let mut outputs = Vec::with_capacity(pairs.len() * neurons.len());
        for pair in pairs {
            let row = &model.post[pair * d..(pair + 1) * d];
            outputs.extend(neurons.iter().map(|neuron| row[*neuron]));
        }
        product(&outputs, &map, neurons.len())
    };
    let logits: Vec<Vec<f32>> = space.pairs.par_chunks(PAIRS).map(some).collect();
    logits.concat()
}
