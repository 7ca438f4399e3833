//! Decides in which way a file's tensors are read, by the losses that it recorded; if it recorded
//! none, by how well the models do on their train pairs.

use grokrun_exchange::{Conventions, Facts};
use grokrun_session::Adopted;

/// The unit of distances between losses: a share of the recorded loss, and the rounding of float32
/// at one, which knows multiples of 1.2e-7 for each pair.
const SHARE: f64 = 0.01;
const ROUNDING: f64 = 2e-8;
/// Up to this distance a way of reading is still taken if all others are far worse: the losses of a
/// GPU with shorter products are some per cent away.
const FARTHEST: f64 = 5.0;
/// The share of train pairs from which on a model counts as trained on them.
const TRAINED: f64 = 0.99;

/// A checkpoint with recorded losses.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    /// its index among the checkpoints
    pub(super) checkpoint: usize,
    /// number of steps taken
    epoch: u64,
}

/// The recorded losses of a file.
pub(super) struct Records<'a> {
    facts: &'a Facts,
    /// the checkpoints whose losses are recorded
    pub(super) samples: Vec<Sample>,
}

/// The losses of one checkpoint as computed here: without and with the output for '=', if the file
/// has one.
pub(super) type Computed = (Adopted, Option<Adopted>);

/// The respects in which a history may be defined otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Meaning {
    /// by how many steps checkpoints are later than their names say
    later: u64,
    conventions: Conventions,
}

/// Says how well a way of reading fits.
#[derive(Clone, Copy, Debug)]
struct Fit {
    distance: f64,
    meaning: Meaning,
}

/// The result of the comparison.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Finding {
    /// the index of the way of reading to take
    pub(super) variant: usize,
    /// whether the recorded losses tell it from all others
    pub(super) sure: bool,
    /// the definitions of the history
    pub(super) conventions: Conventions,
    /// sentences to be noted
    pub(super) notes: Vec<String>,
    /// a warning
    pub(super) warning: Option<String>,
}

impl<'a> Records<'a> {
    /// Selects up to three checkpoints whose losses are recorded: the first, the last, one between
    /// them.
    pub(super) fn new(facts: &'a Facts, epochs: &[u64]) -> Records<'a> {
        let mut records = Records {
            facts,
            samples: Vec::new(),
        };
        let meaning = Meaning {
            later: 0,
            conventions: facts.conventions,
        };
        let all = epochs.iter().enumerate().map(|(checkpoint, epoch)| Sample {
            checkpoint,
            epoch: *epoch,
        });
        let last = epochs.len().saturating_sub(1);
        let known: Vec<Sample> = all
            .filter(|sample| {
                let [train, test] = records.recorded(sample, meaning);
                let alone = sample.checkpoint == last && facts.record.iter().any(Option::is_some);
                alone || train.or(test).is_some()
            })
            .collect();
        let mut places = vec![0, known.len() / 2, known.len().saturating_sub(1)];
        // Single losses may be of the step before the checkpoint; late ones differ least.
        if facts.record.iter().any(Option::is_some) {
            places = vec![known.len().saturating_sub(1)];
        }
        places.dedup();
        records.samples = places
            .iter()
            .filter_map(|at| known.get(*at).copied())
            .collect();
        records
    }

    /// Returns train and test loss of a checkpoint, as far as they are recorded.
    fn recorded(&self, sample: &Sample, meaning: Meaning) -> [Option<f64>; 2] {
        if self.facts.record.iter().any(Option::is_some) {
            return self.facts.record;
        }
        let Some(history) = &self.facts.history else {
            return [None; 2];
        };
        let steps = sample.epoch.saturating_add(meaning.later);
        let at = |column: usize, place: Option<u64>| {
            let place = usize::try_from(place?).ok()?;
            let loss = history.columns[column].get(place).copied();
            loss.filter(|loss| loss.is_finite() && *loss >= 0.0)
        };
        let after = if meaning.conventions.test_before_step {
            Some(steps)
        } else {
            steps.checked_sub(1)
        };
        [at(0, Some(steps)), at(1, after)]
    }

    /// Returns how far the computed losses are from the recorded ones: train and test loss of each
    /// sample, as far as they are recorded.
    fn distances(&self, computed: &[Computed], meaning: Meaning) -> Vec<Option<f64>> {
        let mut distances = Vec::new();
        for (sample, (plain, more)) in self.samples.iter().zip(computed) {
            let ours = match (meaning.conventions.counts_separator, more) {
                (true, Some(more)) => more,
                _ => plain,
            };
            let recorded = self.recorded(sample, meaning).into_iter();
            let apart = recorded.zip([ours.train_loss, ours.test_loss]);
            distances.extend(apart.map(|(recorded, ours)| {
                let recorded = recorded?;
                let apart = (ours - recorded).abs() / (SHARE * recorded + ROUNDING);
                Some(if apart.is_finite() { apart } else { f64::MAX })
            }));
        }
        distances
    }

    /// Returns the best fit: that of the usual definitions, unless others are clearly better on the
    /// losses that both have.
    fn fit(&self, computed: &[Computed]) -> Option<Fit> {
        let taken = Meaning {
            later: 0,
            conventions: self.facts.conventions,
        };
        let largest =
            |distances: &[Option<f64>]| distances.iter().flatten().copied().reduce(f64::max);
        let mut meaning = taken;
        let mut best = self.distances(computed, taken);
        largest(&best)?;
        // If there are only single losses, the definitions of a history are not in question.
        let alone = self.facts.record.iter().any(Option::is_some);
        let latest = if self.facts.ours || alone { 0 } else { 1 };
        let moments = [false, true];
        for (later, before) in (0..=latest).flat_map(|later| moments.map(|before| (later, before)))
        {
            let conventions = Conventions {
                test_before_step: before,
                ..taken.conventions
            };
            let other = Meaning { later, conventions };
            let distances = self.distances(computed, other);
            let both = distances
                .iter()
                .zip(&best)
                .filter_map(|(a, b)| (*a).zip(*b));
            let [one, two] = both.fold([0.0f64; 2], |[x, y], (a, b)| [x.max(a), y.max(b)]);
            if clearly_better(one, two) {
                (meaning, best) = (other, distances);
            }
        }
        let distance = largest(&best)?;
        Some(Fit { distance, meaning })
    }

    /// Decides between ways of reading: `computed` has, for each of them, each sample, and `words`
    /// describe them. None if no loss is recorded.
    pub(super) fn compare(&self, computed: &[Vec<Computed>], words: &[String]) -> Option<Finding> {
        let fits: Vec<Fit> = computed
            .iter()
            .map(|one| self.fit(one))
            .collect::<Option<_>>()?;
        let distance = |at: usize| fits[at].distance;
        let order = |a: &usize, b: &usize| distance(*a).total_cmp(&distance(*b));
        let best = (0..fits.len()).min_by(order)?;
        let sample = self.samples.last()?;
        let fit = fits[best];
        let shown = |meaning: Meaning, (plain, more): &Computed| {
            let ours = match (meaning.conventions.counts_separator, more) {
                (true, Some(more)) => more,
                _ => plain,
            };
            let [train, test] = self.recorded(sample, meaning);
            match (train, test) {
                (Some(train), _) => ("train", train, ours.train_loss),
                (None, Some(test)) => ("test", test, ours.test_loss),
                (None, None) => ("train", f64::NAN, ours.train_loss),
            }
        };
        let mut finding = Finding {
            variant: 0,
            sure: false,
            conventions: self.facts.conventions,
            notes: Vec::new(),
            warning: None,
        };
        let others = (0..fits.len()).filter(|other| *other != best);
        finding.sure = fit.distance <= FARTHEST
            && others
                .map(distance)
                .all(|other| clearly_better(fit.distance, other));
        finding.variant = if finding.sure { best } else { 0 };
        if fit.distance > 1.0 {
            let (what, recorded, _) = shown(fit.meaning, computed[best].last()?);
            let ours = computed.iter().zip(words).filter_map(|(one, words)| {
                let (_, _, ours) = shown(fit.meaning, one.last()?);
                Some(if words.is_empty() {
                    format!("{ours:.3e}")
                } else {
                    format!("{ours:.3e} with {words}")
                })
            });
            finding.warning = Some(format!(
                "the recorded losses are not those of the model as it can be read here: the {what} loss of epoch {} is {recorded:.3e}, and {} computed; is it another --operation or split (--fraction, --data-seed, --stream, --train-indices), another --activation or --attention-scale, or a model with layer norm?",
                sample.epoch,
                ours.take(4).collect::<Vec<_>>().join(", ")
            ));
            return Some(finding);
        }
        let chosen = &fits[finding.variant];
        finding.conventions = chosen.meaning.conventions;
        let (what, recorded, ours) = shown(chosen.meaning, computed[finding.variant].last()?);
        finding.notes.push(format!(
            "checked by the recorded losses of {}: the {what} loss of epoch {} is {recorded:.3e}, computed here {ours:.3e}{}",
            match self.samples.len() {
                1 => "1 checkpoint".to_owned(),
                many => format!("{many} checkpoints"),
            },
            sample.epoch,
            match (words.len(), finding.sure) {
                (1, _) => String::new(),
                (_, true) => format!("; nothing but {} fits", words[best]),
                (_, false) => "; other ways of reading the file fit as well".to_owned(),
            }
        ));
        if chosen.meaning.conventions != self.facts.conventions {
            finding.notes.push(format!(
                "by the recorded losses, its test losses are taken {} the step of their epoch",
                if finding.conventions.test_before_step {
                    "before"
                } else {
                    "after"
                }
            ));
        }
        if chosen.meaning.later > 0 {
            finding.notes.push("by the recorded losses, its checkpoints are taken after the step of the epoch that they are named after, one step later than those of runs trained here; they keep their names".to_owned());
        }
        Some(finding)
    }
}

/// Says whether a distance is better than another one by more than chance.
fn clearly_better(one: f64, other: f64) -> bool {
    one < other / 3.0 && one + 0.1 < other
}

/// Decides between ways of reading if no loss is recorded: returns the published one, unless the
/// model is trained on its train pairs when it is read in another way, and better so.
pub(super) fn by_training(computed: &[Adopted]) -> usize {
    let mut best = 0;
    for (at, one) in computed.iter().enumerate() {
        let better = computed[best].train_accuracy < TRAINED
            || one.train_loss < 0.9 * computed[best].train_loss;
        if one.train_accuracy >= TRAINED && better {
            best = at;
        }
    }
    best
}

#[cfg(test)]
mod tests;
