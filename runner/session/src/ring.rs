//! The ring of a cell's latest states, which become checkpoints once its test accuracy moves.
//! Knows nothing of files: what is to be written is handed out.
//!
//! Every [`Spacing::ring_step`] epochs the weights are put into the ring, which holds the latest
//! `ring` of them. Let r(e) be the best test accuracy of the epochs before e. When the ring takes
//! the state of epoch e, and r(e) exceeds r at the epoch before the ring's oldest state by
//! [`MOVES`] or more, all that the ring holds is written. So the checkpoints begin up to `every`
//! epochs before the accuracy moves, and go on for as long after it. r only grows, and not beyond
//! 1: that bounds how much is written, and once r is so high that it cannot move any more, nothing
//! is held.

use std::collections::{BTreeSet, VecDeque};

use grokrun_spec::Spacing;
use grokrun_store::{Metrics, Tensor};

/// The growth of the best test accuracy, while the states of one ring were taken, that has them
/// written.
const MOVES: f64 = 0.05;
/// In a state, the name of a tensor that the ring holds begins so; the epoch and the tensor's name
/// follow.
const PREFIX: &str = "ring.";

/// Returns how many states a ring writes at most in so many epochs. Rings that are written and do
/// not overlap see growths that add up to 1 at most; each other ring that is written overlaps one
/// of them.
pub(crate) fn most_written(spacing: Spacing, epochs: u64) -> u64 {
    let moves = (1.0 / MOVES).round() as u64;
    let step = spacing.ring_step();
    step.map_or(0, |step| (epochs / step).min(2 * spacing.ring * moves))
}

/// The best test accuracy so far, at the epochs at which a ring takes a state.
#[derive(Clone, Debug)]
struct Growth {
    step: u64,
    /// how many states the ring holds
    most: usize,
    epoch: u64,
    first: Option<f64>,
    best: Option<f64>,
    /// before the ring's oldest state, and at each of its states
    bests: VecDeque<Option<f64>>,
}

/// What a ring does after an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// nothing: no state is taken after this epoch
    None,
    /// a state is taken
    Take,
    /// a state is taken, and all that are held are written
    Write,
}

impl Growth {
    /// Of a cell that begins; none where the spacing has no ring.
    fn new(spacing: Spacing) -> Option<Growth> {
        Some(Growth {
            step: spacing.ring_step()?,
            most: usize::try_from(spacing.ring).ok()?,
            epoch: 0,
            first: None,
            best: None,
            bests: VecDeque::from([None]),
        })
    }

    /// Takes the next epoch's test accuracy, NaN where it was not tested.
    fn see(&mut self, test_accuracy: f64) -> Turn {
        self.epoch += 1;
        if !test_accuracy.is_nan() {
            self.first.get_or_insert(test_accuracy);
            self.best = Some(self.best.map_or(test_accuracy, |b| b.max(test_accuracy)));
        }
        if !self.epoch.is_multiple_of(self.step) {
            return Turn::None;
        }
        self.bests.push_back(self.best);
        if self.bests.len() > self.most + 1 {
            self.bests.pop_front();
        }
        let grown = self.best.zip(self.oldest()).map(|(now, old)| now - old);
        if grown.is_some_and(|grown| grown >= MOVES) {
            Turn::Write
        } else {
            Turn::Take
        }
    }

    /// The best accuracy before the oldest state; before any was tested, the first that was.
    fn oldest(&self) -> Option<f64> {
        self.bests.front().copied().flatten().or(self.first)
    }

    /// Whether no ring to come can be written.
    fn is_over(&self) -> bool {
        self.oldest().is_some_and(|oldest| oldest > 1.0 - MOVES)
    }

    /// Drops what is older than the ring is long, and returns what is to be written after this
    /// turn.
    fn hand_out<T>(
        &self,
        turn: Turn,
        held: &mut VecDeque<T>,
        epoch_of: impl Fn(&T) -> u64,
    ) -> Vec<T> {
        held.retain(|one| (self.epoch - epoch_of(one)) / self.step < self.most as u64);
        match turn {
            Turn::Write => held.drain(..).collect(),
            Turn::Take | Turn::None => Vec::new(),
        }
    }
}

/// Returns the epochs whose states a ring had to write in `from + 1 ..= to`, by this history.
pub(crate) fn written(spacing: Spacing, from: u64, to: u64, history: &Metrics) -> BTreeSet<u64> {
    let mut written = BTreeSet::new();
    let Some(mut growth) = Growth::new(spacing) else {
        return written;
    };
    let mut held = VecDeque::new();
    for row in history
        .rows()
        .take(usize::try_from(to).unwrap_or(usize::MAX))
    {
        let turn = growth.see(row.test_accuracy);
        if turn == Turn::None || growth.epoch <= from {
            continue;
        }
        held.push_back(growth.epoch);
        written.extend(growth.hand_out(turn, &mut held, |epoch| *epoch));
    }
    written
}

/// A state that is held.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Held {
    pub(crate) epoch: u64,
    /// as a checkpoint has them
    pub(crate) tensors: Vec<Tensor>,
}

/// A cell's ring.
#[derive(Clone, Debug)]
pub(crate) struct Ring {
    growth: Growth,
    turn: Turn,
    /// ascending
    held: VecDeque<Held>,
}

impl Ring {
    /// The ring of a cell that has come so far, with the states that were saved with it; none where
    /// its spec has no ring, or where nothing can be written any more.
    pub(crate) fn replay(spacing: Spacing, history: &Metrics, held: Vec<Held>) -> Option<Ring> {
        let mut ring = Ring {
            growth: Growth::new(spacing)?,
            turn: Turn::None,
            held: held.into(),
        };
        for row in history.rows() {
            ring.see(row.test_accuracy);
        }
        ring.turn = Turn::None;
        (!ring.growth.is_over()).then_some(ring)
    }

    /// Takes the next epoch's test accuracy, NaN where it was not tested.
    pub(crate) fn see(&mut self, test_accuracy: f64) {
        self.turn = self.growth.see(test_accuracy);
    }

    /// The number of epochs until a state is taken.
    pub(crate) fn to_next(&self) -> u64 {
        self.growth.step - self.growth.epoch % self.growth.step
    }

    /// Whether a state is to be taken after the latest epoch.
    pub(crate) fn is_due(&self) -> bool {
        self.turn != Turn::None
    }

    /// Whether no state need be taken any more.
    pub(crate) fn is_over(&self) -> bool {
        self.growth.is_over()
    }

    /// Takes the state after the latest epoch, unless that is a checkpoint in any case, and returns
    /// those that are to be written now.
    pub(crate) fn take(&mut self, tensors: Option<Vec<Tensor>>) -> Vec<Held> {
        let epoch = self.growth.epoch;
        self.held
            .extend(tensors.map(|tensors| Held { epoch, tensors }));
        let turn = std::mem::replace(&mut self.turn, Turn::None);
        self.growth
            .hand_out(turn, &mut self.held, |held| held.epoch)
    }

    /// Adds what is held to the tensors of a state.
    pub(crate) fn save(&self, tensors: &mut Vec<Tensor>) {
        for Held { epoch, tensors: of } in &self.held {
            tensors.extend(of.iter().map(|tensor| Tensor {
                name: format!("{PREFIX}{epoch}.{}", tensor.name),
                ..tensor.clone()
            }));
        }
    }
}

/// Takes what a ring held out of the tensors of a state.
pub(crate) fn saved(tensors: &mut Vec<Tensor>) -> Vec<Held> {
    let mut held: Vec<Held> = Vec::new();
    let is_held = |tensor: &mut Tensor| place(&tensor.name).is_some();
    for tensor in tensors.extract_if(.., is_held) {
        let Some((epoch, name)) = place(&tensor.name) else {
            continue;
        };
        let of = Tensor {
            name: name.to_owned(),
            ..tensor
        };
        match held.iter_mut().find(|held| held.epoch == epoch) {
            Some(held) => held.tensors.push(of),
            None => held.push(Held {
                epoch,
                tensors: vec![of],
            }),
        }
    }
    held.sort_by_key(|held| held.epoch);
    held
}

/// The epoch and the name of a tensor that a ring holds.
fn place(name: &str) -> Option<(u64, &str)> {
    let (epoch, name) = name.strip_prefix(PREFIX)?.split_once('.')?;
    Some((epoch.parse().ok()?, name))
}

#[cfg(test)]
mod tests;
