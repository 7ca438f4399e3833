//! Dispatches with their buffers bound, by the names that kernels have for them.

use std::collections::HashMap;
use std::ops::Range;

use grokrun_executor::EngineError;
use grokrun_shaders::program::Params;
use grokrun_shaders::{Binding, Words};
use wgpu::Buffer;

use super::buffers::Buffers;
use super::lowered::{Counts, Lowered};
use super::schedule::Call;
use crate::gpu::context::Context;
use crate::gpu::recorder::{Dispatch, Recorder};

/// Workgroups in a row of a grid.
const ROW: usize = 65_535;

/// Which dispatches are what.
pub(super) struct Lists {
    pub(super) shared: Range<usize>,
    pub(super) step: Range<usize>,
    pub(super) last: Range<usize>,
    pub(super) evaluation: Range<usize>,
}

/// Binds the dispatches of all lists.
///
/// # Errors
/// When a grid is larger than any device allows, or the driver refuses a kernel.
pub(super) fn bind(
    context: &Context,
    lowered: &Lowered,
    buffers: &Buffers,
    counts: &Counts,
    replicas: usize,
) -> Result<(Vec<Dispatch>, Lists), EngineError> {
    let recording = &lowered.recording;
    let mut jobs = HashMap::new();
    for (name, words) in &recording.jobs {
        let terms = recording.terms.get(name).map_or(&[][..], Vec::as_slice);
        let pair = [
            context.filled("jobs", words)?,
            context.filled("terms", terms)?,
        ];
        jobs.insert(*name, pair);
    }
    let mut out = Recorder::default();
    let last_samples = counts.steps().last().unwrap_or(counts.step);
    let mut list = |calls: &Range<usize>, samples: &Buffer, words: usize| {
        for call in &recording.calls[calls.clone()] {
            let Some([jobs, terms]) = jobs.get(call.kernel.name) else {
                continue;
            };
            let named = [
                ("jobs", jobs),
                ("terms", terms),
                ("data", samples),
                ("step", &buffers.step),
                ("arena", &buffers.arena),
                ("records", &buffers.records),
            ];
            let bound = call.kernel.bindings.iter().zip(call.kernel.names);
            let bound = bound.filter(|(kind, _)| **kind != Binding::Uniform);
            let bound = bound.filter_map(|(_, name)| {
                let found = named.iter().find(|(known, _)| known == name);
                found.map(|(_, buffer)| *buffer)
            });
            let bound: Vec<&Buffer> = bound.collect();
            let parameters = parameters(call, lowered, words);
            let rows = call.tiles.div_ceil(ROW).max(1);
            let grid = [call.tiles.div_ceil(rows), rows, replicas].map(|n| n as u64);
            out.dispatch(call.kernel, &parameters, &bound, grid);
        }
    };
    let [train, test] = &buffers.samples;
    let [of_step, of_test] = lowered.words.map(|words| words.len());
    list(&lowered.shared, train, of_step);
    list(&lowered.step, train, of_step);
    let of_last = lowered.words[0].with(last_samples).len();
    let last = lowered.last.clone().unwrap_or(0..0);
    list(&last, train, of_last);
    list(&lowered.evaluation, test, of_test);
    let mut end = 0;
    let mut take = |calls: &Range<usize>| {
        let start = end;
        end += calls.len();
        start..end
    };
    let lists = Lists {
        shared: take(&lowered.shared),
        step: take(&lowered.step),
        last: take(&last),
        evaluation: take(&lowered.evaluation),
    };
    Ok((out.finish(context)?, lists))
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
