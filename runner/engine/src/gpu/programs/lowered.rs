//! Lowers a program as a whole: the places of all tables, and the dispatches of a step and of an
//! evaluation.
//!
//! The result is a pure function of the program and the numbers of samples.

use std::ops::Range;

use grokrun_program::{Part, Program, Samples, Stage};

use super::coefficients;
use super::layout::Layout;
use super::lower::Lowering;
use super::samples::SampleWords;
use super::schedule::Schedule;
use crate::gpu::variant::Variant;

/// The numbers of samples of a cell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// number of training samples of an epoch
    pub(crate) train: usize,
    /// number of training samples of one step
    pub(crate) step: usize,
    /// number of test samples
    pub(crate) test: usize,
}

impl Counts {
    /// Returns the number of training samples of each step of an epoch.
    pub(crate) fn steps(&self) -> impl Iterator<Item = usize> {
        let step = self.step.max(1);
        let train = self.train;
        (0..train)
            .step_by(step)
            .map(move |first| step.min(train - first))
    }

    /// Returns the number of training samples of the last step, if it is smaller than the others'.
    fn last(&self) -> Option<usize> {
        self.steps().last().filter(|last| *last != self.step)
    }
}

/// The dispatches of a program.
#[derive(Debug)]
pub(crate) struct Lowered {
    pub(crate) layout: Layout,
    pub(crate) schedule: Schedule,
    /// the stage that depends on the parameters alone
    pub(crate) shared: Range<usize>,
    /// a step, and the shared stage after it
    pub(crate) step: Range<usize>,
    /// the same for the last minibatch, if it is smaller
    pub(crate) last: Option<Range<usize>>,
    pub(crate) evaluation: Range<usize>,
    /// number of entries of a replica's part of the arena
    pub(crate) numbers: usize,
    /// the words of the training samples of one step, and of the test samples
    pub(crate) words: [SampleWords; 2],
    /// number of coefficients of a step
    pub(crate) coefficients: usize,
}

impl Lowered {
    pub(crate) fn new(program: &Program, counts: &Counts, variant: Variant) -> Lowered {
        let samples = Samples {
            train: counts.step,
            test: counts.test,
        };
        let layout = Layout::new(program, &samples);
        let step = [
            Stage::Forward(Part::Train),
            Stage::Backward,
            Stage::Update,
            Stage::Shared,
        ];
        let mut schedule = Schedule::default();
        let mut lowering = Lowering::new(program, &layout, samples, variant);
        let shared = schedule.push(lowering.stages(&[Stage::Shared]));
        let evaluation = schedule.push(lowering.stages(&[Stage::Forward(Part::Test)]));
        let first = schedule.push(lowering.stages(&step));
        let last = counts.last().map(|last| {
            lowering.with_train(last);
            schedule.push(lowering.stages(&step))
        });
        schedule.terms = lowering.terms().clone();
        Lowered {
            schedule,
            shared,
            step: first,
            last,
            evaluation,
            numbers: lowering.numbers(),
            words: [counts.step, counts.test].map(|count| SampleWords::new(program, count)),
            coefficients: coefficients::count_all(program),
            layout,
        }
    }
}

/// The memory that a program needs on a device, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProgramBytes {
    /// size of the largest buffer, the arena
    pub(crate) arena: u64,
    /// size of all buffers
    pub(crate) all: u64,
}

/// Returns the memory that one cell of a program needs.
pub(crate) fn program_bytes(program: &Program, counts: &Counts) -> ProgramBytes {
    // The layout does not depend on the variant.
    let lowered = Lowered::new(program, counts, Variant::Tiles);
    let bytes = |numbers: usize| (numbers as u64).saturating_mul(4);
    let arena = bytes(lowered.numbers);
    let words = lowered.schedule.jobs.values();
    let words = words.chain(lowered.schedule.terms.values());
    let jobs: usize = words.map(Vec::len).sum();
    let samples = lowered
        .words
        .iter()
        .fold(0usize, |sum, words| sum.saturating_add(words.len()));
    ProgramBytes {
        arena,
        all: arena.saturating_add(bytes(samples.saturating_add(jobs))),
    }
}
