//! The phases of training, found by a rule from the losses and accuracies of all epochs.
//!
//! The papers drew the lines by hand (doc/published.md#phases-of-the-published-runs). On the log of
//! the demo's run (doc/published.md#the-demo) this rule, with its default parameters, puts the
//! first two within 100 epochs of the hand's 1,500 and 13,300; the third, 16,600 by hand, falls
//! between two entries of the log, 15,999 and 19,999. It asks for nothing but the history, so that
//! it depends on no choice of key frequencies; the measures are there to be compared with it.

use grokrun_api::prelude::*;

/// Finds the first epoch (steps taken) from `from` on since when, for `hold` epochs, `is` holds of
/// train loss, train accuracy and test loss of one and the same model.
fn first(
    history: &History<'_>,
    from: usize,
    hold: usize,
    mut is: impl FnMut(&At) -> bool,
) -> Option<usize> {
    let mut held = 0;
    for epoch in from.max(1)..history.train_loss.len() {
        let at = At {
            train_loss: history.train_loss[epoch],
            train_accuracy: history.train_accuracy[epoch],
            test_loss: history.test_loss[epoch - 1],
        };
        held = if is(&at) { held + 1 } else { 0 };
        if held == hold {
            return Some(epoch + 1 - hold);
        }
    }
    None
}

/// Returns the largest of the test losses before an epoch, and after how many steps it was.
fn peak(history: &History<'_>, before: usize) -> (usize, f64) {
    let mut peak = (0, f64::NEG_INFINITY);
    for (i, loss) in history.test_loss.iter().take(before).enumerate() {
        if *loss > peak.1 {
            peak = (i + 1, *loss);
        }
    }
    peak
}

/// Views the model after `epoch` steps.
struct At {
    train_loss: f64,
    train_accuracy: f64,
    test_loss: f64,
}

/// Holds the rule's numbers.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    /// train accuracy of a model that has memorised
    pub(crate) memorised: f64,
    /// share of its peak that the test loss falls below when cleanup begins
    pub(crate) cleanup: f64,
    /// how many train losses the test loss may be when the model is stable
    pub(crate) stable: f64,
    /// epochs that each must hold
    pub(crate) hold: usize,
}

/// The test loss of a stable model is at most this (doc/definitions.md#phases).
const LOW: f64 = 0.01;
/// Circuits form without cleanup, so far, if the test loss fell to this share of its peak.
const FALLEN: f64 = 0.9;

/// A phase, from an epoch (steps taken) up to the next phase's first.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Phase {
    pub(crate) name: &'static str,
    pub(crate) from: usize,
    /// why it begins there
    pub(crate) rule: String,
}

/// Holds the phases that occurred, in order, and sentences on those that did not.
#[derive(Debug, Default)]
pub(crate) struct Phases {
    pub(crate) found: Vec<Phase>,
    pub(crate) notes: Vec<String>,
}

impl Phases {
    /// Finds the phases of the training so far.
    pub(crate) fn of(history: &History<'_>, rule: &Rule) -> Phases {
        let mut phases = Phases::default();
        if history.train_loss.len() < 2 {
            phases
                .notes
                .push("phases: there is no history of losses to find them in".to_owned());
            return phases;
        }
        phases.begin("memorisation", 0, "the first epoch".to_owned());
        let Rule { hold, .. } = *rule;
        let Some(memorised) = first(history, 0, hold, |at| at.train_accuracy >= rule.memorised)
        else {
            phases.notes.push(format!(
                "phases: the model did not memorise: its train accuracy was never {} or more for {hold} epochs",
                rule.memorised
            ));
            return phases;
        };
        let mut highest = peak(history, memorised.saturating_sub(1)).1;
        let cleanup = first(history, memorised, hold, |at| {
            highest = highest.max(at.test_loss);
            at.test_loss <= rule.cleanup * highest
        });
        // A later excursion of a model that has grokked is not a peak.
        let (peak, height) = peak(history, cleanup.unwrap_or(usize::MAX));
        let formation = memorised.max(peak);
        let forms = match cleanup {
            Some(cleanup) => formation < cleanup,
            None => {
                let fell = first(history, formation, hold, |at| {
                    at.test_loss <= FALLEN * height
                });
                fell.is_some()
            }
        };
        if forms {
            phases.begin(
                "circuit formation",
                formation,
                format!(
                    "the later of: train accuracy at least {} (epoch {memorised}), largest test loss, {height:.3} (epoch {peak})",
                    rule.memorised
                ),
            );
        }
        let Some(cleanup) = cleanup else {
            let so_far = if forms {
                ""
            } else {
                ", and circuit formation did not show"
            };
            phases.notes.push(format!(
                "phases: the model did not come to cleanup: its test loss never fell to {} of its peak, {height:.3}, for {hold} epochs{so_far}",
                rule.cleanup
            ));
            return phases;
        };
        if !forms {
            phases.notes.push(
                "phases: no circuit formation of its own: the test loss fell while the model memorised"
                    .to_owned(),
            );
        }
        phases.begin(
            "cleanup",
            cleanup,
            format!(
                "test loss at most {} of its peak, {height:.3}",
                rule.cleanup
            ),
        );
        let stable = first(history, cleanup, hold, |at| {
            at.test_loss <= LOW && at.test_loss <= rule.stable * at.train_loss
        });
        match stable {
            Some(epoch) => phases.begin(
                "stable",
                epoch,
                format!(
                    "test loss at most {} times the train loss, and at most {LOW}",
                    rule.stable
                ),
            ),
            None => phases.notes.push(format!(
                "phases: cleanup did not end: the test loss was never at most {} times the train loss, and at most {LOW}, for {hold} epochs",
                rule.stable
            )),
        }
        phases
    }

    /// Begins a phase. If it begins where the one before it does, that one is removed.
    fn begin(&mut self, name: &'static str, from: usize, rule: String) {
        self.found.retain(|phase| phase.from < from);
        self.found.push(Phase { name, from, rule });
    }

    /// Emits the table `phases`, with which the report shades figures, and notes.
    pub(crate) fn tell(&self, rule: &Rule, out: &mut dyn Sink) {
        let next = self.found.iter().skip(1).map(|phase| Some(phase.from));
        let rows = self.found.iter().zip(next.chain([None]));
        let rows = rows.map(|(phase, to)| {
            vec![
                json!(phase.name),
                json!(phase.from),
                json!(to),
                json!(phase.rule),
            ]
        });
        out.table("phases", &["phase", "from", "to", "rule"], rows.collect());
        out.note(format!(
            "phases, each beginning where its rule holds for {} epochs: circuit formation at the later of train accuracy {} and the largest test loss before cleanup; cleanup where the test loss is at most {} of that; stable where it is at most {} times the train loss and at most {LOW}",
            rule.hold, rule.memorised, rule.cleanup, rule.stable
        ));
        for note in &self.notes {
            out.note(note.clone());
        }
    }
}

#[cfg(test)]
mod tests;
