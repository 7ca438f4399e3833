//! Averages the attention of a head over the pairs, and as a function of the token.

use grokrun_api::Task;

use crate::maps::Scores;

/// Holds a head's attention from '=', over the pairs that have a label.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Attention {
    /// to a, to b, to '=': mean over the pairs
    pub(crate) mean: [f64; 3],
    /// to a, as a function of a: mean over the b's, `(p)`; NaN for an a in no pair
    pub(crate) to_a: Vec<f64>,
    /// to b, as a function of b: mean over the a's, `(p)`
    pub(crate) to_b: Vec<f64>,
}

impl Attention {
    pub(crate) fn new(scores: &Scores, task: &Task) -> Attention {
        let p = task.modulus;
        let (mut mean, mut count) = ([0.0; 3], 0.0);
        let [mut to_a, mut to_b] = [vec![0.0; p], vec![0.0; p]];
        let [mut with_a, mut with_b] = [vec![0.0; p], vec![0.0; p]];
        let labels = task.labels.iter().enumerate();
        for (pair, _) in labels.filter(|(_, label)| label.is_some()) {
            let (a, b) = (pair / p, pair % p);
            let attention = scores.attention(a, b);
            mean.iter_mut().zip(attention).for_each(|(m, x)| *m += x);
            count += 1.0;
            to_a[a] += attention[0];
            with_a[a] += 1.0;
            to_b[b] += attention[1];
            with_b[b] += 1.0;
        }
        // 0/0 is NaN for a token in no pair.
        let divide = |sums: Vec<f64>, counts: Vec<f64>| -> Vec<f64> {
            sums.iter().zip(counts).map(|(sum, n)| sum / n).collect()
        };
        Attention {
            mean: mean.map(|x| x / count),
            to_a: divide(to_a, with_a),
            to_b: divide(to_b, with_b),
        }
    }
}
