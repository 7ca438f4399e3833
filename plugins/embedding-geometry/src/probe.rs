//! Probes whether the Legendre symbol of a token can be read linearly from its embedding.

use grokrun_basis::{gaussian, is_prime};
use nalgebra::{DMatrix, DVector};

/// The fewest residues that are worth a probe.
const FEWEST: usize = 10;
/// How many parts are held out in turn.
const FOLDS: usize = 10;
/// The regularisation of the probe that only has to separate.
const NEXT_TO_NONE: f64 = 1e-6;

/// Holds the accuracies of a probe, as shares of the residues 1, …, p − 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Accuracy {
    /// of residues that the probe was not fitted to
    pub(crate) held_out: f64,
    /// of residues that the probe was fitted to: 1 says that they are linearly separable
    pub(crate) in_sample: f64,
}

/// A probe with its labels and the shuffled ones.
pub(crate) struct Probe {
    ridge: f64,
    /// ±1 of 1, …, p − 1; as many of either
    labels: Vec<f64>,
    shuffled: Vec<Vec<f64>>,
}

impl Probe {
    /// Makes a probe for an odd prime p that is not too small; none for another p.
    pub(crate) fn new(p: usize, ridge: f64, shuffles: usize) -> Option<Probe> {
        if !is_prime(p) || p <= FEWEST {
            return None;
        }
        let mut labels = vec![-1.0; p - 1];
        (1..p).for_each(|x| labels[x * x % p - 1] = 1.0);
        let shuffled = (0..shuffles).map(|seed| shuffle(&labels, seed)).collect();
        Some(Probe {
            ridge,
            labels,
            shuffled,
        })
    }

    /// Measures the tokens' rows of W_E, `(p, d)`: the symbol's accuracy, and that of each
    /// shuffling. NaN if a probe cannot be fitted: to numbers that are not finite, or all zero.
    pub(crate) fn measure(&self, tokens: &[f32], d: usize) -> (Accuracy, Vec<Accuracy>) {
        let residues = tokens.get(d..).unwrap_or_default();
        let wide = residues.iter().map(|x| f64::from(*x));
        let points = DMatrix::from_row_iterator(self.labels.len(), d, wide);
        let products = &points * points.transpose();
        let of = |labels: &Vec<f64>| Accuracy {
            held_out: self.held_out(&products, labels),
            in_sample: self.in_sample(&products, labels),
        };
        (of(&self.labels), self.shuffled.iter().map(of).collect())
    }

    /// Returns the accuracy on held-out residues. Each fold has as many residues as non-residues,
    /// and so has the rest: the mean of the labels gives no hint.
    fn held_out(&self, products: &DMatrix<f64>, labels: &[f64]) -> f64 {
        let mut fold = vec![0; labels.len()];
        let mut count = [0, 0];
        for (fold, label) in fold.iter_mut().zip(labels) {
            let of_kind = &mut count[usize::from(*label > 0.0)];
            *fold = *of_kind % FOLDS;
            *of_kind += 1;
        }
        let mut correct = 0.0;
        for held in 0..FOLDS {
            let (test, train): (Vec<usize>, Vec<usize>) =
                (0..labels.len()).partition(|i| fold[*i] == held);
            correct += fit(products, labels, &train, &test, self.ridge);
        }
        correct / labels.len() as f64
    }

    fn in_sample(&self, products: &DMatrix<f64>, labels: &[f64]) -> f64 {
        let all: Vec<usize> = (0..labels.len()).collect();
        fit(products, labels, &all, &all, NEXT_TO_NONE) / labels.len() as f64
    }
}

/// Returns how many of `test` a ridge regression of the labels on the centred points of `train`
/// gets right, in its dual form: f(x) = Σ α_i k(x, x_i), (K + λ)α = y, where λ is `ridge` times K's
/// mean diagonal.
fn fit(
    products: &DMatrix<f64>,
    labels: &[f64],
    train: &[usize],
    test: &[usize],
    ridge: f64,
) -> f64 {
    let n = train.len();
    let mean_with = |i: usize| train.iter().map(|j| products[(i, *j)]).sum::<f64>() / n as f64;
    let means: Vec<f64> = train.iter().map(|i| mean_with(*i)).collect();
    let mean = means.iter().sum::<f64>() / n as f64;
    let mut kernel = DMatrix::from_fn(n, n, |i, j| {
        products[(train[i], train[j])] - means[i] - means[j] + mean
    });
    let penalty = ridge * kernel.trace() / n as f64;
    (0..n).for_each(|i| kernel[(i, i)] += penalty);
    let wanted = DVector::from_iterator(n, train.iter().map(|i| labels[*i]));
    let Some(factors) = kernel.cholesky() else {
        return f64::NAN;
    };
    let weights = factors.solve(&wanted);
    let right = |x: &&usize| {
        let own = mean_with(**x);
        let terms = train.iter().zip(&means).zip(weights.iter());
        let value: f64 = terms
            .map(|((i, mean_i), w)| w * (products[(**x, *i)] - own - mean_i + mean))
            .sum();
        value * labels[**x] > 0.0
    };
    test.iter().filter(right).count() as f64
}

/// Sorts the labels by as many random numbers.
fn shuffle(labels: &[f64], seed: usize) -> Vec<f64> {
    let keys = gaussian(seed.cast_signed() as i64, labels.len());
    let mut order: Vec<usize> = (0..labels.len()).collect();
    order.sort_by(|i, j| keys[*i].total_cmp(&keys[*j]).then(i.cmp(j)));
    order.into_iter().map(|i| labels[i]).collect()
}
