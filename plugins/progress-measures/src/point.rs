//! Computes the measures that depend on the choice of key frequencies.

use crate::losses::{excluded, of_labels};
use crate::project::{Cubes, Logits, projection};
use crate::task_pairs::TaskPairs;

/// Holds what the measures of a checkpoint are made from, for any key frequencies, beside its
/// [`Logits`].
pub(crate) struct Reduced {
    pub(crate) epoch: u64,
    /// mean logits over the block, `(p)`
    pub(crate) mean: Vec<f64>,
    pub(crate) cubes: Cubes,
    /// shares of variance by frequency of the neurons' inputs, their outputs, and the logits
    pub(crate) shares: [Vec<f64>; 3],
    /// loss over the block's test pairs
    pub(crate) test_loss: f64,
}

/// Holds the measures at an epoch, for some key frequencies.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Point {
    pub(crate) epoch: u64,
    /// trig loss over the block
    pub(crate) trig: f64,
    pub(crate) trig_train: f64,
    /// restricted loss over the block's test pairs
    pub(crate) restricted: f64,
    /// excluded losses over the block's train pairs, from logits and from neurons; none if the
    /// logits are not kept
    pub(crate) excluded: Option<[f64; 2]>,
    /// test loss by trig loss and by restricted loss
    pub(crate) ratios: [f64; 2],
    /// trig ratios of the neurons' inputs, their outputs, and the logits
    pub(crate) trig_ratios: [f64; 3],
    pub(crate) cube_residual: f64,
    /// loss of the cubes over the block
    pub(crate) cube_loss: f64,
}

/// Holds how many pairs of the block have each label: all, train, test.
pub(crate) struct Counts {
    all: Vec<f64>,
    train: Vec<f64>,
    test: Vec<f64>,
}

impl Counts {
    pub(crate) fn of(task: &TaskPairs) -> Counts {
        Counts {
            all: task.counts(&task.block),
            train: task.counts(&task.train),
            test: task.counts(&task.test),
        }
    }
}

impl Point {
    /// Computes the measures of a reduced checkpoint and its logits, with the logits of train pairs
    /// if they are kept.
    pub(crate) fn of(
        task: &TaskPairs,
        counts: &Counts,
        reduced: &Reduced,
        logits: &Logits,
        train_rows: Option<&[f32]>,
        keys: &[usize],
    ) -> Point {
        let mean = &reduced.mean;
        let whole = projection(task, &logits.whole, keys);
        let neurons = projection(task, &logits.neurons, keys);
        let trig = of_labels(&whole, mean, &counts.all);
        let restricted = of_labels(&neurons, mean, &counts.test);
        let none = vec![0.0; task.p];
        let trig_train = of_labels(&whole, mean, &counts.train);
        let ratio = |shares: &Vec<f64>| {
            let of_keys = keys.iter().filter_map(|k| shares.get(k.checked_sub(1)?));
            of_keys.sum::<f64>()
        };
        let [pre, post, logits] = &reduced.shares;
        Point {
            epoch: reduced.epoch,
            trig,
            trig_train,
            restricted,
            excluded: train_rows.map(|rows| {
                let found = excluded(task, rows, &[whole, neurons]);
                [found[0], found[1]]
            }),
            ratios: [reduced.test_loss / trig, reduced.test_loss / restricted],
            trig_ratios: [ratio(pre), ratio(post), ratio(logits)],
            cube_residual: reduced.cubes.residual(keys),
            cube_loss: of_labels(&reduced.cubes.sum(task, keys), &none, &counts.all),
        }
    }

    /// Returns name and value of each measure, in the order of the table and as series.
    pub(crate) fn named(&self) -> [(&'static str, Option<f64>); 12] {
        [
            ("trig loss", Some(self.trig)),
            ("trig loss, train", Some(self.trig_train)),
            ("restricted loss", Some(self.restricted)),
            ("excluded loss", self.excluded.map(|x| x[0])),
            ("excluded loss, neurons", self.excluded.map(|x| x[1])),
            ("test loss / trig loss", Some(self.ratios[0])),
            ("test loss / restricted loss", Some(self.ratios[1])),
            ("trig ratio, pre", Some(self.trig_ratios[0])),
            ("trig ratio, post", Some(self.trig_ratios[1])),
            ("trig ratio, logits", Some(self.trig_ratios[2])),
            ("cube residual", Some(self.cube_residual)),
            ("cube loss", Some(self.cube_loss)),
        ]
    }
}
