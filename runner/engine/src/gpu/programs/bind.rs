//! Binds buffers to dispatches, by the names that kernels have for the buffers, and orders the
//! commands of an epoch.

use std::collections::HashMap;
use std::ops::Range;

use grokrun_shaders::program::Params;
use grokrun_shaders::{Binding, Words};

use super::buffers::Buffers;
use super::lowered::{Counts, Lowered};
use super::schedule::Call;
use crate::gpu::metrics::RECORD;
use crate::gpu::recorder::Recorder;
use crate::gpu::recording::{Command, Place};

/// The number of workgroups in a row of a grid.
const ROW: usize = 65_535;

/// The ranges of the dispatches, by their purpose.
pub(super) struct Lists {
    pub(super) shared: Range<usize>,
    pub(super) step: Range<usize>,
    pub(super) last: Range<usize>,
    pub(super) evaluation: Range<usize>,
}

/// Adds the dispatches of all lists.
pub(super) fn bind(
    out: &mut Recorder,
    lowered: &Lowered,
    buffers: &Buffers,
    counts: &Counts,
    replicas: usize,
) -> Lists {
    let schedule = &lowered.schedule;
    let mut names: Vec<_> = schedule.jobs.iter().collect();
    // The order must be the same at every call.
    names.sort();
    let mut jobs = HashMap::new();
    for (name, words) in names {
        let terms = schedule.terms.get(name).cloned().unwrap_or_default();
        let pair = [
            out.filled("jobs", words.clone()),
            out.filled("terms", terms),
        ];
        jobs.insert(*name, pair);
    }
    let last_samples = counts.steps().last().unwrap_or(counts.step);
    let mut list = |calls: &Range<usize>, samples: usize, words: usize| {
        let start = out.len();
        for call in &schedule.calls[calls.clone()] {
            let Some([jobs, terms]) = jobs.get(call.kernel.name) else {
                continue;
            };
            let named = [
                ("jobs", *jobs),
                ("terms", *terms),
                ("data", samples),
                ("step", buffers.step),
                ("arena", buffers.arena),
                ("records", buffers.records),
            ];
            let bound = call.kernel.bindings.iter().zip(call.kernel.names);
            let bound = bound.filter(|(kind, _)| **kind != Binding::Uniform);
            let bound = bound.filter_map(|(_, name)| {
                let found = named.iter().find(|(known, _)| known == name);
                found.map(|(_, buffer)| *buffer)
            });
            let bound: Vec<usize> = bound.collect();
            let parameters = parameters(call, lowered, words);
            let rows = call.tiles.div_ceil(ROW).max(1);
            let grid = [call.tiles.div_ceil(rows), rows, replicas].map(|n| n as u64);
            out.dispatch(call.kernel, &parameters, &bound, grid);
        }
        start..out.len()
    };
    let [train, test] = buffers.samples;
    let [of_step, of_test] = lowered.words.map(|words| words.len());
    let of_last = lowered.words[0].with(last_samples).len();
    let last = lowered.last.clone().unwrap_or(0..0);
    Lists {
        shared: list(&lowered.shared, train, of_step),
        step: list(&lowered.step, train, of_step),
        last: list(&last, train, of_last),
        evaluation: list(&lowered.evaluation, test, of_test),
    }
}

/// Returns the commands of an epoch: before each step its coefficients and its minibatch are copied
/// into place, after it its record into the ring; then the same of the test samples' record.
pub(super) fn epoch(
    lowered: &Lowered,
    buffers: &Buffers,
    counts: &Counts,
    lists: &Lists,
    replicas: usize,
) -> Vec<Command> {
    let sizes: Vec<usize> = counts.steps().collect();
    let samples = |size: usize| lowered.words[0].with(size).len() * replicas;
    let (each, record) = (lowered.coefficients * replicas, RECORD * replicas);
    let of_epoch: usize = sizes.iter().map(|size| samples(*size)).sum();
    let keep = |step: usize| Command::Copy {
        from: Place::start(buffers.records),
        to: Place {
            buffer: buffers.ring,
            first: step * record,
            each: (sizes.len() + 1) * record,
        },
        words: record,
    };
    let mut commands = Vec::new();
    let mut batch = 0;
    for (step, size) in sizes.iter().enumerate() {
        commands.push(Command::Copy {
            from: Place {
                buffer: buffers.steps,
                first: step * each,
                each: sizes.len() * each,
            },
            to: Place::start(buffers.step),
            words: each,
        });
        if let Some(batches) = buffers.batches {
            commands.push(Command::Copy {
                from: Place {
                    buffer: batches,
                    first: batch,
                    each: of_epoch,
                },
                to: Place::start(buffers.samples[0]),
                words: samples(*size),
            });
            batch += samples(*size);
        }
        commands.push(Command::Run(if *size == counts.step {
            lists.step.clone()
        } else {
            lists.last.clone()
        }));
        commands.push(keep(step));
    }
    commands.push(Command::Run(lists.evaluation.clone()));
    commands.push(keep(sizes.len()));
    commands
}

fn parameters(call: &Call, lowered: &Lowered, samples: usize) -> Vec<u32> {
    Params {
        first: call.first as u32,
        count: call.count as u32,
        tiles: call.tiles as u32,
        stride: lowered.numbers as u32,
        samples: samples as u32,
        steps: lowered.coefficients as u32,
    }
    .words()
}
