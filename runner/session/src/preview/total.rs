//! The time of a whole run: training, files, analyses beside it, report.

use std::collections::HashMap;

use grokrun_engine::Choice;
use grokrun_spec::Plan;

use super::kept::Calibration;
use super::observations;
use super::probe::Epoch;
use crate::analyses::Analyses;
use crate::batch::Batch;
use crate::ring::most_written;
use crate::survey::Survey;

/// Seconds that the process starts and ends in.
const PROCESS: f64 = 0.05;
/// Files of a cell besides its checkpoints: configuration, split, history, state, summary.
const FILES_A_CELL: f64 = 6.0;
/// Files of an analysis of a cell.
const FILES_AN_ANALYSIS: f64 = 6.0;
/// Seconds between two saved states.
const SAVE_EVERY: f64 = 10.0;
/// Seconds to write one observation's findings and draw them in the report, on the machine of
/// BENCHMARKS.md: 0.9 s after the 3,200 observations of mult113's twelve analyses.
const SHOWN: f64 = 3e-4;

/// Where the time of a run goes, in seconds.
#[derive(Clone, Debug, PartialEq)]
pub struct Time {
    /// all of it, from start to end
    pub seconds: f64,
    /// core-seconds of this machine: what other programs do lengthens the run, but not these
    pub cores: f64,
    /// an epoch of each batch, in order
    pub epochs: Vec<f64>,
    /// wall time of all epochs
    pub training: f64,
    /// checkpoints, states and the other files of all cells
    pub files: f64,
    /// core-seconds of the analyses, which observe while training goes on
    pub analyses: f64,
    /// wall time that the analyses add: what neither idle cores nor the time of training hold
    pub waiting: f64,
    /// start, findings, report
    pub ends: f64,
}

/// How often something with this cadence happens from epoch 0 to the last, both included.
pub(super) fn times(every: u64, epochs: u64) -> u64 {
    match every {
        0 => 2,
        every => 1 + epochs.div_ceil(every),
    }
}

/// An analysis of a plan.
struct Observing<'a> {
    every: u64,
    cost: Option<&'a observations::Observation>,
}

impl Time {
    /// Adds up the costs of a plan. What has none is told to `notes`. `an_operation` is the time of
    /// one in a recorded program, in seconds.
    pub(super) fn predict(
        (plan, survey, choice): (&Plan, &Survey, &Choice),
        batches: &[Batch],
        analyses: &Analyses<'_>,
        costs: &Calibration,
        an_operation: f64,
        notes: &mut Vec<String>,
    ) -> Time {
        let epochs = plan.epochs;
        let observing: Vec<Observing<'_>> = analyses
            .asked()
            .map(|(found, request)| Observing {
                every: request.every,
                cost: costs.observation(&observations::analysis_name(plan, found, request)),
            })
            .collect();
        if costs.files.is_none() {
            notes.push("not in the time: files (none could be written to be timed)".to_owned());
        }
        let snapshots = costs.observation(&observations::snapshot_name(plan, analyses));
        // The most frequent of several cadences: the others mostly fall on the same epochs.
        let most = observing.iter().map(|l| times(l.every, epochs)).max();
        let spacing = plan.checkpoints.spacing;
        let own = 2 + spacing.count(epochs) + most_written(spacing, epochs);
        let checkpoints = own.max(most.unwrap_or(0)) as f64;
        let observations_a_cell: u64 = observing.iter().map(|l| times(l.every, epochs)).sum();
        let cores = super::cores() as f64;

        let mut time = Time {
            seconds: 0.0,
            cores: 0.0,
            epochs: Vec::with_capacity(batches.len()),
            training: 0.0,
            files: 0.0,
            analyses: 0.0,
            waiting: 0.0,
            ends: PROCESS,
        };
        let mut epochs_of = HashMap::new();
        for batch in batches {
            let size = &survey.cells[batch.cells[0]];
            let cells = batch.cells.len() as f64;
            let pairs = [size.train, size.test];
            let epoch = match size.model.shape() {
                // Of many batches most are alike, and how many cores there are is told by files of
                // the system.
                Some(shape) => *epochs_of
                    .entry((*shape, pairs, batch.cells.len()))
                    .or_insert_with(|| costs.speed.epoch(choice, shape, pairs, batch.cells.len())),
                None => Epoch {
                    seconds: cells * size.needs.flops_per_epoch * an_operation,
                    threads: choice.threads(),
                },
            };
            let shape = size.analysed();
            let training = epoch.seconds * epochs as f64;

            let observations = |l: &Observing<'_>| {
                let observation = l
                    .cost
                    .zip(shape)
                    .map_or(0.0, |(cost, shape)| cost.seconds(shape));
                observation * times(l.every, epochs) as f64
            };
            let each: Vec<f64> = observing.iter().map(observations).collect();
            let shown = snapshots
                .zip(shape)
                .map_or(0.0, |(cost, shape)| cost.seconds(shape));
            let shown = cells * shown * most.unwrap_or(0) as f64;
            let busy = cells * each.iter().sum::<f64>() + shown;
            // Each analysis of a cell has a thread of its own, and one thread makes all snapshots.
            let longest = each.iter().copied().fold(shown, f64::max);
            let all = (training * epoch.threads as f64 + busy) / cores;
            let ended = training.max(all).max(longest);

            let sizes = size.estimate();
            let states = 1.0 + (ended / SAVE_EVERY).floor();
            let files = checkpoints + states + FILES_A_CELL;
            let files = files + FILES_AN_ANALYSIS * observing.len() as f64;
            let bytes = checkpoints * sizes.checkpoint_bytes as f64;
            let bytes = bytes + states * sizes.state_bytes as f64;
            let cost = |files_cost: super::files::Files| files_cost.seconds(files, bytes);
            time.files += cells * costs.files.map_or(0.0, cost);
            time.cores += cells * costs.files.map_or(0.0, |files| files.cores(bytes));
            time.ends += cells * SHOWN * observations_a_cell as f64;
            time.cores += training * epoch.threads as f64 + busy;
            time.training += training;
            time.analyses += busy;
            time.waiting += ended - training;
            time.epochs.push(epoch.seconds);
        }
        time.seconds = time.training + time.waiting + time.files + time.ends;
        time.cores += time.ends;
        time
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn observations_are_counted_with_the_first_and_the_last_epoch() {
        let counts = [(100, 1000), (100, 1050), (0, 1000), (3000, 1000), (1, 5)];
        let found = counts.map(|(every, epochs)| times(every, epochs));
        assert_eq!(found, [11, 12, 2, 2, 6]);
    }
}
